//! A generator for where no trace file is given.
//!
//! The shape of Alibaba's load over some tens of minutes: a slow swing (of the
//! day, sped up) under a noise that returns to its mean. The constants are
//! estimates; what the published experiment fixes is the range, [56, 548] req/s
//! over 30 steps of 60 s, and a load maps the series onto its range exactly.

use rand::RngExt;
use rand_distr::{Distribution, StandardNormal};
use tidegate_core::Span;

use super::Series;
use crate::random;

/// Steps of one swing (estimate: the published run shows one).
const SWING_STEPS: f64 = 30.0;
/// How much of a deviation is left after a step (estimate).
const MEMORY: f64 = 0.6;
/// Standard deviation of the noise against the swing's amplitude (estimate).
const NOISE: f64 = 0.5;

/// `steps` values from 0 to 1, both reached if there are two or more. The same
/// `seed` gives the same values.
pub fn generate(seed: u64, steps: usize, step: Span) -> Series {
    let mut rng = random::stream(seed, "alibaba generator", 0);
    let phase: f64 = rng.random();
    // Starts in its stationary state.
    let mut noise = NOISE * normal(&mut rng);
    let raw = (0..steps.max(1)).map(|index| {
        let angle = (index as f64 / SWING_STEPS + phase) * std::f64::consts::TAU;
        let value = angle.sin() + noise;
        noise = MEMORY * noise + NOISE * (1.0 - MEMORY * MEMORY).sqrt() * normal(&mut rng);
        // Above zero, as a series has to be.
        value + 100.0
    });
    let raw = Series {
        step,
        values: raw.collect(),
    };
    Series {
        step,
        values: raw.onto(0.0, 1.0),
    }
}

fn normal(rng: &mut rand_chacha::ChaCha8Rng) -> f64 {
    StandardNormal.sample(rng)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Span = Span::from_secs(60);

    #[test]
    fn low_and_high_are_reached() {
        for seed in 0..20 {
            let rates = generate(seed, 30, MINUTE).onto(56.0, 548.0);
            assert_eq!(rates.len(), 30);
            assert_eq!(rates.iter().copied().fold(f64::INFINITY, f64::min), 56.0);
            assert_eq!(rates.iter().copied().fold(0.0, f64::max), 548.0);
            let mean = rates.iter().sum::<f64>() / 30.0;
            assert!((150.0..450.0).contains(&mean), "seed {seed}: mean {mean}");
        }
    }

    #[test]
    fn a_seed_decides_everything() {
        assert_eq!(generate(3, 30, MINUTE), generate(3, 30, MINUTE));
        assert_ne!(generate(3, 30, MINUTE), generate(4, 30, MINUTE));
    }

    #[test]
    fn neighbours_are_alike() {
        let values = generate(1, 1_000, MINUTE).values;
        let step = values.windows(2).map(|pair| (pair[1] - pair[0]).abs());
        assert!(step.sum::<f64>() / 999.0 < 0.15);
    }

    #[test]
    fn one_step_is_enough() {
        assert_eq!(generate(1, 1, MINUTE).values, [0.5]);
        assert_eq!(generate(1, 0, MINUTE).values.len(), 1);
    }
}
