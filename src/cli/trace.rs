//! `tidegate trace …` on the command line.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use tidegate_core::Span;
use tidegate_workloads::trace::Format;

/// What `trace` is told.
#[derive(Debug, Subcommand)]
pub enum TraceCommand {
    /// Show what a published trace holds, and what a scenario can do with it
    Inspect(InspectArgs),
    /// Make a load for scenarios, or series per container, of a published trace
    Convert(ConvertArgs),
    /// Write a file of a published format that nobody measured, for tests and timing
    Synthesize(SynthesizeArgs),
}

/// The files of a trace.
#[derive(Debug, Args)]
pub struct TraceFiles {
    /// Files as published, plain, .gz or .tar.gz; several are parts of one trace
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Which format they are of [default: what the first row looks like]
    #[arg(long, value_name = "NAME", value_parser = format_named)]
    pub format: Option<Format>,
}

/// What `trace inspect` is told.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tidegate trace inspect machine_usage.tar.gz
  tidegate trace inspect part-0.csv part-1.csv --format alibaba-v2018-machine-usage")]
pub struct InspectArgs {
    /// The trace
    #[command(flatten)]
    pub trace: TraceFiles,
}

/// What to make of a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Target {
    /// `time_s,rate_per_s`, for a workload of kind `trace`
    Load,
    /// One series per container, machine, service or function
    Usage,
}

/// What becomes of several rows of one step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Aggregation {
    /// Their mean
    Mean,
    /// Their sum
    Sum,
    /// The highest
    Max,
}

/// What `trace convert` is told.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tidegate trace convert machine_usage.tar.gz --filter machine_id=m_1932 --low 56 --high 548 --speed 10 --out load.csv
  tidegate trace convert container_usage.csv --to usage --from 1h --until 2h --out usage.csv")]
pub struct ConvertArgs {
    /// The trace
    #[command(flatten)]
    pub trace: TraceFiles,
    /// Where to write
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// What to make of it
    #[arg(long, value_enum, default_value = "load")]
    pub to: Target,
    /// Only rows with this word, such as machine_id=m_1932; several of one column are
    /// alternatives
    #[arg(long, value_name = "COLUMN=WORD")]
    pub filter: Vec<String>,
    /// Columns to take [default: the one that is a load, or all with numbers]
    #[arg(long, value_name = "NAME")]
    pub column: Vec<String>,
    /// Only from this time of the trace
    #[arg(long, value_name = "TIME", default_value = "0s")]
    pub from: Span,
    /// Only before this time of the trace
    #[arg(long, value_name = "TIME")]
    pub until: Option<Span>,
    /// How long a step is, of the trace [default: its interval; calls: 60s]
    #[arg(long, value_name = "TIME")]
    pub step: Option<Span>,
    /// What becomes of several rows of one step [default: calls of a load are added up,
    /// all else averaged]
    #[arg(long, value_enum)]
    pub aggregate: Option<Aggregation>,
    /// How many times as fast as the trace
    #[arg(long, value_name = "N", default_value_t = 1.0, value_parser = factor)]
    pub speed: f64,
    /// Map the least value of a load onto this rate, in calls per second
    #[arg(long, value_name = "RATE", requires = "high", value_parser = factor)]
    pub low: Option<f64>,
    /// Map the largest value of a load onto this rate, in calls per second
    #[arg(long, value_name = "RATE", requires = "low", value_parser = factor)]
    pub high: Option<f64>,
}

/// What `trace synthesize` is told.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tidegate trace synthesize --format alibaba-v2018-machine-usage --bytes 10000000 --out machine_usage.csv")]
pub struct SynthesizeArgs {
    /// The format
    #[arg(long, value_name = "NAME", value_parser = format_named)]
    pub format: Format,
    /// Where to write
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// How many bytes to write at least
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    pub bytes: u64,
    /// The same seed gives the same bytes
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
}

fn format_named(name: &str) -> Result<Format, String> {
    Format::of(name).ok_or_else(|| format!("expected one of {}", Format::names()))
}

/// A number above zero that time and rates can be multiplied with.
fn factor(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if (1e-3..=1e7).contains(&value) => Ok(value),
        _ => Err("expected a number from 0.001 to 10000000".to_owned()),
    }
}
