//! A request's way through the services.

use super::*;

#[test]
fn a_chain_takes_its_cpu_and_its_hops() {
    let call = "call = { to = \"a\", op = \"\", cpu = \"2 ms\", stages = [
        [{ to = \"b\", op = \"\", cpu = \"3 ms\", stages = [
            [{ to = \"c\", op = \"\", cpu = \"4 ms\" }],
        ] }],
    ] }";
    assert_unloaded(application(&["", "", ""], call), 9.0 + 6.0 * HOP_MS);
}

#[test]
fn calls_of_one_stage_take_as_long_as_the_longest() {
    let call = "call = { to = \"a\", op = \"\", cpu = \"1 ms\", stages = [
        [{ to = \"b\", op = \"\", cpu = \"2 ms\" }, { to = \"c\", op = \"\", cpu = \"5 ms\" }],
    ] }";
    assert_unloaded(application(&["", "", ""], call), 6.0 + 4.0 * HOP_MS);
}

#[test]
fn stages_follow_each_other() {
    let call = "call = { to = \"a\", op = \"\", cpu = \"3 ms\", stages = [
        [{ to = \"b\", op = \"\", cpu = \"2 ms\" }],
        [{ to = \"c\", op = \"\", cpu = \"5 ms\" }],
    ] }";
    assert_unloaded(application(&["", "", ""], call), 10.0 + 6.0 * HOP_MS);
}

#[test]
fn a_repeated_call_takes_its_time_as_often() {
    let call = "call = { to = \"a\", op = \"\", cpu = \"1 ms\", stages = [
        [{ to = \"b\", op = \"\", cpu = \"2 ms\", repeat = 3 }],
    ] }";
    assert_unloaded(application(&["", ""], call), 7.0 + 8.0 * HOP_MS);
}

#[test]
fn detached_calls_use_cpu_and_delay_nobody() {
    let requests = "call = { to = \"a\", op = \"\", cpu = \"1 ms\" }
        detached = [{ to = \"b\", op = \"\", cpu = \"50 ms\" }]";
    let application = application(&["", ""], requests);
    assert_unloaded(application.clone(), 1.0 + 2.0 * HOP_MS);
    let outcome = Setup::new(application).run_free();
    assert_value(&outcome, "cpu_used_mean_cores", 0.51);
    assert!((outcome.containers[1].cpu_mean_cores - 0.5).abs() < 1e-9);
}

#[test]
fn work_off_the_path_is_done_and_delays_nobody() {
    let application = single("path_share = 0.5\n", "10 ms");
    assert_unloaded(application.clone(), 5.0 + 2.0 * HOP_MS);
    let outcome = Setup::new(application).run_free();
    assert_value(&outcome, "cpu_used_mean_cores", 0.1);
}

#[test]
fn calls_wait_for_a_thread() {
    for (threads, rounds) in [(1, 3.0), (2, 2.0), (3, 1.0)] {
        let keys = format!("threads = {threads}\n");
        assert_unloaded(fan_out(&keys), 1.0 + 2.0 * rounds + 4.0 * HOP_MS);
    }
}

#[test]
fn work_off_the_path_keeps_its_thread_busy() {
    // Replies after 1, 3 and 5 ms.
    let keys = "threads = 1\npath_share = 0.5\n";
    assert_unloaded(fan_out(keys), 1.0 + 5.0 + 4.0 * HOP_MS);
}

#[test]
fn a_cold_compiler_costs_time_on_the_path_and_cpu_beside_it() {
    let keys = "warm_up = { factor = 3, calls = 100, compile = \"500 ms\" }\n";
    let application = single(keys, "1 ms");
    let first = Setup::new(application.clone()).lasting(0.05).run_free();
    assert_value(&first, "latency_mean_ms", 3.0 + 2.0 * HOP_MS);
    // After many calls: the sum of 2 ms · exp(-n / 100), and all compiling.
    let all = Setup::new(application).fixed(200.0, 10).lasting(10.0);
    let used = value(&all.run_free(), "cpu_used_mean_cores") * 10.0;
    let extra = 2e-3 / (1.0 - (-0.01f64).exp());
    assert_near(used, 2.0 + extra + 0.5, 1e-4);
}

#[test]
fn background_work_is_as_much_as_the_service_says() {
    let application = single("idle = \"0.05 cores\"\n", "1 ms");
    let setup = Setup::new(application).fixed(1.0, 1).lasting(1000.0);
    let outcome = setup.run_free();
    assert_near(value(&outcome, "cpu_used_mean_cores"), 0.051, 0.02);
    assert_value(&outcome, "requests_completed", 1000.0);
}

#[test]
fn kinds_of_requests_come_by_their_weight_and_fail_by_their_share() {
    let requests = "call = { to = \"a\", op = \"\", cpu = \"1 ms\" }
        [[requests]]
        name = \"second\"
        weight = 3
        failure_share = 0.2
        call = { to = \"b\", op = \"\", cpu = \"1 ms\" }";
    let outcome = Setup::new(application(&["", ""], requests))
        .fixed(100.0, 10)
        .lasting(500.0)
        .run_free();
    assert_near(outcome.containers[0].cpu_mean_cores, 0.025, 0.03);
    assert_near(outcome.containers[1].cpu_mean_cores, 0.075, 0.01);
    let failed = value(&outcome, "requests_failed") / value(&outcome, "requests_completed");
    assert_near(failed, 0.15, 0.04);
    // Failed ones are measured like all others.
    assert_value(&outcome, "throughput_rps", 100.0);
}

#[test]
fn repeated_detached_calls_and_roots_are_all_made() {
    let requests = "call = { to = \"a\", op = \"\", cpu = \"1 ms\" }
        detached = [{ to = \"b\", op = \"\", cpu = \"5 ms\", repeat = 3 }]";
    let application = application(&["", ""], requests);
    let outcome = Setup::new(application).run_free();
    assert_near(outcome.containers[1].cpu_mean_cores, 10.0 * 0.015, 1e-6);
}

#[test]
fn a_repeated_root_is_made_by_the_client() {
    let call = "call = { to = \"a\", op = \"\", cpu = \"2 ms\", repeat = 3 }";
    assert_unloaded(application(&[""], call), 6.0 + 2.0 * HOP_MS + 4.0 * HOP_MS);
}
