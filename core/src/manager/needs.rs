//! What a part needs of a resource, as placement asks for it.

use std::collections::BTreeMap;

use crate::deployment::state::{Deployment, Part};
use crate::deployment::{PartSpec, Target};
use crate::id::{DeploymentId, EnsembleId, ResourceId};
use crate::placement::{Ensemble, Inventory, Query};
use crate::slo::Objective;
use crate::units::Time;

/// The needs of a part of a deployment.
pub(super) struct Needs<'a> {
    deployment: DeploymentId,
    pub(super) spec: &'a PartSpec,
    pub(super) part: &'a Part,
    ensemble: Option<&'a [ResourceId]>,
    objectives: Vec<&'a Objective>,
    /// The resources that hold the same artifact of the deployment.
    apart: Vec<ResourceId>,
}

impl<'a> Needs<'a> {
    pub(super) fn of(
        deployment: &'a Deployment,
        index: u32,
        ensembles: &'a BTreeMap<EnsembleId, Ensemble>,
    ) -> Needs<'a> {
        let spec = &deployment.spec.parts[index as usize];
        let ensemble = deployment.spec.ensemble;
        let copies = deployment.spec.parts.iter().zip(&deployment.parts);
        Needs {
            deployment: deployment.id,
            spec,
            part: &deployment.parts[index as usize],
            ensemble: ensemble
                .and_then(|id| ensembles.get(&id))
                .map(Ensemble::resources),
            objectives: deployment.objectives_of(index).collect(),
            apart: copies
                .filter(|(other, _)| other.artifact == spec.artifact)
                .flat_map(|(_, part)| part.instances.iter().map(|instance| instance.resource))
                .collect(),
        }
    }

    /// The only resource the owner allows.
    pub(super) fn only(&self) -> Option<ResourceId> {
        match self.spec.target {
            Target::Only(resource) => Some(resource),
            Target::First(_) | Target::Any => None,
        }
    }

    /// Asks for a resource, or for this one.
    pub(super) fn query(&self, target: Option<ResourceId>) -> Query<'_> {
        Query {
            deployment: self.deployment,
            kind: self.spec.kind,
            demand: self.spec.demand,
            exclusive: self.spec.exclusive,
            target,
            ensemble: self.ensemble,
            apart: &self.apart,
            avoid: &self.part.avoid,
            objectives: &self.objectives,
        }
    }

    /// Whether a resource can have the part.
    pub(super) fn met_by(&self, inventory: &Inventory, resource: ResourceId, now: Time) -> bool {
        inventory.can_have(resource, &self.query(self.only()), now)
    }
}
