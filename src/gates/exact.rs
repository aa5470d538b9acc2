//! Tier 1: the tables and the simulator's counters of a gate, byte for byte.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use crate::commands::finish::{Course, finish};
use crate::commands::verify::first_difference;
use crate::error::Error;
use crate::gates::{Finding, Gate};
use crate::results::store::Store;
use crate::results::{manifest, summary};
use crate::run::{self, Interrupt, Options, Shared};

/// What is kept of a run, and compared.
pub const TABLES: [&str; 3] = ["summary.csv", "containers.csv", "counters.csv"];

/// Runs a gate and puts what is compared into `folder`.
///
/// # Errors
/// When the scenario is wrong or the system refuses.
pub fn make(gate: &Gate, folder: &Path, jobs: usize) -> Result<(), Error> {
    let scenario = gate.load()?;
    let temporary = tempfile::tempdir()
        .map_err(|error| Error::Internal(format!("cannot make a temporary folder: {error}")))?;
    let store = Store::open(temporary.path(), &manifest::id(&scenario))?;
    let options = Options {
        sets: Vec::new(),
        jobs,
        resume: false,
        quiet: true,
        stop_after: None,
        shard: None,
    };
    let shared = Shared::new([&scenario]);
    let results = run::pool::run(&scenario, &store, &options, &Interrupt::new(), &shared)?;
    let course = Course {
        jobs,
        began: SystemTime::now(),
        took: Duration::ZERO,
    };
    finish(&scenario, &results, &store, course)?;
    store.put("counters.csv", &summary::counters(&scenario, &results)?)?;
    fs::create_dir_all(folder).map_err(|error| Error::io("make", folder, &error))?;
    for name in TABLES {
        let (from, to) = (temporary.path().join(name), folder.join(name));
        fs::copy(&from, &to).map_err(|error| Error::io("write", &to, &error))?;
    }
    Ok(())
}

/// Runs a gate and compares with its reference in `folder`.
///
/// # Errors
/// As [`make`], or when there is no reference.
pub fn check(gate: &Gate, folder: &Path, jobs: usize) -> Result<Vec<Finding>, Error> {
    let now = tempfile::tempdir()
        .map_err(|error| Error::Internal(format!("cannot make a temporary folder: {error}")))?;
    make(gate, now.path(), jobs)?;
    TABLES
        .iter()
        .map(|name| {
            let read = |folder: &Path| {
                let path = folder.join(name);
                fs::read(&path).map_err(|error| {
                    Error::Results(format!(
                        "{}: there is no reference ({error})\n  help: `tidegate bench --bless` \
                         makes one",
                        path.display()
                    ))
                })
            };
            let difference = first_difference(&read(folder)?, &read(now.path())?);
            Ok(Finding {
                gate: gate.name.clone(),
                what: (*name).to_owned(),
                holds: difference.is_none(),
                text: difference.unwrap_or_else(|| "the same bytes".to_owned()),
            })
        })
        .collect()
}
