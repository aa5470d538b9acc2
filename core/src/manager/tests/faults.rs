//! Any sequence of faults, then a world that works: nothing is lost, doubled,
//! left over or restless.

use proptest::prelude::*;

use super::world::{World, deployment, part, resource};
use crate::deployment::{OnFailure, Outcome, Target};
use crate::id::{DeploymentId, EnsembleId, PartId, ResourceId};
use crate::manager::{Config, ManagerObservation, Monitoring, Placing, Reallocation, Timeouts};
use crate::placement::{PartKind, Platform};
use crate::units::{Cores, Span};

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
    /// An answer arrives, and the manager crashes with so many of its records
    /// written down.
    AnswerAndCrash(usize, usize),
    /// The manager is woken, and crashes in the same way.
    WakeAndCrash(usize),
    Crash,
    Post(usize),
    LosePost(usize),
    Pass(u64),
    Slow(u32),
    /// The resource to which a function's calls go.
    SlowWhereServed(u32),
    Fast(u32),
    /// Everything works for a while.
    Settle(u64),
    /// Nothing is measured of a resource any more.
    Silence(u32),
    Hear(u32),
    /// A service is started or stopped.
    SetStart(u32, bool),
    /// A resource is put into the ensemble or taken out.
    SetMember(u32, bool),
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
        3 => (n, 0usize..3).prop_map(|(n, written)| Fault::AnswerAndCrash(n, written)),
        2 => (0usize..4).prop_map(Fault::WakeAndCrash),
        1 => Just(Fault::Crash),
        4 => n.prop_map(Fault::Post),
        2 => n.prop_map(Fault::LosePost),
        12 => (0u64..20_000).prop_map(Fault::Pass),
        4 => (0u32..RESOURCES).prop_map(Fault::Slow),
        4 => (0u32..DEPLOYMENTS).prop_map(Fault::SlowWhereServed),
        3 => (0u32..RESOURCES).prop_map(Fault::Fast),
        3 => (0u64..10_000).prop_map(Fault::Settle),
        2 => (0u32..RESOURCES).prop_map(Fault::Silence),
        2 => (0u32..RESOURCES).prop_map(Fault::Hear),
        3 => (0u32..3, any::<bool>()).prop_map(|(id, start)| Fault::SetStart(id, start)),
        2 => (0u32..RESOURCES, any::<bool>()).prop_map(|(id, m)| Fault::SetMember(id, m)),
        2 => n.prop_map(Fault::Lose),
        1 => any::<bool>().prop_map(Fault::Leave),
        4 => (0u32..DEPLOYMENTS).prop_map(Fault::Deploy),
        1 => (0u32..DEPLOYMENTS).prop_map(Fault::Terminate),
    ]
}

/// The first are for functions, the others for services.
const RESOURCES: u32 = FUNCTIONS + 6;
const FUNCTIONS: u32 = 10;
const DEPLOYMENTS: u32 = 5;
const ENSEMBLE: EnsembleId = EnsembleId(0);

fn config() -> Config {
    Config {
        monitoring: Monitoring {
            stale_after: Span::from_secs(15),
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

/// Resources with room for two functions or one service each, all of them in an
/// ensemble.
fn world() -> World {
    let resources = (0..RESOURCES).map(|id| {
        let (platform, cpu) = match id {
            0..FUNCTIONS => (Platform::OpenFaas, 2),
            _ => (Platform::Kubernetes, 1),
        };
        let mut resource = resource(id, platform);
        resource.capacity.cpu = Some(Cores::new(cpu));
        resource
    });
    let mut world = World::new(config(), resources);
    world.tell(ManagerObservation::CreateEnsemble {
        ensemble: ENSEMBLE,
        objectives: vec!["latency < 200ms".parse().unwrap()],
        resources: (0..RESOURCES).map(ResourceId).collect(),
    });
    world
}

/// Each deployment has something of its own: a lock, a wish, an ensemble, two
/// copies, all or nothing.
fn deploy(world: &mut World, id: u32) {
    let mut function = part(PartKind::Function);
    let mut service = part(PartKind::Service);
    function.demand.cpu = Cores::new(1);
    service.demand.cpu = Cores::new(1);
    function.exclusive = id == 0;
    if id == 1 {
        function.target = Target::First(ResourceId(3));
    }
    let mut spec = deployment(match id {
        3 => vec![function.clone(), function],
        4 => vec![function],
        _ => vec![function, service],
    });
    if id == 2 {
        spec.ensemble = Some(ENSEMBLE);
    }
    if id == 4 {
        spec.on_failure = OnFailure::TakeDown;
    }
    world.deploy(id, spec);
}

fn set_member(world: &mut World, resource: ResourceId, member: bool) {
    world.tell(ManagerObservation::SetMember {
        ensemble: ENSEMBLE,
        resource,
        member,
    });
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
        Fault::WakeAndCrash(written) => world.wake_and_crash(written),
        Fault::Pass(ms) => world.wait(Span::from_millis(ms), |world| world.check()),
        Fault::Slow(id) => {
            world.slow.insert(ResourceId(id));
            world.measure();
        }
        Fault::SlowWhereServed(id) => {
            let part = PartId {
                deployment: DeploymentId(id),
                index: 0,
            };
            let to = world.routes.get(&part).and_then(|route| route.1);
            if let Some(to) = to {
                world.slow.insert(world.instances[&to].resource);
                world.measure();
            }
        }
        Fault::Settle(ms) => world.pass(Span::from_millis(ms)),
        Fault::Fast(id) => {
            world.slow.remove(&ResourceId(id));
            world.measure();
        }
        Fault::Silence(id) => {
            world.silent.insert(ResourceId(id));
        }
        Fault::Hear(id) => {
            world.silent.remove(&ResourceId(id));
        }
        Fault::SetStart(id, start) => {
            let part = PartId {
                deployment: DeploymentId(id),
                index: 1,
            };
            if world.asked.contains_key(&part.deployment) {
                if start {
                    world.stopped.remove(&part);
                    world.tell(ManagerObservation::Start(part));
                } else {
                    world.stopped.insert(part);
                    world.tell(ManagerObservation::Stop(part));
                }
            }
        }
        Fault::SetMember(id, member) => set_member(world, ResourceId(id), member),
        Fault::Lose(n) => {
            let ids: Vec<_> = world.instances.keys().copied().collect();
            if !ids.is_empty() {
                let id = ids[n % ids.len()];
                world.harmed.insert(id);
                world.tell(ManagerObservation::Lost(id));
            }
        }
        // One of each kind, so that the rest is enough for everybody.
        Fault::Leave(function) => world.leave(ResourceId(if function { 5 } else { RESOURCES - 1 })),
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
        world.slow.retain(|id| [0, FUNCTIONS].contains(&id.0));
        world.silent.retain(|id| [1, FUNCTIONS].contains(&id.0));
        for id in world.resources.clone() {
            set_member(&mut world, id, true);
        }
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
