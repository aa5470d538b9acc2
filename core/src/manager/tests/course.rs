//! The course of single things, step by step.

use super::world::{State, World, deployment, part, resource};
use crate::deployment::{Action, DeploymentPhase, OnFailure, Outcome, Phase, Reply, Target, Verb};
use crate::id::{DeploymentId, EnsembleId, InstanceId, PartId, ResourceId};
use crate::manager::{
    Config, Event, ManagerObservation, Measured, Monitoring, Reallocation, Refusal, Sample,
};
use crate::placement::{PartKind, Platform, Rejection};
use crate::slo::{AlertState, Metric, Resolution, Value};
use crate::units::{Span, Time};

const ID: DeploymentId = DeploymentId(1);
const PART: PartId = PartId {
    deployment: ID,
    index: 0,
};

fn functions(config: Config, n: u32) -> World {
    World::new(config, (0..n).map(|id| resource(id, Platform::OpenFaas)))
}

fn moving() -> Config {
    Config {
        reallocation: Some(Reallocation::default()),
        ..Config::default()
    }
}

fn instance(generation: u32) -> InstanceId {
    InstanceId {
        part: PART,
        generation,
    }
}

fn phases(world: &World) -> Vec<(u32, Phase)> {
    world
        .events
        .iter()
        .filter_map(|(_, event)| match event {
            Event::Instance(id, phase) if id.part == PART => Some((id.generation, *phase)),
            _ => None,
        })
        .collect()
}

fn deployment_phases(world: &World) -> Vec<DeploymentPhase> {
    world
        .events
        .iter()
        .filter_map(|(_, event)| match event {
            Event::Deployment(ID, phase) => Some(*phase),
            _ => None,
        })
        .collect()
}

#[test]
fn a_service_is_pulled_started_stopped_and_taken_down() {
    let mut world = World::new(Config::default(), [resource(0, Platform::Kubernetes)]);
    let mut service = part(PartKind::Service);
    service.start = false;
    world.deploy(1, deployment(vec![service]));
    world.deliver_all();
    assert_eq!(world.instances[&instance(0)].state, State::Deployed);
    assert!(world.routes.is_empty(), "nothing to call yet");
    world.tell(ManagerObservation::Start(PART));
    world.deliver_all();
    assert_eq!(world.routes[&PART].1, Some(instance(0)));
    world.tell(ManagerObservation::Stop(PART));
    world.deliver_all();
    assert_eq!(world.routes[&PART].1, None);
    assert_eq!(world.instances[&instance(0)].state, State::Deployed);
    world.ending.insert(ID);
    world.tell(ManagerObservation::Terminate(ID));
    world.deliver_all();
    world.check_at_rest();
    assert_eq!(
        phases(&world).iter().map(|p| p.1).collect::<Vec<_>>(),
        [
            Phase::Deploying,
            Phase::Deployed,
            Phase::Starting,
            Phase::Running,
            Phase::Stopping,
            Phase::Deployed,
            Phase::Terminating,
            Phase::Terminated
        ]
    );
}

#[test]
fn a_part_moves_away_from_a_violation_and_is_served_all_the_time() {
    let mut world = functions(moving(), 3);
    world.deploy(1, deployment(vec![part(PartKind::Function)]));
    world.pass(Span::from_secs(10));
    world.slow.insert(ResourceId(0));
    world.measure();
    // With push evaluation the decision falls with the sample.
    let moved = world
        .events
        .iter()
        .rev()
        .find_map(|(at, event)| match event {
            Event::Moving(from, _) => Some((*at, *from)),
            _ => None,
        });
    assert_eq!(moved, Some((world.now, instance(0))));
    world.deliver_all();
    assert_eq!(
        phases(&world),
        [
            (0, Phase::Deploying),
            (0, Phase::Deployed),
            (1, Phase::Deploying),
            (1, Phase::Deployed),
            (0, Phase::Draining),
            (0, Phase::Terminating),
            (0, Phase::Terminated)
        ]
    );
    assert_eq!(world.instances[&instance(1)].resource, ResourceId(1));
    // The next violation comes too early: it waits for the cooldown.
    world.pass(Span::from_secs(5));
    world.slow.insert(ResourceId(1));
    world.measure();
    world.pass(Span::from_secs(50));
    assert!(!world.instances.contains_key(&instance(2)));
    world.pass(Span::from_secs(10));
    assert_eq!(world.instances[&instance(2)].resource, ResourceId(2));
    world.check_at_rest();
}

#[test]
fn each_violation_is_told_once_and_ended_once() {
    let mut world = functions(Config::default(), 1);
    world.deploy(1, deployment(vec![part(PartKind::Function)]));
    world.pass(Span::from_secs(10));
    world.slow.insert(ResourceId(0));
    world.measure();
    // The post is lost, and repeated as it was.
    let lost = world.posts.remove(0);
    assert_eq!(
        (lost.state, lost.metric, lost.value.clone(), lost.at),
        (
            AlertState::Firing,
            Metric::Latency,
            Value::Number(1.0),
            world.now
        )
    );
    assert_eq!(lost.objective.to_string(), "latency < 0.1s");
    world.now = world.manager.next_wake().unwrap();
    world.wake();
    assert_eq!(world.posts, std::slice::from_ref(&lost));
    world.pass(Span::from_secs(60));
    world.slow.clear();
    world.pass(Span::from_secs(60));
    let told: Vec<_> = world.received.iter().map(|(&key, &n)| (key, n)).collect();
    assert_eq!(
        told,
        [
            ((lost.id, AlertState::Firing), 1),
            ((lost.id, AlertState::Resolved(Resolution::Met)), 1)
        ]
    );
}

#[test]
fn the_original_posts_each_period_and_never_says_that_it_is_over() {
    let mut world = functions(Config::original(), 1);
    world.deploy(1, deployment(vec![part(PartKind::Function)]));
    world.pass(Span::from_secs(10));
    world.slow.insert(ResourceId(0));
    world.pass(Span::from_secs(60));
    world.slow.clear();
    world.pass(Span::from_secs(60));
    assert!((11..=13).contains(&world.received.len()), "one each 5 s");
    assert!(
        world
            .received
            .keys()
            .all(|(_, state)| *state == AlertState::Firing)
    );
}

#[test]
fn silence_is_a_violation_of_its_own_kind() {
    let mut world = functions(moving(), 2);
    let mut one = part(PartKind::Function);
    one.objectives = vec!["error_rate < 5%".parse().unwrap()];
    world.deploy(1, deployment(vec![one]));
    world.deliver_all();
    let silent = world.manager.next_wake().unwrap();
    assert_eq!(silent, Time::ZERO + Span::from_secs(15));
    world.now = silent;
    world.wake();
    // The latency of the resource has become stale; the error rate was never seen.
    let values: Vec<_> = world
        .posts
        .iter()
        .map(|a| (a.metric, a.value.clone()))
        .collect();
    assert_eq!(
        values,
        [
            (Metric::Latency, Value::Missing),
            (Metric::ErrorRate, Value::Missing)
        ]
    );
    world.posts.clear();
    world.measure();
    world.tell(ManagerObservation::Sample(Sample {
        of: Measured::Instance(instance(0)),
        metric: Metric::ErrorRate,
        value: 1.0,
        at: world.now,
    }));
    world.deliver_all();
    let deployment = world.manager.deployment(ID).unwrap();
    assert_eq!(deployment.instances().count(), 1);
}

#[test]
fn a_deployment_can_be_terminated_while_it_is_being_made() {
    let mut world = functions(Config::default(), 1);
    world.deploy(1, deployment(vec![part(PartKind::Function)]));
    let late = world.commands.remove(0);
    world.ending.insert(ID);
    world.tell(ManagerObservation::Terminate(ID));
    world.deliver_all();
    // The order to deploy comes after the order to terminate, and does nothing.
    world.carry_out(late, Outcome::Done);
    world.deliver_all();
    world.check_at_rest();
    assert_eq!(
        deployment_phases(&world),
        [
            DeploymentPhase::Deploying,
            DeploymentPhase::Terminating,
            DeploymentPhase::Terminated
        ]
    );
    world.deploy(1, deployment(vec![part(PartKind::Function)]));
    assert!(world.commands.is_empty(), "a name is used once");
}

/// Carries out everything on this resource with this outcome, everything else
/// well, for a while.
fn run_with(world: &mut World, on: ResourceId, outcome: Outcome, span: Span) {
    let end = world.now + span;
    loop {
        while let Some(operation) = world.commands.pop() {
            let broken = matches!(operation.action, Action::Instance {
                verb: Verb::Deploy, resource, ..
            } if resource == on);
            world.carry_out(operation, if broken { outcome } else { Outcome::Done });
            while let Some(reply) = world.replies.pop() {
                world.tell(ManagerObservation::Reply(reply));
            }
        }
        match world.manager.next_wake() {
            Some(at) if at <= end => {
                world.now = world.now.max(at);
                world.wake();
            }
            _ => break,
        }
    }
    world.now = end;
}

#[test]
fn a_resource_that_fails_is_left_for_another() {
    let mut world = functions(Config::default(), 2);
    world.deploy(1, deployment(vec![part(PartKind::Function)]));
    let span = Span::from_secs(14);
    run_with(&mut world, ResourceId(0), Outcome::Failed, span);
    world.check();
    assert_eq!(world.instances[&instance(0)].state, State::Absent);
    assert_eq!(world.routes[&PART].1, Some(instance(1)));
    assert_eq!(
        deployment_phases(&world),
        [
            DeploymentPhase::Deploying,
            DeploymentPhase::Degraded,
            DeploymentPhase::Deployed
        ]
    );
}

#[test]
fn all_or_nothing_leaves_nothing() {
    let mut world = functions(Config::original(), 2);
    let parts = [0, 1].map(|id| {
        let mut one = part(PartKind::Function);
        one.target = Target::Only(ResourceId(id));
        one.exclusive = true;
        one
    });
    let mut spec = deployment(parts.to_vec());
    spec.on_failure = OnFailure::TakeDown;
    world.deploy(1, spec);
    assert_eq!(
        world.manager.inventory().locked_by(ResourceId(0)),
        Some(ID),
        "locked as soon as something may be there"
    );
    let other = deployment(vec![parts[0].clone()]);
    world.deploy(2, other);
    let refused = world.events.iter().find_map(|(_, event)| match event {
        Event::Refused(_, why) => Some(why.clone()),
        _ => None,
    });
    let why = Rejection::Locked { by: ID };
    let expected = Refusal::Target {
        part: 0,
        resource: ResourceId(0),
        why,
    };
    assert_eq!(refused, Some(expected));
    world.ending.insert(ID);
    run_with(
        &mut world,
        ResourceId(0),
        Outcome::Refused,
        Span::from_secs(4),
    );
    world.check_at_rest();
    assert_eq!(
        deployment_phases(&world).last(),
        Some(&DeploymentPhase::Failed)
    );
    assert_eq!(world.manager.inventory().locked_by(ResourceId(1)), None);
}

#[test]
fn an_ensemble_holds_only_what_meets_its_objectives() {
    let mut world = functions(Config::default(), 3);
    world.slow.insert(ResourceId(1));
    world.measure();
    let create = |ids: &[u32]| ManagerObservation::CreateEnsemble {
        ensemble: EnsembleId(0),
        objectives: vec!["latency < 100ms".parse().unwrap()],
        resources: ids.iter().copied().map(ResourceId).collect(),
    };
    world.tell(create(&[0, 1]));
    assert!(world.manager.ensemble(EnsembleId(0)).is_none());
    world.tell(create(&[2]));
    let mut spec = deployment(vec![part(PartKind::Function)]);
    spec.objectives.clear();
    spec.ensemble = Some(EnsembleId(0));
    world.deploy(1, spec);
    world.deliver_all();
    assert_eq!(world.instances[&instance(0)].resource, ResourceId(2));
    // The ensemble's objectives are watched for the deployment.
    world.slow.insert(ResourceId(2));
    world.measure();
    assert_eq!(world.posts.len(), 1);
    let add = ManagerObservation::SetMember {
        ensemble: EnsembleId(0),
        resource: ResourceId(0),
        member: true,
    };
    world.tell(add);
    assert!(!world.manager.ensemble(EnsembleId(0)).unwrap().is_valid());
}

#[test]
fn a_short_violation_with_hold_moves_nothing() {
    let mut config = moving();
    config.monitoring = Monitoring::default();
    let mut world = functions(config, 2);
    let mut spec = deployment(vec![part(PartKind::Function)]);
    spec.objectives = vec!["latency < 100ms for 12s".parse().unwrap()];
    world.deploy(1, spec);
    world.pass(Span::from_secs(10));
    world.slow.insert(ResourceId(0));
    world.pass(Span::from_secs(10));
    world.slow.clear();
    world.pass(Span::from_secs(30));
    assert!(world.received.is_empty() && !world.instances.contains_key(&instance(1)));
}

#[test]
fn what_an_earlier_attempt_came_to_says_nothing_of_this_one() {
    let mut world = functions(Config::default(), 2);
    world.deploy(1, deployment(vec![part(PartKind::Function)]));
    let first = world.commands.remove(0);
    // No answer in time, and then not at once again.
    for _ in 0..2 {
        world.now = world.manager.next_wake().unwrap();
        world.measure();
        world.wake();
    }
    assert_eq!(world.commands[0].attempt, 2);
    let reply = |attempt| {
        ManagerObservation::Reply(Reply {
            key: first.key,
            attempt,
            outcome: Outcome::Refused,
        })
    };
    world.tell(reply(1));
    assert_eq!(phases(&world), [(0, Phase::Deploying)]);
    world.tell(reply(2));
    assert_eq!(
        phases(&world),
        [(0, Phase::Deploying), (0, Phase::Terminating)]
    );
}

#[test]
fn a_lock_lasts_until_nothing_is_left() {
    let mut world = functions(Config::default(), 1);
    let mut one = part(PartKind::Function);
    one.exclusive = true;
    world.deploy(1, deployment(vec![one]));
    world.deliver_all();
    world.ending.insert(ID);
    world.tell(ManagerObservation::Terminate(ID));
    let locked = |world: &World| world.manager.inventory().locked_by(ResourceId(0));
    while let Some(operation) = world.commands.pop() {
        assert_eq!(locked(&world), Some(ID));
        world.carry_out(operation, Outcome::Done);
    }
    assert_eq!(locked(&world), Some(ID), "nobody has said so yet");
    world.deliver_all();
    assert_eq!(locked(&world), None);
}

#[test]
fn a_move_ends_only_when_the_router_has_confirmed() {
    let mut world = functions(moving(), 2);
    world.deploy(1, deployment(vec![part(PartKind::Function)]));
    world.pass(Span::from_secs(10));
    world.slow.insert(ResourceId(0));
    world.measure();
    let deploy = world.commands.remove(0);
    world.carry_out(deploy, Outcome::Done);
    let done = world.replies.remove(0);
    world.tell(ManagerObservation::Reply(done));
    // The switch is under way; now the new one is lost, and the switch back is.
    assert!(matches!(world.commands[0].action, Action::Route { .. }));
    world.harmed.insert(instance(1));
    world.tell(ManagerObservation::Lost(instance(1)));
    let now = world.now;
    let part = &world.manager.deployment(ID).unwrap().parts[0];
    assert_eq!((part.routed, part.moved, part.moves), (Some(0), None, 0));
    assert!(part.route.is_some());
    // Where calls go is not known, so that no other move begins.
    let moves = |world: &World| {
        let events = world.events.iter();
        events
            .filter(|(at, event)| *at == now && matches!(event, Event::Moving(..)))
            .count()
    };
    assert_eq!(moves(&world), 1);
    world.pass(Span::from_secs(90));
    world.check_at_rest();
}

#[test]
fn what_is_lost_again_and_again_is_replaced_ever_later_and_elsewhere() {
    let mut world = functions(Config::default(), 1);
    world.deploy(1, deployment(vec![part(PartKind::Function)]));
    let mut placed = Vec::new();
    for generation in 0..8 {
        while !world.instances.contains_key(&instance(generation)) {
            world.pass(Span::from_millis(100));
        }
        placed.push(world.now);
        world.deliver_all();
        world.harmed.insert(instance(generation));
        world.tell(ManagerObservation::Lost(instance(generation)));
    }
    let waits: Vec<f64> = placed
        .windows(2)
        .map(|pair| pair[1].since(pair[0]).as_secs_f64())
        .collect();
    // Once at once; then the only resource is avoided for a minute each time.
    assert!(waits[0] < 0.2, "{waits:?}");
    assert!(waits[1..].iter().all(|&wait| wait >= 60.0), "{waits:?}");
    // What has lasted is replaced at once again.
    world.pass(Span::from_secs(300));
    let newest = world.manager.deployment(ID).unwrap().parts[0].generation;
    let before = world.now;
    world.harmed.insert(instance(newest - 1));
    world.tell(ManagerObservation::Lost(instance(newest - 1)));
    world.deliver_all();
    assert!(world.instances.contains_key(&instance(newest)));
    assert_eq!(world.now, before);
}

#[test]
fn the_second_loss_sends_a_part_elsewhere() {
    let mut world = functions(Config::default(), 2);
    world.deploy(1, deployment(vec![part(PartKind::Function)]));
    world.deliver_all();
    // Nothing is left of the first on its resource when the second is placed.
    let on = |world: &World, generation| world.instances[&instance(generation)].resource;
    let lose = |world: &mut World, generation| {
        world.harmed.insert(instance(generation));
        world.tell(ManagerObservation::Lost(instance(generation)));
        world.deliver_all();
        world.pass(Span::from_secs(5));
    };
    lose(&mut world, 0);
    let second = on(&world, 1);
    lose(&mut world, 1);
    assert_ne!(on(&world, 2), second);
}

#[test]
fn a_deployment_that_fails_where_nobody_would_be_placed_any_more_is_given_up() {
    let mut world = functions(Config::default(), 2);
    world.deploy(1, deployment(vec![part(PartKind::Function)]));
    let operation = world.commands.remove(0);
    world.slow.insert(ResourceId(0));
    world.measure();
    world.carry_out(operation, Outcome::Failed);
    let reply = world.replies.remove(0);
    world.tell(ManagerObservation::Reply(reply));
    world.pass(Span::from_secs(5));
    assert_eq!(world.instances[&instance(1)].resource, ResourceId(1));
    // Where it still would be, the same is tried again.
    let mut world = functions(Config::default(), 2);
    world.deploy(1, deployment(vec![part(PartKind::Function)]));
    let operation = world.commands.remove(0);
    world.carry_out(operation, Outcome::Failed);
    world.pass(Span::from_secs(5));
    assert!(!world.instances.contains_key(&instance(1)));
    world.check_at_rest();
}
