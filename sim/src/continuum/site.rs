//! What all experiments share: the client's thread, the manager's node and link,
//! its database and the cluster's name service; and requests to the manager's API.

use std::collections::VecDeque;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use tidegate_core::Span;
use tidegate_workloads::random::stream;

use super::Experiment;
use crate::flow::{Amount, Attempts, Busy, Discipline, Flow, Mark, MeterId, StationId, Step};

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
    pub(super) database: StationId,
    lookups: MeterId,
    /// When the transactions of samplings are open.
    samplings: Busy,
}

/// What one transaction touches, with a statement each.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Touched {
    /// Queries: one locks a page of its table, however many of the rows there it
    /// reads (`max_pred_locks_per_page` is 2).
    pub(super) read: u32,
    /// Rows changed that were there before.
    pub(super) updated: u32,
    /// New rows: nobody else knows them yet.
    pub(super) inserted: u32,
}

impl<'a> Site<'a> {
    /// A site whose random numbers are those of the stream `name`.
    pub(super) fn new(experiment: &Experiment<'a>, name: &str) -> Site<'a> {
        let mut flow = Flow::new();
        let watching = experiment.manager.watching;
        let every = watching.sampling + watching.open;
        let phase = stream(experiment.seed, "sampling", 0).random::<f64>();
        let samplings = Busy {
            phase: Span((every.0 as f64 * phase) as u64),
            lasting: watching.open,
            every,
        };
        Site {
            samplings,
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

    /// A transaction that does `work` and is tried again, a while later, when it
    /// fails for another one's sake; when that is to no avail, the process does
    /// `given_up` and no more.
    ///
    /// All transactions are serializable. Those of a sampling stay open while it
    /// waits for its pings; who meets them may clash with one on all it touches.
    pub(super) fn transaction(
        &mut self,
        work: Step,
        touched: Touched,
        given_up: Vec<Step>,
    ) -> Step {
        let database = self.experiment.manager.database;
        let fine = (1.0 - database.read_clash).powi(touched.read as i32)
            * (1.0 - database.update_clash).powi(touched.updated as i32);
        let round_trip = self.experiment.continuum.cluster.round_trip;
        // It begins, asks, and commits.
        let statements = 2 + touched.read + touched.updated + touched.inserted;
        let mut each = VecDeque::new();
        for _ in 0..=database.retries {
            let sent_again = self.messages(2 * statements, round_trip);
            let clashes = self.rng.random::<f64>() >= fine;
            each.push_back((vec![work.clone(), sent_again], clashes));
            if !clashes {
                break;
            }
        }
        Step::Try(Attempts {
            each,
            busy: self.samplings,
            pause: database.retry,
            given_up,
        })
    }

    /// What `count` messages, one after the other, to or from the manager take more
    /// because some are lost on its network and sent again.
    pub(super) fn messages(&mut self, count: u32, round_trip: Span) -> Step {
        let cluster = self.experiment.continuum.cluster;
        let again = cluster.retransmission.0 + round_trip.0;
        let lost = (0..count).filter(|_| self.rng.random::<f64>() < cluster.lost);
        Step::Wait(Span(again * lost.count() as u64))
    }

    /// A request to the manager's API by a client of its own. Its `began` is noted
    /// when the client's thread gets to it; `served` is what the manager does before
    /// it answers, `after` what it does from then on; the client notes `answered`.
    pub(super) fn request(
        &mut self,
        began: u32,
        served: Vec<Step>,
        answered: u32,
        after: Vec<Step>,
    ) -> Vec<Step> {
        let client = self.experiment.client;
        let round_trip = self.experiment.continuum.cluster.round_trip;
        let mut steps = vec![
            work(self.client, client.make + client.begin, 1.0),
            Step::Note(Mark::Began(began)),
            Step::Wait(round_trip),
            work(self.client, client.send, 1.0),
            Step::Wait(half(round_trip)),
            self.messages(2, round_trip),
        ];
        steps.extend(served);
        let answer = self.answer(answered);
        steps.push(Step::All(vec![answer, after]));
        steps
    }

    /// The way of an answer to the client, which notes it when it begins to make
    /// another client, to ask whether all is done.
    pub(super) fn answer(&mut self, note: u32) -> Vec<Step> {
        let client = self.experiment.client;
        let receive = client.receive.draw(&mut self.rng);
        vec![
            Step::Wait(half(self.experiment.continuum.cluster.round_trip)),
            work(self.client, receive, 1.0),
            work(self.client, client.make, 1.0),
            Step::Note(Mark::Began(note)),
        ]
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
