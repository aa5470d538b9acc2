//! The command `tidegate`, as a user meets it.

mod arbitrary;
mod broken;
mod catalogue;
mod commands;
mod compare;
mod comparison;
mod coverage;
mod determinism;
mod export;
mod gates;
#[cfg(feature = "kubernetes")]
mod kubernetes;
#[cfg(feature = "live")]
mod live;
mod package;
mod recording;
mod report;
mod resume;
mod schema;
mod shards;
mod shared;
mod shell;
mod shipped;
mod sources;
mod sweep;
mod traces;
mod verify;
mod wire;

/// What runs before the build is code too.
#[allow(dead_code)]
#[path = "../../build.rs"]
mod build_script;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What the command did.
pub(crate) struct Done {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// The command, run where the package is.
pub(crate) fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate"));
    command.current_dir(env!("CARGO_MANIFEST_DIR"));
    command
}

/// Runs `tidegate` with `arguments`.
pub(crate) fn tidegate(arguments: &[&str]) -> Done {
    let output = command().args(arguments).output().unwrap();
    Done {
        code: output.status.code().unwrap(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// A path as an argument.
pub(crate) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A file of a run.
pub(crate) fn read(folder: &Path, name: &str) -> String {
    fs::read_to_string(folder.join(name)).unwrap()
}

/// All files below a folder, in the order of their names.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}
