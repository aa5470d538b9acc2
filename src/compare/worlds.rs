//! The simulator against the machine: two runs of one scenario, one in each world, laid
//! side by side, and how far the model is off.
//!
//! The bars are those a model has to keep to be of use for deciding between allocators:
//! throughput and CPU use within 5 %, throttled periods within five points, latencies
//! within 25 % under static limits, and the same order of the allocators everywhere.

use std::collections::BTreeMap;

use crate::compare::run_table::{Metric, RunTable};
use crate::error::Error;
use crate::table;

/// How far two values of a metric may be apart.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Bar {
    /// Relative to the live value.
    Share(f64),
    /// In the metric's own unit.
    Points(f64),
}

/// What is compared: the metric, its bar, and whether that holds for static limits only.
/// Under a policy, latencies differ by its many small decisions; what must agree there
/// is the order of the policies.
pub const BARS: [(&str, Bar, bool); 5] = [
    ("throughput_rps", Bar::Share(0.05), false),
    ("cpu_used_mean_cores", Bar::Share(0.05), false),
    ("throttled_periods_ratio", Bar::Points(0.05), false),
    ("latency_p50_ms", Bar::Share(0.25), true),
    ("latency_p99_ms", Bar::Share(0.25), true),
];

/// By what allocators are ranked, and which way is better: more, or less.
const RANKED: [(&str, bool); 3] = [
    ("throughput_rps", true),
    ("latency_p99_ms", false),
    ("cpu_slack_p50_cores", false),
];
/// Two allocators closer than this in both worlds are level: none is ahead.
const LEVEL: f64 = 0.05;

/// One metric of one cell in both worlds, means over the seeds.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// The cell's labels.
    pub cell: Vec<String>,
    /// Which metric.
    pub metric: &'static str,
    /// Its unit.
    pub unit: String,
    /// In the simulator.
    pub sim: f64,
    /// On the machine.
    pub live: f64,
    /// Relative to the live value, or in points, as the bar has it.
    pub error: f64,
    /// What it is held to; none if it is only shown.
    pub bar: Option<Bar>,
}

impl Row {
    /// Whether the error is within the bar; without one there is nothing to miss.
    pub fn within(&self) -> bool {
        match self.bar {
            Some(Bar::Share(most) | Bar::Points(most)) => self.error.abs() <= most,
            None => true,
        }
    }
}

/// Two allocators of one cell whose order is not the same in both worlds.
#[derive(Clone, Debug, PartialEq)]
pub struct Turned {
    /// The cell's labels but for the allocator.
    pub cell: Vec<String>,
    /// By which metric.
    pub metric: &'static str,
    /// Who is ahead in the simulator, and who on the machine.
    pub ahead: (String, String),
}

/// All that is to be said about two runs.
#[derive(Clone, Debug, PartialEq)]
pub struct Worlds {
    /// In the order of cells and metrics.
    pub rows: Vec<Row>,
    /// Pairs of allocators that were ranked.
    pub pairs: usize,
    /// Those whose order differs.
    pub turned: Vec<Turned>,
}

impl Worlds {
    /// Whether all bars are kept and no pair is turned.
    pub fn holds(&self) -> bool {
        self.turned.is_empty() && self.rows.iter().all(Row::within)
    }

    /// All of it for a person, under the names of the runs' `columns`.
    pub fn table(&self, columns: &[String]) -> String {
        let mut table = table::plain();
        let head = ["metric", "simulator", "this host", "error", "bar", ""].map(str::to_owned);
        table.set_header(columns.iter().cloned().chain(head));
        let mut above: &[String] = &[];
        for row in &self.rows {
            let labels = row.cell.iter().map(|label| match above == row.cell {
                true => String::new(),
                false => label.clone(),
            });
            let percent = |share: f64| format!("{:.1} %", share * 100.0);
            let points = |points: f64| format!("{:.1} points", points * 100.0);
            let digits = table::digits_for(row.live.abs());
            let (error, bar) = match row.bar {
                Some(Bar::Points(most)) => (points(row.error), points(most)),
                Some(Bar::Share(most)) => (percent(row.error), percent(most)),
                None => (percent(row.error), "-".to_owned()),
            };
            let verdict = if row.within() { "" } else { "BEYOND" };
            let metric = table::heading(row.metric, &row.unit).replace('\n', " ");
            table.add_row(labels.chain([
                metric,
                format!("{:.digits$}", row.sim),
                format!("{:.digits$}", row.live),
                error,
                bar,
                verdict.to_owned(),
            ]));
            above = &row.cell;
        }
        table::align_right(&mut table, columns.len() + 1);
        let mut text = table::trimmed(&table);
        let held = self.rows.iter().filter(|row| row.bar.is_some());
        let (all, within) = (
            held.clone().count(),
            held.filter(|row| row.within()).count(),
        );
        text.push_str(&format!(
            "\n\n{within} of {all} errors within their bars; {} of {} pairs of allocators in \
             the same order\n",
            self.pairs - self.turned.len(),
            self.pairs
        ));
        for turned in &self.turned {
            text.push_str(&format!(
                "{}: by {} `{}` is ahead in the simulator, `{}` on this host\n",
                turned.cell.join(" "),
                turned.metric,
                turned.ahead.0,
                turned.ahead.1
            ));
        }
        text
    }
}

/// Lays `live` beside `sim`.
///
/// # Errors
/// When they are not of one scenario, or have no cell in common.
pub fn compare(sim: &RunTable, live: &RunTable) -> Result<Worlds, Error> {
    if sim.scenario != live.scenario || sim.columns != live.columns {
        return Err(Error::Usage(format!(
            "{} is a run of `{}` and {} of `{}`: only runs of one scenario can be laid side by side",
            sim.folder.display(),
            sim.scenario,
            live.folder.display(),
            live.scenario
        )));
    }
    let cells: Vec<&Vec<String>> = live
        .cells
        .iter()
        .filter(|cell| sim.cells.contains(cell))
        .collect();
    if cells.is_empty() {
        return Err(Error::Usage(format!(
            "{} and {} have no cell in common",
            sim.folder.display(),
            live.folder.display()
        )));
    }
    let allocator = sim.columns.iter().position(|column| column == "allocator");
    let mut rows = Vec::new();
    for cell in &cells {
        let fixed = allocator.is_none_or(|index| cell[index].starts_with("static"));
        for (metric, bar, fixed_only) in BARS {
            let (Some(in_sim), Some(in_live)) = (sim.metric(metric), live.metric(metric)) else {
                continue;
            };
            let (Some(a), Some(b)) = (mean(in_sim, cell), mean(in_live, cell)) else {
                continue;
            };
            rows.push(Row {
                cell: (*cell).clone(),
                metric,
                unit: in_live.unit.clone(),
                sim: a,
                live: b,
                error: match bar {
                    Bar::Share(_) => a / b - 1.0,
                    Bar::Points(_) => a - b,
                },
                bar: (fixed || !fixed_only).then_some(bar),
            });
        }
    }
    let mut pairs = 0;
    let mut turned = Vec::new();
    if let Some(index) = allocator {
        // Cells that differ in their allocator only.
        let mut groups: BTreeMap<Vec<String>, Vec<&Vec<String>>> = BTreeMap::new();
        for cell in cells {
            let mut others = cell.clone();
            others.remove(index);
            groups.entry(others).or_default().push(cell);
        }
        for (others, rivals) in groups {
            for (metric, more) in RANKED {
                let (Some(in_sim), Some(in_live)) = (sim.metric(metric), live.metric(metric))
                else {
                    continue;
                };
                for (place, one) in rivals.iter().enumerate() {
                    for another in &rivals[place + 1..] {
                        let ahead = |metric: &Metric| leader(metric, more, one, another);
                        let (Some(first), Some(second)) = (ahead(in_sim), ahead(in_live)) else {
                            continue;
                        };
                        pairs += 1;
                        if first != second {
                            turned.push(Turned {
                                cell: others.clone(),
                                metric,
                                ahead: (first[index].clone(), second[index].clone()),
                            });
                        }
                    }
                }
            }
        }
    }
    Ok(Worlds {
        rows,
        pairs,
        turned,
    })
}

/// Which of two cells is ahead; none where they are level or a value is missing.
fn leader<'a>(
    metric: &Metric,
    more: bool,
    one: &'a [String],
    another: &'a [String],
) -> Option<&'a [String]> {
    let (a, b) = (mean(metric, one)?, mean(metric, another)?);
    let scale = a.abs().max(b.abs());
    if scale == 0.0 || (a - b).abs() / scale < LEVEL {
        return None;
    }
    Some(if (a > b) == more { one } else { another })
}

/// The mean of a cell over its seeds.
fn mean(metric: &Metric, cell: &[String]) -> Option<f64> {
    let of_cell = metric
        .values
        .iter()
        .filter(|((labels, _), _)| labels == cell);
    let values: Vec<f64> = of_cell.map(|(_, value)| *value).collect();
    let sum: f64 = values.iter().sum();
    Some(sum / values.len() as f64).filter(|mean| mean.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    /// Two allocators, throughput and p99 of each.
    fn run(values: [(&str, f64, f64); 2]) -> RunTable {
        let cell = |allocator: &str| vec!["exp".to_owned(), allocator.to_owned()];
        let metric = |name: &str, unit: &str, pick: fn(&(&str, f64, f64)) -> f64| Metric {
            name: name.to_owned(),
            unit: unit.to_owned(),
            // Seeds differ, their means do not.
            values: values
                .iter()
                .flat_map(|all| {
                    [(1, -0.5), (2, 0.5)].map(|(seed, off)| ((cell(all.0), seed), pick(all) + off))
                })
                .collect(),
        };
        RunTable {
            folder: PathBuf::from("runs"),
            scenario: "s".to_owned(),
            columns: vec!["workload".to_owned(), "allocator".to_owned()],
            cells: values.iter().map(|all| cell(all.0)).collect(),
            seeds: [1, 2].into(),
            metrics: vec![
                metric("throughput_rps", "1/s", |all| all.1),
                metric("latency_p99_ms", "ms", |all| all.2),
            ],
        }
    }

    #[test]
    fn errors_count_against_the_live_value_and_latency_only_under_static_limits() {
        let sim = run([("static", 104.0, 20.0), ("escra", 94.0, 10.0)]);
        let live = run([("static", 100.0, 25.0), ("escra", 100.0, 30.0)]);
        let worlds = compare(&sim, &live).unwrap();
        let rows: Vec<(&str, f64, bool)> = worlds
            .rows
            .iter()
            .map(|row| (row.metric, (row.error * 1e3).round() / 1e3, row.within()))
            .collect();
        assert_eq!(
            rows,
            [
                ("throughput_rps", 0.04, true),
                ("latency_p99_ms", -0.2, true),
                ("throughput_rps", -0.06, false),
                ("latency_p99_ms", -0.667, true),
            ]
        );
        assert!(!worlds.holds());
    }

    #[test]
    fn an_order_is_turned_only_where_both_worlds_have_one() {
        let sim = run([("static", 100.0, 20.0), ("escra", 90.0, 10.0)]);
        let live = run([("static", 100.0, 20.0), ("escra", 99.0, 30.0)]);
        let worlds = compare(&sim, &live).unwrap();
        // By throughput they are level on the host.
        assert_eq!(worlds.pairs, 1);
        assert_eq!(worlds.turned.len(), 1);
        assert_eq!(worlds.turned[0].metric, "latency_p99_ms");
        assert_eq!(
            worlds.turned[0].ahead,
            ("escra".to_owned(), "static".to_owned())
        );
        let text = worlds.table(&sim.columns);
        assert!(
            text.contains("0 of 1 pairs of allocators in the same order"),
            "{text}"
        );
    }

    #[test]
    fn other_scenarios_are_not_laid_side_by_side() {
        let one = run([("static", 1.0, 1.0), ("escra", 1.0, 1.0)]);
        let mut other = one.clone();
        other.scenario = "t".to_owned();
        assert!(compare(&one, &other).is_err());
    }
}
