//! What each verb of the command line does.

pub mod run;

pub mod finish;

pub mod overview;

pub mod list;

pub mod check;

pub mod coverage;

pub mod compare;

#[cfg(feature = "live")]
pub mod load;

#[cfg(feature = "live")]
pub mod live;

pub mod page;

pub mod export;

pub mod verify;

pub mod plan;

pub mod bench;

pub mod merge;

pub mod sweep;

pub mod trace;

pub mod doctor;

pub mod schema;

pub mod completions;

pub mod man;

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::cli::{Cli, Command, SelectArgs};
use crate::error::Error;
use crate::exit::Exit;
use crate::results::manifest;
use crate::scenario::Scenario;
use crate::scenario::layer::Layer;
use crate::scenario::set;

/// Does what the command line asks.
pub fn dispatch(cli: &Cli) -> Exit {
    match &cli.command {
        Command::Run(args) => run::run(args),
        Command::List { folder, markdown } => list::run(folder, *markdown),
        Command::Check { paths, select } => check::run(paths, select),
        Command::Coverage(args) => coverage::run(args),
        Command::Report(args) => page::run(args),
        Command::Export(args) => export::run(args),
        Command::Compare(args) => compare::run(args),
        Command::Verify(args) => verify::run(args),
        Command::Plan(args) => plan::run(args),
        Command::Bench(args) => bench::run(args),
        Command::Merge(args) => merge::run(args),
        Command::Sweep(args) => sweep::run(args),
        Command::Trace(command) => trace::run(command),
        Command::Doctor(args) => doctor::run(args),
        Command::Schema => schema::run(),
        Command::Completions(args) => completions::run(args),
        Command::Man(args) => man::run(args),
        #[cfg(feature = "live")]
        Command::Load(args) => load::run(args),
        #[cfg(feature = "live")]
        Command::Service => service(),
        #[cfg(feature = "live")]
        Command::Controller(args) => live::controller::run(args),
        #[cfg(feature = "live")]
        Command::Agent(args) => live::agent::run(args),
        #[cfg(feature = "live")]
        Command::Ca { command } => live::ca::run(command),
        #[cfg(feature = "live")]
        Command::Replay(args) => live::replay::run(args),
    }
}

/// `tidegate service`: one service of an application.
#[cfg(feature = "live")]
fn service() -> Exit {
    match tidegate_live::local::service::run() {
        Ok(()) => Exit::Fine,
        Err(error) => report(&Error::Internal(format!("the service failed: {error}"))),
    }
}

/// The changes that `--set` and `--seeds` make to a scenario.
///
/// # Errors
/// When a `--set` argument is no `key=value`.
pub fn changes(select: &SelectArgs) -> Result<Vec<Layer>, Error> {
    let seeds = select.seeds.map(|seeds| format!("run.seeds={seeds}"));
    select
        .set
        .iter()
        .chain(&seeds)
        .map(|set| set::parse(set))
        .collect()
}

/// Where a scenario's results go: to `out`, below it where there are several, or to
/// their usual place.
pub(crate) fn folder(out: Option<&Path>, scenario: &Scenario, several: bool) -> PathBuf {
    match out {
        Some(out) if several => out.join(&scenario.name),
        Some(out) => out.to_owned(),
        None => ["results", "runs", &scenario.name, &manifest::id(scenario)]
            .iter()
            .collect(),
    }
}

/// Prints `text` and ends the line. A reader that has gone away (`| head`) has
/// read enough.
pub fn print(text: &str) {
    let _ = writeln!(io::stdout().lock(), "{text}");
}

/// Tells the user about an error.
pub fn report(error: &Error) -> Exit {
    eprintln!("error: {error}");
    error.exit()
}
