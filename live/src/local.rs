//! A scenario's application on this host: one process per service in a control group
//! of its own, a load generator, and what both saw.
//!
//! - [`session`]: one run, behind [`run`].
//! - [`site`]: where it keeps what it makes, and how that is found when it died.
//! - [`sampler`]: what is seen of the containers.
//! - `manager`: the controller and the agent, who set limits; [`books`]: what they did.
//! - `process`: the processes.
//! - [`spin`]: CPU time that is used up, to the microsecond.
//! - [`service`]: the program of one service, a real HTTP server that burns the CPU,
//!   holds the memory and makes the calls that the application says.
//! - [`load`]: an open loop over pipelined connections, as wrk2 has it.

mod error;

pub mod session;

pub mod site;

pub mod books;

mod manager;

mod process;

pub mod sampler;

pub mod spin;

pub mod service;

pub mod load;

pub use error::LocalError;
pub use session::{Experiment, Seen, run};
