//! `tidegate trace inspect`: what a published trace holds.

use std::fmt::Write;

use tidegate_core::Span;
use tidegate_workloads::trace::{self, Format, Inspection, MAX_NAMES, Measure};

use crate::cli::InspectArgs;
use crate::commands::print;
use crate::error::Error;
use crate::table::{align_right, plain, trimmed};

/// Prints it.
pub(super) fn run(args: &InspectArgs) -> Result<(), Error> {
    let found = trace::inspect(&args.trace.files, args.trace.format)?;
    print(text(&found).trim_end());
    Ok(())
}

fn text(found: &Inspection) -> String {
    let layout = found.format.layout();
    let interval = layout.interval;
    let mut lines = vec![
        ("format", found.format.name().to_owned()),
        ("rows", found.rows.to_string()),
    ];
    if let Some((from, until)) = found.span {
        let length = until.saturating_sub(from);
        lines.push((
            "time",
            format!(
                "{} to {}, {} long",
                clock(from),
                clock(until),
                clock(length)
            ),
        ));
        let (silent, longest) = found.silent;
        let gaps = match silent {
            0 => format!("none: each interval of {interval} has a row"),
            _ => format!(
                "{silent} of {} intervals of {interval} have no row, at most {longest} in a row",
                length.0 / interval.0.max(1)
            ),
        };
        lines.push(("gaps", gaps));
    }
    if let Some((distance, who)) = &found.apart {
        let subject = &layout.columns[layout.subject].name;
        lines.push((
            "",
            format!("longest between two rows of one {subject}: {distance} ({who})"),
        ));
    }
    for words in &found.words {
        let mut line = if words.more {
            format!("more than {MAX_NAMES} different, such as {}", words.example)
        } else {
            format!("{} different, such as {}", words.different, words.example)
        };
        if !words.shown.is_empty() {
            let shown = words
                .shown
                .iter()
                .map(|(word, rows)| format!("{word} ({rows})"));
            line = shown.collect::<Vec<String>>().join(", ");
        }
        lines.push((&words.name, line));
    }
    if !found.extra.is_empty() {
        lines.push(("passed over", found.extra.join(", ")));
    }
    let mut text = String::new();
    let width = lines.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    for (name, line) in &lines {
        // Writing to a string does not fail.
        let _ = writeln!(text, "{name:width$}  {line}");
    }
    let mut table = plain();
    table.set_header([
        "column", "unit", "values", "empty", "least", "mean", "largest",
    ]);
    for column in &found.numbers {
        let range = [column.least, column.mean, column.largest];
        let range = range.map(|value| {
            if column.values > 0 {
                short(value)
            } else {
                String::new()
            }
        });
        let counts = [column.values, column.empty].map(|count| count.to_string());
        let head = [column.name.clone(), column.unit.to_owned()];
        table.add_row(head.into_iter().chain(counts).chain(range));
    }
    align_right(&mut table, 2);
    let _ = write!(text, "\n{}\n{}", trimmed(&table), uses(found.format));
    text
}

/// What a scenario can do with a trace.
fn uses(format: Format) -> String {
    let layout = format.layout();
    let subject = &layout.columns[layout.subject].name;
    let load = match layout.measure {
        Measure::Utilisation => {
            "a load of this shape, not of these rates (it has none): trace convert --low RATE \
             --high RATE"
        }
        Measure::RelativeRate => {
            "a load of this shape, for its calls are on a scale that is not published: trace \
             convert --low RATE --high RATE"
        }
        Measure::Rate | Measure::Minutes | Measure::Calls => {
            "a load in calls per second, as they are: trace convert"
        }
        Measure::Distribution => {
            return "a scenario can use\n  nothing of it over time: it has distributions over a \
                    day. They say what an application's durations or memory may be\n"
                .to_owned();
        }
    };
    let usage = if format == Format::Rates {
        String::new()
    } else {
        format!("  one series per {subject}: trace convert --to usage\n")
    };
    format!("a scenario can use\n  {load}\n{usage}")
}

/// A time as people say it.
fn clock(time: Span) -> String {
    let seconds = time.0 / 1_000_000_000;
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let clock = format!("{:02}:{:02}:{:02}", rest / 3_600, rest / 60 % 60, rest % 60);
    match days {
        0 => clock,
        1 => format!("1 day {clock}"),
        _ => format!("{days} days {clock}"),
    }
}

/// A number to read, not to calculate with.
fn short(value: f64) -> String {
    match value.abs() {
        size if size >= 1000.0 || value.fract() == 0.0 => format!("{value:.0}"),
        size if size >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.4}"),
    }
}
