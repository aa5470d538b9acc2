//! Captain against a container that cannot use more than its limit: how fast it
//! follows a step of the load, and what it settles at.

use super::*;

/// One container under a demand per period, of which it gets what fits into its
/// limit; the rest is lost. Returns the limit after each period.
fn run(config: Config, initial: u64, periods: u64, demand_ms: impl Fn(u64) -> u64) -> Vec<f64> {
    let mut host = Host::new(config, initial);
    let step = |n| {
        let budget = Cores::from_f64(host.limit()).over(PERIOD).0 / 1_000_000;
        let demand = demand_ms(n);
        host.period(demand.min(budget), demand > budget)
    };
    (0..periods).map(step).collect()
}

/// From 0.2 to 2 cores after 10 s, and back after 20 s.
fn step(n: u64) -> u64 {
    if (100..200).contains(&n) { 200 } else { 20 }
}

#[test]
fn a_step_of_the_load_is_followed_within_seconds() {
    let limits = run(Config::default(), 1_000, 400, step);
    let rounded = |n: usize| (limits[n] * 1e3).round() / 1e3;
    let after = |seconds: std::ops::RangeInclusive<usize>| {
        let ends = seconds.map(|second| rounded(second * 10 - 1));
        ends.collect::<Vec<_>>()
    };
    // By halves, and then to what it uses.
    assert_eq!(after(1..=3), [0.5, 0.25, 0.2]);
    assert_eq!(after(4..=10), [0.2; 7]);
    // All periods are throttled: 1.7 times as much each second.
    assert_eq!(after(11..=15), [0.34, 0.578, 0.983, 1.67, 2.84]);
    // While the climb is in the history, usage deviates too much to come down.
    assert_eq!(after(16..=20), [2.84, 2.84, 2.84, 2.84, 2.0]);
    // The history forgets the step after 5 s.
    assert_eq!(after(21..=24), [2.0; 4]);
    assert_eq!(after(25..=28), [1.0, 0.5, 0.25, 0.2]);
    assert_eq!(after(29..=40), [0.2; 12]);
}
