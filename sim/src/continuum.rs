//! A computing continuum and the manager that deploys on it: the Innsbruck
//! testbed of the resource-manager paper, as parameters and steps.
//!
//! - [`testbed`]: the resources, the cluster between them and their platforms.
//! - [`manager`]: the resource manager's own costs and caps.
//! - [`client`]: who asks.
//! - [`task`]: what is asked, and with it which experiment it is.
//! - `site`, `terraform`: the stations they share, and what a deployment is made
//!   of.
//! - `invocation`: function calls, direct and through the manager.
//! - `deployment`: deployments and terminations.
//! - `services`: starts and stops of services.
//! - `desk`: the core's manager in it.
//! - `reaction`: from a violated objective to its alert.
//! - `reallocation`: faults of resources, and what the manager does about them.
//! - `scale`: many resources and deployments.
//! - `samples`: from measured times to metrics.

pub mod testbed;

pub mod manager;

pub mod client;

pub mod task;

mod site;

mod terraform;

mod invocation;

mod deployment;

mod services;

mod desk;

mod reaction;

mod reallocation;

mod scale;

mod samples;

#[cfg(test)]
mod testing;

#[cfg(test)]
mod tests;

pub use client::{Client, Via};
pub use manager::Manager;
pub use task::Task;
pub use testbed::Continuum;

use crate::outcome::Outcome;

/// One cell of a scenario on a continuum with one seed.
#[derive(Clone, Copy, Debug)]
pub struct Experiment<'a> {
    /// Where it runs.
    pub continuum: &'a Continuum,
    /// Who deploys, watches and forwards.
    pub manager: &'a Manager,
    /// Who asks.
    pub client: &'a Client,
    /// What is asked.
    pub task: &'a Task,
    /// Seed of all random streams.
    pub seed: u64,
}

impl Experiment<'_> {
    /// Says what does not fit together, if anything.
    ///
    /// # Errors
    /// With the key in backticks where one is to blame.
    pub fn check(&self) -> Result<(), String> {
        match self.task {
            Task::Invocations(task) => invocation::check(self, task),
            Task::Deployments(task) => deployment::check(self, task),
            Task::Services(task) => services::check(self, task),
            Task::Violations(task) => reaction::check(self, task),
            Task::Faults(task) => reallocation::check(self, task),
            Task::Scale(task) => task.check(),
        }
    }
}

/// Runs an experiment. The same experiment gives the same outcome.
///
/// # Errors
/// As [`Experiment::check`].
pub fn run(experiment: &Experiment<'_>) -> Result<Outcome, String> {
    experiment.check()?;
    match experiment.task {
        Task::Invocations(task) => invocation::run(experiment, task),
        Task::Deployments(task) => deployment::run(experiment, task),
        Task::Services(task) => Ok(services::run(experiment, task)),
        Task::Violations(task) => reaction::run(experiment, task),
        Task::Faults(task) => reallocation::run(experiment, task),
        Task::Scale(task) => scale::run(experiment, task),
    }
}
