//! Which scenarios compare with each published figure, and which figures nobody
//! compares with.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use tidegate_workloads::{FileError, file};

use crate::compare::entries;
use crate::compare::published::{Figure, Published};
use crate::error::Error;
use crate::scenario::Scenario;

/// Figures recomputed from raw files: there to compare with, but no claims of a
/// paper that somebody must answer.
const RAW: &str = "raw/";

/// What a scenario measured beside a figure: a line of its `comparison.csv`.
#[derive(Clone, Debug, Deserialize)]
pub struct Measured {
    /// The scenario.
    pub experiment: String,
    /// The figure's full name.
    pub source: String,
    /// Ours; nothing if no cell measured it.
    pub measured: Option<f64>,
    /// Lower end of the 95 % interval over seeds.
    pub ci_low: Option<f64>,
    /// Its upper end.
    pub ci_high: Option<f64>,
    /// What it says.
    pub verdict: String,
}

/// A published figure and who compares with it.
#[derive(Clone, Debug)]
pub struct Row<'a> {
    /// Its full name.
    pub name: String,
    /// The figure.
    pub figure: &'a Figure,
    /// The scenarios that compare with it, in their order.
    pub scenarios: Vec<String>,
}

impl Row<'_> {
    /// Whether somebody compares with the figure, or it says why nobody does.
    pub fn covered(&self) -> bool {
        !self.scenarios.is_empty()
            || !self.figure.purpose.is_empty()
            || self.figure.id.starts_with(RAW)
    }
}

/// The figures of a paper, each with the scenarios that compare with it. Raw
/// figures that nobody compares with are left out.
///
/// # Errors
/// When a scenario compares with a figure that does not exist.
pub fn rows<'a>(paper: &'a Published, scenarios: &[Scenario]) -> Result<Vec<Row<'a>>, FileError> {
    let mut by_figure: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for scenario in scenarios {
        for target in entries::targets(scenario)?.0 {
            let names = by_figure.entry(target.source).or_default();
            if names.last() != Some(&scenario.name) {
                names.push(scenario.name.clone());
            }
        }
    }
    let row = |(name, figure): (String, &'a Figure)| Row {
        scenarios: by_figure.remove(&name).unwrap_or_default(),
        name,
        figure,
    };
    let raw = |row: &Row<'_>| row.figure.id.starts_with(RAW) && row.scenarios.is_empty();
    Ok(paper.figures().map(row).filter(|row| !raw(row)).collect())
}

/// Reads what a run compared: its `comparison.csv`.
///
/// # Errors
/// When the file cannot be read or is no such table.
pub fn measured(path: &Path) -> Result<Vec<Measured>, Error> {
    let text = file::read_text(path)?;
    csv::Reader::from_reader(text.as_bytes())
        .deserialize()
        .collect::<Result<_, csv::Error>>()
        .map_err(|error| FileError::new(path, error.to_string()).into())
}
