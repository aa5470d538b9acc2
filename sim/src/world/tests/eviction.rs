//! Pods that are evicted to change their limits, and the time that kills and traps
//! take.

use super::*;

fn restart(version: u64) -> Command {
    Command::Restart {
        container: A,
        version,
    }
}

/// Requests of 30 ms every 100 ms to a service that takes 500 ms to start.
fn setup() -> Setup {
    let keys = "start_time = \"500ms\"\nmemory = { start = \"100 MiB\" }\n";
    Setup::new(single(keys, "30 ms")).lasting(2.0)
}

fn started(script: &Script) -> Vec<f64> {
    let started = script.seen(|what| matches!(what, Observation::Started(_)).then_some(()));
    started.into_iter().map(|(time, ())| time).collect()
}

#[test]
fn an_eviction_fails_what_runs_and_takes_the_time_to_start() {
    // Sent at 309.7 ms, it hits the fourth request at 310; a limit that a running
    // process would not have fitted into is taken meanwhile.
    let sent = 310.0 - CONTROL_MS - APPLY_MS;
    let mut script = Script::new(4.0, mib(200))
        .then(sent, restart(1))
        .then(sent + 1.0, set_memory(1, mib(90)));
    let outcome = setup().run(&mut script);
    assert_eq!(script.memory_applied()[0].1, (1, mib(90)));
    assert_value(&outcome, "evictions", 1.0);
    assert_value(&outcome, "requests_failed", 1.0);
    // The other end of the story: it does not fit into that and is killed at its
    // start, once at once and once after the back-off.
    assert_value(&outcome, "oom_kills", 2.0);
    assert_times(&started(&script), &[0.0, 810.0 + CONTROL_MS]);
}

#[test]
fn a_pod_is_back_once_and_knows_no_back_off() {
    // Twice the same restart, and a second one while it is down: it starts anew.
    let mut script = Script::new(4.0, mib(200))
        .then(300.0, restart(1))
        .then(400.0, restart(1))
        .then(500.0, restart(2));
    let outcome = setup().run(&mut script);
    let up = 500.0 + CONTROL_MS + APPLY_MS + 500.0;
    assert_times(&started(&script), &[0.0, up + CONTROL_MS]);
    assert_value(&outcome, "evictions", 2.0);
    assert_value(&outcome, "down_s", 0.7);
    assert_value(&outcome, "oom_kills", 0.0);
}

#[test]
fn time_down_counts_from_when_the_client_begins_to_the_end() {
    let mut setup = setup();
    setup.settle = Span::from_millis(400);
    let mut script = Script::new(4.0, mib(200))
        .then(300.0, restart(1))
        .then(2_000.0, restart(2));
    let outcome = setup.run(&mut script);
    // Down until 800.3 and from 2000.3 ms, of which 400 to 2400 count.
    assert_value(&outcome, "down_s", 0.4003 + 0.3997);
}

#[test]
fn a_trapped_wait_is_timed_and_a_reclaim_counted() {
    let keys = "memory = { start = \"100 MiB\", per_call = \"1 MiB\" }\n";
    let setup = Setup::new(single(keys, "1 ms")).lasting(2.0);
    let mut script = Script::new(4.0, mib(110))
        .trapping(|what| match what {
            Observation::OutOfMemory { limit, .. } => Some(set_memory(1, *limit + mib(20))),
            _ => None,
        })
        .then(
            1_750.5,
            Command::Reclaim {
                container: A,
                version: 2,
                margin: mib(5),
            },
        );
    let outcome = setup.run(&mut script);
    let waited = 2.0 * CONTROL_MS + APPLY_MS;
    for name in ["oom_wait_p50_ms", "oom_wait_p99_ms", "oom_wait_max_ms"] {
        assert_value(&outcome, name, waited);
    }
    // 18 calls came: 118 MiB of 130 are used, and 5 more stay.
    assert_value(&outcome, "mem_reclaimed_mib", 7.0);
    assert_value(&outcome, "oom_denied", 0.0);
}
