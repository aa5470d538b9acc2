//! What is cut into shards, the command that runs one of them, and what of each is
//! there already.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::results::manifest;
use crate::results::store::Store;
use crate::run::Shard;
use crate::scenario::{Scenario, digest};

/// Scenarios to be run in shards.
#[derive(Debug)]
pub struct Sweep {
    /// The scenarios.
    pub scenarios: Vec<Scenario>,
    /// What `tidegate` is told, but for the shard: `run`, files, `--set` and so on.
    pub arguments: Vec<String>,
    /// The folder that paths in `arguments` are relative to.
    pub here: PathBuf,
    /// Where shards and the whole go; absolute.
    pub out: PathBuf,
    /// How many shards.
    pub shards: u64,
    /// Cores of each task, and threads of its run.
    pub cpus: u16,
}

/// How much of a shard is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// Which shard, from 1.
    pub shard: u64,
    /// Runs (cells times seeds) in it.
    pub runs: usize,
    /// Of those, how many are there.
    pub there: usize,
}

impl Part {
    /// Whether all of it is there.
    pub fn is_whole(&self) -> bool {
        self.there == self.runs
    }
}

impl Sweep {
    /// The name of what is swept: a hash of its runs and the number of shards.
    pub fn id(&self) -> String {
        let ids: Vec<String> = self.scenarios.iter().map(manifest::id).collect();
        let shards = self.shards.to_string();
        let mut texts: Vec<&str> = ids.iter().map(String::as_str).collect();
        texts.push(&shards);
        digest(&texts).chars().take(12).collect()
    }

    /// The folder of a shard.
    pub fn shard(&self, shard: u64) -> PathBuf {
        self.out.join(format!("shard-{shard}"))
    }

    /// Where results of `scenario` are below `folder`, as `tidegate run` has it.
    pub fn place(&self, folder: &Path, scenario: &Scenario) -> PathBuf {
        crate::commands::folder(Some(folder), scenario, self.scenarios.len() > 1)
    }

    /// Where tasks write what they say.
    pub fn logs(&self) -> PathBuf {
        self.out.join("logs")
    }

    /// Where the task of a shard writes what it says.
    pub fn log(&self, shard: u64) -> PathBuf {
        self.logs().join(format!("{shard}.log"))
    }

    /// The shell's line that runs the shard whose number is in `$shard`.
    pub fn line(&self, program: &str) -> String {
        let mut words = vec![quoted(program)];
        words.extend(self.arguments.iter().map(|argument| quoted(argument)));
        words.push("--shard".to_owned());
        words.push(format!("\"$shard/{}\"", self.shards));
        words.push("--out".to_owned());
        let out = self.out.join("shard-");
        words.push(format!("{}\"$shard\"", quoted(&out.to_string_lossy())));
        words.push(format!("--resume --jobs {}", self.cpus));
        words.join(" ")
    }

    /// What of each shard is there. Shards without any run, of which there are some
    /// where shards are many, are left out.
    ///
    /// # Errors
    /// When a shard was run by other code, or is of another scenario.
    pub fn parts(&self) -> Result<Vec<Part>, Error> {
        let mut parts = Vec::new();
        for shard in 1..=self.shards {
            let part = self.part(shard)?;
            if part.runs > 0 {
                parts.push(part);
            }
        }
        Ok(parts)
    }

    fn part(&self, shard: u64) -> Result<Part, Error> {
        let which = Shard {
            index: shard,
            of: self.shards,
        };
        let (mut runs, mut there) = (0, 0);
        for scenario in &self.scenarios {
            let folder = self.place(&self.shard(shard), scenario);
            let id = manifest::id(scenario);
            ours(&folder, &id)?;
            let store = Store::look(&folder, &id);
            for cell in &scenario.cells {
                for &seed in &scenario.seeds {
                    if which.holds(cell, seed) {
                        runs += 1;
                        there += usize::from(store.cell(cell, seed).is_some());
                    }
                }
            }
        }
        Ok(Part { shard, runs, there })
    }

    /// Whether the whole of it is there, put together.
    pub fn is_whole(&self) -> bool {
        self.scenarios.iter().all(|scenario| {
            let folder = self.place(&self.out, scenario);
            let id = fs::read_to_string(folder.join("id")).unwrap_or_default();
            id.trim() == manifest::id(scenario) && folder.join("summary.csv").is_file()
        })
    }
}

/// Refuses the folder of a shard that is of another run.
fn ours(folder: &Path, id: &str) -> Result<(), Error> {
    match fs::read_to_string(folder.join("id")) {
        Ok(found) if found.trim() != id => Err(Error::Results(format!(
            "{} holds run {}, not {id}: its task ran other code than this, or the scenario was \
             changed after it was submitted\n  help: remove that folder; the same command runs \
             the shard anew",
            folder.display(),
            found.trim()
        ))),
        _ => Ok(()),
    }
}

/// A word as the shell takes it literally.
pub fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::process::Command;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn the_shell_reads_what_was_meant(word in "[ -~äß\n]{0,20}") {
            let script = format!("printf %s {}", quoted(&word));
            let output = Command::new("sh").arg("-c").arg(script).output().unwrap();
            prop_assert_eq!(String::from_utf8(output.stdout).unwrap(), word);
        }
    }
}
