//! Resources as they are: up or down, reachable or cut off, fast or slow, with the
//! instances on them; and what faults do to them.

use std::collections::VecDeque;

use tidegate_core::deployment::{OperationKey, Outcome as Answer};
use tidegate_core::{InstanceId, Span, Time};

use super::calls::{CallId, OfCall, Stage};
use super::task::What;
use super::{Event, World};
use crate::continuum::testbed::{Platform, Resource};
use crate::flow::{Discipline, Flow, GateId, StationId};

/// A resource. Faults of one kind can overlap: they are counted.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) resource: Resource,
    /// Faults for which it is down, cut off, or its containers end.
    pub(super) down: u32,
    pub(super) cut: u32,
    pub(super) looping: u32,
    /// How many times longer its CPU takes.
    pub(super) slow: f64,
    /// Counts the times it went down.
    pub(super) epoch: u32,
    /// The CPUs of a device; a virtual machine's are the instance's.
    pub(super) cpus: Option<StationId>,
    /// When how much of its CPU had been used, since it is up.
    pub(super) used: VecDeque<(Time, f64)>,
    /// CPU time of containers that are gone.
    pub(super) gone: f64,
}

/// What a function needs while it is on a resource that is up.
#[derive(Clone, Copy, Debug)]
pub(super) struct Servers {
    pub(super) cpus: StationId,
    /// The thread that reads calls.
    pub(super) reader: StationId,
    /// The threads that serve them, or Lambda's instances.
    pub(super) threads: GateId,
}

/// One placement of a function.
#[derive(Debug)]
pub(super) struct Instance {
    pub(super) place: usize,
    /// Whether it can be called, if its resource can.
    pub(super) serving: bool,
    /// Whether something of it may be on the resource.
    pub(super) there: bool,
    /// Since when it is paid for.
    pub(super) since: Option<Time>,
    pub(super) servers: Option<Servers>,
    /// Calls that the router has sent and not got back, and those that wait for one
    /// of its connections.
    pub(super) in_flight: u32,
    pub(super) waiting: VecDeque<CallId>,
    /// Who waits until no call is left.
    pub(super) drain: Option<(OperationKey, u32)>,
    /// The newest operation accepted: its step and attempt, and what it came to.
    pub(super) step: u32,
    pub(super) attempt: u32,
    pub(super) came_to: Option<Answer>,
    /// Counts what was begun: what an older one comes to is of no use.
    pub(super) serial: u32,
}

impl Place {
    pub(super) fn new(resource: Resource, flow: &mut Flow) -> Place {
        let mut place = Place {
            resource,
            down: 0,
            cut: 0,
            looping: 0,
            slow: 1.0,
            epoch: 0,
            cpus: None,
            used: VecDeque::new(),
            gone: 0.0,
        };
        place.boot(flow);
        place
    }

    fn boot(&mut self, flow: &mut Flow) {
        if self.resource.platform == Platform::Openfaas {
            self.cpus = Some(flow.station(Discipline::Shared(self.resource.cpus)));
        }
        self.used.clear();
    }

    /// How long CPU-bound work takes here now that takes `span` on the reference.
    pub(super) fn takes(&self, span: Span) -> Span {
        Span((self.resource.takes(span).0 as f64 * self.slow) as u64)
    }

    /// Whether it works as it should.
    pub(super) fn is_sound(&self) -> bool {
        self.down == 0 && self.cut == 0 && self.looping == 0 && self.slow == 1.0
    }
}

impl Instance {
    pub(super) fn new(place: usize) -> Instance {
        Instance {
            place,
            serving: false,
            there: false,
            since: None,
            servers: None,
            in_flight: 0,
            waiting: VecDeque::new(),
            drain: None,
            step: 0,
            attempt: 0,
            came_to: None,
            serial: 0,
        }
    }
}

impl World<'_> {
    /// A fault of the course begins or ends.
    pub(super) fn fault(&mut self, fault: usize, begins: bool) {
        let Some(one) = self.task.course().ok().and_then(|course| course.get(fault)) else {
            return;
        };
        if begins && let Some(lasts) = one.lasts {
            let event = Event::Fault {
                fault,
                begins: false,
            };
            self.wait(lasts, event);
        }
        let resources = &self.task.resources;
        let Some(place) = resources.iter().position(|name| *name == one.resource) else {
            return;
        };
        let change = |count: u32| {
            if begins {
                count + 1
            } else {
                count.saturating_sub(1)
            }
        };
        let it = &mut self.places[place];
        match one.what {
            What::Fails => {
                it.down = change(it.down);
                if begins {
                    it.epoch += 1;
                    self.cut_off(place);
                } else if it.down == 0 {
                    self.restart(place);
                }
            }
            What::SlowsDown if begins => it.slow *= one.factor,
            What::SlowsDown => it.slow /= one.factor,
            What::LosesNetwork => it.cut = change(it.cut),
            What::CrashLoops => {
                it.looping = change(it.looping);
                if begins {
                    let on = self.instances.iter();
                    let on = on.filter(|(_, one)| one.place == place && one.serving);
                    let on: Vec<InstanceId> = on.map(|(&id, _)| id).collect();
                    on.into_iter().for_each(|id| self.crash(id));
                }
            }
        }
        self.judge();
    }

    /// A deployment to a resource begins: faults that wait for one are due.
    pub(super) fn deploying_at(&mut self, place: usize) {
        let Ok(course) = self.task.course() else {
            return;
        };
        let name = &self.task.resources[place];
        let (due, armed): (Vec<usize>, Vec<usize>) = std::mem::take(&mut self.armed)
            .into_iter()
            .partition(|&fault| course[fault].resource == *name);
        self.armed = armed;
        for fault in due {
            let event = Event::Fault {
                fault,
                begins: true,
            };
            self.wait(course[fault].deploying.unwrap_or(Span::ZERO), event);
        }
    }

    /// What a resource was serving when it went down is answered by nobody; the
    /// connections are reset.
    fn cut_off(&mut self, place: usize) {
        let on = |instance: Option<InstanceId>| {
            let one = instance.and_then(|id| self.instances.get(&id));
            one.is_some_and(|one| one.place == place)
        };
        let calls = self.calls.iter();
        let calls = calls.filter(|(_, call)| call.stage == Stage::Serving && on(call.instance));
        let calls: Vec<CallId> = calls.map(|(&id, _)| id).collect();
        calls.into_iter().for_each(|id| self.refuse(id));
    }

    /// A resource is up again, and its platform starts what was deployed on it.
    fn restart(&mut self, place: usize) {
        self.places[place].boot(&mut self.site.flow);
        let on = self.instances.iter();
        let on = on.filter(|(_, one)| one.place == place && one.serving);
        let on: Vec<InstanceId> = on.map(|(&id, _)| id).collect();
        for id in on {
            self.serve(id);
        }
    }

    /// An instance can be called from now on, as long as its resource is sound.
    pub(super) fn serve(&mut self, id: InstanceId) {
        let continuum = self.site.experiment.continuum;
        let flow = &mut self.site.flow;
        let Some(instance) = self.instances.get_mut(&id) else {
            return;
        };
        let place = &self.places[instance.place];
        let threads = match place.resource.platform {
            Platform::Lambda => continuum.lambda.concurrency,
            _ => continuum.functions.threads,
        };
        let cpus = place.cpus.unwrap_or_else(|| {
            let cpus = place.resource.cpus.max(1.0);
            flow.station(Discipline::Shared(cpus))
        });
        instance.servers = Some(Servers {
            cpus,
            reader: flow.station(Discipline::Shared(1.0)),
            threads: flow.gate(threads as usize),
        });
        instance.serving = true;
        let (at, looping) = (instance.place, place.looping > 0);
        self.start_containers(id, at);
        if looping {
            self.wait(Span::from_secs(1), Event::Crash { instance: id });
        }
    }

    /// A container ends by itself, and what it was doing with it.
    pub(super) fn crash(&mut self, id: InstanceId) {
        let Some(instance) = self.instances.get_mut(&id).filter(|one| one.serving) else {
            return;
        };
        instance.serving = false;
        let round_trip = self.places[instance.place].resource.round_trip;
        let calls = self.calls.iter();
        let calls =
            calls.filter(|(_, call)| call.stage == Stage::Serving && call.instance == Some(id));
        let calls: Vec<CallId> = calls.map(|(&call, _)| call).collect();
        calls.into_iter().for_each(|call| self.refuse(call));
        self.wait(round_trip, Event::Lost { instance: id });
        self.judge();
    }

    /// What was sent to an instance that is no more.
    pub(super) fn turn_away(&mut self, id: InstanceId) {
        if let Some(instance) = self.instances.get_mut(&id) {
            for call in std::mem::take(&mut instance.waiting) {
                self.answer(call, false);
            }
        }
        let calls = self.calls.iter();
        let calls = calls.filter(|(_, call)| {
            call.instance == Some(id) && matches!(call.stage, Stage::Away | Stage::Serving)
        });
        let calls: Vec<CallId> = calls.map(|(&call, _)| call).collect();
        for call in calls {
            self.call(call, OfCall::Refused);
        }
    }
}
