//! `tidegate run`: scenarios in, results and tables out.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Instant, SystemTime};

use crate::cli::{RunArgs, SelectArgs, WorldArg};
use crate::commands::finish::{Course, Found, finish};
use crate::commands::overview::{self, Ending};
use crate::commands::{changes, folder, print, report};
use crate::compare::{Verdict, entries};
use crate::error::Error;
use crate::exit::Exit;
use crate::expect;
use crate::results::manifest;
use crate::results::store::Store;
use crate::run::{self, Interrupt, Options, Shared, live};
use crate::scenario::format::World;
use crate::scenario::{Cell, Filter, Scenario, find, set};
use crate::table;

/// Runs the scenarios that `args` names, one after the other.
pub fn run(args: &RunArgs) -> Exit {
    let interrupt = Interrupt::new();
    interrupt.listen();
    match all(args, &interrupt) {
        Ok(exit) => exit,
        Err(error) => report(&error),
    }
}

fn all(args: &RunArgs, interrupt: &Interrupt) -> Result<Exit, Error> {
    let (paths, scenarios) = load(&args.paths, &args.select, args.world)?;
    if args.out.is_some() {
        apart(&paths, &scenarios)?;
    }
    let shared = Shared::new(&scenarios);
    let mut exit = Exit::Fine;
    let mut endings = Vec::new();
    for (index, scenario) in scenarios.iter().enumerate() {
        let folder = folder(args.out.as_deref(), scenario, scenarios.len() > 1);
        let clock = Instant::now();
        let mut ending = match one(args, scenario, &folder, interrupt, &shared) {
            Ok(ending) => ending,
            Err(error) => Ending::new(scenario, report(&error)),
        };
        ending.took = clock.elapsed();
        exit = exit.and(ending.exit);
        endings.push(ending);
        let left = &paths[index + 1..];
        if interrupt.asked() && !left.is_empty() {
            for path in left {
                eprintln!("{}: not run", path.display());
            }
            exit = exit.and(Exit::Partial);
            break;
        }
    }
    if endings.len() > 1 && !args.quiet {
        print(&overview::table(&endings));
    }
    Ok(exit)
}

/// The scenarios that are to be run, with the files that they are in. All are read
/// before the first one runs: a slip in the last file should not show after an hour.
pub(crate) fn load(
    paths: &[PathBuf],
    select: &SelectArgs,
    world: Option<WorldArg>,
) -> Result<(Vec<PathBuf>, Vec<Scenario>), Error> {
    let mut changes = changes(select)?;
    if let Some(world) = world {
        changes.push(set::parse(&format!("run.world={world}"))?);
    }
    let filter = Filter::parse(&select.filter)?;
    let paths = find::scenarios(paths)?;
    let mut scenarios = Vec::new();
    for path in &paths {
        let scenario = Scenario::load(path, &changes, &filter)?;
        live_is_possible(&scenario)?;
        entries::targets(&scenario)?;
        entries::check_metrics(&scenario)?;
        scenarios.push(scenario);
    }
    Ok((paths, scenarios))
}

/// Refuses live cells that this host or this build cannot run.
fn live_is_possible(scenario: &Scenario) -> Result<(), Error> {
    let cells = scenario.cells.iter().filter_map(Cell::application);
    for cell in cells.filter(|cell| cell.world == World::Live) {
        live::check(cell)
            .map_err(|message| Error::Usage(format!("{}: {message}", scenario.name)))?;
    }
    Ok(())
}

/// Refuses scenarios that would share a folder: below `--out` each has the one
/// of its name.
pub(crate) fn apart(paths: &[PathBuf], scenarios: &[Scenario]) -> Result<(), Error> {
    let mut seen = BTreeMap::new();
    for (path, scenario) in paths.iter().zip(scenarios) {
        if let Some(other) = seen.insert(&scenario.name, path) {
            return Err(Error::Usage(format!(
                "{} and {} are both named `{}` and would share a folder below --out\n  \
                 help: run them one by one, each with an --out of its own",
                other.display(),
                path.display(),
                scenario.name
            )));
        }
    }
    Ok(())
}

fn one(
    args: &RunArgs,
    scenario: &Scenario,
    folder: &Path,
    interrupt: &Interrupt,
    shared: &Shared,
) -> Result<Ending, Error> {
    let (began, clock) = (SystemTime::now(), Instant::now());
    let jobs = match scenario.file.run.world {
        World::Sim => args.jobs.map_or_else(
            || thread::available_parallelism().map_or(1, usize::from),
            usize::from,
        ),
        // The host is what is measured: one at a time.
        World::Live => 1,
    };
    let options = Options {
        jobs,
        resume: args.resume,
        quiet: args.quiet,
        sets: args.select.set.clone(),
        stop_after: args.stop_after,
        shard: args.shard,
    };
    let store = Store::open(folder, &manifest::id(scenario))?;
    // What is there is known before the first cell is finished.
    store.put("manifest.json", &manifest::manifest(scenario)?)?;
    let results = run::pool::run(scenario, &store, &options, interrupt, shared)?;
    let mut ending = Ending::new(scenario, Exit::Fine);
    ending.simulated = results.finished() - results.reused - results.shared;
    let ours = args.shard.map(|shard| shard.runs(scenario));
    if let (Some(shard), Some(ours)) = (args.shard, ours)
        && !results.complete()
        && results.finished() >= ours
    {
        if !args.quiet {
            print(&format!(
                "{}: shard {shard}, {ours} of {} runs, kept in {}: `tidegate merge` puts shards \
                 together",
                scenario.name,
                scenario.runs(),
                folder.display()
            ));
        }
        return Ok(ending);
    }
    if !results.complete() {
        eprintln!(
            "{}: stopped with {} of {} runs (cells times seeds) finished, kept in {}\n  help: the same command with \
             --resume goes on from there",
            scenario.name,
            results.finished(),
            ours.unwrap_or(scenario.runs()),
            folder.display()
        );
        ending.exit = Exit::Partial;
        return Ok(ending);
    }

    let course = Course {
        jobs,
        began,
        took: clock.elapsed(),
    };
    let Found {
        comparisons,
        rivals,
    } = finish(scenario, &results, &store, course)?;
    let violations = expect::violations(scenario, &results);

    if !args.quiet {
        print(&table::cells(scenario, &results));
        if let Some(front) = &scenario.file.front {
            print(&table::front(front, &rivals, &results));
        }
        if !comparisons.entries.is_empty() {
            print(&table::comparison(&comparisons));
        }
    }
    ending.verdicts = comparisons.entries.iter().map(|e| e.verdict).collect();
    ending.violations = violations.len();
    if args.strict_published {
        let outside = comparisons
            .entries
            .iter()
            .filter(|entry| entry.verdict != Verdict::Within)
            .count();
        if outside > 0 {
            eprintln!(
                "{}: {outside} published figures are not met within tolerance",
                scenario.name
            );
            ending.exit = ending.exit.and(Exit::OutsideTolerance);
        }
    }
    for violation in &violations {
        let seed = violation.seed.map(|seed| format!(" with seed {seed}"));
        eprintln!(
            "{}: expectation failed: {} is {} in {}{}; expected {}",
            scenario.name,
            violation.metric,
            violation.value,
            violation.cell,
            seed.unwrap_or_default(),
            violation.threshold
        );
        ending.exit = ending.exit.and(Exit::ExpectationFailed);
    }
    if !args.quiet {
        print(&format!("results: {}", folder.display()));
    }
    Ok(ending)
}
