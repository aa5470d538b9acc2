//! Every decision Tidegate makes, and nothing else.
//!
//! The core is sans-IO: a state machine that is fed [observations](Observation)
//! with their time and answers with [commands](Command) and the next time at
//! which it wants to be woken. It has no clock, no thread, no socket and no
//! randomness, and it never learns whether a simulator or a real host is on the
//! other side.
//!
//! - [`units`]: time, CPU and memory as integers that carry their unit.
//! - [`observation`], [`command`]: the two message types of the interface.
//! - [`pool`]: the distributed container, which keeps the sum of all limits
//!   under the application-wide limit Ω.
//! - [`delivery`]: sends commands again that nobody answers.
//! - [`allocator`]: the interface of a policy. The policies: [`fixed`] limits,
//!   [`escra`], our own [`tide`], and the baselines [`autopilot`], [`captain`],
//!   [`k8s_cpu`] and [`vpa`].
//! - [`manager`]: the resource manager, a machine of the same kind, made of
//!   [`slo`] (objectives and alerts), [`placement`] and [`deployment`].

pub mod units;

mod id;

mod share;

mod half;

pub mod observation;

pub mod command;

pub mod pool;

pub mod allocator;

pub mod delivery;

mod config;

pub mod fixed;

pub mod escra;

pub mod autopilot;

pub mod k8s_cpu;

pub mod vpa;

pub mod captain;

pub mod tide;

pub mod slo;

pub mod placement;

pub mod deployment;

pub mod manager;

pub use allocator::{Allocator, Bounds, Limits};
pub use command::Command;
pub use config::ConfigError;
pub use delivery::Delivery;
pub use half::Half;
pub use id::{
    AlertId, Container, ContainerId, DeploymentId, EnsembleId, HostId, InstanceId, PartId,
    ResourceId,
};
pub use observation::{CpuPeriod, Observation};
pub use share::{HostReport, Share};
pub use units::{Bytes, Cores, Span, Time};
