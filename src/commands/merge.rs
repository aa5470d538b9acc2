//! `tidegate merge`: the shards of a run put together, as if one machine had run it.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime};

use crate::cli::MergeArgs;
use crate::commands::finish::{Course, finish};
use crate::commands::verify::first_difference;
use crate::commands::{print, report};
use crate::error::Error;
use crate::exit::Exit;
use crate::results::manifest::{self, Code};
use crate::results::recorded::Recorded;
use crate::results::store::Store;
use crate::run::Results;
use crate::run::cell::Finished;
use crate::scenario::{Cell, Scenario};

/// Puts the shards that `args` names together.
pub fn run(args: &MergeArgs) -> Exit {
    match merge(args) {
        Ok(()) => Exit::Fine,
        Err(error) => report(&error),
    }
}

fn merge(args: &MergeArgs) -> Result<(), Error> {
    let Some(first) = args.shards.first() else {
        return Err(Error::Usage("no shard is given".to_owned()));
    };
    let recorded = Recorded::read(first)?;
    if !recorded.is_ours() {
        return Err(Error::Results(format!(
            "{}: made by other code (version {}, sources {}) than this ({}, {})\n  help: merge \
             with the tidegate that ran the shards",
            first.display(),
            recorded.tidegate.version,
            recorded.tidegate.sources,
            Code::of(recorded.world).version,
            Code::of(recorded.world).sources
        )));
    }
    let scenario = recorded.scenario(&args.files)?;
    shards(&scenario, &args.shards, &args.out)
}

/// Writes the run of `scenario` into `out`, from the folders of its shards.
///
/// # Errors
/// When they are of different runs, have holes or conflicts, or the system refuses.
pub(crate) fn shards(scenario: &Scenario, shards: &[PathBuf], out: &Path) -> Result<(), Error> {
    let (began, clock) = (SystemTime::now(), Instant::now());
    if let Some((first, others)) = shards.split_first() {
        for other in others {
            same(first, other)?;
        }
    }
    let id = manifest::id(scenario);
    let results = collect(scenario, &id, shards)?;
    let store = Store::open(out, &id)?;
    store.put("manifest.json", &manifest::manifest(scenario)?)?;
    for (cell, seeds) in scenario.cells.iter().zip(&results.cells) {
        for (&seed, finished) in scenario.seeds.iter().zip(seeds) {
            if let Some(finished) = finished {
                store.put_cell(cell, seed, finished)?;
            }
        }
    }
    // Of the merging alone: all runs count as taken over, so that nobody takes it for
    // the time of simulating them.
    let course = Course {
        jobs: 1,
        began,
        took: clock.elapsed(),
    };
    finish(scenario, &results, &store, course)?;
    print(&format!(
        "{}: {} runs of {} shards, to {}",
        scenario.name,
        results.finished(),
        shards.len(),
        out.display()
    ));
    Ok(())
}

/// Refuses shards of different runs: their manifests differ.
fn same(first: &Path, other: &Path) -> Result<(), Error> {
    Recorded::read(other)?;
    let read = |folder: &Path| {
        let path = folder.join("manifest.json");
        fs::read(&path).map_err(|error| Error::io("read", &path, &error))
    };
    match first_difference(&read(first)?, &read(other)?) {
        None => Ok(()),
        Some(text) => Err(Error::Results(format!(
            "{} and {} are no shards of one run: in manifest.json {text}\n  help: the code or \
             the scenario differs; run the shards of one of them anew",
            first.display(),
            other.display()
        ))),
    }
}

/// All cells and seeds of the shards.
fn collect(scenario: &Scenario, id: &str, shards: &[PathBuf]) -> Result<Results, Error> {
    let stores: Vec<Store> = shards.iter().map(|shard| Store::look(shard, id)).collect();
    let mut holes = Vec::new();
    let mut one = |cell: &Cell, seed: u64| -> Result<Option<Finished>, Error> {
        let mut found: Option<(usize, Finished)> = None;
        for (index, store) in stores.iter().enumerate() {
            let Some(finished) = store.cell(cell, seed) else {
                continue;
            };
            if let Some((before, known)) = &found {
                if !equal(known, &finished) {
                    return Err(Error::Results(format!(
                        "{} and {} both have {} with seed {seed}, and not the same\n  help: one of \
                         the machines computes otherwise: `tidegate verify` tells which",
                        shards[*before].display(),
                        shards[index].display(),
                        cell.labels.join(" ")
                    )));
                }
            } else {
                found = Some((index, finished));
            }
        }
        if found.is_none() {
            holes.push(format!("{} with seed {seed}", cell.labels.join(" ")));
        }
        Ok(found.map(|(_, finished)| finished))
    };
    let mut cells = Vec::new();
    for cell in &scenario.cells {
        let seeds = scenario.seeds.iter().map(|&seed| one(cell, seed));
        cells.push(seeds.collect::<Result<Vec<_>, _>>()?);
    }
    if let Some(hole) = holes.first() {
        return Err(Error::Partial(format!(
            "{} of {} runs are in none of these shards: {hole}{}\n  help: give all shards, and \
             finish each with the same command and --resume",
            holes.len(),
            scenario.runs(),
            if holes.len() > 1 { " and others" } else { "" }
        )));
    }
    Ok(Results {
        cells,
        reused: scenario.runs(),
        shared: 0,
    })
}

/// Whether two results are the same as they are stored: what was not measured is no
/// number in both.
fn equal(a: &Finished, b: &Finished) -> bool {
    let text = |finished| serde_json::to_string(finished).ok();
    text(a) == text(b)
}
