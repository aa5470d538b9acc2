//! An application in containers that an allocator sizes on its resource: the CPU model
//! of [`world`](crate::world) inside the continuum, instead of functions and their calls.
//!
//! Both keep their own time; nothing on a host depends on the continuum but when its
//! client begins and ends, so that a host is advanced when it is looked at. The client's
//! connections go where the route points: on a switch those to the old instance wait for
//! the answers they are owed.

use std::cell::OnceCell;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tidegate_core::delivery::Delivery;
use tidegate_core::escra::{self, Escra};
use tidegate_core::fixed::Fixed;
use tidegate_core::{Allocator, Bytes, Cores, InstanceId, Limits, Span, Time};
use tidegate_workloads::application::{
    Call, Deployment, Memory, Order, Profile, Request, Runtime, Service,
};
use tidegate_workloads::{Application, Load};

use super::task::Faults;
use super::{Event, World};
use crate::continuum::testbed::{Resource, count, not_negative, positive, span};
use crate::experiment::{Client, Experiment, Recording};
use crate::testbed::{Kernel, Testbed};
use crate::world::Node;

/// How often a run can place the application on one resource: moves are a minute apart.
const PLACEMENTS: usize = 64;
/// Longer than any run: what the driver of a host does not use.
const NEVER: Span = Span::from_secs(1_000_000);
/// How often one looks whether a client has all its answers, and what a limit is.
const LOOK: Span = Span::from_millis(20);
/// How long after a change of the load one looks at the limit.
const WATCHED: Span = Span::from_secs(2);

/// The application: equal containers, of which the first gets nearly all requests.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Containers {
    /// Who sets their limits.
    pub limits: Sizing,
    /// What they share, as a share of their resource's CPUs. Each begins with an equal
    /// part.
    pub pool: f64,
    /// How many there are.
    pub count: u32,
    /// Threads of each.
    pub threads: u32,
    /// Memory they share, the same on all resources.
    pub memory: Bytes,
    /// Share of the requests that do not go to the first.
    pub elsewhere: f64,
    /// Connections of the client.
    pub connections: u32,
    /// Requests per second in each step; the last one goes on.
    pub rates: Vec<f64>,
    /// How long a step is; whole seconds.
    pub step: Span,
    /// How long a container takes to start.
    pub start: Span,
}

/// Who sets limits on a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sizing {
    /// They stay as they are.
    Static,
    /// Escra, as its authors coded it.
    Escra,
}

impl Containers {
    pub(super) fn check(&self) -> Result<(), String> {
        positive("containers.pool", self.pool)?;
        count("containers.count", self.count)?;
        count("containers.threads", self.threads)?;
        count("containers.connections", self.connections)?;
        not_negative("containers.elsewhere", self.elsewhere)?;
        span("containers.step", self.step)?;
        span("containers.start", self.start)?;
        if self.count > 1_000 || self.threads > 1_000 || self.connections > 10_000 {
            return Err("`containers` are too many, or their threads or connections".to_owned());
        }
        if self.elsewhere > 1.0 {
            return Err("`containers.elsewhere` must be at most 1".to_owned());
        }
        if self.step < Span::from_secs(1) || !self.step.0.is_multiple_of(Span::from_secs(1).0) {
            return Err("`containers.step` must be whole seconds".to_owned());
        }
        if self.rates.is_empty() {
            return Err("`containers.rates` is empty".to_owned());
        }
        self.rates
            .iter()
            .try_for_each(|&rate| positive("containers.rates", rate))
    }

    /// Requests per second when calls have come for so long.
    pub(super) fn rate(&self, since: Span) -> f64 {
        let step = (since.0 / self.step.0) as usize;
        self.rates[step.min(self.rates.len() - 1)]
    }

    /// The load as it goes on after `since`, second by second.
    fn load(&self, since: Span) -> Load {
        let second = Span::from_secs(1);
        let whole = since.0 / second.0;
        let steps = self.rates.len() as u64 * (self.step.0 / second.0);
        let left = steps.saturating_sub(whole).max(1);
        // Steps begin again at their end: the last goes on for longer than any run.
        let rates = (0..left + 4_000).map(|n| self.rate(Span((whole + n) * second.0)));
        Load::Steps {
            rates: rates.collect::<Vec<_>>().into(),
            step: second,
            source: Arc::from("generated"),
        }
    }

    fn omega(&self, resource: &Resource) -> Cores {
        Cores::from_f64(self.pool * resource.cpus)
    }

    fn application(&self, resource: &Resource, cpu: Span) -> Application {
        let service = |index: u32| Service {
            name: format!("container-{index}"),
            deployment: Deployment::Container,
            limits: Profile {
                cpu_15x: Cores(self.omega(resource).0 / u64::from(self.count)),
                memory_15x: Bytes(self.memory.0 / u64::from(self.count)),
                memory_least: Bytes::ZERO,
            },
            idle: Cores::ZERO,
            runtime: Runtime {
                threads: self.threads,
                order: Order::Fifo,
                path_share: 1.0,
                // How CPU times of one kind of call spread (estimate).
                sigma: 0.3,
                start_time: self.start,
                warm_up: None,
            },
            memory: Memory {
                start: Bytes(self.memory.0 / u64::from(4 * self.count)),
                per_call: Bytes::ZERO,
                ceiling: None,
                working_set: Bytes::ZERO,
                heap_share: 0.0,
                page_cache: Bytes::ZERO,
            },
        };
        let others = f64::from(self.count - 1).max(1.0);
        let request = |index: u32| Request {
            name: format!("request-{index}"),
            share: match index {
                0 if self.count == 1 => 1.0,
                0 => 1.0 - self.elsewhere,
                _ => self.elsewhere / others,
            },
            failure_share: 0.0,
            root: Call {
                service: index as usize,
                operation: "work".to_owned(),
                cpu: resource.takes(cpu),
                repeat: 1,
                stages: Vec::new(),
            },
            detached: Vec::new(),
        };
        Application {
            name: "containers".to_owned(),
            services: (0..self.count).map(service).collect(),
            requests: (0..self.count).map(request).collect(),
        }
    }

    fn allocator(&self, resource: &Resource) -> Box<dyn Allocator> {
        let (cpu, count) = (self.omega(resource), self.count as usize);
        let policy: Box<dyn Allocator> = match self.limits {
            Sizing::Static => {
                let each = Limits {
                    cpu: Cores(cpu.0 / count as u64),
                    memory: Bytes(self.memory.0 / count as u64),
                };
                Box::new(Fixed::new(vec![each; count]))
            }
            Sizing::Escra => Box::new(Escra::new(
                escra::Config::default(),
                cpu,
                self.memory,
                count,
            )),
        };
        Box::new(Delivery::new(policy))
    }
}

/// A device with Linux: its CPUs, and nothing that Escra's testbed is known for.
fn testbed(resource: &Resource) -> Testbed {
    Testbed {
        hosts: 1,
        sockets: 1,
        cores_per_socket: (resource.cpus as u32).max(1),
        threads_per_core: 1,
        wake_cpus: None,
        smt_gain: 0.0,
        kernel: Kernel { major: 5, minor: 4 },
        cfs: Default::default(),
        network: Default::default(),
        oom: Default::default(),
        faults: Default::default(),
        platform: None,
    }
}

/// What hosts are made of, for each placement on each resource.
#[derive(Default)]
pub(super) struct Yard {
    testbeds: Vec<Testbed>,
    applications: Vec<Application>,
    loads: Vec<OnceCell<Load>>,
}

impl Yard {
    pub(super) fn new(task: &Faults, resources: &[Resource]) -> Yard {
        let Some(containers) = &task.containers else {
            return Yard::default();
        };
        let cpu = task.calls.cpu;
        Yard {
            testbeds: resources.iter().map(testbed).collect(),
            applications: resources
                .iter()
                .map(|one| containers.application(one, cpu))
                .collect(),
            loads: resources.iter().flat_map(|_| empty()).collect(),
        }
    }
}

/// Places for what is made when it is needed.
fn empty<T>() -> impl Iterator<Item = OnceCell<T>> {
    (0..PLACEMENTS).map(|_| OnceCell::new())
}

/// As many experiments as there can be placements.
pub(super) fn experiments<'a>(task: &Faults, resources: usize) -> Vec<OnceCell<Experiment<'a>>> {
    let count = task.containers.as_ref().map_or(0, |_| resources);
    (0..count).flat_map(|_| empty()).collect()
}

/// As many allocators.
pub(super) fn allocators(task: &Faults, resources: &[Resource]) -> Vec<Box<dyn Allocator>> {
    let Some(containers) = &task.containers else {
        return Vec::new();
    };
    let each = |one| (0..PLACEMENTS).map(move |_| containers.allocator(one));
    resources.iter().flat_map(each).collect()
}

/// All that hosts are started from.
pub(super) struct Hosts<'a> {
    pub(super) yard: &'a Yard,
    pub(super) experiments: &'a [OnceCell<Experiment<'a>>],
    pub(super) allocators: Vec<Option<&'a mut Box<dyn Allocator>>>,
}

/// The application on a host.
pub(super) struct Running<'a> {
    node: Node<'a, 'a>,
    began: Time,
}

impl Running<'_> {
    fn local(&self, now: Time) -> Time {
        Time::ZERO + now.since(self.began)
    }
}

impl<'a> World<'a> {
    /// The containers of an instance start.
    pub(super) fn start_containers(&mut self, id: InstanceId, place: usize) {
        let Some(containers) = &self.task.containers else {
            return;
        };
        let now = self.site.flow.now();
        let since = self.ledger.called(0).map_or(Span::ZERO, |at| now.since(at));
        let Hosts {
            yard,
            experiments,
            allocators,
        } = &mut self.hosts;
        let slots = place * PLACEMENTS..(place + 1) * PLACEMENTS;
        let free = slots.into_iter().find(|&slot| allocators[slot].is_some());
        let Some((slot, allocator)) = free.and_then(|slot| Some((slot, allocators[slot].take()?)))
        else {
            return;
        };
        let load = yard.loads[slot].get_or_init(|| containers.load(since));
        let experiment = experiments[slot].get_or_init(|| Experiment {
            application: &yard.applications[place],
            load,
            testbed: &yard.testbeds[place],
            client: Client {
                connections: containers.connections,
                warm_up: Span::ZERO,
                retry: None,
                poll: None,
            },
            settle: NEVER,
            duration: NEVER,
            seed: self.site.experiment.seed,
            recording: Recording::default(),
            watched: false,
        });
        let node = Node::new(experiment, allocator.as_mut());
        self.running.insert(id, Running { node, began: now });
    }

    /// Requests go to an instance from now on.
    pub(super) fn open_client(&mut self, id: InstanceId) {
        let now = self.now();
        if let Some(running) = self.running.get_mut(&id) {
            let local = running.local(now);
            running.node.advance(local);
            running.node.open(local);
        }
    }

    /// Requests to an instance end. What was due and could not be sent is late: it is
    /// sent where the route points now.
    pub(super) fn close_client(&mut self, id: InstanceId) {
        let now = self.now();
        self.read_answers(id);
        if let Some(running) = self.running.get_mut(&id) {
            let waiting = running.node.close(running.local(now));
            self.ledger.of_containers(waiting, 0, 0);
        }
    }

    /// What the client of an instance has got since this was done last.
    pub(super) fn read_answers(&mut self, id: InstanceId) {
        let now = self.now();
        let Some(running) = self.running.get_mut(&id) else {
            return;
        };
        running.node.advance(running.local(now));
        let deadline = self.task.calls.deadline;
        for (took, failed) in running.node.answers() {
            self.ledger.sent();
            let function = id.part.deployment.0 as usize;
            self.ledger.window(function, id, (!failed).then_some(took));
            let in_time = !failed && took <= deadline;
            self.ledger.answered(took, !failed, in_time, false);
        }
    }

    /// Whether an instance's client has all its answers; if not, one looks again.
    pub(super) fn is_drained(&mut self, id: InstanceId) -> bool {
        self.read_answers(id);
        let drained = self.running.get(&id).is_none_or(|one| one.node.owed() == 0);
        if !drained {
            self.wait(LOOK, Event::Drained { instance: id });
        }
        drained
    }

    /// The containers of an instance end, and what they were doing fails.
    pub(super) fn stop_containers(&mut self, id: InstanceId) {
        let now = self.now();
        self.read_answers(id);
        if let Some(mut running) = self.running.remove(&id) {
            let local = running.local(now);
            let waiting = running.node.close(local);
            let failed = running.node.owed();
            self.ledger.of_containers(0, failed + waiting, 0);
            if let Some(one) = self.instances.get(&id) {
                self.places[one.place].gone += running.node.used(local).0 as f64;
            }
        }
    }

    /// Nothing is sent any more; what is not answered is lost.
    pub(super) fn end_containers(&mut self) {
        let now = self.now();
        let ids: Vec<InstanceId> = self.running.keys().copied().collect();
        for id in ids {
            self.read_answers(id);
            if let Some(mut running) = self.running.remove(&id) {
                let waiting = running.node.close(running.local(now));
                let lost = running.node.owed() + waiting;
                self.ledger.of_containers(0, 0, lost);
            }
        }
    }

    /// CPU time used by containers on a resource so far, in nanoseconds.
    pub(super) fn used_by_containers(&mut self, place: usize) -> f64 {
        let now = self.now();
        let mut used = self.places[place].gone;
        for (id, running) in &mut self.running {
            if self.instances.get(id).is_some_and(|one| one.place == place) {
                let local = running.local(now);
                running.node.advance(local);
                used += running.node.used(local).0 as f64;
            }
        }
        used
    }

    /// Changes of the load, at which one looks at the limit of the first container.
    pub(super) fn plan_steps(&mut self) {
        let Some(containers) = &self.task.containers else {
            return;
        };
        let step = containers.step;
        for n in 1..containers.rates.len() as u64 {
            self.wait(Span(step.0 * n), Event::Step);
        }
    }

    /// The load has changed: how high is the limit now?
    pub(super) fn step(&mut self) {
        let now = self.now();
        if let Some(limit) = self.first_limit() {
            self.grown = Some((now, limit));
            self.wait(LOOK, Event::Look);
        }
    }

    /// Whether the first container has grown since the load changed.
    pub(super) fn look(&mut self) {
        let (now, limit) = (self.now(), self.first_limit());
        let (Some((since, before)), Some(limit)) = (self.grown, limit) else {
            return;
        };
        if limit > before {
            self.ledger.grown(now.since(since));
            self.grown = None;
        } else if now.since(since) < WATCHED {
            self.wait(LOOK, Event::Look);
        }
    }

    /// The limit of the first container where the requests go.
    fn first_limit(&mut self) -> Option<f64> {
        let now = self.now();
        let to = self.routes.first()?.to?;
        let running = self.running.get_mut(&to)?;
        running.node.advance(running.local(now));
        Some(running.node.limit(0))
    }
}
