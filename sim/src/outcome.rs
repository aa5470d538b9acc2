//! What comes out of a run.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

/// One number of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Metric {
    /// Its name, such as `throughput_rps`.
    pub name: &'static str,
    /// Its unit, such as `1/s`.
    pub unit: &'static str,
    /// Its value; not a number where nothing was measured.
    pub value: f64,
}

/// What one container used.
#[derive(Clone, Debug, PartialEq)]
pub struct ContainerUse {
    /// The service it runs.
    pub service: String,
    /// Mean CPU use over the run, in cores.
    pub cpu_mean_cores: f64,
    /// Mean CPU limit over the run, in cores.
    pub cpu_limit_mean_cores: f64,
    /// Highest memory use, in MiB.
    pub memory_max_mib: f64,
    /// CFS periods in which the group was active.
    pub periods: u64,
    /// Of those, periods that ended with the group throttled.
    pub throttled_periods: u64,
    /// Kills for memory.
    pub oom_kills: u64,
}

/// A cumulative distribution function.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub struct Cdf {
    /// What is distributed: `latency`, `cpu_slack`, `mem_slack`, or one of the
    /// latter as the published script saw it, `cpu_slack_published`.
    pub metric: Cow<'static, str>,
    /// The unit of the values.
    pub unit: Cow<'static, str>,
    /// Quantile and value, the quantiles growing from 0 to 1; empty where
    /// nothing was measured.
    pub points: Vec<(f64, f64)>,
}

/// One row of a series: a container, or all of them together, at one time.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub struct SeriesPoint {
    /// Since the client began, in seconds.
    pub time_s: f64,
    /// The container, by its place among the services; none for the sum over all.
    pub container: Option<usize>,
    /// CPU limit at this time.
    pub cpu_limit_cores: f64,
    /// Mean CPU use since the row before.
    pub cpu_used_cores: f64,
    /// Memory limit at this time.
    pub mem_limit_mib: f64,
    /// Memory used at this time.
    pub mem_used_mib: f64,
    /// CFS periods since the row before in which a group was active.
    pub periods: u64,
    /// Of those, periods that ended with the group throttled.
    pub throttled_periods: u64,
    /// Containers that run at this time, not killed.
    pub containers_up: u64,
}

/// A finished run.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// The run's numbers: the same names in the same order for all runs, and after
    /// them, for a closed loop, how closely limits follow its demand.
    pub metrics: Vec<Metric>,
    /// The containers in the order of the application's services.
    pub containers: Vec<ContainerUse>,
    /// Limits and use over time, in the order of time and then of the
    /// containers; empty unless asked for.
    pub series: Vec<SeriesPoint>,
    /// Full distributions; empty unless asked for.
    pub cdfs: Vec<Cdf>,
    /// Events handled.
    pub events: u64,
}

impl Outcome {
    /// A run that gives numbers only.
    pub(crate) fn of_numbers(metrics: Vec<Metric>, events: u64) -> Outcome {
        Outcome {
            metrics,
            containers: Vec::new(),
            series: Vec::new(),
            cdfs: Vec::new(),
            events,
        }
    }
}
