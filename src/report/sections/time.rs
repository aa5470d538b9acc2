//! Limits and use over time, where the scenario asks for them: `series.csv`. The
//! first seed, and the sum over all containers.

use std::collections::BTreeMap;

use maud::{Markup, html};

use super::{Context, Section};
use crate::error::Error;
use crate::report::axis::Axis;
use crate::report::chart::Frame;
use crate::report::lines::{self, Curve};
use crate::report::number::short;
use crate::results::read::Tidy;

/// A resource over time: its heading and its columns of limits and of use.
const RESOURCES: [(&str, &str, &str); 2] = [
    ("CPU [cores]", "cpu_limit_cores", "cpu_used_cores"),
    ("memory [MiB]", "mem_limit_mib", "mem_used_mib"),
];

/// What a container's row is called that is the sum over all.
const ALL: &str = "all";

/// Points over time: limit and use.
type Series = Vec<(f64, [f64; 2])>;

/// The series; nothing if the run has none.
///
/// # Errors
/// When the table is broken.
pub(super) fn section(context: &Context<'_>) -> Result<Option<Section>, Error> {
    let Some(table) = context.run.table("series.csv")? else {
        return Ok(None);
    };
    let mut parts = Vec::new();
    for (title, limit, used) in RESOURCES {
        let series = read(context, &table, limit, used)?;
        if !series.is_empty() {
            parts.push(part(context, title, &series)?);
        }
    }
    if parts.is_empty() {
        return Ok(None);
    }
    let body = html! {
        p.note {
            "Sums over all containers"
            @if let [first, _, ..] = context.run.manifest.seeds.as_slice() {
                ", seed " (first)
            }
            ". Line: the limit. Area: what is used of it."
        }
        (context.legend())
        @for part in parts { (part) }
    };
    Ok(Some(Section {
        id: "time",
        title: "Over time",
        body,
    }))
}

/// The series by cell.
fn read(
    context: &Context<'_>,
    table: &Tidy,
    limit: &str,
    used: &str,
) -> Result<BTreeMap<usize, Series>, Error> {
    let (time, container) = (table.field("time_s")?, table.field("container")?);
    let (limit, used) = (table.field(limit)?, table.field(used)?);
    let first = context.run.manifest.seeds.first();
    let mut all: BTreeMap<usize, Series> = BTreeMap::new();
    let own = table.lines.iter().filter(|line| Some(&line.seed) == first);
    let own: Vec<_> = own.collect();
    for lines in own.chunk_by(|a, b| a.labels == b.labels) {
        let Some(cell) = context.cells.find(&lines[0].labels) else {
            continue;
        };
        let series = all.entry(cell).or_default();
        // A table by container has no sums: here they are.
        for moment in lines.chunk_by(|a, b| a.values[time] == b.values[time]) {
            let sum = |field: usize| {
                let total = moment.iter().find(|line| line.values[container] == ALL);
                match total {
                    Some(line) => line.number(field),
                    None => moment.iter().map(|line| line.number(field)).sum(),
                }
            };
            series.push((moment[0].number(time), [sum(limit), sum(used)]));
        }
    }
    Ok(all)
}

/// The charts of one resource: cells that are compared have the same axes.
fn part(
    context: &Context<'_>,
    title: &str,
    all: &BTreeMap<usize, Series>,
) -> Result<Markup, Error> {
    let mut figures = Vec::new();
    for panel in context.cells.panels() {
        let of = |cell: &usize| all.get(cell).into_iter().flatten();
        let points = || panel.cells.iter().flat_map(of);
        let x = Axis::linear(points().map(|point| point.0), "time [s]".to_owned());
        let y = Axis::linear(points().flat_map(|point| point.1), title.to_owned());
        for &cell in &panel.cells {
            let hue = context.cells.hue(cell);
            let (Some(style), Some(series)) = (context.palette.style(hue), all.get(&cell)) else {
                continue;
            };
            let curve = |which: usize, filled| Curve {
                key: style.key,
                points: series
                    .iter()
                    .map(|&(time, pair)| (time, pair[which]))
                    .collect(),
                filled,
            };
            let mean = |which: usize| {
                series.iter().map(|(_, pair)| pair[which]).sum::<f64>() / series.len() as f64
            };
            let name = context.cells.varying_labels(cell).join(" · ");
            let frame = Frame {
                title: &name,
                description: &format!(
                    "{title} over time, {name}. Mean limit {}, mean use {}.",
                    short(mean(0)),
                    short(mean(1))
                ),
                height: 180,
            };
            let curves = [curve(1, true), curve(0, false)];
            figures.push(lines::figure(&frame, &x, &y, &curves)?);
        }
    }
    Ok(html! {
        h3 { (title) }
        div.charts { @for figure in figures { (figure) } }
    })
}
