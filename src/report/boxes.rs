//! Box plots after Tukey: the box holds the middle half, its line is the median, the
//! whiskers reach to the last value within one and a half boxes, what lies beyond has
//! a dot of its own.

use maud::Markup;
use plotters::element::{Circle, PathElement, Rectangle};
use plotters::style::{Color, RGBColor, ShapeStyle};

use super::axis::Axis;
use super::chart::{self, Frame, SCALE};
use crate::compare::statistics::quantile;
use crate::error::Error;

/// How high a row is, in pixels.
pub(super) const ROW: u32 = 17;

/// How many characters the name of a row has room for.
const NAME: usize = 24;

/// Values that get one box.
pub(super) struct Sample {
    /// What they are of.
    pub(super) name: String,
    /// Their colour.
    pub(super) key: RGBColor,
    /// The values.
    pub(super) values: Vec<f64>,
}

/// What a box shows.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Summary {
    whiskers: (f64, f64),
    quartiles: [f64; 3],
    beyond: Vec<f64>,
}

impl Summary {
    /// Summarises `values`; nothing if there are none.
    pub(super) fn of(values: &[f64]) -> Option<Summary> {
        let mut sorted: Vec<f64> = values.iter().copied().filter(|v| v.is_finite()).collect();
        sorted.sort_by(f64::total_cmp);
        let quartiles = [0.25, 0.5, 0.75].map(|share| quantile(&sorted, share));
        let reach = 1.5 * (quartiles[2] - quartiles[0]);
        let inside = |&value: &f64| (quartiles[0] - reach..=quartiles[2] + reach).contains(&value);
        let (within, beyond): (Vec<f64>, Vec<f64>) = sorted.iter().partition(|value| inside(value));
        Some(Summary {
            whiskers: (*within.first()?, *within.last()?),
            quartiles,
            beyond,
        })
    }

    /// The median.
    pub(super) fn median(&self) -> f64 {
        self.quartiles[1]
    }
}

/// The end of a name that is longer than its room: what is compared stands there.
fn end(name: &str) -> String {
    match name.chars().count().checked_sub(NAME) {
        None | Some(0) => name.to_owned(),
        Some(over) => std::iter::once('…')
            .chain(name.chars().skip(over + 1))
            .collect(),
    }
}

/// A chart with a row for each sample.
///
/// # Errors
/// When it cannot be drawn.
pub(super) fn figure(
    title: &str,
    description: &str,
    x: &Axis,
    samples: &[Sample],
) -> Result<Markup, Error> {
    let rows = Axis::rows(samples.iter().map(|sample| end(&sample.name)).collect());
    let height = u32::try_from(samples.len()).unwrap_or(u32::MAX / ROW);
    let frame = Frame {
        title,
        description,
        height: height.saturating_mul(ROW) + 46,
    };
    chart::figure(&frame, x, &rows, |canvas| {
        for (row, sample) in samples.iter().enumerate() {
            let summary = Summary::of(&sample.values);
            let (Some(summary), Some(middle)) = (summary, rows.place(row as f64)) else {
                continue;
            };
            // What a logarithmic axis cannot have stands at its beginning.
            let place = |value: f64| x.place(value).unwrap_or(x.low).max(x.low);
            let line = ShapeStyle::from(&sample.key).stroke_width(SCALE);
            let [low, median, high] = summary.quartiles.map(place);
            let (left, right) = (place(summary.whiskers.0), place(summary.whiskers.1));
            let (top, bottom) = (middle + 0.28, middle - 0.28);
            canvas.draw_series([Rectangle::new(
                [(low, bottom), (high, top)],
                sample.key.mix(0.3).filled(),
            )])?;
            let path = |points: Vec<(f64, f64)>, style| PathElement::new(points, style);
            canvas.draw_series([
                path(vec![(left, middle), (low, middle)], line),
                path(vec![(high, middle), (right, middle)], line),
                path(
                    vec![(median, bottom), (median, top)],
                    line.stroke_width(2 * SCALE + SCALE / 2),
                ),
            ])?;
            let dot = |&value: &f64| {
                Circle::new(
                    (place(value), middle),
                    3 * SCALE / 2,
                    sample.key.mix(0.6).filled(),
                )
            };
            canvas.draw_series(summary.beyond.iter().map(dot))?;
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_box_is_tukeys() {
        let summary = Summary::of(&[5.0, 1.0, 2.0, 3.0, 4.0, 100.0, f64::NAN]).unwrap();
        assert_eq!(summary.quartiles, [2.25, 3.5, 4.75]);
        assert_eq!(summary.whiskers, (1.0, 5.0));
        assert_eq!(summary.beyond, [100.0]);
        assert_eq!(Summary::of(&[]), None);
        assert_eq!(Summary::of(&[7.0]).unwrap().whiskers, (7.0, 7.0));
    }

    #[test]
    fn a_long_name_keeps_its_end() {
        assert_eq!(end("fixed · escra"), "fixed · escra");
        let long = end("one-to-four · autopilot-1s-right-units");
        assert_eq!(long, "…utopilot-1s-right-units");
        assert_eq!(long.chars().count(), NAME);
    }

    proptest! {
        #[test]
        fn a_box_lies_between_its_whiskers(
            values in proptest::collection::vec(-1e6_f64..1e6, 1..50)
        ) {
            let summary = Summary::of(&values).unwrap();
            let [low, median, high] = summary.quartiles;
            prop_assert!(low <= median && median <= high);
            prop_assert!(summary.whiskers.0 <= median && median <= summary.whiskers.1);
            let inside = values.len() - summary.beyond.len();
            prop_assert!(2 * inside >= values.len());
        }
    }
}
