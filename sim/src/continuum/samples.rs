//! From measured times to metrics.

use tidegate_core::Span;

use crate::outcome::Metric;

/// The names of one measured quantity's metrics.
#[derive(Clone, Copy, Debug)]
pub(super) struct Names {
    pub(super) mean: &'static str,
    pub(super) p50: &'static str,
    pub(super) p95: &'static str,
    pub(super) sd: &'static str,
    pub(super) min: &'static str,
    pub(super) max: &'static str,
    pub(super) unit: &'static str,
    /// Nanoseconds in the unit.
    pub(super) scale: f64,
}

/// Names of a time's metrics in one unit.
macro_rules! names {
    ($name:literal, $unit:literal, $scale:literal) => {
        $crate::continuum::samples::Names {
            mean: concat!($name, "_", $unit),
            p50: concat!($name, "_p50_", $unit),
            p95: concat!($name, "_p95_", $unit),
            sd: concat!($name, "_sd_", $unit),
            min: concat!($name, "_min_", $unit),
            max: concat!($name, "_max_", $unit),
            unit: $unit,
            scale: $scale,
        }
    };
}

pub(super) use names;

/// Measured times in nanoseconds.
#[derive(Clone, Debug, Default)]
pub(super) struct Samples(Vec<f64>);

impl Samples {
    pub(super) fn push(&mut self, span: Span) {
        self.0.push(span.0 as f64);
    }

    pub(super) fn extend(&mut self, spans: impl IntoIterator<Item = Span>) {
        for span in spans {
            self.push(span);
        }
    }

    /// The value below which this share of them lies, in nanoseconds.
    pub(super) fn quantile(&self, share: f64) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        quantile(&sorted, share)
    }

    /// The share of them that are longer than `limit`.
    pub(super) fn above(&self, limit: Span) -> f64 {
        let longer = self.0.iter().filter(|&&value| value > limit.0 as f64);
        longer.count() as f64 / self.0.len() as f64
    }

    /// The share of them that are not longer than `limit`.
    pub(super) fn within(&self, limit: Span) -> f64 {
        1.0 - self.above(limit)
    }

    /// Mean, percentiles (linear between the two nearest, as pandas has them),
    /// standard deviation of the sample, and extremes.
    pub(super) fn metrics(&self, names: Names) -> Vec<Metric> {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let mean = mean(&sorted);
        let squares = sorted.iter().map(|value| (value - mean).powi(2));
        let sd = (squares.sum::<f64>() / (sorted.len() as f64 - 1.0).max(1.0)).sqrt();
        let values = [
            (names.mean, mean),
            (names.p50, quantile(&sorted, 0.5)),
            (names.p95, quantile(&sorted, 0.95)),
            (names.sd, sd),
            (names.min, quantile(&sorted, 0.0)),
            (names.max, quantile(&sorted, 1.0)),
        ];
        let metric = |(name, value)| Metric {
            name,
            unit: names.unit,
            value: value / names.scale,
        };
        values.into_iter().map(metric).collect()
    }
}

/// Not a number of nothing.
fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Not a number of nothing.
fn quantile(sorted: &[f64], quantile: f64) -> f64 {
    let place = quantile * (sorted.len() as f64 - 1.0).max(0.0);
    let at = |index: usize| sorted.get(index).copied().unwrap_or(f64::NAN);
    let (low, high) = (at(place.floor() as usize), at(place.ceil() as usize));
    low + (high - low) * place.fract()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_lie_between_the_nearest_values() {
        let values = [1.0, 2.0, 4.0];
        assert_eq!(quantile(&values, 0.5), 2.0);
        assert_eq!(quantile(&values, 0.75), 3.0);
        assert_eq!(quantile(&values, 1.0), 4.0);
        assert!(quantile(&[], 0.5).is_nan());
        assert_eq!(mean(&values), 7.0 / 3.0);
    }
}
