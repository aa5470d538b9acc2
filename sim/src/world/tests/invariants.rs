//! What must hold on the hosts after every event, under real policies.

use tidegate_core::escra::{Config, Escra};

use super::*;

/// Steps a run of `setup` under Escra with these limits; after every event the
/// sums of limits must be at or under them.
fn hold(setup: &Setup, config: Config, cpu: Cores, memory: Bytes) -> Outcome {
    let containers = setup.application.services.len();
    let mut escra = Escra::new(config, cpu, memory, containers);
    let experiment = setup.experiment();
    let mut world = World::new(&experiment, &mut escra);
    world.start();
    while !world.done {
        let event = world.queue.pop().expect("the run has an end");
        world.handle(event);
        let all = 0..containers;
        let limits: u64 = all.map(|c| world.machine.limit(c as u32).0).sum();
        assert!(limits <= cpu.0, "{limits} of {cpu}");
        let limits = world.instances.iter().map(|i| i.memory.limit());
        assert!(limits.sum::<u64>() <= memory.0);
        for instance in &world.instances {
            assert!(instance.memory.used() <= instance.memory.limit());
        }
    }
    world.finish()
}

fn growing() -> Setup {
    let keys = "memory = { start = \"20 MiB\", per_call = \"256 KiB\" }\n";
    let requests = "call = { to = \"a\", op = \"\", cpu = \"20 ms\", stages = [
        [{ to = \"b\", op = \"\", cpu = \"5 ms\" }, { to = \"c\", op = \"\", cpu = \"9 ms\" }],
    ] }";
    Setup::new(application(&[keys, "", keys], requests))
        .fixed(40.0, 8)
        .lasting(40.0)
}

#[test]
fn escra_keeps_the_sums_of_limits_under_omega() {
    for law in [Config::default().law, tidegate_core::escra::Law::Paper] {
        let config = Config {
            law,
            ..Config::default()
        };
        let outcome = hold(&growing(), config, Cores::new(3), Bytes::from_mib(4000));
        assert_value(&outcome, "oom_kills", 0.0);
        assert!(value(&outcome, "oom_rescues") > 1.0);
        assert!(value(&outcome, "limit_updates") > 10.0);
    }
}

#[test]
fn escra_kills_only_where_neither_pool_nor_reclaim_has_room() {
    // Two services grow by 10 MiB a second each: after about 20 s nothing is left.
    let outcome = hold(
        &growing(),
        Config::default(),
        Cores::new(3),
        Bytes::from_mib(500),
    );
    assert!(value(&outcome, "oom_kills") >= 1.0);
    let used: f64 = outcome.containers.iter().map(|c| c.memory_max_mib).sum();
    assert!(used > 350.0, "{used} MiB were used of 500 before the kill");
}
