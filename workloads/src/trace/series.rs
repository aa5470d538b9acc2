//! One value per step of time.

use tidegate_core::Span;

/// One value per step of time; never empty, every value finite and at least
/// zero.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// How long a step lasts.
    pub step: Span,
    /// The values: calls per second, or a utilisation.
    pub values: Vec<f64>,
}

impl Series {
    /// The values moved linearly so that the least becomes `low` and the
    /// largest `high`. A series that is constant becomes the middle.
    pub fn onto(&self, low: f64, high: f64) -> Vec<f64> {
        let least = self.values.iter().copied().fold(f64::INFINITY, f64::min);
        let largest = self.values.iter().copied().fold(0.0, f64::max);
        let width = largest - least;
        let place = |value: f64| {
            if width > 0.0 {
                (value - least) / width
            } else {
                0.5
            }
        };
        let rate = |value: &f64| (low + (high - low) * place(*value)).clamp(low, high);
        self.values.iter().map(rate).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(values: &[f64]) -> Series {
        Series {
            step: Span::from_secs(60),
            values: values.to_vec(),
        }
    }

    #[test]
    fn the_range_is_met_exactly() {
        assert_eq!(
            series(&[2.0, 6.0, 4.0]).onto(56.0, 548.0),
            [56.0, 548.0, 302.0]
        );
    }

    #[test]
    fn a_constant_series_is_the_middle() {
        assert_eq!(series(&[3.0, 3.0]).onto(10.0, 20.0), [15.0, 15.0]);
        assert_eq!(series(&[0.0]).onto(10.0, 20.0), [15.0]);
    }
}
