//! What becomes of the manager's operations: with Terraform's steps, on resources
//! that may be down or cut off. Keeps what the core asks of providers: an operation
//! is done once per key, and nothing older than the newest accepted is done at all.

use tidegate_core::deployment::{Action, Operation, OperationKey, Outcome as Answer, Reply, Verb};
use tidegate_core::manager::ManagerObservation;
use tidegate_core::{InstanceId, ResourceId, Span};

use super::agenda::given_up;
use super::place::Instance;
use super::{Event, World};
use crate::continuum::deployment::{apply, look_up, prepare, termination};
use crate::continuum::site::{Touched, work};
use crate::flow::Step;

/// When a connection that is not answered is given up: the dial timeout of Go's
/// HTTP client, in which Terraform's providers are written (source code).
const DIAL: Span = Span::from_secs(30);

/// How far an operation on an instance is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// The directory is ready: the resource is asked.
    Prepared,
    /// The resource has done it; it had gone down so often when it was asked.
    Applied { epoch: u32 },
    /// It is known where the instance is.
    Deployed { epoch: u32 },
    /// Nothing is left of the instance.
    Removed { epoch: u32 },
    /// It comes to nothing.
    Failed,
}

/// What can happen to operations.
#[derive(Clone, Copy, Debug)]
pub(super) enum OfOperation {
    /// The route's new target is written.
    Routed {
        key: OperationKey,
        attempt: u32,
        to: Option<InstanceId>,
    },
    /// An operation on an instance goes on.
    On {
        instance: InstanceId,
        key: OperationKey,
        serial: u32,
        progress: Progress,
    },
}

impl World<'_> {
    /// The manager wants something done.
    pub(super) fn operate(&mut self, operation: Operation) {
        let Operation {
            key,
            attempt,
            action,
        } = operation;
        match action {
            Action::Route { to } => {
                // A row of the database. Without an answer it is sent again.
                let row = self.site.experiment.manager.database.create_part;
                let row = work(self.site.database, row, 1.0);
                let touched = Touched {
                    updated: 1,
                    ..Touched::default()
                };
                let steps = vec![self.site.transaction(row, touched, given_up())];
                let event = Event::Operation(OfOperation::Routed { key, attempt, to });
                self.agenda.after(&mut self.site.flow, steps, event);
            }
            Action::Instance {
                verb,
                instance,
                resource,
            } => self.on_instance(key, attempt, verb, instance, resource),
        }
    }

    fn on_instance(
        &mut self,
        key: OperationKey,
        attempt: u32,
        verb: Verb,
        id: InstanceId,
        resource: ResourceId,
    ) {
        let place = resource.0 as usize;
        let now = self.now();
        let one = self
            .instances
            .entry(id)
            .or_insert_with(|| Instance::new(place));
        if key.step < one.step {
            return self.reply(key, attempt, Answer::Refused);
        }
        if key.step == one.step {
            match one.came_to {
                // Under way: the answer will be for the last attempt.
                None => {
                    one.attempt = attempt;
                    return;
                }
                Some(Answer::Failed) if attempt > one.attempt => {}
                Some(answer) => return self.reply(key, attempt, answer),
            }
        }
        (one.step, one.attempt, one.came_to) = (key.step, attempt, None);
        one.serial += 1;
        let resources = [self.places[place].resource];
        match verb {
            Verb::Deploy => {
                one.since.get_or_insert(now);
                self.deploying_at(place);
                let steps = prepare(&mut self.site, &resources);
                self.go_on(id, key, steps, Progress::Prepared);
            }
            Verb::Terminate => {
                one.drain = None;
                if !one.there {
                    return self.removed(id, key);
                }
                let epoch = self.places[place].epoch;
                if let Some(wait) = self.unheard(place) {
                    self.go_on(id, key, vec![Step::Wait(wait)], Progress::Failed);
                } else {
                    let steps = termination(&mut self.site, &resources);
                    self.go_on(id, key, steps, Progress::Removed { epoch });
                }
            }
            Verb::Drain => {
                one.drain = Some((key, attempt));
                self.drained(id);
            }
            // Only services are started and stopped.
            Verb::Start | Verb::Stop => self.finish(id, key, Answer::Refused),
        }
    }

    fn go_on(&mut self, id: InstanceId, key: OperationKey, steps: Vec<Step>, progress: Progress) {
        let Some(one) = self.instances.get(&id) else {
            return;
        };
        let event = Event::Operation(OfOperation::On {
            instance: id,
            key,
            serial: one.serial,
            progress,
        });
        self.agenda.after(&mut self.site.flow, steps, event);
    }

    /// How long it takes to learn that a resource does not answer, if it does not: a
    /// host that is down refuses, one that is cut off says nothing.
    fn unheard(&self, place: usize) -> Option<Span> {
        let place = &self.places[place];
        if place.cut > 0 {
            Some(DIAL)
        } else if place.down > 0 {
            Some(place.resource.round_trip)
        } else {
            None
        }
    }

    /// An operation has come to its next step.
    pub(super) fn operation(&mut self, what: OfOperation) {
        match what {
            OfOperation::Routed { key, attempt, to } => self.routed(key, attempt, to),
            OfOperation::On {
                instance,
                key,
                serial,
                progress,
            } => {
                let now_is = self.instances.get(&instance).map(|one| one.serial);
                if now_is == Some(serial) {
                    self.progress(instance, key, progress);
                }
            }
        }
        self.judge();
    }

    fn progress(&mut self, id: InstanceId, key: OperationKey, progress: Progress) {
        let Some(one) = self.instances.get_mut(&id) else {
            return;
        };
        let place = one.place;
        let (now_at, resources) = (self.places[place].epoch, [self.places[place].resource]);
        let unheard = self.unheard(place);
        match progress {
            Progress::Prepared => {
                let Some(one) = self.instances.get_mut(&id) else {
                    return;
                };
                if let Some(wait) = unheard {
                    self.go_on(id, key, vec![Step::Wait(wait)], Progress::Failed);
                } else {
                    one.there = true;
                    let steps = apply(&mut self.site, &resources);
                    self.go_on(id, key, steps, Progress::Applied { epoch: now_at });
                }
            }
            Progress::Applied { epoch } | Progress::Deployed { epoch }
                if epoch != now_at || unheard.is_some() =>
            {
                let wait = unheard.unwrap_or(Span::ZERO);
                self.go_on(id, key, vec![Step::Wait(wait)], Progress::Failed);
            }
            Progress::Applied { epoch } => {
                let steps = look_up(&self.site, &resources);
                self.go_on(id, key, steps, Progress::Deployed { epoch });
            }
            Progress::Deployed { .. } => {
                self.serve(id);
                self.finish(id, key, Answer::Done);
            }
            Progress::Removed { epoch } if epoch != now_at || unheard.is_some() => {
                let wait = unheard.unwrap_or(Span::ZERO);
                self.go_on(id, key, vec![Step::Wait(wait)], Progress::Failed);
            }
            Progress::Removed { .. } => self.removed(id, key),
            Progress::Failed => self.finish(id, key, Answer::Failed),
        }
    }

    /// Nothing is left of an instance.
    fn removed(&mut self, id: InstanceId, key: OperationKey) {
        self.pay(id);
        self.turn_away(id);
        self.stop_containers(id);
        if let Some(one) = self.instances.get_mut(&id) {
            (one.serving, one.there, one.servers) = (false, false, None);
        }
        self.finish(id, key, Answer::Done);
    }

    /// Pays for an instance's time so far.
    pub(super) fn pay(&mut self, id: InstanceId) {
        let now = self.now();
        if let Some(one) = self.instances.get_mut(&id)
            && let Some(since) = one.since.take()
        {
            let price = self.places[one.place].resource.price_hour;
            let hours = now.since(since).as_secs_f64() / 3_600.0;
            self.ledger.pay(price * hours);
        }
    }

    /// Whoever waits until an instance has no call left is told.
    pub(super) fn drained(&mut self, id: InstanceId) {
        let Some(one) = self.instances.get(&id) else {
            return;
        };
        if one.drain.is_none() || !self.is_drained(id) {
            return;
        }
        let Some(one) = self.instances.get_mut(&id) else {
            return;
        };
        if one.in_flight == 0
            && one.waiting.is_empty()
            && let Some((key, _)) = one.drain.take()
        {
            self.finish(id, key, Answer::Done);
        }
    }

    fn routed(&mut self, key: OperationKey, attempt: u32, to: Option<InstanceId>) {
        let function = key.part.deployment.0 as usize;
        let route = &mut self.routes[function];
        if key.step < route.step {
            return self.reply(key, attempt, Answer::Refused);
        }
        if key.step > route.step {
            let from = route.to;
            (route.to, route.step) = (to, key.step);
            match from {
                Some(from) if to != Some(from) => {
                    self.switched(from);
                    self.close_client(from);
                }
                Some(_) => {}
                // It can be called from now on, and is.
                None => self.begin_calling(function),
            }
            if let Some(to) = to.filter(|_| from != to) {
                self.open_client(to);
            }
            self.truth.switched(function);
            self.ledger.begin_window(function, to);
        }
        self.reply(key, attempt, Answer::Done);
    }

    fn begin_calling(&mut self, function: usize) {
        if self.ledger.begin(function, self.site.flow.now()) {
            match self.task.containers {
                Some(_) => self.plan_steps(),
                None => self.next_arrival(function),
            }
        }
    }

    /// An operation on an instance has ended.
    fn finish(&mut self, id: InstanceId, key: OperationKey, answer: Answer) {
        if let Some(one) = self.instances.get_mut(&id) {
            one.came_to = Some(answer);
            let attempt = one.attempt;
            self.reply(key, attempt, answer);
        }
    }

    fn reply(&mut self, key: OperationKey, attempt: u32, outcome: Answer) {
        self.observe(ManagerObservation::Reply(Reply {
            key,
            attempt,
            outcome,
        }));
    }
}
