//! Which scenarios compare with each published figure, and which figures nobody
//! compares with.

use std::collections::BTreeMap;

use tidegate_workloads::FileError;

use crate::compare::entries;
use crate::compare::published::{Figure, Published};
use crate::scenario::Scenario;

/// Figures recomputed from raw files: there to compare with, but no claims of a
/// paper that somebody must answer.
const RAW: &str = "raw/";

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
/// figures that nobody compares with are left out, unless they say why.
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
    let raw = |row: &Row<'_>| {
        row.figure.id.starts_with(RAW) && row.scenarios.is_empty() && row.figure.purpose.is_empty()
    };
    Ok(paper.figures().map(row).filter(|row| !raw(row)).collect())
}
