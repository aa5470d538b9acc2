//! Whole distributions, where the scenario asks for them: `cdf.csv`.

use std::collections::BTreeMap;

use maud::{Markup, html};

use super::measures::heading;
use super::{Context, Part, Section, arranged, caption};
use crate::error::Error;
use crate::report::axis::Axis;
use crate::report::cells::Panel;
use crate::report::chart::Frame;
use crate::report::lines::{self, Curve};
use crate::report::number::short;
use crate::results::read::Tidy;

/// What a distribution is of: the metric and its unit.
type Metric = (String, String);

/// A cell's distribution: quantiles and values, summed over so many seeds.
#[derive(Clone, Debug, Default)]
struct Distribution {
    points: Vec<(f64, f64)>,
    seeds: f64,
}

/// The distributions; nothing if the run has none.
///
/// # Errors
/// When the table is broken.
pub(super) fn section(context: &Context<'_>) -> Result<Option<Section>, Error> {
    let Some(table) = context.run.table("cdf.csv")? else {
        return Ok(None);
    };
    let (metrics, all) = read(context, &table)?;
    let mut parts = Vec::new();
    for (index, metric) in metrics.iter().enumerate() {
        parts.push(part(context, metric, index, &all)?);
    }
    if parts.is_empty() {
        return Ok(None);
    }
    let body = html! {
        p.note {
            "The share of all requests, or of all samples of all containers, at or below a value"
            @if context.run.manifest.seeds.len() > 1 {
                "; each quantile is the mean over seeds"
            }
            "."
        }
        (context.legend())
        (arranged(&parts))
    };
    Ok(Some(Section {
        id: "distributions",
        title: "Distributions",
        body,
    }))
}

/// Distributions by metric and cell.
type Distributions = BTreeMap<(usize, usize), Distribution>;

fn read(context: &Context<'_>, table: &Tidy) -> Result<(Vec<Metric>, Distributions), Error> {
    let (name, unit) = (table.field("metric")?, table.field("unit")?);
    let (quantile, value) = (table.field("quantile")?, table.field("value")?);
    let mut metrics: Vec<Metric> = Vec::new();
    let mut all = Distributions::new();
    let same = |metric: &Metric, line: &crate::results::read::Line| metric.0 == line.values[name];
    // One distribution's lines stand together.
    for lines in table.lines.chunk_by(|a, b| {
        a.labels == b.labels && a.seed == b.seed && a.values[name] == b.values[name]
    }) {
        let first = &lines[0];
        let Some(cell) = context.cells.find(&first.labels) else {
            continue;
        };
        let known = metrics.iter().position(|metric| same(metric, first));
        let metric = known.unwrap_or_else(|| {
            metrics.push((first.values[name].clone(), first.values[unit].clone()));
            metrics.len() - 1
        });
        let distribution = all.entry((metric, cell)).or_default();
        distribution.seeds += 1.0;
        if distribution.points.is_empty() {
            let zero = |line: &crate::results::read::Line| (line.number(quantile), 0.0);
            distribution.points = lines.iter().map(zero).collect();
        }
        for (point, line) in distribution.points.iter_mut().zip(lines) {
            point.1 += line.number(value);
        }
    }
    for distribution in all.values_mut() {
        for point in &mut distribution.points {
            point.1 /= distribution.seeds;
        }
    }
    Ok((metrics, all))
}

/// The charts of one metric. What went through the paper's own pipeline is folded up:
/// it is there to be laid beside the paper.
fn part(
    context: &Context<'_>,
    (name, unit): &Metric,
    metric: usize,
    all: &Distributions,
) -> Result<Part, Error> {
    let title = heading(name, unit);
    let mut figures = Vec::new();
    for panel in context.cells.panels() {
        figures.extend(chart(context, &title, unit, &panel, metric, all)?);
    }
    Ok(Part {
        title,
        figures,
        folded: name.contains("_published"),
    })
}

fn chart(
    context: &Context<'_>,
    title: &str,
    unit: &str,
    panel: &Panel,
    metric: usize,
    all: &Distributions,
) -> Result<Option<Markup>, Error> {
    let mut curves = Vec::new();
    let mut medians = Vec::new();
    for &cell in &panel.cells {
        let hue = context.cells.hue(cell);
        let (Some(style), Some(distribution)) =
            (context.palette.style(hue), all.get(&(metric, cell)))
        else {
            continue;
        };
        let median = distribution.points.iter().find(|point| point.0 >= 0.5);
        medians.extend(median.map(|point| format!("{hue} {}", short(point.1))));
        curves.push(Curve {
            key: style.key,
            points: distribution.points.iter().map(|&(q, v)| (v, q)).collect(),
            filled: false,
        });
    }
    if curves.is_empty() {
        return Ok(None);
    }
    let values = || {
        curves
            .iter()
            .flat_map(|curve| curve.points.iter().map(|point| point.0))
    };
    // Times differ by orders of magnitude between what is overloaded and what is not.
    let x = match unit {
        "ms" | "s" => Axis::log(values(), format!("[{unit}], by logarithm")),
        _ => Axis::linear(values(), format!("[{unit}]")),
    };
    let y = Axis::linear([1.0].into_iter(), "share".to_owned());
    let frame = Frame {
        title: &caption(title, &panel.title()),
        description: &format!(
            "Distribution of {title}, {}. Medians: {}.",
            panel.title(),
            medians.join(", ")
        ),
        height: 210,
    };
    lines::figure(&frame, &x, &y, &curves).map(Some)
}
