//! The command line.

pub mod examples;
mod export;
mod shell;
mod sweep;
mod trace;

#[cfg(feature = "live")]
pub mod live;

use std::fmt;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub use export::*;
pub use shell::*;
pub use sweep::*;
pub use trace::*;

use crate::run::Shard;

/// Event-driven resource management for containers: simulate it, compare it
/// with what was published.
#[derive(Debug, Parser)]
#[command(version, propagate_version = true, max_term_width = 100)]
#[command(after_help = "\
Exit codes: 0 fine, 1 internal, 2 usage, 3 invalid scenario, 4 invalid results, \
5 partial (interrupted), 10 expectation failed, 11 regression, 12 not reproduced, \
13 outside the paper's tolerance (--strict-published).")]
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
    #[command(after_help = "\
Examples:
  tidegate list
  tidegate list scenarios/escra
  tidegate list --markdown scenarios > scenarios/README.md")]
    List {
        /// Where to look
        #[arg(default_value = "scenarios")]
        folder: PathBuf,
        /// Print a page in Markdown: figure, command, time, output and tolerance of each
        #[arg(long)]
        markdown: bool,
    },
    /// Check scenarios, or single pieces, without running them
    #[command(after_help = "\
Examples:
  tidegate check my-scenario.toml
  tidegate check scenarios scenarios/apps scenarios/workloads
  tidegate check my-scenario.toml --set run.duration=60s --filter application=media")]
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
    /// Look into published traces (Alibaba, Azure Functions) and make loads of them
    #[command(subcommand)]
    Trace(TraceCommand),
    /// Turn a run into one HTML page: tables, charts, where the numbers come from
    Report(ReportArgs),
    /// Write a run's tables in the layouts that others' scripts read
    Export(ExportArgs),
    /// Compare runs of one scenario: better, worse or chance
    Compare(CompareArgs),
    /// Repeat a run from its manifest and compare byte for byte
    Verify(VerifyArgs),
    /// Show what `run` would do: what is there, what is new or changed, how long it takes
    Plan(PlanArgs),
    /// Check the gates against regressions: results byte for byte, instructions within 1 %
    Bench(BenchArgs),
    /// Put the shards of a run together
    Merge(MergeArgs),
    /// Run scenarios in shards on many machines (Slurm, Kubernetes), and put them together
    Sweep(SweepArgs),
    /// Say what this machine can do, and how steady it is
    Doctor(DoctorArgs),
    /// Print the JSON Schema of scenario files
    #[command(after_help = "\
Examples:
  tidegate schema > scenario.schema.json")]
    Schema,
    /// Print a shell's completions of this command
    Completions(CompletionsArgs),
    /// Print a manual page, or write all of them
    Man(ManArgs),
    /// Send a load to an HTTP server as the live world does, and print latencies
    #[cfg(feature = "live")]
    #[command(hide = true)]
    Load(live::LoadArgs),
    /// One service of an application in the live world; started by `run`
    #[cfg(feature = "live")]
    #[command(hide = true)]
    Service,
    /// Decide for real hosts, by a scenario's policy (Linux)
    #[cfg(feature = "live")]
    Controller(live::ControllerArgs),
    /// Look after this host's containers on behalf of a controller (Linux)
    #[cfg(feature = "live")]
    Agent(live::AgentArgs),
    /// Make keys and certificates for a controller and its hosts
    #[cfg(feature = "live")]
    Ca {
        /// What to make
        #[command(subcommand)]
        command: live::CaCommand,
    },
    /// Play what a controller recorded again, to its policy or to another
    #[cfg(feature = "live")]
    Replay(live::ReplayArgs),
}

/// What `run` is told.
#[derive(Debug, Args)]
#[command(after_help = "\
Results go to results/runs/SCENARIO/ID: tables as CSV, and what makes them repeatable. The same \
scenario, seed and code give the same bytes on any number of threads.

Examples:
  tidegate run scenarios/quickstart.toml
  tidegate run scenarios/escra/table-1.toml --seeds 5 --filter application=media
  tidegate run my-scenario.toml --set run.duration=60s --out my-results --resume
  tidegate run scenarios/escra/ --seeds 1        # a folder: what scenarios share runs once
  tidegate run scenarios/live/chain.toml --world live")]
pub struct RunArgs {
    /// Scenario files, or folders of them
    #[arg(required = true, value_name = "FILE|DIR")]
    pub paths: Vec<PathBuf>,
    /// Changes to the scenarios
    #[command(flatten)]
    pub select: SelectArgs,
    /// Which world runs the scenarios, whatever they say themselves
    #[arg(long, value_name = "WORLD")]
    pub world: Option<WorldArg>,
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
    /// Run only this part of the cells and seeds, for one of several machines
    #[arg(long, value_name = "I/N", requires = "out")]
    pub shard: Option<Shard>,
    /// Stop as if interrupted after so many cells (for tests)
    #[arg(long, hide = true, value_name = "N")]
    pub stop_after: Option<usize>,
}

/// What `coverage` is told.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tidegate coverage
  tidegate coverage scenarios/escra --paper escra --results my-results")]
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
#[command(after_help = "\
Distributions and series are in the page if the scenario asks for them (run.cdf, run.series).

Examples:
  tidegate report results/runs/quickstart/0a1b2c3d4e5f
  tidegate report my-results --out report.html
  tidegate report results/runs                   # a page for each run, and index.html")]
pub struct ReportArgs {
    /// The folder of a run, or one that holds such folders
    #[arg(value_name = "RUN")]
    pub folder: PathBuf,
    /// Where the page goes [default: RUN/report.html; for several runs one page in each, and
    /// RUN/index.html]
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

/// What `compare` is told.
#[derive(Debug, Args)]
#[command(after_help = "\
The seed is the unit of repetition: with one seed nothing can be told from chance, with 5 large \
changes can, with 10 small ones. At most 5 in a hundred comparisons of runs of the same code \
find anything worse or better.

Examples:
  tidegate compare results/runs/table-1/0a1b2c results/runs/table-1/3d4e5f
  tidegate compare before after --threshold 3 --format markdown
  tidegate compare before after --metric throughput_rps --per-cell")]
pub struct CompareArgs {
    /// Folders of runs: the first is what the others are compared with
    #[arg(required = true, num_args = 2.., value_name = "RUN")]
    pub runs: Vec<PathBuf>,
    /// Losses up to so many percent are no regression (exit code 11)
    #[arg(long, value_name = "PERCENT", default_value = "1", value_parser = percent)]
    pub threshold: f64,
    /// Compare two samples: the seeds of one run have nothing to do with the other's
    #[arg(long)]
    pub unpaired: bool,
    /// Judge each cell by itself
    #[arg(long)]
    pub per_cell: bool,
    /// Lay a run on this host, the second, beside the same scenario in the simulator, the first:
    /// how far off is the model? (exit code 11 beyond the bars)
    #[arg(long, conflicts_with_all = ["unpaired", "per_cell", "metric", "format"])]
    pub worlds: bool,
    /// Only this metric; repeatable
    #[arg(long, value_name = "NAME")]
    pub metric: Vec<String>,
    /// What to print
    #[arg(long, value_enum, default_value_t = Layout::Table)]
    pub format: Layout,
}

/// What `verify` is told.
#[derive(Debug, Args)]
#[command(after_help = "\
The manifest holds the whole scenario: files of scenarios may have changed since. Traces are read \
again and must be the same. Exit code 12 if a byte differs: the code or the system's mathematics \
(exp, ln) is another one, or the run was not deterministic.

Examples:
  tidegate verify results/runs/quickstart/0a1b2c3d4e5f")]
pub struct VerifyArgs {
    /// The folder of the run
    #[arg(value_name = "RUN")]
    pub run: PathBuf,
    /// Where to look for the traces that it read; repeatable
    #[arg(long, value_name = "DIR", default_value = "scenarios")]
    pub files: Vec<PathBuf>,
    /// Threads [default: one per core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub jobs: Option<u16>,
    /// Show no progress
    #[arg(long, short)]
    pub quiet: bool,
}

/// What `plan` is told.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tidegate plan scenarios/escra/table-1.toml --seeds 5
  tidegate plan scenarios/escra/ --jobs 8")]
pub struct PlanArgs {
    /// Scenario files, or folders of them
    #[arg(required = true, value_name = "FILE|DIR")]
    pub paths: Vec<PathBuf>,
    /// Changes to the scenarios
    #[command(flatten)]
    pub select: SelectArgs,
    /// Where results would go [default: results/runs/SCENARIO/ID]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Threads [default: one per core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub jobs: Option<u16>,
}

/// What `merge` is told.
#[derive(Debug, Args)]
#[command(after_help = "\
The result is what one machine would have written, byte for byte. Shards of different code or \
scenarios, or that have the same run with other numbers, are refused (exit code 4); so are holes \
(exit code 5).

Examples:
  tidegate run x.toml --shard 1/2 --out shards/1     # on one machine
  tidegate run x.toml --shard 2/2 --out shards/2     # on another
  tidegate merge shards/1 shards/2 --out whole")]
pub struct MergeArgs {
    /// The folders of the shards
    #[arg(required = true, value_name = "SHARD")]
    pub shards: Vec<PathBuf>,
    /// Where the whole run goes
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Where to look for the traces that the scenario reads; repeatable
    #[arg(long, value_name = "DIR", default_value = "scenarios")]
    pub files: Vec<PathBuf>,
}

/// What `bench` is told.
#[derive(Debug, Args)]
#[command(after_help = "\
Tier 1 compares tables and counters of small scenarios byte for byte, on the platform of the \
reference only (exp and ln are the system's). Tier 2 counts instructions with valgrind, for the \
compiler of the reference only. Exit code 11 if a gate falls, 4 if it cannot be judged here.

Examples:
  tidegate bench --check
  tidegate bench --check --tier 1
  tidegate bench --bless --reference my-reference")]
pub struct BenchArgs {
    /// Compare with the references
    #[arg(long, required_unless_present = "bless", conflicts_with = "bless")]
    pub check: bool,
    /// Make the references anew
    #[arg(long)]
    pub bless: bool,
    /// Only this tier [default: both]
    #[arg(long, value_name = "1|2", value_parser = clap::value_parser!(u8).range(1..=2))]
    pub tier: Option<u8>,
    /// The folder of the references, with a gates.toml
    #[arg(long, value_name = "DIR", default_value = "results/reference")]
    pub reference: PathBuf,
}

/// How a table is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Layout {
    /// For a terminal
    Table,
    /// For a pull request
    Markdown,
    /// With all digits
    Csv,
    /// For programs
    Json,
}

/// Percent as a part of one.
fn percent(text: &str) -> Result<f64, String> {
    match text.trim_end_matches('%').trim().parse::<f64>() {
        Ok(value) if (0.0..=1000.0).contains(&value) => Ok(value / 100.0),
        _ => Err("expected percent between 0 and 1000, such as 3".to_owned()),
    }
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

/// A world, on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum WorldArg {
    /// The simulator
    Sim,
    /// This host
    Live,
}

impl fmt::Display for WorldArg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            WorldArg::Sim => "sim",
            WorldArg::Live => "live",
        })
    }
}
