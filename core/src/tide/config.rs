//! Tide's parameters. All are ours; `docs/models.md` says which were swept, and how.

use serde::{Deserialize, Serialize};

use crate::config::{self, ConfigError};
use crate::units::{Bytes, Cores, Span};

/// Tide's parameters.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Weight of the last period in the mean of use and in its mean deviation.
    pub weight: f64,
    /// Mean deviations above the mean at which a quota rests.
    pub deviations: f64,
    /// At a throttle a quota grows by this share of itself, ...
    pub grant: f64,
    /// ... but at least by this much.
    pub grant_least: Cores,
    /// No quota falls below this.
    pub floor: Cores,
    /// A quota falls only if it would fall by more than this share of itself:
    /// each write costs the kernel something and refills the group's runtime.
    pub slack: f64,
    /// Whole periods without a throttle before a quota falls.
    pub calm: u32,
    /// Where a share is short, a quota above an equal part of it falls by at most
    /// this share of itself a period.
    pub yielding: f64,
    /// Time between two reports of a host, and between two looks at the shares.
    pub rebalance: Span,
    /// The same where a grant had to be denied.
    pub urgent: Span,
    /// Memory granted at an out-of-memory event.
    pub memory_grant: Bytes,
    /// Memory left above usage by a reclaim: the standing grant.
    pub memory_margin: Bytes,
    /// Time from a container's start, restart or last grant, or from a reclaim that
    /// gave as much as a grant, to its next reclaim: its growth has calmed by then.
    pub memory_calm: Span,
    /// Each reclaim that gives less doubles the time to the next, up to this.
    pub memory_rest: Span,
    /// Length of the bandwidth periods; no key of files, the hosts decide it.
    #[serde(skip)]
    pub period: Span,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            weight: 0.1,
            deviations: 0.5,
            grant: 0.1,
            grant_least: Cores::from_millis(50),
            floor: Cores::from_millis(100),
            slack: 0.1,
            calm: 1,
            yielding: 0.25,
            rebalance: Span::from_millis(100),
            urgent: Span::from_millis(10),
            memory_grant: Bytes(5000 * 4096),
            memory_margin: Bytes::from_mib(20),
            // What Escra's authors wait for a start to be over (their controller).
            memory_calm: Span::from_secs(30),
            // Nothing tells of use that falls: what a container no longer needs comes
            // back within this, or when the pool is low. Four doublings; a fifth would
            // save a command per container in a quarter of an hour.
            memory_rest: Span::from_secs(480),
            period: Span::from_millis(100),
        }
    }
}

impl Config {
    /// Says which parameter is out of its range, if any.
    pub fn check(&self) -> Result<(), ConfigError> {
        let must = |holds, field, expected| config::must("tide", holds, field, expected);
        must(
            (0.001..=1.0).contains(&self.weight),
            "weight",
            "in [0.001, 1]",
        )?;
        must(
            (0.0..=100.0).contains(&self.deviations),
            "deviations",
            "in [0, 100]",
        )?;
        must((0.0..=10.0).contains(&self.grant), "grant", "in [0, 10]")?;
        must(
            self.grant_least >= Cores::from_millis(1),
            "grant_least",
            "at least 0.001 cores",
        )?;
        must(
            self.floor >= Cores::from_millis(10),
            "floor",
            "at least 0.01 cores",
        )?;
        must((0.0..=1.0).contains(&self.slack), "slack", "in [0, 1]")?;
        must(
            (0.0..=1.0).contains(&self.yielding),
            "yielding",
            "in [0, 1]",
        )?;
        must(
            self.rebalance >= Span::from_millis(1),
            "rebalance",
            "at least 1ms",
        )?;
        must(
            Span::from_micros(100) <= self.urgent && self.urgent <= self.rebalance,
            "urgent",
            "at least 0.1ms, and at most `rebalance`",
        )?;
        must(
            self.memory_grant > Bytes::ZERO,
            "memory_grant",
            "above zero",
        )?;
        must(
            self.memory_calm >= Span::from_millis(1),
            "memory_calm",
            "at least 1ms",
        )?;
        must(
            self.memory_rest >= self.memory_calm,
            "memory_rest",
            "at least `memory_calm`",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_makes_sense() {
        assert_eq!(Config::default().check(), Ok(()));
    }

    #[test]
    fn nonsense_is_named() {
        type Break = fn(&mut Config);
        let cases: [(&str, Break); 12] = [
            ("weight", |c| c.weight = 0.0),
            ("deviations", |c| c.deviations = f64::NAN),
            ("grant", |c| c.grant = -0.1),
            ("grant_least", |c| c.grant_least = Cores::ZERO),
            ("floor", |c| c.floor = Cores::ZERO),
            ("slack", |c| c.slack = 2.0),
            ("yielding", |c| c.yielding = 1.5),
            ("rebalance", |c| c.rebalance = Span::ZERO),
            ("urgent", |c| c.urgent = c.rebalance + Span(1)),
            ("memory_grant", |c| c.memory_grant = Bytes::ZERO),
            ("memory_calm", |c| c.memory_calm = Span::ZERO),
            ("memory_rest", |c| c.memory_rest = Span::ZERO),
        ];
        for (field, spoil) in cases {
            let mut config = Config::default();
            spoil(&mut config);
            let error = config.check().unwrap_err().to_string();
            let start = format!("tide: `{field}` must be ");
            assert!(error.starts_with(&start), "{error}");
        }
    }
}
