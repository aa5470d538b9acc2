//! The way of a call: to the manager's router, to the instance it points to, and
//! back, as far as it comes.

use rand_distr::{Distribution, Exp1};
use tidegate_core::{InstanceId, Span, Time};

use super::agenda::given_up;
use super::{Event, World};
use crate::continuum::site::{Site, Touched, half, work};
use crate::continuum::testbed::{Duration, Platform};
use crate::flow::{Gate, Step};

/// A call, by its number.
pub(super) type CallId = u64;

/// Where a call is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// On its way to the router, or in it.
    AtRouter,
    /// It waits for a connection of the router to its instance.
    Waiting,
    /// On its way to the instance; or lost on it.
    Away,
    /// The instance works on it.
    Serving,
    /// It has left the instance.
    Back,
}

/// A call that has no answer yet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Call {
    function: usize,
    began: Time,
    /// When the router sent it on.
    sent: Time,
    pub(super) instance: Option<InstanceId>,
    pub(super) stage: Stage,
    /// Whether the route was switched while it was under way.
    switched: bool,
}

/// What can happen to a call.
#[derive(Clone, Copy, Debug)]
pub(super) enum OfCall {
    /// The router has read where it goes.
    Forward,
    /// It is at its instance.
    Arrived,
    /// The instance has done with it; its resource had gone down so often when it
    /// began.
    Served { epoch: u32 },
    /// The answer is at the router.
    Returned,
    /// The router learns that the instance does not serve it.
    Refused,
    /// The client has an answer.
    Answered { good: bool },
    /// The client waits no longer.
    TimedOut,
}

impl World<'_> {
    /// The next call to a function leaves its client.
    pub(super) fn arrival(&mut self, function: usize) {
        let now = self.now();
        if now >= Time::ZERO + self.task.duration {
            return;
        }
        let id = self.ledger.sent();
        self.calls.insert(
            id,
            Call {
                function,
                began: now,
                sent: now,
                instance: None,
                stage: Stage::AtRouter,
                switched: false,
            },
        );
        self.of_call(
            vec![Step::Wait(self.task.calls.timeout)],
            id,
            OfCall::TimedOut,
        );
        let (experiment, cpus) = (self.site.experiment, self.site.cpus);
        let (proxy, database) = (experiment.manager.proxy, experiment.manager.database);
        let inside = experiment.continuum.cluster.round_trip;
        let steps = self.drawing(function, |site| {
            let touched = Touched {
                read: 1,
                ..Touched::default()
            };
            vec![
                Step::Wait(half(inside)),
                site.messages(2, inside),
                work(cpus, proxy.forward, 1.0),
                site.transaction(Step::Wait(database.read), touched, given_up()),
            ]
        });
        self.of_call(steps, id, OfCall::Forward);
        self.next_arrival(function);
    }

    /// Plans the next call to a function.
    pub(super) fn next_arrival(&mut self, function: usize) {
        let draw: f64 = Exp1.sample(&mut self.arrivals[function]);
        let wait = Span::from_secs_f64(draw / self.task.calls.rate);
        self.wait(wait, Event::Arrival { function });
    }

    /// Does something with the random numbers of a function's calls, so that they are
    /// the same whatever else happens.
    fn drawing<T>(&mut self, function: usize, what: impl FnOnce(&mut Site<'_>) -> T) -> T {
        std::mem::swap(&mut self.site.rng, &mut self.arrivals[function]);
        let drawn = what(&mut self.site);
        std::mem::swap(&mut self.site.rng, &mut self.arrivals[function]);
        drawn
    }

    fn of_call(&mut self, steps: Vec<Step>, call: CallId, what: OfCall) {
        let event = Event::Call { call, what };
        self.agenda.after(&mut self.site.flow, steps, event);
    }

    /// Something happens to a call, if it has not ended before.
    pub(super) fn call(&mut self, id: CallId, what: OfCall) {
        let Some(&call) = self.calls.get(&id) else {
            return;
        };
        match what {
            OfCall::Forward => self.forward(id, call.function),
            OfCall::Arrived => self.arrived(id),
            OfCall::Served { epoch } => self.served(id, epoch),
            OfCall::Returned | OfCall::Refused => {
                let good = matches!(what, OfCall::Returned);
                if let Some(instance) = call.instance {
                    let now = self.now();
                    let took = good.then(|| now.since(call.sent));
                    self.ledger.window(call.function, instance, took);
                    self.set_stage(id, Stage::Back);
                    self.left(instance);
                }
                self.answer(id, good);
            }
            OfCall::Answered { good } => {
                self.calls.remove(&id);
                let took = self.now().since(call.began);
                let in_time = good && took <= self.task.calls.deadline;
                self.ledger.answered(took, good, in_time, call.switched);
            }
            OfCall::TimedOut => self.time_out(id, call),
        }
    }

    fn set_stage(&mut self, id: CallId, stage: Stage) {
        if let Some(call) = self.calls.get_mut(&id) {
            call.stage = stage;
        }
    }

    /// The client waits no longer, and so does the router.
    fn time_out(&mut self, id: CallId, call: Call) {
        self.calls.remove(&id);
        self.ledger.lost(call.switched);
        let Some(instance) = call.instance else {
            return;
        };
        match call.stage {
            Stage::Waiting => {
                if let Some(one) = self.instances.get_mut(&instance) {
                    one.waiting.retain(|&waiting| waiting != id);
                }
                self.ledger.window(call.function, instance, None);
            }
            Stage::Away | Stage::Serving => {
                self.ledger.window(call.function, instance, None);
                self.left(instance);
            }
            Stage::AtRouter | Stage::Back => {}
        }
    }

    /// The router sends a call to where the route points, over one of its
    /// connections to there.
    fn forward(&mut self, id: CallId, function: usize) {
        let Some(instance) = self.routes[function].to else {
            self.answer(id, false);
            return;
        };
        let proxy = self.site.experiment.manager.proxy;
        let connections = proxy.verticles * proxy.connections;
        let Some(one) = self.instances.get_mut(&instance) else {
            self.answer(id, false);
            return;
        };
        if let Some(call) = self.calls.get_mut(&id) {
            call.instance = Some(instance);
            call.stage = Stage::Waiting;
        }
        if one.in_flight >= connections {
            one.waiting.push_back(id);
        } else {
            self.send(id, instance);
        }
    }

    fn send(&mut self, id: CallId, instance: InstanceId) {
        let now = self.now();
        let Some(one) = self.instances.get_mut(&instance) else {
            return;
        };
        one.in_flight += 1;
        if let Some(call) = self.calls.get_mut(&id) {
            (call.sent, call.stage) = (now, Stage::Away);
        }
        let place = &self.places[one.place];
        if place.cut == 0 {
            let round_trip = place.resource.round_trip;
            let function = instance.part.deployment.0 as usize;
            let late = self.drawing(function, |site| site.messages(1, round_trip));
            let way = vec![Step::Wait(half(round_trip)), late];
            self.of_call(way, id, OfCall::Arrived);
        }
    }

    /// A call's connection to its instance is free again.
    fn left(&mut self, id: InstanceId) {
        let Some(one) = self.instances.get_mut(&id) else {
            return;
        };
        one.in_flight = one.in_flight.saturating_sub(1);
        if let Some(next) = one.waiting.pop_front() {
            self.send(next, id);
        }
        self.drained(id);
    }

    fn arrived(&mut self, id: CallId) {
        let Some(&Call {
            function, instance, ..
        }) = self.calls.get(&id)
        else {
            return;
        };
        let Some(one) = instance.and_then(|id| self.instances.get(&id)) else {
            return;
        };
        let place = &self.places[one.place];
        if place.cut > 0 {
            return;
        }
        let servers = one.servers.filter(|_| one.serving && place.down == 0);
        let Some(servers) = servers else {
            self.refuse(id);
            return;
        };
        let (task, continuum) = (&self.task.calls, self.site.experiment.continuum);
        let threads = Gate::One(servers.threads);
        let acquire = |fresh| Step::Acquire {
            gate: threads,
            fresh,
        };
        let release = Step::Release { gate: threads };
        let here = |span| place.takes(span);
        let steps = if place.resource.platform == Platform::Lambda {
            vec![
                acquire(vec![Step::Wait(continuum.lambda.cold_start)]),
                Step::Wait(continuum.lambda.overhead + here(task.cpu) + task.execution),
                release,
            ]
        } else {
            let functions = &continuum.functions;
            let rng = &mut self.arrivals[function];
            let mut drawn = |duration: Duration| here(duration.draw(rng));
            vec![
                work(servers.cpus, drawn(functions.gateway), 1.0),
                work(servers.reader, drawn(functions.reading), 1.0),
                acquire(Vec::new()),
                work(servers.cpus, here(task.cpu), 1.0),
                Step::Wait(task.execution),
                release,
                work(servers.cpus, drawn(functions.reply), 1.0),
            ]
        };
        self.ledger.pay(place.resource.price_call);
        let epoch = place.epoch;
        self.set_stage(id, Stage::Serving);
        self.of_call(steps, id, OfCall::Served { epoch });
    }

    fn served(&mut self, id: CallId, epoch: u32) {
        let instance = self.calls.get(&id).and_then(|call| call.instance);
        let Some(one) = instance.and_then(|id| self.instances.get(&id)) else {
            return;
        };
        let place = &self.places[one.place];
        // What was cut off has been refused; what cannot come back is lost.
        if place.epoch == epoch && one.serving && place.cut == 0 {
            let way = half(place.resource.round_trip);
            self.of_call(vec![Step::Wait(way)], id, OfCall::Returned);
        }
    }

    /// The instance, or its host, answers that it does not serve a call.
    pub(super) fn refuse(&mut self, id: CallId) {
        let instance = self.calls.get(&id).and_then(|call| call.instance);
        let Some(one) = instance.and_then(|id| self.instances.get(&id)) else {
            return;
        };
        let place = &self.places[one.place];
        if place.cut == 0 {
            let way = half(place.resource.round_trip);
            self.set_stage(id, Stage::Away);
            self.of_call(vec![Step::Wait(way)], id, OfCall::Refused);
        }
    }

    /// The router answers the client.
    pub(super) fn answer(&mut self, id: CallId, good: bool) {
        self.set_stage(id, Stage::Back);
        let experiment = self.site.experiment;
        let proxy = experiment.manager.proxy;
        let inside = experiment.continuum.cluster.round_trip;
        let mut steps = Vec::new();
        let function = self.calls.get(&id).map(|call| call.function);
        if let Some(function) = function.filter(|_| good) {
            steps.push(Step::Wait(proxy.push));
            steps.push(self.drawing(function, |site| site.messages(2, inside)));
        }
        steps.push(work(self.site.cpus, proxy.answer, 1.0));
        steps.push(Step::Wait(half(inside)));
        self.of_call(steps, id, OfCall::Answered { good });
    }

    /// The route of a function has left an instance: which calls were under way.
    pub(super) fn switched(&mut self, from: InstanceId) {
        let mut count = 0;
        for call in self.calls.values_mut() {
            let there = matches!(call.stage, Stage::Waiting | Stage::Away | Stage::Serving);
            if call.instance == Some(from) && there && !call.switched {
                call.switched = true;
                count += 1;
            }
        }
        self.ledger.switched(count);
    }
}
