//! Usage as histograms with linear buckets (Autopilot, 3.2.1: about 400
//! buckets for CPU; for memory a window holds its peak only).
//!
//! The formulas write b\[k\] for the boundary of bucket k. Here that is its
//! upper one, and a bucket does not contain it: a limit of b\[k\] is above every
//! sample in bucket k, and a sample *at* the limit b\[k\] is in bucket k + 1.
//! That is what lets a container climb whose usage is cut off at its limit.

/// Linear buckets between zero and an upper bound, in a resource's smallest
/// unit.
#[derive(Clone, Debug)]
pub struct Buckets {
    max: u64,
    edges: Vec<u64>,
}

impl Buckets {
    /// `number` buckets up to `max`. Both must be at least one, and `max` at
    /// least `number`, or buckets would coincide.
    pub fn new(number: usize, max: u64) -> Buckets {
        assert!(
            number >= 1 && max >= number as u64,
            "{number} buckets do not fit between 0 and {max}"
        );
        // Rounded up: the smallest value that is no longer in the bucket.
        let edge = |k: u128| (k * u128::from(max)).div_ceil(number as u128) as u64;
        Buckets {
            max,
            edges: (1..=number as u128).map(edge).collect(),
        }
    }

    /// b\[k\] of all buckets, growing.
    pub fn edges(&self) -> &[u64] {
        &self.edges
    }

    /// How many buckets there are.
    pub fn number(&self) -> usize {
        self.edges.len()
    }

    /// The bucket of a value. Everything past the upper bound is in the last.
    pub fn index(&self, value: u64) -> usize {
        let number = self.edges.len();
        let index = u128::from(value) * number as u128 / u128::from(self.max);
        index.min(number as u128 - 1) as usize
    }
}

/// s\[t\]: how many samples of one window fell into each bucket.
#[derive(Clone, Debug)]
pub struct Histogram {
    // Floats, because all that is done with the counts is weighting them.
    counts: Vec<f64>,
    total: f64,
}

impl Histogram {
    /// A window without samples.
    pub fn new(buckets: &Buckets) -> Histogram {
        Histogram {
            counts: vec![0.0; buckets.number()],
            total: 0.0,
        }
    }

    /// One more sample in `bucket`.
    pub fn add(&mut self, bucket: usize) {
        self.counts[bucket] += 1.0;
        self.total += 1.0;
    }

    /// Makes room for the next window.
    pub fn clear(&mut self) {
        self.counts.fill(0.0);
        self.total = 0.0;
    }

    /// s\[t\]\[k\] for all k.
    pub fn counts(&self) -> &[f64] {
        &self.counts
    }

    /// How many samples the window has.
    pub fn total(&self) -> f64 {
        self.total
    }

    /// The largest bucket that is not empty.
    pub fn highest(&self) -> Option<usize> {
        self.counts.iter().rposition(|&count| count > 0.0)
    }
}

/// Σ w\[τ\] s\[t-τ\] with w\[τ\] = retain^τ: all windows so far, old ones faded.
#[derive(Clone, Debug)]
pub struct Faded {
    weights: Vec<f64>,
    retain: f64,
}

impl Faded {
    /// Nothing seen yet. `retain` is what a window's weight is multiplied by
    /// with each window that follows it.
    pub fn new(buckets: &Buckets, retain: f64) -> Faded {
        Faded {
            weights: vec![0.0; buckets.number()],
            retain,
        }
    }

    /// Takes in the next window.
    pub fn absorb(&mut self, window: &Histogram) {
        for (weight, count) in self.weights.iter_mut().zip(&window.counts) {
            *weight = *weight * self.retain + count;
        }
    }

    /// The weight in each bucket.
    pub fn weights(&self) -> &[f64] {
        &self.weights
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_ends_just_below_its_edge() {
        let buckets = Buckets::new(4, 40);
        assert_eq!(buckets.edges(), [10, 20, 30, 40]);
        let found: Vec<_> = [0, 9, 10, 39, 40, 1_000]
            .map(|value| buckets.index(value))
            .to_vec();
        assert_eq!(found, [0, 0, 1, 3, 3, 3]);
    }

    #[test]
    fn edges_and_indices_agree_where_buckets_are_no_whole_number_wide() {
        let buckets = Buckets::new(3, 10);
        assert_eq!(buckets.edges(), [4, 7, 10]);
        for (k, &edge) in buckets.edges().iter().enumerate() {
            assert_eq!(buckets.index(edge - 1), k);
            assert_eq!(buckets.index(edge), (k + 1).min(2));
        }
    }

    #[test]
    fn a_window_counts_and_forgets() {
        let mut window = Histogram::new(&Buckets::new(4, 40));
        assert_eq!(window.highest(), None);
        for bucket in [1, 2, 1] {
            window.add(bucket);
        }
        assert_eq!(window.counts(), [0.0, 2.0, 1.0, 0.0]);
        assert_eq!((window.total(), window.highest()), (3.0, Some(2)));
        window.clear();
        assert_eq!((window.total(), window.highest()), (0.0, None));
    }

    #[test]
    fn old_windows_fade() {
        let buckets = Buckets::new(2, 2);
        let mut faded = Faded::new(&buckets, 0.5);
        let mut window = Histogram::new(&buckets);
        window.add(0);
        faded.absorb(&window);
        window.clear();
        window.add(1);
        faded.absorb(&window);
        faded.absorb(&window);
        assert_eq!(faded.weights(), [0.25, 1.5]);
    }
}
