//! What is known of a deployment: what was asked for, what is or may be there,
//! and which operations are under way. All of it is written to the journal.

use serde::{Deserialize, Serialize};

use super::lifecycle::{DeploymentPhase, Phase};
use super::operation::{Action, Operation, OperationKey};
use super::spec::{DeploymentSpec, PartSpec};
use crate::id::{DeploymentId, InstanceId, PartId, ResourceId};
use crate::placement::PartKind;
use crate::slo::{Alert, Objective};
use crate::units::Time;

/// Whether a deployment is to be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Desired {
    Up,
    /// Its owner wants it gone.
    Down,
    /// A part failed, and its owner wants all or nothing.
    Failed,
}

/// A deployment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Deployment {
    pub(crate) id: DeploymentId,
    pub(crate) spec: DeploymentSpec,
    /// What must hold for all parts: of the deployment and of its ensemble.
    pub(crate) objectives: Vec<Objective>,
    pub(crate) desired: Desired,
    pub(crate) phase: DeploymentPhase,
    pub(crate) parts: Vec<Part>,
    /// Alerts that fire, or whose messages are not all delivered.
    pub(crate) alerts: Vec<OpenAlert>,
    pub(crate) next_alert: u32,
}

/// One part of a deployment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Part {
    /// Whether a service is to run.
    pub(crate) start: bool,
    /// The instances that are or may be there, the oldest first.
    pub(crate) instances: Vec<Instance>,
    /// Where the router has confirmed to send calls.
    pub(crate) routed: Option<u32>,
    /// A switch of the route that is under way.
    pub(crate) route: Option<Pending>,
    /// The last operation's step.
    pub(crate) step: u32,
    /// The next instance's generation.
    pub(crate) generation: u32,
    /// Resources that failed or were left, and until when they are avoided.
    pub(crate) avoid: Vec<(ResourceId, Time)>,
    /// Placements in a row that came to nothing.
    pub(crate) failures: u32,
    /// Moves in a row that did not help.
    pub(crate) moves: u32,
    /// Instances in a row that were lost soon after they had become ready.
    #[serde(default)]
    pub(crate) losses: u32,
    /// No placement before this.
    pub(crate) not_before: Time,
    /// Whether no resource could have it at its last placement. It need not wait
    /// for `not_before` when room is made.
    pub(crate) unplaced: bool,
    /// When it last began to be served from another resource because of a
    /// violation.
    pub(crate) moved: Option<Time>,
    /// Whether the newest instance is there to replace one that violates an
    /// objective.
    pub(crate) moving: bool,
    /// Whether it has ever been ready.
    pub(crate) was_ready: bool,
}

/// One placement of a part on a resource.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Instance {
    pub(crate) generation: u32,
    pub(crate) resource: ResourceId,
    pub(crate) phase: Phase,
    /// When it entered its phase.
    #[serde(default)]
    pub(crate) since: Time,
    pub(crate) pending: Option<Pending>,
}

/// An operation under way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Pending {
    pub(crate) operation: Operation,
    /// Whether it was sent and may be answered; else it waits to be sent again.
    pub(crate) sent: bool,
    /// When it is sent again, or counts as lost.
    pub(crate) due: Time,
}

/// An alert with what of it is delivered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct OpenAlert {
    pub(crate) fired: Alert,
    pub(crate) fired_delivered: bool,
    /// Its end, if it has ended.
    pub(crate) resolved: Option<Alert>,
    /// Counts the times that its current message was sent.
    pub(crate) attempt: u32,
    /// When the message is sent again.
    pub(crate) due: Time,
}

impl Deployment {
    /// The name, description and state of a part.
    pub(crate) fn part(&self, index: u32) -> Option<(&PartSpec, &Part)> {
        let index = index as usize;
        Some((self.spec.parts.get(index)?, self.parts.get(index)?))
    }

    /// The objectives of a part: those of all, then its own.
    pub(crate) fn objectives_of(&self, index: u32) -> impl Iterator<Item = &Objective> {
        let own = self.spec.parts.get(index as usize);
        let own = own.map_or(&[][..], |part| &part.objectives);
        self.objectives.iter().chain(own)
    }

    /// Where its life is.
    pub fn phase(&self) -> DeploymentPhase {
        self.phase
    }

    /// What was asked for.
    pub fn spec(&self) -> &DeploymentSpec {
        &self.spec
    }

    /// Where the instances of each part are: part, resource, phase.
    pub fn instances(&self) -> impl Iterator<Item = (InstanceId, ResourceId, Phase)> {
        (0u32..).zip(&self.parts).flat_map(move |(index, part)| {
            let part_id = PartId {
                deployment: self.id,
                index,
            };
            part.instances
                .iter()
                .map(move |instance| (instance.id(part_id), instance.resource, instance.phase))
        })
    }

    /// The instance to which the router has confirmed to send a part's calls.
    pub fn routed(&self, part: u32) -> Option<InstanceId> {
        let generation = self.parts.get(part as usize)?.routed?;
        Some(InstanceId {
            part: PartId {
                deployment: self.id,
                index: part,
            },
            generation,
        })
    }

    /// The phase that follows from the parts.
    pub(crate) fn derived_phase(&self) -> DeploymentPhase {
        let empty = |part: &Part| {
            part.instances.is_empty() && part.routed.is_none() && part.route.is_none()
        };
        match self.desired {
            Desired::Down if self.parts.iter().all(empty) => DeploymentPhase::Terminated,
            Desired::Failed if self.parts.iter().all(empty) => DeploymentPhase::Failed,
            Desired::Down | Desired::Failed => DeploymentPhase::Terminating,
            Desired::Up => {
                let parts = self.spec.parts.iter().zip(&self.parts);
                let mut unready = parts
                    .filter(|(spec, part)| !part.is_ready(spec))
                    .map(|(_, part)| part)
                    .peekable();
                if unready.peek().is_none() {
                    DeploymentPhase::Deployed
                } else if unready.any(|part| part.was_ready || part.failures > 0) {
                    DeploymentPhase::Degraded
                } else {
                    DeploymentPhase::Deploying
                }
            }
        }
    }
}

impl Part {
    pub(crate) fn new(start: bool) -> Part {
        Part {
            start,
            instances: Vec::new(),
            routed: None,
            route: None,
            step: 0,
            generation: 0,
            avoid: Vec::new(),
            failures: 0,
            moves: 0,
            losses: 0,
            not_before: Time::ZERO,
            unplaced: false,
            moved: None,
            moving: false,
            was_ready: false,
        }
    }

    /// Whether it gets calls: a function always, a service if it is to run.
    pub(crate) fn serves(&self, spec: &PartSpec) -> bool {
        spec.kind == PartKind::Function || self.start
    }

    /// The phase of an instance that has nothing more to do.
    pub(crate) fn settled_phase(&self, spec: &PartSpec) -> Phase {
        match spec.kind {
            PartKind::Service if self.start => Phase::Running,
            PartKind::Function | PartKind::Service => Phase::Deployed,
        }
    }

    /// The newest instance that has nothing more to do.
    pub(crate) fn settled(&self, spec: &PartSpec) -> Option<&Instance> {
        let phase = self.settled_phase(spec);
        self.instances.iter().rev().find(|i| i.phase == phase)
    }

    /// The newest instance that is wanted.
    pub(crate) fn newest(&self) -> Option<&Instance> {
        self.instances.iter().rev().find(|i| i.phase.is_wanted())
    }

    /// Whether its owner has what was asked for: an instance that is settled and,
    /// if it gets calls, gets them.
    pub(crate) fn is_ready(&self, spec: &PartSpec) -> bool {
        let phase = self.settled_phase(spec);
        self.instances
            .iter()
            .any(|i| i.phase == phase && (!self.serves(spec) || self.routed == Some(i.generation)))
    }

    pub(crate) fn instance(&self, generation: u32) -> Option<&Instance> {
        self.instances.iter().find(|i| i.generation == generation)
    }

    pub(crate) fn instance_mut(&mut self, generation: u32) -> Option<&mut Instance> {
        self.instances
            .iter_mut()
            .find(|i| i.generation == generation)
    }

    /// The next operation for this part, to be sent at once.
    pub(crate) fn begin(&mut self, part: PartId, action: Action, due: Time) -> Pending {
        self.step += 1;
        Pending {
            operation: Operation {
                key: OperationKey {
                    part,
                    step: self.step,
                },
                attempt: 1,
                action,
            },
            sent: true,
            due,
        }
    }

    /// The operations under way.
    pub(crate) fn pending(&self) -> impl Iterator<Item = &Pending> {
        self.instances
            .iter()
            .filter_map(|i| i.pending.as_ref())
            .chain(&self.route)
    }

    /// The operation under way with this key.
    pub(crate) fn pending_mut(&mut self, key: OperationKey) -> Option<&mut Pending> {
        self.instances
            .iter_mut()
            .filter_map(|i| i.pending.as_mut())
            .chain(&mut self.route)
            .find(|pending| pending.operation.key == key)
    }
}

impl Instance {
    pub(crate) fn id(&self, part: PartId) -> InstanceId {
        InstanceId {
            part,
            generation: self.generation,
        }
    }

    /// Enters the next phase; whatever was under way is superseded.
    ///
    /// # Panics
    ///
    /// If the edge is not legal: the manager itself would be wrong.
    pub(crate) fn advance(&mut self, next: Phase, now: Time) {
        assert!(
            self.phase.may_become(next),
            "{:?} must not become {next:?}",
            self.phase
        );
        self.phase = next;
        self.since = now;
        self.pending = None;
    }
}
