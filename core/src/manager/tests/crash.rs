//! What a manager does when it comes back, step by step.

use super::world::{World, deployment, part, resource};
use crate::deployment::{Outcome, Reply};
use crate::id::{DeploymentId, ResourceId};
use crate::manager::{Config, ManagerObservation};
use crate::placement::{PartKind, Platform};
use crate::slo::{Metric, Value};
use crate::units::Span;

fn world() -> World {
    let resources = (0..2).map(|id| resource(id, Platform::OpenFaas));
    World::new(Config::default(), resources)
}

fn deploy(world: &mut World) {
    world.deploy(1, deployment(vec![part(PartKind::Function)]));
}

#[test]
fn what_may_not_have_been_sent_is_sent_at_once_as_the_same_attempt() {
    let mut world = world();
    deploy(&mut world);
    let sent = std::mem::take(&mut world.commands);
    world.now = world.now + Span::from_secs(1);
    world.crash();
    assert_eq!(world.commands, sent);
    // What waits for its next attempt goes on waiting.
    let reply = Reply {
        key: sent[0].key,
        attempt: 1,
        outcome: Outcome::Failed,
    };
    world.commands.clear();
    world.tell(ManagerObservation::Reply(reply));
    world.crash();
    assert!(world.commands.is_empty());
    world.now = world.manager.next_wake().unwrap();
    world.wake();
    assert_eq!(world.commands[0].key, sent[0].key);
    assert_eq!(world.commands[0].attempt, 2);
}

#[test]
fn a_step_that_was_not_written_down_has_not_happened() {
    let mut world = world();
    deploy(&mut world);
    let operation = world.commands.pop().unwrap();
    world.carry_out(operation, Outcome::Done);
    let reply = world.replies.pop().unwrap();
    world.tell_and_crash(ManagerObservation::Reply(reply), 0);
    // The provider answers the repeated order as the first time.
    assert_eq!(world.commands, [operation]);
    world.deliver_all();
    world.check_at_rest();
    assert_eq!(world.instances.len(), 1);
}

#[test]
fn a_resource_that_fell_silent_before_the_crash_is_missed_after_it() {
    let mut world = world();
    deploy(&mut world);
    world.deliver_all();
    world.silent.insert(ResourceId(0));
    world.crash();
    world.pass(Span::from_secs(14));
    assert!(world.received.is_empty(), "it has its time to arrive");
    world.pass(Span::from_secs(2));
    let deployment = world.manager.deployment(DeploymentId(1)).unwrap();
    let told: Vec<_> = deployment
        .alerts
        .iter()
        .map(|open| (open.fired.metric, open.fired.value.clone()))
        .collect();
    assert_eq!(told, [(Metric::Latency, Value::Missing)]);
}
