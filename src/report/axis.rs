//! An axis: from values to places, and which places have a mark.

use super::number;

/// How values are laid out along an axis.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Scale {
    /// Evenly.
    Linear,
    /// By their logarithm; values must be positive.
    Log,
    /// Rows from top to bottom, each one high and with a name.
    Rows(Vec<String>),
}

/// An axis.
#[derive(Clone, Debug)]
pub(super) struct Axis {
    /// How values are laid out.
    pub(super) scale: Scale,
    /// Where it begins, as a place.
    pub(super) low: f64,
    /// Where it ends, as a place.
    pub(super) high: f64,
    /// What it shows.
    pub(super) title: String,
}

impl Axis {
    /// An even axis from zero, or the least value if that is less, to the greatest.
    pub(super) fn linear(values: impl Iterator<Item = f64>, title: String) -> Axis {
        Axis::between(values.chain([0.0]), title)
    }

    /// An even axis from the least value to the greatest.
    pub(super) fn between(values: impl Iterator<Item = f64>, title: String) -> Axis {
        let (low, most) = ends(values);
        // Something must be there to divide.
        let high = if most > low { most } else { low + 1.0 };
        let room = (high - low) * 0.04;
        Axis {
            scale: Scale::Linear,
            low: if low == 0.0 { low } else { low - room },
            high: high + room,
            title,
        }
    }

    /// An axis by logarithm over those values that are positive.
    pub(super) fn log(values: impl Iterator<Item = f64>, title: String) -> Axis {
        let places = values.filter(|&value| value > 0.0).map(f64::log10);
        let (least, most) = ends(places);
        let (low, high) = if least <= most {
            (least, most)
        } else {
            (0.0, 1.0)
        };
        let room = ((high - low) * 0.04).max(0.05);
        Axis {
            scale: Scale::Log,
            low: low - room,
            high: high + room,
            title,
        }
    }

    /// Rows with these names, the first one on top.
    pub(super) fn rows(names: Vec<String>) -> Axis {
        Axis {
            low: 0.0,
            high: names.len() as f64,
            scale: Scale::Rows(names),
            title: String::new(),
        }
    }

    /// Where `value` is; nowhere if the axis cannot have it.
    pub(super) fn place(&self, value: f64) -> Option<f64> {
        let place = match &self.scale {
            Scale::Linear => value,
            Scale::Log => value.log10(),
            Scale::Rows(names) => names.len() as f64 - value - 0.5,
        };
        place.is_finite().then_some(place)
    }

    /// Places with a mark, about `count` of them.
    pub(super) fn ticks(&self, count: usize) -> Vec<f64> {
        match &self.scale {
            Scale::Rows(names) => (0..names.len()).map(|row| row as f64 + 0.5).collect(),
            Scale::Linear => multiples(self.low, self.high, step(self.high - self.low, count)),
            // Whole powers of ten, every second or third one if there are many; parts
            // of them if there are few.
            Scale::Log if self.high - self.low >= 1.7 => {
                let step = ((self.high - self.low) / count as f64).ceil();
                multiples(self.low, self.high, step)
            }
            Scale::Log => {
                let (low, high) = (10_f64.powf(self.low), 10_f64.powf(self.high));
                let mut ticks = Vec::new();
                for power in self.low.floor() as i32..=self.high.ceil() as i32 {
                    for digit in [1.0, 2.0, 5.0] {
                        let value = digit * 10_f64.powi(power);
                        if (low..=high).contains(&value) {
                            ticks.push(value.log10());
                        }
                    }
                }
                if ticks.len() < 2 {
                    let inside = multiples(low, high, step(high - low, count));
                    ticks = inside.into_iter().map(f64::log10).collect();
                }
                ticks
            }
        }
    }

    /// What stands at the mark at `place`.
    pub(super) fn text(&self, place: f64) -> String {
        match &self.scale {
            Scale::Linear => number::tick(place),
            Scale::Log => number::tick(10_f64.powf(place)),
            Scale::Rows(names) => {
                let row = names.len().checked_sub(1 + place as usize);
                let name = row.and_then(|row| names.get(row));
                name.cloned().unwrap_or_default()
            }
        }
    }
}

/// The least and the greatest of those values that are finite.
fn ends(values: impl Iterator<Item = f64>) -> (f64, f64) {
    values
        .filter(|value| value.is_finite())
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
            (low.min(value), high.max(value))
        })
}

/// A round step that divides `span` into about `count`: 1, 2 or 5 times a power of
/// ten.
fn step(span: f64, count: usize) -> f64 {
    let rough = span / count.max(1) as f64;
    let power = 10_f64.powf(rough.log10().floor());
    let factor = [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .find(|factor| factor * power >= rough);
    factor.unwrap_or(10.0) * power
}

/// The multiples of `step` from `low` to `high`.
fn multiples(low: f64, high: f64, step: f64) -> Vec<f64> {
    let (first, last) = ((low / step).ceil(), (high / step).floor());
    if !(first.is_finite() && last.is_finite()) || last - first > 1000.0 {
        return Vec::new();
    }
    (first as i64..=last as i64)
        .map(|n| n as f64 * step)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn marks_stand_at_round_numbers() {
        let axis = Axis::linear([0.0, 7.3].into_iter(), String::new());
        assert_eq!(axis.ticks(4), [0.0, 2.0, 4.0, 6.0]);
        let axis = Axis::log([3.0, 40_000.0].into_iter(), String::new());
        let text: Vec<String> = axis.ticks(5).into_iter().map(|p| axis.text(p)).collect();
        assert_eq!(text, ["10", "100", "1000", "10\u{202f}000"]);
        let axis = Axis::log([1600.0, 3900.0].into_iter(), String::new());
        let text: Vec<String> = axis.ticks(5).into_iter().map(|p| axis.text(p)).collect();
        assert_eq!(text, ["2000", "3000", "4000"]);
    }

    #[test]
    fn rows_go_downward() {
        let axis = Axis::rows(vec!["first".to_owned(), "second".to_owned()]);
        let (first, second) = (axis.place(0.0).unwrap(), axis.place(1.0).unwrap());
        assert!(first > second);
        assert_eq!(axis.text(first), "first");
        assert_eq!(axis.text(second), "second");
    }

    proptest! {
        #[test]
        fn an_axis_has_all_its_values_and_marks_inside(
            values in proptest::collection::vec(0.001_f64..1e7, 1..20)
        ) {
            let linear = Axis::linear(values.iter().copied(), String::new());
            let log = Axis::log(values.iter().copied(), String::new());
            for axis in [linear, log] {
                let ticks = axis.ticks(5);
                prop_assert!((1..=12).contains(&ticks.len()), "{ticks:?}");
                for value in &values {
                    let place = axis.place(*value).unwrap();
                    prop_assert!(axis.low <= place && place <= axis.high);
                }
                for tick in ticks {
                    prop_assert!(axis.low <= tick && tick <= axis.high);
                }
            }
        }
    }
}
