//! `tidegate plan`: what `run` would do, why, and for how long.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::thread;

use crate::cli::PlanArgs;
use crate::commands::{changes, folder, print, report};
use crate::error::Error;
use crate::exit::Exit;
use crate::results::earlier::{self, Status};
use crate::results::estimate;
use crate::results::manifest;
use crate::results::store::Store;
use crate::scenario::{Filter, Scenario, find};
use crate::table::{align_right, plain, trimmed};

/// Plans the scenarios that `args` names.
pub fn run(args: &PlanArgs) -> Exit {
    match all(args) {
        Ok(exit) => exit,
        Err(error) => report(&error),
    }
}

fn all(args: &PlanArgs) -> Result<Exit, Error> {
    let changes = changes(&args.select)?;
    let filter = Filter::parse(&args.select.filter)?;
    let paths = find::scenarios(&args.paths)?;
    let scenarios = paths
        .iter()
        .map(|path| Scenario::load(path, &changes, &filter))
        .collect::<Result<Vec<_>, _>>()?;
    let jobs = args.jobs.map_or_else(
        || thread::available_parallelism().map_or(1, usize::from),
        usize::from,
    );
    let several = scenarios.len() > 1;
    for scenario in &scenarios {
        let folder = folder(args.out.as_deref(), scenario, several);
        print(&one(scenario, folder, jobs)?);
    }
    Ok(Exit::Fine)
}

/// What there is of some seeds of a cell.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum What {
    /// It is there.
    Cached,
    /// It is to be run.
    Missing(Status),
}

impl What {
    /// Its state, and why.
    fn words(&self) -> (&'static str, String) {
        match self {
            What::Cached => (
                "cached",
                "finished in this folder: --resume takes it".to_owned(),
            ),
            What::Missing(Status::New) => ("new", "no earlier run has it".to_owned()),
            What::Missing(Status::Elsewhere(id)) => (
                "new",
                format!("run {id} has the same, but other seeds or cells beside it"),
            ),
            What::Missing(Status::Changed(why)) => ("changed", why.clone()),
        }
    }
}

fn one(scenario: &Scenario, folder: PathBuf, jobs: usize) -> Result<String, Error> {
    let id = manifest::id(scenario);
    let earlier = earlier::runs(scenario, &folder);
    let store = Store::look(&folder, &id);
    let mut table = plain();
    let mut head: Vec<&str> = scenario.columns.iter().map(String::as_str).collect();
    let columns = head.len();
    head.extend(["seeds", "time [s]", "state", "why"]);
    table.set_header(head);
    let mut sums: BTreeMap<&str, usize> = BTreeMap::new();
    let (mut total, mut known) = (0.0, true);
    let basis = estimate::basis(scenario, &earlier)?;
    for (index, cell) in scenario.cells.iter().enumerate() {
        let mut groups: BTreeMap<What, Vec<u64>> = BTreeMap::new();
        for &seed in &scenario.seeds {
            let what = if store.cell(cell, seed).is_some() {
                What::Cached
            } else {
                What::Missing(earlier::status(&earlier, cell, seed))
            };
            groups.entry(what).or_default().push(seed);
        }
        for (what, seeds) in groups {
            let seconds = match what {
                What::Cached => Some(0.0),
                _ => seeds
                    .iter()
                    .map(|&seed| basis.seconds(scenario, index, seed))
                    .sum(),
            };
            match seconds {
                Some(seconds) => total += seconds,
                None => known = false,
            }
            let (state, why) = what.words();
            *sums.entry(state).or_default() += seeds.len();
            let mut row = cell.labels.clone();
            row.extend([
                seeds.len().to_string(),
                seconds.map_or_else(|| "-".to_owned(), |seconds| format!("{seconds:.2}")),
                state.to_owned(),
                why,
            ]);
            table.add_row(row);
        }
    }
    align_right(&mut table, columns);
    for column in table.column_iter_mut().skip(columns + 2) {
        column.set_cell_alignment(comfy_table::CellAlignment::Left);
    }
    let sums: Vec<String> = sums
        .iter()
        .map(|(state, n)| format!("{n} {state}"))
        .collect();
    let time = if known {
        let wall = total / jobs.min(scenario.runs()).max(1) as f64;
        format!("about {} on {jobs} threads", duration(wall))
    } else {
        "for an unknown time".to_owned()
    };
    Ok(format!(
        "{}: {}, to {}\n{}{} runs: {}; {time}\nbasis: {}\n",
        scenario.name,
        scenario.file.title,
        folder.display(),
        trimmed(&table),
        scenario.runs(),
        sums.join(", "),
        basis.text()
    ))
}

/// Seconds as a person says them.
fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 10.0 => format!("{s:.1} s"),
        s if s < 120.0 => format!("{s:.0} s"),
        s => format!("{:.0} min", s / 60.0),
    }
}
