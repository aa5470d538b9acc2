//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// Event-driven resource management for containers: simulate it, compare it
/// with what was published.
#[derive(Debug, Parser)]
#[command(version, propagate_version = true, max_term_width = 100)]
#[command(after_help = "\
Exit codes: 0 fine, 1 internal, 2 usage, 3 invalid scenario, 5 partial (interrupted), \
10 expectation failed, 13 outside the paper's tolerance (--strict-published).")]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run scenarios and compare them with what was published
    Run(RunArgs),
    /// List the scenarios in a folder
    List {
        /// Where to look
        #[arg(default_value = "scenarios")]
        folder: PathBuf,
    },
    /// Check scenarios, or single pieces, without running them
    Check {
        /// Scenario files, files of pieces (apps/NAME.toml, ...) or folders
        #[arg(required = true, value_name = "FILE|DIR")]
        paths: Vec<PathBuf>,
        /// Changes to the scenarios
        #[command(flatten)]
        select: SelectArgs,
    },
    /// Show which scenario compares with each published figure, and what came out
    Coverage(CoverageArgs),
    /// Turn a run into one HTML page: tables, charts, where the numbers come from
    Report(ReportArgs),
    /// Print the JSON Schema of scenario files
    Schema,
}

/// What `run` is told.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// Scenario files, or folders of them
    #[arg(required = true, value_name = "FILE|DIR")]
    pub paths: Vec<PathBuf>,
    /// Changes to the scenarios
    #[command(flatten)]
    pub select: SelectArgs,
    /// Where results go [default: results/runs/SCENARIO/ID]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Threads [default: one per core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub jobs: Option<u16>,
    /// Take over the cells that an interrupted run has finished
    #[arg(long)]
    pub resume: bool,
    /// Show no progress and no tables
    #[arg(long, short)]
    pub quiet: bool,
    /// End with code 13 if a published figure is not met within its tolerance
    #[arg(long)]
    pub strict_published: bool,
    /// Stop as if interrupted after so many cells (for tests)
    #[arg(long, hide = true, value_name = "N")]
    pub stop_after: Option<usize>,
}

/// What `coverage` is told.
#[derive(Debug, Args)]
pub struct CoverageArgs {
    /// Scenario files, or folders of them
    #[arg(default_value = "scenarios", value_name = "FILE|DIR")]
    pub paths: Vec<PathBuf>,
    /// Only the figures of this paper: a file of results/published without .csv
    #[arg(long, value_name = "NAME")]
    pub paper: Option<String>,
    /// Results of these scenarios (what `run --out DIR` wrote): adds what they measured
    #[arg(long, value_name = "DIR")]
    pub results: Option<PathBuf>,
}

/// What `report` is told.
#[derive(Debug, Args)]
pub struct ReportArgs {
    /// The folder of a run, or one that holds such folders
    #[arg(value_name = "RUN")]
    pub folder: PathBuf,
    /// Where the page goes [default: RUN/report.html; for several runs one page in each, and
    /// RUN/index.html]
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

/// Changes to a scenario.
#[derive(Debug, Default, Args)]
pub struct SelectArgs {
    /// How many seeds, whatever the scenario says
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub seeds: Option<u32>,
    /// Change a key of the scenario, such as run.duration=10s; repeatable
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Run only cells with this value; repeatable
    #[arg(long, value_name = "COLUMN=VALUE")]
    pub filter: Vec<String>,
}
