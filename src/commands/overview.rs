//! One line per scenario, after several were run.

use std::time::Duration;

use crate::compare::Verdict;
use crate::exit::Exit;
use crate::scenario::Scenario;
use crate::table::{align_right, plain, trimmed};

/// How a scenario's run ended.
#[derive(Clone, Debug)]
pub struct Ending {
    /// The scenario's name.
    pub scenario: String,
    /// Cells times seeds.
    pub runs: usize,
    /// Those that were simulated for it, neither resumed nor another scenario's.
    pub simulated: usize,
    /// How long it took.
    pub took: Duration,
    /// What came of each published figure.
    pub verdicts: Vec<Verdict>,
    /// Expectations that failed.
    pub violations: usize,
    /// What the shell would see of it.
    pub exit: Exit,
}

impl Ending {
    /// The end of `scenario` before anything ran.
    pub fn new(scenario: &Scenario, exit: Exit) -> Ending {
        Ending {
            scenario: scenario.name.clone(),
            runs: scenario.runs(),
            simulated: 0,
            took: Duration::ZERO,
            verdicts: Vec::new(),
            violations: 0,
            exit,
        }
    }

    fn count(&self, verdict: Verdict) -> usize {
        let same = |found: &&Verdict| **found == verdict;
        self.verdicts.iter().filter(same).count()
    }
}

/// The numeric columns after the name.
const HEAD: [&str; 9] = [
    "runs",
    "simulated",
    "time\n[s]",
    "figures\nwithin",
    "direction\nonly",
    "contra-\ndicted",
    "not\nmeasured",
    "failed\nexpectations",
    "exit",
];

/// How all of them ended, with their sums.
pub fn table(endings: &[Ending]) -> String {
    let mut table = plain();
    table.set_header(std::iter::once("scenario").chain(HEAD));
    let row = |name: &str, endings: &[Ending]| {
        let sum = |count: &dyn Fn(&Ending) -> usize| -> usize { endings.iter().map(count).sum() };
        let took: Duration = endings.iter().map(|ending| ending.took).sum();
        let verdict = |verdict| sum(&|ending| ending.count(verdict)).to_string();
        let exits = endings.iter().map(|ending| ending.exit);
        let exit = exits.fold(Exit::Fine, Exit::and);
        vec![
            name.to_owned(),
            sum(&|ending| ending.runs).to_string(),
            sum(&|ending| ending.simulated).to_string(),
            format!("{:.1}", took.as_secs_f64()),
            verdict(Verdict::Within),
            verdict(Verdict::DirectionOnly),
            verdict(Verdict::Contradicts),
            verdict(Verdict::NotMeasured),
            sum(&|ending| ending.violations).to_string(),
            exit.code().to_string(),
        ]
    };
    for ending in endings {
        table.add_row(row(&ending.scenario, std::slice::from_ref(ending)));
    }
    table.add_row(row("together", endings));
    align_right(&mut table, 1);
    trimmed(&table)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_scenario_has_a_line_and_all_have_one_together() {
        let ending = |scenario: &str, verdicts: &[Verdict], exit| Ending {
            scenario: scenario.to_owned(),
            runs: 48,
            simulated: 48,
            took: Duration::from_millis(12_340),
            verdicts: verdicts.to_vec(),
            violations: 0,
            exit,
        };
        let first = [Verdict::Within, Verdict::DirectionOnly, Verdict::Within];
        let second = [Verdict::Contradicts, Verdict::NotMeasured];
        let mut endings = vec![
            ending("performance", &first, Exit::Fine),
            ending("tracking", &second, Exit::ExpectationFailed),
        ];
        endings[1].simulated = 7;
        endings[1].violations = 3;
        insta::assert_snapshot!(table(&endings));
    }
}
