//! Evaluates the `[[expect]]` entries of a scenario: thresholds that must hold
//! in every matching cell and seed.

use crate::compare::entries::selected;
use crate::run::Results;
use crate::scenario::Scenario;
use crate::scenario::format::Expect;

/// A threshold that does not hold.
#[derive(Clone, Debug, PartialEq)]
pub struct Violation {
    /// The cell's values in the matrix columns.
    pub cell: String,
    /// The seed.
    pub seed: u64,
    /// Which number.
    pub metric: String,
    /// Its value.
    pub value: f64,
    /// What it must be.
    pub threshold: String,
}

/// All thresholds that do not hold.
pub fn violations(scenario: &Scenario, results: &Results) -> Vec<Violation> {
    let mut violations = Vec::new();
    for expect in &scenario.file.expect {
        for (cell, seeds) in scenario.cells.iter().zip(&results.cells) {
            if !selected(scenario, cell, &expect.cells) {
                continue;
            }
            for (seed, finished) in scenario.seeds.iter().zip(seeds) {
                let value = finished
                    .as_ref()
                    .and_then(|finished| finished.metric(&expect.metric));
                if let Some(value) = value
                    && !holds(expect, value)
                {
                    violations.push(Violation {
                        cell: cell.labels.join(" "),
                        seed: *seed,
                        metric: expect.metric.clone(),
                        value,
                        threshold: threshold(expect),
                    });
                }
            }
        }
    }
    violations
}

/// A value that was not measured holds no threshold.
fn holds(expect: &Expect, value: f64) -> bool {
    !value.is_nan()
        && expect.min.is_none_or(|min| value >= min)
        && expect.max.is_none_or(|max| value <= max)
}

fn threshold(expect: &Expect) -> String {
    match (expect.min, expect.max) {
        (Some(min), Some(max)) => format!("{min} to {max}"),
        (Some(min), None) => format!("at least {min}"),
        (None, Some(max)) => format!("at most {max}"),
        (None, None) => "anything".to_owned(),
    }
}
