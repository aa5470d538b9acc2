//! What must survive a crash, and how a manager resumes from it.
//!
//! After each call to the manager the world takes [`journal`](Manager::journal),
//! appends it to durable storage, and only then carries out the commands. The
//! newest record of each subject is the whole state. A step that was not written
//! down has not happened: what it was told is like a message that was lost.
//!
//! Not written down: samples (they come again) and everything that follows from
//! the rest: locks, used capacity, timers, watches.

use serde::{Deserialize, Serialize};

use super::message::ManagerCommand;
use super::step::{Step, occupant, timeout};
use super::{Config, Manager};
use crate::config::ConfigError;
use crate::deployment::Phase;
use crate::deployment::state::Deployment;
use crate::id::{DeploymentId, EnsembleId, PartId, ResourceId};
use crate::placement::{Ensemble, Resource};
use crate::units::Time;

/// One thing written down, as it is from now on; without a value, it is gone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Record {
    /// A resource of the inventory.
    Resource(ResourceId, Option<Resource>),
    /// An ensemble.
    Ensemble(EnsembleId, Option<Ensemble>),
    /// A deployment with its instances, its operations under way and its alerts.
    Deployment(DeploymentId, Option<Box<Deployment>>),
}

/// What a record is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Subject {
    Resource(ResourceId),
    Ensemble(EnsembleId),
    Deployment(DeploymentId),
}

impl Manager {
    /// What has changed since the last call, to be written down before the
    /// commands given since then are carried out.
    pub fn journal(&mut self) -> Vec<Record> {
        let changed = std::mem::take(&mut self.changed);
        changed.into_iter().map(|one| self.record(one)).collect()
    }

    /// The whole state, to begin a new journal with.
    pub fn snapshot(&self) -> Vec<Record> {
        let resources = self.inventory.ids().map(Subject::Resource);
        let ensembles = self.ensembles.keys().copied().map(Subject::Ensemble);
        let deployments = self.deployments.keys().chain(&self.ended);
        let deployments = deployments.copied().map(Subject::Deployment);
        resources
            .chain(ensembles)
            .chain(deployments)
            .map(|one| self.record(one))
            .collect()
    }

    fn record(&self, subject: Subject) -> Record {
        match subject {
            Subject::Resource(id) => Record::Resource(id, self.inventory.resource(id).cloned()),
            Subject::Ensemble(id) => Record::Ensemble(id, self.ensembles.get(&id).cloned()),
            Subject::Deployment(id) => {
                Record::Deployment(id, self.deployments.get(&id).cloned().map(Box::new))
            }
        }
    }

    /// A manager in the state that `records` describe, oldest first. Operations
    /// that may not have been sent are sent again, with their old keys; so are
    /// alerts that are not known to be delivered.
    pub fn restore(
        config: Config,
        records: impl IntoIterator<Item = Record>,
        now: Time,
        out: &mut Vec<ManagerCommand>,
    ) -> Result<Manager, ConfigError> {
        let mut manager = Manager::new(config, now)?;
        for record in records {
            match record {
                Record::Resource(_, Some(resource)) => manager.inventory.insert(resource),
                Record::Resource(id, None) => manager.inventory.remove(id),
                Record::Ensemble(id, Some(ensemble)) => {
                    manager.ensembles.insert(id, ensemble);
                }
                Record::Ensemble(id, None) => {
                    manager.ensembles.remove(&id);
                }
                Record::Deployment(id, Some(deployment)) => {
                    manager.deployments.insert(id, *deployment);
                }
                Record::Deployment(id, None) => {
                    manager.deployments.remove(&id);
                    manager.ended.insert(id);
                }
            }
        }
        let ids: Vec<DeploymentId> = manager.deployments.keys().copied().collect();
        // All that is there takes its place before anything new is placed.
        for &id in &ids {
            manager.occupy(id);
        }
        for &id in &ids {
            manager.resume(now, id, out);
        }
        Ok(manager)
    }

    fn occupy(&mut self, id: DeploymentId) {
        let Some(deployment) = self.deployments.get(&id) else {
            return;
        };
        for (instance, resource, _) in deployment.instances() {
            let spec = &deployment.spec.parts[instance.part.index as usize];
            self.inventory.occupy(resource, occupant(spec, instance));
        }
    }

    fn resume(&mut self, now: Time, id: DeploymentId, out: &mut Vec<ManagerCommand>) {
        let Some(deployment) = self.deployments.get(&id) else {
            return;
        };
        let mut found = Vec::new();
        for (instance, resource, phase) in deployment.instances() {
            if !phase.is_wanted() || phase == Phase::Deploying {
                continue;
            }
            let objectives = deployment.objectives_of(instance.part.index);
            self.monitor
                .begin(now, instance, resource, objectives, |objective| {
                    let open = deployment.alerts.iter().find(|open| {
                        open.resolved.is_none()
                            && open.fired.resource == resource
                            && open.fired.instance.is_none_or(|one| one == instance)
                            && open.fired.objective == *objective
                    })?;
                    Some((open.fired.since, open.fired.at, open.fired.id.number))
                });
            // Who never measures again would never be looked at.
            self.monitor
                .first_look(now, instance, &self.inventory, &mut found);
        }
        let parts = deployment.parts.len() as u32;
        for index in 0..parts {
            let part = PartId {
                deployment: id,
                index,
            };
            self.with_part(now, part, out, |step| step.send_all_again());
        }
        self.act_on(now, found, out);
        if let Some(deployment) = self.deployments.get_mut(&id) {
            for open in &mut deployment.alerts {
                open.due = now;
                open.post(out);
            }
        }
        self.finish(now, id, out);
    }
}

impl Step<'_> {
    /// Sends what is under way once more, as the same attempt: it may never have
    /// left, or its answer may have been lost with the crash.
    fn send_all_again(&mut self) {
        let (now, config) = (self.now, self.config);
        let part = &mut self.deployment.parts[self.index as usize];
        let instances = part.instances.iter_mut().filter_map(|i| i.pending.as_mut());
        for pending in instances.chain(&mut part.route) {
            if pending.sent {
                pending.due = now + timeout(config, &pending.operation.action);
                self.out.push(ManagerCommand::Operate(pending.operation));
            }
        }
    }
}
