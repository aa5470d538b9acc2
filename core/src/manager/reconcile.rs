//! What a part needs next: the decisions.

use super::message::Event;
use super::needs::Needs;
use super::step::Step;
use crate::deployment::state::Desired;
use crate::deployment::{Action, Phase, Target, Verb};
use crate::id::{AlertId, ResourceId};
use crate::placement::PartKind;
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
        self.part_mut().unplaced = false;
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
        let inventory = &mut *self.inventory;
        let needs = Needs::of(self.deployment, self.index, self.ensembles);
        let first = match needs.spec.target {
            Target::First(resource) if needs.part.generation == 0 => Some(resource),
            Target::First(_) | Target::Only(_) | Target::Any => None,
        };
        let choice = first
            .and_then(|resource| inventory.choose(&needs.query(Some(resource)), now))
            .or_else(|| inventory.choose(&needs.query(needs.only()), now));
        self.part_mut().unplaced = choice.is_none();
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
        if self.part().newest().is_none_or(|i| i.generation != keeper) {
            return None;
        }
        let instance = self.instance_id(keeper);
        let oldest = self
            .monitor
            .of(instance)
            .filter_map(|(_, watch)| Some((watch.state.fired()?, watch.alert?)))
            .min();
        let Some((fired, number)) = oldest else {
            self.part_mut().unplaced = false;
            return None;
        };
        let part = self.part();
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
