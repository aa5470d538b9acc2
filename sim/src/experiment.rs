//! What goes into a run.

use serde::{Deserialize, Serialize};
use tidegate_core::Span;
use tidegate_workloads::{Application, Load};

use crate::testbed::Testbed;

/// One cell of a scenario with one seed: everything but the policy.
#[derive(Clone, Copy, Debug)]
pub struct Experiment<'a> {
    /// The application under test.
    pub application: &'a Application,
    /// When requests are sent.
    pub load: &'a Load,
    /// Where it runs.
    pub testbed: &'a Testbed,
    /// Who sends them.
    pub client: Client,
    /// How long the containers run before the client begins. What happens then
    /// is simulated but not measured.
    pub settle: Span,
    /// How long the client sends.
    pub duration: Span,
    /// Seed of all random streams.
    pub seed: u64,
    /// What is written down besides the run's numbers. Decides nothing of what
    /// happens in the run.
    pub recording: Recording,
    /// Whether invariants are checked after every event and rare states are counted
    /// among the numbers of the run.
    pub watched: bool,
}

/// What a run writes down besides its numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recording {
    /// Limits and use over time.
    pub series: Option<Series>,
    /// Full distributions of latency and slack.
    pub cdf: bool,
}

impl Recording {
    /// Both at once; none where they want different series.
    pub fn and(self, other: Recording) -> Option<Recording> {
        match (self.series, other.series) {
            (Some(one), Some(another)) if one != another => None,
            (one, another) => Some(Recording {
                series: one.or(another),
                cdf: self.cdf || other.cdf,
            }),
        }
    }

    /// Whether all that `other` wants is in it.
    pub fn covers(self, other: Recording) -> bool {
        self.and(other) == Some(self)
    }
}

/// A series over time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Series {
    /// Time between two rows: a multiple of [`Series::STEP`].
    pub every: Span,
    /// What a row is of.
    pub of: Scope,
}

impl Series {
    /// The time between two samples of a container: Linux's default bandwidth
    /// period.
    pub const STEP: Span = Span::from_millis(100);
}

/// What a row of a series is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Each container has rows of its own.
    Container,
    /// One row is the sum over all containers.
    Application,
}

/// The load generator: wrk2 as DeathStarBench ships it. An open loop over
/// pipelined connections; the server serves one request of a connection at a
/// time; latency counts from the intended send time.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Client {
    /// Connections (`-c`).
    pub connections: u32,
    /// Completions in this first part of the run are left out of latencies and
    /// throughput, while throughput still divides by the whole duration (wrk2's
    /// calibration).
    pub warm_up: Span,
    /// A request that the platform turns down is sent again after a random time up
    /// to this. Without it, it has failed.
    pub retry: Option<Span>,
    /// Answers are looked for this often, counted from the client's start. Without
    /// it they are seen when they come.
    pub poll: Option<Span>,
}

impl Default for Client {
    fn default() -> Client {
        Client {
            connections: 10,
            warm_up: Span::from_secs(10),
            retry: None,
            poll: None,
        }
    }
}
