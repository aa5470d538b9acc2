//! How steady this machine is: the same work again and again, and sleeps that end late.

use std::hint::black_box;
use std::time::{Duration, Instant};

/// Quantiles of one measurement, in microseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quantiles {
    /// Half are at or below.
    pub p50: f64,
    /// 99 of 100 are at or below.
    pub p99: f64,
    /// The highest.
    pub max: f64,
}

impl Quantiles {
    /// Of durations, at least one; the nearest rank.
    pub fn of(mut times: Vec<Duration>) -> Option<Quantiles> {
        times.sort();
        let rank = |share: f64| {
            let rank = (share * times.len() as f64).ceil() as usize;
            Some(times.get(rank.max(1) - 1)?.as_secs_f64() * 1e6)
        };
        Some(Quantiles {
            p50: rank(0.5)?,
            p99: rank(0.99)?,
            max: rank(1.0)?,
        })
    }

    /// How much longer the slow one of a hundred takes: 0.1 is a tenth.
    pub fn spread(&self) -> f64 {
        self.p99 / self.p50 - 1.0
    }
}

/// Repeats fixed work, well under a millisecond each, for `span`.
pub fn work(span: Duration) -> Vec<Duration> {
    let began = Instant::now();
    let mut times = Vec::new();
    while began.elapsed() < span || times.is_empty() {
        let start = Instant::now();
        let mut state = black_box(1_u64);
        for _ in 0..50_000 {
            state = black_box(
                state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1),
            );
        }
        black_box(state);
        times.push(start.elapsed());
    }
    times
}

/// Sleeps of 1 ms for `span`: by how much each ended late.
pub fn sleeps(span: Duration) -> Vec<Duration> {
    const NAP: Duration = Duration::from_millis(1);
    let began = Instant::now();
    let mut late = Vec::new();
    while began.elapsed() < span || late.is_empty() {
        let start = Instant::now();
        std::thread::sleep(NAP);
        late.push(start.elapsed().saturating_sub(NAP));
    }
    late
}

/// The smallest step that the clock made in many readings, and whether it ever went
/// back.
pub fn clock() -> (Option<Duration>, bool) {
    let mut last = Instant::now();
    let (mut least, mut back) = (None::<Duration>, false);
    for _ in 0..100_000 {
        let now = Instant::now();
        match now.checked_duration_since(last) {
            Some(Duration::ZERO) => {}
            Some(step) => least = Some(least.map_or(step, |least| least.min(step))),
            None => back = true,
        }
        last = now;
    }
    (least, back)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_nearest_ranks() {
        let times = (1..=200).rev().map(Duration::from_micros).collect();
        let of = Quantiles::of(times).unwrap();
        let near = |a: f64, b: f64| assert!((a - b).abs() < 1e-6, "{a} {b}");
        near(of.p50, 100.0);
        near(of.p99, 198.0);
        near(of.max, 200.0);
        near(of.spread(), 0.98);
        assert_eq!(Quantiles::of(Vec::new()), None);
    }

    #[test]
    fn there_is_something_of_everything() {
        let span = Duration::from_millis(5);
        assert!(work(span).iter().all(|time| *time > Duration::ZERO));
        assert!(!sleeps(span).is_empty());
        assert!(
            clock()
                .0
                .is_some_and(|step| step < Duration::from_millis(1))
        );
    }
}
