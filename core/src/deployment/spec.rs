//! What is asked for: a deployment as its owner describes it.

use serde::{Deserialize, Serialize};

use crate::id::{EnsembleId, ResourceId};
use crate::placement::{Demand, PartKind};
use crate::slo::Objective;

/// Where a part is to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// Wherever it fits best.
    #[default]
    Any,
    /// Here at first; later wherever it fits best.
    First(ResourceId),
    /// Here and nowhere else: the owner has chosen, as in the original.
    Only(ResourceId),
}

/// A function or service to be deployed on one resource.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PartSpec {
    /// What is deployed. Two parts of a deployment with the same artifact never
    /// share a resource.
    pub artifact: String,
    /// Function or service.
    pub kind: PartKind,
    /// What it takes of a resource.
    pub demand: Demand,
    /// Where it is to be.
    pub target: Target,
    /// Whether its resource is for this deployment alone, as long as anything of
    /// it may be there.
    pub exclusive: bool,
    /// Services: whether to start it as soon as it is deployed. Without, it waits
    /// for [`Start`](crate::manager::ManagerObservation::Start).
    pub start: bool,
    /// What must hold where it is, beside the objectives of the deployment.
    pub objectives: Vec<Objective>,
}

/// What becomes of a deployment when a part cannot be deployed for now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnFailure {
    /// The others serve; the part is tried again after a rest.
    #[default]
    KeepTheRest,
    /// All is taken down, as in the original, but tracked until nothing is left.
    TakeDown,
}

/// A deployment as its owner describes it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DeploymentSpec {
    /// What is deployed.
    pub parts: Vec<PartSpec>,
    /// What must hold on the resource of each part.
    pub objectives: Vec<Objective>,
    /// Whose resources may be used, and whose objectives hold too.
    pub ensemble: Option<EnsembleId>,
    /// What a part that cannot be deployed means for the others.
    pub on_failure: OnFailure,
}
