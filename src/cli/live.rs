//! What the verbs of the live world are told.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Subcommand};

/// Which cell of a scenario.
#[derive(Debug, Args)]
pub struct CellArgs {
    /// The scenario: its application, its policy and its Ω
    #[arg(value_name = "FILE")]
    pub scenario: PathBuf,
    /// Change a key of the scenario, such as limit.level=1.5; repeatable
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Choose the cell with this value; repeatable, until one is left
    #[arg(long, value_name = "COLUMN=VALUE")]
    pub filter: Vec<String>,
}

/// What `controller` is told.
#[derive(Debug, Args)]
pub struct ControllerArgs {
    /// What decides
    #[command(flatten)]
    pub cell: CellArgs,
    /// Where hosts attach
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:7117")]
    pub listen: SocketAddr,
    /// Where /metrics is, for Prometheus [default: nowhere]
    #[arg(long, value_name = "ADDRESS")]
    pub metrics: Option<SocketAddr>,
    /// The folder with the keys of the controller (`tidegate ca`)
    #[arg(long, value_name = "DIR", required_unless_present = "plaintext")]
    pub keys: Option<PathBuf>,
    /// Neither encrypt nor ask who it is: on loopback only
    #[arg(long, conflicts_with = "keys")]
    pub plaintext: bool,
    /// Write down all that the policy is told and answers
    #[arg(long, value_name = "FILE")]
    pub record: Option<PathBuf>,
    /// End with the standard input: for a run that starts it
    #[arg(long, hide = true)]
    pub until_input_ends: bool,
}

/// What `agent` is told.
#[derive(Debug, Args)]
pub struct AgentArgs {
    /// Containers: the service each runs, and its control group below the hierarchies' root
    #[arg(value_name = "NAME=PATH")]
    pub containers: Vec<String>,
    /// A file with all of this: keys `controller`, `host`, `keys`, table `containers`
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The controller [default: 127.0.0.1:7117]
    #[arg(long, value_name = "HOST:PORT")]
    pub controller: Option<String>,
    /// This host's number [default: 0]
    #[arg(long, value_name = "N")]
    pub host: Option<u32>,
    /// The folder with the keys of this host (`tidegate ca`)
    #[arg(long, value_name = "DIR")]
    pub keys: Option<PathBuf>,
    /// Neither encrypt nor ask who it is
    #[arg(long, conflicts_with = "keys")]
    pub plaintext: bool,
    /// End with the standard input: for a run that starts it
    #[arg(long, hide = true)]
    pub until_input_ends: bool,
}

/// What `ca` is told.
#[derive(Debug, Subcommand)]
pub enum CaCommand {
    /// Make an authority in a folder
    New {
        /// The folder
        folder: PathBuf,
        /// For how long it is good
        #[arg(long, default_value_t = 3650, value_parser = clap::value_parser!(u32).range(1..=36_525))]
        days: u32,
    },
    /// Make the keys of the controller
    Controller {
        /// The folder with the authority
        folder: PathBuf,
        /// For how long they are good
        #[arg(long, default_value_t = 365, value_parser = clap::value_parser!(u32).range(1..=36_525))]
        days: u32,
    },
    /// Make the keys of hosts
    Host {
        /// The folder with the authority
        folder: PathBuf,
        /// Their numbers
        #[arg(required = true, value_name = "N")]
        hosts: Vec<u32>,
        /// For how long they are good
        #[arg(long, default_value_t = 365, value_parser = clap::value_parser!(u32).range(1..=36_525))]
        days: u32,
    },
}

/// What `replay` is told.
#[derive(Debug, Args)]
pub struct ReplayArgs {
    /// What `tidegate controller --record` wrote
    pub recording: PathBuf,
    /// The scenario, if it is not where it was
    #[arg(long, value_name = "FILE")]
    pub scenario: Option<PathBuf>,
    /// Another allocator of the scenario's: what would it have done?
    #[arg(long, value_name = "NAME")]
    pub allocator: Option<String>,
    /// With --allocator: write limits over time to this file, as CSV
    #[arg(long, value_name = "FILE", requires = "allocator")]
    pub out: Option<PathBuf>,
    /// With --allocator: time between two rows
    #[arg(long, value_name = "TIME", default_value = "1s")]
    pub every: tidegate_core::Span,
}
