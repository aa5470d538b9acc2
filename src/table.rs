//! The tables a person reads after a run.

use comfy_table::presets::NOTHING;
use comfy_table::{Cell, CellAlignment, ContentArrangement, Table};

use crate::compare::front::Rival;
use crate::compare::{Comparison, Comparisons, Verdict};
use crate::run::Results;
use crate::run::cell::Finished;
use crate::scenario::Scenario;
use crate::scenario::format::{Claim, Form, Front, Over};

/// The columns of the cell table where the scenario names none, and how their heads
/// read: metric, head, digits after the point.
const METRICS: [(&str, &str, usize); 5] = [
    ("throughput_rps", "throughput\n[1/s]", 1),
    ("latency_p999_ms", "p99.9\n[ms]", 0),
    ("cpu_slack_p50_cores", "CPU slack\np50 [cores]", 3),
    ("mem_slack_p50_mib", "mem slack\np50 [MiB]", 1),
    ("oom_kills", "OOM\nkills", 0),
];

/// An empty table that fits any terminal: lines are never folded.
pub(crate) fn plain() -> Table {
    let mut table = Table::new();
    table
        .load_style(NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled);
    table
}

/// Right-aligns all columns from `first` on.
pub(crate) fn align_right(table: &mut Table, first: usize) {
    for column in table.column_iter_mut().skip(first) {
        column.set_cell_alignment(CellAlignment::Right);
    }
}

/// The main metrics of each cell, averaged over seeds. A label that equals the
/// one above it is left out, so that groups show.
pub fn cells(scenario: &Scenario, results: &Results) -> String {
    let mut table = plain();
    // A column in which all cells agree goes into the title.
    let varying: Vec<usize> = (0..scenario.columns.len())
        .filter(|&column| {
            let mut labels = scenario.cells.iter().map(|cell| &cell.labels[column]);
            let first = labels.next();
            labels.any(|label| Some(label) != first)
        })
        .collect();
    let mut head: Vec<String> = varying
        .iter()
        .map(|&column| scenario.columns[column].clone())
        .collect();
    let shown = shown(scenario, results);
    head.extend(shown.iter().map(|column| column.head.clone()));
    table.set_header(head);

    let mut above: Option<Vec<&String>> = None;
    for (cell, seeds) in scenario.cells.iter().zip(&results.cells) {
        let labels: Vec<&String> = varying.iter().map(|&column| &cell.labels[column]).collect();
        let same = above.as_ref().map_or(0, |above| {
            above
                .iter()
                .zip(&labels)
                .take_while(|(a, b)| a == b)
                .count()
        });
        // An empty line where the first of several columns changes.
        if above.is_some() && same == 0 && labels.len() > 1 {
            table.add_row(vec![""]);
        }
        let mut row: Vec<String> = labels
            .iter()
            .enumerate()
            .map(|(index, label)| {
                if index < same {
                    String::new()
                } else {
                    (*label).clone()
                }
            })
            .collect();
        row.extend(shown.iter().map(|column| {
            let digits = column.digits;
            let value = mean(seeds, &column.metric);
            value.map_or_else(|| "-".to_owned(), |value| format!("{value:.digits$}"))
        }));
        table.add_row(row);
        above = Some(labels);
    }
    align_right(&mut table, varying.len());

    let fixed: Vec<String> = (0..scenario.columns.len())
        .filter(|column| !varying.contains(column))
        .filter_map(|column| {
            let label = scenario.cells.first()?.labels.get(column)?;
            Some(format!("{} {label}", scenario.columns[column]))
        })
        .collect();
    let seeds = match scenario.seeds.len() {
        1 => String::new(),
        n => format!(", means over {n} seeds"),
    };
    let context = if fixed.is_empty() {
        String::new()
    } else {
        format!(" ({})", fixed.join(", "))
    };
    format!(
        "{}{context}{seeds}\n{}",
        scenario.file.title,
        trimmed(&table)
    )
}

/// A column of the cell table that shows a metric.
struct Column {
    metric: String,
    head: String,
    digits: usize,
}

/// The columns that a scenario wants to see.
fn shown(scenario: &Scenario, results: &Results) -> Vec<Column> {
    if scenario.file.show.is_empty() {
        let column = |&(metric, head, digits): &(&str, &str, usize)| Column {
            metric: metric.to_owned(),
            head: head.to_owned(),
            digits,
        };
        return METRICS.iter().map(column).collect();
    }
    let column = |metric: &String| {
        let highest = results.cells.iter().filter_map(|seeds| mean(seeds, metric));
        Column {
            metric: metric.clone(),
            head: title(metric, results),
            digits: digits_for(highest.map(f64::abs).fold(0.0, f64::max)),
        }
    };
    scenario.file.show.iter().map(column).collect()
}

/// The metrics that are shown where a scenario names none.
pub(crate) fn usual_metrics() -> impl Iterator<Item = &'static str> {
    METRICS.iter().map(|(metric, ..)| *metric)
}

/// Digits after the point for a metric whose numbers go up to `highest`.
pub(crate) fn digits_of(metric: &str, highest: f64) -> usize {
    let known = METRICS.iter().find(|(name, ..)| *name == metric);
    known.map_or_else(|| digits_for(highest), |(.., digits)| *digits)
}

/// Digits after the point for numbers up to `highest`.
pub(crate) fn digits_for(highest: f64) -> usize {
    match highest {
        value if value >= 1000.0 => 0,
        value if value >= 10.0 => 1,
        _ => 3,
    }
}

/// The head of a metric's column: its name over its unit.
fn title(metric: &str, results: &Results) -> String {
    let mut all = results.cells.iter().flatten().flatten();
    let unit = all.find_map(|finished| {
        let found = finished.metrics.iter().find(|known| known.name == metric)?;
        Some(found.unit.clone())
    });
    heading(metric, &unit.unwrap_or_default())
}

/// A metric's name over its unit.
pub(crate) fn heading(metric: &str, unit: &str) -> String {
    if let Some((_, head, _)) = METRICS.iter().find(|(name, ..)| *name == metric) {
        return (*head).to_owned();
    }
    let name = metric
        .strip_suffix(&format!("_{}", unit.to_lowercase()))
        .unwrap_or(metric);
    format!("{}\n[{unit}]", name.replace('_', " "))
}

/// The rivals of a scenario's `[front]`.
pub fn front(front: &Front, rivals: &[Rival], results: &Results) -> String {
    let mut table = plain();
    let mut head = vec![front.column.clone()];
    head.extend(front.metric.iter().map(|metric| {
        let over = match metric.over {
            Over::Mean => "",
            Over::GeometricMean => "geometric\n",
            Over::Sum => "sum of\n",
        };
        format!("{over}{}", title(&metric.name, results))
    }));
    head.push("dominated by".to_owned());
    table.set_header(head);
    let digits: Vec<usize> = (0..front.metric.len())
        .map(|index| {
            let sizes = rivals.iter().map(|rival| rival.values[index].abs());
            digits_for(sizes.fold(0.0, f64::max))
        })
        .collect();
    for rival in rivals {
        let mut row = vec![Cell::new(&rival.label)];
        for (&value, &digits) in rival.values.iter().zip(&digits) {
            let text = if value.is_nan() {
                "-".to_owned()
            } else {
                format!("{value:.digits$}")
            };
            row.push(Cell::new(text).set_alignment(CellAlignment::Right));
        }
        let by = match rival.dominated_by.as_slice() {
            [] => "nobody".to_owned(),
            some => some.join(", "),
        };
        row.push(Cell::new(by));
        table.add_row(row);
    }
    format!("over all cells\n{}", trimmed(&table))
}

/// The mean of a metric over the seeds that measured it.
fn mean(seeds: &[Option<Finished>], metric: &str) -> Option<f64> {
    let values: Vec<f64> = seeds
        .iter()
        .flatten()
        .filter_map(|finished| finished.metric(metric))
        .filter(|value| !value.is_nan())
        .collect();
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// Published figures beside ours.
pub fn comparison(comparisons: &Comparisons) -> String {
    let entries = &comparisons.entries;
    // One seed gives no interval: a column of dashes tells nothing.
    let intervals = entries.iter().any(|entry| entry.half_width.is_some());
    let mut table = plain();
    let mut head = vec!["published figure", "published", "measured"];
    if intervals {
        head.push("95 % interval");
    }
    head.extend(["cells", "role", "verdict"]);
    table.set_header(head);
    for entry in entries {
        let digits = digits(entry);
        let number = |value: f64| {
            if value.is_nan() {
                "-".to_owned()
            } else {
                format!("{value:.digits$}{}", unit(&entry.target.unit))
            }
        };
        let mut row = vec![
            entry.target.source.clone(),
            format!("{}{}", sign(entry.claim), number(entry.target.value)),
            number(entry.measured),
        ];
        if intervals {
            row.push(entry.half_width.map_or_else(
                || "-".to_owned(),
                |half| {
                    let (low, high) = (entry.measured - half, entry.measured + half);
                    format!("{low:.digits$} to {high:.digits$}")
                },
            ));
        }
        row.push(format!("{}/{}", entry.cells.0, entry.cells.1));
        let right = row.len();
        row.push(entry.role.to_string());
        row.push(match entry.verdict {
            Verdict::Within => format!("within {}", entry.tolerance),
            // In capitals: these are what to look at.
            other => other.to_string().to_uppercase(),
        });
        table.add_row(row.into_iter().enumerate().map(|(index, text)| {
            let number = (1..right).contains(&index);
            let alignment = if number {
                CellAlignment::Right
            } else {
                CellAlignment::Left
            };
            Cell::new(text).set_alignment(alignment)
        }));
    }
    let mut text = trimmed(&table);
    let count = |verdict| {
        entries
            .iter()
            .filter(|entry| entry.verdict == verdict)
            .count()
    };
    text.push_str(&format!(
        "\n{} of {} published figures met within tolerance, {} in direction only, {} contradicted",
        count(Verdict::Within),
        entries.len(),
        count(Verdict::DirectionOnly),
        count(Verdict::Contradicts),
    ));
    match count(Verdict::NotMeasured) {
        0 => {}
        n => text.push_str(&format!(", {n} not measured by these cells")),
    }
    match comparisons.left_out.as_slice() {
        [] => {}
        [first, .., last] if comparisons.left_out.len() > 3 => text.push_str(&format!(
            "\n{} more published figures are not compared by this scenario ({first} to {last})",
            comparisons.left_out.len()
        )),
        few => text.push_str(&format!(
            "\nnot compared by this scenario: {}",
            few.join(", ")
        )),
    }
    text.push('\n');
    text
}

/// A claim as it stands before its number.
fn sign(claim: Claim) -> &'static str {
    match claim {
        Claim::Equals => "",
        Claim::Over => "> ",
        Claim::Under => "< ",
    }
}

/// A unit as it follows a number.
fn unit(name: &str) -> String {
    match name {
        "percent" | "%" => " %".to_owned(),
        other => format!(" {other}"),
    }
}

/// Digits after the point: counts need none, percentages one, other values what their
/// size asks for.
fn digits(entry: &Comparison) -> usize {
    if entry.target.unit == "count" {
        0
    } else if entry.form != Form::Value || entry.target.value.abs() >= 10.0 {
        1
    } else {
        3
    }
}

/// The table without blanks at the ends of its lines.
pub(crate) fn trimmed(table: &Table) -> String {
    table
        .to_string()
        .lines()
        .flat_map(|line| [line.trim_end(), "\n"])
        .collect()
}
