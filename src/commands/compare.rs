//! `tidegate compare`: is one run better than another, or is it chance?

use crate::cli::{CompareArgs, Layout};
use crate::commands::{print, report};
use crate::compare::change::{self, Method};
use crate::compare::render::{self, Report};
use crate::compare::run_table::RunTable;
use crate::compare::worlds;
use crate::error::Error;
use crate::exit::Exit;

/// Compares the runs that `args` names.
pub fn run(args: &CompareArgs) -> Exit {
    match runs(args) {
        Ok(exit) => exit,
        Err(error) => report(&error),
    }
}

fn runs(args: &CompareArgs) -> Result<Exit, Error> {
    let tables = args
        .runs
        .iter()
        .map(|folder| RunTable::read(folder))
        .collect::<Result<Vec<_>, _>>()?;
    if args.worlds {
        return worlds_apart(&tables);
    }
    let Some((first, others)) = tables.split_first() else {
        return Err(Error::Usage("no run is given".to_owned()));
    };
    let method = Method {
        unpaired: args.unpaired,
        per_cell: args.per_cell,
    };
    for other in others {
        let common = change::common(first, other, method)?;
        if common.left_out != (0, 0) {
            eprintln!(
                "{}: {} cells and {} seeds are not in both and left out",
                other.folder.display(),
                common.left_out.0,
                common.left_out.1
            );
        }
    }
    let mut changes = change::changes(first, others, method)?;
    if !args.metric.is_empty() {
        // Before anything is judged: the family is what was asked for.
        let known = |name: &String| first.metric(name).is_some();
        if let Some(unknown) = args.metric.iter().find(|name| !known(name)) {
            let names = first.metrics.iter().map(|metric| metric.name.as_str());
            let help = tidegate_workloads::file::suggestion(unknown, names);
            let help = help.map_or_else(String::new, |help| format!("\n  help: {help}"));
            return Err(Error::Usage(format!(
                "--metric {unknown}: these runs have no such metric{help}"
            )));
        }
        changes.retain(|change| args.metric.contains(&change.metric));
    }
    change::judge(&mut changes);
    let seeds = changes.iter().map(|change| change.seeds).max().unwrap_or(0);
    let report = Report {
        first,
        others,
        changes: &changes,
        threshold: args.threshold,
        method: render::method(args.unpaired, seeds),
    };
    match args.format {
        Layout::Table => print(report.table().trim_end()),
        Layout::Markdown => print(report.markdown().trim_end()),
        Layout::Csv => print(String::from_utf8_lossy(&report.csv()?).trim_end()),
        Layout::Json => print(&format!("{:#}", report.json())),
    }
    Ok(if report.regressions().is_empty() {
        Exit::Fine
    } else {
        Exit::Regression
    })
}

/// A run in the simulator beside one on this host.
fn worlds_apart(tables: &[RunTable]) -> Result<Exit, Error> {
    let [sim, live] = tables else {
        return Err(Error::Usage(
            "--worlds wants two runs: the simulator's, then this host's".to_owned(),
        ));
    };
    let worlds = worlds::compare(sim, live)?;
    print(worlds.table(&live.columns).trim_end());
    Ok(if worlds.holds() {
        Exit::Fine
    } else {
        Exit::Regression
    })
}
