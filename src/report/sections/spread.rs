//! How far values of a cell are apart: over seeds, and over its containers.

use std::collections::BTreeMap;

use maud::html;

use super::measures::Measures;
use super::{Context, Part, Section, arranged, caption};
use crate::error::Error;
use crate::report::axis::Axis;
use crate::report::boxes::{self, Sample, Summary};
use crate::report::number::short;
use crate::results::read::Tidy;

/// Box plots of cells; nothing if there is one seed and no containers.
///
/// # Errors
/// When a table of the run is broken.
pub(super) fn section(context: &Context<'_>) -> Result<Option<Section>, Error> {
    let mut parts = Vec::new();
    if let Some(containers) = context.run.table("containers.csv")?
        && !containers.lines.is_empty()
    {
        for (title, values) in over_containers(context, &containers)? {
            let x = Axis::linear(values.values().flatten().copied(), String::new());
            parts.push(part(context, title, &values, &x)?);
        }
    }
    if context.run.manifest.seeds.len() > 1 {
        let measures = Measures::of(context)?;
        for metric in measures.shown(context) {
            let values: Values = (0..context.cells.labels.len())
                .map(|cell| (cell, measures.values(cell, metric).to_vec()))
                .collect();
            let title = format!("{}, over seeds", measures.heading(metric));
            let x = Axis::between(values.values().flatten().copied(), String::new());
            parts.push(part(context, title, &values, &x)?);
        }
    }
    let parts: Vec<Part> = parts.into_iter().flatten().collect();
    if parts.is_empty() {
        return Ok(None);
    }
    let body = html! {
        p.note {
            "A box holds the middle half of the values and its line is the median; whiskers reach \
             to the last value within one and a half boxes, dots lie beyond."
        }
        (context.legend())
        (arranged(&parts))
    };
    Ok(Some(Section {
        id: "spread",
        title: "Spread",
        body,
    }))
}

/// Values by cell.
type Values = BTreeMap<usize, Vec<f64>>;

/// What containers differ in: how much CPU they have and do not use, and how often
/// they are throttled.
fn over_containers(context: &Context<'_>, table: &Tidy) -> Result<[(String, Values); 2], Error> {
    let (limit, used) = (
        table.field("cpu_limit_mean_cores")?,
        table.field("cpu_mean_cores")?,
    );
    let (periods, throttled) = (table.field("periods")?, table.field("throttled_periods")?);
    let (mut unused, mut throttles) = (Values::new(), Values::new());
    for line in &table.lines {
        let Some(cell) = context.cells.find(&line.labels) else {
            continue;
        };
        let unused = unused.entry(cell).or_default();
        unused.push(line.number(limit) - line.number(used));
        // A container that never ran was never throttled, nor could it have been.
        if line.number(periods) > 0.0 {
            let share = 100.0 * line.number(throttled) / line.number(periods);
            throttles.entry(cell).or_default().push(share);
        }
    }
    Ok([
        (
            "CPU limit above use, mean of each container [cores]".to_owned(),
            unused,
        ),
        (
            "periods throttled, of each container [%]".to_owned(),
            throttles,
        ),
    ])
}

/// The box plots of one kind of values; nothing if they are all the same. All have the
/// same axis, so that they compare.
fn part(
    context: &Context<'_>,
    title: String,
    values: &Values,
    x: &Axis,
) -> Result<Option<Part>, Error> {
    let all = || values.values().flatten().copied();
    let first = all().find(|value| value.is_finite());
    if first.is_none_or(|first| all().all(|value| value == first || value.is_nan())) {
        return Ok(None);
    }
    let mut figures = Vec::new();
    for group in context.cells.groups() {
        let mut samples = Vec::new();
        for &cell in &group.cells {
            if let Some(style) = context.palette.style(context.cells.hue(cell)) {
                samples.push(Sample {
                    name: context.cells.name_in_group(&group, cell),
                    key: style.key,
                    values: values.get(&cell).cloned().unwrap_or_default(),
                });
            }
        }
        let description = describe(&title, &group.title(), &samples);
        let caption = caption(&title, &group.title());
        figures.push(boxes::figure(&caption, &description, x, &samples)?);
    }
    Ok(Some(Part {
        title,
        figures,
        folded: false,
    }))
}

/// What a chart shows, in words.
fn describe(title: &str, group: &str, samples: &[Sample]) -> String {
    let median = |sample: &Sample| {
        let summary = Summary::of(&sample.values)?;
        Some(format!("{} {}", sample.name, short(summary.median())))
    };
    let medians: Vec<String> = samples.iter().filter_map(median).collect();
    format!(
        "Box plots, {title}, {group}. Medians: {}.",
        medians.join(", ")
    )
}
