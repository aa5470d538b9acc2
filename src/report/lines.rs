//! Line charts: distributions, and limits and use over time.

use maud::Markup;
use plotters::element::{PathElement, Polygon};
use plotters::style::{Color, RGBColor, ShapeStyle};

use super::axis::Axis;
use super::chart::{self, Frame, SCALE};
use crate::error::Error;

/// A line.
pub(super) struct Curve {
    /// Its colour.
    pub(super) key: RGBColor,
    /// Its points, from left to right.
    pub(super) points: Vec<(f64, f64)>,
    /// Whether all below it is filled instead.
    pub(super) filled: bool,
}

/// More points than this along an axis cannot be told apart.
const COLUMNS: usize = 320;

/// A chart of lines.
///
/// # Errors
/// When it cannot be drawn.
pub(super) fn figure(
    frame: &Frame<'_>,
    x: &Axis,
    y: &Axis,
    curves: &[Curve],
) -> Result<Markup, Error> {
    chart::figure(frame, x, y, |canvas| {
        for curve in curves {
            let places = curve
                .points
                .iter()
                .filter_map(|&(right, up)| Some((x.place(right)?, y.place(up)?)));
            let mut places = thin(&Vec::from_iter(places), (x.low, x.high));
            let (Some(&(first, _)), Some(&(last, _))) = (places.first(), places.last()) else {
                continue;
            };
            if curve.filled {
                places.extend([(last, y.low), (first, y.low)]);
                canvas.draw_series([Polygon::new(places, curve.key.mix(0.3).filled())])?;
            } else {
                let style = ShapeStyle::from(&curve.key).stroke_width(2 * SCALE);
                canvas.draw_series([PathElement::new(places, style)])?;
            }
        }
        Ok(())
    })
}

/// The points that can be seen: the first, lowest, highest and last one of each
/// column of the picture, in their order.
fn thin(points: &[(f64, f64)], (low, high): (f64, f64)) -> Vec<(f64, f64)> {
    let column = |&(right, _): &(f64, f64)| {
        let share = (right - low) / (high - low) * COLUMNS as f64;
        share.floor().clamp(0.0, COLUMNS as f64) as usize
    };
    let mut kept = Vec::new();
    for group in points.chunk_by(|a, b| column(a) == column(b)) {
        let by_height = |&a: &usize, &b: &usize| group[a].1.total_cmp(&group[b].1);
        let lowest = (0..group.len()).min_by(by_height);
        let highest = (0..group.len()).max_by(by_height);
        let mut seen = [Some(0), lowest, highest, group.len().checked_sub(1)];
        seen.sort_unstable();
        let mut before = None;
        for index in seen {
            if let Some(index) = index.filter(|_| index != before) {
                kept.push(group[index]);
            }
            before = index;
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn thinning_keeps_ends_and_extremes(
            heights in proptest::collection::vec(-1e3_f64..1e3, 1..4000)
        ) {
            let last = heights.len() as f64;
            let points: Vec<(f64, f64)> =
                heights.iter().enumerate().map(|(n, &up)| (n as f64, up)).collect();
            let kept = thin(&points, (0.0, last));
            prop_assert!(kept.len() <= 4 * (COLUMNS + 1));
            prop_assert_eq!(kept.first(), points.first());
            prop_assert_eq!(kept.last(), points.last());
            let most = |all: &[(f64, f64)]| all.iter().map(|p| p.1).fold(f64::MIN, f64::max);
            let least = |all: &[(f64, f64)]| all.iter().map(|p| p.1).fold(f64::MAX, f64::min);
            prop_assert_eq!(most(&kept), most(&points));
            prop_assert_eq!(least(&kept), least(&points));
            prop_assert!(kept.windows(2).all(|pair| pair[0].0 < pair[1].0));
            if points.len() <= COLUMNS {
                prop_assert_eq!(kept, points);
            }
        }
    }
}
