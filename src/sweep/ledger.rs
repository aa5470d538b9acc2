//! `sweep.json`: what the shards in a folder are of, and which job is at work on them.
//!
//! Written before the first job is submitted and after each; a second sweep into the
//! folder goes on from it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::results::read::{self, Code};
use crate::results::{manifest, store};
use crate::scenario::format::World;
use crate::sweep::engine::Job;
use crate::sweep::plan::Sweep;

/// The ledger of a folder.
#[derive(Debug)]
pub struct Ledger {
    path: PathBuf,
    written: Written,
}

#[derive(Debug, PartialEq, Deserialize, Serialize)]
struct Written {
    tidegate: Code,
    /// Run IDs by scenario.
    runs: BTreeMap<String, String>,
    shards: u64,
    /// The job that is not known to have ended.
    job: Option<Job>,
}

impl Ledger {
    /// The ledger of `sweep.out`: the one that is there, or a new one, which is not
    /// written yet.
    ///
    /// # Errors
    /// When the folder holds another sweep, one of other code, or a run of its own.
    pub fn open(sweep: &Sweep) -> Result<Ledger, Error> {
        let path = sweep.out.join("sweep.json");
        let new = Written {
            tidegate: Code::ours(World::Sim),
            runs: sweep
                .scenarios
                .iter()
                .map(|scenario| (scenario.name.clone(), manifest::id(scenario)))
                .collect(),
            shards: sweep.shards,
            job: None,
        };
        if path.is_file() {
            let found: Written = read::json(&path)?;
            same(&sweep.out, &found, &new)?;
            return Ok(Ledger {
                path,
                written: found,
            });
        }
        if sweep.out.join("id").is_file() {
            return Err(Error::Usage(format!(
                "{} holds a run that no sweep made\n  help: give another --out",
                sweep.out.display()
            )));
        }
        Ok(Ledger { path, written: new })
    }

    /// The job that is not known to have ended.
    pub fn job(&self) -> Option<&Job> {
        self.written.job.as_ref()
    }

    /// Notes the job at work, or that there is none.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn note(&mut self, job: Option<Job>) -> Result<(), Error> {
        self.written.job = job;
        let mut text = serde_json::to_vec_pretty(&self.written)
            .map_err(|error| Error::Internal(format!("the ledger cannot be written: {error}")))?;
        text.push(b'\n');
        store::put(&self.path, &text)
    }
}

/// Refuses a ledger of something else.
fn same(out: &Path, found: &Written, ours: &Written) -> Result<(), Error> {
    let shown = out.display();
    if !found.tidegate.is_ours(World::Sim) {
        return Err(Error::Results(format!(
            "{shown} holds a sweep of other code ({}) than this ({}): shards of both would not be \
             one run\n  help: go on with the tidegate that began it, or give another --out",
            found.tidegate, ours.tidegate
        )));
    }
    let what = if found.runs != ours.runs {
        "the scenarios, --set, --seeds or --filter differ".to_owned()
    } else if found.shards != ours.shards {
        format!("of {} shards, not {}", found.shards, ours.shards)
    } else {
        return Ok(());
    };
    Err(Error::Usage(format!(
        "{shown} holds another sweep: {what}\n  help: give the arguments it was begun with, or \
         another --out"
    )))
}
