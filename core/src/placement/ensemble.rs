//! Ensembles, as the original has them: a list of objectives and a list of
//! resources that all meet them.
//!
//! An ensemble is created only if each of its resources meets each of its
//! objectives. It is checked again from time to time; one that has become invalid
//! is only marked, and what was deployed with it stays.

use serde::{Deserialize, Serialize};

use super::choice::Rejection;
use super::inventory::Inventory;
use crate::id::ResourceId;
use crate::slo::Objective;
use crate::units::Time;

/// Objectives and the resources that meet them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ensemble {
    objectives: Vec<Objective>,
    /// Sorted.
    resources: Vec<ResourceId>,
    valid: bool,
}

impl Ensemble {
    /// An ensemble of these resources, or which of them do not meet which
    /// objective. A resource that does not exist meets none.
    pub fn create(
        objectives: Vec<Objective>,
        resources: impl IntoIterator<Item = ResourceId>,
        inventory: &Inventory,
        now: Time,
    ) -> Result<Ensemble, Vec<(ResourceId, Rejection)>> {
        let mut resources: Vec<ResourceId> = resources.into_iter().collect();
        resources.sort_unstable();
        resources.dedup();
        let mut ensemble = Ensemble {
            objectives,
            resources,
            valid: true,
        };
        let mismatches = ensemble.check(inventory, now);
        if mismatches.is_empty() {
            Ok(ensemble)
        } else {
            Err(mismatches)
        }
    }

    /// Checks all resources again; returns those that do not do, and marks the
    /// ensemble invalid if there are any.
    pub fn check(&mut self, inventory: &Inventory, now: Time) -> Vec<(ResourceId, Rejection)> {
        let mut mismatches = Vec::new();
        for &id in &self.resources {
            match inventory.entry(id) {
                None => mismatches.push((id, Rejection::Gone)),
                Some(entry) => {
                    let unmet = |o: &&Objective| !inventory.meets(entry, o, now);
                    if let Some(objective) = self.objectives.iter().find(unmet) {
                        mismatches.push((id, inventory.unmet(entry, objective, now)));
                    }
                }
            }
        }
        self.valid = mismatches.is_empty();
        mismatches
    }

    /// Adds or removes a resource. False if that changes nothing.
    pub fn set_member(&mut self, resource: ResourceId, member: bool) -> bool {
        match (self.resources.binary_search(&resource), member) {
            (Err(at), true) => self.resources.insert(at, resource),
            (Ok(at), false) => {
                self.resources.remove(at);
            }
            (Ok(_), true) | (Err(_), false) => return false,
        }
        true
    }

    /// What must hold on its resources.
    pub fn objectives(&self) -> &[Objective] {
        &self.objectives
    }

    /// Its resources, in order.
    pub fn resources(&self) -> &[ResourceId] {
        &self.resources
    }

    /// Whether all resources met all objectives when last checked.
    pub fn is_valid(&self) -> bool {
        self.valid
    }
}
