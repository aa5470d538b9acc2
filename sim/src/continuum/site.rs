//! What all experiments share: the client's thread, the manager's node and link,
//! its database and the cluster's name service; and requests to the manager's API.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use tidegate_core::Span;
use tidegate_workloads::random::stream;

use super::Experiment;
use crate::flow::{Amount, Discipline, Flow, Mark, MeterId, StationId, Step};

/// Nanoseconds of a second.
const SECOND: f64 = 1e9;

/// Stations and meters of the cluster.
pub(super) struct Site<'a> {
    pub(super) experiment: Experiment<'a>,
    pub(super) flow: Flow,
    pub(super) rng: ChaCha8Rng,
    /// The client's one thread.
    pub(super) client: StationId,
    /// The manager's CPUs.
    pub(super) cpus: StationId,
    /// Its link; work is the time that it takes the whole link.
    pub(super) link: StationId,
    /// Its memory beside what it always uses, in MiB.
    pub(super) memory: MeterId,
    database: StationId,
    lookups: MeterId,
}

impl<'a> Site<'a> {
    /// A site whose random numbers are those of the stream `name`.
    pub(super) fn new(experiment: &Experiment<'a>, name: &str) -> Site<'a> {
        let mut flow = Flow::new();
        Site {
            client: flow.station(Discipline::Serial),
            cpus: flow.station(Discipline::Shared(experiment.continuum.cluster.cpus)),
            link: flow.station(Discipline::Shared(1.0)),
            memory: flow.meter(),
            database: flow.station(Discipline::Shared(experiment.manager.database.width)),
            lookups: flow.meter(),
            flow,
            rng: stream(experiment.seed, name, 0),
            experiment: *experiment,
        }
    }

    /// A lookup of a name that can lose a packet, or wait, if others look up too.
    pub(super) fn lookup(&mut self) -> Step {
        let resolver = &self.experiment.continuum.cluster.resolver;
        let (fate, when) = (self.rng.random::<f64>(), self.rng.random::<f64>());
        let late = if fate < resolver.lost {
            resolver.timeout
        } else if fate < resolver.lost + resolver.late {
            Span((resolver.late_max.0 as f64 * when) as u64)
        } else {
            Span::ZERO
        };
        Step::Race {
            meter: self.lookups,
            takes: resolver.takes,
            late,
        }
    }

    /// How often a transaction fails before it succeeds, if each try fails with
    /// probability `conflict`; nothing if it is given up.
    pub(super) fn failures(&mut self, conflict: f64) -> Option<u32> {
        let retries = self.experiment.manager.database.retries;
        (0..=retries).find(|_| self.rng.random::<f64>() >= conflict)
    }

    /// A transaction of so much work, tried again after each of its `failures`.
    pub(super) fn transaction(&self, amount: Span, failures: u32) -> Vec<Step> {
        let attempt = work(self.database, amount, 1.0);
        let mut steps = Vec::new();
        for _ in 0..failures {
            steps.push(attempt.clone());
            steps.push(Step::Wait(self.experiment.manager.database.retry));
        }
        steps.push(attempt);
        steps
    }

    /// A request to the manager's API by a client of its own. Its `began` is noted
    /// when the client's thread gets to it; `served` is what the manager does before
    /// it answers, `after` what it does from then on; the client notes `answered`.
    pub(super) fn request(
        &self,
        began: u32,
        served: Vec<Step>,
        answered: u32,
        after: Vec<Step>,
    ) -> Vec<Step> {
        let (client, round_trip) = (
            self.experiment.client,
            self.experiment.continuum.cluster.round_trip,
        );
        let mut steps = vec![
            work(self.client, client.make + client.begin, 1.0),
            Step::Note(Mark::Began(began)),
            Step::Wait(round_trip),
            work(self.client, client.send, 1.0),
            Step::Wait(half(round_trip)),
        ];
        steps.extend(served);
        let answer = vec![
            Step::Wait(half(round_trip)),
            work(self.client, client.receive, 1.0),
            Step::Note(Mark::Now(answered)),
        ];
        steps.push(Step::All(vec![answer, after]));
        steps
    }

    /// CPU that the manager has used on average from the beginning, in cores.
    pub(super) fn mean_cores(&mut self) -> f64 {
        let elapsed = self.flow.now().0 as f64;
        self.experiment.manager.idle_cores + self.flow.work_done(self.cpus) / elapsed
    }

    /// Memory that it has used on average, and at most, in MiB.
    pub(super) fn memory_mib(&mut self) -> (f64, f64) {
        let elapsed = self.flow.now().0 as f64;
        let idle = self.experiment.manager.idle_mib;
        let mean = self.flow.meter_sum(self.memory) / elapsed;
        (idle + mean, idle + self.flow.meter_max(self.memory))
    }

    /// The time that so many MiB take the whole link.
    pub(super) fn transfer(&self, mib: f64) -> Step {
        let seconds = mib / self.experiment.continuum.cluster.link_mib_s;
        work(self.link, Span((seconds * SECOND) as u64), 1.0)
    }
}

/// Work of a fixed amount.
pub(super) fn work(station: StationId, amount: Span, width: f64) -> Step {
    Step::Work {
        station,
        amount: Amount::Fixed(amount),
        width,
    }
}

/// One way of a round trip.
pub(super) fn half(span: Span) -> Span {
    Span(span.0 / 2)
}
