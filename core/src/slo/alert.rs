//! An alert: one violation of one objective, told once when it begins and once
//! when it is over.
//!
//! The original posts again at each evaluation, without an identity and without
//! an end: 702 posts for 50 violations of seven resources.

use serde::{Deserialize, Serialize};

use super::metric::Metric;
use super::objective::{Objective, Value};
use crate::id::{AlertId, DeploymentId, InstanceId, ResourceId};
use crate::units::Time;

/// Which of the two messages of an alert this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlertState {
    /// The objective is violated.
    Firing,
    /// The violation is over.
    Resolved(Resolution),
}

/// Why a violation is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Resolution {
    /// The objective is met again.
    Met,
    /// The deployment no longer uses the resource.
    Left,
}

/// One message of an alert, complete in itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Alert {
    /// The same in both messages, and in all repetitions.
    pub id: AlertId,
    /// Firing or resolved.
    pub state: AlertState,
    /// Whose objective.
    pub deployment: DeploymentId,
    /// Where it is violated.
    pub resource: ResourceId,
    /// By which instance, for metrics of instances.
    pub instance: Option<InstanceId>,
    /// The metric.
    pub metric: Metric,
    /// Its value when this message was made; [`Value::Missing`] is a violation of
    /// its own kind.
    pub value: Value,
    /// The objective.
    pub objective: Objective,
    /// When this message was made. A repetition keeps it.
    pub at: Time,
    /// Since when the objective has been violated.
    pub since: Time,
}
