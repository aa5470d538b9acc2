//! Who is who: containers and hosts, resources and deployments, by number.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::allocator::Limits;

/// Names a container for the length of a run. Never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContainerId(pub u32);

/// Names a host for the length of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostId(pub u32);

/// A container as it asks to be admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Container {
    /// Its name.
    pub id: ContainerId,
    /// Where it runs.
    pub host: HostId,
    /// The limits its own specification asks for: pods that a platform starts have
    /// some; containers that were profiled before the run have none.
    pub requested: Option<Limits>,
}

impl Container {
    /// The limits it asks for, or else those that were given for its number.
    ///
    /// # Panics
    ///
    /// If there are neither: any limits would be a guess.
    pub(crate) fn wanted(&self, given: &[Limits]) -> Limits {
        let index = self.id.0 as usize;
        match self.requested.or_else(|| given.get(index).copied()) {
            Some(limits) => limits,
            None => panic!(
                "container {index} has no limits to start with: only {} were given",
                given.len()
            ),
        }
    }
}

/// Names a resource of the continuum: a device, a cluster node, a region of a
/// serverless platform. Never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ResourceId(pub u32);

/// Names a deployment; chosen by who asks for it. Never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DeploymentId(pub u32);

/// Names an ensemble. Never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EnsembleId(pub u32);

/// Names a part of a deployment: a function or a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PartId {
    /// Whose part.
    pub deployment: DeploymentId,
    /// Its place in the deployment's list, from 0.
    pub index: u32,
}

/// Names one placement of a part on a resource. Never reused: a part that comes
/// back to a resource is another instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct InstanceId {
    /// Of which part.
    pub part: PartId,
    /// Counts the instances of the part from 0.
    pub generation: u32,
}

/// Names an alert: one violation of one objective, from fire to resolve.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AlertId {
    /// Whose objective is violated.
    pub deployment: DeploymentId,
    /// Counts the alerts of the deployment from 0.
    pub number: u32,
}

impl fmt::Display for PartId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.deployment.0, self.index)
    }
}

impl fmt::Display for InstanceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.part, self.generation)
    }
}
