//! What comes out of a run.

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

/// A finished run.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// The run's numbers, always the same names in the same order.
    pub metrics: Vec<Metric>,
    /// The containers in the order of the application's services.
    pub containers: Vec<ContainerUse>,
    /// Events handled.
    pub events: u64,
}
