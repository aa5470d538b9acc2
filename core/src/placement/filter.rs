//! Which resources can have a part.

use super::choice::{Rejection, Short};
use super::inventory::{Entry, Inventory};
use super::resource::{Demand, PartKind};
use crate::id::{DeploymentId, ResourceId};
use crate::slo::{Metric, Objective, Origin};
use crate::units::Time;

/// What a part needs of a resource.
#[derive(Clone, Debug)]
pub struct Query<'a> {
    /// Whose part it is.
    pub deployment: DeploymentId,
    /// Function or service.
    pub kind: PartKind,
    /// What it takes.
    pub demand: Demand,
    /// Whether it wants the resource for its deployment alone.
    pub exclusive: bool,
    /// The only resource it may have, if the owner named one.
    pub target: Option<ResourceId>,
    /// The resources of its ensemble, sorted.
    pub ensemble: Option<&'a [ResourceId]>,
    /// Resources that hold the same artifact of the same deployment.
    pub apart: &'a [ResourceId],
    /// Resources to be avoided, and until when.
    pub avoid: &'a [(ResourceId, Time)],
    /// What must hold there, all of it, in the owner's order.
    pub objectives: &'a [&'a Objective],
}

/// A [`Rejection`] in a few bytes; most are counted and never shown.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Why {
    Platform,
    NotTheTarget,
    NotInEnsemble,
    Avoided(Time),
    Locked(DeploymentId),
    NotLockable,
    InUse(DeploymentId),
    SameArtifact,
    Down,
    Full(Short),
    Objective(usize),
}

impl Inventory {
    /// Why a resource cannot have a part; nothing if it can.
    pub(super) fn reject(&self, entry: &Entry, query: &Query<'_>, now: Time) -> Option<Why> {
        let resource = &entry.resource;
        let id = resource.id;
        if resource.platform.runs() != query.kind {
            return Some(Why::Platform);
        }
        if query.target.is_some_and(|target| target != id) {
            return Some(Why::NotTheTarget);
        }
        if let Some(ensemble) = query.ensemble
            && ensemble.binary_search(&id).is_err()
        {
            return Some(Why::NotInEnsemble);
        }
        if let Some(&(_, until)) = query.avoid.iter().find(|(avoided, _)| *avoided == id)
            && now < until
        {
            return Some(Why::Avoided(until));
        }
        if let Some(why) = self.taken(entry, query) {
            return Some(why);
        }
        if query.apart.contains(&id) {
            return Some(Why::SameArtifact);
        }
        if self.placing.aware {
            if entry.readings.get(Metric::Up, now, self.stale_after) == Some(0.0) {
                return Some(Why::Down);
            }
            if let Some(short) = short(entry, &query.demand) {
                return Some(Why::Full(short));
            }
        }
        let unmet = |objective: &&Objective| !self.meets(entry, objective, now);
        query.objectives.iter().position(unmet).map(Why::Objective)
    }

    /// Whether a resource is there, not known to be down, and meets all objectives.
    pub(crate) fn is_fit<'a>(
        &self,
        id: ResourceId,
        objectives: impl IntoIterator<Item = &'a Objective>,
        now: Time,
    ) -> bool {
        let Some(entry) = self.entry(id) else {
            return false;
        };
        let down = entry.readings.get(Metric::Up, now, self.stale_after) == Some(0.0);
        !(self.placing.aware && down)
            && objectives
                .into_iter()
                .all(|objective| self.meets(entry, objective, now))
    }

    /// Whether a resource meets an objective, as far as can be said before a part
    /// is there: metrics of instances have no values yet.
    pub(super) fn meets(&self, entry: &Entry, objective: &Objective, now: Time) -> bool {
        objective.metric.origin() == Origin::Instance
            || self.known(entry, objective.metric, now).meets(objective)
    }

    fn taken(&self, entry: &Entry, query: &Query<'_>) -> Option<Why> {
        if query.exclusive && !entry.resource.lockable {
            return Some(Why::NotLockable);
        }
        let others = entry
            .occupants
            .iter()
            .filter(|other| other.instance.part.deployment != query.deployment);
        for other in others {
            let by = other.instance.part.deployment;
            if other.exclusive {
                return Some(Why::Locked(by));
            }
            if query.exclusive {
                return Some(Why::InUse(by));
            }
        }
        None
    }

    /// A reason in full.
    pub(super) fn tell(&self, why: Why, entry: &Entry, query: &Query<'_>, now: Time) -> Rejection {
        match why {
            Why::Platform => Rejection::Platform,
            Why::NotTheTarget => Rejection::NotTheTarget,
            Why::NotInEnsemble => Rejection::NotInEnsemble,
            Why::Avoided(until) => Rejection::Avoided { until },
            Why::Locked(by) => Rejection::Locked { by },
            Why::NotLockable => Rejection::NotLockable,
            Why::InUse(by) => Rejection::InUse { by },
            Why::SameArtifact => Rejection::SameArtifact,
            Why::Down => Rejection::Down,
            Why::Full(short) => Rejection::Full(short),
            Why::Objective(index) => self.unmet(entry, query.objectives[index], now),
        }
    }

    /// The reason that an objective is not met.
    pub(super) fn unmet(&self, entry: &Entry, objective: &Objective, now: Time) -> Rejection {
        Rejection::Objective {
            objective: objective.clone(),
            value: self.known(entry, objective.metric, now).to_value(),
        }
    }
}

fn short(entry: &Entry, demand: &Demand) -> Option<Short> {
    let free = entry.free();
    if demand.cpu.0 > free.cpu {
        Some(Short::Cpu)
    } else if demand.memory.0 > free.memory {
        Some(Short::Memory)
    } else if demand.storage.0 > free.storage {
        Some(Short::Storage)
    } else {
        None
    }
}
