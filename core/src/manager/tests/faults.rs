//! Any sequence of faults, then a world that works: nothing is lost, doubled,
//! left over or restless.

use proptest::prelude::*;

use super::world::{World, deployment, part, resource};
use crate::deployment::{Outcome, Target};
use crate::id::{DeploymentId, ResourceId};
use crate::manager::{Config, ManagerObservation, Monitoring, Placing, Reallocation, Timeouts};
use crate::placement::{PartKind, Platform};
use crate::units::Span;

/// One thing that happens, or goes wrong. Numbers choose among what there is.
#[derive(Clone, Copy, Debug)]
enum Fault {
    /// A command arrives and comes to something.
    CarryOut(usize, Outcome),
    LoseCommand(usize),
    DoubleCommand(usize),
    Answer(usize),
    LoseAnswer(usize),
    DoubleAnswer(usize),
    /// An answer arrives, and the manager crashes.
    AnswerAndCrash(usize, bool),
    Crash,
    Post(usize),
    LosePost(usize),
    Pass(u64),
    Slow(u32),
    Fast(u32),
    Lose(usize),
    Leave(bool),
    Deploy(u32),
    Terminate(u32),
}

fn fault() -> impl Strategy<Value = Fault> {
    let n = any::<usize>();
    let outcome = prop_oneof![
        5 => Just(Outcome::Done),
        2 => Just(Outcome::Failed),
        1 => Just(Outcome::Refused),
    ];
    prop_oneof![
        24 => (n, outcome).prop_map(|(n, outcome)| Fault::CarryOut(n, outcome)),
        3 => n.prop_map(Fault::LoseCommand),
        3 => n.prop_map(Fault::DoubleCommand),
        24 => n.prop_map(Fault::Answer),
        3 => n.prop_map(Fault::LoseAnswer),
        3 => n.prop_map(Fault::DoubleAnswer),
        3 => (n, any::<bool>()).prop_map(|(n, w)| Fault::AnswerAndCrash(n, w)),
        1 => Just(Fault::Crash),
        4 => n.prop_map(Fault::Post),
        2 => n.prop_map(Fault::LosePost),
        12 => (0u64..20_000).prop_map(Fault::Pass),
        4 => (0u32..RESOURCES).prop_map(Fault::Slow),
        3 => (0u32..RESOURCES).prop_map(Fault::Fast),
        2 => n.prop_map(Fault::Lose),
        1 => any::<bool>().prop_map(Fault::Leave),
        4 => (0u32..DEPLOYMENTS).prop_map(Fault::Deploy),
        1 => (0u32..DEPLOYMENTS).prop_map(Fault::Terminate),
    ]
}

const RESOURCES: u32 = 10;
const DEPLOYMENTS: u32 = 4;

fn config() -> Config {
    Config {
        monitoring: Monitoring {
            stale_after: Span::from_secs(3600),
            ..Monitoring::default()
        },
        placing: Placing {
            rest: Span::from_secs(20),
            ..Placing::default()
        },
        timeouts: Timeouts {
            deploy: Span::from_secs(10),
            start: Span::from_secs(10),
            stop: Span::from_secs(10),
            drain: Span::from_secs(5),
            terminate: Span::from_secs(10),
            route: Span::from_secs(5),
        },
        reallocation: Some(Reallocation {
            after: Span::from_secs(1),
            cooldown: Span::from_secs(30),
        }),
        ..Config::default()
    }
}

/// The first six resources run functions, the others services.
fn world() -> World {
    let platform = |id| match id {
        0..6 => Platform::OpenFaas,
        _ => Platform::Kubernetes,
    };
    World::new(
        config(),
        (0..RESOURCES).map(|id| resource(id, platform(id))),
    )
}

fn deploy(world: &mut World, id: u32) {
    let mut function = part(PartKind::Function);
    let service = part(PartKind::Service);
    function.exclusive = id == 0;
    if id == 1 {
        function.target = Target::First(ResourceId(3));
    }
    // The last one has two copies of its function.
    let parts = if id == 3 {
        vec![function.clone(), function]
    } else {
        vec![function, service]
    };
    world.deploy(id, deployment(parts));
}

fn take<T>(queue: &mut Vec<T>, n: usize) -> Option<T> {
    (!queue.is_empty()).then(|| queue.swap_remove(n % queue.len()))
}

fn apply(world: &mut World, fault: Fault) {
    match fault {
        Fault::CarryOut(n, outcome) => {
            if let Some(operation) = take(&mut world.commands, n) {
                world.carry_out(operation, outcome);
            }
        }
        Fault::LoseCommand(n) => {
            take(&mut world.commands, n);
        }
        Fault::DoubleCommand(n) => {
            if let Some(operation) = take(&mut world.commands, n) {
                world.commands.extend([operation, operation]);
            }
        }
        Fault::Answer(n) => {
            if let Some(reply) = take(&mut world.replies, n) {
                world.tell(ManagerObservation::Reply(reply));
            }
        }
        Fault::LoseAnswer(n) => {
            take(&mut world.replies, n);
        }
        Fault::DoubleAnswer(n) => {
            if let Some(reply) = take(&mut world.replies, n) {
                world.replies.extend([reply, reply]);
            }
        }
        Fault::AnswerAndCrash(n, written) => {
            if let Some(reply) = take(&mut world.replies, n) {
                world.tell_and_crash(ManagerObservation::Reply(reply), written);
            }
        }
        Fault::Crash => world.crash(),
        Fault::Post(n) => {
            if let Some(alert) = take(&mut world.posts, n) {
                world.receive(&alert);
            }
        }
        Fault::LosePost(n) => {
            take(&mut world.posts, n);
        }
        Fault::Pass(ms) => {
            let end = world.now + Span::from_millis(ms);
            while let Some(at) = world.manager.next_wake()
                && at <= end
            {
                world.now = world.now.max(at);
                world.wake();
            }
            world.now = end;
        }
        Fault::Slow(id) => {
            world.slow.insert(ResourceId(id));
            world.measure();
        }
        Fault::Fast(id) => {
            world.slow.remove(&ResourceId(id));
            world.measure();
        }
        Fault::Lose(n) => {
            let ids: Vec<_> = world.instances.keys().copied().collect();
            if !ids.is_empty() {
                let id = ids[n % ids.len()];
                world.harmed.insert(id);
                world.tell(ManagerObservation::Lost(id));
            }
        }
        // One of each kind, so that the rest is enough for everybody.
        Fault::Leave(function) => world.leave(ResourceId(if function { 5 } else { 9 })),
        Fault::Deploy(id) => {
            if !world.asked.contains_key(&DeploymentId(id)) {
                deploy(world, id);
            }
        }
        Fault::Terminate(id) => {
            world.ending.insert(DeploymentId(id));
            world.tell(ManagerObservation::Terminate(DeploymentId(id)));
        }
    }
    world.check();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn after_any_faults_all_is_there_and_nothing_else(
        faults in proptest::collection::vec(fault(), 0..250),
    ) {
        let mut world = world();
        deploy(&mut world, 0);
        for fault in faults {
            apply(&mut world, fault);
        }
        // Each kind keeps a resource where the objectives are not met.
        world.slow.retain(|id| [0, 6].contains(&id.0));
        world.measure();
        // A request for what was already ended is for nothing.
        world.ending.retain(|id| world.asked.contains_key(id));
        for id in world.ending.clone() {
            world.tell(ManagerObservation::Terminate(id));
        }
        world.pass(Span::from_secs(1200));
        world.check_at_rest();
    }
}
