//! `tidegate completions`: what a shell needs to complete this command.

use clap::CommandFactory;

use crate::cli::{Cli, CompletionsArgs};
use crate::commands::print;
use crate::exit::Exit;

/// Prints the completions.
pub fn run(args: &CompletionsArgs) -> Exit {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "tidegate", &mut script);
    print(String::from_utf8_lossy(&script).trim_end());
    Exit::Fine
}
