//! The numbers of a run by cell and metric.

use std::collections::BTreeMap;

use super::Context;
use crate::compare::verdict::interval;
use crate::error::Error;
use crate::table;

/// The numbers of a run.
pub(super) struct Measures {
    /// All metrics and their units, in the order of the table.
    pub(super) metrics: Vec<(String, String)>,
    /// By cell and number of the metric: a value for each seed that has one.
    values: BTreeMap<(usize, usize), Vec<f64>>,
}

impl Measures {
    /// Reads them from the run's summary.
    ///
    /// # Errors
    /// When the table lacks a column.
    pub(super) fn of(context: &Context<'_>) -> Result<Measures, Error> {
        let table = &context.run.summary;
        let (name, unit) = (table.field("metric")?, table.field("unit")?);
        let value = table.field("value")?;
        let mut metrics: Vec<(String, String)> = Vec::new();
        let mut places = BTreeMap::new();
        let mut values: BTreeMap<(usize, usize), Vec<f64>> = BTreeMap::new();
        for line in &table.lines {
            let Some(cell) = context.cells.find(&line.labels) else {
                continue;
            };
            let metric = *places.entry(&line.values[name]).or_insert_with(|| {
                metrics.push((line.values[name].clone(), line.values[unit].clone()));
                metrics.len() - 1
            });
            let seeds = values.entry((cell, metric)).or_default();
            seeds.extend(Some(line.number(value)).filter(|number| !number.is_nan()));
        }
        Ok(Measures { metrics, values })
    }

    /// The values of a cell, one for each seed.
    pub(super) fn values(&self, cell: usize, metric: usize) -> &[f64] {
        self.values.get(&(cell, metric)).map_or(&[], Vec::as_slice)
    }

    /// Their mean and the half width of its interval.
    pub(super) fn mean(&self, cell: usize, metric: usize) -> (f64, Option<f64>) {
        interval(self.values(cell, metric))
    }

    /// The metrics that the scenario wants to see, or the usual ones.
    pub(super) fn shown(&self, context: &Context<'_>) -> Vec<usize> {
        let wanted = &context.run.manifest.show;
        let place = |name: &str| self.metrics.iter().position(|(known, _)| known == name);
        let found: Vec<usize> = if wanted.is_empty() {
            table::usual_metrics().filter_map(place).collect()
        } else {
            wanted.iter().filter_map(|name| place(name)).collect()
        };
        // An experiment that has none of the usual ones shows its first few.
        if found.is_empty() {
            return (0..self.metrics.len().min(5)).collect();
        }
        found
    }

    /// A metric's name and unit in one line.
    pub(super) fn heading(&self, metric: usize) -> String {
        let (name, unit) = &self.metrics[metric];
        heading(name, unit)
    }
}

/// A metric's name and unit in one line.
pub(super) fn heading(name: &str, unit: &str) -> String {
    let heading = table::heading(name, unit).replace('\n', " ");
    // An abbreviation is one wherever it stands.
    heading.replace("cpu ", "CPU ")
}
