//! Who runs shards, whoever it is.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::sweep::plan::Sweep;

/// What was submitted.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Job {
    /// The engine's name.
    pub engine: String,
    /// The job's name or number there.
    pub id: String,
    /// Its shards, ascending.
    pub shards: Vec<u64>,
}

impl fmt::Display for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} job {}", self.engine, self.id)
    }
}

/// How the task of a shard is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Task {
    /// Not begun.
    Waiting,
    /// At work.
    Running,
    /// Over: how it ended, in words.
    Ended(String),
}

/// What an engine says about a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// The tasks it knows, by shard. One it does not know any more has ended.
    Tasks(BTreeMap<u64, Task>),
    /// It does not answer now, and may later: why.
    Silent(String),
}

/// Somebody who runs shards.
pub trait Engine {
    /// Its name.
    fn name(&self) -> &'static str;

    /// Exactly what [`submit`](Engine::submit) submits for these shards.
    ///
    /// # Errors
    /// When the sweep cannot be said in the engine's terms.
    fn text(&self, sweep: &Sweep, shards: &[u64]) -> Result<String, Error>;

    /// Submits these shards.
    ///
    /// # Errors
    /// When the engine is not there, or refuses.
    fn submit(&self, sweep: &Sweep, shards: &[u64]) -> Result<Job, Error>;

    /// How the tasks of `job` are.
    ///
    /// # Errors
    /// When the engine refuses to say.
    fn look(&self, job: &Job) -> Result<Seen, Error>;

    /// Whether a job goes on when this process ends.
    fn outlives(&self) -> bool {
        true
    }
}
