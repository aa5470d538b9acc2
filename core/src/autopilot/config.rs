//! The parameters of Autopilot, as a scenario file has them.

use serde::{Deserialize, Serialize};

use crate::config::{self, ConfigError};
use crate::units::{Bytes, Cores, Span};

/// Who recommends limits for one resource. Text form: `"ml"`, `"max"`,
/// `"average"`, `{ percentile = 95.0 }` or `"intermediate"`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Recommender {
    /// The ML recommender: the one Escra compares itself with (Escra, VI-A).
    Ml,
    /// S_max.
    Max,
    /// S_avg.
    Average,
    /// S_pj, with j in (0, 100].
    Percentile(f64),
    /// max(S_p60, 0.5 S_max).
    Intermediate,
}

/// A shorter time between samples or updates is shorter than what it takes to
/// act on them.
const SHORTEST: Span = Span::from_millis(1);
/// Models of one resource, and buckets: far more than anybody has used, and few
/// enough that an update ends.
const MAX_MODELS: usize = 1_000;
const MAX_BUCKETS: usize = 10_000;

/// All parameters of [`Autopilot`](super::Autopilot).
///
/// Autopilot's own time scale is a window of 5 minutes with samples of 1 s.
/// Escra ran it with an update each second (Escra, VI-A); the defaults keep the
/// proportions: one window per update, and lengths in windows.
///
/// The values of the five weights were never published, neither by Google nor
/// by Escra's authors. **The defaults are ours**, on the side of performance;
/// `w_dl`, `w_dm` and `d` are those of a public re-implementation. What the
/// weights do is not obvious, because the costs count samples, whatever their
/// distance from the limit:
///
/// - Samples spread over many buckets are covered up to the highest as soon as
///   `w_o` > `w_u`. Samples over a bucket that holds most of them are covered if
///   their faded number is more than `w_u / w_o` of that bucket's: 1/20 here.
/// - A limit comes down only if what is saved, at most `w_u` times the samples
///   of a window, is more than `w_dl`. A CPU window has ten samples, a memory
///   window one, its peak. With the defaults a memory limit never comes down;
///   with `w_u` = 0 no limit does, as in the raw data of Escra's authors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Time between two updates of the limits, and the length of a window.
    pub update_period: Span,
    /// Time from the first container to the first update; one `update_period` if
    /// not given. Stands for a recommender that is started later than the
    /// containers; samples from before the last `update_period` of it are not
    /// looked at.
    pub first_update: Option<Span>,
    /// Time between two usage samples.
    pub sampling: Span,
    /// Who recommends CPU limits.
    pub cpu_recommender: Recommender,
    /// Who recommends memory limits.
    pub memory_recommender: Recommender,

    /// w_o: cost of a sample over the limit.
    pub w_o: f64,
    /// w_u: cost of a sample under the limit.
    pub w_u: f64,
    /// w_ΔL: cost of a changed limit.
    pub w_dl: f64,
    /// w_Δm: cost of a changed model.
    pub w_dm: f64,
    /// d, in [0, 1]: the share of the last window in a model's cost.
    pub d: f64,
    /// d_m of the models, in (0, 1]. With each of the margins it is one model.
    pub decays: Vec<f64>,
    /// M_m of the CPU models. A container throttled at its limit climbs by the
    /// smallest margin per update, but at least by one bucket if it can use its
    /// limit to the last nanosecond: with a margin of zero and a hair less it
    /// stays where it is for ever. Zero in the list lets limits fall fast, as
    /// only such models have no samples under their limit to pay for; and it
    /// wins wherever usage is steady, throttled or not.
    pub cpu_margins: Vec<Cores>,
    /// M_m of the memory models. The limits in the raw data of Escra's authors
    /// are whole buckets plus 1 MiB.
    pub memory_margins: Vec<Bytes>,

    /// N of S_max, in windows.
    pub windows: u64,
    /// Half-life of a CPU sample in S_avg and S_pj, in windows.
    pub cpu_half_life: u32,
    /// The same for memory: four times as long (12 h and 48 h in the paper).
    pub memory_half_life: u32,
    /// The share added to S: 10 to 15 % in the paper. Moving windows only.
    pub margin: f64,
    /// The highest recommendation of the last so many windows counts (an hour,
    /// so 12 windows, in the paper). Moving windows only.
    pub hold: u64,

    /// Number of CPU buckets.
    pub cpu_buckets: usize,
    /// Upper end of the CPU buckets, and the highest CPU limit.
    pub cpu_max: Cores,
    /// Lowest CPU limit.
    pub cpu_floor: Cores,
    /// CPU limit of a new container.
    pub cpu_initial: Cores,
    /// What a CPU sample is multiplied by before it is looked at.
    ///
    /// Right is 1. The recreation by Escra's authors has usage in µs per second
    /// beside limits in µs per 100 ms, so its limits settle at ten times the
    /// usage: in their raw data a highest usage of 0.07 cores has a limit of
    /// 0.67, 0.28 one of 2.82, and what is busier ends up between 4 and 6. To
    /// compare with their figures, set 10.
    pub usage_scale: f64,

    /// Number of memory buckets.
    pub memory_buckets: usize,
    /// Upper end of the memory buckets, and the highest memory limit.
    pub memory_max: Bytes,
    /// Lowest memory limit.
    pub memory_floor: Bytes,
    /// Memory limit of a new container. Under an application-wide limit it must
    /// fit as often as there are containers, or the last ones start with less.
    pub memory_initial: Bytes,
    /// After an OOM kill the limit that was too small, times this, counts as a
    /// memory sample.
    pub oom_factor: f64,
    /// For how long that sample is in every window: a restarted container does
    /// not need at once again what killed it.
    pub oom_hold: Span,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            update_period: Span::from_secs(1),
            first_update: None,
            sampling: Span::from_millis(100),
            cpu_recommender: Recommender::Ml,
            memory_recommender: Recommender::Ml,
            w_o: 1.0,
            w_u: 0.05,
            w_dl: 0.1,
            w_dm: 0.1,
            d: 0.75,
            // The public re-implementation's: linspace(0.1, 1.0, 10).
            decays: (1..=10).map(|tenths| f64::from(tenths) / 10.0).collect(),
            cpu_margins: vec![Cores::from_millis(100), Cores::from_millis(300)],
            memory_margins: vec![Bytes::from_mib(1)],
            windows: 12,
            cpu_half_life: 12,
            memory_half_life: 48,
            margin: 0.15,
            hold: 12,
            cpu_buckets: 400,
            cpu_max: Cores::from_millis(4_800),
            cpu_floor: Cores::from_millis(10),
            cpu_initial: Cores::from_millis(10),
            usage_scale: 1.0,
            memory_buckets: 400,
            memory_max: Bytes(25_000_000_000),
            memory_floor: Bytes::from_mib(25),
            memory_initial: Bytes::from_mib(1024),
            oom_factor: 1.2,
            oom_hold: Span::from_secs(60),
        }
    }
}

impl Config {
    /// Whether all parameters make sense.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let must = |holds, field, expected| config::must("autopilot", holds, field, expected);
        must(
            self.update_period >= SHORTEST,
            "update_period",
            "at least 1ms",
        )?;
        must(
            self.first_update.is_none_or(|first| first > Span::ZERO),
            "first_update",
            "longer than zero",
        )?;
        must(
            self.sampling >= SHORTEST && self.sampling <= self.update_period,
            "sampling",
            "at least 1ms and at most `update_period`",
        )?;
        for (field, recommender) in [
            ("cpu_recommender", self.cpu_recommender),
            ("memory_recommender", self.memory_recommender),
        ] {
            if let Recommender::Percentile(j) = recommender {
                must(j > 0.0 && j <= 100.0, field, "a percentile in (0, 100]")?;
            }
        }
        for (field, weight) in [
            ("w_o", self.w_o),
            ("w_u", self.w_u),
            ("w_dl", self.w_dl),
            ("w_dm", self.w_dm),
            ("margin", self.margin),
        ] {
            must(not_negative(weight), field, "a number from zero up")?;
        }
        must((0.0..=1.0).contains(&self.d), "d", "in [0, 1]")?;
        must(
            !self.decays.is_empty() && self.decays.iter().all(|&d| d > 0.0 && d <= 1.0),
            "decays",
            "a list, not empty, of numbers in (0, 1]",
        )?;
        must(!self.cpu_margins.is_empty(), "cpu_margins", "not empty")?;
        must(
            !self.memory_margins.is_empty(),
            "memory_margins",
            "not empty",
        )?;
        for (field, margins) in [
            ("cpu_margins", self.cpu_margins.len()),
            ("memory_margins", self.memory_margins.len()),
        ] {
            must(
                margins.saturating_mul(self.decays.len()) <= MAX_MODELS,
                field,
                "so few that with each of the `decays` there are at most 1000 models",
            )?;
        }
        must(self.windows >= 1, "windows", "at least 1")?;
        must(self.hold >= 1, "hold", "at least 1")?;
        must(self.cpu_half_life >= 1, "cpu_half_life", "at least 1")?;
        must(self.memory_half_life >= 1, "memory_half_life", "at least 1")?;
        let range = |number: usize, max: u64| (1..=MAX_BUCKETS).contains(&number) && max >= 100_000;
        must(
            range(self.cpu_buckets, self.cpu_max.0),
            "cpu_buckets",
            "from 1 to 10000, with a `cpu_max` of at least 0.0001 cores",
        )?;
        must(
            range(self.memory_buckets, self.memory_max.0),
            "memory_buckets",
            "from 1 to 10000, with a `memory_max` of at least 100 KB",
        )?;
        must(
            self.cpu_floor <= self.cpu_initial && self.cpu_initial <= self.cpu_max,
            "cpu_initial",
            "between `cpu_floor` and `cpu_max`",
        )?;
        must(
            self.memory_floor <= self.memory_initial && self.memory_initial <= self.memory_max,
            "memory_initial",
            "between `memory_floor` and `memory_max`",
        )?;
        must(
            not_negative(self.usage_scale) && self.usage_scale > 0.0,
            "usage_scale",
            "greater than zero",
        )?;
        must(
            not_negative(self.oom_factor) && self.oom_factor >= 1.0,
            "oom_factor",
            "at least 1",
        )
    }
}

fn not_negative(number: f64) -> bool {
    number.is_finite() && number >= 0.0
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
        let error = Config {
            decays: vec![0.5, 0.0],
            ..Config::default()
        };
        assert_eq!(
            error.validate().unwrap_err().to_string(),
            "autopilot: `decays` must be a list, not empty, of numbers in (0, 1]"
        );
        for nonsense in [
            Config {
                w_u: f64::NAN,
                ..Config::default()
            },
            Config {
                cpu_recommender: Recommender::Percentile(0.0),
                ..Config::default()
            },
            Config {
                sampling: Span::from_secs(2),
                ..Config::default()
            },
            Config {
                cpu_floor: Cores::new(9),
                ..Config::default()
            },
            Config {
                memory_buckets: 0,
                ..Config::default()
            },
        ] {
            assert!(nonsense.validate().is_err(), "{nonsense:?}");
        }
    }

    #[test]
    fn what_would_take_for_ever_is_refused() {
        let hair = Span::from_micros(999);
        let message = |config: Config| config.validate().unwrap_err().to_string();
        assert_eq!(
            message(Config {
                update_period: hair,
                sampling: hair,
                ..Config::default()
            }),
            "autopilot: `update_period` must be at least 1ms"
        );
        assert_eq!(
            message(Config {
                sampling: hair,
                ..Config::default()
            }),
            "autopilot: `sampling` must be at least 1ms and at most `update_period`"
        );
        let models = |margins: usize| Config {
            decays: vec![0.5; 10],
            cpu_margins: vec![Cores::ZERO; margins],
            memory_margins: vec![Bytes::ZERO; margins],
            ..Config::default()
        };
        assert_eq!(models(100).validate(), Ok(()));
        assert!(message(models(101)).contains("`cpu_margins`"));
        let memory = Config {
            memory_margins: vec![Bytes::ZERO; 101],
            ..Config::default()
        };
        assert!(message(memory).contains("`memory_margins`"));
        let buckets = |number: usize| Config {
            cpu_buckets: number,
            memory_buckets: number,
            ..Config::default()
        };
        assert_eq!(buckets(10_000).validate(), Ok(()));
        assert!(message(buckets(10_001)).contains("`cpu_buckets`"));
    }
}
