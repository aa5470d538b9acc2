//! The Pareto front of a scenario: the values of one column against each other over
//! all cells.
//!
//! A value is dominated by another that is at least as good in every metric that
//! counts, and better in one. What nobody dominates is the front.

use std::cmp::Ordering;

use crate::error::Error;
use crate::results::summary::{csv, number};
use crate::run::Results;
use crate::scenario::Scenario;
use crate::scenario::format::{Best, Front, FrontMetric, Over};

/// One value of the column.
#[derive(Clone, Debug, PartialEq)]
pub struct Rival {
    /// The value.
    pub label: String,
    /// Its numbers, in the order of the metrics.
    pub values: Vec<f64>,
    /// By whom it is dominated: nobody if it is on the front.
    pub dominated_by: Vec<String>,
}

/// The rivals of a scenario that has a `[front]`, in the order of the column.
pub fn rivals(scenario: &Scenario, results: &Results) -> Vec<Rival> {
    let Some(front) = &scenario.file.front else {
        return Vec::new();
    };
    let column = scenario.columns.iter().position(|it| *it == front.column);
    let mut rivals: Vec<Rival> = Vec::new();
    for cell in &scenario.cells {
        let Some(label) = column.and_then(|column| cell.labels.get(column)) else {
            continue;
        };
        if rivals.iter().all(|rival| rival.label != *label) {
            let of = |metric| total(metric, column, label, scenario, results);
            rivals.push(Rival {
                label: label.clone(),
                values: front.metric.iter().map(of).collect(),
                dominated_by: Vec::new(),
            });
        }
    }
    let dominated: Vec<Vec<String>> = rivals
        .iter()
        .map(|rival| {
            let better = rivals.iter().filter(|other| dominates(front, other, rival));
            better.map(|other| other.label.clone()).collect()
        })
        .collect();
    for (rival, by) in rivals.iter_mut().zip(dominated) {
        rival.dominated_by = by;
    }
    rivals
}

/// One number for all cells of `label`; not a number where none measured it.
fn total(
    metric: &FrontMetric,
    column: Option<usize>,
    label: &String,
    scenario: &Scenario,
    results: &Results,
) -> f64 {
    let mine = |labels: &[String]| column.and_then(|column| labels.get(column)) == Some(label);
    let values: Vec<f64> = scenario
        .cells
        .iter()
        .zip(&results.cells)
        .filter(|(cell, _)| mine(&cell.labels))
        .flat_map(|(_, seeds)| seeds.iter().flatten())
        .filter_map(|finished| finished.metric(&metric.name))
        .filter(|value| !value.is_nan())
        .collect();
    let count = values.len() as f64;
    match metric.over {
        _ if values.is_empty() => f64::NAN,
        Over::Mean => values.iter().sum::<f64>() / count,
        Over::GeometricMean => (values.iter().map(|value| value.ln()).sum::<f64>() / count).exp(),
        Over::Sum => values.iter().sum::<f64>() / scenario.seeds.len() as f64,
    }
}

/// Whether `a` dominates `b`. Where one of them measured nothing, neither does.
fn dominates(front: &Front, a: &Rival, b: &Rival) -> bool {
    let mut better = false;
    for (metric, (a, b)) in front.metric.iter().zip(a.values.iter().zip(&b.values)) {
        let (good, bad) = match metric.best {
            None => continue,
            Some(Best::Highest) => (a, b),
            Some(Best::Lowest) => (b, a),
        };
        match good.partial_cmp(bad) {
            Some(Ordering::Greater) => better = true,
            Some(Ordering::Equal) => {}
            Some(Ordering::Less) | None => return false,
        }
    }
    better
}

/// The content of `front.csv`.
///
/// # Errors
/// When the table cannot be written.
pub fn table(front: &Front, rivals: &[Rival]) -> Result<Vec<u8>, Error> {
    let mut head = vec![front.column.as_str()];
    head.extend(front.metric.iter().map(|metric| metric.name.as_str()));
    head.push("dominated_by");
    let rows = rivals.iter().map(|rival| {
        let mut row = vec![rival.label.clone()];
        row.extend(rival.values.iter().copied().map(number));
        row.push(rival.dominated_by.join(" "));
        row
    });
    csv(&head, rows)
}
