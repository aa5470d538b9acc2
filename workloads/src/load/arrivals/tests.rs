use super::*;
use crate::random;
use proptest::prelude::*;
use tidegate_core::Span;

const SECOND: f64 = 1e9;

/// The send times of all connections before `end_s`, in order.
fn merged(load: &Load, connections: u32, seed: u64, end_s: f64) -> Vec<f64> {
    let mut times: Vec<f64> = (0..connections)
        .flat_map(|connection| {
            let rng = random::stream(seed, "client", u64::from(connection));
            load.arrivals(connection, connections, rng)
                .map(|time| time.0 as f64 / SECOND)
                .take_while(|time| *time < end_s)
                .collect::<Vec<_>>()
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times
}

fn count(times: &[f64], from: f64, to: f64) -> f64 {
    times
        .iter()
        .filter(|time| (from..to).contains(*time))
        .count() as f64
}

/// Whether `count` is a plausible draw of a Poisson variable of this mean.
fn plausible(count: f64, mean: f64) -> bool {
    (count - mean).abs() <= 5.0 * mean.sqrt() + 1.0
}

fn burst() -> Load {
    Load::Burst {
        base: 50.0,
        burst: 600.0,
        length: Span::from_secs(10),
        period: Span::from_secs(30),
        scale: 2.0,
    }
}

fn steps(rates: &[f64]) -> Load {
    Load::Steps {
        rates: rates.into(),
        step: Span::from_secs(6),
        source: "test".into(),
    }
}

#[test]
fn fixed_connections_interleave_evenly() {
    let load = Load::Fixed { rate: 400.0 };
    let times = merged(&load, 10, 1, 1.0);
    assert_eq!(times.len(), 400);
    for (index, time) in times.iter().enumerate() {
        assert!(
            (time - index as f64 / 400.0).abs() < 1e-9,
            "{index}: {time}"
        );
    }
    // One connection has every tenth.
    let rng = random::stream(1, "client", 3);
    let one: Vec<Time> = load.arrivals(3, 10, rng).take(2).collect();
    assert_eq!(one, [Time(7_500_000), Time(32_500_000)]);
}

#[test]
fn a_fixed_rate_does_not_drift() {
    let load = Load::Fixed { rate: 3.0 };
    let rng = random::stream(1, "client", 0);
    assert_eq!(
        load.arrivals(0, 1, rng).nth(3_000_000),
        Some(Time(1_000_000 * 1_000_000_000))
    );
}

#[test]
fn exponential_is_poisson_of_the_whole_rate() {
    let times = merged(&Load::Exponential { rate: 300.0 }, 10, 1, 180.0);
    assert!(plausible(times.len() as f64, 300.0 * 180.0));
    // As many arrivals vary in a tenth of a second as there are on average.
    let counts: Vec<f64> = (0..1800)
        .map(|tenth| count(&times, f64::from(tenth) / 10.0, f64::from(tenth + 1) / 10.0))
        .collect();
    let mean = counts.iter().sum::<f64>() / 1800.0;
    let variance = counts
        .iter()
        .map(|count| (count - mean).powi(2))
        .sum::<f64>()
        / 1800.0;
    assert!(
        (0.85..1.15).contains(&(variance / mean)),
        "{variance} / {mean}"
    );
}

#[test]
fn a_burst_is_on_at_the_end_of_each_period() {
    let times = merged(&burst(), 10, 1, 120.0);
    for period in 0..4 {
        let start = f64::from(period) * 30.0;
        // Off, the base alone is left, and that is not random.
        assert!((count(&times, start, start + 20.0) - 2_000.0).abs() <= 1.0);
        assert!(plausible(
            count(&times, start + 20.0, start + 30.0) - 1_000.0,
            12_000.0
        ));
    }
}

#[test]
fn a_burst_that_never_ends_is_a_rate() {
    let Load::Burst {
        base,
        burst,
        length,
        scale,
        ..
    } = burst()
    else {
        unreachable!();
    };
    let always = Load::Burst {
        base,
        burst,
        length,
        period: length,
        scale,
    };
    assert!(plausible(
        count(&merged(&always, 4, 1, 20.0), 0.0, 20.0) - 2_000.0,
        24_000.0
    ));
}

#[test]
fn steps_have_their_rate_and_come_again() {
    let load = steps(&[56.0, 548.0, 0.0, 300.0]);
    let times = merged(&load, 10, 1, 48.0);
    for (step, rate) in [56.0, 548.0, 0.0, 300.0].repeat(2).into_iter().enumerate() {
        let start = step as f64 * 6.0;
        let count = count(&times, start, start + 6.0);
        assert!(plausible(count, rate * 6.0), "step {step}: {count}");
        assert!(rate > 0.0 || count == 0.0, "step {step}: {count}");
    }
}

#[test]
fn a_rate_of_zero_sends_nothing() {
    let nothing = [
        Load::Fixed { rate: 0.0 },
        Load::Exponential { rate: f64::NAN },
        steps(&[0.0, 0.0]),
        steps(&[]),
        Load::Burst {
            base: 0.0,
            burst: 5.0,
            length: Span::ZERO,
            period: Span::ZERO,
            scale: 1.0,
        },
    ];
    for load in nothing {
        let rng = random::stream(1, "client", 0);
        assert_eq!(load.arrivals(0, 1, rng).next(), None, "{load:?}");
        let rate = load.mean_rate(Span::from_secs(1));
        assert!(rate == 0.0 || rate.is_nan(), "{load:?}: {rate}");
    }
}

#[test]
fn a_stream_ends_before_time_does() {
    let rng = random::stream(1, "client", 0);
    let rare = Load::Exponential { rate: 1e-9 };
    assert!(rare.arrivals(0, 1, rng).count() < 100);
}

#[test]
fn the_mean_rate_is_the_expected_one() {
    let close = |load: &Load, seconds, expected: f64| {
        let rate = load.mean_rate(Span::from_secs(seconds));
        assert!((rate - expected).abs() < 1e-9, "{rate}, not {expected}");
    };
    close(&Load::Fixed { rate: 400.0 }, 7, 400.0);
    close(&burst(), 180, 2.0 * 250.0);
    close(&burst(), 20, 2.0 * 50.0);
    close(&burst(), 25, 2.0 * (50.0 + 600.0 / 5.0));
    close(&steps(&[10.0, 40.0]), 12, 25.0);
    close(&steps(&[10.0, 40.0]), 9, 20.0);
    close(&steps(&[10.0, 40.0]), 18, 20.0);
    assert_eq!(burst().mean_rate(Span::ZERO), 0.0);
}

fn any_load() -> impl Strategy<Value = Load> {
    let rate = 0.5..2_000.0f64;
    let millis = |range| proptest::strategy::Strategy::prop_map(range, Span::from_millis);
    prop_oneof![
        rate.clone().prop_map(|rate| Load::Fixed { rate }),
        rate.clone().prop_map(|rate| Load::Exponential { rate }),
        (
            rate.clone(),
            rate.clone(),
            millis(1..20_000u64),
            millis(0..20_000u64)
        )
            .prop_map(|(base, burst, length, off)| Load::Burst {
                base,
                burst,
                length,
                period: length + off,
                scale: 1.5,
            }),
        (
            proptest::collection::vec(0.0..2_000.0f64, 1..8),
            millis(1..20_000u64)
        )
            .prop_map(|(rates, step)| Load::Steps {
                rates: rates.into(),
                step,
                source: "test".into(),
            }),
    ]
}

proptest! {
    #[test]
    fn times_never_decrease(load in any_load(), connections in 1u32..20, seed: u64) {
        let connection = connections - 1;
        let rng = random::stream(seed, "client", 0);
        let times: Vec<Time> = load.arrivals(connection, connections, rng).take(2_000).collect();
        prop_assert!(times.is_sorted());
    }

    #[test]
    fn the_rate_is_right_in_the_long_run(load in any_load(), connections in 1u32..5, seed in 0u64..4) {
        let seconds = 100;
        let times = merged(&load, connections, seed, seconds as f64);
        let mean = load.mean_rate(Span::from_secs(seconds)) * seconds as f64;
        prop_assert!(plausible(times.len() as f64, mean), "{} of {mean}", times.len());
    }

    #[test]
    fn a_seed_decides_everything(load in any_load(), seed: u64) {
        let draw = || {
            let rng = random::stream(seed, "client", 2);
            load.arrivals(2, 10, rng).take(200).collect::<Vec<_>>()
        };
        prop_assert_eq!(draw(), draw());
    }
}

#[test]
fn a_closed_loop_has_no_times_ahead_of_its_replies() {
    let threads = Concurrency::new(&[1, 2], Span::from_secs(1)).unwrap();
    let rng = random::stream(1, "client", 1);
    let mut arrivals = Load::Closed(threads).arrivals(1, 2, rng);
    assert_eq!(arrivals.next(), None);
    let ms = |n| Time::ZERO + Span::from_millis(n);
    assert_eq!(arrivals.next_after(ms(200)), Some(ms(1_000)));
    assert_eq!(arrivals.next_after(ms(1_300)), Some(ms(1_300)));
}
