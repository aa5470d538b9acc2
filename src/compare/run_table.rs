//! The numbers of a finished run, read from its folder.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::results::read;

/// A cell's labels, and a seed.
pub type Key = (Vec<String>, u64);

/// One metric of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Metric {
    /// Its name.
    pub name: String,
    /// Its unit.
    pub unit: String,
    /// Its value in each cell with each seed that measured it.
    pub values: BTreeMap<Key, f64>,
}

/// A run's `summary.csv`.
#[derive(Clone, Debug, PartialEq)]
pub struct RunTable {
    /// Where it is.
    pub folder: PathBuf,
    /// The scenario.
    pub scenario: String,
    /// Its columns.
    pub columns: Vec<String>,
    /// Its cells, in their order.
    pub cells: Vec<Vec<String>>,
    /// Its seeds.
    pub seeds: BTreeSet<u64>,
    /// The metrics, in their order.
    pub metrics: Vec<Metric>,
}

impl RunTable {
    /// Reads the run in `folder`.
    ///
    /// # Errors
    /// When there is none, or it is not finished, or its summary is damaged.
    pub fn read(folder: &Path) -> Result<RunTable, Error> {
        read::whole(folder)?;
        let path = folder.join("summary.csv");
        let tidy = read::tidy(&path)?;
        let broken = |message: String| Error::Results(format!("{}: {message}", path.display()));
        if tidy.fields != ["metric", "unit", "value"] || tidy.lines.is_empty() {
            return Err(broken(
                "expected lines of metric, unit and value".to_owned(),
            ));
        }
        let mut table = RunTable {
            folder: folder.to_owned(),
            scenario: tidy.scenario,
            columns: tidy.columns,
            cells: Vec::new(),
            seeds: BTreeSet::new(),
            metrics: Vec::new(),
        };
        let mut places: BTreeMap<String, usize> = BTreeMap::new();
        for (index, line) in tidy.lines.into_iter().enumerate() {
            let [metric, unit, value] = line.values.as_slice() else {
                return Err(broken(format!("line {}: too few fields", index + 2)));
            };
            if table.cells.last() != Some(&line.labels) && !table.cells.contains(&line.labels) {
                table.cells.push(line.labels.clone());
            }
            table.seeds.insert(line.seed);
            let place = *places.entry(metric.clone()).or_insert_with(|| {
                table.metrics.push(Metric {
                    name: metric.clone(),
                    unit: unit.clone(),
                    values: BTreeMap::new(),
                });
                table.metrics.len() - 1
            });
            if value.is_empty() {
                continue;
            }
            let wrong = |_| broken(format!("line {}: `{value}` is no number", index + 2));
            let number: f64 = value.parse().map_err(wrong)?;
            let key = (line.labels, line.seed);
            table.metrics[place].values.insert(key, number);
        }
        Ok(table)
    }

    /// The metric called `name`.
    pub fn metric(&self, name: &str) -> Option<&Metric> {
        self.metrics.iter().find(|metric| metric.name == name)
    }
}
