//! Growth, kills, restarts, and what a controller can do about them.

use super::*;

#[test]
fn growth_past_the_limit_kills_and_restarts_back_off() {
    // The 11th call since the start is one too many. The first comes at 1 s;
    // after a restart calls have queued up and come each ms.
    let keys = "memory = { start = \"100 MiB\", per_call = \"1 MiB\" }\n";
    let setup = Setup::new(single(keys, "1 ms")).lasting(40.0);
    let mut script = Script::new(4.0, mib(110));
    let outcome = setup.run(&mut script);
    let mut kills = vec![1000.0 + HOP_MS];
    for back_off in [0.0, 10_000.0, 20_000.0] {
        let last = kills[kills.len() - 1];
        kills.push(last + 2000.0 + back_off + 10.0);
    }
    let seen: Vec<f64> = kills.iter().map(|time| time + CONTROL_MS).collect();
    assert_times(&script.kills(), &seen);
    assert_value(&outcome, "oom_kills", 4.0);
    assert_eq!(outcome.containers[0].oom_kills, 4);
    assert_value(&outcome, "requests_failed", 4.0);
    assert_value(&outcome, "requests_completed", 44.0);
    assert!((outcome.containers[0].memory_max_mib - 110.0).abs() < 1e-9);
}

#[test]
fn a_kill_fails_all_calls_in_service_and_those_that_come_wait() {
    // The third call of 300 ms does not fit beside two others.
    let keys = "memory = { start = \"100 MiB\", working_set = \"10 MiB\" }\n";
    let setup = Setup::new(single(keys, "300 ms"))
        .fixed(30.0, 3)
        .lasting(2.0);
    let outcome = setup.run(&mut Script::new(8.0, mib(125)));
    assert_value(&outcome, "oom_kills", 1.0);
    assert_value(&outcome, "requests_failed", 3.0);
    assert_value(&outcome, "requests_completed", 3.0);
}

#[test]
fn a_request_fails_when_a_service_it_needs_is_killed() {
    // b dies of its second call; a has nothing to do with it.
    let call = "call = { to = \"a\", op = \"\", cpu = \"2 ms\", stages = [
        [{ to = \"b\", op = \"\", cpu = \"1 ms\" }, { to = \"c\", op = \"\", cpu = \"9 ms\" }],
        [{ to = \"c\", op = \"\", cpu = \"9 ms\" }],
    ] }";
    let memory = "memory = { start = \"10 MiB\", per_call = \"60 MiB\" }\n";
    let setup = Setup::new(application(&["", memory, ""], call)).lasting(0.2);
    let outcome = setup.run(&mut Script::new(8.0, mib(100)));
    assert_value(&outcome, "requests_completed", 2.0);
    assert_value(&outcome, "requests_failed", 1.0);
    let kills: Vec<u64> = outcome.containers.iter().map(|c| c.oom_kills).collect();
    assert_eq!(kills, [0, 1, 0]);
    // The second made no second stage: three calls to c, not four.
    let c = outcome.containers[2].cpu_mean_cores * 0.2;
    assert!((c - 0.027).abs() < 1e-9, "{c}");
}

#[test]
fn a_call_that_failed_is_not_repeated() {
    // b is killed by the second of three calls, 1.9 ms after the request was
    // sent; a hears of it at 2, goes on for the other half of its work and
    // answers. A third call would wait for b to come back.
    let call = "call = { to = \"a\", op = \"\", cpu = \"1 ms\", stages = [
        [{ to = \"b\", op = \"\", cpu = \"1 ms\", repeat = 3 }],
    ] }";
    let memory = "memory = { start = \"10 MiB\", per_call = \"60 MiB\" }\n";
    let setup = Setup::new(application(&["", memory], call)).lasting(0.05);
    let outcome = setup.run(&mut Script::new(8.0, mib(100)));
    assert_value(&outcome, "requests_failed", 1.0);
    assert_value(&outcome, "latency_mean_ms", 2.6);
}

#[test]
fn a_trapped_call_goes_on_when_memory_comes() {
    // The 11th call, at 1 s, waits for a message each way and for the limit.
    let keys = "memory = { start = \"100 MiB\", per_call = \"1 MiB\" }\n";
    let setup = Setup::new(single(keys, "1 ms")).lasting(2.0);
    let mut script = Script::new(4.0, mib(110)).trapping(|what| match what {
        Observation::OutOfMemory { limit, .. } => Some(set_memory(1, *limit + mib(20))),
        _ => None,
    });
    let outcome = setup.run(&mut script);
    let hit = 1000.0 + HOP_MS;
    let seen = hit + CONTROL_MS;
    let applied = seen + CONTROL_MS + APPLY_MS;
    assert_times(&[script.out_of_memory()[0].0], &[seen]);
    assert_eq!(script.out_of_memory()[0].1, (1, mib(110)));
    assert_times(&[script.memory_applied()[0].0], &[applied + CONTROL_MS]);
    assert_eq!(script.memory_applied()[0].1, (1, mib(130)));
    assert_eq!(script.out_of_memory().len(), 1);
    assert_value(&outcome, "oom_rescues", 1.0);
    assert_value(&outcome, "oom_kills", 0.0);
    assert_value(&outcome, "requests_failed", 0.0);
    assert_value(&outcome, "requests_completed", 20.0);
    let usual = 1.0 + 2.0 * HOP_MS;
    let mean = usual + (applied - hit) / 20.0;
    assert_value(&outcome, "latency_mean_ms", mean);
}

/// Four calls that do not fit, 25 ms apart: 100 MiB and 10 for each of them.
fn crowded() -> Setup {
    let keys = "memory = { start = \"100 MiB\", working_set = \"10 MiB\" }\n";
    Setup::new(single(keys, "1 ms")).fixed(40.0, 4).lasting(0.1)
}

#[test]
fn all_calls_of_a_container_wait_for_one_answer() {
    let mut script = Script::new(8.0, mib(105))
        .trapping(|_| None)
        .then(90.0, set_memory(1, mib(200)));
    let outcome = crowded().run(&mut script);
    assert_eq!(script.out_of_memory().len(), 1);
    assert_value(&outcome, "requests_completed", 4.0);
    assert_value(&outcome, "oom_rescues", 1.0);
    // Sent at 0, 25, 50 and 75 ms, they all went on at 90.3.
    let resumed = 90.0 + CONTROL_MS + APPLY_MS;
    assert_value(&outcome, "latency_mean_ms", resumed + 1.0 + HOP_MS - 37.5);
}

#[test]
fn without_an_answer_it_is_asked_again_until_the_kernel_kills() {
    let mut script = Script::new(8.0, mib(105)).trapping(|_| None);
    let outcome = crowded().lasting(12.0).run(&mut script);
    let asked = script.out_of_memory();
    let (first, event) = asked[0];
    assert_eq!(event, (1, mib(105)));
    // Each second under a new number; 10 s after the first the patience ends.
    let times: Vec<f64> = asked.iter().map(|seen| seen.0).collect();
    let expected: Vec<f64> = (0..10).map(|n| first + 1000.0 * f64::from(n)).collect();
    assert_times(&times[..10], &expected);
    assert_eq!(asked[9].1, (10, mib(105)));
    assert_times(&script.kills()[..1], &[first + 10_000.0]);
    assert_value(&outcome, "oom_kills", 1.0);
    assert_value(&outcome, "oom_rescues", 0.0);
}

#[test]
fn too_little_memory_is_asked_for_again_under_a_new_number() {
    let mut script = Script::new(8.0, mib(105))
        .trapping(|_| None)
        .then(80.0, set_memory(1, mib(108)))
        .then(90.0, set_memory(2, mib(200)));
    let outcome = crowded().run(&mut script);
    let events: Vec<_> = script.out_of_memory().iter().map(|seen| seen.1).collect();
    assert_eq!(events, [(1, mib(105)), (2, mib(108))]);
    assert_value(&outcome, "oom_rescues", 1.0);
    assert_value(&outcome, "oom_kills", 0.0);
}

#[test]
fn a_denied_container_is_killed_and_an_old_denial_does_nothing() {
    let deny = |event| Command::DenyMemory {
        container: A,
        event,
    };
    let mut script = Script::new(8.0, mib(105))
        .trapping(|_| None)
        .then(80.0, deny(0))
        .then(85.0, deny(2))
        .then(90.0, deny(1));
    let outcome = crowded().run(&mut script);
    assert_times(&script.kills(), &[90.0 + 2.0 * CONTROL_MS + APPLY_MS]);
    assert_value(&outcome, "oom_kills", 1.0);
    assert_value(&outcome, "requests_failed", 4.0);
}

#[test]
fn a_limit_below_usage_is_refused_and_one_at_usage_is_not() {
    let keys = "memory = { start = \"100 MiB\" }\n";
    let setup = Setup::new(single(keys, "1 ms")).lasting(1.0);
    let mut script = Script::new(8.0, mib(110))
        .then(100.5, set_memory(1, mib(50)))
        .then(200.5, set_memory(2, mib(100)));
    let outcome = setup.run(&mut script);
    let answers: Vec<_> = script.memory_applied().iter().map(|seen| seen.1).collect();
    assert_eq!(answers, [(1, mib(110)), (2, mib(100))]);
    assert_value(&outcome, "limit_updates", 1.0);
    assert_value(&outcome, "oom_kills", 0.0);
}

#[test]
fn a_reclaim_leaves_usage_and_a_margin_and_never_raises() {
    let reclaim = |version, margin| Command::Reclaim {
        container: A,
        version,
        margin: mib(margin),
    };
    let keys = "memory = { start = \"100 MiB\" }\n";
    let setup = Setup::new(single(keys, "1 ms")).lasting(1.0);
    let mut script = Script::new(8.0, mib(200))
        .then(150.0, reclaim(1, 7))
        .then(250.0, reclaim(2, 50));
    let outcome = setup.run(&mut script);
    let answers: Vec<_> = script.memory_applied().iter().map(|seen| seen.1).collect();
    assert_eq!(answers, [(1, mib(107)), (2, mib(107))]);
    assert_value(&outcome, "limit_updates", 1.0);
    assert_value(&outcome, "mem_commands", 2.0);
}

#[test]
fn a_heap_follows_the_limit_in_force_when_the_container_starts() {
    // 10 + 50 MiB, then 5 for each call: the 29th does not fit into 200 MiB.
    // The limit raised meanwhile makes a heap of 100 MiB after the restart.
    let keys = "start_time = \"100ms\"
        memory = { start = \"10 MiB\", per_call = \"5 MiB\", heap_share = 0.5 }\n";
    let setup = Setup::new(single(keys, "1 ms")).lasting(3.25);
    let mut script = Script::new(8.0, mib(100)).then(250.0, set_memory(1, mib(200)));
    script.sampling = Some(Span::from_millis(50));
    let outcome = setup.run(&mut script);
    assert_times(&script.kills(), &[2800.0 + HOP_MS + CONTROL_MS]);
    assert_value(&outcome, "oom_kills", 1.0);
    let usage = script.seen(|what| match what {
        Observation::Usage { memory, .. } => Some(*memory),
        _ => None,
    });
    let usage_at = |ms: f64| {
        let after = usage.iter().find(|sample| sample.0 > ms);
        after.map(|sample| sample.1).unwrap()
    };
    // Calls 1 to 3 came at 0, 100 and 200 ms, the fourth at 300.
    assert_eq!(usage_at(240.0), mib(75));
    assert_eq!(usage_at(340.0), mib(80));
    // Back at 2900 ms: one call at once and one each 100 ms.
    assert_eq!(usage_at(2940.0), mib(115));
    assert_eq!(usage_at(3040.0), mib(120));
}

#[test]
fn a_dead_container_uses_no_memory() {
    let keys = "memory = { start = \"100 MiB\", per_call = \"20 MiB\" }\n";
    let setup = Setup::new(single(keys, "1 ms")).lasting(1.0);
    let mut script = Script::new(8.0, mib(110));
    script.sampling = Some(Span::from_millis(50));
    setup.run(&mut script);
    let usage = script.seen(|what| match what {
        Observation::Usage { memory, .. } => Some(*memory),
        _ => None,
    });
    assert_eq!(usage[5].1, mib(0));
}
