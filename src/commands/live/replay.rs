//! `tidegate replay`: what a controller recorded, played again.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use tidegate_live::record::reader::Reader;
use tidegate_live::replay::shadow::{self, Comparison};
use tidegate_live::replay::{ReplayError, same};

use super::Chosen;
use crate::cli::live::ReplayArgs;
use crate::commands::{print, report};
use crate::error::Error;
use crate::exit::Exit;
use crate::table;

/// Plays a recording to its policy, or to another.
pub fn run(args: &ReplayArgs) -> Exit {
    match play(args) {
        Ok(exit) => exit,
        Err(error) => report(&error),
    }
}

fn play(args: &ReplayArgs) -> Result<Exit, Error> {
    let path = &args.recording;
    let unread = |error: &dyn std::fmt::Display| {
        Error::Usage(format!("cannot read {}: {error}", path.display()))
    };
    let mut reader = Reader::open(path).map_err(|error| unread(&error))?;
    let header = reader.header().clone();
    let scenario = args.scenario.clone();
    let scenario = scenario.unwrap_or_else(|| PathBuf::from(&header.scenario));
    let mut filters = header.filters.clone();
    if let Some(allocator) = &args.allocator {
        filters.retain(|filter| !filter.starts_with("allocator="));
        filters.push(format!("allocator={allocator}"));
    }
    let chosen = Chosen::load(&scenario, &header.sets, &filters)?;
    if chosen.containers() != header.containers {
        return Err(unread(&format_args!(
            "it is of other containers than {} has",
            scenario.display()
        )));
    }
    if args.allocator.is_some() {
        let mut policy = chosen.policy()?;
        let comparison = shadow::play(&mut reader, &mut *policy, args.every);
        let comparison = comparison.map_err(|error| unread(&error))?;
        warn(path, &reader);
        return compared(args, &comparison);
    }
    if chosen.cell.simulation != header.hash {
        eprintln!(
            "note: {} is not what it was when this was recorded",
            scenario.display()
        );
    }
    match same(&mut reader, &mut *chosen.policy()?) {
        Ok(played) => {
            warn(path, &reader);
            print(&format!(
                "the same: {} calls over {:.3} s, {} commands, byte for byte",
                played.calls,
                played.until.as_secs_f64(),
                played.commands
            ));
            Ok(Exit::Fine)
        }
        Err(error @ ReplayError::Differs(..)) => {
            eprintln!("{}: {error}", path.display());
            Ok(Exit::NotReproduced)
        }
        Err(error) => Err(unread(&error)),
    }
}

/// Says so if the recording was cut off.
fn warn(path: &Path, reader: &Reader<BufReader<File>>) {
    if let Some(at) = reader.torn() {
        eprintln!(
            "note: {} was cut off at byte {at}; all before it is whole",
            path.display()
        );
    }
}

fn compared(args: &ReplayArgs, comparison: &Comparison) -> Result<Exit, Error> {
    if let Some(out) = &args.out {
        write(out, comparison)?;
    }
    let last = comparison.rows.last().copied().unwrap_or_default();
    let mut text = table::plain();
    let allocator = args.allocator.as_deref().unwrap_or_default();
    text.set_header(["", "recorded", allocator]);
    let numbers = |name: &str, digits: usize, [a, b]: [f64; 2]| {
        [
            name.to_owned(),
            format!("{a:.digits$}"),
            format!("{b:.digits$}"),
        ]
    };
    text.add_row(numbers("mean CPU limits, cores", 3, comparison.cpu_mean));
    let used = comparison.used_mean;
    text.add_row(numbers("mean CPU used, cores", 3, [used, used]));
    text.add_row(numbers(
        "mean memory limits, MiB",
        1,
        comparison.memory_mean,
    ));
    let counts = [
        (
            "throttled periods",
            [last.recorded.throttled, last.shadow.throttled],
        ),
        ("waits for memory", [last.recorded.waits, last.shadow.waits]),
        ("kills for memory", [last.recorded.kills, last.shadow.kills]),
        ("commands", [last.recorded.commands, last.shadow.commands]),
    ];
    for (name, [a, b]) in counts {
        text.add_row([name.to_owned(), a.to_string(), b.to_string()]);
    }
    table::align_right(&mut text, 1);
    print(&table::trimmed(&text));
    if comparison.periods == 0 {
        eprintln!(
            "note: no CPU periods were recorded (the policy of the recording saw none at the \
             controller), so nothing can be said of CPU"
        );
    }
    print(
        "What was used is as recorded: CPU that a container would have used had it been given \
         more is not in it.",
    );
    Ok(Exit::Fine)
}

/// Limits over time.
fn write(path: &Path, comparison: &Comparison) -> Result<(), Error> {
    let failed =
        |error: csv::Error| Error::Internal(format!("cannot write {}: {error}", path.display()));
    let mut csv = csv::Writer::from_path(path).map_err(failed)?;
    csv.write_record([
        "time_s",
        "cpu_used_cores",
        "cpu_limit_recorded_cores",
        "cpu_limit_cores",
        "memory_limit_recorded_mib",
        "memory_limit_mib",
        "throttled_periods_recorded",
        "throttled_periods",
    ])
    .map_err(failed)?;
    for row in &comparison.rows {
        csv.serialize((
            row.time.as_secs_f64(),
            row.used.as_f64(),
            row.recorded.cpu.as_f64(),
            row.shadow.cpu.as_f64(),
            row.recorded.memory.as_mib_f64(),
            row.shadow.memory.as_mib_f64(),
            row.recorded.throttled,
            row.shadow.throttled,
        ))
        .map_err(failed)?;
    }
    csv.flush()
        .map_err(|error| Error::io("write", path, &error))
}
