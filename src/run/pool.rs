//! Runs the cells of a scenario on several threads.
//!
//! Cells are handed out in their order; each is independent of all others, so
//! the number of threads decides nothing but the time it takes.

use std::ffi::OsString;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::error::Error;
use crate::results::store::Store;
use crate::run::cell::{self, Failure, Finished};
use crate::run::interrupt::Interrupt;
use crate::run::progress::Progress;
use crate::run::shard::Shard;
use crate::run::shared::Shared;
use crate::scenario::format::World;
use crate::scenario::{Cell, Scenario};

/// How to run.
#[derive(Clone, Debug)]
pub struct Options {
    /// Threads; at least one.
    pub jobs: usize,
    /// Whether finished cells of an earlier run are taken over.
    pub resume: bool,
    /// Whether progress is shown.
    pub quiet: bool,
    /// The `--set` arguments that the scenario was changed by, for a controller of the
    /// live world.
    pub sets: Vec<String>,
    /// Stops as if interrupted after so many cells: for tests.
    pub stop_after: Option<usize>,
    /// Runs only what is in this shard.
    pub shard: Option<Shard>,
}

/// All cells of a scenario with all seeds, as far as they are finished.
#[derive(Clone, Debug)]
pub struct Results {
    /// By cell, then by seed, in the order of the scenario.
    pub cells: Vec<Vec<Option<Finished>>>,
    /// How many were taken over from an earlier run.
    pub reused: usize,
    /// How many another scenario of this invocation had run.
    pub shared: usize,
}

impl Results {
    /// How many runs are finished.
    pub fn finished(&self) -> usize {
        self.cells.iter().flatten().flatten().count()
    }

    /// Whether all are finished.
    pub fn complete(&self) -> bool {
        self.cells.iter().flatten().all(Option::is_some)
    }
}

/// Runs all cells of `scenario`, storing each in `store` when it is finished. What
/// is in `shared` already is not run again.
///
/// # Errors
/// When a cell cannot be stored, or the simulator has a fault.
pub fn run(
    scenario: &Scenario,
    store: &Store,
    options: &Options,
    interrupt: &Interrupt,
    shared: &Shared,
) -> Result<Results, Error> {
    let mut cells = Vec::with_capacity(scenario.cells.len());
    let mut todo = Vec::new();
    let mut reused = 0;
    for (index, cell) in scenario.cells.iter().enumerate() {
        let mut seeds = Vec::with_capacity(scenario.seeds.len());
        for (seed_index, seed) in scenario.seeds.iter().enumerate() {
            let found = if options.resume {
                store.cell(cell, *seed)
            } else {
                None
            };
            if let Some(found) = &found {
                reused += 1;
                shared.put(cell, *seed, cell.recording, found);
            } else if options.shard.is_none_or(|shard| shard.holds(cell, *seed)) {
                todo.push((index, seed_index));
            }
            seeds.push(found);
        }
        cells.push(seeds);
    }

    let progress = Progress::new(&scenario.name, todo.len(), options.quiet || todo.is_empty());
    let done = Mutex::new(Vec::with_capacity(todo.len()));
    let failed = Mutex::new(None);
    let next = AtomicUsize::new(0);
    let taken = AtomicUsize::new(0);
    let work = || {
        while !interrupt.asked() {
            let turn = next.fetch_add(1, Ordering::SeqCst);
            if options.stop_after.is_some_and(|stop| turn >= stop) {
                interrupt.ask();
                return;
            }
            let Some(&(index, seed_index)) = todo.get(turn) else {
                return;
            };
            match one(
                scenario,
                store,
                options,
                (index, seed_index),
                shared,
                interrupt,
            ) {
                Ok(None) => return,
                Ok(Some((finished, from_another))) => {
                    taken.fetch_add(usize::from(from_another), Ordering::SeqCst);
                    progress.step(&scenario.cells[index].labels.join(" "));
                    lock(&done).push((index, seed_index, finished));
                }
                Err(error) => {
                    lock(&failed).get_or_insert(error);
                    interrupt.ask();
                    return;
                }
            }
        }
    };
    thread::scope(|scope| {
        for _ in 1..options.jobs.clamp(1, todo.len().max(1)) {
            scope.spawn(work);
        }
        work();
    });
    progress.end();

    if let Some(error) = lock(&failed).take() {
        return Err(error);
    }
    for (index, seed_index, finished) in lock(&done).drain(..) {
        cells[index][seed_index] = Some(finished);
    }
    Ok(Results {
        cells,
        reused,
        shared: taken.into_inner(),
    })
}

/// One run, and whether it is another scenario's; none if it was interrupted.
fn one(
    scenario: &Scenario,
    store: &Store,
    options: &Options,
    (index, seed_index): (usize, usize),
    shared: &Shared,
    interrupt: &Interrupt,
) -> Result<Option<(Finished, bool)>, Error> {
    let (cell, seed) = (&scenario.cells[index], scenario.seeds[seed_index]);
    if let Some(finished) = shared.take(cell, seed) {
        store.put_cell(cell, seed, &finished)?;
        return Ok(Some((finished, true)));
    }
    let recording = shared.recording(cell, seed);
    let deciding = deciding(scenario, cell, &options.sets);
    let all = match cell::run(cell, seed_index, seed, recording, &deciding, interrupt) {
        Ok(all) => all,
        Err(Failure::Interrupted) => return Ok(None),
        Err(Failure::Fault(cause)) => {
            let world = match scenario.file.run.world {
                World::Sim => "the simulator failed",
                World::Live => "the live run failed",
            };
            return Err(Error::Internal(format!(
                "{world} in the cell {} with seed {seed}: {cause}",
                cell.labels.join(" ")
            )));
        }
    };
    shared.put(cell, seed, recording, &all);
    let finished = all.only(cell.recording);
    store.put_cell(cell, seed, &finished)?;
    Ok(Some((finished, false)))
}

/// How a controller is told of `cell`: the scenario, what changes it, and its value in
/// each column.
fn deciding(scenario: &Scenario, cell: &Cell, sets: &[String]) -> Vec<OsString> {
    let mut arguments = vec![scenario.document.path().as_os_str().to_owned()];
    for set in sets {
        arguments.extend(["--set".into(), set.into()]);
    }
    for (column, label) in scenario.columns.iter().zip(&cell.labels) {
        arguments.extend(["--filter".into(), format!("{column}={label}").into()]);
    }
    arguments
}

/// A panicking thread leaves nothing half-changed behind these locks.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}
