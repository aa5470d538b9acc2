//! The way of a call, as steps over the stations and gates it shares with others.

use tidegate_core::Span;

use crate::continuum::site::{Site, Touched, half, work};
use crate::continuum::testbed::{Duration, Platform, Resource};
use crate::continuum::{Experiment, Via};
use crate::flow::{Amount, Discipline, Gate, GateId, Mark, Note, StationId, Step};

/// The client has begun with the call.
pub(super) const BEGAN: u32 = 0;
/// The client has the function's answer.
pub(super) const ANSWERED: u32 = 1;
/// The client has an answer, but the function was not called.
pub(super) const FAILED: u32 = 2;

/// All that calls share.
pub(super) struct Path<'a> {
    site: Site<'a>,
    resource: Resource,
    execution: Span,
    /// For each event loop, its connections to the function.
    proxy: GateId,
    /// Connections the manager has accepted so far.
    accepted: usize,
    host_cpus: StationId,
    /// The thread of the function's server that reads calls.
    reader: StationId,
    /// The threads that serve them, or Lambda's instances.
    servers: GateId,
}

impl<'a> Path<'a> {
    pub(super) fn new(
        experiment: &Experiment<'a>,
        resource: Resource,
        execution: Span,
    ) -> Path<'a> {
        let (continuum, proxy) = (experiment.continuum, experiment.manager.proxy);
        let mut site = Site::new(experiment, "invocation");
        let flow = &mut site.flow;
        let servers = match resource.platform {
            Platform::Lambda => continuum.lambda.concurrency,
            _ => continuum.functions.threads,
        };
        Path {
            proxy: flow.gates(proxy.verticles as usize, proxy.connections as usize),
            accepted: 0,
            host_cpus: flow.station(Discipline::Shared(resource.cpus)),
            reader: flow.station(Discipline::Shared(1.0)),
            servers: flow.gate(servers as usize),
            site,
            resource,
            execution,
        }
    }

    pub(super) fn events(&self) -> u64 {
        self.site.flow.events()
    }

    /// `count` calls that begin together, each with a tag from 0 on; ends when all
    /// have their answers.
    pub(super) fn batch(&mut self, count: u32) -> Vec<Note> {
        // Each batch has a client, and so a pool of connections, of its own.
        let client = self.site.experiment.client;
        let pool = self.site.flow.gate(client.connections as usize);
        let now = self.site.flow.now();
        for tag in 0..count {
            let steps = self.call(pool);
            self.site.flow.start(now, u64::from(tag), steps);
        }
        if client.via == Via::Manager {
            self.accepted += count.min(client.connections) as usize;
        }
        std::iter::from_fn(|| self.site.flow.next()).collect()
    }

    fn call(&mut self, pool: GateId) -> Vec<Step> {
        let client = self.site.experiment.client;
        let connection = Gate::One(pool);
        let station = self.site.client;
        let pooled = |base| Step::Work {
            station,
            amount: Amount::PerPair {
                gate: pool,
                base,
                each: client.pair,
            },
            width: 1.0,
        };
        let receive = client.receive.draw(&mut self.site.rng);
        let direct = client.via == Via::Direct;
        let (round_trip, fresh) = if direct {
            (self.resource.round_trip, self.connect_direct())
        } else {
            let round_trip = self.site.experiment.continuum.cluster.round_trip;
            (round_trip, vec![Step::Wait(round_trip)])
        };
        let back = |note| {
            vec![
                Step::Wait(half(round_trip)),
                pooled(receive),
                Step::Note(Mark::Now(note)),
                Step::Release { gate: connection },
            ]
        };
        let mut steps = vec![
            pooled(client.begin),
            Step::Note(Mark::Began(BEGAN)),
            Step::Acquire {
                gate: connection,
                fresh,
            },
            work(station, client.send, 1.0),
            Step::Wait(half(round_trip)),
        ];
        if direct {
            self.function(&mut steps);
        } else {
            self.forward(&mut steps, pool, back(FAILED));
        }
        steps.extend(back(ANSWERED));
        steps
    }

    /// What a new connection of the client takes. Lambda has a name and wants TLS;
    /// devices and virtual machines are called by their address.
    fn connect_direct(&mut self) -> Vec<Step> {
        let round_trip = self.resource.round_trip;
        match self.resource.platform {
            Platform::Lambda => vec![
                self.site.lookup(),
                Step::Wait(round_trip),
                work(self.site.client, self.site.experiment.client.secure, 1.0),
                Step::Wait(round_trip),
            ],
            _ => vec![Step::Wait(round_trip)],
        }
    }

    /// Through the manager: it reads where the function is, calls it over a
    /// connection that it keeps, and pushes the execution time before it answers.
    /// When it cannot read that, the process does `given_up`.
    fn forward(&mut self, steps: &mut Vec<Step>, pool: GateId, given_up: Vec<Step>) {
        let manager = self.site.experiment.manager;
        let (proxy, database) = (manager.proxy, manager.database);
        let (cpus, inside) = (
            self.site.cpus,
            self.site.experiment.continuum.cluster.round_trip,
        );
        // Request and answer of the client.
        steps.push(self.site.messages(2, inside));
        steps.push(work(cpus, proxy.forward, 1.0));
        let touched = Touched {
            read: 1,
            ..Touched::default()
        };
        let transaction = self
            .site
            .transaction(Step::Wait(database.read), touched, given_up);
        steps.push(transaction);
        let target = Gate::InTurn {
            first: self.proxy,
            count: proxy.verticles as usize,
            by: pool,
            offset: self.accepted,
        };
        let mut fresh = vec![Step::Wait(self.resource.round_trip)];
        if self.resource.platform == Platform::Lambda {
            fresh.push(work(cpus, proxy.secure, 1.0));
            fresh.push(Step::Wait(self.resource.round_trip));
        }
        steps.push(Step::Acquire {
            gate: target,
            fresh,
        });
        let distance = self.resource.round_trip;
        steps.push(self.site.messages(1, distance));
        steps.push(Step::Wait(half(distance)));
        self.function(steps);
        steps.push(Step::Wait(half(distance)));
        steps.push(self.site.messages(1, distance));
        steps.push(Step::Release { gate: target });
        steps.push(Step::Wait(proxy.push));
        steps.push(self.site.messages(2, inside));
        steps.push(work(cpus, proxy.answer, 1.0));
    }

    /// On the resource, from the arrival of the call to the departure of its answer.
    fn function(&mut self, steps: &mut Vec<Step>) {
        let servers = Gate::One(self.servers);
        if self.resource.platform == Platform::Lambda {
            steps.push(Step::Acquire {
                gate: servers,
                fresh: vec![Step::Wait(self.site.experiment.continuum.lambda.cold_start)],
            });
            steps.push(Step::Wait(self.site.experiment.continuum.lambda.overhead));
            steps.push(Step::Wait(self.execution));
            steps.push(Step::Release { gate: servers });
            return;
        }
        let functions = &self.site.experiment.continuum.functions;
        let rng = &mut self.site.rng;
        let mut here = |duration: Duration| self.resource.takes(duration.draw(rng));
        let (gateway, reading, reply) = (
            here(functions.gateway),
            here(functions.reading),
            here(functions.reply),
        );
        steps.push(work(self.host_cpus, gateway, 1.0));
        steps.push(work(self.reader, reading, 1.0));
        steps.push(Step::Acquire {
            gate: servers,
            fresh: Vec::new(),
        });
        steps.push(Step::Wait(self.execution));
        steps.push(Step::Release { gate: servers });
        steps.push(work(self.host_cpus, reply, 1.0));
    }
}
