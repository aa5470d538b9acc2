//! What is written down during a run, in whichever world it happens. Memory does not
//! grow with the requests served: everything goes into histograms and sums, and into a
//! series where the scenario asks for one.
//!
//! - `distribution`: quantiles and cumulative distribution functions.
//! - `series`: limits and use over time.
//! - `memory`: what happened to memory limits.
//! - `tracking`: how closely limits follow a demand that is known.

mod distribution;

mod series;

mod memory;

mod tracking;

use hdrhistogram::Histogram;
use tidegate_core::{Allocator, Span, Time};
use tidegate_workloads::Load;

use crate::experiment::{Experiment, Series};
use crate::outcome::{Metric, SeriesPoint};

pub use memory::MemoryEvents;
use series::SeriesRecorder;
use tracking::Tracking;

pub use distribution::{Distribution, Distributions};

/// What the published slack of a run is computed from. Escra's authors took each
/// policy's own telemetry, and their script treats each kind differently (three
/// quirks that their figures carry). True slack is sampled alike for all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Telemetry {
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

impl Telemetry {
    /// What `allocator` has itself told.
    pub fn of(allocator: &dyn Allocator) -> Telemetry {
        if allocator.wants_periods() {
            Telemetry::Periods
        } else if allocator.sampling().is_some() {
            Telemetry::Samples
        } else {
            Telemetry::None
        }
    }
}

/// How often slack is sampled.
pub const SAMPLE: Span = Series::STEP;
/// Samples per second, the resolution of published telemetry other than reports.
const PER_SECOND: u64 = 10;

/// Units of the slack histograms.
const MILLICORE_TENTHS: f64 = 10_000.0;
const KIB: f64 = 1.0 / 1024.0;

/// One sample of a container.
#[derive(Clone, Copy, Debug)]
pub struct Reading {
    /// Limit in force, in cores.
    pub cpu_limit: f64,
    /// Mean use since the last sample, in cores.
    pub cpu: f64,
    /// In bytes.
    pub memory_limit: u64,
    /// In bytes.
    pub memory: u64,
    /// Active periods since the client began, and those that were throttled.
    pub periods: u64,
    /// Of the active ones.
    pub throttled_periods: u64,
    /// Whether it runs.
    pub up: bool,
}

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
pub struct Recorder {
    telemetry: Telemetry,
    origin: Time,
    warm_up: Time,
    duration: Span,
    /// In microseconds, as wrk2 keeps it: up to a day, three digits.
    latency: Histogram<u64>,
    latency_sum: f64,
    /// For each answer when its request was due, its latency and whether it failed, for
    /// who drives the run.
    pub(crate) answers: Option<Vec<(Time, Span, bool)>>,
    /// Requests due so far.
    pub sent: u64,
    /// Replies, whatever they say.
    pub completed: u64,
    /// Of those, errors.
    pub failed: u64,
    /// Out-of-memory events, reclaims and restarts.
    pub memory: MemoryEvents,
    /// Commands that changed a limit.
    pub limit_updates: u64,
    slack: Vec<Slack>,
    series: Option<SeriesRecorder>,
    /// For a closed loop, whose demand is known.
    tracking: Option<Tracking>,
    /// Times at which containers were sampled, and the pods then there.
    ticks: u64,
    pods_sum: u64,
    pods_max: u32,
}

fn histogram<C: hdrhistogram::Counter>(high: u64) -> Histogram<C> {
    Histogram::new_with_bounds(1, high, 3).unwrap_or_else(|_| unreachable!("bounds are constant"))
}

/// A histogram as large as its values: of ten thousand containers, few use much.
fn growing() -> Histogram<u32> {
    let mut histogram = histogram(2);
    histogram.auto(true);
    histogram
}

impl Slack {
    fn new() -> Slack {
        Slack {
            cpu: growing(),
            cpu_published: growing(),
            cpu_published_max: 0.0,
            memory: growing(),
            memory_max: 0,
            cpu_limit_sum: 0.0,
            memory_limit_sum: 0.0,
            samples: 0,
            second: (0.0, 0.0),
        }
    }

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
    /// Without containers: each is [added](Recorder::add).
    pub fn new(experiment: &Experiment<'_>, telemetry: Telemetry) -> Recorder {
        let origin = Time::ZERO + experiment.settle;
        Recorder {
            telemetry,
            origin,
            warm_up: origin + experiment.client.warm_up,
            duration: experiment.duration,
            latency: histogram(86_400_000_000),
            latency_sum: 0.0,
            answers: None,
            sent: 0,
            completed: 0,
            failed: 0,
            memory: MemoryEvents::new(),
            limit_updates: 0,
            slack: Vec::new(),
            series: experiment.recording.series.map(SeriesRecorder::new),
            tracking: match experiment.load {
                Load::Closed(threads) => {
                    let period = experiment.testbed.cfs.period;
                    Some(Tracking::new(threads.clone(), period))
                }
                _ => None,
            },
            ticks: 0,
            pods_sum: 0,
            pods_max: 0,
        }
    }

    /// One container more.
    pub fn add(&mut self) {
        self.slack.push(Slack::new());
        if let Some(series) = &mut self.series {
            series.add(self.ticks);
        }
    }

    /// All containers are sampled now, `pods` of which a platform started.
    pub fn tick(&mut self, pods: u32) {
        self.ticks += 1;
        self.pods_sum += u64::from(pods);
        self.pods_max = self.pods_max.max(pods);
    }

    /// Pods there were, on average and at most.
    pub fn pods(&self) -> (f64, u32) {
        (
            self.pods_sum as f64 / self.ticks.max(1) as f64,
            self.pods_max,
        )
    }

    /// The run was this long.
    pub fn ended(&mut self, duration: Span) {
        self.duration = duration;
    }

    /// A reply reached the client at `now`.
    pub fn reply(&mut self, now: Time, intended: Time, failed: bool) {
        self.completed += 1;
        self.failed += u64::from(failed);
        if let Some(answers) = &mut self.answers {
            answers.push((intended, now.since(intended), failed));
        }
        if now >= self.warm_up {
            let latency = now.since(intended).0 / 1_000;
            self.latency.saturating_record(latency.max(1));
            self.latency_sum += latency as f64;
        }
    }

    /// One sample of a container.
    pub fn sample(&mut self, now: Time, container: usize, reading: &Reading) {
        let slack = &mut self.slack[container];
        // A quota write refills the pool: use can pass the limit for a moment.
        let free = reading.cpu_limit - reading.cpu;
        record(&mut slack.cpu, free.max(0.0) * MILLICORE_TENTHS);
        let spare = reading.memory_limit.saturating_sub(reading.memory);
        record(&mut slack.memory, spare as f64 * KIB);
        slack.memory_max = slack.memory_max.max(reading.memory);
        slack.cpu_limit_sum += reading.cpu_limit;
        slack.memory_limit_sum += reading.memory_limit as f64;
        slack.samples += 1;
        slack.second.0 += reading.cpu;
        slack.second.1 += reading.cpu_limit;
        if slack.samples.is_multiple_of(PER_SECOND) {
            let (cpu, limit) = std::mem::take(&mut slack.second);
            let count = PER_SECOND as f64;
            slack.publish(self.telemetry, cpu / count, limit / count);
        }
        self.sample_series(now, container, reading);
    }

    /// The part of a sample that goes into the series.
    pub fn sample_series(&mut self, now: Time, container: usize, reading: &Reading) {
        if let Some(series) = &mut self.series {
            series.sample(now.since(self.origin), container, reading);
        }
    }

    /// Whether [`limits`](Recorder::limits) is to be told.
    pub fn tracks_limits(&self) -> bool {
        self.tracking.is_some()
    }

    /// From `now` on all CPU limits come to `cores`.
    pub fn limits(&mut self, now: Time, cores: f64) {
        if let Some(tracking) = &mut self.tracking
            && now >= self.origin
        {
            tracking.limit(now.since(self.origin), cores);
        }
    }

    /// A period report as the published script saw it.
    pub fn period(&mut self, container: usize, quota: f64, unused: f64) {
        if self.telemetry == Telemetry::Periods {
            let slack = &mut self.slack[container];
            slack.cpu_published_max = slack.cpu_published_max.max((quota - unused) / 2.0);
            record(&mut slack.cpu_published, unused / 2.0 * MILLICORE_TENTHS);
        }
    }

    /// Mean CPU limit of a container over the run; none counts as zero.
    pub fn cpu_limit_mean(&self, container: usize) -> f64 {
        self.slack[container].cpu_limit_sum / self.ticks.max(1) as f64
    }

    /// The distributions of the run.
    pub fn distributions(&self) -> Distributions {
        Distributions::new(&self.latency, &self.slack)
    }

    /// The series that was asked for; empty if none was.
    pub fn take_series(&mut self) -> Vec<SeriesPoint> {
        let series = self.series.take();
        series.map_or_else(Vec::new, SeriesRecorder::into_rows)
    }

    /// The run's numbers. `used` is the CPU used by all containers and
    /// `periods` the active and the throttled ones.
    pub fn metrics(
        &self,
        distributions: &Distributions,
        used: f64,
        periods: (u64, u64),
    ) -> Vec<Metric> {
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
            push(name, "ms", distributions.latency.quantile(quantile));
        }
        push("requests_sent", "requests", self.sent as f64);
        push("requests_completed", "requests", self.completed as f64);
        push("requests_failed", "requests", self.failed as f64);

        for (slack, names) in [
            (
                &distributions.cpu_slack,
                [
                    "cpu_slack_p50_cores",
                    "cpu_slack_p80_cores",
                    "cpu_slack_p99_cores",
                ],
            ),
            (
                &distributions.cpu_slack_published,
                [
                    "cpu_slack_published_p50_cores",
                    "cpu_slack_published_p80_cores",
                    "cpu_slack_published_p99_cores",
                ],
            ),
            (
                &distributions.mem_slack,
                [
                    "mem_slack_p50_mib",
                    "mem_slack_p80_mib",
                    "mem_slack_p99_mib",
                ],
            ),
            (
                &distributions.mem_slack_published,
                [
                    "mem_slack_published_p50_mib",
                    "mem_slack_published_p80_mib",
                    "mem_slack_published_p99_mib",
                ],
            ),
        ] {
            for (name, quantile) in names.into_iter().zip([0.5, 0.8, 0.99]) {
                push(name, slack.unit, slack.quantile(quantile));
            }
        }

        let total = |sum: fn(&Slack) -> f64| -> f64 {
            let mean = |slack: &Slack| sum(slack) / self.ticks.max(1) as f64;
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
        if let Some(tracking) = &self.tracking {
            metrics.extend(tracking.metrics(self.duration));
        }
        metrics
    }
}

/// Zero is kept as the histogram's lowest value, one.
fn record(histogram: &mut Histogram<u32>, value: f64) {
    let value = (value as u64).max(1);
    if histogram.record(value).is_err() {
        histogram.saturating_record(value);
    }
}

/// Not a number where nothing was recorded.
fn quantile_of(histogram: &Histogram<u64>, quantile: f64) -> f64 {
    if histogram.is_empty() {
        f64::NAN
    } else {
        histogram.value_at_quantile(quantile) as f64
    }
}
