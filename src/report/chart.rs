//! The plane that charts are drawn on: axes, marks and a frame, as SVG in the page.
//!
//! Drawn by `plotters`, whose SVG has colours and fonts of its own; the page's style
//! sheet replaces them by name, so that a chart follows the page into the dark.

use std::ops::Range;

use maud::{Markup, PreEscaped, html};
use plotters::chart::{ChartBuilder, ChartContext};
use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter};
use plotters::prelude::{Cartesian2d, IntoDrawingArea, SVGBackend};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, IntoFont, RGBColor, TextStyle};

use super::axis::{Axis, Scale};
use crate::error::Error;

/// Units per pixel: the SVG has whole ones only.
pub(super) const SCALE: u32 = 4;

/// How wide a chart is, in pixels: a phone shows it without shrinking its text.
const WIDTH: u32 = 340;

/// Text in a chart, in pixels.
const TEXT: f64 = 11.0;

/// Lines between marks; named in the style sheet.
const GRID: RGBColor = RGBColor(0xDD, 0xDD, 0xDD);

/// Axes; named in the style sheet.
const AXIS: RGBColor = RGBColor(0x88, 0x88, 0x88);

/// Text; the style sheet gives it the page's colour.
const INK: RGBColor = RGBColor(0x33, 0x33, 0x33);

/// An axis and its marks, as `plotters` asks for them.
pub(super) struct Marked<'a> {
    axis: &'a Axis,
    marks: Vec<f64>,
}

impl Ranged for Marked<'_> {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, place: &f64, (first, last): (i32, i32)) -> i32 {
        let share = (place - self.axis.low) / (self.axis.high - self.axis.low);
        first + (f64::from(last - first) * share).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, _: Hint) -> Vec<f64> {
        self.marks.clone()
    }

    fn range(&self) -> Range<f64> {
        self.axis.low..self.axis.high
    }
}

impl ValueFormatter<f64> for Marked<'_> {
    fn format_ext(&self, place: &f64) -> String {
        self.axis.text(*place)
    }
}

/// A chart under way.
pub(super) type Canvas<'a, 'b> =
    ChartContext<'a, SVGBackend<'b>, Cartesian2d<Marked<'b>, Marked<'b>>>;

/// What went wrong while drawing.
type Refused = Box<dyn std::error::Error>;

/// What stands around a chart.
pub(super) struct Frame<'a> {
    /// What stands above it.
    pub(super) title: &'a str,
    /// What it shows, for those who do not see it.
    pub(super) description: &'a str,
    /// How high it is, in pixels.
    pub(super) height: u32,
}

/// A figure with a chart in it, which `paint` draws into the plane of the two axes.
///
/// # Errors
/// When the chart cannot be drawn: a fault.
pub(super) fn figure(
    frame: &Frame<'_>,
    x: &Axis,
    y: &Axis,
    paint: impl FnOnce(&mut Canvas<'_, '_>) -> Result<(), Refused>,
) -> Result<Markup, Error> {
    let mut svg = String::new();
    draw(&mut svg, frame.height, x, y, paint)
        .map_err(|error| Error::Internal(format!("a chart cannot be drawn: {error}")))?;
    // The page sizes its charts: their own opening tag says pixels.
    let (_, inside) = svg
        .split_once('>')
        .ok_or_else(|| Error::Internal("a chart without a beginning".to_owned()))?;
    let view = format!("0 0 {} {}", WIDTH * SCALE, frame.height * SCALE);
    let head = html! {
        @if !frame.title.is_empty() { figcaption { (frame.title) } }
    };
    let label = html! { (frame.description) }.into_string();
    Ok(html! {
        figure {
            (head)
            (PreEscaped(format!(
                "<svg role=\"img\" viewBox=\"{view}\" aria-label=\"{label}\">{inside}"
            )))
        }
    })
}

fn draw(
    svg: &mut String,
    height: u32,
    x: &Axis,
    y: &Axis,
    paint: impl FnOnce(&mut Canvas<'_, '_>) -> Result<(), Refused>,
) -> Result<(), Refused> {
    let scaled = |pixels: u32| pixels * SCALE;
    let area = SVGBackend::with_string(svg, (scaled(WIDTH), scaled(height))).into_drawing_area();
    let marks = y.ticks(4);
    let longest = marks.iter().map(|&place| y.text(place).chars().count());
    let title = if y.title.is_empty() { 0 } else { 14 };
    let left = 10 + title + (longest.max().unwrap_or(0) as f64 * TEXT * 0.56) as u32;
    let mut canvas = ChartBuilder::on(&area)
        .margin_right(scaled(12))
        .margin_top(scaled(6))
        .x_label_area_size(scaled(if x.title.is_empty() { 20 } else { 36 }))
        .y_label_area_size(scaled(left.min(WIDTH / 2)))
        .build_cartesian_2d(
            Marked {
                axis: x,
                marks: x.ticks(5),
            },
            Marked { axis: y, marks },
        )?;
    // The number in the file is smaller than the one given, by this factor.
    let font = ("sans-serif", TEXT * f64::from(SCALE) * 1.24).into_font();
    let text = TextStyle::from(font).color(&INK);
    let mut mesh = canvas.configure_mesh();
    if matches!(y.scale, Scale::Rows(_)) {
        mesh.disable_y_mesh();
    }
    mesh.light_line_style(GRID.mix(0.0))
        .bold_line_style(GRID)
        .axis_style(AXIS)
        .set_all_tick_mark_size(scaled(3))
        .label_style(text.clone())
        .axis_desc_style(text.pos(Pos::new(HPos::Center, VPos::Center)))
        .x_desc(x.title.as_str())
        .y_desc(y.title.as_str())
        .draw()?;
    paint(&mut canvas)?;
    drop(canvas);
    area.present()?;
    Ok(())
}
