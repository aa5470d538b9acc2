//! The pieces of an experiment on a continuum, and its cells.
//!
//! A testbed, workload or client of a continuum has a `kind` that says so; the
//! other pieces of these names belong to experiments on an application.

use std::sync::Arc;

use serde::de::DeserializeOwned;
use tidegate_sim::Outcome;
use tidegate_sim::continuum::{Client, Continuum, Experiment, Manager, Task};
use tidegate_workloads::{FileError, file};
use toml::Value;

use crate::scenario::layer::Document;
use crate::scenario::pieces::Kind;
use crate::scenario::policy::checked;

/// What one cell runs.
#[derive(Clone, Debug)]
pub struct ContinuumCell {
    /// Where it runs.
    pub continuum: Arc<Continuum>,
    /// Who deploys.
    pub manager: Manager,
    /// Who asks.
    pub client: Client,
    /// What is asked.
    pub task: Task,
}

impl ContinuumCell {
    fn experiment(&self, seed: u64) -> Experiment<'_> {
        Experiment {
            continuum: &self.continuum,
            manager: &self.manager,
            client: &self.client,
            task: &self.task,
            seed,
        }
    }

    /// Runs it with a seed.
    ///
    /// # Errors
    /// When the pieces do not fit together; [`Reader::finish`] has made sure that
    /// they do.
    pub fn run(&self, seed: u64) -> Result<Outcome, String> {
        tidegate_sim::continuum::run(&self.experiment(seed))
    }
}

/// The kinds of a piece that belong to a continuum.
fn kinds(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Testbed => &["continuum"],
        Kind::Client => &["httpx"],
        Kind::Manager => &["terraform"],
        Kind::Workload => &Task::KINDS,
        Kind::Application | Kind::Allocator => &[],
    }
}

/// Whether a piece is one of a continuum.
pub fn owns(kind: Kind, piece: &Document) -> bool {
    let name = piece.table().get("kind").and_then(Value::as_str);
    kind == Kind::Manager || name.is_some_and(|name| kinds(kind).contains(&name))
}

/// Reads the pieces of a cell, one after the other.
#[derive(Debug, Default)]
pub struct Reader {
    continuum: Option<Arc<Continuum>>,
    manager: Option<Manager>,
    client: Option<Client>,
    task: Option<(Task, Document)>,
}

impl Reader {
    /// Reads the piece of `kind`.
    ///
    /// # Errors
    /// When it is not of a continuum, or its keys or values are wrong.
    pub fn read(&mut self, kind: Kind, mut piece: Document) -> Result<(), FileError> {
        let which = take_kind(kind, &mut piece)?;
        match kind {
            Kind::Testbed => {
                let continuum = decode(&piece, Continuum::check)?;
                self.continuum = Some(Arc::new(continuum));
            }
            Kind::Manager => self.manager = Some(decode(&piece, Manager::check)?),
            Kind::Client => self.client = Some(decode(&piece, Client::check)?),
            Kind::Workload => {
                let task = match which.as_str() {
                    "invocations" => Task::Invocations(piece.decode()?),
                    "deployments" => Task::Deployments(piece.decode()?),
                    "services" => Task::Services(piece.decode()?),
                    "violations" => Task::Violations(piece.decode()?),
                    "faults" => Task::Faults(Box::new(piece.decode()?)),
                    "scale" => Task::Scale(piece.decode()?),
                    other => unreachable!("`{other}` is among Task::KINDS but not read"),
                };
                checked(&piece, task.check())?;
                self.task = Some((task, piece));
            }
            Kind::Application | Kind::Allocator => {}
        }
        Ok(())
    }

    /// The cell, if its pieces fit together.
    ///
    /// # Errors
    /// When they do not, at the workload's key that is to blame.
    pub fn finish(self) -> Result<ContinuumCell, FileError> {
        let (Some(continuum), Some(manager), Some(client), Some((task, piece))) =
            (self.continuum, self.manager, self.client, self.task)
        else {
            unreachable!("the kinds of pieces of a continuum are those that are read");
        };
        let cell = ContinuumCell {
            continuum,
            manager,
            client,
            task,
        };
        checked(&piece, cell.experiment(0).check())?;
        Ok(cell)
    }
}

/// Takes out a piece's `kind`, which must be one of a continuum's.
fn take_kind(kind: Kind, piece: &mut Document) -> Result<String, FileError> {
    let at = piece.value_at(&["kind".to_owned()]);
    let known = kinds(kind);
    let expected = format!("expected one of `{}`", known.join("`, `"));
    match piece.take("kind") {
        Some(Value::String(found)) if known.contains(&found.as_str()) => Ok(found),
        Some(Value::String(found)) => {
            let message = format!(
                "a {} of kind `{found}` has no place on a continuum",
                kind.name()
            );
            let help = file::suggestion(&found, known.iter().copied()).unwrap_or(expected);
            Err(at.error(message).with_help(help))
        }
        Some(other) => Err(at.error(format!(
            "`kind` must be text in quotes, not {}",
            other.type_str()
        ))),
        None => Err(piece
            .error(
                &[],
                format!(
                    "missing key `kind`: is it a {} of a continuum?",
                    kind.name()
                ),
            )
            .with_help(expected)),
    }
}

fn decode<T: DeserializeOwned>(
    piece: &Document,
    check: impl Fn(&T) -> Result<(), String>,
) -> Result<T, FileError> {
    let value = piece.decode()?;
    checked(piece, check(&value))?;
    Ok(value)
}
