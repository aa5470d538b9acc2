//! The client: what it sends, and what it counts.

use super::*;

#[test]
fn throughput_is_connections_over_latency_when_saturated() {
    let outcome = saturated().run_free();
    // The last to be answered before 10 s is number 998 of each.
    assert_value(&outcome, "requests_sent", 8000.0);
    assert_value(&outcome, "requests_completed", 4.0 * 999.0);
    assert_value(&outcome, "throughput_rps", 399.6);
}

#[test]
fn latency_counts_from_the_intended_time() {
    // A request answered at t has waited t (1 - 400 / 800): 5 k + 10 ms.
    let outcome = saturated().run_free();
    assert_value(&outcome, "latency_mean_ms", 5.0 * 499.0 + 10.0);
    assert_near(value(&outcome, "latency_p50_ms"), 2505.0, 3e-3);
    assert_near(value(&outcome, "latency_p99_ms"), 0.99 * 5000.0, 3e-3);
    assert_near(value(&outcome, "latency_max_ms"), 5000.0, 1e-3);
}

#[test]
fn warm_up_is_left_out_of_latency_and_throughput_but_not_of_the_duration() {
    let mut setup = saturated();
    setup.client.warm_up = Span::from_secs(4);
    let outcome = setup.run_free();
    // Numbers 399 to 998 of each connection are answered from 4 s on.
    assert_value(&outcome, "throughput_rps", 4.0 * 600.0 / 10.0);
    let mean = 5.0 * (399.0 + 998.0) / 2.0 + 10.0;
    assert_value(&outcome, "latency_mean_ms", mean);
    assert_value(&outcome, "requests_completed", 4.0 * 999.0);
    assert_value(&outcome, "requests_sent", 8000.0);
}

#[test]
fn a_connection_is_served_one_request_at_a_time() {
    // However many wait, each of the four keeps one core busy.
    let outcome = saturated().run_free();
    assert_near(value(&outcome, "cpu_used_mean_cores"), 4.0, 1e-3);
}

#[test]
fn requests_sent_are_the_arrivals_of_the_duration() {
    for (rate, cpu) in [(50.0, "1 ms"), (500.0, "100 ms")] {
        let setup = Setup::new(single("", cpu)).poisson(rate, 7).lasting(20.0);
        let arrivals: usize = (0..7)
            .map(|id| {
                let rng = stream(setup.seed, "arrivals", u64::from(id));
                setup
                    .load
                    .arrivals(id, 7, rng)
                    .take_while(|time| *time < at(20_000.0))
                    .count()
            })
            .sum();
        assert_value(&setup.run_free(), "requests_sent", arrivals as f64);
    }
}

// Queueing theory.

#[test]
fn utilisation_is_rate_times_work() {
    let outcome = Setup::new(single("sigma = 0.5\npath_share = 0.7\n", "5 ms"))
        .poisson(80.0, 20)
        .lasting(400.0)
        .run_free();
    let rate = value(&outcome, "requests_sent") / 400.0;
    assert_near(value(&outcome, "cpu_used_mean_cores"), rate * 5e-3, 0.01);
}

#[test]
fn one_service_on_one_core_is_a_processor_sharing_queue() {
    // So many connections that hardly any has two requests at a time.
    for (sigma, rate) in [("0", 100.0), ("1", 100.0), ("1", 140.0)] {
        let keys = format!("sigma = {sigma}\n");
        let mut setup = Setup::new(single(&keys, "5 ms"))
            .poisson(rate, 2000)
            .lasting(1500.0);
        setup.testbed = testbed(ONE_CORE);
        let mut free = Script::new(1000.0, mib(100_000));
        let mean = value(&setup.run(&mut free), "latency_mean_ms");
        assert_near(mean, 5.0 / (1.0 - rate * 5e-3), 0.04);
    }
}

#[test]
fn a_load_without_requests_sends_none() {
    let outcome = Setup::new(single("", "1 ms")).fixed(0.0, 2).run_free();
    assert_value(&outcome, "requests_sent", 0.0);
}
