//! What is asked: functions that are called all the time, and what goes wrong with
//! the resources they are on.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tidegate_core::Span;
use tidegate_core::placement::Demand;
use tidegate_core::slo::Objective;

pub use super::containers::{Containers, Sizing};
use crate::continuum::testbed::{MAX_SPAN, count, positive, span};

/// Functions are deployed and called at a constant rate; resources fail.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Faults {
    /// How long calls come.
    pub duration: Span,
    /// Deployments, of one function each.
    pub deployments: u32,
    /// The resources that may have them; the first is asked for first.
    pub resources: Vec<String>,
    /// What must hold where they are.
    pub objectives: Vec<Objective>,
    /// What one of them takes of a resource.
    #[serde(default)]
    pub demand: Demand,
    /// How they are called.
    pub calls: Calls,
    /// If given, an application in containers is deployed instead of functions, and
    /// its load is theirs.
    #[serde(default)]
    pub containers: Option<Containers>,
    /// How resources are measured.
    #[serde(default)]
    pub measuring: Measuring,
    /// Which of the courses of faults.
    pub fault: String,
    /// The courses of faults, by name: each a list of what goes wrong.
    pub faults: BTreeMap<String, Vec<Fault>>,
}

/// The calls of a function.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Calls {
    /// Calls per second to each function: a Poisson process that waits for nobody.
    pub rate: f64,
    /// CPU of one, at the speed of the reference.
    pub cpu: Span,
    /// What it takes beside, without a CPU.
    #[serde(default)]
    pub execution: Span,
    /// An answer after this time is late.
    pub deadline: Span,
    /// The client waits no longer than this.
    pub timeout: Span,
}

/// How resources are measured, beside how often.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Measuring {
    /// From the beginning of a measurement of the network to its end, beside the
    /// round trip.
    pub ping: Span,
    /// When a resource that does not answer counts as down; without, nothing is
    /// said of it: who measures is cut off with it.
    pub timeout: Option<Span>,
}

/// One thing that goes wrong with a resource.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// Which one.
    pub resource: String,
    /// What.
    pub what: What,
    /// When it begins.
    pub begin: Span,
    /// If given, it begins so long after the first deployment to the resource that
    /// is made from `begin` on.
    #[serde(default)]
    pub deploying: Option<Span>,
    /// How long it lasts; for ever if not given.
    #[serde(default)]
    pub lasts: Option<Span>,
    /// How many times longer everything takes, if it slows down.
    #[serde(default = "ten")]
    pub factor: f64,
}

fn ten() -> f64 {
    10.0
}

/// What can go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum What {
    /// It is down: calls are refused, those being served are cut off. When it is up
    /// again, so are the functions on it.
    Fails,
    /// Its CPU works slower.
    SlowsDown,
    /// Nothing reaches it or comes from it, but it goes on.
    LosesNetwork,
    /// Containers on it end as soon as they serve, and their platform says so.
    CrashLoops,
}

/// More of them are no experiment on one continuum.
const MAX_DEPLOYMENTS: u32 = 1_000;
/// Calls of one function per second at most.
const MAX_RATE: f64 = 10_000.0;

impl Faults {
    /// Says what is wrong with the numbers, if anything.
    ///
    /// # Errors
    /// With the key in backticks.
    pub fn check(&self) -> Result<(), String> {
        count("deployments", self.deployments)?;
        if self.deployments > MAX_DEPLOYMENTS {
            return Err(format!(
                "`deployments` must be at most {MAX_DEPLOYMENTS}, not {}",
                self.deployments
            ));
        }
        positive("calls.rate", self.calls.rate)?;
        if self.calls.rate > MAX_RATE {
            return Err(format!(
                "`calls.rate` must be at most {MAX_RATE}, not {}",
                self.calls.rate
            ));
        }
        for (key, value) in [
            ("duration", self.duration),
            ("calls.cpu", self.calls.cpu),
            ("calls.execution", self.calls.execution),
            ("calls.deadline", self.calls.deadline),
            ("calls.timeout", self.calls.timeout),
            ("measuring.ping", self.measuring.ping),
        ] {
            span(key, value)?;
        }
        for (key, value) in [
            ("duration", self.duration),
            ("calls.timeout", self.calls.timeout),
        ] {
            if value == Span::ZERO {
                return Err(format!("`{key}` must be above zero"));
            }
        }
        if let Some(containers) = &self.containers {
            containers.check()?;
            if self.deployments > 1 || self.faults.values().any(|course| !course.is_empty()) {
                return Err("`containers` are one deployment, and `faults` none".to_owned());
            }
        }
        if self.resources.is_empty() {
            return Err("`resources` names no resource".to_owned());
        }
        for (name, course) in &self.faults {
            for (index, fault) in course.iter().enumerate() {
                let key = |key: &str| format!("faults.{name}[{index}].{key}");
                positive(&key("factor"), fault.factor)?;
                for (field, value) in [
                    ("begin", Some(fault.begin)),
                    ("deploying", fault.deploying),
                    ("lasts", fault.lasts),
                ] {
                    if value.is_some_and(|value| value > MAX_SPAN) {
                        return Err(format!("`{}` must be at most {MAX_SPAN}", key(field)));
                    }
                }
            }
        }
        // Other courses may be about resources that are left out here.
        let absent = |fault: &&Fault| !self.resources.contains(&fault.resource);
        match self.course()?.iter().find(absent) {
            None => Ok(()),
            Some(fault) => Err(format!(
                "`faults.{}` has {:?}, which is not among the `resources`",
                self.fault, fault.resource
            )),
        }
    }

    /// What goes wrong.
    ///
    /// # Errors
    /// When there is no such course.
    pub fn course(&self) -> Result<&[Fault], String> {
        let known = || {
            let names: Vec<&str> = self.faults.keys().map(String::as_str).collect();
            names.join(", ")
        };
        self.faults
            .get(&self.fault)
            .map(Vec::as_slice)
            .ok_or_else(|| {
                format!(
                    "`fault` {:?} is not among the `faults`: there are {}",
                    self.fault,
                    known()
                )
            })
    }
}
