//! The parameters of the VPA, as a scenario file has them.

use serde::{Deserialize, Serialize};

use crate::config::{self, ConfigError};
use crate::units::{Bytes, Cores};

/// How a new request reaches a container that runs. Text form: `"in-place"`,
/// `"in-place-or-recreate"`, `"recreate"`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Resized, never evicted (alpha in 1.7).
    #[default]
    InPlace,
    /// Resized, and evicted where a resize is not done in time (GA in 1.6).
    InPlaceOrRecreate,
    /// Evicted: the pod comes back with new requests.
    Recreate,
}

/// All parameters of [`Vpa`](super::Vpa). The defaults are those of VPA 1.7.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// How new requests reach containers.
    pub mode: Mode,
    /// Who runs fewer replicas than this is not evicted. The updater's default is
    /// 2: it then leaves services of one replica alone.
    pub min_replicas: u32,
    /// The share of a service's replicas that may be down at once for the VPA; if
    /// that is less than one, one is evicted while all run.
    pub eviction_tolerance: f64,
    /// How many times faster the VPA lives than the run: all its times (a sample
    /// and an update per minute, the half-life and the memory interval of 24 h,
    /// the pod age of 12 h, the 10 min of a quick OOM) are divided by this.
    /// 1 is the real VPA; with 1440 its day is a minute.
    pub time_scale: u32,
    /// How long the history of a container is that has one.
    pub history_days: u32,
    /// The percentile of the usage that is the target.
    pub target_percentile: f64,
    /// The percentile of the lower bound.
    pub lower_percentile: f64,
    /// The percentile of the upper bound.
    pub upper_percentile: f64,
    /// The share added to each percentile.
    pub safety_margin: f64,
    /// An OOM kill counts as a memory sample of at least this much more than
    /// what was used.
    pub oom_min_bump: Bytes,
    /// An OOM kill counts as a memory sample of at least this many times what
    /// was used.
    pub oom_bump_ratio: f64,
    /// The least CPU recommended for a pod.
    pub pod_min_cpu: Cores,
    /// The least memory recommended for a pod.
    pub pod_min_memory: Bytes,
    /// Among so many containers a pod's minimum is split.
    pub containers_per_pod: u32,
    /// An old pod whose requests are in range is updated if they change by this
    /// share, of CPU and memory added up.
    pub min_change: f64,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            mode: Mode::InPlace,
            min_replicas: 2,
            eviction_tolerance: 0.5,
            time_scale: 1,
            history_days: 8,
            target_percentile: 0.9,
            lower_percentile: 0.5,
            upper_percentile: 0.95,
            safety_margin: 0.15,
            oom_min_bump: Bytes::from_mib(100),
            oom_bump_ratio: 1.2,
            pod_min_cpu: Cores::from_millis(25),
            pod_min_memory: Bytes::from_mib(250),
            containers_per_pod: 1,
            min_change: 0.1,
        }
    }
}

impl Config {
    /// Whether all parameters make sense.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let must = |holds, field, expected| config::must("vpa", holds, field, expected);
        must(
            (0.0..=1.0).contains(&self.eviction_tolerance),
            "eviction_tolerance",
            "from 0 to 1",
        )?;
        // A minute becomes 10 ms: faster than that nothing is sampled.
        must(
            (1..=6_000).contains(&self.time_scale),
            "time_scale",
            "from 1 to 6000",
        )?;
        must(
            (1..=100).contains(&self.history_days),
            "history_days",
            "from 1 to 100",
        )?;
        let share = |p: f64| p > 0.0 && p <= 1.0;
        must(
            share(self.target_percentile),
            "target_percentile",
            "in (0, 1]",
        )?;
        must(
            share(self.lower_percentile) && self.lower_percentile <= self.target_percentile,
            "lower_percentile",
            "greater than zero and at most `target_percentile`",
        )?;
        must(
            share(self.upper_percentile) && self.upper_percentile >= self.target_percentile,
            "upper_percentile",
            "from `target_percentile` to 1",
        )?;
        must(
            (0.0..=100.0).contains(&self.safety_margin),
            "safety_margin",
            "from 0 to 100",
        )?;
        must(
            (1.0..=100.0).contains(&self.oom_bump_ratio),
            "oom_bump_ratio",
            "from 1 to 100",
        )?;
        must(
            self.containers_per_pod >= 1,
            "containers_per_pod",
            "at least 1",
        )?;
        must(
            self.min_change.is_finite() && self.min_change >= 0.0,
            "min_change",
            "a number from zero up",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(config: &Config) -> String {
        config.validate().unwrap_err().to_string()
    }

    #[test]
    fn the_default_makes_sense() {
        assert_eq!(Config::default().validate(), Ok(()));
    }

    #[test]
    fn nonsense_is_named() {
        let with = |change: fn(&mut Config)| {
            let mut config = Config::default();
            change(&mut config);
            message(&config)
        };
        for (message, field) in [
            (with(|c| c.eviction_tolerance = 1.5), "eviction_tolerance"),
            (with(|c| c.time_scale = 0), "time_scale"),
            (with(|c| c.time_scale = 6_001), "time_scale"),
            (with(|c| c.history_days = 0), "history_days"),
            (with(|c| c.target_percentile = 1.1), "target_percentile"),
            (with(|c| c.lower_percentile = 0.95), "lower_percentile"),
            (with(|c| c.upper_percentile = 0.5), "upper_percentile"),
            (with(|c| c.safety_margin = f64::NAN), "safety_margin"),
            (with(|c| c.oom_bump_ratio = 0.9), "oom_bump_ratio"),
            (with(|c| c.containers_per_pod = 0), "containers_per_pod"),
            (with(|c| c.min_change = -1.0), "min_change"),
        ] {
            let start = format!("vpa: `{field}` must be ");
            assert!(message.starts_with(&start), "{message}");
        }
    }
}
