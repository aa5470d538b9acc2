//! A run cut into shards that run elsewhere, and come back together.
//!
//! - [`plan`]: what is cut, the command of a shard, what of it is there.
//! - [`ledger`]: what a folder of shards is of, and which job is at work on it.
//! - [`engine`]: who runs shards, whoever it is.
//! - [`local`], [`slurm`] and, in builds with it, `kubernetes`: those there are.
//! - [`wait`](mod@wait): until a job has ended.
//! - [`ranges`]: lists of shards as people and Slurm write them.
//!
//! Whether a shard is whole is told by its files alone, never by what an engine says.

pub mod plan;

pub mod ledger;

pub mod engine;

pub mod local;

pub mod slurm;

#[cfg(feature = "kubernetes")]
pub mod kubernetes;

pub mod wait;

pub mod ranges;

pub use engine::{Engine, Job, Seen, Task};
pub use ledger::Ledger;
pub use plan::Sweep;
