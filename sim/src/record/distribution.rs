//! The distributions of a run, merged over its containers: where the quantiles
//! of its numbers come from, and its cumulative distribution functions.

use std::borrow::Cow;

use hdrhistogram::Histogram;

use crate::outcome::Cdf;

use super::{MILLICORE_TENTHS, Slack, histogram, quantile_of};

/// The published script drops containers that never use this much.
const BUSY_CORES: f64 = 0.3;
const BUSY_BYTES: u64 = 10_000_000;

/// Highest slack of one container that is told apart: 1000 cores, 1 TiB.
pub(super) const CPU_MAX: u64 = 10_000_000;
pub(super) const MEMORY_MAX: u64 = 1 << 30;

/// Steps of 0.5 % below, and these above.
const STEPS: u32 = 200;
const TAIL: [f64; 5] = [0.996, 0.997, 0.998, 0.999, 0.9999];

/// One distribution.
#[derive(Debug)]
pub struct Distribution {
    /// What is distributed.
    pub metric: &'static str,
    /// The unit of its values.
    pub unit: &'static str,
    histogram: Histogram<u64>,
    /// From the histogram's unit to the one above.
    scale: fn(f64) -> f64,
}

impl Distribution {
    /// The value at `quantile`; not a number where nothing was recorded.
    pub fn quantile(&self, quantile: f64) -> f64 {
        (self.scale)(quantile_of(&self.histogram, quantile))
    }

    /// Values at fixed quantiles, the same for all runs; none where nothing was
    /// recorded.
    pub fn cdf(&self) -> Cdf {
        let steps = (0..=STEPS).map(|step| f64::from(step) / f64::from(STEPS));
        let mut quantiles: Vec<f64> = steps.chain(TAIL).collect();
        quantiles.sort_by(f64::total_cmp);
        if self.histogram.is_empty() {
            quantiles.clear();
        }
        Cdf {
            metric: Cow::Borrowed(self.metric),
            unit: Cow::Borrowed(self.unit),
            points: quantiles
                .into_iter()
                .map(|quantile| (quantile, self.quantile(quantile)))
                .collect(),
        }
    }
}

/// All of a run: slack is given twice, true and as the published script saw it.
#[derive(Debug)]
pub struct Distributions {
    /// Of replies.
    pub latency: Distribution,
    /// CPU limit less use, of all samples.
    pub cpu_slack: Distribution,
    /// As the published script saw it.
    pub cpu_slack_published: Distribution,
    /// Memory limit less use, of all samples.
    pub mem_slack: Distribution,
    /// As the published script saw it.
    pub mem_slack_published: Distribution,
}

impl Distributions {
    pub(super) fn new(latency: &Histogram<u64>, slack: &[Slack]) -> Distributions {
        let busy = |slack: &Slack| slack.cpu_published_max >= BUSY_CORES;
        let large = |slack: &Slack| slack.memory_max >= BUSY_BYTES;
        let cpu = |metric, pick: &dyn Fn(&Slack) -> Option<&Histogram<u32>>| Distribution {
            metric,
            unit: "cores",
            histogram: merge(slack, pick, CPU_MAX),
            scale: |tenths| tenths / MILLICORE_TENTHS,
        };
        let memory = |metric, pick: &dyn Fn(&Slack) -> Option<&Histogram<u32>>| Distribution {
            metric,
            unit: "MiB",
            histogram: merge(slack, pick, MEMORY_MAX),
            scale: |kib| kib / 1024.0,
        };
        Distributions {
            latency: Distribution {
                metric: "latency",
                unit: "ms",
                histogram: latency.clone(),
                scale: |microseconds| microseconds * 1e-3,
            },
            cpu_slack: cpu("cpu_slack", &|slack| Some(&slack.cpu)),
            cpu_slack_published: cpu("cpu_slack_published", &|slack| {
                busy(slack).then_some(&slack.cpu_published)
            }),
            mem_slack: memory("mem_slack", &|slack| Some(&slack.memory)),
            mem_slack_published: memory("mem_slack_published", &|slack| {
                large(slack).then_some(&slack.memory)
            }),
        }
    }

    /// Their cumulative distribution functions.
    pub fn cdfs(&self) -> Vec<Cdf> {
        let all = [
            &self.latency,
            &self.cpu_slack,
            &self.cpu_slack_published,
            &self.mem_slack,
            &self.mem_slack_published,
        ];
        all.map(Distribution::cdf).into()
    }
}

fn merge(
    slack: &[Slack],
    pick: &dyn Fn(&Slack) -> Option<&Histogram<u32>>,
    high: u64,
) -> Histogram<u64> {
    let mut all: Histogram<u64> = histogram(high);
    for part in slack.iter().filter_map(pick) {
        for value in part.iter_recorded() {
            let count = u64::from(value.count_at_value());
            all.saturating_record_n(value.value_iterated_to(), count);
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn latency(values: &[u64]) -> Distribution {
        let mut histogram = histogram(86_400_000_000);
        values
            .iter()
            .for_each(|&value| histogram.saturating_record(value));
        Distributions::new(&histogram, &[]).latency
    }

    #[test]
    fn a_cdf_has_the_quantiles_of_what_was_recorded() {
        let values: Vec<u64> = (1..=1_000).map(|n| n * 1_000).collect();
        let cdf = latency(&values).cdf();
        assert_eq!((cdf.metric.as_ref(), cdf.unit.as_ref()), ("latency", "ms"));
        assert_eq!(cdf.points.len(), 206);
        assert_eq!(cdf.points[0].0, 0.0);
        assert_eq!(cdf.points[205].0, 1.0);
        for (quantile, value) in cdf.points {
            // Three digits, and at least one of the thousand.
            let exact = (quantile * 1_000.0).ceil().max(1.0);
            assert!((value / exact - 1.0).abs() < 2e-3, "{quantile}: {value}");
        }
    }

    #[test]
    fn nothing_recorded_is_no_curve() {
        let distribution = latency(&[]);
        assert!(distribution.cdf().points.is_empty());
        assert!(distribution.quantile(0.5).is_nan());
    }

    proptest! {
        #[test]
        fn a_cdf_never_falls(values in proptest::collection::vec(1_u64..10_000_000, 1..200)) {
            let points = latency(&values).cdf().points;
            for pair in points.windows(2) {
                prop_assert!(pair[0].0 < pair[1].0 && pair[0].1 <= pair[1].1);
            }
        }
    }
}
