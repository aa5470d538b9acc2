//! A scenario read back from the manifest of its run: the same cells, whatever the
//! scenario file and its pieces say by now.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::{Table, Value};

use crate::error::Error;
use crate::results::manifest;
use crate::results::read::{self, Code};
use crate::scenario::format::World;
use crate::scenario::layer::Document;
use crate::scenario::{Scenario, file_hash};

/// What a manifest says that it takes to run its scenario again.
#[derive(Debug, Deserialize)]
pub struct Recorded {
    /// The run's ID.
    pub id: String,
    /// The code that ran it.
    pub tidegate: Code,
    /// The world it ran in.
    pub world: World,
    /// The scenario's name.
    pub scenario: String,
    pieces: BTreeMap<String, BTreeMap<String, Piece>>,
    /// Not in manifests of old.
    #[serde(default)]
    scenario_file: Option<Table>,
}

#[derive(Debug, Deserialize)]
struct Piece {
    parameters: Table,
    #[serde(default)]
    files: BTreeMap<String, String>,
}

impl Recorded {
    /// Reads the manifest of the run in `folder`.
    ///
    /// # Errors
    /// When there is none, or it is damaged.
    pub fn read(folder: &Path) -> Result<Recorded, Error> {
        let path = folder.join("manifest.json");
        if !path.is_file() {
            read::whole(folder)?;
        }
        read::json(&path)
    }

    /// Whether it was made by the code of this process.
    pub fn is_ours(&self) -> bool {
        self.tidegate.is_ours(self.world)
    }

    /// The scenario. Traces that its pieces name are looked for below `roots`.
    ///
    /// # Errors
    /// When a trace is gone or changed, or this code does not understand the scenario.
    pub fn scenario(&self, roots: &[PathBuf]) -> Result<Scenario, Error> {
        let Some(mut file) = self.scenario_file.clone() else {
            return Err(Error::Results(format!(
                "the manifest of run {} does not hold its scenario\n  help: Tidegate wrote \
                 none into manifests when it was made; run the scenario anew",
                self.id
            )));
        };
        for (kind, pieces) in &self.pieces {
            let pieces = pieces
                .iter()
                .map(|(name, piece)| (name.clone(), Value::Table(piece.parameters.clone())));
            file.insert(kind.clone(), Value::Table(pieces.collect()));
        }
        let path = self.folder(roots)?.join(format!("{}.toml", self.scenario));
        let scenario = Scenario::restore(Document::made(&path, file))?;
        if self.is_ours() && manifest::id(&scenario) != self.id {
            return Err(Error::Results(format!(
                "the manifest of run {} does not describe that run: what it says is run {}",
                self.id,
                manifest::id(&scenario)
            )));
        }
        Ok(scenario)
    }

    /// The folder that all traces are relative to.
    fn folder(&self, roots: &[PathBuf]) -> Result<PathBuf, Error> {
        let pieces = self.pieces.values().flat_map(BTreeMap::values);
        let files: BTreeMap<&String, &String> = pieces.flat_map(|piece| &piece.files).collect();
        if files.is_empty() {
            return Ok(PathBuf::new());
        }
        let whole = |folder: &PathBuf| {
            files.iter().all(|(name, hash)| {
                let found = file_hash(&folder.join(name));
                found.is_ok_and(|found| found == **hash)
            })
        };
        let mut folders = roots.to_vec();
        let mut next = 0;
        while let Some(folder) = folders.get(next).cloned() {
            if whole(&folder) {
                return Ok(folder);
            }
            let below = fs::read_dir(&folder).into_iter().flatten().flatten();
            folders.extend(below.map(|entry| entry.path()).filter(|path| path.is_dir()));
            next += 1;
        }
        let names: Vec<&str> = files.keys().map(|name| name.as_str()).collect();
        let roots: Vec<String> = roots
            .iter()
            .map(|root| root.display().to_string())
            .collect();
        Err(Error::Results(format!(
            "run {} read {}: no folder below {} has that with the content of then",
            self.id,
            names.join(", "),
            roots.join(", ")
        )))
    }
}
