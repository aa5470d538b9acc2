//! Evaluates the `[[expect]]` entries of a scenario: thresholds that must hold
//! in every matching cell and seed, or for the sum over them.

use crate::compare::entries::selected;
use crate::run::Results;
use crate::scenario::format::{Expect, Judged};
use crate::scenario::{Cell, Scenario};

/// A threshold that does not hold.
#[derive(Clone, Debug, PartialEq)]
pub struct Violation {
    /// The cell's values in the matrix columns.
    pub cell: String,
    /// The seed, unless all of them are summed.
    pub seed: Option<u64>,
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
        let measured = measured(scenario, results, expect);
        let broken = |cell: String, seed, value| Violation {
            cell,
            seed,
            metric: expect.metric.clone(),
            value,
            threshold: threshold(expect),
        };
        match expect.over {
            Judged::Each => violations.extend(
                measured
                    .into_iter()
                    .filter(|&(_, _, value)| !holds(expect, value))
                    .map(|(cell, seed, value)| broken(cell.labels.join(" "), Some(seed), value)),
            ),
            Judged::Sum => {
                let sum = measured.iter().map(|&(_, _, value)| value).sum();
                if !holds(expect, sum) {
                    let cell = format!("the sum of {} runs", measured.len());
                    violations.push(broken(cell, None, sum));
                }
            }
        }
    }
    violations
}

/// The metric of `expect` in each run that it is about.
fn measured<'a>(
    scenario: &'a Scenario,
    results: &Results,
    expect: &Expect,
) -> Vec<(&'a Cell, u64, f64)> {
    let mut measured = Vec::new();
    for (cell, seeds) in scenario.cells.iter().zip(&results.cells) {
        if !selected(scenario, cell, &expect.cells) {
            continue;
        }
        for (&seed, finished) in scenario.seeds.iter().zip(seeds) {
            let value = finished
                .as_ref()
                .and_then(|finished| finished.metric(&expect.metric));
            measured.extend(value.map(|value| (cell, seed, value)));
        }
    }
    measured
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
