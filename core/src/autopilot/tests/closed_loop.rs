//! Autopilot against containers that cannot use more than their limit: what
//! its limits settle at, and how fast they get there.
//!
//! Autopilot never sees demand, only usage, and usage at the limit says no more
//! than "at least this". How it climbs is therefore a matter of the scale, the
//! margins and the width of the buckets, and hardly of the weights.

use super::*;

/// One container under a demand per 100 ms sample, of which it gets what fits
/// into its limit. Returns the limit in force after each second.
fn limits(config: &Config, seconds: u64, demand: impl Fn(u64) -> Cores) -> Vec<f64> {
    limits_if(config, seconds, |seq, limit| demand(seq).min(limit))
}

/// The same for any usage under a limit.
fn limits_if(config: &Config, seconds: u64, usage: impl Fn(u64, Cores) -> Cores) -> Vec<f64> {
    let mut autopilot = Autopilot::new(config.clone(), None, None).unwrap();
    let mut limit = autopilot.admit(Time::ZERO, container(0)).cpu;
    let mut limits = Vec::new();
    for seq in 1..=seconds * 10 {
        let now = Time::ZERO + Span::from_millis(100) * seq;
        let usage = Observation::Usage {
            container: ContainerId(0),
            seq,
            cpu: usage(seq, limit),
            memory: Bytes::from_mib(40),
        };
        autopilot.observe(now, &usage, &mut Vec::new());
        if autopilot.next_wake() == Some(now) {
            let mut out = Vec::new();
            autopilot.wake(now, &mut out);
            for command in apply(&mut autopilot, now, &out) {
                if let Command::SetCpu { limit: new, .. } = command {
                    limit = new;
                }
            }
            limits.push((limit.as_f64() * 1e6).round() / 1e6);
        }
    }
    limits
}

/// After how many seconds there was a limit of `enough` cores.
fn seconds_to(limits: &[f64], enough: f64) -> Option<usize> {
    Some(limits.iter().position(|&limit| limit >= enough)? + 1)
}

/// The parameters of the public re-implementation. Its margin of one unit is
/// left out: it is a millionth of a core.
fn re_implementation(usage_scale: f64) -> Config {
    Config {
        w_o: 0.5,
        w_u: 0.25,
        w_dl: 0.1,
        w_dm: 0.1,
        d: 0.75,
        cpu_margins: vec![Cores::ZERO],
        usage_scale,
        ..Config::default()
    }
}

fn busy(_: u64) -> Cores {
    Cores::new(1)
}

/// Evenly between 0.05 and 0.07 cores, without a random number generator.
fn noisy(seq: u64) -> Cores {
    Cores::from_millis(50 + (seq * 7_919) % 21)
}

/// 10 s of two cores, then 20 s of a fifth of a core.
fn bursts(seq: u64) -> Cores {
    Cores::from_millis(if seq % 300 < 100 { 2_000 } else { 200 })
}

#[test]
fn scaled_limits_settle_at_ten_times_the_highest_usage() {
    let config = re_implementation(10.0);
    let steady = limits(&config, 60, |_| Cores::from_millis(60));
    assert_eq!(steady[59], 0.612);
    // In the raw data of Escra's authors: highest usage 0.067, limit 0.67.
    let noisy = limits(&config, 60, noisy);
    assert!(
        noisy[2..]
            .iter()
            .all(|limit| (0.684..=0.708).contains(limit))
    );
}

#[test]
fn unscaled_limits_settle_just_above_the_highest_usage() {
    assert_eq!(limits(&re_implementation(1.0), 60, noisy)[59], 0.072);
    assert_eq!(limits(&Config::default(), 60, noisy)[59], 0.172);
}

#[test]
fn a_scaled_limit_grows_tenfold_with_each_update() {
    let limits = limits(&re_implementation(10.0), 10, busy);
    assert_eq!(limits[..4], [0.108, 1.092, 4.8, 4.8]);
}

#[test]
fn an_unscaled_limit_without_margin_climbs_by_one_bucket_per_update() {
    let limits = limits(&re_implementation(1.0), 180, busy);
    assert_eq!(limits[..3], [0.012, 0.024, 0.036]);
    assert_eq!(seconds_to(&limits, 1.0), Some(84));
    assert_eq!(limits[179], 1.008);
}

#[test]
fn without_scale_and_margin_usage_a_hair_under_the_limit_keeps_it_there() {
    let hair = |_, limit: Cores| limit.scale(0.99).min(busy(0));
    assert_eq!(limits_if(&re_implementation(1.0), 180, hair)[179], 0.012);
    let with_margin = limits_if(&Config::default(), 180, hair);
    assert_eq!(seconds_to(&with_margin, 1.0), Some(10));
}

#[test]
fn the_default_climbs_by_its_smallest_margin() {
    let climb = limits(&Config::default(), 60, busy);
    assert_eq!(climb[..3], [0.112, 0.22, 0.328]);
    assert_eq!(seconds_to(&climb, 1.0), Some(10));
    assert_eq!(climb[59], 1.108);
}

#[test]
fn moving_windows_climb_by_their_margin() {
    // By a bucket until 15 % is more than one: then exponentially.
    let with = |recommender| Config {
        cpu_recommender: recommender,
        ..Config::default()
    };
    for recommender in [Recommender::Max, Recommender::Percentile(95.0)] {
        let climb = limits(&with(recommender), 60, busy);
        assert_eq!(seconds_to(&climb, 1.0), Some(21), "{recommender:?}");
    }
    // An average of the past that is cut off at itself hardly moves.
    let average = limits(&with(Recommender::Average), 60, busy);
    assert_eq!(seconds_to(&average, 0.1), None);
}

#[test]
fn only_a_cost_of_underruns_lets_a_limit_come_down() {
    let sticky = Config {
        w_u: 0.0,
        ..re_implementation(10.0)
    };
    assert!(
        limits(&sticky, 90, bursts)[2..]
            .iter()
            .all(|&limit| limit == 4.8)
    );
    let published = limits(&re_implementation(10.0), 90, bursts);
    assert_eq!((published[65], published[75]), (4.8, 2.004));
}

#[test]
fn memory_limits_are_those_of_the_recreation() {
    // Whole buckets of 62.5 MB plus 1 MiB. Highest usage and limit in MiB, from
    // the raw data of Escra's authors (where a few limits are a bucket higher).
    for (peak, limit) in [(28, 60.6), (152, 179.8), (637, 656.7), (873, 895.1)] {
        let mut autopilot = Autopilot::new(re_implementation(10.0), None, None).unwrap();
        autopilot.admit(Time::ZERO, container(0));
        let usage = Observation::Usage {
            container: ContainerId(0),
            seq: 1,
            cpu: Cores::ZERO,
            memory: Bytes::from_mib(peak),
        };
        autopilot.observe(at(100), &usage, &mut Vec::new());
        let mut out = Vec::new();
        autopilot.wake(Time::ZERO + Span::from_secs(1), &mut out);
        let set = out.iter().find_map(|command| match command {
            Command::SetMemory { limit, .. } => Some(limit.as_mib_f64()),
            _ => None,
        });
        assert!((set.unwrap() - limit).abs() < 0.1, "{peak}: {set:?}");
    }
}
