//! The parameters of K8s-CPU, as a scenario file has them.

use serde::{Deserialize, Serialize};

use crate::config::{self, ConfigError};
use crate::units::{Cores, Span};

/// All parameters of [`K8sCpu`](super::K8sCpu). The defaults are those of
/// K8s-CPU in the public code of Autothrottle's authors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Time between two usage samples, and so between two decisions.
    pub period: Span,
    /// Length of the stabilisation window: a limit comes down only when nothing
    /// in it asks for more.
    pub stabilisation: Span,
    /// The share of its limit that a container is to use. Autothrottle's authors
    /// ran it with 0.4 to 0.7, whichever was best for an application.
    pub target_utilisation: f64,
    /// Lowest limit: the kernel takes no quota below 1 ms per 100 ms.
    pub floor: Cores,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            period: Span::from_secs(15),
            stabilisation: Span::from_secs(300),
            target_utilisation: 0.5,
            floor: Cores::from_millis(10),
        }
    }
}

impl Config {
    /// K8s-CPU-Fast: a sample each second, a window of 20 s.
    pub fn fast() -> Config {
        Config {
            period: Span::from_secs(1),
            stabilisation: Span::from_secs(20),
            ..Config::default()
        }
    }

    /// Whether all parameters make sense.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let must = |holds, field, expected| config::must("k8s-cpu", holds, field, expected);
        must(
            self.period >= Span::from_millis(1),
            "period",
            "at least 1ms",
        )?;
        must(
            self.stabilisation >= self.period,
            "stabilisation",
            "at least `period`",
        )?;
        must(
            (0.01..=1.0).contains(&self.target_utilisation),
            "target_utilisation",
            "from 0.01 to 1",
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
    fn the_published_variants_make_sense() {
        assert_eq!(Config::default().validate(), Ok(()));
        assert_eq!(Config::fast().validate(), Ok(()));
    }

    #[test]
    fn nonsense_is_named() {
        let message = |config: Config| config.validate().unwrap_err().to_string();
        assert_eq!(
            message(Config {
                target_utilisation: 0.0,
                ..Config::default()
            }),
            "k8s-cpu: `target_utilisation` must be from 0.01 to 1"
        );
        assert_eq!(
            message(Config {
                stabilisation: Span::from_secs(14),
                ..Config::default()
            }),
            "k8s-cpu: `stabilisation` must be at least `period`"
        );
        assert_eq!(
            message(Config {
                period: Span::ZERO,
                ..Config::default()
            }),
            "k8s-cpu: `period` must be at least 1ms"
        );
        assert_eq!(
            message(Config {
                floor: Cores(9_999_999),
                ..Config::default()
            }),
            "k8s-cpu: `floor` must be at least 0.01 cores"
        );
    }
}
