//! The resource manager: objectives, placement and deployments in one machine.
//!
//! - [`message`]: what it is told and what it answers.
//! - [`config`]: its parameters.

pub mod message;

pub mod config;

pub use config::Config;
pub use message::{Event, ManagerCommand, ManagerObservation, Measured, Refusal, Sample};
