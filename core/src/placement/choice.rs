//! Why a resource was chosen, and why another was not: typed reasons, for people
//! and for tests.

use serde::{Deserialize, Serialize};

use crate::id::{DeploymentId, ResourceId};
use crate::slo::{Objective, Value};
use crate::units::Time;

/// Which part of a resource's capacity is short.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Short {
    /// CPU.
    Cpu,
    /// Memory.
    Memory,
    /// Storage.
    Storage,
}

/// Why a resource cannot have a part. The first that applies, in this order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rejection {
    /// Its platform does not run parts of this kind.
    Platform,
    /// The owner wants another.
    NotTheTarget,
    /// It is not in the ensemble.
    NotInEnsemble,
    /// The part has just left it or failed on it.
    Avoided {
        /// Until when it is avoided.
        until: Time,
    },
    /// Another deployment has it for itself.
    Locked {
        /// Which.
        by: DeploymentId,
    },
    /// The part wants it alone, and it cannot be locked.
    NotLockable,
    /// The part wants it alone, and another deployment is there.
    InUse {
        /// One of those that are there.
        by: DeploymentId,
    },
    /// The same artifact of the same deployment is there.
    SameArtifact,
    /// It is known not to answer.
    Down,
    /// Too little of its capacity is free.
    Full(Short),
    /// An objective is not met, or its metric is missing.
    Objective {
        /// Which.
        objective: Objective,
        /// What is known of its metric.
        value: Value,
    },
    /// It does not exist any more.
    Gone,
}

/// How good a resource is; less is better. Resources of which something is not
/// known come after all others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Score {
    /// Weighted metrics without a value.
    pub unknown: u32,
    /// The weighted term of latency.
    pub latency: f64,
    /// The weighted term of cost.
    pub cost: f64,
    /// The weighted term of load.
    pub load: f64,
}

impl Score {
    /// What is compared after `unknown`.
    pub fn total(&self) -> f64 {
        self.latency + self.cost + self.load
    }
}

/// A choice, with what a placement knows without looking at more resources than
/// it has to. [`explain`](super::Inventory::explain) tells the rest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Choice {
    /// What was chosen.
    pub resource: ResourceId,
    /// Why it: its score. All fitting resources have a worse one, or the same and
    /// a higher number.
    pub score: Score,
    /// Why not those that would have been better: how many were passed over, and
    /// for what reason the best of them.
    pub passed_over: u32,
    /// The best one that was passed over.
    pub best_passed_over: Option<(ResourceId, Rejection)>,
}

/// All there is to say of one resource for one part.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// It would do.
    Fits(Score),
    /// It would not.
    Rejected(Rejection),
}
