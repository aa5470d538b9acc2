//! Tier 2: the instructions of a gate, counted by valgrind's callgrind.
//!
//! Unlike time they are nearly the same in each run; what is left (addresses, the
//! keys of std's hash maps) is far below the tolerance. The C library picks copies of
//! its functions by what the processor can do, so the newer instruction sets are
//! switched off for the count.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::gates::platform::{Build, read_or_refuse};
use crate::gates::{Finding, Gate};

/// The file of a reference.
pub const FILE: &str = "instructions.json";

/// By what part a number may differ, up or down.
pub const TOLERANCE: f64 = 0.01;

/// Switches of the C library: names before and after glibc 2.33.
const TUNABLES: &str = "glibc.cpu.hwcaps=-AVX512F,-AVX512VL,-AVX512BW,-AVX2,-AVX2_Usable,-AVX,\
                        -AVX_Usable,-FMA,-FMA_Usable,-FMA4,-ERMS,-FSRM,-BMI2,-LZCNT,-MOVBE,-RTM";

/// A reference.
#[derive(Debug, Deserialize, Serialize)]
pub struct Reference {
    /// What built the binary.
    pub build: Build,
    /// Instructions of each gate.
    pub instructions: BTreeMap<String, u64>,
}

/// Counts the instructions of a gate.
///
/// # Errors
/// When there is no valgrind, or the run fails.
pub fn count(gate: &Gate) -> Result<u64, Error> {
    let internal = |what: String| Error::Internal(format!("gate {}: {what}", gate.name));
    let folder = tempfile::tempdir()
        .map_err(|error| internal(format!("cannot make a temporary folder: {error}")))?;
    let program = std::env::current_exe()
        .map_err(|error| internal(format!("the command does not find itself: {error}")))?;
    let mut command = Command::new("valgrind");
    command
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(program)
        .args(["run", "--quiet", "--jobs", "1", "--out"])
        .arg(folder.path())
        .arg(&gate.scenario)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("GLIBC_TUNABLES", TUNABLES);
    for set in &gate.set {
        command.args(["--set", set]);
    }
    for filter in &gate.filter {
        command.args(["--filter", filter]);
    }
    let output = command.output().map_err(|error| {
        Error::Usage(format!(
            "cannot run valgrind: {error}\n  help: install it (Debian: apt-get install valgrind), \
             or check with --tier 1 alone"
        ))
    })?;
    let text = String::from_utf8_lossy(&output.stderr);
    counted(&text).ok_or_else(|| internal(format!("valgrind counted nothing:\n{text}")))
}

/// The number in callgrind's last lines: `==123== Collected : 4567`.
fn counted(text: &str) -> Option<u64> {
    let line = text
        .lines()
        .rev()
        .find(|line| line.contains("Collected :"))?;
    line.rsplit(' ').next()?.parse().ok()
}

/// Writes the reference into `folder`.
///
/// # Errors
/// As [`count`], or when the system refuses.
pub fn make(gates: &[Gate], folder: &Path) -> Result<(), Error> {
    let counts = gates
        .iter()
        .map(|gate| Ok((gate.name.clone(), count(gate)?)));
    let reference = Reference {
        build: Build::here(),
        instructions: counts.collect::<Result<_, Error>>()?,
    };
    let text = serde_json::to_string_pretty(&reference)
        .map_err(|error| Error::Internal(error.to_string()))?;
    let path = folder.join(FILE);
    fs::write(&path, text + "\n").map_err(|error| Error::io("write", &path, &error))
}

/// Counts each gate and compares with the reference in `folder`.
///
/// # Errors
/// As [`count`], or when the reference is another compiler's.
pub fn check(gates: &[Gate], folder: &Path) -> Result<Vec<Finding>, Error> {
    let path = folder.join(FILE);
    let reference: Reference = read_or_refuse(&path)?;
    let here = Build::here();
    if reference.build != here {
        return Err(Error::Results(format!(
            "{}: the reference is of another build: {:?}\n  this one is {here:?}\n  help: build \
             with the same compiler and flags, or bless the reference anew",
            path.display(),
            reference.build
        )));
    }
    gates
        .iter()
        .map(|gate| {
            let Some(&before) = reference.instructions.get(&gate.name) else {
                return Err(Error::Results(format!(
                    "{}: there is no gate `{}`\n  help: `tidegate bench --bless` makes it",
                    path.display(),
                    gate.name
                )));
            };
            Ok(judge(gate, before, count(gate)?))
        })
        .collect()
}

/// What a number of instructions says beside the one of before.
fn judge(gate: &Gate, before: u64, now: u64) -> Finding {
    let change = now as f64 / before as f64 - 1.0;
    Finding {
        gate: gate.name.clone(),
        what: "instructions".to_owned(),
        text: format!("{before} before, {now} now, {:+.2} %", change * 100.0),
        holds: change.abs() <= TOLERANCE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_count_is_read_from_callgrinds_words() {
        let text = "==7== Events    : Ir\n==7== Collected : 123456789\n==7== \n";
        assert_eq!(counted(text), Some(123_456_789));
        assert_eq!(counted("==7== error"), None);
    }

    #[test]
    fn two_percent_fall_and_half_a_percent_stands() {
        let gate = Gate {
            name: "x".to_owned(),
            scenario: "x.toml".into(),
            set: Vec::new(),
            filter: Vec::new(),
        };
        assert!(!judge(&gate, 1_000_000, 1_020_000).holds);
        assert!(!judge(&gate, 1_000_000, 980_000).holds);
        assert!(judge(&gate, 1_000_000, 1_005_000).holds);
    }
}
