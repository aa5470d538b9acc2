//! The interface of the manager: what it is told and what it answers.

use crate::deployment::{DeploymentPhase, DeploymentSpec, Operation, Phase, Reply};
use crate::id::{AlertId, DeploymentId, EnsembleId, InstanceId, PartId, ResourceId};
use crate::placement::{Choice, Rejection, Resource};
use crate::slo::{Alert, AlertState, Metric, Objective};
use crate::units::Time;

/// Who is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Measured {
    /// A resource.
    Resource(ResourceId),
    /// An instance, for metrics of [`Origin::Instance`](crate::slo::Origin).
    Instance(InstanceId),
}

/// One measured value. Samples older than the newest of their metric are ignored.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// Of whom.
    pub of: Measured,
    /// Which metric; only those that are sampled.
    pub metric: Metric,
    /// Its value in the unit of the metric; a flag is 1 or 0. NaN says that the
    /// measurement failed: the metric is missing from now on.
    pub value: f64,
    /// When it was measured.
    pub at: Time,
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq)]
pub enum ManagerObservation {
    /// A resource is there, or its description has changed.
    ResourceJoined(Resource),
    /// A resource is gone for good, with all that was on it.
    ResourceLeft(ResourceId),
    /// A metric was measured.
    Sample(Sample),
    /// An ensemble is to be created. Answered with [`Event::Ensemble`].
    CreateEnsemble {
        /// Its name, never used before.
        ensemble: EnsembleId,
        /// What must hold on its resources.
        objectives: Vec<Objective>,
        /// Its resources.
        resources: Vec<ResourceId>,
    },
    /// A resource is added to (or, if not `member`, taken from) an ensemble.
    SetMember {
        /// Which ensemble.
        ensemble: EnsembleId,
        /// Which resource.
        resource: ResourceId,
        /// Whether it is to be in it.
        member: bool,
    },
    /// Deploy this. A name that is known is ignored: the request came twice.
    Deploy {
        /// Its name, never used before.
        deployment: DeploymentId,
        /// What to deploy.
        spec: DeploymentSpec,
    },
    /// Take a deployment down, whatever it is doing.
    Terminate(DeploymentId),
    /// Start a service.
    Start(PartId),
    /// Stop a service; it stays deployed.
    Stop(PartId),
    /// A provider or the router answers.
    Reply(Reply),
    /// An instance is gone or useless: its container does not come back, its
    /// machine has vanished. It is taken down and replaced.
    Lost(InstanceId),
    /// The receiver has the alert's message.
    AlertDelivered {
        /// Which alert.
        alert: AlertId,
        /// Which message of it.
        state: AlertState,
    },
}

/// Why a request is refused.
#[derive(Clone, Debug, PartialEq)]
pub enum Refusal {
    /// A deployment without parts.
    Empty,
    /// An ensemble that does not exist.
    Ensemble(EnsembleId),
    /// A resource that does not exist.
    NoSuchResource(ResourceId),
    /// The resource the owner names cannot have the part.
    Target {
        /// The part's place in the deployment's list.
        part: u32,
        /// The resource named.
        resource: ResourceId,
        /// Why it cannot.
        why: Rejection,
    },
}

/// Something worth telling: for logs, results and owners. No answer is expected.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A deployment was accepted or has reached another phase.
    Deployment(DeploymentId, DeploymentPhase),
    /// A deployment was refused; nothing of it exists.
    Refused(DeploymentId, Refusal),
    /// An instance is in this phase now.
    Instance(InstanceId, Phase),
    /// A part got a new instance, and why there.
    Placed(InstanceId, Choice),
    /// No resource can have the part now: it is tried again after a while, and as
    /// soon as there is room for it.
    Unplaced(PartId),
    /// A part is being moved away from this instance because of this alert.
    Moving(InstanceId, AlertId),
    /// A part could not be deployed, started or moved in as many attempts as
    /// allowed; it rests before the next.
    Resting(PartId),
    /// An ensemble was created or checked again: which of its resources do not
    /// meet its objectives. It was created, or is valid, if there are none.
    Ensemble(EnsembleId, Vec<(ResourceId, Rejection)>),
}

/// What the manager wants done: its only output.
#[derive(Clone, Debug, PartialEq)]
pub enum ManagerCommand {
    /// For the provider of a resource, or the router. Answered with
    /// [`Reply`](ManagerObservation::Reply).
    Operate(Operation),
    /// For the receiver of alerts. To be answered with
    /// [`AlertDelivered`](ManagerObservation::AlertDelivered): until then it is
    /// repeated.
    Notify(Alert),
    /// To be told to whom it may concern.
    Tell(Event),
}
