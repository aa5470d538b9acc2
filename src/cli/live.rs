//! What the verbs of the live world are told.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

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
#[command(after_help = "\
It waits for its hosts (tidegate agent) until all containers of the scenario are there, or a lease \
has passed.

Examples:
  tidegate controller scenarios/live/chain.toml --filter allocator=tide --filter workload=exp --plaintext
  tidegate controller my-scenario.toml --keys keys --listen 0.0.0.0:7117 --metrics 127.0.0.1:9117
  tidegate controller my-scenario.toml --keys keys --record monday.rec")]
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
#[command(after_help = "\
It needs write access to the groups of its containers: root, or a delegated subtree.

Examples:
  tidegate agent front=docker/0a1b2c store=docker/3d4e5f --plaintext
  tidegate agent --config /etc/tidegate/agent.toml
  tidegate agent front=docker/0a1b2c --controller 10.0.0.1:7117 --host 3 --keys keys")]
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
    #[command(after_help = "\
Examples:
  tidegate ca new authority")]
    New {
        /// The folder
        folder: PathBuf,
        /// For how long it is good
        #[arg(long, default_value_t = 3650, value_parser = clap::value_parser!(u32).range(1..=36_525))]
        days: u32,
    },
    /// Make the keys of the controller
    #[command(after_help = "\
Examples:
  tidegate ca controller authority --days 90")]
    Controller {
        /// The folder with the authority
        folder: PathBuf,
        /// For how long they are good
        #[arg(long, default_value_t = 365, value_parser = clap::value_parser!(u32).range(1..=36_525))]
        days: u32,
    },
    /// Make the keys of hosts
    #[command(after_help = "\
Examples:
  tidegate ca host authority 0 1 2")]
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
#[command(after_help = "\
Examples:
  tidegate replay monday.rec                     # does the policy answer as it did?
  tidegate replay monday.rec --allocator static --out limits.csv --every 500ms")]
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

/// What `load` is told.
#[derive(Debug, Args)]
#[command(after_help = "\
An open loop: requests are sent when they are due, whatever has been answered, and latency counts \
from when they were due. Connections are pipelined, as in wrk2.

Examples:
  tidegate load http://127.0.0.1:8080/ --rate 500
  tidegate load http://127.0.0.1:8080/cart --rate 200 --arrivals exp --duration 60s --warm-up 10s")]
pub struct LoadArgs {
    /// Where to send: http://HOST:PORT/PATH
    pub url: String,
    /// Requests per second, over all connections
    #[arg(long, short)]
    pub rate: f64,
    /// Connections
    #[arg(long, short, default_value_t = 10)]
    pub connections: u32,
    /// How long
    #[arg(long, short, default_value = "30s", value_parser = crate::commands::load::span)]
    pub duration: tidegate_core::Span,
    /// Replies in this first part are left out of latencies
    #[arg(long, default_value = "0s", value_parser = crate::commands::load::span)]
    pub warm_up: tidegate_core::Span,
    /// When requests are due
    #[arg(long, value_enum, default_value_t = Arrivals::Fixed)]
    pub arrivals: Arrivals,
    /// Of random arrivals
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// A header line, such as "Accept-Encoding: gzip"; repeatable
    #[arg(long, short = 'H')]
    pub header: Vec<String>,
}

/// When requests are due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Arrivals {
    /// Evenly spaced
    Fixed,
    /// Poisson
    Exp,
}
