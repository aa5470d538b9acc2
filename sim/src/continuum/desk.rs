//! The core's manager at its place in a simulated world: what it is told, what it
//! wants, and when it is woken. A wake-up takes the time of its queries first.

use tidegate_core::manager::{Config, Manager as Core, ManagerCommand, ManagerObservation};
use tidegate_core::placement;
use tidegate_core::{InstanceId, ResourceId, Time};

use super::testbed::{Platform, Resource};

/// The manager and its alarm clock.
#[derive(Debug)]
pub(super) struct Desk {
    core: Core,
    out: Vec<ManagerCommand>,
    /// When the wake-up that is scheduled is due.
    due: Option<Time>,
    /// It is awake and waits for the answers to its queries.
    asks: bool,
}

impl Desk {
    /// A manager that knows of nothing.
    ///
    /// # Errors
    /// When its parameters make no sense.
    pub(super) fn new(config: Config) -> Result<Desk, String> {
        Ok(Desk {
            core: Core::new(config, Time::ZERO).map_err(|error| error.to_string())?,
            out: Vec::new(),
            due: None,
            asks: false,
        })
    }

    /// Tells it what happened.
    pub(super) fn observe(&mut self, now: Time, what: &ManagerObservation) {
        self.core.observe(now, what, &mut self.out);
    }

    /// The resource of an instance that is or may be there.
    pub(super) fn resource_of(&self, id: InstanceId) -> Option<ResourceId> {
        let deployment = self.core.deployment(id.part.deployment)?;
        let mut instances = deployment.instances();
        instances.find_map(|(one, resource, _)| (one == id).then_some(resource))
    }

    /// The queries of a wake-up are answered.
    pub(super) fn wake(&mut self, now: Time) {
        (self.due, self.asks) = (None, false);
        self.core.wake(now, &mut self.out);
    }

    /// What it wants done since this was asked last.
    pub(super) fn take(&mut self) -> Vec<ManagerCommand> {
        std::mem::take(&mut self.out)
    }

    /// When a wake-up must be scheduled, if it is another time than that of the one
    /// that is.
    pub(super) fn alarm(&mut self) -> Option<Time> {
        let next = self.core.next_wake();
        if self.asks || next == self.due {
            return None;
        }
        self.due = next;
        next
    }

    /// Whether the wake-up of `now` is the one that counts. Then it asks its
    /// queries, and is to [`wake`](Desk::wake) when they are answered.
    pub(super) fn rings(&mut self, now: Time) -> bool {
        let rings = !self.asks && self.due.is_some_and(|due| due <= now);
        self.asks |= rings;
        rings
    }
}

/// The core's word for a platform.
pub(super) fn platform(platform: Platform) -> placement::Platform {
    match platform {
        Platform::Openfaas => placement::Platform::OpenFaas,
        Platform::Ec2 => placement::Platform::Ec2,
        Platform::Lambda => placement::Platform::Lambda,
        Platform::Kubernetes => placement::Platform::Kubernetes,
    }
}

/// A resource as the manager's inventory has it, without price and capacity.
pub(super) fn described(index: usize, name: &str, resource: &Resource) -> placement::Resource {
    let cloud = matches!(resource.platform, Platform::Ec2 | Platform::Lambda);
    placement::Resource {
        id: ResourceId(index as u32),
        name: name.to_owned(),
        platform: platform(resource.platform),
        provider: if cloud { "aws" } else { "custom" }.to_owned(),
        region: resource.region.to_string(),
        environment: if cloud { "cloud" } else { "edge" }.to_owned(),
        instance_type: None,
        cost: None,
        capacity: placement::Capacity::default(),
        lockable: false,
    }
}
