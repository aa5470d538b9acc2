//! What is asked of a continuum. Each kind is an experiment of its own.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tidegate_core::Span;

pub use super::reallocation::task::{Calls, Containers, Fault, Faults, Measuring, Sizing, What};
pub use super::scale::Scale;
use super::testbed::{count, span};

/// Read from `scenarios/workloads/*.toml`, by `kind`.
#[derive(Clone, Debug, PartialEq)]
pub enum Task {
    /// "invocations".
    Invocations(Invocations),
    /// "deployments".
    Deployments(Deployments),
    /// "services".
    Services(Services),
    /// "violations".
    Violations(Violations),
    /// "faults".
    Faults(Box<Faults>),
    /// "scale".
    Scale(Scale),
}

/// A function is called by many at the same time.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Invocations {
    /// The resource it is deployed on.
    pub resource: String,
    /// Calls that begin together.
    pub concurrent: u32,
    /// How often that is repeated, one after the other.
    pub runs: u32,
    /// How long the function itself takes, without using a CPU.
    pub execution: Span,
}

/// Several deploy the same at the same time, and terminate it afterwards.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Deployments {
    /// Which of the compositions.
    pub composition: String,
    /// The resources that a deployment uses, by the name of the composition:
    /// function 1 on each that runs functions, service 1 on each that runs
    /// containers.
    pub compositions: BTreeMap<String, Vec<String>>,
    /// Deployments that begin together.
    pub concurrent: u32,
    /// How often that is repeated, one after the other.
    pub runs: u32,
    /// From when all are deployed until they are terminated.
    pub pause: Span,
}

/// Services whose images are there are started and stopped.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Services {
    /// How many, on one node.
    pub services: u32,
    /// How often that is repeated, one after the other.
    pub runs: u32,
}

/// Resources that deployments use violate an objective, for a while.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Violations {
    /// Deployments that are watched, all on the same resources.
    pub deployments: u32,
    /// The resources.
    pub resources: Vec<String>,
    /// How often, one after the other.
    pub violations: u32,
    /// How long each lasts.
    pub lasting: Span,
    /// The shortest time between two.
    pub pause: Span,
    /// What it is longer at most; as likely anything between.
    pub pause_more: Span,
}

impl Task {
    /// The kinds there are, as files name them.
    pub const KINDS: [&'static str; 6] = [
        "invocations",
        "deployments",
        "services",
        "violations",
        "faults",
        "scale",
    ];

    /// Says what is wrong with the numbers, if anything.
    ///
    /// # Errors
    /// With the key in backticks.
    pub fn check(&self) -> Result<(), String> {
        match self {
            Task::Invocations(task) => {
                count("concurrent", task.concurrent)?;
                count("runs", task.runs)?;
                span("execution", task.execution)
            }
            Task::Deployments(task) => {
                count("concurrent", task.concurrent)?;
                count("runs", task.runs)?;
                span("pause", task.pause)
            }
            Task::Services(task) => {
                count("services", task.services)?;
                count("runs", task.runs)
            }
            Task::Faults(task) => task.check(),
            Task::Scale(task) => task.check(),
            Task::Violations(task) => {
                count("deployments", task.deployments)?;
                count("violations", task.violations)?;
                span("lasting", task.lasting)?;
                span("pause", task.pause)?;
                span("pause_more", task.pause_more)
            }
        }
    }
}
