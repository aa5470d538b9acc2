//! How long a run will take.
//!
//! Known is how many events each cell of an earlier run had and how long an event
//! took there; a cell of another length is taken to have events in proportion. Where
//! there is no earlier run, a short piece of each cell is simulated. Both are rough:
//! machines are busy, and events differ.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Instant;

use tidegate_core::Span;
use tidegate_sim::Recording;

use crate::error::Error;
use crate::results::earlier::EarlierRun;
use crate::run::cell;
use crate::scenario::format::World;
use crate::scenario::matrix::Subject;
use crate::scenario::{Cell, Scenario};

/// So much of each cell is simulated where nothing is known.
const PIECE: Span = Span::from_secs(3);

/// What an estimate rests on.
#[derive(Debug)]
pub enum Basis {
    /// An earlier run.
    Earlier {
        /// Where it is.
        folder: PathBuf,
        /// Wall time of one event on one thread.
        seconds_per_event: f64,
        /// Events by cell and seed.
        events: BTreeMap<(Vec<String>, u64), u64>,
        /// Simulated length of each cell, in seconds; 0 where it has none.
        lengths: BTreeMap<Vec<String>, f64>,
    },
    /// A piece of each cell: seconds for the whole of it.
    Piece(Vec<f64>),
}

/// The best basis there is: the newest earlier run that was simulated, or pieces.
///
/// # Errors
/// When the simulator has a fault.
pub fn basis(scenario: &Scenario, earlier: &[EarlierRun]) -> Result<Basis, Error> {
    for run in earlier {
        let Some(course) = run.course() else { continue };
        let simulated = course.runs.saturating_sub(course.reused + course.shared);
        let events = run.events();
        let count = course.events as f64 * simulated as f64 / course.runs.max(1) as f64;
        if simulated == 0 || count == 0.0 || events.is_empty() {
            continue;
        }
        let threads = course.jobs.min(simulated) as f64;
        let cells = run.scenario.cells.iter();
        return Ok(Basis::Earlier {
            folder: run.folder.clone(),
            seconds_per_event: course.took_s * threads / count,
            events,
            lengths: cells
                .map(|cell| (cell.labels.clone(), length(cell)))
                .collect(),
        });
    }
    let seed = scenario.seeds.first().copied().unwrap_or(1);
    let pieces = scenario.cells.iter().map(|cell| piece(cell, seed));
    Ok(Basis::Piece(
        pieces.collect::<Result<_, _>>().map_err(Error::Internal)?,
    ))
}

impl Basis {
    /// Seconds that a cell with a seed will take on one thread, if that can be told.
    pub fn seconds(&self, scenario: &Scenario, index: usize, seed: u64) -> Option<f64> {
        let cell = scenario.cells.get(index)?;
        match self {
            Basis::Piece(seconds) => seconds.get(index).copied(),
            Basis::Earlier {
                seconds_per_event,
                events,
                lengths,
                ..
            } => {
                let here = (cell.labels.clone(), seed);
                let (from, to) = ((here.0.clone(), 0), (here.0.clone(), u64::MAX));
                let likely = events
                    .get(&here)
                    .map(|&events| events as f64)
                    .or_else(|| mean(events.range(from..=to).map(|(_, &events)| events)))
                    .or_else(|| mean(events.values().copied()))?;
                let scale = match lengths.get(&cell.labels) {
                    Some(&was) if was > 0.0 => length(cell) / was,
                    _ => 1.0,
                };
                Some(likely * scale * seconds_per_event)
            }
        }
    }

    /// In words.
    pub fn text(&self) -> String {
        match self {
            Basis::Earlier {
                folder,
                seconds_per_event,
                events,
                ..
            } => format!(
                "{} runs in {}, {:.0} ns per event",
                events.len(),
                folder.display(),
                seconds_per_event * 1e9
            ),
            Basis::Piece(_) => format!(
                "no earlier run of this scenario; {PIECE} of each cell were simulated and \
                 extrapolated"
            ),
        }
    }
}

fn mean(values: impl Iterator<Item = u64>) -> Option<f64> {
    let (sum, n) = values.fold((0.0, 0.0), |(sum, n), value| (sum + value as f64, n + 1.0));
    (n > 0.0).then(|| sum / n)
}

/// Simulated time of a cell, in seconds; 0 where it ends by itself.
fn length(cell: &Cell) -> f64 {
    cell.application()
        .map_or(0.0, |cell| (cell.settle + cell.duration).as_secs_f64())
}

/// Runs a piece of a cell, and says how long the whole of it will take.
fn piece(cell: &Cell, seed: u64) -> Result<f64, String> {
    if cell
        .application()
        .is_some_and(|cell| cell.world == World::Live)
    {
        return Ok(length(cell));
    }
    let mut part = cell.clone();
    let mut scale = 1.0;
    if let Subject::Application(application) = &mut part.subject {
        let whole = application.duration;
        application.settle = Span::ZERO;
        application.duration = whole.min(PIECE);
        scale = whole.as_secs_f64() / application.duration.as_secs_f64();
    }
    let clock = Instant::now();
    cell::in_simulator(&part, 0, seed, Recording::default())?;
    Ok(clock.elapsed().as_secs_f64() * scale)
}
