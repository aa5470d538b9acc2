//! Gates against regressions: is the code still what it was?
//!
//! - [`platform`]: where and by what a reference was made.
//! - [`exact`]: tier 1, the results and counters of small scenarios, byte for byte.
//! - [`instructions`]: tier 2, how many instructions they take, within 1 %.
//!
//! Wall times are no gate: they tell about the machine first.

pub mod platform;

pub mod exact;

pub mod instructions;

use std::path::{Path, PathBuf};

use serde::Deserialize;
use tidegate_workloads::file;

use crate::error::Error;
use crate::scenario::{Filter, Scenario, set};

/// The file in the folder of references that names the gates.
pub const GATES: &str = "gates.toml";

/// What is run for a gate.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gate {
    /// Its name, and that of its folder.
    pub name: String,
    /// The scenario file, from where the command runs.
    pub scenario: PathBuf,
    /// What is set in it, as with `--set`.
    #[serde(default)]
    pub set: Vec<String>,
    /// Which cells are run, as with `--filter`.
    #[serde(default)]
    pub filter: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Gates {
    gate: Vec<Gate>,
}

/// What a gate says.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// The gate.
    pub gate: String,
    /// What was looked at.
    pub what: String,
    /// What was found, in words.
    pub text: String,
    /// Whether it stands.
    pub holds: bool,
}

impl Gate {
    /// The gates in `folder`.
    ///
    /// # Errors
    /// When there is no such file, or it is wrong.
    pub fn all(folder: &Path) -> Result<Vec<Gate>, Error> {
        let path = folder.join(GATES);
        let gates: Gates = file::parse(&path, &file::read_text(&path)?)?;
        Ok(gates.gate)
    }

    /// The scenario as the gate runs it.
    ///
    /// # Errors
    /// When it is wrong.
    pub fn load(&self) -> Result<Scenario, Error> {
        let changes = self.set.iter().map(|text| set::parse(text));
        let changes = changes.collect::<Result<Vec<_>, _>>()?;
        Scenario::load(&self.scenario, &changes, &Filter::parse(&self.filter)?)
    }
}
