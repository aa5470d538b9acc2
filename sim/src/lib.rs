//! A discrete-event simulator of hosts, containers, applications and clients.
//!
//! One run is one thread: typed events in one `enum`, a queue ordered by time
//! and sequence number, and named random streams. The same experiment and seed
//! give the same outcome, bit for bit. No model asks which allocator is running;
//! policies differ only by the commands they issue.
//!
//! - [`engine`]: the queue and the clock.
//! - [`testbed`]: hosts, kernel and network as parameters; [`faults`]: what goes wrong.
//! - [`bandwidth`]: one container's CFS bandwidth group.
//! - [`wire`]: what messages of the control plane weigh.
//! - [`platform`]: what starts and stops pods as requests come.
//! - [`experiment`], [`outcome`]: what goes in and what comes out of a run.
//! - [`record`]: what is written down, of runs in any world.
//! - `world`: the run itself, behind [`run`].
//! - [`continuum`]: the other kind of experiment: a manager that deploys on many
//!   platforms.

pub mod engine;

pub mod testbed;

pub mod faults;

pub mod bandwidth;

pub mod machine;

mod memory;

mod flow;

pub mod continuum;

pub mod record;

mod watch;

pub mod wire;

pub mod platform;

pub mod experiment;

pub mod outcome;

mod world;

pub use experiment::{Client, Experiment, Recording, Scope, Series};
pub use outcome::{Cdf, ContainerUse, Metric, Outcome, SeriesPoint};
pub use testbed::Testbed;
pub use world::run;
