//! Who is who: containers and hosts, resources and deployments, by number.

use std::fmt;

use serde::{Deserialize, Serialize};

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
