//! `tidegate check`: everything `run` would refuse, without running.

use std::path::{Path, PathBuf};

use tidegate_workloads::{Application, Load};

use crate::cli::SelectArgs;
use crate::commands::{changes, print, report};
use crate::compare::entries;
use crate::error::Error;
use crate::exit::Exit;
use crate::scenario::continuum;
use crate::scenario::find;
use crate::scenario::format;
use crate::scenario::layer::{Document, Layer};
use crate::scenario::matrix::{read_client, read_testbed};
use crate::scenario::pieces::Kind;
use crate::scenario::policy::Policy;
use crate::scenario::{Filter, Scenario};

/// Checks all files, and says of each whether it is in order.
pub fn run(paths: &[PathBuf], select: &SelectArgs) -> Exit {
    match all(paths, select) {
        Ok(exit) => exit,
        Err(error) => report(&error),
    }
}

fn all(paths: &[PathBuf], select: &SelectArgs) -> Result<Exit, Error> {
    let changes = changes(select)?;
    let filter = Filter::parse(&select.filter)?;
    let mut exit = Exit::Fine;
    for path in find::scenarios(paths)? {
        match file(&path, &changes, &filter) {
            Ok(what) => print(&format!("{}: {what}", path.display())),
            Err(error) => exit = exit.and(report(&error)),
        }
    }
    Ok(exit)
}

/// Checks one file; says what it is.
///
/// # Errors
/// When it is not in order.
pub fn file(path: &Path, changes: &[Layer], filter: &Filter) -> Result<String, Error> {
    if let Some(kind) = find::kind_of(path) {
        return piece(kind, path);
    }
    let scenario = Scenario::load(path, changes, filter)?;
    entries::targets(&scenario)?;
    entries::check_metrics(&scenario)?;
    let plural = |n: usize, what: &str| match n {
        1 => format!("1 {what}"),
        n => format!("{n} {what}s"),
    };
    let length = match scenario.file.experiment {
        format::ExperimentKind::Application => format!(", {} each", scenario.file.run.duration),
        format::ExperimentKind::Continuum => String::new(),
    };
    Ok(format!(
        "{}, {}{length}",
        plural(scenario.cells.len(), "cell"),
        plural(scenario.seeds.len(), "seed"),
    ))
}

fn piece(kind: Kind, path: &Path) -> Result<String, Error> {
    let document = Document::read(path)?;
    if continuum::owns(kind, &document) {
        continuum::Reader::default().read(kind, document)?;
        return Ok(format!("a sound {}", kind.name()));
    }
    match kind {
        Kind::Application => {
            document.read_with(Application::parse)?;
        }
        Kind::Workload => {
            document.read_with(|path, text| Load::parse(path, text, 1))?;
        }
        Kind::Testbed => {
            read_testbed(&document)?;
        }
        Kind::Allocator => {
            Policy::read(document)?;
        }
        Kind::Client => {
            read_client(&document)?;
        }
        // All of them are of a continuum.
        Kind::Manager => {}
    }
    Ok(format!("a sound {}", kind.name()))
}
