//! What the verbs that help a shell, a reader and an operator are told.

use std::path::PathBuf;

use clap::Args;
use clap_complete::Shell;

use crate::doctor::Use;

/// What `completions` is told.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tidegate completions bash > ~/.local/share/bash-completion/completions/tidegate
  tidegate completions zsh > ~/.zfunc/_tidegate
  tidegate completions fish > ~/.config/fish/completions/tidegate.fish")]
pub struct CompletionsArgs {
    /// The shell
    pub shell: Shell,
}

/// What `man` is told.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tidegate man run | man -l -
  tidegate man trace convert | man -l -
  tidegate man --out ~/.local/share/man/man1")]
pub struct ManArgs {
    /// The verb [default: the command itself]
    pub verb: Vec<String>,
    /// Write the pages of the command and of all verbs to this folder
    #[arg(long, value_name = "DIR", conflicts_with = "verb")]
    pub out: Option<PathBuf>,
}

/// What `doctor` is told.
#[derive(Debug, Args)]
#[command(after_help = "\
Exit code 6 if something is missing that is required: for the use that --for names, or for any. \
Measures for about a second; a control group is made and removed where that is allowed.

Examples:
  tidegate doctor
  tidegate doctor --for live
  tidegate doctor --json")]
pub struct DoctorArgs {
    /// Look only at what this needs
    #[arg(long = "for", value_name = "USE", value_enum)]
    pub what: Option<Use>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}
