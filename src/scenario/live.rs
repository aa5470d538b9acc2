//! `[live]`: how an experiment is made to fit a host that is smaller than the testbed
//! it was published for.
//!
//! The scaled experiment is another experiment, and the same one in both worlds: the
//! simulator runs it scaled too, so that the two can be laid side by side. What is
//! scaled is part of the scenario's hash and stands in `manifest.json`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tidegate_workloads::{Application, Load};

/// What of an experiment is scaled, in both worlds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Live {
    /// By how much.
    pub scale: Scale,
}

/// Factors; 1 where none is given.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Scale {
    /// Of requests per second.
    pub rate: f64,
    /// Of the CPU time of calls.
    pub cpu: f64,
}

impl Default for Scale {
    fn default() -> Scale {
        Scale {
            rate: 1.0,
            cpu: 1.0,
        }
    }
}

impl Live {
    /// Says which factor makes no sense, if any.
    ///
    /// # Errors
    /// The key and what is wrong with it.
    pub fn check(&self) -> Result<(), (&'static str, String)> {
        for (key, factor) in [("rate", self.scale.rate), ("cpu", self.scale.cpu)] {
            if !(0.001..=1_000.0).contains(&factor) {
                let message = format!("`{key}` must be from 0.001 to 1000, not {factor}");
                return Err((key, message));
            }
        }
        Ok(())
    }

    /// `application`, scaled: calls cost less, and profiles, which were made under the
    /// whole load, show less use.
    pub fn application(&self, application: Application) -> Application {
        application.scaled(self.scale.cpu, self.scale.cpu * self.scale.rate)
    }

    /// `load`, scaled.
    pub fn load(&self, load: Load) -> Load {
        load.scaled(self.scale.rate)
    }
}
