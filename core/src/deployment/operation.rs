//! What a provider is asked to do, and how it answers.
//!
//! Operations may be lost, late, doubled or reordered, and so may answers. What a
//! provider (or the simulator's model of one) must guarantee for this to be safe:
//!
//! 1. *Once per key.* An operation with a key it knows is not done again: the
//!    answer is that of the first time, when it is known. A failed one is tried
//!    anew when a higher attempt comes.
//! 2. *Fencing.* Keys of a part grow. Once an operation on an instance (or on a
//!    part's route) was accepted, one with a lower step on the same instance (or
//!    route) is refused for ever. A late `Deploy` does nothing after `Terminate`.
//! 3. *`Terminate` supersedes.* Whatever is under way for the instance is given up
//!    and undone; it is done when nothing of the instance is left, and also when
//!    there never was anything.

use serde::{Deserialize, Serialize};

use crate::id::{InstanceId, PartId, ResourceId};

/// Names an operation: its idempotency key. The same in all attempts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct OperationKey {
    /// For which part.
    pub part: PartId,
    /// Counts the operations for the part from 1.
    pub step: u32,
}

/// What is done to an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verb {
    /// Make it: a function that can be called, the pulled image of a service.
    Deploy,
    /// Start a service.
    Start,
    /// Stop a service; its image stays.
    Stop,
    /// Wait until it serves no call any more. It gets no new ones: the route has
    /// left it.
    Drain,
    /// Take it down, whatever state it is in.
    Terminate,
}

/// An operation's content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Done by the provider of the resource.
    Instance {
        /// What to do.
        verb: Verb,
        /// To which instance.
        instance: InstanceId,
        /// Where it is.
        resource: ResourceId,
    },
    /// Done by the router: calls to the part go there from now on.
    Route {
        /// To which instance; without, calls are refused.
        to: Option<InstanceId>,
    },
}

/// An operation as it is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operation {
    /// Its idempotency key.
    pub key: OperationKey,
    /// Counts the times it is sent, from 1.
    pub attempt: u32,
    /// What to do.
    pub action: Action,
}

/// How an operation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It is done.
    Done,
    /// It failed in a way that may pass.
    Failed,
    /// It failed and would fail again: trying again is pointless.
    Refused,
}

/// A provider's or the router's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    /// Of which operation.
    pub key: OperationKey,
    /// Of which attempt.
    pub attempt: u32,
    /// How it ended.
    pub outcome: Outcome,
}
