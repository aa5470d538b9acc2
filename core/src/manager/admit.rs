//! Which requests are accepted: deployments and ensembles.

use super::Manager;
use super::journal::Subject;
use super::message::{Event, ManagerCommand, Refusal};
use crate::deployment::state::{Deployment, Desired, Part};
use crate::deployment::{DeploymentPhase, DeploymentSpec, Target};
use crate::id::{DeploymentId, EnsembleId, ResourceId};
use crate::placement::{Ensemble, Query, Rejection};
use crate::slo::Objective;
use crate::units::Time;

impl Manager {
    /// Accepts a deployment and begins with it, or refuses it whole.
    pub(super) fn deploy(
        &mut self,
        now: Time,
        id: DeploymentId,
        spec: &DeploymentSpec,
        out: &mut Vec<ManagerCommand>,
    ) {
        if self.deployments.contains_key(&id) || self.ended.contains(&id) {
            return;
        }
        self.changed.insert(Subject::Deployment(id));
        if let Some(refusal) = self.refuse(now, id, spec) {
            self.ended.insert(id);
            out.push(ManagerCommand::Tell(Event::Refused(id, refusal)));
            return;
        }
        let ensemble = spec.ensemble.and_then(|id| self.ensembles.get(&id));
        let objectives = ensemble.map_or(&[][..], Ensemble::objectives);
        let deployment = Deployment {
            id,
            objectives: [objectives, &spec.objectives].concat(),
            desired: Desired::Up,
            phase: DeploymentPhase::Deploying,
            parts: spec
                .parts
                .iter()
                .map(|part| Part::new(part.start))
                .collect(),
            alerts: Vec::new(),
            next_alert: 0,
            spec: spec.clone(),
        };
        self.deployments.insert(id, deployment);
        let accepted = Event::Deployment(id, DeploymentPhase::Deploying);
        out.push(ManagerCommand::Tell(accepted));
        self.settle(now, id, out);
    }

    /// Why a deployment cannot be accepted. Where its owner leaves the choice of a
    /// resource open, there is none: what fits today may not tomorrow.
    fn refuse(&self, now: Time, id: DeploymentId, spec: &DeploymentSpec) -> Option<Refusal> {
        if spec.parts.is_empty() {
            return Some(Refusal::Empty);
        }
        let ensemble = match spec.ensemble {
            None => None,
            Some(id) => match self.ensembles.get(&id) {
                None => return Some(Refusal::Ensemble(id)),
                ensemble => ensemble,
            },
        };
        let common = ensemble.map_or(&[][..], Ensemble::objectives);
        for (index, part) in (0u32..).zip(&spec.parts) {
            let (Target::First(resource) | Target::Only(resource)) = part.target else {
                continue;
            };
            if self.inventory.resource(resource).is_none() {
                return Some(Refusal::NoSuchResource(resource));
            }
            if part.target == Target::First(resource) {
                continue;
            }
            let objectives: Vec<&Objective> = common
                .iter()
                .chain(&spec.objectives)
                .chain(&part.objectives)
                .collect();
            // Those before it that will be there for certain.
            let apart: Vec<ResourceId> = spec.parts[..index as usize]
                .iter()
                .filter(|other| other.artifact == part.artifact)
                .filter_map(|other| match other.target {
                    Target::Only(resource) => Some(resource),
                    Target::Any | Target::First(_) => None,
                })
                .collect();
            let query = Query {
                deployment: id,
                kind: part.kind,
                demand: part.demand,
                exclusive: part.exclusive,
                target: None,
                ensemble: ensemble.map(Ensemble::resources),
                apart: &apart,
                avoid: &[],
                objectives: &objectives,
            };
            if let Some(why) = self.inventory.check(resource, &query, now) {
                return Some(Refusal::Target {
                    part: index,
                    resource,
                    why,
                });
            }
        }
        None
    }

    /// Creates an ensemble if all its resources meet all its objectives.
    pub(super) fn create_ensemble(
        &mut self,
        now: Time,
        id: EnsembleId,
        objectives: &[Objective],
        resources: &[ResourceId],
        out: &mut Vec<ManagerCommand>,
    ) {
        if self.ensembles.contains_key(&id) {
            return;
        }
        let resources = resources.iter().copied();
        let created = Ensemble::create(objectives.to_vec(), resources, &self.inventory, now);
        let mismatches = match created {
            Ok(ensemble) => {
                self.ensembles.insert(id, ensemble);
                self.changed.insert(Subject::Ensemble(id));
                Vec::new()
            }
            Err(mismatches) => mismatches,
        };
        out.push(ManagerCommand::Tell(Event::Ensemble(id, mismatches)));
    }

    /// Checks the resources of an ensemble again.
    pub(super) fn check_ensemble(
        &mut self,
        now: Time,
        id: EnsembleId,
        out: &mut Vec<ManagerCommand>,
    ) {
        if let Some(ensemble) = self.ensembles.get_mut(&id) {
            let mismatches: Vec<(ResourceId, Rejection)> = ensemble.check(&self.inventory, now);
            self.changed.insert(Subject::Ensemble(id));
            out.push(ManagerCommand::Tell(Event::Ensemble(id, mismatches)));
        }
    }
}
