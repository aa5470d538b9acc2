//! Parts that no resource can have wait until there is room, and no longer.

use super::world::{World, deployment, part, resource};
use crate::id::{DeploymentId, InstanceId, PartId, ResourceId};
use crate::manager::{Config, Event, ManagerObservation, Placing, Reallocation};
use crate::placement::{PartKind, Platform, Resource};
use crate::units::{Cores, Span};

/// A manager that tries again only after an hour.
fn patient() -> Config {
    let mut config = Config {
        placing: Placing {
            attempts: 1,
            rest: Span::from_secs(3600),
            ..Placing::default()
        },
        reallocation: Some(Reallocation::default()),
        ..Config::default()
    };
    config.monitoring.stale_after = Span::from_secs(100_000);
    config
}

/// Room for one function.
fn small(id: u32) -> Resource {
    let mut resource = resource(id, Platform::OpenFaas);
    resource.capacity.cpu = Some(Cores::new(1));
    resource
}

fn deploy(world: &mut World, id: u32) {
    let mut function = part(PartKind::Function);
    function.demand.cpu = Cores::new(1);
    world.deploy(id, deployment(vec![function]));
    world.deliver_all();
}

/// The first instance of the only part of a deployment.
fn first(deployment: u32) -> InstanceId {
    InstanceId {
        part: PartId {
            deployment: DeploymentId(deployment),
            index: 0,
        },
        generation: 0,
    }
}

fn is_there(world: &World, deployment: u32) -> bool {
    world.instances.contains_key(&first(deployment))
}

fn terminate(world: &mut World, id: u32) {
    world.ending.insert(DeploymentId(id));
    world.tell(ManagerObservation::Terminate(DeploymentId(id)));
}

#[test]
fn room_that_is_freed_goes_at_once_to_the_first_that_waits() {
    let mut world = World::new(patient(), [small(0)]);
    for id in 1..=3 {
        deploy(&mut world, id);
    }
    assert!(!is_there(&world, 2) && !is_there(&world, 3));
    terminate(&mut world, 1);
    // The order is not enough: something of it may still be there.
    assert!(
        world
            .commands
            .iter()
            .all(|one| one.key.part == first(1).part)
    );
    world.deliver_all();
    assert!(is_there(&world, 2), "at the same instant");
    assert!(!is_there(&world, 3), "there was room for one");
    // The rest of the other goes on, and nothing is tried in between.
    let events = world.events.len();
    world.pass(Span::from_secs(60));
    assert_eq!(world.events.len(), events);
    assert!(world.manager.next_wake().unwrap() > world.now + Span::from_secs(3000));
}

#[test]
fn a_resource_that_joins_takes_those_that_wait() {
    let mut world = World::new(patient(), [small(0)]);
    deploy(&mut world, 1);
    deploy(&mut world, 2);
    let events = world.events.len();
    world.resources.insert(ResourceId(1));
    // It runs services, and changes nothing for a function.
    world.tell(ManagerObservation::ResourceJoined(resource(
        1,
        Platform::Kubernetes,
    )));
    assert_eq!(world.events.len(), events);
    // One that is larger than it was is as good as a new one.
    let mut larger = small(0);
    larger.capacity.cpu = Some(Cores::new(2));
    world.tell(ManagerObservation::ResourceJoined(larger));
    world.deliver_all();
    assert_eq!(world.instances[&first(2)].resource, ResourceId(0));
}

#[test]
fn a_crash_forgets_nobody_that_waits() {
    let mut world = World::new(patient(), [small(0)]);
    deploy(&mut world, 1);
    deploy(&mut world, 2);
    world.crash();
    terminate(&mut world, 1);
    world.deliver_all();
    assert!(is_there(&world, 2));
}

#[test]
fn a_part_that_found_nowhere_to_move_moves_when_there_is_room() {
    let mut world = World::new(patient(), [small(0), small(1)]);
    deploy(&mut world, 1);
    deploy(&mut world, 2);
    world.slow.insert(ResourceId(0));
    world.measure();
    world.deliver_all();
    let moving = |world: &World| {
        let events = world.events.iter();
        events
            .filter(|(_, event)| matches!(event, Event::Moving(..)))
            .count()
    };
    assert_eq!(moving(&world), 0, "the other is full");
    terminate(&mut world, 2);
    world.deliver_all();
    assert_eq!(moving(&world), 1);
    world.check_at_rest();
}
