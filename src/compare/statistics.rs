//! Is it chance? Tests and intervals for few seeds.
//!
//! A mean of differences is tested after Student, two samples after Welch. Its
//! interval is Student's below [`BOOTSTRAP_FROM`] values and a BCa bootstrap (Efron
//! 1987) from there on: with fewer, a bootstrap has too few distinct samples to draw
//! and its intervals are too short. p values of one family are adjusted after Holm
//! (1979), which holds however they depend on each other.

use rand::RngExt;
use statrs::distribution::{ContinuousCDF, Normal, StudentsT};
use tidegate_workloads::random;

/// A 95 % interval.
const CONFIDENCE: f64 = 0.95;

/// From so many values on the interval is a bootstrap.
pub const BOOTSTRAP_FROM: usize = 10;

/// Resamples of a bootstrap.
const RESAMPLES: usize = 9_999;

/// A mean that may be nothing but chance.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// The mean.
    pub mean: f64,
    /// Its 95 % interval.
    pub interval: (f64, f64),
    /// How likely a mean at least as far from zero is, if the true one is zero.
    pub p: f64,
}

/// The mean of differences, whose variance is at least `variance`; nothing for less
/// than two. `name` names the random stream of its bootstrap.
pub fn paired(differences: &[f64], variance: f64, name: &str) -> Option<Estimate> {
    let n = differences.len() as f64;
    let (mean, found) = moments(differences)?;
    let floored = variance > found;
    let error = (found.max(variance) / n).sqrt();
    let mut estimate = student(mean, error, n - 1.0);
    if differences.len() >= BOOTSTRAP_FROM
        && !floored
        && let Some(interval) = bca(differences, name, RESAMPLES)
    {
        estimate.interval = interval;
    }
    Some(estimate)
}

/// The mean of `b` less that of `a`, each of whose variances is at least what stands
/// beside it; nothing where one has less than two values.
pub fn unpaired(a: (&[f64], f64), b: (&[f64], f64)) -> Option<Estimate> {
    let part = |(values, least): (&[f64], f64)| {
        let (mean, variance) = moments(values)?;
        let n = values.len() as f64;
        Some((mean, variance.max(least) / n, n - 1.0))
    };
    let ((mean_a, a, free_a), (mean_b, b, free_b)) = (part(a)?, part(b)?);
    let error = a + b;
    // Welch and Satterthwaite.
    let freedom = if error > 0.0 {
        error * error / (a * a / free_a + b * b / free_b)
    } else {
        free_a + free_b
    };
    Some(student(mean_b - mean_a, error.sqrt(), freedom))
}

/// Mean and variance of a sample; nothing for less than two values.
fn moments(values: &[f64]) -> Option<(f64, f64)> {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (values.len() >= 2).then(|| (mean, squares / (n - 1.0)))
}

/// What Student says of a mean with a standard error. Without an error, values that
/// no seed changes, any difference is one.
fn student(mean: f64, error: f64, freedom: f64) -> Estimate {
    // Rounding alone: a part in 10^12 of a logarithm, or of a count.
    if error < 1e-12 * mean.abs().max(1.0) {
        let p = if mean.abs() < 1e-12 { 1.0 } else { 0.0 };
        return Estimate {
            mean,
            interval: (mean, mean),
            p,
        };
    }
    let Ok(distribution) = StudentsT::new(0.0, 1.0, freedom) else {
        // Only for numbers that are none.
        return Estimate {
            mean,
            interval: (f64::NEG_INFINITY, f64::INFINITY),
            p: 1.0,
        };
    };
    let half = distribution.inverse_cdf(0.5 + CONFIDENCE / 2.0) * error;
    Estimate {
        mean,
        interval: (mean - half, mean + half),
        p: 2.0 * distribution.sf((mean / error).abs()),
    }
}

/// The bias-corrected and accelerated bootstrap interval of a mean; nothing where
/// the resamples all lie on one side of it.
fn bca(values: &[f64], name: &str, resamples: usize) -> Option<(f64, f64)> {
    let n = values.len();
    let mean = |sum: f64, n: usize| sum / n as f64;
    let total: f64 = values.iter().sum();
    let mut rng = random::stream(0, name, n as u64);
    let mut means: Vec<f64> = (0..resamples)
        .map(|_| {
            let sum: f64 = (0..n).map(|_| values[rng.random_range(0..n)]).sum();
            mean(sum, n)
        })
        .collect();
    means.sort_by(f64::total_cmp);
    let normal = Normal::new(0.0, 1.0).ok()?;
    let below = means.partition_point(|&drawn| drawn < mean(total, n));
    let bias = normal.inverse_cdf(below as f64 / resamples as f64);
    if !bias.is_finite() {
        return None;
    }
    // Of a mean without one value, the acceleration is the skewness over 6 sqrt(n).
    let left_out: Vec<f64> = values
        .iter()
        .map(|value| mean(total - value, n - 1))
        .collect();
    let centre = left_out.iter().sum::<f64>() / n as f64;
    let moment = |power: i32| -> f64 {
        let powers = left_out.iter().map(|value| (centre - value).powi(power));
        powers.sum()
    };
    let acceleration = moment(3) / (6.0 * moment(2).powf(1.5));
    let bound = |share: f64| {
        let z = bias + normal.inverse_cdf(share);
        let adjusted = normal.cdf(bias + z / (1.0 - acceleration * z));
        let rank = (adjusted * resamples as f64) as usize;
        means[rank.min(resamples - 1)]
    };
    let tail = (1.0 - CONFIDENCE) / 2.0;
    Some((bound(tail), bound(1.0 - tail)))
}

/// p values of one family, adjusted after Holm: those at or under a level are
/// significant with that level for the whole family.
pub fn holm(family: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..family.len()).collect();
    order.sort_by(|&a, &b| family[a].total_cmp(&family[b]));
    let mut adjusted = vec![1.0; family.len()];
    let mut least = 0.0_f64;
    for (rank, &index) in order.iter().enumerate() {
        let left = (family.len() - rank) as f64;
        least = least.max((family[index] * left).min(1.0));
        adjusted[index] = least;
    }
    adjusted
}

/// A quantile of sorted values, linear between the nearest two; not a number if there
/// are none.
pub fn quantile(sorted: &[f64], share: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else {
        return f64::NAN;
    };
    let place = share * last as f64;
    let below = place.floor();
    let low = sorted[below as usize];
    let high = sorted[(place.ceil() as usize).min(last)];
    low + (high - low) * (place - below)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use samples::normals;

    /// Normal numbers by the sum of twelve uniform ones: enough for a test.
    mod samples {
        use super::super::*;

        pub(super) fn normals(seed: u64, n: usize, skewed: bool) -> Vec<f64> {
            let mut rng = random::stream(seed, "test", 0);
            let mut one = || (0..12).map(|_| rng.random::<f64>()).sum::<f64>() - 6.0;
            (0..n)
                .map(|_| {
                    let z: f64 = one();
                    // Less its mean.
                    if skewed { z.exp() - 0.5_f64.exp() } else { z }
                })
                .collect()
        }
    }

    /// By hand: the mean is 0.22 with a standard error of sqrt(0.0154), so t^2 = 22/7,
    /// and with 4 degrees of freedom p = 1 - 3/2 x (1 - x^2 / 3), x = t / sqrt(4 + t^2).
    #[test]
    fn a_paired_test_is_students() {
        let found = paired(&[0.1, 0.4, -0.2, 0.3, 0.5], 0.0, "x").unwrap();
        assert!((found.mean - 0.22).abs() < 1e-12);
        let x = (22.0_f64 / 7.0 / (4.0 + 22.0 / 7.0)).sqrt();
        let p = 1.0 - 1.5 * x * (1.0 - x * x / 3.0);
        assert!((found.p - p).abs() < 1e-9, "{} {p}", found.p);
        // The 97.5 % quantile is 2.776.
        let low = 0.22 - 2.776 * 0.0154_f64.sqrt();
        assert!((found.interval.0 - low).abs() < 1e-4, "{found:?}");
        assert_eq!(paired(&[1.0], 0.0, "x"), None);
    }

    /// By hand: means 2 and 4, variances 1 and 4, both of three values, so
    /// t = 2 / sqrt(5/3) = 1.549 with 25/9 / (1/18 + 16/18) = 2.941 degrees of freedom.
    #[test]
    fn an_unpaired_test_is_welchs() {
        let found = unpaired((&[1.0, 2.0, 3.0], 0.0), (&[2.0, 4.0, 6.0], 0.0)).unwrap();
        assert_eq!(found.mean, 2.0);
        let t = StudentsT::new(0.0, 1.0, 25.0 / 9.0 / (17.0 / 18.0)).unwrap();
        let expected = 2.0 * t.sf(2.0 / (5.0_f64 / 3.0).sqrt());
        assert!((found.p - expected).abs() < 1e-12);
    }

    #[test]
    fn what_no_seed_changes_is_no_chance() {
        assert_eq!(paired(&[0.0; 3], 0.0, "x").unwrap().p, 1.0);
        assert_eq!(paired(&[0.1; 3], 0.0, "x").unwrap().p, 0.0);
        // But a count varies like a Poisson number even where it did not.
        assert!(paired(&[1.0; 3], 1.0, "x").unwrap().p > 0.2);
    }

    /// A 95 % interval holds the truth in about 95 % of samples, skewed ones
    /// included; a percentile bootstrap of so few falls short of this.
    #[test]
    fn intervals_cover() {
        for (n, skewed, least) in [(5, false, 0.93), (12, false, 0.91), (20, true, 0.84)] {
            let trials = 400;
            let covered = (0..trials)
                .filter(|&trial| {
                    let sample = normals(trial, n, skewed);
                    let (low, high) = if n < BOOTSTRAP_FROM {
                        paired(&sample, 0.0, "x").unwrap().interval
                    } else {
                        bca(&sample, "x", 399).unwrap()
                    };
                    low <= 0.0 && 0.0 <= high
                })
                .count();
            let share = covered as f64 / trials as f64;
            assert!(share >= least && share < 0.99, "{n}: {share}");
        }
    }

    #[test]
    fn a_bootstrap_is_the_same_each_time() {
        let sample = normals(1, 12, false);
        let interval = |name| paired(&sample, 0.0, name).unwrap().interval;
        assert_eq!(interval("a"), interval("a"));
        assert_ne!(interval("a"), interval("b"));
    }

    #[test]
    fn holm_takes_the_least_first() {
        let adjusted = holm(&[0.01, 0.04, 0.03]);
        let expected = [0.03, 0.06, 0.06];
        for (a, b) in adjusted.iter().zip(expected) {
            assert!((a - b).abs() < 1e-12, "{adjusted:?}");
        }
    }

    proptest! {
        #[test]
        fn holm_never_makes_a_finding_surer(family in prop::collection::vec(0.0..1.0_f64, 1..20)) {
            let adjusted = holm(&family);
            for (index, (&p, &q)) in family.iter().zip(&adjusted).enumerate() {
                prop_assert!(q >= p && q <= 1.0);
                for (&other, &adjusted) in family.iter().zip(&adjusted).skip(index) {
                    prop_assert!(other < p || adjusted >= q);
                }
            }
        }
    }
}
