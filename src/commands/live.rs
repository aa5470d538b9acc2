//! The verbs of the live world: thin layers over the package `live`.

pub mod agent;

pub mod ca;

pub mod controller;

pub mod replay;

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use tidegate_core::Allocator;
use tidegate_workloads::application::Deployment;

use crate::error::Error;
use crate::scenario::matrix::ApplicationCell;
use crate::scenario::{Cell, Filter, Scenario, set};

/// The one cell of a scenario that is run for real.
pub(crate) struct Chosen {
    /// The cell.
    pub(crate) cell: Cell,
    /// What is in it.
    pub(crate) application: ApplicationCell,
}

impl Chosen {
    /// The cell of the scenario at `path` that `sets` and `filters` leave.
    ///
    /// # Errors
    /// When the scenario is wrong, there is not one cell, or it has no containers.
    pub(crate) fn load(path: &Path, sets: &[String], filters: &[String]) -> Result<Chosen, Error> {
        let changes: Result<Vec<_>, Error> = sets.iter().map(|set| set::parse(set)).collect();
        let scenario = Scenario::load(path, &changes?, &Filter::parse(filters)?)?;
        let [cell] = &scenario.cells[..] else {
            let open: Vec<&str> = scenario
                .columns
                .iter()
                .enumerate()
                .filter(|(column, _)| {
                    let mut cells = scenario.cells.iter().map(|cell| &cell.labels[*column]);
                    let first = cells.next();
                    cells.any(|label| Some(label) != first)
                })
                .map(|(_, column)| column.as_str())
                .collect();
            return Err(Error::Usage(format!(
                "{} has {} cells, and one can be run for real\n  help: choose with --filter \
                 COLUMN=VALUE; more than one value is left in `{}`",
                path.display(),
                scenario.cells.len(),
                open.join("`, `")
            )));
        };
        let Some(application) = cell.application() else {
            return Err(Error::Usage(format!(
                "{} is of a continuum, which has no containers to limit",
                path.display()
            )));
        };
        Ok(Chosen {
            application: application.clone(),
            cell: cell.clone(),
        })
    }

    /// The names of its containers, in the order in which policies number them.
    pub(crate) fn containers(&self) -> Vec<String> {
        let services = self.application.application.services.iter();
        services
            .filter(|service| service.deployment == Deployment::Container)
            .map(|service| service.name.clone())
            .collect()
    }

    /// Its policy, fresh.
    ///
    /// # Errors
    /// When its parameters make no sense together.
    pub(crate) fn policy(&self) -> Result<Box<dyn Allocator>, Error> {
        let cell = &self.application;
        cell.policy
            .build(&cell.application, &cell.testbed, &cell.limit, cell.settle)
            .map_err(Error::Internal)
    }
}

/// Calls `end` when this process is asked to end: by a signal, or, `with_input`, by the
/// end of its standard input, which comes with the death of whoever holds the other end.
///
/// # Errors
/// When signals have a handler already.
fn on_end(with_input: bool, end: impl Fn() + Send + Sync + 'static) -> Result<(), Error> {
    let end = Arc::new(end);
    if with_input {
        let end = end.clone();
        std::thread::spawn(move || {
            // An input that cannot be read has ended too.
            let _ = io::copy(&mut io::stdin().lock(), &mut io::sink());
            end();
        });
    }
    ctrlc::set_handler(move || end()).map_err(|error| Error::Internal(error.to_string()))
}

/// Another number for each start: nanoseconds since 1970.
fn this_start() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(1, |now| now.as_nanos() as u64)
}
