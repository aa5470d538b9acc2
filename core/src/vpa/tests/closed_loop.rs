//! The VPA against a container that cannot use more than its limit: how fast it
//! follows a step of the load, and what a history and compressed time change.

use super::*;

/// One container, of one core at first, under a demand that steps from 0.2 to 2
/// cores after `up` and back after `down` samples. Returns the limit after each.
fn run(config: Config, history: Option<(u64, u64)>, up: u64, down: u64, n: u64) -> Vec<f64> {
    let mut vpa = one(config, limits(1_000, 500), history);
    let interval = vpa.interval();
    let step = |n| {
        let now = Time::ZERO + interval * (n + 1);
        let demand = if (up..down).contains(&n) { 2_000 } else { 200 };
        let used = Cores::from_millis(demand).min(targets(&vpa).0);
        observe(&mut vpa, now, &usage(A, n + 1, used.0 / 1_000_000, 100));
        let out = wake(&mut vpa, now);
        confirm(&mut vpa, now, &out);
        targets(&vpa).0.as_f64()
    };
    (0..n).map(step).collect()
}

/// After which samples the limit changed, and to what.
fn changes(limits: &[f64]) -> Vec<(usize, f64)> {
    let rounded = |limit: f64| (limit * 1e3).round() / 1e3;
    let pairs = (1..).zip(limits.windows(2));
    let changed = pairs.filter(|(_, pair)| pair[0] != pair[1]);
    changed.map(|(n, pair)| (n, rounded(pair[1]))).collect()
}

#[test]
fn without_a_history_a_step_is_followed_as_long_as_it_is_half_of_what_was_seen() {
    // Usage at the limit raises it, by the margin and by a bucket, when half of
    // all samples are in the new bucket: 20, 40, 80 and 158 minutes. It does not
    // get to 2 cores.
    let limits = run(Config::default(), None, 10, 200, 1_500);
    let up = [(19, 1.168), (39, 1.388), (79, 1.643), (157, 1.938)];
    assert_eq!(changes(&limits)[..4], up);
    // And it comes down when high samples are less than a tenth, 14 hours later.
    let down = [(999, 1.643), (1_239, 1.388), (1_348, 1.168), (1_400, 0.247)];
    assert_eq!(changes(&limits)[4..], down);
}

#[test]
fn with_a_history_a_step_is_followed_after_hours() {
    // 0.2 cores for 8 days are 0.247 with bucket and margin, at the first update.
    let limits = run(Config::default(), Some((200, 100)), 10, 2_000, 2_000);
    assert_eq!(Cores::from_f64(limits[0]), Cores::from_millis(247));
    // Half of the weight is at the limit after 12 hours; from then on it is a
    // bucket or so every 4 hours.
    let up = [
        (719, 0.296),
        (938, 0.35),
        (1_157, 0.41),
        (1_376, 0.476),
        (1_595, 0.548),
        (1_814, 0.671),
    ];
    assert_eq!(changes(&limits), up);
}

#[test]
fn compressed_time_changes_nothing_but_the_time() {
    // 60 ms for a minute, so that no interval is cut.
    let compressed = Config {
        time_scale: 1_000,
        ..Config::default()
    };
    for history in [None, Some((200, 100))] {
        let real = run(Config::default(), history, 10, 500, 1_500);
        assert_eq!(run(compressed.clone(), history, 10, 500, 1_500), real);
    }
}
