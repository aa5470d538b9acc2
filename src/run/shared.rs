//! Runs that scenarios of one invocation have in common. Each is simulated once
//! and writes down all that any of them asks for; each scenario gets its part, the
//! same as if it ran alone.

use std::collections::BTreeMap;
use std::sync::Mutex;

use tidegate_sim::Recording;

use crate::run::cell::Finished;
use crate::run::pool::lock;
use crate::scenario::{Cell, Scenario};

/// What decides a run: its cell but for what is written down, and its seed.
type Key = (String, u64);

/// Runs of several scenarios, by what decides them.
#[derive(Debug, Default)]
pub struct Shared {
    runs: Mutex<BTreeMap<Key, Common>>,
}

/// One run that is wanted at least once.
#[derive(Debug)]
struct Common {
    /// All that is to be written down.
    recording: Recording,
    /// How many times it is wanted from now on.
    left: usize,
    /// There once it has run, until nobody wants it any more.
    finished: Option<Finished>,
}

impl Shared {
    /// What `scenarios` have in common.
    pub fn new<'a>(scenarios: impl IntoIterator<Item = &'a Scenario>) -> Shared {
        let mut runs: BTreeMap<Key, Common> = BTreeMap::new();
        for scenario in scenarios {
            for cell in &scenario.cells {
                for seed in &scenario.seeds {
                    let common = runs.entry(key(cell, *seed)).or_insert(Common {
                        recording: cell.recording,
                        left: 0,
                        finished: None,
                    });
                    // A run writes one series: who wants another runs again.
                    if let Some(both) = common.recording.and(cell.recording) {
                        common.recording = both;
                        common.left += 1;
                    }
                }
            }
        }
        Shared {
            runs: Mutex::new(runs),
        }
    }

    /// What a run of `cell` is to write down.
    pub fn recording(&self, cell: &Cell, seed: u64) -> Recording {
        let runs = lock(&self.runs);
        let common = runs.get(&key(cell, seed));
        common
            .filter(|common| common.recording.covers(cell.recording))
            .map_or(cell.recording, |common| common.recording)
    }

    /// The run of `cell`, if another scenario has had it run.
    pub fn take(&self, cell: &Cell, seed: u64) -> Option<Finished> {
        let mut runs = lock(&self.runs);
        let key = key(cell, seed);
        let common = runs.get_mut(&key)?;
        if !common.recording.covers(cell.recording) {
            return None;
        }
        let finished = common.finished.as_ref()?.only(cell.recording);
        common.left = common.left.saturating_sub(1);
        if common.left == 0 {
            runs.remove(&key);
        }
        Some(finished)
    }

    /// Keeps a run of `cell` for those that want it after this one, with
    /// `recorded` written down.
    pub fn put(&self, cell: &Cell, seed: u64, recorded: Recording, finished: &Finished) {
        let mut runs = lock(&self.runs);
        let key = key(cell, seed);
        let Some(common) = runs.get_mut(&key) else {
            return;
        };
        if !common.recording.covers(cell.recording) {
            return;
        }
        common.left = common.left.saturating_sub(1);
        if common.left == 0 {
            runs.remove(&key);
        } else if recorded.covers(common.recording) {
            common.finished = Some(finished.clone());
        }
    }
}

fn key(cell: &Cell, seed: u64) -> Key {
    (cell.simulation.clone(), seed)
}
