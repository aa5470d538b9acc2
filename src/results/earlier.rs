//! Earlier runs of a scenario: what they have, what it was made of, and how long it
//! took.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::Deserialize;

use crate::results::recorded::Recorded;
use crate::results::store::Store;
use crate::scenario::{Cell, Scenario};

/// So many earlier runs are looked at, the newest first.
const RUNS: usize = 10;

/// What earlier runs know of a cell and a seed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    /// No earlier run has it.
    New,
    /// The run with this ID has it, and differs in other cells or seeds.
    Elsewhere(String),
    /// An earlier run has it, made of something else: what differs.
    Changed(String),
}

/// An earlier run of the scenario.
#[derive(Debug)]
pub struct EarlierRun {
    /// Its folder.
    pub folder: PathBuf,
    /// Its scenario.
    pub scenario: Scenario,
    id: String,
    ours: bool,
    store: Store,
}

/// What `run.json` says that matters here.
#[derive(Debug, Deserialize)]
pub struct Course {
    /// Wall time.
    pub took_s: f64,
    /// Threads.
    pub jobs: usize,
    /// Cells times seeds.
    pub runs: usize,
    /// Of those, taken over from a run that was interrupted.
    pub reused: usize,
    /// Of those, another scenario's.
    pub shared: usize,
    /// Events of all.
    pub events: u64,
}

/// The earlier runs of `scenario`, the newest first: those in `folder`, where it is to
/// go, and beside each other in `results/runs`.
pub fn runs(scenario: &Scenario, folder: &Path) -> Vec<EarlierRun> {
    let usual: PathBuf = ["results", "runs", &scenario.name].iter().collect();
    let entries = fs::read_dir(usual).into_iter().flatten().flatten();
    let mut folders: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    if !folders.iter().any(|known| known == folder) {
        folders.push(folder.to_owned());
    }
    let written = |folder: &PathBuf| -> Option<SystemTime> {
        fs::metadata(folder.join("manifest.json"))
            .ok()?
            .modified()
            .ok()
    };
    let mut dated: Vec<(SystemTime, PathBuf)> = folders
        .into_iter()
        .filter_map(|folder| Some((written(&folder)?, folder)))
        .collect();
    dated.sort();
    let newest = dated.into_iter().rev().take(RUNS);
    newest
        .filter_map(|(_, folder)| EarlierRun::read(folder, scenario))
        .collect()
}

/// What `runs` know of a cell and a seed.
pub fn status(runs: &[EarlierRun], cell: &Cell, seed: u64) -> Status {
    let found = runs
        .iter()
        .find_map(|run| Some((run, run.has(cell, seed)?)));
    let Some((run, other)) = found else {
        return Status::New;
    };
    let differs = |(name, hash): &(&String, &String)| other.parts.get(*name) != Some(hash);
    let mut why: Vec<&str> = cell
        .parts
        .iter()
        .filter(differs)
        .map(|(name, _)| name.as_str())
        .collect();
    if !run.ours {
        why.push("the code");
    }
    if why.is_empty() {
        Status::Elsewhere(run.id.clone())
    } else {
        Status::Changed(format!("{} since run {}", why.join(", "), run.id))
    }
}

impl EarlierRun {
    /// The run in `folder`, if it is one of this scenario that can be read.
    fn read(folder: PathBuf, scenario: &Scenario) -> Option<EarlierRun> {
        let recorded = Recorded::read(&folder).ok()?;
        let found = recorded.scenario(&[PathBuf::from("scenarios")]).ok()?;
        if found.name != scenario.name || found.columns != scenario.columns {
            return None;
        }
        Some(EarlierRun {
            store: Store::look(&folder, &recorded.id),
            ours: recorded.is_ours(),
            id: recorded.id,
            scenario: found,
            folder,
        })
    }

    /// Its cell with the labels of `cell`, if it is finished with this seed.
    fn has(&self, cell: &Cell, seed: u64) -> Option<&Cell> {
        let other = self.cell(&cell.labels)?;
        self.store.has(other, seed).then_some(other)
    }

    /// Its cell with these labels.
    pub fn cell(&self, labels: &[String]) -> Option<&Cell> {
        self.scenario
            .cells
            .iter()
            .find(|other| other.labels == labels)
    }

    /// Events of each cell and seed that is finished.
    pub fn events(&self) -> BTreeMap<(Vec<String>, u64), u64> {
        let mut events = BTreeMap::new();
        for cell in &self.scenario.cells {
            for &seed in &self.scenario.seeds {
                if let Some(finished) = self.store.cell(cell, seed) {
                    events.insert((cell.labels.clone(), seed), finished.events);
                }
            }
        }
        events
    }

    /// How it went, if it is finished.
    pub fn course(&self) -> Option<Course> {
        let text = fs::read(self.folder.join("run.json")).ok()?;
        serde_json::from_slice(&text).ok()
    }
}
