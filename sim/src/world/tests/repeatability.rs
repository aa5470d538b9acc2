//! The same run twice, and what must not depend on its length.

use super::*;

/// Three services, everything random that there is.
fn busy(seed: u64) -> Setup {
    let keys = "sigma = 0.8\npath_share = 0.7\nidle = \"0.02 cores\"
        threads = 4\nwarm_up = { factor = 2, calls = 200, compile = \"1 s\" }
        memory = { start = \"20 MiB\", per_call = \"20 KiB\", working_set = \"1 MiB\" }\n";
    let requests = "failure_share = 0.05
        call = { to = \"a\", op = \"\", cpu = \"2 ms\", stages = [
            [{ to = \"b\", op = \"\", cpu = \"1 ms\", repeat = 2 }, { to = \"c\", op = \"\", cpu = \"2 ms\" }],
        ] }
        detached = [{ to = \"c\", op = \"\", cpu = \"1 ms\" }]";
    let mut setup = Setup::new(application(&[keys, keys, keys], requests))
        .poisson(60.0, 10)
        .lasting(20.0);
    setup.seed = seed;
    setup
}

/// Everything in an outcome, comparable where it is not a number.
fn bits(outcome: &Outcome) -> (Vec<(&str, u64)>, String, u64) {
    let metric = |metric: &crate::Metric| (metric.name, metric.value.to_bits());
    let metrics = outcome.metrics.iter().map(metric).collect();
    let containers = format!("{:?}", outcome.containers);
    (metrics, containers, outcome.events)
}

#[test]
fn the_same_seed_gives_the_same_run_and_another_seed_another() {
    let run = |seed| {
        let mut script = Script::new(0.3, mib(30)).with_periods();
        let outcome = busy(seed).run(&mut script);
        (outcome, script.seen)
    };
    let (one, again, other) = (run(1), run(1), run(2));
    assert_eq!(bits(&one.0), bits(&again.0));
    assert_eq!(one.1, again.1);
    assert_ne!(bits(&one.0), bits(&other.0));
    assert!(value(&one.0, "oom_kills") > 0.0, "memory is part of it");
    assert!(value(&one.0, "throttled_periods_ratio") > 0.0);
}

#[test]
fn policies_see_the_same_requests() {
    let tight = busy(3).run(&mut Script::new(0.15, mib(1000)));
    let loose = busy(3).run(&mut Script::new(4.0, mib(1000)));
    let ample = busy(3).run(&mut Script::new(8.0, mib(2000)).with_periods());
    let sent = value(&tight, "requests_sent");
    assert_value(&loose, "requests_sent", sent);
    assert!(value(&tight, "latency_mean_ms") > 2.0 * value(&loose, "latency_mean_ms"));
    // Where limits bind nobody, the draws decide everything.
    for name in [
        "latency_mean_ms",
        "latency_max_ms",
        "requests_completed",
        "requests_failed",
        "cpu_used_mean_cores",
    ] {
        assert_value(&ample, name, value(&loose, name));
    }
}

#[test]
fn what_is_watched_does_not_change_what_happens() {
    let silent = busy(4).run(&mut Script::new(0.4, mib(1000)));
    let mut script = Script::new(0.4, mib(1000)).with_periods();
    script.sampling = Some(Span::from_millis(200));
    let watched = busy(4).run(&mut script);
    for name in [
        "latency_mean_ms",
        "requests_completed",
        "cpu_used_mean_cores",
        "cpu_slack_p50_cores",
        "cpu_slack_p80_cores",
        "cpu_slack_p99_cores",
        "mem_slack_p50_mib",
        "mem_slack_p99_mib",
    ] {
        assert_value(&watched, name, value(&silent, name));
    }
}

#[test]
fn measuring_begins_when_the_containers_have_settled() {
    // They settle under a limit that throttles them; then it is raised.
    let keys = "idle = \"0.2 cores\"\n";
    let mut setup = Setup::new(single(keys, "1 ms")).lasting(100.0);
    setup.settle = Span::from_secs(10);
    let mut script = Script::new(0.05, mib(200)).then(9000.0, set_cpu(1, 4.0));
    let outcome = setup.run(&mut script);
    assert_value(&outcome, "requests_sent", 1000.0);
    assert_value(&outcome, "requests_completed", 1000.0);
    assert_value(&outcome, "throughput_rps", 10.0);
    assert_value(&outcome, "latency_mean_ms", 1.0 + 2.0 * HOP_MS);
    assert_value(&outcome, "cpu_limit_mean_cores", 4.0);
    assert_value(&outcome, "throttled_periods_ratio", 0.0);
    assert_near(value(&outcome, "cpu_used_mean_cores"), 0.21, 0.05);
    // A control: without settling the raise comes late.
    setup.settle = Span::ZERO;
    let mut script = Script::new(0.05, mib(200)).then(9000.0, set_cpu(1, 4.0));
    let outcome = setup.run(&mut script);
    assert!(value(&outcome, "latency_mean_ms") > 2.0);
    assert!(value(&outcome, "throttled_periods_ratio") > 0.05);
}

// Cost.

#[test]
fn a_request_costs_as_many_events_late_in_a_run_as_early() {
    let run = |seconds: f64| {
        let mut script = Script::new(0.5, mib(4000)).with_periods();
        script.sampling = Some(Span::from_millis(100));
        let outcome = busy(5).lasting(seconds).run(&mut script);
        (outcome.events as f64, value(&outcome, "requests_sent"))
    };
    // From the end of warm-up on: what the second half of a run adds.
    let half = |seconds: f64| {
        let (first, whole) = (run(seconds / 2.0), run(seconds));
        (whole.0 - first.0) / (whole.1 - first.1)
    };
    assert_near(half(1000.0), half(100.0), 0.02);
}

#[test]
fn what_a_run_keeps_does_not_grow_with_its_length_even_when_saturated() {
    let kept = |seconds: f64| {
        // A request takes 3 ms of c, which has 0.15 cores: 50 of 90 req/s.
        let setup = busy(6).poisson(90.0, 10).lasting(seconds);
        let mut script = Script::new(0.15, mib(100_000)).with_periods();
        let experiment = setup.experiment();
        let mut world = World::new(&experiment, &mut script);
        world.start();
        let mut pending = 0;
        while !world.done {
            let event = world.queue.pop().unwrap();
            world.handle(event);
            pending = pending.max(world.queue.len());
        }
        [world.frames.len(), world.requests.len(), pending]
    };
    let (short, long) = (kept(20.0), kept(400.0));
    for (short, long) in short.into_iter().zip(long) {
        assert!(long <= short + short / 2, "{short} and {long}");
        // Ten requests at a time.
        assert!(long < 200, "{long}");
    }
}

#[test]
fn calls_wait_at_the_client_not_in_the_system() {
    let setup = saturated().lasting(100.0);
    let mut script = Script::new(8.0, mib(1000));
    let experiment = setup.experiment();
    let mut world = World::new(&experiment, &mut script);
    world.start();
    while !world.done {
        let event = world.queue.pop().unwrap();
        world.handle(event);
        assert!(world.queue.len() < 50);
    }
    // A connection's next request is made before the one before is let go.
    assert!(world.frames.len() <= 8, "{}", world.frames.len());
    assert!(world.requests.len() <= 8, "{}", world.requests.len());
}

#[test]
fn what_happens_while_containers_settle_is_not_measured() {
    let keys = "idle = \"0.2 cores\"\nmemory = { start = \"100 MiB\" }\n";
    let measure = |settle| {
        let mut setup = Setup::new(single(keys, "1 ms"));
        setup.settle = Span::from_secs(settle);
        // A kill for memory at the start, and a write while they settle.
        let mut script = Script::new(0.05, mib(90))
            .with_periods()
            .then(0.5, set_memory(1, mib(200)))
            .then(500.5, set_cpu(1, 2.0));
        setup.run(&mut script)
    };
    assert_value(&measure(0), "oom_kills", 1.0);
    let outcome = measure(10);
    assert_value(&outcome, "oom_kills", 0.0);
    assert_eq!(outcome.containers[0].oom_kills, 0);
    assert_value(&outcome, "limit_updates", 0.0);
    assert_value(&outcome, "throttled_periods_ratio", 0.0);
    assert_value(&outcome, "requests_sent", 50.0);
    assert_value(&outcome, "cpu_limit_mean_cores", 2.0);
    // The published pipeline leaves out who never used 0.6 cores.
    assert!(value(&outcome, "cpu_slack_published_p99_cores").is_nan());
    assert_near(value(&outcome, "cpu_used_mean_cores"), 0.21, 0.2);
}

/// A series adds up to the run's own numbers, and asking for it, or for
/// distributions, leaves the run as it is.
#[test]
fn what_is_recorded_does_not_change_what_happens() {
    let run = |recording| {
        let mut setup = busy(5);
        setup.recording = recording;
        setup.run(&mut Script::new(0.3, mib(30)).with_periods())
    };
    let series = |of| Recording {
        series: Some(Series {
            every: Span::from_secs(1),
            of,
        }),
        cdf: true,
    };
    let plain = run(Recording::default());
    assert!(plain.series.is_empty() && plain.cdfs.is_empty());
    let each = run(series(Scope::Container));
    let sums = run(series(Scope::Application));
    for outcome in [&each, &sums] {
        assert_eq!(bits(&plain), bits(outcome));
        let near = |value: f64, expected: f64| (value - expected).abs() < 1e-6;
        let rows = outcome.series.iter();
        let used: f64 = rows.clone().map(|row| row.cpu_used_cores).sum();
        assert!(near(used / 20.0, value(&plain, "cpu_used_mean_cores")));
        let count = |pick: fn(&crate::ContainerUse) -> u64| -> u64 {
            plain.containers.iter().map(pick).sum()
        };
        let active: u64 = rows.clone().map(|row| row.periods).sum();
        assert_eq!(active, count(|container| container.periods));
        let throttled: u64 = rows.map(|row| row.throttled_periods).sum();
        assert_eq!(throttled, count(|container| container.throttled_periods));
        for cdf in &outcome.cdfs {
            let at = |quantile| cdf.points.iter().find(|point| point.0 == quantile);
            let name = match cdf.metric.as_ref() {
                "latency" => "latency_p50_ms".to_owned(),
                slack => format!("{slack}_p50_{}", cdf.unit.to_lowercase()),
            };
            let median = at(0.5).map_or(f64::NAN, |point| point.1);
            assert_eq!(median.to_bits(), value(&plain, &name).to_bits(), "{name}");
        }
        assert_eq!(outcome.cdfs.len(), 5);
    }
    assert_eq!((each.series.len(), sums.series.len()), (60, 20));
    // Killed containers are down until they have restarted.
    assert!(value(&plain, "oom_kills") > 0.0);
    assert!(sums.series.iter().any(|row| row.containers_up < 3));
}
