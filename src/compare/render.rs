//! Changes between runs as people and programs read them.

use std::fmt::Write;

use comfy_table::{Cell, CellAlignment};
use serde_json::{Value, json};

use crate::compare::change::{Change, LEVEL, Scale, Verdict};
use crate::compare::run_table::RunTable;
use crate::compare::statistics::BOOTSTRAP_FROM;
use crate::error::Error;
use crate::results::direction::Direction;
use crate::results::summary::{csv, number};
use crate::table::{digits_for, plain, trimmed};

/// A finished comparison.
#[derive(Clone, Debug)]
pub struct Report<'a> {
    /// The run that the others are compared with.
    pub first: &'a RunTable,
    /// The others.
    pub others: &'a [RunTable],
    /// What changed.
    pub changes: &'a [Change],
    /// Losses up to this part of the first run's value are no regression.
    pub threshold: f64,
    /// How it was done, in words.
    pub method: String,
}

/// How it was done, in words.
pub fn method(unpaired: bool, seeds: usize) -> String {
    let test = if unpaired {
        "two samples of seeds (Welch's t)"
    } else if seeds >= BOOTSTRAP_FROM {
        "paired by cell and seed (Student's t; BCa bootstrap intervals)"
    } else {
        "paired by cell and seed (Student's t)"
    };
    format!("{test}; p adjusted after Holm over all rows judged, level {LEVEL}")
}

/// The heads of the columns for people.
const HEAD: [&str; 8] = [
    "metric",
    "unit",
    "A",
    "B",
    "change",
    "95 % interval",
    "p",
    "verdict",
];

impl Report<'_> {
    /// Rows that are worse by more than the threshold.
    pub fn regressions(&self) -> Vec<&Change> {
        let beyond = |change: &&Change| change.is_regression(self.threshold);
        self.changes.iter().filter(beyond).collect()
    }

    /// For a terminal.
    pub fn table(&self) -> String {
        let mut table = plain();
        table.set_header(self.head());
        for change in self.changes {
            let text = self.row(change);
            let names = text.len() - HEAD.len() + 2;
            let last = text.len() - 1;
            table.add_row(text.into_iter().enumerate().map(|(index, text)| {
                let alignment = if (names..last).contains(&index) {
                    CellAlignment::Right
                } else {
                    CellAlignment::Left
                };
                Cell::new(text).set_alignment(alignment)
            }));
        }
        format!(
            "{}\n{}\n{}",
            self.title(),
            trimmed(&table),
            self.conclusion()
        )
    }

    /// As Markdown, for a pull request.
    pub fn markdown(&self) -> String {
        let mut text = format!("**{}**\n\n", self.title().replace('\n', "  \n"));
        let head = self.head();
        let _ = writeln!(text, "| {} |", head.join(" | "));
        let _ = writeln!(text, "|{}", "---|".repeat(head.len()));
        for change in self.changes {
            let row: Vec<String> = self
                .row(change)
                .iter()
                .map(|field| field.replace('|', "\\|"))
                .collect();
            let _ = writeln!(text, "| {} |", row.join(" | "));
        }
        let _ = write!(text, "\n{}", self.conclusion());
        text
    }

    /// As CSV: one line per row, with all digits.
    ///
    /// # Errors
    /// When the table cannot be written.
    pub fn csv(&self) -> Result<Vec<u8>, Error> {
        let mut head = vec!["scenario", "run"];
        head.extend(self.cell_columns().iter().map(String::as_str));
        head.extend([
            "metric",
            "unit",
            "cells",
            "seeds",
            "before",
            "after",
            "scale",
            "change",
            "ci_low",
            "ci_high",
            "p_adjusted",
            "verdict",
            "regression",
        ]);
        let rows = self.changes.iter().map(|change| {
            let bound =
                |pick: fn((f64, f64)) -> f64| number(change.interval.map_or(f64::NAN, pick));
            let mut row = vec![self.first.scenario.clone(), self.name(change.run)];
            row.extend(change.cell.clone().unwrap_or_default());
            row.extend([
                change.metric.clone(),
                change.unit.clone(),
                change.cells.to_string(),
                change.seeds.to_string(),
                number(change.before),
                number(change.after),
                scale(change.scale).to_owned(),
                number(change.change),
                bound(|(low, _)| low),
                bound(|(_, high)| high),
                number(change.p.unwrap_or(f64::NAN)),
                change.verdict.name().to_owned(),
                change.is_regression(self.threshold).to_string(),
            ]);
            row
        });
        csv(&head, rows)
    }

    /// As JSON.
    pub fn json(&self) -> Value {
        let row = |change: &Change| {
            json!({
                "run": self.name(change.run),
                "cell": change.cell,
                "metric": change.metric,
                "unit": change.unit,
                "better": change.direction.map(|direction| match direction {
                    Direction::Higher => "higher",
                    Direction::Lower => "lower",
                }),
                "cells": change.cells,
                "seeds": change.seeds,
                "before": change.before,
                "after": change.after,
                "scale": scale(change.scale),
                "change": change.change,
                "interval": change.interval.map(|(low, high)| [low, high]),
                "p_adjusted": change.p,
                "verdict": change.verdict.name(),
                "regression": change.is_regression(self.threshold),
            })
        };
        json!({
            "scenario": self.first.scenario,
            "first": self.first.folder.display().to_string(),
            "method": self.method,
            "threshold": self.threshold,
            "columns": self.first.columns,
            "rows": self.changes.iter().map(row).collect::<Vec<_>>(),
            "regressions": self.regressions().len(),
        })
    }

    fn title(&self) -> String {
        let mut text = format!(
            "{}, A: {}",
            self.first.scenario,
            self.first.folder.display()
        );
        for (index, other) in self.others.iter().enumerate() {
            let _ = write!(text, ", {}: {}", letter(index), other.folder.display());
        }
        if let Some(change) = self.changes.first() {
            let plural =
                |n: usize, what: &str| format!("{n} {what}{}", if n == 1 { "" } else { "s" });
            let _ = write!(
                text,
                "\n{}, {}: {}",
                plural(change.cells, "cell"),
                plural(change.seeds, "seed"),
                self.method
            );
        }
        text
    }

    /// Counts of verdicts, and each regression.
    fn conclusion(&self) -> String {
        let count = |verdict| {
            self.changes
                .iter()
                .filter(|row| row.verdict == verdict)
                .count()
        };
        let mut text = format!(
            "{} better, {} worse, {} inconclusive, {} the same, {} only listed\n",
            count(Verdict::Better),
            count(Verdict::Worse),
            count(Verdict::Inconclusive),
            count(Verdict::Same),
            count(Verdict::Listed),
        );
        let percent = self.threshold * 100.0;
        let regressions = self.regressions();
        if regressions.is_empty() {
            let _ = writeln!(text, "no regression beyond {percent} %");
        }
        for change in regressions {
            let of = match (&change.cell, self.others.len()) {
                (Some(cell), _) => format!(" in {}", cell.join(" ")),
                (None, 1) => String::new(),
                (None, _) => format!(" of {}", letter(change.run)),
            };
            let loss = change.loss() * 100.0;
            let _ = writeln!(
                text,
                "REGRESSION beyond {percent} %: {}{of} is worse by {loss:.1} %",
                change.metric
            );
        }
        text
    }

    fn head(&self) -> Vec<String> {
        let mut head: Vec<String> = self.cell_columns().to_vec();
        if self.others.len() > 1 {
            head.push("run".to_owned());
        }
        head.extend(HEAD.iter().map(|&name| name.to_owned()));
        head
    }

    fn row(&self, change: &Change) -> Vec<String> {
        let mut row = change.cell.clone().unwrap_or_default();
        if self.others.len() > 1 {
            row.push(letter(change.run));
        }
        let digits = digits_for(change.before.abs().max(change.after.abs()));
        let value = |value: f64| match change.scale {
            Scale::Ratio => format!("{value:.4}"),
            Scale::Difference => format!("{value:+.digits$}"),
        };
        row.extend([
            change.metric.clone(),
            change.unit.clone(),
            format!("{:.digits$}", change.before),
            format!("{:.digits$}", change.after),
            match change.scale {
                Scale::Ratio => format!("x {}", value(change.change)),
                Scale::Difference => value(change.change),
            },
            change.interval.map_or_else(
                || "-".to_owned(),
                |(low, high)| format!("{} to {}", value(low), value(high)),
            ),
            change
                .p
                .map_or_else(|| "-".to_owned(), |p| format!("{p:.3}")),
            match change.verdict {
                Verdict::Worse => "WORSE".to_owned(),
                Verdict::Listed => String::new(),
                other => other.name().to_owned(),
            },
        ]);
        row
    }

    /// The columns, where each cell has rows of its own.
    fn cell_columns(&self) -> &[String] {
        match self.changes.first() {
            Some(change) if change.cell.is_some() => &self.first.columns,
            _ => &[],
        }
    }

    fn name(&self, run: usize) -> String {
        self.others
            .get(run)
            .map_or_else(String::new, |other| other.folder.display().to_string())
    }
}

fn scale(scale: Scale) -> &'static str {
    match scale {
        Scale::Ratio => "ratio",
        Scale::Difference => "difference",
    }
}

/// B, C, ...: what tables call the runs after A.
fn letter(run: usize) -> String {
    match u8::try_from(run) {
        Ok(run) if run < 25 => char::from(b'B' + run).to_string(),
        _ => format!("run {}", run + 2),
    }
}
