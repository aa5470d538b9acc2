//! What the VPA knows of one container, and what it recommends from that.
//! (VPA 1.7, `pkg/recommender/model` and `pkg/recommender/logic`.)
//!
//! Times are the VPA's own: a day is 24 hours, however the run is compressed.

use crate::units::{Bytes, Cores, Span};

use super::Config;
use super::histogram::{Buckets, Decaying};

/// Time between two samples, two recommendations and two updates.
pub(super) const INTERVAL: Span = Span::from_secs(60);
/// Half-life of CPU and memory samples, and the interval of which only the
/// memory peak counts.
pub(super) const DAY: Span = Span::from_secs(86_400);
/// CPU samples all weigh the same, since February 2025.
const CPU_WEIGHT: f64 = 0.1;
const MEMORY_WEIGHT: f64 = 1.0;
/// No amount is above this: thousandths of a core, or bytes.
const MAX_AMOUNT: f64 = 1e14;

/// CPU and memory requests; where they equal the limits, limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resources {
    /// In whole thousandths of a core.
    pub cpu: Cores,
    /// Memory.
    pub memory: Bytes,
}

/// What the VPA says of one container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recommendation {
    /// What it should request.
    pub target: Resources,
    /// A request under this is too low, whatever the target.
    pub lower: Resources,
    /// A request over this is too high.
    pub upper: Resources,
}

/// The buckets of both resources.
#[derive(Debug)]
pub(super) struct BothBuckets {
    cpu: Buckets,
    memory: Buckets,
}

impl BothBuckets {
    pub(super) fn new() -> BothBuckets {
        BothBuckets {
            cpu: Buckets::new(0.01, 1000.0),
            memory: Buckets::new(1e7, 1e12),
        }
    }
}

/// The aggregated samples of one container.
#[derive(Clone, Debug)]
pub(super) struct Usage {
    cpu: Decaying,
    memory: Decaying,
    samples: u64,
    /// When the first and the last CPU sample were taken.
    first: Span,
    last: Span,
    /// The end of the present memory interval, and its two peaks: of the
    /// samples, and of the OOM kills.
    interval_end: Option<Span>,
    peak: Bytes,
    oom_peak: Bytes,
}

impl Usage {
    pub(super) fn new(buckets: &BothBuckets) -> Usage {
        Usage {
            cpu: Decaying::new(&buckets.cpu, DAY),
            memory: Decaying::new(&buckets.memory, DAY),
            samples: 0,
            first: Span::ZERO,
            last: Span::ZERO,
            interval_end: None,
            peak: Bytes::ZERO,
            oom_peak: Bytes::ZERO,
        }
    }

    /// A container that has used this much, always, in the `days` before `now`.
    pub(super) fn with_history(
        buckets: &BothBuckets,
        now: Span,
        days: u32,
        cpu: Cores,
        memory: Bytes,
    ) -> Usage {
        let mut usage = Usage::new(buckets);
        let begin = now.saturating_sub(DAY * u64::from(days));
        for minute in 0..u64::from(days) * (DAY.0 / INTERVAL.0) {
            usage.cpu_sample(buckets, begin + INTERVAL * minute, cpu);
        }
        for day in 0..u64::from(days) {
            usage.memory_sample(buckets, begin + DAY * day, memory, false);
        }
        usage
    }

    pub(super) fn cpu_sample(&mut self, buckets: &BothBuckets, now: Span, usage: Cores) {
        let bucket = buckets.cpu.index(usage.as_f64());
        self.cpu.add(bucket, CPU_WEIGHT, now);
        if self.samples == 0 {
            self.first = now;
        }
        self.last = now;
        self.samples += 1;
    }

    /// A memory sample: a higher peak takes the place of the interval's last.
    pub(super) fn memory_sample(
        &mut self,
        buckets: &BothBuckets,
        now: Span,
        usage: Bytes,
        oom: bool,
    ) {
        if usage == Bytes::ZERO {
            return;
        }
        let index = |usage: Bytes| buckets.memory.index(usage.0 as f64);
        let end = match self.interval_end {
            Some(end) if now < end => {
                let highest = self.peak.max(self.oom_peak);
                if usage <= highest {
                    return;
                }
                self.memory.subtract(index(highest), MEMORY_WEIGHT, end);
                end
            }
            interval_end => {
                let end = interval_end.unwrap_or(now);
                self.peak = Bytes::ZERO;
                self.oom_peak = Bytes::ZERO;
                let over = Span(now.0 - end.0);
                end + DAY * (over.0 / DAY.0 + 1)
            }
        };
        self.interval_end = Some(end);
        self.memory.add(index(usage), MEMORY_WEIGHT, end);
        if oom {
            self.oom_peak = usage;
        } else {
            self.peak = usage;
        }
    }

    /// An OOM kill under a request of `requested`. It counts as a sample of
    /// `max(used + 100 MiB, used · 1.2)`, with used the request or the
    /// interval's peak, whichever is higher.
    pub(super) fn out_of_memory(
        &mut self,
        config: &Config,
        buckets: &BothBuckets,
        now: Span,
        requested: Bytes,
    ) {
        let used = requested.max(self.peak);
        let bumped = Bytes((used.0 as f64 * config.oom_bump_ratio) as u64);
        let needed = bumped.max(Bytes(used.0.saturating_add(config.oom_min_bump.0)));
        self.memory_sample(buckets, now, needed, true);
    }

    /// The recommendation; none before the first CPU sample.
    pub(super) fn recommend(
        &self,
        config: &Config,
        buckets: &BothBuckets,
    ) -> Option<Recommendation> {
        if self.samples == 0 {
            return None;
        }
        let minimum_cpu = config.pod_min_cpu.0 / 1_000_000 / u64::from(config.containers_per_pod);
        let minimum_memory = config.pod_min_memory.0 / u64::from(config.containers_per_pod);
        let confidence = self.confidence();
        let estimate = |p: f64, bound: Bound| {
            let finish = |amount: f64, minimum: u64| {
                let amount = whole(amount);
                let with_margin = amount + whole(amount * config.safety_margin);
                (bound.widen(with_margin, confidence) as u64).max(minimum)
            };
            let cpu = self.cpu.percentile(&buckets.cpu, p);
            let memory = self.memory.percentile(&buckets.memory, p);
            Resources {
                cpu: Cores(finish(cpu * 1000.0, minimum_cpu).saturating_mul(1_000_000)),
                memory: Bytes(finish(memory, minimum_memory)),
            }
        };
        Some(Recommendation {
            target: estimate(config.target_percentile, Bound::None),
            lower: estimate(config.lower_percentile, Bound::Lower),
            upper: estimate(config.upper_percentile, Bound::Upper),
        })
    }

    /// In days of samples: `min(lifespan in days, samples / 1440)`.
    fn confidence(&self) -> f64 {
        let lifespan = (self.last.0 - self.first.0) as f64 / DAY.0 as f64;
        lifespan.min(self.samples as f64 / (DAY.0 / INTERVAL.0) as f64)
    }
}

/// Which of the three estimates of one resource.
#[derive(Clone, Copy, Debug)]
enum Bound {
    None,
    Lower,
    Upper,
}

impl Bound {
    /// Widens the range while little is known: `(1 + 1 / confidence)` times the
    /// upper bound, `(1 + 0.001 / confidence)⁻²` times the lower.
    fn widen(self, amount: f64, confidence: f64) -> f64 {
        match self {
            Bound::None => amount,
            Bound::Lower => {
                let divisor = 1.0 + 0.001 / confidence;
                whole(amount / (divisor * divisor))
            }
            Bound::Upper => whole(amount * (1.0 + 1.0 / confidence)),
        }
    }
}

/// Amounts are whole thousandths of a core and whole bytes, rounded down.
fn whole(amount: f64) -> f64 {
    // Nothing times no confidence at all is no number.
    if amount.is_nan() {
        return 0.0;
    }
    amount.floor().clamp(0.0, MAX_AMOUNT)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Span = INTERVAL;

    fn recommend(usage: &Usage) -> Recommendation {
        let config = Config {
            pod_min_cpu: Cores::ZERO,
            pod_min_memory: Bytes::ZERO,
            ..Config::default()
        };
        usage.recommend(&config, &BothBuckets::new()).unwrap()
    }

    /// The recommendation for a container of one sample.
    fn once(cpu: Cores, memory: Bytes) -> Recommendation {
        let buckets = BothBuckets::new();
        let mut usage = Usage::new(&buckets);
        usage.cpu_sample(&buckets, Span::ZERO, cpu);
        usage.memory_sample(&buckets, Span::ZERO, memory, false);
        recommend(&usage)
    }

    #[test]
    fn targets_are_the_ends_of_buckets_and_15_percent() {
        // 10, 20.5, 31.5, 43.1, 55.3 and 511.1 thousandths of a core: figures
        // everybody who has run a VPA has seen.
        for (usage, target) in [(5, 11), (15, 23), (25, 35), (40, 49), (50, 63), (500, 587)] {
            let target = Cores::from_millis(target);
            let recommended = once(Cores::from_millis(usage), Bytes(1)).target.cpu;
            assert_eq!(recommended, target, "{usage}");
        }
        for (usage, target) in [
            (230_000_000, 272_061_154),
            (250_000_000, 297_164_212),
            (270_000_000, 323_522_422),
            (300_000_000, 351_198_544),
        ] {
            let recommended = once(Cores::ZERO, Bytes(usage)).target.memory;
            assert_eq!(recommended, Bytes(target), "{usage}");
        }
    }

    #[test]
    fn nothing_is_recommended_below_the_pod_minimum() {
        let buckets = BothBuckets::new();
        let mut usage = Usage::new(&buckets);
        let minimum = |usage: &Usage, containers_per_pod| {
            let config = Config {
                containers_per_pod,
                ..Config::default()
            };
            let target = usage.recommend(&config, &buckets)?.target;
            Some((target.cpu, target.memory))
        };
        assert_eq!(minimum(&usage, 1), None);
        usage.cpu_sample(&buckets, Span::ZERO, Cores::ZERO);
        let pod = (Cores::from_millis(25), Bytes::from_mib(250));
        assert_eq!(minimum(&usage, 1), Some(pod));
        let half = (Cores::from_millis(12), Bytes::from_mib(125));
        assert_eq!(minimum(&usage, 2), Some(half));
    }

    #[test]
    fn the_range_narrows_with_the_days() {
        let buckets = BothBuckets::new();
        let after = |days| {
            let usage = Usage::with_history(
                &buckets,
                DAY * 100,
                days,
                Cores::from_millis(500),
                Bytes(230_000_000),
            );
            recommend(&usage)
        };
        // The lifespan of a day of samples is a minute less than a day:
        // confidence 1439/1440, upper 587 · (1 + 1440/1439) = 1174.4,
        // lower 587 / (1 + 1.44/1439)² = 585.8.
        let day = after(1);
        assert_eq!(day.target.cpu, Cores::from_millis(587));
        assert_eq!(day.upper.cpu, Cores::from_millis(1_174));
        assert_eq!(day.lower.cpu, Cores::from_millis(585));
        // 11519/1440 days: 587 · (1 + 1440/11519) = 660.4.
        let week = after(8);
        assert_eq!(week.upper.cpu, Cores::from_millis(660));
        assert_eq!(week.lower.cpu, Cores::from_millis(586));
        assert_eq!(week.target.memory, Bytes(272_061_154));
    }

    #[test]
    fn one_sample_bounds_nothing() {
        let once = once(Cores::from_millis(500), Bytes(230_000_000));
        assert_eq!((once.lower.cpu, once.lower.memory), (Cores(0), Bytes(0)));
        assert_eq!(once.upper.memory, Bytes(100_000_000_000_000));
    }

    #[test]
    fn the_target_covers_nine_samples_of_ten() {
        let buckets = BothBuckets::new();
        let mut usage = Usage::new(&buckets);
        let feed = |usage: &mut Usage, minutes: std::ops::Range<u64>, millis| {
            for minute in minutes {
                usage.cpu_sample(&buckets, MINUTE * minute, Cores::from_millis(millis));
            }
        };
        feed(&mut usage, 0..91, 5);
        feed(&mut usage, 91..100, 500);
        // Newer samples weigh up to 2^(1/14.4), 5 % more: 9 of 100 are 9.2 %.
        assert_eq!(recommend(&usage).target.cpu, Cores::from_millis(11));
        feed(&mut usage, 100..102, 500);
        assert_eq!(recommend(&usage).target.cpu, Cores::from_millis(587));
        assert_eq!(recommend(&usage).lower.cpu, Cores::from_millis(10));
    }

    #[test]
    fn a_memory_interval_counts_once_by_its_peak() {
        let buckets = BothBuckets::new();
        let mut usage = Usage::new(&buckets);
        usage.cpu_sample(&buckets, Span::ZERO, Cores::ZERO);
        let sample = |usage: &mut Usage, time, mb: u64| {
            usage.memory_sample(&buckets, time, Bytes(mb * 1_000_000), false);
            recommend(usage).target.memory.0
        };
        sample(&mut usage, Span::ZERO, 100);
        assert_eq!(sample(&mut usage, MINUTE, 230), 272_061_154);
        assert_eq!(sample(&mut usage, MINUTE * 2, 50), 272_061_154);
        // Each day has twice the weight of the one before: the first has 1 of 3,
        // 1 of 7, and, under 10 % at last, 1 of 15. 50 MB are in the bucket that
        // ends at 55.3 MB.
        assert_eq!(sample(&mut usage, DAY, 50), 272_061_154);
        assert_eq!(sample(&mut usage, DAY * 2, 50), 272_061_154);
        assert_eq!(sample(&mut usage, DAY * 3, 50), 63_544_758);
    }

    #[test]
    fn a_kill_counts_as_a_higher_sample() {
        let config = Config::default();
        let buckets = BothBuckets::new();
        let mib = Bytes::from_mib;
        let mut usage = Usage::new(&buckets);
        let mut kill = |requested| {
            usage.out_of_memory(&config, &buckets, MINUTE, requested);
            usage.oom_peak
        };
        // 100 MiB more below 500 MiB, and a fifth above.
        assert_eq!(kill(mib(300)), mib(400));
        // The same kill again, or a smaller one: the peak stays.
        assert_eq!(kill(mib(300)), mib(400));
        assert_eq!(kill(mib(1000)), mib(1200));
        // What a kill bumped is not bumped again; a sample is.
        assert_eq!(kill(mib(600)), mib(1200));
        usage.memory_sample(&buckets, MINUTE, mib(1500), false);
        usage.out_of_memory(&config, &buckets, MINUTE, mib(1000));
        assert_eq!(usage.oom_peak, mib(1800));
    }
}
