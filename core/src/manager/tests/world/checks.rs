//! What must hold in a world, whatever has gone wrong in it.

use std::collections::{BTreeMap, BTreeSet};

use super::{State, World, subject};
use crate::deployment::{DeploymentPhase, OnFailure, Operation, Phase};
use crate::id::{InstanceId, PartId, ResourceId};
use crate::manager::step::timeout;
use crate::manager::{Event, ManagerCommand};
use crate::placement::PartKind;
use crate::slo::{Alert, AlertState};

impl World {
    /// What was written down, piece by piece, is the whole state.
    pub(super) fn check_disk(&self) {
        let snapshot = self.manager.snapshot();
        let whole: BTreeMap<String, String> = snapshot
            .iter()
            .map(|record| (subject(record), serde_json::to_string(record).unwrap()))
            .collect();
        let mut disk = self.disk.clone();
        disk.retain(|_, line| !(line.starts_with("{\"resource") && line.ends_with("null]}")));
        assert_eq!(disk, whole);
    }

    /// A part is placed where its owner allows.
    pub(super) fn check_placed(&self, event: &Event) {
        if let Event::Placed(instance, choice) = event
            && let Some(ensemble) = self.asked[&instance.part.deployment].ensemble
        {
            let members = &self.members[&ensemble];
            assert!(members.contains(&choice.resource), "{instance} is outside");
        }
    }

    /// An operation is tried again only when the attempt before has failed or its
    /// time is over: what an earlier one came to says nothing of it.
    pub(super) fn check_attempt(&self, operation: &Operation) {
        let before = (operation.key, operation.attempt - 1);
        if before.1 == 0 || self.failed.contains(&before) {
            return;
        }
        let sent = self.attempts[&before];
        assert!(
            self.now >= sent + timeout(&self.config, &operation.action),
            "{operation:?} although the attempt before is under way"
        );
    }

    /// A manager that comes back sends all that is under way.
    pub(super) fn check_resumed(&self, out: &[ManagerCommand]) {
        for id in self.manager.deployments() {
            let deployment = self.manager.deployment(id).unwrap();
            let pending = deployment.parts.iter().flat_map(|part| part.pending());
            for pending in pending.filter(|pending| pending.sent) {
                let again = ManagerCommand::Operate(pending.operation);
                assert!(out.contains(&again), "{pending:?} is not sent again");
            }
        }
    }

    /// Where calls go is known when a part is moved, and when what had calls is
    /// drained.
    pub(super) fn check_route_is_known(&self, event: &Event) {
        let (Event::Moving(instance, _) | Event::Instance(instance, Phase::Draining)) = event
        else {
            return;
        };
        let deployment = self.manager.deployment(instance.part.deployment);
        let part = deployment.and_then(|one| one.parts.get(instance.part.index as usize));
        assert!(
            part.is_none_or(|part| part.route.is_none()),
            "{event:?} while the route is being switched"
        );
    }

    /// Only those deployments end without being told to whose owners want all or
    /// nothing.
    pub(super) fn note_ends(&mut self) {
        for (&id, spec) in &self.asked {
            let phase = self.manager.deployment(id).map(|one| one.phase());
            let ends = phase.is_none_or(|phase| phase >= DeploymentPhase::Terminating);
            if ends && self.ending.insert(id) {
                assert_eq!(spec.on_failure, OnFailure::TakeDown, "{id:?} is lost");
            }
        }
    }

    /// What must hold at any time.
    pub(in crate::manager) fn check(&self) {
        let mut there: BTreeMap<ResourceId, Vec<InstanceId>> = BTreeMap::new();
        for (&id, known) in &self.instances {
            assert!(known.deployed <= 1, "{id} was deployed twice");
            if known.state != State::Absent {
                there.entry(known.resource).or_default().push(id);
                let occupants: Vec<InstanceId> =
                    self.manager.inventory().occupants(known.resource).collect();
                assert!(occupants.contains(&id), "{id} is forgotten");
            }
        }
        let spec = |id: &InstanceId| &self.asked[&id.part.deployment].parts[id.part.index as usize];
        for (resource, instances) in there {
            if let Some(capacity) = self
                .manager
                .inventory()
                .resource(resource)
                .and_then(|resource| resource.capacity.cpu)
            {
                let taken = instances.iter().map(|id| spec(id).demand.cpu).sum();
                assert!(
                    capacity >= taken,
                    "{resource:?} has too much: {instances:?}"
                );
            }
            for (index, one) in instances.iter().enumerate() {
                for other in &instances[index + 1..] {
                    let same = one.part.deployment == other.part.deployment;
                    assert!(
                        same || !(spec(one).exclusive || spec(other).exclusive),
                        "{one} and {other} share {resource:?}, which is locked"
                    );
                    assert!(
                        !same || spec(one).artifact != spec(other).artifact,
                        "{one} and {other} are the same on {resource:?}"
                    );
                }
            }
        }
        for id in self.manager.deployments() {
            let deployment = self.manager.deployment(id).unwrap();
            let mut wanted: BTreeMap<PartId, u32> = BTreeMap::new();
            for (instance, _, phase) in deployment.instances() {
                if phase.is_wanted() {
                    *wanted.entry(instance.part).or_default() += 1;
                }
            }
            assert!(wanted.values().all(|&n| n <= 2), "{wanted:?}");
            let mut firing: Vec<&Alert> = deployment
                .alerts
                .iter()
                .filter(|alert| alert.resolved.is_none())
                .map(|alert| &alert.fired)
                .collect();
            while let Some(one) = firing.pop() {
                let of = |a: &Alert| (a.resource, a.instance, a.objective.clone());
                let twice = firing.iter().any(|other| of(other) == of(one));
                assert!(!twice, "{one:?} is told twice");
            }
        }
        for (part, (_, to)) in &self.routes {
            let Some(to) = to else { continue };
            if self.ending.contains(&part.deployment) || self.harmed.contains(to) {
                continue;
            }
            let spec = &self.asked[&part.deployment].parts[part.index as usize];
            let serves = match spec.kind {
                PartKind::Function => State::Deployed,
                PartKind::Service => State::Running,
            };
            assert_eq!(
                self.instances[to].state, serves,
                "calls go to {to}, which does not serve"
            );
        }
        if let Some(reallocation) = self.config.reallocation {
            for (part, times) in &self.switches {
                for pair in times.windows(2) {
                    assert!(
                        pair[1].since(pair[0]) >= reallocation.cooldown,
                        "{part} flaps: {pair:?}"
                    );
                }
            }
        }
    }

    /// What must hold when everything has worked for long enough: all that was
    /// asked for is there, where it may be, and nothing else.
    pub(in crate::manager) fn check_at_rest(&self) {
        self.check_disk();
        let mut expected = BTreeSet::new();
        for (&id, spec) in &self.asked {
            let Some(deployment) = self.manager.deployment(id) else {
                assert!(self.ending.contains(&id), "{id:?} is lost");
                continue;
            };
            assert!(!self.ending.contains(&id), "{id:?} does not end");
            for index in 0..spec.parts.len() as u32 {
                let part = PartId {
                    deployment: id,
                    index,
                };
                let there: Vec<_> = deployment
                    .instances()
                    .filter(|(instance, ..)| instance.part == part)
                    .collect();
                assert_eq!(there.len(), 1, "{part}: {there:?}");
                let (instance, resource, phase) = there[0];
                let routed = self.routes.get(&part).and_then(|route| route.1);
                let runs = !self.stopped.contains(&part);
                assert_eq!(routed, runs.then_some(instance), "{part} is not served");
                let settled = match spec.parts[index as usize].kind {
                    PartKind::Service if runs => Phase::Running,
                    PartKind::Function | PartKind::Service => Phase::Deployed,
                };
                assert_eq!(phase, settled, "{instance}");
                assert!(
                    !self.slow.contains(&resource) && !self.silent.contains(&resource),
                    "{part} stays where its objectives are violated"
                );
                expected.insert(instance);
            }
        }
        let there: BTreeSet<InstanceId> = self
            .instances
            .iter()
            .filter(|(_, known)| known.state != State::Absent)
            .map(|(&id, _)| id)
            .collect();
        assert_eq!(there, expected);
        for &resource in &self.resources {
            for occupant in self.manager.inventory().occupants(resource) {
                assert!(expected.contains(&occupant), "a lock or a share is left");
            }
        }
        for (part, (_, to)) in &self.routes {
            assert!(to.is_none_or(|to| expected.contains(&to)), "{part}");
        }
        for &(alert, state) in self.received.keys() {
            let ends: Vec<_> = self
                .received
                .keys()
                .filter(|(other, state)| *other == alert && *state != AlertState::Firing)
                .collect();
            assert_eq!(ends.len(), 1, "{alert:?} {state:?}");
        }
    }
}
