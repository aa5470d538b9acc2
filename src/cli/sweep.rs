//! What `sweep` is told.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::cli::SelectArgs;

/// What `sweep` is told.
#[derive(Debug, Args)]
#[command(after_help = "\
Each shard is `tidegate run ... --shard I/N --out DIR/shard-I`, a task of its own. When all have \
ended, DIR gets what one machine would have written, byte for byte. If one fails, the exit code is \
5; the same command again submits only what is missing. docs/many-machines.md has more.

Examples:
  tidegate sweep x.toml --engine slurm --shards 64 --out /shared/x --sbatch=--partition=long
  tidegate sweep x.toml --engine slurm --shards 64 --out /shared/x --emit
  tidegate sweep x.toml --engine kubernetes --shards 64 --out /shared/x --image IMAGE --claim shared/x
  tidegate sweep x.toml --engine local --shards 4 --out x")]
pub struct SweepArgs {
    /// Scenario files, or folders of them
    #[arg(required = true, value_name = "FILE|DIR")]
    pub paths: Vec<PathBuf>,
    /// Changes to the scenarios
    #[command(flatten)]
    pub select: SelectArgs,
    /// Who runs the shards
    #[arg(long, value_enum)]
    pub engine: EngineArg,
    /// Into how many parts the runs (cells times seeds) are cut
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=100_000))]
    pub shards: u64,
    /// Where shards and the whole run go: a folder that all machines share
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Print exactly what would be submitted, and submit nothing
    #[arg(long, conflicts_with = "no_wait")]
    pub emit: bool,
    /// Submit and leave; the same command later goes on from there
    #[arg(long)]
    pub no_wait: bool,
    /// Cores of each task, and threads of its run
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    pub cpus: u16,
    /// Say nothing while it waits
    #[arg(long, short)]
    pub quiet: bool,
    /// Slurm: an option for sbatch, such as --sbatch=--time=2:00:00; repeatable
    #[arg(long, value_name = "OPTION", allow_hyphen_values = true)]
    pub sbatch: Vec<String>,
    /// Kubernetes: the image, with `tidegate` on its path and the scenarios in its folder
    #[arg(long, value_name = "IMAGE")]
    pub image: Option<String>,
    /// Kubernetes: the PersistentVolumeClaim, and the folder in it, that is DIR on this machine
    #[arg(long, value_name = "NAME[/FOLDER]")]
    pub claim: Option<String>,
    /// Kubernetes: the namespace [default: the one that is configured]
    #[arg(long, value_name = "NAME")]
    pub namespace: Option<String>,
}

/// Who runs the shards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum EngineArg {
    /// This machine, as processes
    Local,
    /// Slurm, as a job array
    Slurm,
    /// Kubernetes, as an Indexed Job
    Kubernetes,
}
