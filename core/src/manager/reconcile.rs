//! What a part needs next: the decisions.

use super::message::Event;
use super::step::Step;
use crate::deployment::state::Desired;
use crate::deployment::{Action, Phase, Target, Verb};
use crate::id::{AlertId, ResourceId};
use crate::placement::{PartKind, Query};
use crate::slo::Objective;
use crate::units::Time;

impl Step<'_> {
    /// Begins whatever is missing. Returns when this must be looked at again
    /// although nothing happens.
    pub(super) fn reconcile(&mut self) -> Option<Time> {
        let mut next = None;
        if self.deployment.desired == Desired::Up {
            self.recall();
            self.replace();
            self.run();
            self.switch();
            self.retire();
            if self.deployment.desired == Desired::Up {
                next = self.move_away();
            }
        }
        // Not `else`: what failed just now may have meant the end.
        if self.deployment.desired != Desired::Up {
            self.take_down();
            next = None;
        } else if self.part().newest().is_none() {
            next = Some(self.part().not_before);
        }
        let due = self.part().pending().map(|pending| pending.due).min();
        [next, due].into_iter().flatten().min()
    }

    /// Nothing may be left: neither a route nor an instance.
    fn take_down(&mut self) {
        if self.heads_for().is_some() || self.part().routed.is_some() && self.part().route.is_none()
        {
            self.route(None);
        }
        for generation in self.generations(|phase| phase != Phase::Terminating) {
            self.terminate(generation);
        }
    }

    /// If everything else is lost, what was being drained serves again.
    fn recall(&mut self) {
        if self.part().newest().is_some() {
            return;
        }
        if let Some(&generation) = self.generations(|phase| phase == Phase::Draining).last() {
            let back = match self.spec().kind {
                PartKind::Function => Phase::Deployed,
                PartKind::Service => Phase::Running,
            };
            self.advance(generation, back);
        }
    }

    /// If there is no instance, one is made.
    fn replace(&mut self) {
        if self.part().newest().is_none() && self.now >= self.part().not_before {
            self.place();
        }
    }

    /// Chooses a resource and makes an instance there. Where none fits, that
    /// counts as a failure. Returns whether there is a new instance.
    fn place(&mut self) -> bool {
        let now = self.now;
        let spec = self.spec();
        let first = match spec.target {
            Target::Only(resource) => Some(resource),
            Target::First(resource) if self.part().generation == 0 => Some(resource),
            Target::First(_) | Target::Any => None,
        };
        let may_roam = !matches!(spec.target, Target::Only(_));
        let apart = self.apart();
        let objectives: Vec<&Objective> = self.deployment.objectives_of(self.index).collect();
        let ensemble = self.deployment.spec.ensemble;
        let ensemble = ensemble.and_then(|id| self.ensembles.get(&id));
        let part = &self.deployment.parts[self.index as usize];
        let mut query = Query {
            deployment: self.deployment.id,
            kind: spec.kind,
            demand: spec.demand,
            exclusive: spec.exclusive,
            target: first,
            ensemble: ensemble.map(|ensemble| ensemble.resources()),
            apart: &apart,
            avoid: &part.avoid,
            objectives: &objectives,
        };
        let mut choice = self.inventory.choose(&query, now);
        if choice.is_none() && first.is_some() && may_roam {
            query.target = None;
            choice = self.inventory.choose(&query, now);
        }
        let Some(choice) = choice else {
            self.tell(Event::Unplaced(self.id()));
            self.count_failure();
            return false;
        };
        let generation = self.part().generation;
        self.tell(Event::Placed(self.instance_id(generation), choice.clone()));
        self.create(choice.resource);
        true
    }

    /// The resources that hold the same artifact of this deployment.
    fn apart(&self) -> Vec<ResourceId> {
        let artifact = &self.spec().artifact;
        let specs = &self.deployment.spec.parts;
        specs
            .iter()
            .zip(&self.deployment.parts)
            .filter(|(spec, _)| spec.artifact == *artifact)
            .flat_map(|(_, part)| part.instances.iter().map(|instance| instance.resource))
            .collect()
    }

    /// Services are started if they are to run, and stopped, once no calls go
    /// there, if not.
    fn run(&mut self) {
        if self.spec().kind != PartKind::Service {
            return;
        }
        let start = self.part().start;
        let from = if start {
            Phase::Deployed
        } else {
            Phase::Running
        };
        for generation in self.generations(|phase| phase == from) {
            if start {
                self.advance(generation, Phase::Starting);
                self.operate(generation, Verb::Start);
            } else if self.part().route.is_none() && self.part().routed.is_none() {
                self.advance(generation, Phase::Stopping);
                self.operate(generation, Verb::Stop);
            }
        }
    }

    /// Calls go to the newest instance that is ready for them.
    fn switch(&mut self) {
        let (spec, part) = (self.spec(), self.part());
        let target = if part.serves(spec) {
            match part.settled(spec) {
                Some(instance) => Some(instance.generation),
                // Better a route to what may still answer than none.
                None => return,
            }
        } else {
            None
        };
        if self.heads_for() != target {
            self.route(target);
        }
    }

    /// Where calls will go when the route that is being switched is in force.
    fn heads_for(&self) -> Option<u32> {
        let part = self.part();
        match &part.route {
            Some(pending) => match pending.operation.action {
                Action::Route { to } => to.map(|instance| instance.generation),
                Action::Instance { .. } => part.routed,
            },
            None => part.routed,
        }
    }

    /// Once the newest instance has everything, the older ones go: those with
    /// calls are drained first. Never before, so that there is always one.
    fn retire(&mut self) {
        let Some(keeper) = self.keeper() else {
            return;
        };
        let (serves, settled) = {
            let (spec, part) = (self.spec(), self.part());
            (part.serves(spec), part.settled_phase(spec))
        };
        let now = self.now;
        self.part_mut().was_ready = true;
        let older: Vec<(u32, ResourceId, Phase)> = self
            .part()
            .instances
            .iter()
            .filter(|i| i.generation < keeper && i.phase.is_wanted())
            .map(|i| (i.generation, i.resource, i.phase))
            .collect();
        let part = self.part_mut();
        if part.newest().is_some_and(|i| i.generation == keeper) {
            part.failures = 0;
            if part.moving {
                part.moving = false;
                part.moved = Some(now);
                part.moves += 1;
                for &(_, resource, _) in &older {
                    self.avoid(resource);
                }
            }
        }
        for (generation, _, phase) in older {
            if serves && phase == settled {
                self.advance(generation, Phase::Draining);
                self.operate(generation, Verb::Drain);
            } else {
                self.terminate(generation);
            }
        }
    }

    /// The newest instance that has everything it needs, its calls included.
    fn keeper(&self) -> Option<u32> {
        let (spec, part) = (self.spec(), self.part());
        let settled = part.settled(spec)?.generation;
        let wanted = part.serves(spec).then_some(settled);
        (part.route.is_none() && part.routed == wanted).then_some(settled)
    }

    /// Reallocation: away from a resource that violates an objective for too long,
    /// but not more often than allowed. Returns when to look again.
    fn move_away(&mut self) -> Option<Time> {
        let reallocation = self.config.reallocation?;
        if matches!(self.spec().target, Target::Only(_)) {
            return None;
        }
        let keeper = self.keeper()?;
        let part = self.part();
        if part.newest().is_none_or(|i| i.generation != keeper) {
            return None;
        }
        let instance = self.instance_id(keeper);
        let (fired, number) = self
            .monitor
            .of(instance)
            .filter_map(|(_, watch)| Some((watch.state.fired()?, watch.alert?)))
            .min()?;
        let mut due = (fired + reallocation.after).max(part.not_before);
        let mut moves = part.moves;
        if let Some(moved) = part.moved {
            let cool = moved + reallocation.cooldown;
            due = due.max(cool);
            if fired > cool {
                // The last move did help.
                moves = 0;
            } else if moves >= self.config.placing.attempts {
                due = due.max(moved + self.config.placing.rest);
            }
        }
        if self.now < due {
            return Some(due);
        }
        if moves >= self.config.placing.attempts {
            moves = 0;
        }
        self.part_mut().moves = moves;
        if !self.place() {
            return Some(self.part().not_before);
        }
        self.part_mut().moving = true;
        let deployment = self.deployment.id;
        self.tell(Event::Moving(instance, AlertId { deployment, number }));
        None
    }

    fn generations(&self, phase: impl Fn(Phase) -> bool) -> Vec<u32> {
        let instances = self.part().instances.iter();
        instances
            .filter(|instance| phase(instance.phase))
            .map(|instance| instance.generation)
            .collect()
    }
}
