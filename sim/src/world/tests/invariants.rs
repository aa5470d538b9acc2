//! What must hold on the hosts after every event, under real policies.

use proptest::prelude::*;
use tidegate_core::escra::{Config, Escra};
use tidegate_core::tide::{self, Tide};

use super::*;

/// Steps a run of `setup` under a policy with these application-wide limits; after
/// every event the sums of limits must be at or under them.
pub(super) fn hold(
    setup: &Setup,
    policy: &mut dyn Allocator,
    cpu: Cores,
    memory: Bytes,
) -> Outcome {
    let experiment = setup.experiment();
    let mut world = World::new(&experiment, policy);
    world.start();
    while !world.done {
        let event = world.queue.pop().expect("the run has an end");
        world.handle(event);
        let in_force = world.limits_in_force();
        assert!(in_force.0 <= cpu.0, "{} of {cpu}", in_force.0);
        assert!(in_force.1 <= memory.0);
        for instance in &world.instances {
            assert!(!instance.up || instance.oom_waiting || !instance.memory.over());
        }
    }
    world.finish()
}

/// A front `a` that calls `b` and `c` in parallel.
fn fan_out_of(services: &[&str]) -> Application {
    let requests = "call = { to = \"a\", op = \"\", cpu = \"20 ms\", stages = [
        [{ to = \"b\", op = \"\", cpu = \"5 ms\" }, { to = \"c\", op = \"\", cpu = \"9 ms\" }],
    ] }";
    application(services, requests)
}

fn growing() -> Setup {
    let keys = "memory = { start = \"20 MiB\", per_call = \"256 KiB\" }\n";
    Setup::new(fan_out_of(&[keys, "", keys]))
        .fixed(40.0, 8)
        .lasting(40.0)
}

const CPU: Cores = Cores::new(3);

fn escra(config: Config, memory: Bytes) -> Escra {
    Escra::new(config, CPU, memory, 3)
}

#[test]
fn escra_keeps_the_sums_of_limits_under_omega() {
    for law in [Config::default().law, tidegate_core::escra::Law::Paper] {
        let config = Config {
            law,
            ..Config::default()
        };
        let memory = mib(4000);
        let outcome = hold(&growing(), &mut escra(config, memory), CPU, memory);
        assert_value(&outcome, "oom_kills", 0.0);
        assert!(value(&outcome, "oom_rescues") > 1.0);
        assert!(value(&outcome, "limit_updates") > 10.0);
    }
}

#[test]
fn escra_kills_only_where_neither_pool_nor_reclaim_has_room() {
    // Two services grow by 10 MiB a second each: after about 20 s nothing is left.
    let memory = mib(500);
    let policy = &mut escra(Config::default(), memory);
    let outcome = hold(&growing(), policy, CPU, memory);
    assert!(value(&outcome, "oom_kills") >= 1.0);
    let used: f64 = outcome.containers.iter().map(|c| c.memory_max_mib).sum();
    assert!(used > 350.0, "{used} MiB were used of 500 before the kill");
}

/// A storm: three services at once want what a shared Ω may or may not have.
#[derive(Clone, Debug)]
struct Storm {
    /// MiB at the start, and for each call, of each service.
    start: [u64; 3],
    per_call: [u64; 3],
    /// Ω, beside what everybody starts with.
    spare: u64,
}

fn storm() -> impl Strategy<Value = Storm> {
    (
        prop::array::uniform3(10u64..200),
        prop::array::uniform3(0u64..6),
        0u64..400,
    )
        .prop_map(|(start, per_call, spare)| Storm {
            start,
            per_call,
            spare,
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// What a container uses only grows here while it runs. So when one is killed, Ω
    /// is handed out in full, and whoever runs holds no more above its use than a
    /// reclaim leaves.
    #[test]
    fn a_kill_only_where_neither_pool_nor_reclaim_has_room(storm in storm()) {
        let keys = |n: usize| {
            let (start, per_call) = (storm.start[n], storm.per_call[n]);
            format!("memory = {{ start = \"{start} MiB\", per_call = \"{per_call} MiB\" }}\n")
        };
        let keys = [keys(0), keys(1), keys(2)];
        let services: Vec<&str> = keys.iter().map(String::as_str).collect();
        let setup = Setup::new(fan_out_of(&services)).fixed(20.0, 8).lasting(10.0);
        let memory = mib(storm.start.iter().sum::<u64>() + storm.spare);
        let config = Config::default();
        let mut policy = escra(config.clone(), memory);
        let experiment = setup.experiment();
        let mut world = World::new(&experiment, &mut policy);
        world.start();
        let mut kills = 0;
        while !world.done {
            let event = world.queue.pop().expect("the run has an end");
            world.handle(event);
            if world.recorder.memory.kills > kills {
                kills = world.recorder.memory.kills;
                let limits = world.instances.iter().map(|i| i.memory.limit());
                prop_assert_eq!(limits.sum::<u64>(), memory.0, "there is room in the pool");
                for instance in world.instances.iter().filter(|instance| instance.up) {
                    let memory = &instance.memory;
                    prop_assert!(memory.limit() <= memory.used() + config.margin.0);
                }
            }
        }
    }
}

/// Also with two hosts that share, and with less CPU than is needed: 1.36 cores.
#[test]
fn tide_keeps_the_sums_of_limits_under_omega_and_wastes_nothing_of_it() {
    for (cpu, used) in [(3.0, 1.36), (1.0, 1.0)] {
        let mut setup = growing();
        setup.testbed.hosts = 2;
        let (cpu, memory) = (Cores::from_f64(cpu), mib(4000));
        let mut policy = Tide::new(tide::Config::default(), cpu, memory, 3, 2);
        let outcome = hold(&setup, &mut policy, cpu, memory);
        assert_near(value(&outcome, "cpu_used_mean_cores"), used, 0.15);
        // A group may overrun a period's end by what CPUs hold, no more.
        assert!(value(&outcome, "cpu_used_mean_cores") <= cpu.as_f64() * 1.02);
    }
}

#[test]
fn tide_answers_a_throttle_within_its_delay() {
    // One burst of 100 ms each second, for a container that rests at 0.1 cores:
    // without grants it would take ten periods. It starts with all there is.
    let setup = Setup::new(application(
        &[""],
        "call = { to = \"a\", op = \"\", cpu = \"100 ms\" }",
    ))
    .fixed(1.0, 1)
    .lasting(120.0);
    let mut policy = Tide::new(tide::Config::default(), CPU, mib(1000), 1, 1);
    let outcome = hold(&setup, &mut policy, CPU, mib(1000));
    assert!(value(&outcome, "latency_p999_ms") < 130.0);
    assert!(outcome.containers[0].cpu_limit_mean_cores < 1.0);
}
