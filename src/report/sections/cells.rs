//! A line for each cell: what the scenario wants to see, and below it everything.

use maud::{Markup, html};

use super::measures::Measures;
use super::{Context, Section, scrolling};
use crate::error::Error;
use crate::report::number::fixed;
use crate::table::digits_of;

/// The cells of the run.
///
/// # Errors
/// When its summary lacks a column.
pub(super) fn section(context: &Context<'_>) -> Result<Option<Section>, Error> {
    if context.cells.labels.is_empty() {
        return Ok(None);
    }
    let measures = Measures::of(context)?;
    let everything: Vec<usize> = (0..measures.metrics.len()).collect();
    let means = match context.run.manifest.seeds.len() {
        1 => "One seed.".to_owned(),
        n => format!("Means over {n} seeds, ± half of the 95 % interval."),
    };
    let body = html! {
        p.note { (means) " A dash: nothing was measured." }
        (scrolling("Cells", table(context, &measures, &measures.shown(context))))
        details {
            summary { "All " (everything.len()) " metrics" }
            (scrolling("All metrics", table(context, &measures, &everything)))
        }
    };
    Ok(Some(Section {
        id: "cells",
        title: "Cells",
        body,
    }))
}

fn table(context: &Context<'_>, measures: &Measures, shown: &[usize]) -> Markup {
    let cells = &context.cells;
    let count = cells.labels.len();
    let digits: Vec<usize> = shown
        .iter()
        .map(|&metric| {
            let sizes = (0..count).map(|cell| measures.mean(cell, metric).0.abs());
            let highest = sizes.filter(|size| size.is_finite()).fold(0.0, f64::max);
            digits_of(&measures.metrics[metric].0, highest)
        })
        .collect();
    let labels: Vec<Vec<&str>> = (0..count).map(|cell| cells.varying_labels(cell)).collect();
    // How many of its first labels a cell has in common with the one above it.
    let same = |cell: usize| {
        let above = cell.checked_sub(1).map_or(&[][..], |above| &labels[above]);
        let pairs = labels[cell].iter().zip(above);
        pairs.take_while(|(a, b)| a == b).count()
    };
    html! {
        table {
            thead {
                tr {
                    @for column in cells.varying() { th scope="col" { (column) } }
                    @for &metric in shown { th.number scope="col" { (measures.heading(metric)) } }
                }
            }
            tbody {
                @for (cell, labels) in labels.iter().enumerate() {
                    @let same = same(cell);
                    tr.group[same == 0 && labels.len() > 1] {
                        @for (column, label) in labels.iter().enumerate() {
                            // Said once, though there for those who hear the table.
                            th.again[column < same] scope="row" { (label) }
                        }
                        @for (&metric, &digits) in shown.iter().zip(&digits) {
                            td.number { (value(measures.mean(cell, metric), digits)) }
                        }
                    }
                }
            }
        }
    }
}

fn value((mean, half): (f64, Option<f64>), digits: usize) -> Markup {
    html! {
        (fixed(mean, digits))
        @if let Some(half) = half { small { " ± " (fixed(half, digits)) } }
    }
}
