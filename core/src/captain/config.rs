//! The parameters of Captain, as a scenario file has them.

use serde::{Deserialize, Serialize};

use crate::config::{self, ConfigError};
use crate::units::{Cores, Span};

/// All parameters of [`Captain`](super::Captain). The defaults are those of the
/// public code of Autothrottle's authors; the target is one of the nine its
/// Tower chooses from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The share of periods that may be throttled. Tower chooses from 0, 0.02,
    /// 0.04, 0.06, 0.1, 0.15, 0.2, 0.25 and 0.3.
    pub throttle_target: f64,
    /// Time between two samples: the length of a CPU bandwidth period.
    pub period: Span,
    /// N: so many periods between two decisions.
    pub periods: u32,
    /// M: so many samples of the usage are looked at.
    pub history: usize,
    /// α: a limit grows where the throttled share passes α times the target.
    pub alpha: f64,
    /// The margin of a new container, in standard deviations of its usage.
    pub margin: f64,
    /// β_min: no decision lowers a limit to less than this share of it.
    pub beta_min: f64,
    /// β_max: a limit is lowered only if to this share of it or less.
    pub beta_max: f64,
    /// Lowest limit: the kernel takes no quota below 1 ms per 100 ms.
    pub floor: Cores,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            throttle_target: 0.1,
            period: Span::from_millis(100),
            periods: 10,
            history: 50,
            alpha: 3.0,
            margin: 3.0,
            beta_min: 0.5,
            beta_max: 0.9,
            floor: Cores::from_millis(10),
        }
    }
}

impl Config {
    /// Whether all parameters make sense.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let must = |holds, field, expected| config::must("captain", holds, field, expected);
        must(
            (0.0..=1.0).contains(&self.throttle_target),
            "throttle_target",
            "in [0, 1]",
        )?;
        must(
            self.period >= Span::from_millis(1),
            "period",
            "at least 1ms",
        )?;
        must(
            (1..=10_000).contains(&self.periods),
            "periods",
            "from 1 to 10000",
        )?;
        must(
            (1..=10_000).contains(&self.history),
            "history",
            "from 1 to 10000",
        )?;
        // Tolerating less than the target would grow limits that are on it.
        must(
            (1.0..=1e6).contains(&self.alpha),
            "alpha",
            "from 1 to 1000000",
        )?;
        must(
            (0.0..=1e6).contains(&self.margin),
            "margin",
            "from 0 to 1000000",
        )?;
        must(
            self.beta_max > 0.0 && self.beta_max < 1.0,
            "beta_max",
            "in (0, 1)",
        )?;
        must(
            self.beta_min > 0.0 && self.beta_min <= self.beta_max,
            "beta_min",
            "greater than zero and at most `beta_max`",
        )?;
        must(
            self.floor >= Cores::from_millis(10),
            "floor",
            "at least 0.01 cores",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_makes_sense() {
        assert_eq!(Config::default().validate(), Ok(()));
    }

    #[test]
    fn nonsense_is_named() {
        let fields = |config: &str| {
            let mut it = Config::default();
            match config {
                "throttle_target" => it.throttle_target = f64::NAN,
                "period" => it.period = Span::from_micros(999),
                "periods" => it.periods = 0,
                "history" => it.history = 0,
                "alpha" => it.alpha = 0.5,
                "margin" => it.margin = f64::INFINITY,
                "beta_max" => it.beta_max = 1.0,
                "beta_min" => it.beta_min = 0.95,
                _ => it.floor = Cores::ZERO,
            }
            it.validate().unwrap_err().to_string()
        };
        for field in [
            "throttle_target",
            "period",
            "periods",
            "history",
            "alpha",
            "margin",
            "beta_max",
            "beta_min",
            "floor",
        ] {
            let start = format!("captain: `{field}` must be ");
            assert!(fields(field).starts_with(&start), "{}", fields(field));
        }
    }
}
