//! What is written down during a run. Memory does not grow with its length:
//! everything goes into histograms and sums.

mod memory;

use hdrhistogram::Histogram;
use tidegate_core::{Span, Time};

use crate::outcome::Metric;

use memory::MemoryEvents;

/// What the published slack of a run is computed from. Escra's authors took each
/// policy's own telemetry, and their script treats each kind differently (three
/// quirks that their figures carry). True slack is sampled alike for all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Telemetry {
    /// A report each CPU period. Published: limit and usage halved (the script's
    /// counter starts at one), containers whose halved usage stays under 0.3
    /// cores left out.
    Periods,
    /// Usage samples, one each second. Published: slack = limit - 10 x usage (two
    /// units mixed), negative values dropped, containers with 10 x usage under 0.3
    /// left out.
    Samples,
    /// None: sampled from outside each second, published as it is.
    None,
}

/// How often slack is sampled: Linux's default bandwidth period.
pub(crate) const SAMPLE: Span = Span::from_millis(100);
/// Samples per second, the resolution of published telemetry other than reports.
const PER_SECOND: u64 = 10;

/// Units of the slack histograms.
const MILLICORE_TENTHS: f64 = 10_000.0;
const KIB: f64 = 1.0 / 1024.0;

/// The slack of one container.
#[derive(Debug)]
struct Slack {
    /// In tenths of a millicore.
    cpu: Histogram<u32>,
    cpu_published: Histogram<u32>,
    /// Highest use as the published script saw it, in cores.
    cpu_published_max: f64,
    /// In KiB.
    memory: Histogram<u32>,
    memory_max: u64,
    cpu_limit_sum: f64,
    memory_limit_sum: f64,
    samples: u64,
    /// CPU use and limit, summed over the current second.
    second: (f64, f64),
}

/// Everything a run writes down.
#[derive(Debug)]
pub(crate) struct Recorder {
    telemetry: Telemetry,
    warm_up: Time,
    duration: Span,
    /// In microseconds, as wrk2 keeps it: up to a day, three digits.
    latency: Histogram<u64>,
    latency_sum: f64,
    pub(crate) sent: u64,
    pub(crate) completed: u64,
    pub(crate) failed: u64,
    pub(crate) memory: MemoryEvents,
    pub(crate) limit_updates: u64,
    slack: Vec<Slack>,
}

fn histogram<C: hdrhistogram::Counter>(high: u64) -> Histogram<C> {
    Histogram::new_with_bounds(1, high, 3).unwrap_or_else(|_| unreachable!("bounds are constant"))
}

impl Slack {
    /// One second of a container as the published script saw it.
    fn publish(&mut self, telemetry: Telemetry, cpu: f64, limit: f64) {
        let free = match telemetry {
            Telemetry::Periods => return,
            Telemetry::Samples => {
                let seen = 10.0 * cpu;
                self.cpu_published_max = self.cpu_published_max.max(seen);
                limit - seen
            }
            Telemetry::None => {
                self.cpu_published_max = f64::INFINITY;
                (limit - cpu).max(0.0)
            }
        };
        if free >= 0.0 {
            record(&mut self.cpu_published, free * MILLICORE_TENTHS);
        }
    }
}

impl Recorder {
    pub(crate) fn new(
        telemetry: Telemetry,
        containers: usize,
        warm_up: Time,
        duration: Span,
    ) -> Recorder {
        let slack = || Slack {
            cpu: histogram(10_000_000),
            cpu_published: histogram(10_000_000),
            cpu_published_max: 0.0,
            memory: histogram(1 << 30),
            memory_max: 0,
            cpu_limit_sum: 0.0,
            memory_limit_sum: 0.0,
            samples: 0,
            second: (0.0, 0.0),
        };
        Recorder {
            telemetry,
            warm_up,
            duration,
            latency: histogram(86_400_000_000),
            latency_sum: 0.0,
            sent: 0,
            completed: 0,
            failed: 0,
            memory: MemoryEvents::new(),
            limit_updates: 0,
            slack: (0..containers).map(|_| slack()).collect(),
        }
    }

    /// A reply reached the client at `now`.
    pub(crate) fn reply(&mut self, now: Time, intended: Time, failed: bool) {
        self.completed += 1;
        self.failed += u64::from(failed);
        if now >= self.warm_up {
            let latency = now.since(intended).0 / 1_000;
            self.latency.saturating_record(latency.max(1));
            self.latency_sum += latency as f64;
        }
    }

    /// One sample of a container: limits, and use since the last sample.
    pub(crate) fn sample(
        &mut self,
        container: usize,
        cpu_limit: f64,
        cpu: f64,
        memory_limit: u64,
        memory: u64,
    ) {
        let slack = &mut self.slack[container];
        // A quota write refills the pool: use can pass the limit for a moment.
        let free = cpu_limit - cpu;
        record(&mut slack.cpu, free.max(0.0) * MILLICORE_TENTHS);
        record(
            &mut slack.memory,
            memory_limit.saturating_sub(memory) as f64 * KIB,
        );
        slack.memory_max = slack.memory_max.max(memory);
        slack.cpu_limit_sum += cpu_limit;
        slack.memory_limit_sum += memory_limit as f64;
        slack.samples += 1;
        slack.second.0 += cpu;
        slack.second.1 += cpu_limit;
        if slack.samples.is_multiple_of(PER_SECOND) {
            let (cpu, limit) = std::mem::take(&mut slack.second);
            let count = PER_SECOND as f64;
            slack.publish(self.telemetry, cpu / count, limit / count);
        }
    }

    /// A period report as the published script saw it.
    pub(crate) fn period(&mut self, container: usize, quota: f64, unused: f64) {
        if self.telemetry == Telemetry::Periods {
            let slack = &mut self.slack[container];
            slack.cpu_published_max = slack.cpu_published_max.max((quota - unused) / 2.0);
            record(&mut slack.cpu_published, unused / 2.0 * MILLICORE_TENTHS);
        }
    }

    /// Mean CPU limit of a container over the samples.
    pub(crate) fn cpu_limit_mean(&self, container: usize) -> f64 {
        let slack = &self.slack[container];
        slack.cpu_limit_sum / slack.samples.max(1) as f64
    }

    /// The run's numbers. `used` is the CPU used by all containers and
    /// `periods` the active and the throttled ones.
    pub(crate) fn metrics(&self, used: f64, periods: (u64, u64)) -> Vec<Metric> {
        let seconds = self.duration.as_secs_f64();
        let mut metrics = Vec::new();
        let mut push = |name, unit, value| metrics.push(Metric { name, unit, value });

        push("throughput_rps", "1/s", self.latency.len() as f64 / seconds);
        let count = self.latency.len() as f64;
        push("latency_mean_ms", "ms", self.latency_sum / count * 1e-3);
        for (name, quantile) in [
            ("latency_p50_ms", 0.5),
            ("latency_p90_ms", 0.9),
            ("latency_p99_ms", 0.99),
            ("latency_p999_ms", 0.999),
            ("latency_max_ms", 1.0),
        ] {
            push(name, "ms", quantile_of(&self.latency, quantile) * 1e-3);
        }
        push("requests_sent", "requests", self.sent as f64);
        push("requests_completed", "requests", self.completed as f64);
        push("requests_failed", "requests", self.failed as f64);

        let merge = |pick: &dyn Fn(&Slack) -> Option<&Histogram<u32>>, high| {
            let mut all: Histogram<u64> = histogram(high);
            for slack in &self.slack {
                if let Some(part) = pick(slack) {
                    for value in part.iter_recorded() {
                        let n = value.count_at_value();
                        all.saturating_record_n(value.value_iterated_to(), u64::from(n));
                    }
                }
            }
            all
        };
        const CPU: u64 = 10_000_000;
        const MEMORY: u64 = 1 << 30;
        /// The published script drops containers that never use this much.
        const BUSY_CORES: f64 = 0.3;
        const BUSY_BYTES: u64 = 10_000_000;
        let quantiles = [0.5, 0.8, 0.99];

        let cpu = merge(&|slack| Some(&slack.cpu), CPU);
        let names = [
            "cpu_slack_p50_cores",
            "cpu_slack_p80_cores",
            "cpu_slack_p99_cores",
        ];
        for (name, q) in names.into_iter().zip(quantiles) {
            push(name, "cores", quantile_of(&cpu, q) / MILLICORE_TENTHS);
        }
        let busy = |slack: &Slack| slack.cpu_published_max >= BUSY_CORES;
        let published = merge(&|slack| busy(slack).then_some(&slack.cpu_published), CPU);
        let names = [
            "cpu_slack_published_p50_cores",
            "cpu_slack_published_p80_cores",
            "cpu_slack_published_p99_cores",
        ];
        for (name, q) in names.into_iter().zip(quantiles) {
            push(name, "cores", quantile_of(&published, q) / MILLICORE_TENTHS);
        }
        let memory = merge(&|slack| Some(&slack.memory), MEMORY);
        let names = [
            "mem_slack_p50_mib",
            "mem_slack_p80_mib",
            "mem_slack_p99_mib",
        ];
        for (name, q) in names.into_iter().zip(quantiles) {
            push(name, "MiB", quantile_of(&memory, q) / 1024.0);
        }
        let busy = |slack: &Slack| slack.memory_max >= BUSY_BYTES;
        let published = merge(&|slack| busy(slack).then_some(&slack.memory), MEMORY);
        let names = [
            "mem_slack_published_p50_mib",
            "mem_slack_published_p80_mib",
            "mem_slack_published_p99_mib",
        ];
        for (name, q) in names.into_iter().zip(quantiles) {
            push(name, "MiB", quantile_of(&published, q) / 1024.0);
        }

        let total = |sum: fn(&Slack) -> f64| -> f64 {
            let mean = |slack: &Slack| sum(slack) / slack.samples.max(1) as f64;
            self.slack.iter().map(mean).sum()
        };
        push("cpu_used_mean_cores", "cores", used / seconds);
        push("cpu_limit_mean_cores", "cores", total(|s| s.cpu_limit_sum));
        push(
            "mem_limit_mean_mib",
            "MiB",
            total(|s| s.memory_limit_sum) / 1_048_576.0,
        );
        push(
            "throttled_periods_ratio",
            "ratio",
            periods.1 as f64 / periods.0.max(1) as f64,
        );
        push("limit_updates", "commands", self.limit_updates as f64);
        metrics.extend(self.memory.metrics());
        metrics
    }
}

/// Zero is kept as the histogram's lowest value, one.
fn record(histogram: &mut Histogram<u32>, value: f64) {
    histogram.saturating_record((value as u64).max(1));
}

/// Not a number where nothing was recorded.
fn quantile_of(histogram: &Histogram<u64>, quantile: f64) -> f64 {
    if histogram.is_empty() {
        f64::NAN
    } else {
        histogram.value_at_quantile(quantile) as f64
    }
}
