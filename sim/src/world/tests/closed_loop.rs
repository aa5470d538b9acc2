//! A closed loop: its throughput, and how limits that are changed by hand follow
//! it.

use super::*;
use tidegate_workloads::load::Concurrency;

/// One or four threads, 2 s each, of work in pieces of 10 ms.
fn threads() -> Setup {
    let mut setup = Setup::new(single("", "10 ms")).lasting(8.0);
    setup.load = Load::Closed(Concurrency::new(&[1, 4], Span::from_secs(2)).unwrap());
    setup.testbed.network.hop = Span::ZERO;
    setup
}

#[test]
fn active_threads_use_a_core_each() {
    let mut setup = threads();
    setup.recording.series = Some(Series {
        every: Span::from_secs(1),
        of: Scope::Application,
    });
    let outcome = setup.run_free();
    // Twice 2 s of one thread and of four, at 100 a second each.
    assert_near(value(&outcome, "requests_completed"), 2_000.0, 5e-3);
    assert_value(&outcome, "requests_failed", 0.0);
    // The histogram keeps three digits.
    assert_near(value(&outcome, "latency_p50_ms"), 10.0, 2e-3);
    let used: Vec<f64> = outcome
        .series
        .iter()
        .map(|row| row.cpu_used_cores)
        .collect();
    for (used, expected) in used.iter().zip([1.0, 1.0, 4.0, 4.0, 1.0, 1.0, 4.0, 4.0]) {
        assert_near(*used, expected, 0.02);
    }
    // All is sent that is begun.
    let begun = value(&outcome, "requests_sent") - value(&outcome, "requests_completed");
    assert!((0.0..=4.0).contains(&begun), "{begun}");
}

#[test]
fn a_limit_bounds_the_work_of_a_closed_loop() {
    let outcome = threads().run(&mut Script::new(2.0, mib(1000)));
    // Two of the four threads' worth.
    assert_near(value(&outcome, "requests_completed"), 1_200.0, 0.02);
    assert_near(value(&outcome, "tracking_shortfall_mean_cores"), 1.0, 1e-9);
    assert_near(value(&outcome, "tracking_excess_mean_cores"), 0.5, 1e-9);
    assert_value(&outcome, "tracking_missed_steps", 3.0);
}

#[test]
fn limits_are_tracked_from_when_they_are_in_force() {
    let mut setup = threads();
    setup.settle = Span::from_secs(1);
    let delay = setup.testbed.network.control + setup.testbed.network.apply;
    let late = delay.0 as f64 / 1e8;
    // The client begins at 1 s, its steps at 3, 5 and 7 s.
    let mut script = Script::new(1.0, mib(1000))
        .then(500.0, set_cpu(1, 1.1))
        .then(3_250.0, set_cpu(2, 4.5))
        .then(5_100.0, set_cpu(3, 1.2))
        .then(7_450.0, set_cpu(4, 4.0));
    let outcome = setup.run(&mut script);
    assert_near(value(&outcome, "tracking_up_max_periods"), 4.5 + late, 1e-6);
    assert_near(
        value(&outcome, "tracking_up_mean_periods"),
        3.5 + late,
        1e-6,
    );
    assert_near(
        value(&outcome, "tracking_down_max_periods"),
        1.0 + late,
        1e-6,
    );
    assert_near(value(&outcome, "tracking_overshoot_max_cores"), 0.5, 1e-9);
}

#[test]
fn only_a_closed_loop_has_a_demand_to_track() {
    let outcome = Setup::new(single("", "10 ms")).run_free();
    let mut names = outcome.metrics.iter().map(|metric| metric.name);
    assert!(names.all(|name| !name.starts_with("tracking_")));
}
