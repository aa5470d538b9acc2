//! One cell with one seed, from its pieces to its numbers.

use std::ffi::OsString;
use std::panic::{self, AssertUnwindSafe};

use serde::{Deserialize, Serialize};
use tidegate_core::Span;
use tidegate_sim::{Cdf, Experiment, Outcome, Recording, SeriesPoint};

use crate::run::Interrupt;
use crate::run::live;
use crate::scenario::format::World;
use crate::scenario::matrix::Subject;
use crate::scenario::{Cell, Scenario};

/// What one cell with one seed gave.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub struct Finished {
    /// The cell's numbers, in the order in which the world gave them.
    pub metrics: Vec<Metric>,
    /// What each container used.
    pub containers: Vec<Container>,
    /// Limits and use over time, if the scenario asks for them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub series: Vec<SeriesPoint>,
    /// Full distributions, if the scenario asks for them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cdfs: Vec<Cdf>,
    /// Events the simulator handled.
    pub events: u64,
}

/// One number of a cell.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub struct Metric {
    /// Its name, such as `throughput_rps`.
    pub name: String,
    /// Its unit.
    pub unit: String,
    /// Its value; not a number where nothing was measured.
    #[serde(with = "number")]
    pub value: f64,
}

/// What one container used.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub struct Container {
    /// The service it runs.
    pub service: String,
    /// Mean CPU use over the run, in cores.
    #[serde(with = "number")]
    pub cpu_mean_cores: f64,
    /// Mean CPU limit over the run, in cores.
    #[serde(with = "number")]
    pub cpu_limit_mean_cores: f64,
    /// Highest memory use, in MiB.
    #[serde(with = "number")]
    pub memory_max_mib: f64,
    /// CFS periods in which the group was active.
    pub periods: u64,
    /// Of those, periods that ended with the group throttled.
    pub throttled_periods: u64,
    /// Kills for memory.
    pub oom_kills: u64,
}

impl Finished {
    /// The same with nothing more written down than `recording` asks for.
    pub fn only(&self, recording: Recording) -> Finished {
        Finished {
            metrics: self.metrics.clone(),
            containers: self.containers.clone(),
            series: match recording.series {
                Some(_) => self.series.clone(),
                None => Vec::new(),
            },
            cdfs: if recording.cdf {
                self.cdfs.clone()
            } else {
                Vec::new()
            },
            events: self.events,
        }
    }

    /// The value of the metric called `name`.
    pub fn metric(&self, name: &str) -> Option<f64> {
        let metric = self.metrics.iter().find(|metric| metric.name == name)?;
        Some(metric.value)
    }
}

/// Why there is nothing to show of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Somebody asked to stop before it was over.
    Interrupted,
    /// The world has a fault, or refused: its message.
    Fault(String),
}

impl From<tidegate_sim::Metric> for Metric {
    fn from(metric: tidegate_sim::Metric) -> Metric {
        Metric {
            name: metric.name.to_owned(),
            unit: metric.unit.to_owned(),
            value: metric.value,
        }
    }
}

impl From<Outcome> for Finished {
    fn from(outcome: Outcome) -> Finished {
        Finished {
            metrics: outcome.metrics.into_iter().map(Metric::from).collect(),
            containers: outcome
                .containers
                .into_iter()
                .map(|container| Container {
                    service: container.service,
                    cpu_mean_cores: container.cpu_mean_cores,
                    cpu_limit_mean_cores: container.cpu_limit_mean_cores,
                    memory_max_mib: container.memory_max_mib,
                    periods: container.periods,
                    throttled_periods: container.throttled_periods,
                    oom_kills: container.oom_kills,
                })
                .collect(),
            series: outcome.series,
            cdfs: outcome.cdfs,
            events: outcome.events,
        }
    }
}

/// Runs `cell` with the scenario's seed number `seed_index`, which is `seed`, in its
/// world, and writes down what `recording` says. `deciding` tells a controller of the
/// live world of the cell.
///
/// # Errors
/// When the world has a fault, or in the live world somebody asked to stop.
pub fn run(
    cell: &Cell,
    seed_index: usize,
    seed: u64,
    recording: Recording,
    deciding: &[OsString],
    interrupt: &Interrupt,
) -> Result<Finished, Failure> {
    if let Subject::Application(cell) = &cell.subject
        && cell.world == World::Live
    {
        let load = cell.load(seed_index).map_err(Failure::Fault)?;
        let stop = interrupt.flag();
        return guarded(|| live::run(cell, load, seed, recording, deciding, stop))
            .unwrap_or_else(|message| Err(Failure::Fault(message)));
    }
    in_simulator(cell, seed_index, seed, recording).map_err(Failure::Fault)
}

/// Runs a cell in the simulator, whatever its world.
///
/// # Errors
/// When the simulator has a fault: its message.
pub fn in_simulator(
    cell: &Cell,
    seed_index: usize,
    seed: u64,
    recording: Recording,
) -> Result<Finished, String> {
    let cell = match &cell.subject {
        Subject::Application(cell) => cell,
        Subject::Continuum(cell) => {
            return guarded(|| cell.run(seed))?.map(Finished::from);
        }
    };
    let load = cell.load(seed_index)?;
    let mut allocator =
        cell.policy
            .build(&cell.application, &cell.testbed, &cell.limit, cell.settle)?;
    let experiment = cell.experiment(load, seed, recording);
    guarded(|| simulate(&experiment, allocator.as_mut())).map(Finished::from)
}

/// Runs `work`; a panic becomes an error with its message.
fn guarded<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    // Nothing outlives a run that failed, so nothing can be seen half-changed.
    panic::catch_unwind(AssertUnwindSafe(work)).map_err(|cause| {
        let text = cause
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| cause.downcast_ref::<&str>().copied());
        text.unwrap_or("it stopped without a message").to_owned()
    })
}

/// The names of the numbers that cells of this scenario give: a tenth of a
/// second of its first cell shows them, or all of it where it has no duration.
///
/// # Errors
/// When the simulator has a fault: its message.
pub fn metrics(scenario: &Scenario) -> Result<Vec<String>, String> {
    let (Some(first), Some(seed)) = (scenario.cells.first(), scenario.seeds.first()) else {
        return Ok(Vec::new());
    };
    let mut glimpse = first.clone();
    if let Subject::Application(cell) = &mut glimpse.subject {
        cell.settle = Span::ZERO;
        cell.duration = cell.duration.min(Span::from_millis(100));
    }
    let live = first
        .application()
        .is_some_and(|cell| cell.world == World::Live);
    let finished = in_simulator(&glimpse, 0, *seed, Recording::default())?;
    let names = finished.metrics.into_iter().map(|metric| metric.name);
    let more = live::MORE
        .iter()
        .filter(|_| live)
        .map(|(name, _)| (*name).to_owned());
    Ok(names.chain(more).collect())
}

/// The one place where the simulator is called.
fn simulate(experiment: &Experiment<'_>, allocator: &mut dyn tidegate_core::Allocator) -> Outcome {
    tidegate_sim::run(experiment, allocator)
}

/// Numbers as JSON has them; what is not a number is null there.
mod number {
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
        if value.is_finite() {
            serializer.serialize_f64(*value)
        } else if value.is_nan() {
            serializer.serialize_none()
        } else {
            serializer.collect_str(value)
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Number {
            Finite(f64),
            Infinite(String),
            Missing(()),
        }
        Ok(match Number::deserialize(deserializer)? {
            Number::Finite(value) => value,
            Number::Infinite(text) => text.parse().map_err(serde::de::Error::custom)?,
            Number::Missing(()) => f64::NAN,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_number_survives_being_stored(value in any::<f64>()) {
            let metric = Metric {
                name: "x".to_owned(),
                unit: "1".to_owned(),
                value,
            };
            let text = serde_json::to_string(&metric).unwrap();
            let back: Metric = serde_json::from_str(&text).unwrap();
            prop_assert!(back.value == value || back.value.is_nan() && value.is_nan());
        }
    }
}
