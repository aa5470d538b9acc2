//! The command `tidegate`.

use std::process::ExitCode;

use clap::Parser;
use tidegate::cli::Cli;
use tidegate::commands;
use tidegate::exit::Exit;

fn main() -> ExitCode {
    let cli = Cli::parse();
    // A fault has the code of faults; its message has been printed by then.
    std::panic::catch_unwind(|| commands::dispatch(&cli))
        .unwrap_or(Exit::Internal)
        .into()
}
