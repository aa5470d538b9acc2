//! `tidegate export` on the command line.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// What `export` is told.
#[derive(Debug, Args)]
#[command(after_help = "\
`escra` writes wrk2's reports under the names of the authors' archive, a table of containers and \
one of all of them over time; `[run]` of the scenario needs cdf = true for whole distributions, \
and series for quantiles and times. results/README.md describes the layouts, and what stays empty.

Examples:
  tidegate export results/runs/quickstart/0a1b2c3d4e5f --format escra --out theirs")]
pub struct ExportArgs {
    /// The folder of the run
    #[arg(value_name = "RUN")]
    pub run: PathBuf,
    /// Whose layout
    #[arg(long, value_enum, value_name = "NAME")]
    pub format: ExportFormat,
    /// Where to write [default: RUN/NAME]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

/// A layout that runs can be exported to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ExportFormat {
    /// The Escra paper's authors
    Escra,
}
