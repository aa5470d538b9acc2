//! One part of one deployment, with all that is needed to decide for it.
//!
//! Decisions are level-triggered: [`reconcile`](Step::reconcile) looks at what is
//! wanted and what is there and begins what is missing, however it came to that.
//! A restart or a lost message therefore needs no path of its own. This file has
//! the means (phases, operations, routes); [`reconcile`](super::reconcile) has the
//! decisions.

use std::collections::BTreeMap;

use super::config::Config;
use super::message::{Event, ManagerCommand};
use crate::deployment::state::{Deployment, Desired, Instance, Part, Pending};
use crate::deployment::{
    Action, OnFailure, Operation, OperationKey, Outcome, PartSpec, Phase, Reply, Verb,
};
use crate::id::{EnsembleId, InstanceId, PartId, ResourceId};
use crate::placement::Ensemble;
use crate::placement::inventory::{Inventory, Occupant};
use crate::slo::Resolution;
use crate::slo::monitor::{Finding, Monitor};
use crate::units::{Span, Time};

/// A part, its deployment and its surroundings.
pub(super) struct Step<'a> {
    pub(super) now: Time,
    pub(super) config: &'a Config,
    pub(super) inventory: &'a mut Inventory,
    pub(super) ensembles: &'a BTreeMap<EnsembleId, Ensemble>,
    pub(super) monitor: &'a mut Monitor,
    pub(super) found: &'a mut Vec<Finding>,
    /// Resources on which room was made.
    pub(super) freed: &'a mut Vec<ResourceId>,
    pub(super) deployment: &'a mut Deployment,
    pub(super) index: u32,
    pub(super) out: &'a mut Vec<ManagerCommand>,
}

impl Step<'_> {
    pub(super) fn id(&self) -> PartId {
        PartId {
            deployment: self.deployment.id,
            index: self.index,
        }
    }

    pub(super) fn instance_id(&self, generation: u32) -> InstanceId {
        InstanceId {
            part: self.id(),
            generation,
        }
    }

    pub(super) fn spec(&self) -> &PartSpec {
        &self.deployment.spec.parts[self.index as usize]
    }

    pub(super) fn part(&self) -> &Part {
        &self.deployment.parts[self.index as usize]
    }

    pub(super) fn part_mut(&mut self) -> &mut Part {
        &mut self.deployment.parts[self.index as usize]
    }

    pub(super) fn tell(&mut self, event: Event) {
        self.out.push(ManagerCommand::Tell(event));
    }

    /// A provider or the router answers.
    pub(super) fn reply(&mut self, reply: &Reply) {
        let Some(pending) = self.part_mut().pending_mut(reply.key) else {
            return;
        };
        let operation = pending.operation;
        if reply.outcome != Outcome::Done {
            // What an earlier attempt came to says nothing of this one.
            if pending.sent && reply.attempt == operation.attempt {
                self.failed(reply.key, reply.outcome == Outcome::Refused);
            }
            return;
        }
        match operation.action {
            Action::Route { to } => {
                let part = self.part_mut();
                part.route = None;
                part.routed = to.map(|instance| instance.generation);
            }
            Action::Instance { verb, instance, .. } => {
                let generation = instance.generation;
                match verb {
                    Verb::Deploy | Verb::Stop => self.advance(generation, Phase::Deployed),
                    Verb::Start => self.advance(generation, Phase::Running),
                    Verb::Drain => self.terminate(generation),
                    Verb::Terminate => self.advance(generation, Phase::Terminated),
                }
            }
        }
    }

    /// Operations whose time has come are sent again, or count as failed.
    pub(super) fn time_passed(&mut self) {
        let now = self.now;
        let due: Vec<(OperationKey, bool)> = self
            .part()
            .pending()
            .filter(|pending| pending.due <= now)
            .map(|pending| (pending.operation.key, pending.sent))
            .collect();
        for (key, sent) in due {
            if sent {
                self.failed(key, false);
            } else {
                self.send_again(key);
            }
        }
    }

    fn send_again(&mut self, key: OperationKey) {
        let (now, config) = (self.now, self.config);
        if let Some(pending) = self.part_mut().pending_mut(key) {
            pending.sent = true;
            pending.operation.attempt += 1;
            pending.due = now + timeout(config, &pending.operation.action);
            let operation = pending.operation;
            self.out.push(ManagerCommand::Operate(operation));
        }
    }

    /// An attempt has failed, was refused, or got no answer in time.
    fn failed(&mut self, key: OperationKey, refused: bool) {
        let (now, retry) = (self.now, self.config.retry);
        let Some(pending) = self.part_mut().pending_mut(key) else {
            return;
        };
        let Operation {
            attempt, action, ..
        } = pending.operation;
        if let Action::Instance { verb, instance, .. } = action {
            let generation = instance.generation;
            match verb {
                Verb::Deploy | Verb::Start
                    if refused || attempt >= retry.attempts || self.has_turned_bad(generation) =>
                {
                    return self.give_up(generation);
                }
                // What has not drained by now is cut off.
                Verb::Drain => return self.terminate(generation),
                // The rest must come to an end: it is tried for ever.
                _ => {}
            }
        }
        if let Some(pending) = self.part_mut().pending_mut(key) {
            pending.sent = false;
            pending.due = now + retry.wait(attempt, seed(key));
        }
    }

    /// An instance cannot be made or started: another resource is tried.
    fn give_up(&mut self, generation: u32) {
        let Some(instance) = self.part().instance(generation) else {
            return;
        };
        let resource = instance.resource;
        self.terminate(generation);
        self.avoid(resource);
        self.count_failure();
    }

    /// Whether nobody would be placed any more where an instance is to be made: it
    /// is known to be down, or to violate an objective.
    fn has_turned_bad(&self, generation: u32) -> bool {
        let Some(instance) = self.part().instance(generation) else {
            return false;
        };
        let objectives = self.deployment.objectives_of(self.index);
        !self
            .inventory
            .is_fit(instance.resource, objectives, self.now)
    }

    /// An instance is gone, though nobody wanted that. The first time it is replaced
    /// at once. One that is lost on its way, or not long after the one before, says
    /// something of its resource: that is avoided, and the part waits longer each
    /// time, so that what crashes again and again is not started again and again.
    pub(super) fn lost(&mut self, generation: u32) {
        let (now, placing, retry) = (self.now, self.config.placing, self.config.retry);
        let Some(instance) = self.part().instance(generation) else {
            return;
        };
        let (resource, phase) = (instance.resource, instance.phase);
        let lasted = now.since(instance.since);
        match phase {
            Phase::Terminating | Phase::Terminated => return,
            Phase::Deploying | Phase::Starting => return self.give_up(generation),
            Phase::Draining => return self.terminate(generation),
            Phase::Deployed | Phase::Running | Phase::Stopping => self.terminate(generation),
        }
        let id = self.id();
        let part = self.part_mut();
        part.losses = if lasted < placing.rest {
            part.losses.saturating_add(1)
        } else {
            1
        };
        let losses = part.losses;
        if losses == 1 {
            return;
        }
        let rests = losses.is_multiple_of(placing.attempts);
        let wait = if rests {
            placing.rest
        } else {
            retry.wait(losses - 1, seed(OperationKey { part: id, step: 0 }))
        };
        part.not_before = now + wait;
        self.avoid(resource);
        if rests {
            self.tell(Event::Resting(id));
        }
    }

    /// The part keeps away from a resource for a while.
    pub(super) fn avoid(&mut self, resource: ResourceId) {
        let (now, until) = (self.now, self.now + self.config.placing.rest);
        let avoid = &mut self.part_mut().avoid;
        avoid.retain(|&(other, until)| other != resource && now < until);
        avoid.push((resource, until));
    }

    /// A placement came to nothing. After too many in a row the part rests, or the
    /// deployment is taken down if that is what its owner wants.
    pub(super) fn count_failure(&mut self) {
        let (now, placing, retry) = (self.now, self.config.placing, self.config.retry);
        let id = self.id();
        let part = self.part_mut();
        part.moving = false;
        part.failures = part.failures.saturating_add(1);
        let failures = part.failures;
        if !failures.is_multiple_of(placing.attempts) {
            let key = OperationKey { part: id, step: 0 };
            part.not_before = now + retry.wait(failures, seed(key));
            return;
        }
        part.not_before = now + placing.rest;
        let never_ready = !part.was_ready;
        self.tell(Event::Resting(id));
        if never_ready
            && self.deployment.spec.on_failure == OnFailure::TakeDown
            && self.deployment.desired == Desired::Up
        {
            self.deployment.desired = Desired::Failed;
        }
    }

    /// Makes a new instance on a resource that has been chosen.
    pub(super) fn create(&mut self, resource: ResourceId) {
        let now = self.now;
        let part = self.part_mut();
        let generation = part.generation;
        part.generation += 1;
        part.instances.push(Instance {
            generation,
            resource,
            phase: Phase::Deploying,
            since: now,
            pending: None,
        });
        let id = self.instance_id(generation);
        let occupant = occupant(self.spec(), id);
        self.inventory.occupy(resource, occupant);
        self.tell(Event::Instance(id, Phase::Deploying));
        self.operate(generation, Verb::Deploy);
    }

    /// Begins an operation on an instance.
    pub(super) fn operate(&mut self, generation: u32, verb: Verb) {
        let instance = self.instance_id(generation);
        let Some(resource) = self.part().instance(generation).map(|i| i.resource) else {
            return;
        };
        let action = Action::Instance {
            verb,
            instance,
            resource,
        };
        let pending = self.begin(action);
        if let Some(instance) = self.part_mut().instance_mut(generation) {
            instance.pending = Some(pending);
        }
    }

    /// Begins to switch the route.
    pub(super) fn route(&mut self, to: Option<u32>) {
        let to = to.map(|generation| self.instance_id(generation));
        let pending = self.begin(Action::Route { to });
        self.part_mut().route = Some(pending);
    }

    fn begin(&mut self, action: Action) -> Pending {
        let id = self.id();
        let due = self.now + timeout(self.config, &action);
        let pending = self.part_mut().begin(id, action, due);
        self.out.push(ManagerCommand::Operate(pending.operation));
        pending
    }

    /// Takes an instance down, whatever it is doing.
    pub(super) fn terminate(&mut self, generation: u32) {
        self.advance(generation, Phase::Terminating);
        self.operate(generation, Verb::Terminate);
    }

    /// An instance enters its next phase.
    pub(super) fn advance(&mut self, generation: u32, next: Phase) {
        let (id, now) = (self.instance_id(generation), self.now);
        let Some(instance) = self.part_mut().instance_mut(generation) else {
            return;
        };
        let resource = instance.resource;
        instance.advance(next, now);
        self.tell(Event::Instance(id, next));
        match next {
            Phase::Deploying => {}
            Phase::Deployed | Phase::Starting | Phase::Running | Phase::Stopping => {
                self.watch(id, resource);
            }
            Phase::Draining | Phase::Terminating => self.unwatch(id),
            Phase::Terminated => {
                self.inventory.release(resource, id);
                self.freed.push(resource);
                let instances = &mut self.part_mut().instances;
                instances.retain(|instance| instance.generation != generation);
            }
        }
    }

    fn watch(&mut self, id: InstanceId, resource: ResourceId) {
        let objectives = self.deployment.objectives_of(self.index);
        self.monitor
            .begin(self.now, id, resource, objectives, |_| None);
        self.monitor
            .first_look(self.now, id, &*self.inventory, self.found);
    }

    fn unwatch(&mut self, id: InstanceId) {
        let now = self.now;
        for (_, watch) in self.monitor.end(id) {
            if let Some(number) = watch.alert {
                self.deployment
                    .resolve(number, Resolution::Left, None, now, self.out);
            }
        }
    }
}

/// How long an operation may take.
pub(super) fn timeout(config: &Config, action: &Action) -> Span {
    let timeouts = &config.timeouts;
    match action {
        Action::Route { .. } => timeouts.route,
        Action::Instance { verb, .. } => match verb {
            Verb::Deploy => timeouts.deploy,
            Verb::Start => timeouts.start,
            Verb::Stop => timeouts.stop,
            Verb::Drain => timeouts.drain,
            Verb::Terminate => timeouts.terminate,
        },
    }
}

/// What an instance takes of its resource.
pub(super) fn occupant(spec: &PartSpec, instance: InstanceId) -> Occupant {
    Occupant {
        instance,
        exclusive: spec.exclusive,
        demand: spec.demand,
    }
}

/// Whose jitter it is.
fn seed(key: OperationKey) -> u64 {
    let part = u64::from(key.part.deployment.0) << 32 | u64::from(key.part.index);
    part ^ u64::from(key.step).rotate_left(48)
}
