//! The resource manager: objectives, placement and deployments in one machine.
//!
//! It is told what was measured, asked for and done ([`ManagerObservation`]), and
//! answers with operations for providers, alerts and events ([`ManagerCommand`]).
//! It has no clock and does nothing itself. After each call the world writes down
//! the [`journal`] before it carries out the commands: then a crash at any point
//! loses nothing.
//!
//! - [`message`]: what it is told and what it answers.
//! - [`config`]: its parameters.
//! - [`journal`]: what is written down, and how it is resumed from.
//! - `step`, `needs`, `reconcile`: the decisions for one part.
//! - `admit`: which requests are accepted; `alerts`: what owners are told.

pub mod message;

pub mod config;

pub mod journal;

mod timers;

mod admit;

mod needs;

mod step;

mod reconcile;

mod alerts;

#[cfg(test)]
mod tests;

pub use config::{Config, Monitoring, Placing, Posts, Reallocation, Strategy, Timeouts};
pub use journal::Record;
pub use message::{Event, ManagerCommand, ManagerObservation, Measured, Refusal, Sample};

use std::collections::{BTreeMap, BTreeSet};

use crate::config::ConfigError;
use crate::deployment::state::{Deployment, Desired};
use crate::deployment::{DeploymentPhase, Phase, Reply};
use crate::id::{AlertId, DeploymentId, EnsembleId, InstanceId, PartId, ResourceId};
use crate::placement::{Ensemble, Inventory, PartKind};
use crate::slo::monitor::{Finding, Monitor};
use crate::slo::watch::Edge;
use crate::slo::{AlertState, Resolution};
use crate::units::Time;

use journal::Subject;
use needs::Needs;
use step::Step;
use timers::Timers;

/// The resource manager.
///
/// The world calls [`observe`](Manager::observe) for each thing that happens and
/// [`wake`](Manager::wake) when the time of [`next_wake`](Manager::next_wake) has
/// come. `now` never goes back. Commands are appended to `out`, in the order in
/// which they must be sent.
#[derive(Debug)]
pub struct Manager {
    config: Config,
    inventory: Inventory,
    ensembles: BTreeMap<EnsembleId, Ensemble>,
    deployments: BTreeMap<DeploymentId, Deployment>,
    /// Deployments that were refused or are gone.
    ended: BTreeSet<DeploymentId>,
    monitor: Monitor,
    part_timers: Timers<PartId>,
    alert_timers: Timers<AlertId>,
    /// Parts for which no resource was found, the oldest deployments first.
    unplaced: BTreeSet<PartId>,
    next_ensembles: Option<Time>,
    /// What must be written down.
    changed: BTreeSet<Subject>,
}

impl Manager {
    /// A manager that knows of nothing, at `now`.
    pub fn new(config: Config, now: Time) -> Result<Manager, ConfigError> {
        config.validate()?;
        Ok(Manager {
            inventory: Inventory::new(config.placing, config.monitoring.stale_after),
            ensembles: BTreeMap::new(),
            deployments: BTreeMap::new(),
            ended: BTreeSet::new(),
            monitor: Monitor::new(config.monitoring, now),
            part_timers: Timers::new(),
            alert_timers: Timers::new(),
            unplaced: BTreeSet::new(),
            next_ensembles: config.ensemble_period.map(|period| now + period),
            changed: BTreeSet::new(),
            config,
        })
    }

    /// One thing that happened.
    pub fn observe(&mut self, now: Time, what: &ManagerObservation, out: &mut Vec<ManagerCommand>) {
        match what {
            ManagerObservation::Sample(sample) => self.sample(now, sample, out),
            ManagerObservation::ResourceJoined(resource) => {
                let mut found = Vec::new();
                self.inventory.insert(resource.clone());
                self.changed.insert(Subject::Resource(resource.id));
                self.monitor
                    .described(now, resource.id, &self.inventory, &mut found);
                self.act_on(now, found, out);
                self.offer(now, resource.id, out);
            }
            ManagerObservation::ResourceLeft(resource) => self.forget(now, *resource, out),
            ManagerObservation::CreateEnsemble {
                ensemble,
                objectives,
                resources,
            } => self.create_ensemble(now, *ensemble, objectives, resources, out),
            ManagerObservation::SetMember {
                ensemble,
                resource,
                member,
            } => {
                let changed = self
                    .ensembles
                    .get_mut(ensemble)
                    .is_some_and(|ensemble| ensemble.set_member(*resource, *member));
                if changed {
                    self.check_ensemble(now, *ensemble, out);
                    self.offer(now, *resource, out);
                }
            }
            ManagerObservation::Deploy { deployment, spec } => {
                self.deploy(now, *deployment, spec, out);
            }
            ManagerObservation::Terminate(deployment) => self.terminate(now, *deployment, out),
            ManagerObservation::Start(part) => self.set_start(now, *part, true, out),
            ManagerObservation::Stop(part) => self.set_start(now, *part, false, out),
            ManagerObservation::Reply(reply) => self.reply(now, reply, out),
            ManagerObservation::Lost(instance) => self.lost(now, *instance, out),
            ManagerObservation::AlertDelivered { alert, state } => {
                self.delivered(now, *alert, *state, out);
            }
        }
    }

    /// When [`wake`](Manager::wake) must be called next, if at all.
    pub fn next_wake(&self) -> Option<Time> {
        [
            self.monitor.next_wake(),
            self.part_timers.first(),
            self.alert_timers.first(),
            self.next_ensembles,
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// The time of [`next_wake`](Manager::next_wake) has come.
    pub fn wake(&mut self, now: Time, out: &mut Vec<ManagerCommand>) {
        let mut found = Vec::new();
        self.monitor.wake(now, &self.inventory, &mut found);
        self.act_on(now, found, out);
        while let Some(part) = self.part_timers.pop(now) {
            self.with_part(now, part, out, |step| step.time_passed());
        }
        while let Some(alert) = self.alert_timers.pop(now) {
            if let Some(deployment) = self.deployments.get_mut(&alert.deployment) {
                deployment.repeat(alert.number, out);
                self.finish(now, alert.deployment, out);
            }
        }
        if self.next_ensembles.is_some_and(|at| at <= now) {
            self.next_ensembles = self.config.ensemble_period.map(|period| now + period);
            let ids: Vec<EnsembleId> = self.ensembles.keys().copied().collect();
            for id in ids {
                self.check_ensemble(now, id, out);
            }
        }
    }

    /// The resources there are, with what is on them.
    pub fn inventory(&self) -> &Inventory {
        &self.inventory
    }

    /// A deployment that is not yet gone.
    pub fn deployment(&self, id: DeploymentId) -> Option<&Deployment> {
        self.deployments.get(&id)
    }

    /// The deployments that are not yet gone.
    pub fn deployments(&self) -> impl Iterator<Item = DeploymentId> {
        self.deployments.keys().copied()
    }

    /// An ensemble, if it exists.
    pub fn ensemble(&self, id: EnsembleId) -> Option<&Ensemble> {
        self.ensembles.get(&id)
    }

    fn sample(&mut self, now: Time, sample: &Sample, out: &mut Vec<ManagerCommand>) {
        let &Sample {
            of,
            metric,
            value,
            at,
        } = sample;
        let mut found = Vec::new();
        match of {
            Measured::Resource(id) => {
                if let Some(entry) = self.inventory.take(id, metric, value, at) {
                    self.monitor
                        .sampled(now, metric, entry.source(), &mut found);
                }
            }
            Measured::Instance(id) => {
                let measured = (id, metric, value, at);
                self.monitor.sampled_instance(now, measured, &mut found);
            }
        }
        self.act_on(now, found, out);
    }

    /// What came of evaluations: alerts, and parts that may have to move.
    fn act_on(&mut self, now: Time, found: Vec<Finding>, out: &mut Vec<ManagerCommand>) {
        let edges = self.config.monitoring.posts == Posts::Edges;
        for finding in found {
            let Some(watch) = self.monitor.get_mut(finding.watch) else {
                continue;
            };
            let id = watch.deployment;
            let Some(deployment) = self.deployments.get_mut(&id) else {
                continue;
            };
            match finding.edge {
                Edge::Still { .. } if edges => continue,
                Edge::Fire { since } | Edge::Still { since } => {
                    let alert = deployment.alert(watch, since, finding.value, now);
                    watch.alert = Some(alert.id.number);
                    if edges {
                        deployment.fire(alert, out);
                    } else {
                        out.push(ManagerCommand::Notify(alert));
                    }
                }
                Edge::Resolve { .. } => {
                    if let Some(number) = watch.alert.take() {
                        let value = Some(finding.value);
                        deployment.resolve(number, Resolution::Met, value, now, out);
                    }
                }
            }
            let users: Vec<PartId> = watch.users().map(|instance| instance.part).collect();
            for part in users {
                self.with_part(now, part, out, |_| {});
            }
        }
    }

    /// A resource is gone with all that was on it: its instances have ended.
    fn forget(&mut self, now: Time, resource: ResourceId, out: &mut Vec<ManagerCommand>) {
        let there: Vec<InstanceId> = self.inventory.occupants(resource).collect();
        self.inventory.remove(resource);
        self.changed.insert(Subject::Resource(resource));
        for instance in there {
            self.with_part(now, instance.part, out, |step| {
                let phase = step.part().instance(instance.generation).map(|i| i.phase);
                if phase.is_some_and(|phase| phase != Phase::Terminating) {
                    step.advance(instance.generation, Phase::Terminating);
                }
                step.advance(instance.generation, Phase::Terminated);
            });
        }
    }

    fn terminate(&mut self, now: Time, id: DeploymentId, out: &mut Vec<ManagerCommand>) {
        let Some(deployment) = self.deployments.get_mut(&id) else {
            return;
        };
        if deployment.desired == Desired::Up {
            deployment.desired = Desired::Down;
            self.settle(now, id, out);
        }
    }

    fn set_start(&mut self, now: Time, id: PartId, start: bool, out: &mut Vec<ManagerCommand>) {
        self.with_part(now, id, out, |step| {
            if step.spec().kind == PartKind::Service && step.part().start != start {
                let part = step.part_mut();
                part.start = start;
                part.was_ready = false;
            }
        });
    }

    fn reply(&mut self, now: Time, reply: &Reply, out: &mut Vec<ManagerCommand>) {
        self.with_part(now, reply.key.part, out, |step| step.reply(reply));
    }

    fn lost(&mut self, now: Time, id: InstanceId, out: &mut Vec<ManagerCommand>) {
        self.with_part(now, id.part, out, |step| step.lost(id.generation));
    }

    fn delivered(
        &mut self,
        now: Time,
        alert: AlertId,
        state: AlertState,
        out: &mut Vec<ManagerCommand>,
    ) {
        if let Some(deployment) = self.deployments.get_mut(&alert.deployment) {
            deployment.delivered(alert.number, state, now, out);
            self.alert_timers.set(alert, None);
            self.finish(now, alert.deployment, out);
        }
    }

    /// Does something to a part, and then whatever follows from it.
    fn with_part(
        &mut self,
        now: Time,
        id: PartId,
        out: &mut Vec<ManagerCommand>,
        what: impl FnOnce(&mut Step<'_>),
    ) {
        let (mut found, mut freed) = (Vec::new(), Vec::new());
        let Some(deployment) = self.deployments.get_mut(&id.deployment) else {
            return;
        };
        if deployment.part(id.index).is_none() {
            return;
        }
        let before = deployment.desired;
        let mut step = Step {
            now,
            config: &self.config,
            inventory: &mut self.inventory,
            ensembles: &self.ensembles,
            monitor: &mut self.monitor,
            found: &mut found,
            freed: &mut freed,
            deployment,
            index: id.index,
            out,
        };
        what(&mut step);
        let next = step.reconcile();
        let unplaced = step.part().unplaced;
        let others = deployment.desired != before;
        self.part_timers.set(id, next);
        if unplaced {
            self.unplaced.insert(id);
        } else {
            self.unplaced.remove(&id);
        }
        if others {
            self.settle(now, id.deployment, out);
        } else {
            self.finish(now, id.deployment, out);
        }
        // What is watched from now on may be violated already.
        if !found.is_empty() {
            self.act_on(now, found, out);
        }
        for resource in freed {
            self.offer(now, resource, out);
        }
    }

    /// There may be room on a resource: parts that wait for some and can have it
    /// wait no longer. The others are not touched.
    fn offer(&mut self, now: Time, resource: ResourceId, out: &mut Vec<ManagerCommand>) {
        let waiting: Vec<PartId> = self.unplaced.iter().copied().collect();
        for id in waiting {
            let wanted = self.deployments.get(&id.deployment).is_some_and(|one| {
                Needs::of(one, id.index, &self.ensembles).met_by(&self.inventory, resource, now)
            });
            if wanted {
                self.with_part(now, id, out, |step| step.part_mut().not_before = now);
            }
        }
    }

    /// Reconciles all parts of a deployment.
    fn settle(&mut self, now: Time, id: DeploymentId, out: &mut Vec<ManagerCommand>) {
        let parts = self
            .deployments
            .get(&id)
            .map_or(0, |d| d.parts.len() as u32);
        for index in 0..parts {
            let part = PartId {
                deployment: id,
                index,
            };
            self.with_part(now, part, out, |_| {});
        }
    }

    /// After a change: the phase of the deployment, the timers of its alerts, its
    /// end, and that it must be written down.
    fn finish(&mut self, now: Time, id: DeploymentId, out: &mut Vec<ManagerCommand>) {
        let Some(deployment) = self.deployments.get_mut(&id) else {
            return;
        };
        self.changed.insert(Subject::Deployment(id));
        deployment.advance(deployment.derived_phase(), out);
        for open in &mut deployment.alerts {
            let alert = open.fired.id;
            self.alert_timers.set(alert, open.plan(now, &self.config));
        }
        let gone = matches!(
            deployment.phase,
            DeploymentPhase::Terminated | DeploymentPhase::Failed
        );
        if gone && deployment.alerts.is_empty() {
            for index in 0..deployment.parts.len() as u32 {
                let part = PartId {
                    deployment: id,
                    index,
                };
                self.part_timers.set(part, None);
            }
            self.deployments.remove(&id);
            self.ended.insert(id);
        }
    }
}

impl Deployment {
    /// Enters a phase, if it is another one.
    ///
    /// # Panics
    ///
    /// If the edge is not legal: the manager itself would be wrong.
    fn advance(&mut self, next: DeploymentPhase, out: &mut Vec<ManagerCommand>) {
        if next == self.phase {
            return;
        }
        // Nothing skips the phase in which it is taken down.
        if matches!(next, DeploymentPhase::Terminated | DeploymentPhase::Failed)
            && self.phase != DeploymentPhase::Terminating
        {
            self.advance(DeploymentPhase::Terminating, out);
        }
        assert!(
            self.phase.may_become(next),
            "{:?} must not become {next:?}",
            self.phase
        );
        self.phase = next;
        out.push(ManagerCommand::Tell(Event::Deployment(self.id, next)));
    }
}
