//! Pods that come and go in whole runs.

use tidegate_core::escra::{Config, Escra};
use tidegate_core::fixed::Fixed;
use tidegate_core::tide::{self, Tide};

use super::invariants::hold;
use super::*;

/// Pods of one core and 256 MiB that run 3.5 s after they were asked for, which is
/// seen 4.2 s after, and are kept for 20 s.
const PLATFORM: &str = "
[platform]
kind = \"openwhisk\"
invokers = 1
invoker_memory = \"2 GiB\"
pod = { cpu = \"1 cores\", memory = \"256 MiB\" }
concurrent_limit = 100
minute_limit = 10000
dispatch = \"10ms\"
dispatch_sigma = 0.0
start = { least = \"2.5s\", more = \"1s\", sigma = 0.0, call = \"200ms\", poll = \"1s\" }
prewarmed = 0
keep_alive = \"10s\"
pause_grace = \"10s\"
";

/// A function that reads for 30 ms, works for 200 ms on one thread and for 100 ms
/// on each of two, and takes 300 ms to initialise.
fn function(memory: &str) -> Application {
    let text = format!(
        "
        [runtimes.plain]
        threads = 3
        order = \"fifo\"
        path_share = 1.0
        sigma = 0.0
        start_time = \"300ms\"
        [services.f]
        runtime = \"plain\"
        deployment = \"function\"
        memory = {memory}
        [services.store]
        runtime = \"plain\"
        deployment = \"external\"
        memory = {{ start = \"0 MiB\" }}
        [[requests]]
        name = \"first\"
        weight = 1
        call = {{ to = \"f\", op = \"\", cpu = \"200 ms\", stages = [
            [{{ to = \"store\", op = \"read\", cpu = \"30 ms\" }}],
            [{{ to = \"f\", op = \"part\", cpu = \"100 ms\" }},
             {{ to = \"f\", op = \"part\", cpu = \"100 ms\" }}],
        ] }}
        "
    );
    Application::parse(Path::new("app.toml"), &text).unwrap()
}

fn setup(application: Application) -> Setup {
    let mut setup = Setup::new(application).fixed(1.0, 100);
    setup.testbed = testbed(&format!("{TESTBED}{PLATFORM}"));
    setup
}

const SMALL: &str = "{ start = \"20 MiB\" }";

fn alone() -> Fixed {
    Fixed::new(Vec::new())
}

#[test]
fn cold_and_warm_calls_take_what_they_are_made_of() {
    // One every 20 s: the first is cold, the second finds the pod still there.
    let mut setup = setup(function(SMALL)).lasting(30.0);
    setup.load = Load::Fixed { rate: 0.05 };
    let outcome = setup.run(&mut alone());
    // There and back 0.2 ms, to the store and back 0.2 ms, dispatch 10 ms, read
    // 30 ms. With one core the work takes its 400 ms of CPU, but the two threads
    // take slices of 5 ms in turn and end 200 to 205 ms after they began.
    let warm = 0.2 + 0.2 + 10.0 + 30.0 + 400.0;
    // Asked for after the dispatch, seen 4.2 s later, initialised in 300 ms.
    let cold = warm + 4200.0 + 300.0;
    assert_value(&outcome, "requests_completed", 2.0);
    assert_value(&outcome, "cold_starts", 1.0);
    assert_value(&outcome, "pods_created", 1.0);
    let mean = value(&outcome, "latency_mean_ms");
    assert_near(mean, (warm + cold) / 2.0, 0.02);
    assert_near(value(&outcome, "latency_max_ms"), cold, 0.02);
    // The pod is there from 3.51 s on.
    assert_near(value(&outcome, "pods_mean"), (30.0 - 3.51) / 30.0, 0.01);
    let share = (30.0 - 3.51) / 30.0;
    assert_near(value(&outcome, "cpu_limit_mean_cores"), share, 0.01);
    assert_near(value(&outcome, "mem_limit_mean_mib"), 256.0 * share, 0.01);
}

#[test]
fn pods_end_after_the_keep_alive_and_count_no_more() {
    // One call, served by 5 s; the pod goes 20 s later.
    let mut setup = setup(function(SMALL)).lasting(60.0);
    setup.load = Load::Batch { tasks: 1 };
    setup.client.connections = 1;
    let outcome = setup.run(&mut alone());
    let done = value(&outcome, "job_completion_s");
    assert_near(done, 4.9404, 0.002);
    assert_near(value(&outcome, "latency_mean_ms"), done * 1e3, 1e-6);
    // The same, but the run goes on: a request each 100 s.
    setup.load = Load::Fixed { rate: 0.01 };
    let outcome = setup.run(&mut alone());
    let there = done + 20.0 - 3.51;
    assert_near(value(&outcome, "pods_mean"), there / 60.0, 0.01);
    assert_near(value(&outcome, "cpu_limit_mean_cores"), there / 60.0, 0.01);
}

#[test]
fn a_batch_is_sent_by_its_connections_and_ends_with_its_last_answer() {
    let mut setup = setup(function(SMALL)).lasting(600.0);
    setup.load = Load::Batch { tasks: 20 };
    setup.client.connections = 4;
    let outcome = setup.run(&mut alone());
    assert_value(&outcome, "requests_sent", 20.0);
    assert_value(&outcome, "requests_completed", 20.0);
    assert_value(&outcome, "pods_created", 4.0);
    // Five tasks each, one after the other, the first of them cold.
    assert_near(
        value(&outcome, "job_completion_s"),
        4.5 + 5.0 * 0.4404,
        0.01,
    );
}

#[test]
fn a_batch_beyond_the_minutes_limit_goes_on_in_the_next() {
    let mut setup = setup(function(SMALL)).lasting(600.0);
    setup.load = Load::Batch { tasks: 50 };
    setup.client.connections = 4;
    setup.client.retry = Some(Span::from_secs(2));
    setup.client.poll = Some(Span::from_secs(1));
    setup.testbed.platform.as_mut().unwrap().minute_limit = 20;
    let outcome = setup.run(&mut alone());
    assert_value(&outcome, "requests_completed", 50.0);
    assert_value(&outcome, "requests_failed", 0.0);
    assert!(value(&outcome, "requests_refused") > 20.0);
    // Twenty in the rest of the first minute, twenty in the next, ten after it.
    let done = value(&outcome, "job_completion_s");
    assert!(done > 60.0 && done < 135.0, "{done}");
    assert_value(&outcome, "job_completion_s", done.round());
    // Without retries what is refused has failed.
    setup.client.retry = None;
    let outcome = setup.run(&mut alone());
    assert_value(&outcome, "requests_completed", 50.0);
    assert_value(&outcome, "requests_failed", 30.0);
}

#[test]
fn a_function_that_outgrows_its_pod_fails_and_gets_a_new_one() {
    // 200 MiB at rest and 100 more while it works: killed at each call.
    let memory = "{ start = \"200 MiB\", working_set = \"100 MiB\" }";
    let outcome = setup(function(memory)).lasting(20.0).run(&mut alone());
    let kills = value(&outcome, "oom_kills");
    assert!(kills > 3.0);
    assert_value(&outcome, "requests_failed", kills);
    // Eight fit, and each ends with its call.
    assert!(value(&outcome, "pods_created") >= kills);
}

/// Bursts that need up to eight pods, with pauses in which they go.
fn bursts() -> Setup {
    let memory = "{ start = \"60 MiB\", working_set = \"90 MiB\" }";
    let mut setup = setup(function(memory)).lasting(120.0);
    setup.load = Load::Burst {
        base: 0.1,
        burst: 12.0,
        length: Span::from_secs(6),
        period: Span::from_secs(40),
        scale: 1.0,
    };
    setup
}

#[test]
fn limits_stay_under_omega_while_pods_come_and_go() {
    for (cores, memory) in [(8, 2048), (4, 1400)] {
        let (cpu, memory) = (Cores::new(cores), mib(memory));
        let mut escra = Escra::new(Config::default(), cpu, memory, 8);
        let outcome = hold(&bursts(), &mut escra, cpu, memory);
        assert!(value(&outcome, "pods_created") > 12.0);
        assert!(value(&outcome, "limit_updates") > 100.0);
        assert!(value(&outcome, "oom_rescues") > 0.0);
        assert_value(&outcome, "requests_failed", 0.0);

        let config = tide::Config::default();
        let mut tide = Tide::new(config, cpu, memory, 8, 3);
        let outcome = hold(&bursts(), &mut tide, cpu, memory);
        assert!(value(&outcome, "pods_created") > 12.0);
    }
}

#[test]
fn the_limits_of_a_pod_that_has_gone_are_free() {
    // Ω is one pod's worth, but for the floor of a second.
    let (cpu, memory) = (Cores::from_millis(1300), mib(512));
    let mut escra = Escra::new(Config::default(), cpu, memory, 1);
    let mut setup = setup(function(SMALL)).lasting(120.0);
    setup.load = Load::Fixed { rate: 1.0 / 40.0 };
    let outcome = hold(&setup, &mut escra, cpu, memory);
    // Each call finds no pod and gets one with all it asks for.
    assert_value(&outcome, "cold_starts", 3.0);
    let limits: Vec<f64> = outcome
        .containers
        .iter()
        .map(|container| container.cpu_limit_mean_cores)
        .collect();
    for limit in &limits {
        assert_near(*limit, limits[0], 0.01);
    }
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let run = || {
        bursts().run(&mut Escra::new(
            Config::default(),
            Cores::new(4),
            mib(1400),
            8,
        ))
    };
    assert_eq!(run(), run());
}
