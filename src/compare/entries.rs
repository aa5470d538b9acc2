//! Evaluates the `[[compare]]` entries of a scenario.
//!
//! A change is taken cell by cell: each cell of `of` is paired with the cell of
//! `against` that equals it in all other columns, the changes are averaged over
//! the pairs (or the highest or lowest is taken), and the interval is over seeds.
//! This is how the Escra paper averages its Table I.

use std::collections::BTreeMap;

use tidegate_workloads::{FileError, file};

use crate::compare::published::Published;
use crate::compare::verdict::{self, Verdict};
use crate::error::Error;
use crate::results::summary::{csv, number};
use crate::run::Results;
use crate::run::cell::{self, Finished};
use crate::scenario::format::{Claim, Compare, Form, Role, Tolerance, Where};
use crate::scenario::layer::Location;
use crate::scenario::{Cell, Scenario};

/// A published figure found for a `[[compare]]` entry.
#[derive(Clone, Debug)]
pub struct Target {
    /// The row's full name.
    pub source: String,
    /// What is published.
    pub value: f64,
    /// Its unit.
    pub unit: String,
}

/// A published figure beside ours.
#[derive(Clone, Debug)]
pub struct Comparison {
    /// The published row.
    pub target: Target,
    /// Our metric.
    pub metric: String,
    /// How two sides became one number.
    pub form: Form,
    /// What the paper says about it.
    pub claim: Claim,
    /// Ours: the mean over cells and seeds; not a number if none measures it.
    pub measured: f64,
    /// Half the width of the 95 % confidence interval over seeds.
    pub half_width: Option<f64>,
    /// Cells, or pairs of cells, that were averaged, of those in the scenario.
    pub cells: (usize, usize),
    /// How far apart the two may be.
    pub tolerance: Tolerance,
    /// Whether our model was fitted on it.
    pub role: Role,
    /// What it says.
    pub verdict: Verdict,
}

/// All comparisons of a scenario.
#[derive(Clone, Debug, Default)]
pub struct Comparisons {
    /// One per `[[compare]]` entry.
    pub entries: Vec<Comparison>,
    /// Published rows under the scenario's prefix that no entry refers to.
    pub left_out: Vec<String>,
}

/// Finds the published figures of a scenario's entries.
///
/// # Errors
/// When one does not exist.
pub fn targets(scenario: &Scenario) -> Result<(Vec<Target>, Vec<String>), FileError> {
    let document = &scenario.document;
    let prefix = scenario.file.published.as_deref();
    let path = document.path();
    let mut papers: BTreeMap<String, Published> = BTreeMap::new();
    let mut paper = |row: &str, asked: &Location| -> Result<Published, FileError> {
        let name = row.split('/').next().unwrap_or(row).to_owned();
        if let Some(published) = papers.get(&name) {
            return Ok(published.clone());
        }
        let published = Published::find(path, row, asked)?;
        papers.insert(name, published.clone());
        Ok(published)
    };
    let mut targets = Vec::new();
    for (index, entry) in scenario.file.compare.iter().enumerate() {
        let keys = ["compare", &index.to_string(), "published"].map(str::to_owned);
        let asked = document.value_at(&keys);
        let published = paper(prefix.unwrap_or(&entry.published), &asked)?;
        let found = published.figure(&entry.published, prefix, &asked);
        // A full name may be of another paper than the scenario's prefix.
        let (source, figure) = match (found, prefix) {
            (Ok((source, figure)), _) => (source, figure.clone()),
            (Err(error), Some(_)) => {
                let (source, figure) = paper(&entry.published, &asked)
                    .and_then(|other| {
                        let (source, figure) = other.figure(&entry.published, None, &asked)?;
                        Ok((source, figure.clone()))
                    })
                    .map_err(|_| error)?;
                (source, figure)
            }
            (Err(error), None) => return Err(error),
        };
        targets.push(Target {
            source,
            value: figure.value,
            unit: figure.unit,
        });
    }
    let mut left_out = Vec::new();
    if let Some(prefix) = prefix {
        let asked = document.value_at(&["published".to_owned()]);
        let rows = paper(prefix, &asked)?.below(prefix);
        if rows.is_empty() {
            return Err(asked.error(format!("no published figure begins with `{prefix}`")));
        }
        left_out = rows;
        left_out.retain(|row| targets.iter().all(|target| target.source != *row));
    }
    Ok((targets, left_out))
}

/// Lays the results of a scenario beside the published figures.
///
/// # Errors
/// When an entry names a figure that does not exist.
pub fn evaluate(scenario: &Scenario, results: &Results) -> Result<Comparisons, Error> {
    let (targets, left_out) = targets(scenario)?;
    let mut entries = Vec::new();
    for (entry, target) in scenario.file.compare.iter().zip(targets) {
        let pairs = pairs(scenario, entry);
        let mut per_seed = Vec::new();
        let mut measured_cells = 0;
        for seed in 0..scenario.seeds.len() {
            let values: Vec<f64> = pairs
                .iter()
                .map(|pair| pair.value(results, entry, seed))
                .filter(|value| value.is_finite())
                .collect();
            measured_cells = measured_cells.max(values.len());
            if !values.is_empty() {
                per_seed.push(entry.take.apply(&values));
            }
        }
        let (measured, half_width) = verdict::interval(&per_seed);
        let tolerance = entry
            .tolerance
            .unwrap_or_else(|| verdict::default_tolerance(entry.form));
        entries.push(Comparison {
            verdict: verdict::verdict(entry.form, entry.claim, target.value, measured, tolerance),
            metric: entry.metric.clone(),
            form: entry.form,
            claim: entry.claim,
            measured,
            half_width,
            cells: (measured_cells, pairs.len()),
            tolerance,
            role: entry.role,
            target,
        });
    }
    Ok(Comparisons { entries, left_out })
}

/// Refuses metrics in `show`, `[front]`, `[[expect]]` and `[[compare]]` entries that
/// cells do not give.
///
/// # Errors
/// When there is one.
pub fn check_metrics(scenario: &Scenario) -> Result<(), Error> {
    let expected = scenario.file.expect.iter().map(|expect| &expect.metric);
    let compared = scenario.file.compare.iter().map(|compare| &compare.metric);
    let entry =
        |table: &str, index: usize| [table, &index.to_string(), "metric"].map(str::to_owned);
    let shown = scenario.file.show.iter().enumerate();
    let ranked = scenario.file.front.iter().flat_map(|front| &front.metric);
    let asked: Vec<(Vec<String>, &String)> = shown
        .map(|(index, metric)| (vec!["show".to_owned(), index.to_string()], metric))
        .chain(
            expected
                .enumerate()
                .map(|(index, metric)| (entry("expect", index).to_vec(), metric)),
        )
        .chain(
            compared
                .enumerate()
                .map(|(index, metric)| (entry("compare", index).to_vec(), metric)),
        )
        .chain(ranked.enumerate().map(|(index, metric)| {
            let keys = ["front", "metric", &index.to_string(), "name"];
            (keys.map(str::to_owned).to_vec(), &metric.name)
        }))
        .collect();
    if asked.is_empty() {
        return Ok(());
    }
    let names = cell::metrics(scenario).map_err(Error::Internal)?;
    for (keys, metric) in asked {
        if names.contains(metric) {
            continue;
        }
        let place = scenario.document.value_at(&keys);
        let error = place.error(format!("there is no metric `{metric}`"));
        let help = file::suggestion(metric, names.iter().map(String::as_str));
        let help = help.unwrap_or_else(|| format!("there are {}", names.join(", ")));
        return Err(Error::Invalid(error.with_help(help)));
    }
    Ok(())
}

/// A cell, and the one it is set against.
struct Pair {
    of: usize,
    against: Option<usize>,
}

impl Pair {
    fn value(&self, results: &Results, entry: &Compare, seed: usize) -> f64 {
        let metric = |cell: usize| -> f64 {
            let finished: Option<&Finished> = results
                .cells
                .get(cell)
                .and_then(|seeds| seeds.get(seed)?.as_ref());
            finished
                .and_then(|finished| finished.metric(&entry.metric))
                .unwrap_or(f64::NAN)
        };
        let of = metric(self.of);
        let against = self.against.map_or(f64::NAN, metric);
        entry.form.apply(of, against)
    }
}

/// The cells of an entry, paired where it has two sides.
fn pairs(scenario: &Scenario, entry: &Compare) -> Vec<Pair> {
    let numbered = || scenario.cells.iter().enumerate();
    numbered()
        .filter(|(_, cell)| {
            selected(scenario, cell, &entry.cells) && selected(scenario, cell, &entry.of)
        })
        .filter_map(|(of, cell)| {
            let Some(against) = &entry.against else {
                return Some(Pair { of, against: None });
            };
            let partner = numbered().find(|(_, other)| {
                selected(scenario, other, against)
                    && scenario
                        .columns
                        .iter()
                        .zip(cell.labels.iter().zip(&other.labels))
                        .all(|(column, (a, b))| against.contains_key(column) || a == b)
            });
            let (against, _) = partner?;
            Some(Pair {
                of,
                against: Some(against),
            })
        })
        .collect()
}

/// Whether a cell has one of the values in each column that `selection` names.
pub fn selected(scenario: &Scenario, cell: &Cell, selection: &Where) -> bool {
    selection.iter().all(|(name, values)| {
        scenario
            .columns
            .iter()
            .position(|column| column == name)
            .and_then(|index| cell.labels.get(index))
            .is_some_and(|label| values.contains(label))
    })
}

/// The content of `comparison.csv`.
///
/// # Errors
/// When the table cannot be written.
pub fn table(scenario: &Scenario, comparisons: &Comparisons) -> Result<Vec<u8>, Error> {
    let head = [
        "experiment",
        "source",
        "metric",
        "unit",
        "published",
        "measured",
        "ci_low",
        "ci_high",
        "relative_error",
        "role",
        "verdict",
    ];
    let rows = comparisons.entries.iter().map(|entry| {
        let bound = |sign: f64| {
            let half = entry.half_width.unwrap_or(f64::NAN);
            number(entry.measured + sign * half)
        };
        let published = entry.target.value;
        vec![
            scenario.name.clone(),
            entry.target.source.clone(),
            entry.metric.clone(),
            entry.target.unit.clone(),
            number(published),
            number(entry.measured),
            bound(-1.0),
            bound(1.0),
            number((entry.measured - published) / published.abs()),
            entry.role.to_string(),
            entry.verdict.to_string(),
        ]
    });
    csv(&head, rows)
}
