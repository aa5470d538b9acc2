//! The parameters of the manager, as a scenario file has them.

use serde::{Deserialize, Serialize};

use crate::config::{ConfigError, must};
use crate::deployment::Retry;
use crate::units::Span;

/// Which alerts are posted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Posts {
    /// One when a violation begins and one when it is over, each until it is
    /// delivered.
    Edges,
    /// One at each evaluation that finds a violation, never repeated and never
    /// resolved: the original.
    EveryEvaluation,
}

/// How objectives are watched.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Monitoring {
    /// Whether each sample is judged when it arrives.
    pub push: bool,
    /// The time from the end of one evaluation of all objectives to the next.
    pub period: Option<Span>,
    /// The age at which a sampled value counts as missing.
    pub stale_after: Span,
    /// Whether a missing metric violates its objectives. In the original it is
    /// silent.
    pub missing_violates: bool,
    /// Which alerts are posted.
    pub posts: Posts,
    /// When an alert that was not confirmed is posted again; for ever.
    pub repeat: Retry,
}

impl Default for Monitoring {
    /// Ours: each sample is judged at once; three missed scrapes of 5 s are
    /// missing (estimate).
    fn default() -> Monitoring {
        Monitoring {
            push: true,
            period: None,
            stale_after: Span::from_secs(15),
            missing_violates: true,
            posts: Posts::Edges,
            repeat: Retry::default(),
        }
    }
}

impl Monitoring {
    /// The original: every 5 s, with the 5 min its queries look back, post after
    /// post (source code).
    pub fn original() -> Monitoring {
        Monitoring {
            push: false,
            period: Some(Span::from_secs(5)),
            stale_after: Span::from_secs(300),
            missing_violates: false,
            posts: Posts::EveryEvaluation,
            repeat: Retry::default(),
        }
    }
}

/// How a resource is chosen among those that fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Strategy {
    /// The least weighted sum of latency, cost and load.
    Scored,
    /// The paper's: sorted by the objectives with a number, in their order, `<`
    /// upwards and `>` downwards; the first is taken.
    FilterAndSort,
}

/// How parts are placed.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Placing {
    /// How one is chosen.
    pub strategy: Strategy,
    /// Whether capacities and outages count. In the original they do not.
    pub aware: bool,
    /// How many placements of a part may come to nothing in a row before it rests,
    /// and how many moves in a row that do not help.
    pub attempts: u32,
    /// How long it rests; and how long a resource that failed or was left is
    /// avoided by the part.
    pub rest: Span,
    /// Weight of latency: of 100 ms.
    pub latency: f64,
    /// Weight of cost: of one unit.
    pub cost: f64,
    /// Weight of load: of a resource whose scarcest capacity is all taken.
    pub load: f64,
}

impl Default for Placing {
    /// Equal weights, a minute of rest (estimates).
    fn default() -> Placing {
        Placing {
            strategy: Strategy::Scored,
            aware: true,
            attempts: 3,
            rest: Span::from_secs(60),
            latency: 1.0,
            cost: 1.0,
            load: 1.0,
        }
    }
}

/// How long an operation may take before it is sent again.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Timeouts {
    /// Deploying. EC2 takes 200 s (paper); the original waits 300 s for its
    /// OpenFaaS alone (source code).
    pub deploy: Span,
    /// Starting a service: 2 min in the original (source code).
    pub start: Span,
    /// Stopping a service (estimate: as starting).
    pub stop: Span,
    /// Draining; what is not done then is cut off (estimate).
    pub drain: Span,
    /// Terminating. EC2 takes 65 s (paper).
    pub terminate: Span,
    /// Switching a route (estimate).
    pub route: Span,
}

impl Default for Timeouts {
    fn default() -> Timeouts {
        Timeouts {
            deploy: Span::from_secs(600),
            start: Span::from_secs(120),
            stop: Span::from_secs(120),
            drain: Span::from_secs(30),
            terminate: Span::from_secs(300),
            route: Span::from_secs(5),
        }
    }
}

/// When and how a part is moved because an objective is violated.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Reallocation {
    /// How long an alert must have been firing.
    pub after: Span,
    /// The shortest time between the end of a move of a part, when its calls go to
    /// the new resource, and the beginning of the next.
    pub cooldown: Span,
}

impl Default for Reallocation {
    /// At once; a minute of rest between moves (estimate).
    fn default() -> Reallocation {
        Reallocation {
            after: Span::ZERO,
            cooldown: Span::from_secs(60),
        }
    }
}

/// All parameters of [`Manager`](super::Manager).
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// How objectives are watched.
    pub monitoring: Monitoring,
    /// How parts are placed.
    pub placing: Placing,
    /// How failed operations are tried again.
    pub retry: Retry,
    /// How long operations may take.
    pub timeouts: Timeouts,
    /// How parts are moved; without, alerts are all that comes of a violation.
    pub reallocation: Option<Reallocation>,
    /// How often ensembles are checked again; 60 min in the original (source
    /// code).
    pub ensemble_period: Option<Span>,
}

impl Config {
    /// The original: alerts only, filter and sort, no capacities, failed
    /// operations tried five times at 1 s.
    pub fn original() -> Config {
        Config {
            monitoring: Monitoring::original(),
            placing: Placing {
                strategy: Strategy::FilterAndSort,
                aware: false,
                attempts: 1,
                ..Placing::default()
            },
            retry: Retry {
                attempts: 5,
                first: Span::from_secs(1),
                longest: Span::from_secs(1),
                jitter: 0.0,
            },
            timeouts: Timeouts::default(),
            reallocation: None,
            ensemble_period: Some(Span::from_secs(3600)),
        }
    }

    /// Says which parameter makes no sense, if one does not.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let positive = |span: Span, field| must("manager", span > Span::ZERO, field, "positive");
        if let Some(period) = self.monitoring.period {
            positive(period, "monitoring.period")?;
        }
        if let Some(period) = self.ensemble_period {
            positive(period, "ensemble_period")?;
        }
        positive(self.monitoring.stale_after, "monitoring.stale_after")?;
        must(
            "manager",
            self.monitoring.push || self.monitoring.period.is_some(),
            "monitoring.period",
            "given where `push` is false",
        )?;
        let weights = [self.placing.latency, self.placing.cost, self.placing.load];
        must(
            "manager",
            weights.iter().all(|w| w.is_finite() && *w >= 0.0),
            "placing",
            "weights of at least 0",
        )?;
        must(
            "manager",
            self.placing.attempts > 0,
            "placing.attempts",
            "at least 1",
        )?;
        positive(self.placing.rest, "placing.rest")?;
        positive(self.timeouts.deploy, "timeouts.deploy")?;
        positive(self.timeouts.start, "timeouts.start")?;
        positive(self.timeouts.stop, "timeouts.stop")?;
        positive(self.timeouts.drain, "timeouts.drain")?;
        positive(self.timeouts.terminate, "timeouts.terminate")?;
        positive(self.timeouts.route, "timeouts.route")?;
        if let Some(reallocation) = &self.reallocation {
            positive(reallocation.cooldown, "reallocation.cooldown")?;
        }
        self.retry.validate()?;
        self.monitoring.repeat.validate()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_configurations_make_sense_and_nonsense_is_named() {
        assert_eq!(Config::default().validate(), Ok(()));
        assert_eq!(Config::original().validate(), Ok(()));
        let mut config = Config::default();
        config.monitoring.push = false;
        let error = config.validate().unwrap_err().to_string();
        assert_eq!(
            error,
            "manager: `monitoring.period` must be given where `push` is false"
        );
        let config = Config {
            reallocation: Some(Reallocation {
                cooldown: Span::ZERO,
                ..Reallocation::default()
            }),
            ..Config::default()
        };
        assert!(config.validate().is_err());
    }
}
