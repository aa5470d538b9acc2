//! The command `tidegate`.

use std::process::ExitCode;

use clap::Parser;
use tidegate::cli::Cli;
use tidegate::commands;

fn main() -> ExitCode {
    commands::dispatch(&Cli::parse()).into()
}
