//! Deployments: what is asked for, what is there, and the operations that bring
//! the one to the other.
//!
//! - [`spec`]: what an owner asks for.
//! - [`lifecycle`]: the phases and their legal edges.
//! - [`state`]: what is known of a deployment.
//! - [`operation`], [`retry`]: what providers are asked to do, and when again.

pub mod spec;

pub mod lifecycle;

pub mod state;

pub mod operation;

pub mod retry;

pub use lifecycle::{DeploymentPhase, Phase};
pub use operation::{Action, Operation, OperationKey, Outcome, Reply, Verb};
pub use retry::Retry;
pub use spec::{DeploymentSpec, OnFailure, PartSpec, Target};
pub use state::Deployment;
