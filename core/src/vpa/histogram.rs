//! The decaying histogram that the VPA's percentiles come from.
//!
//! Bucket n begins at `first · (1.05ⁿ - 1) / 0.05`. A sample at time t has
//! `2^((t - reference) / half-life)` times its weight, so that older ones fade
//! without being touched. (VPA 1.7, `pkg/recommender/util`.)

use crate::units::Span;

/// By how much a bucket is wider than the one before it.
const RATIO: f64 = 1.05;
/// What weighs less is taken for rounding errors at both ends of a histogram.
const EPSILON: f64 = 1e-4;
/// Samples so many half-lives after the reference move it.
const MAX_EXPONENT: u64 = 100;

/// Where the buckets of one resource begin.
#[derive(Clone, Debug)]
pub struct Buckets {
    starts: Vec<f64>,
}

impl Buckets {
    /// Buckets from zero on, of which the first is `first` wide and the last
    /// begins at `max` or above. Both are greater than zero.
    pub fn new(first: f64, max: f64) -> Buckets {
        let mut starts = Vec::new();
        let mut power = 1.0;
        loop {
            starts.push(first * (power - 1.0) / (RATIO - 1.0));
            // ceil(log_1.05(max · 0.05 / first + 1)) + 1 buckets.
            if power >= max * (RATIO - 1.0) / first + 1.0 {
                return Buckets { starts };
            }
            power *= RATIO;
        }
    }

    /// Where each bucket begins.
    pub fn starts(&self) -> &[f64] {
        &self.starts
    }

    /// In which bucket `value` is; what is above all is in the last.
    pub fn index(&self, value: f64) -> usize {
        let after = self.starts.partition_point(|&start| start <= value);
        after.saturating_sub(1)
    }
}

/// A histogram whose samples lose half their weight each half-life.
#[derive(Clone, Debug)]
pub struct Decaying {
    half_life: Span,
    /// The time at which a sample has its plain weight, in half-lives; none
    /// before the first sample.
    reference: Option<u64>,
    weights: Vec<f64>,
    total: f64,
}

impl Decaying {
    /// An empty histogram. `half_life` is not zero.
    pub fn new(buckets: &Buckets, half_life: Span) -> Decaying {
        Decaying {
            half_life,
            reference: None,
            weights: vec![0.0; buckets.starts.len()],
            total: 0.0,
        }
    }

    /// Adds a sample of `bucket`, taken at `time`.
    pub fn add(&mut self, bucket: usize, weight: f64, time: Span) {
        let weight = weight * self.factor(time);
        self.weights[bucket] += weight;
        self.total += weight;
    }

    /// Takes back a sample that was added with the same arguments.
    pub fn subtract(&mut self, bucket: usize, weight: f64, time: Span) {
        let weight = weight * self.factor(time);
        self.weights[bucket] = (self.weights[bucket] - weight).max(0.0);
        self.total = (self.total - weight).max(0.0);
    }

    /// The end of the bucket in which the share `p` of the weight is reached;
    /// zero if there are no samples.
    pub fn percentile(&self, buckets: &Buckets, p: f64) -> f64 {
        let counts = |weight: &f64| *weight >= EPSILON;
        let (Some(first), Some(last)) = (
            self.weights.iter().position(counts),
            self.weights.iter().rposition(counts),
        ) else {
            return 0.0;
        };
        let threshold = p * self.total;
        let mut sum = 0.0;
        let mut bucket = first;
        while bucket < last {
            sum += self.weights[bucket];
            if sum >= threshold {
                break;
            }
            bucket += 1;
        }
        // The last bucket has no end.
        buckets.starts[(bucket + 1).min(buckets.starts.len() - 1)]
    }

    /// By how much a sample at `time` weighs more than one at the reference.
    fn factor(&mut self, time: Span) -> f64 {
        let half_life = self.half_life.0;
        let nearest = (time.0 + half_life / 2) / half_life;
        let mut reference = *self.reference.get_or_insert(nearest);
        if time.0 > (reference + MAX_EXPONENT).saturating_mul(half_life) {
            let scale = exp2(-((nearest - reference) as f64));
            for weight in &mut self.weights {
                *weight *= scale;
            }
            self.total *= scale;
            reference = nearest;
            self.reference = Some(nearest);
        }
        let since = i128::from(time.0) - i128::from(reference) * i128::from(half_life);
        exp2(since as f64 / half_life as f64)
    }
}

/// 2^x, by multiplication and square roots only: the platform's own power
/// functions may differ in the last bit, and with them a whole run.
fn exp2(x: f64) -> f64 {
    let whole = x.floor();
    let mut rest = x - whole;
    // Beyond this range a double has no such power.
    let exponent = whole.clamp(-1022.0, 1023.0) as i64;
    let mut product = f64::from_bits(((exponent + 1023) as u64) << 52);
    let mut root = 2.0_f64;
    while rest > 0.0 {
        root = root.sqrt();
        if root == 1.0 {
            break;
        }
        rest *= 2.0;
        if rest >= 1.0 {
            rest -= 1.0;
            product *= root;
        }
    }
    product
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const DAY: Span = Span::from_secs(86_400);

    fn cpu() -> Buckets {
        Buckets::new(0.01, 1000.0)
    }

    #[test]
    fn the_buckets_are_those_of_the_recommender() {
        let buckets = cpu();
        // ceil(ln 5001 / ln 1.05) + 1 = ceil(174.57) + 1.
        assert_eq!(buckets.starts().len(), 176);
        assert_eq!(Buckets::new(1e7, 1e12).starts().len(), 176);
        let near = |n: usize, start: f64| (buckets.starts()[n] - start).abs() < 1e-12;
        assert!(near(0, 0.0) && near(1, 0.01) && near(2, 0.0205) && near(3, 0.031525));
        assert_eq!(buckets.index(0.0), 0);
        assert_eq!(buckets.index(0.0099), 0);
        assert_eq!(buckets.index(0.0204), 1);
        assert_eq!(buckets.index(0.0206), 2);
        assert_eq!(buckets.index(1e9), 175);
    }

    #[test]
    fn a_percentile_is_the_end_of_its_bucket() {
        let buckets = cpu();
        let mut histogram = Decaying::new(&buckets, DAY);
        assert_eq!(histogram.percentile(&buckets, 0.9), 0.0);
        for (bucket, weight) in [(0, 0.5), (2, 0.4), (5, 0.1)] {
            histogram.add(bucket, weight, Span::ZERO);
        }
        let at = |p| histogram.percentile(&buckets, p);
        let end = |bucket: usize| buckets.starts()[bucket + 1];
        assert_eq!(
            [at(0.5), at(0.51), at(0.9), at(0.91), at(1.0)],
            [end(0), end(2), end(2), end(5), end(5)]
        );
    }

    #[test]
    fn the_last_bucket_has_no_end() {
        let buckets = cpu();
        let mut histogram = Decaying::new(&buckets, DAY);
        histogram.add(175, 1.0, Span::ZERO);
        assert_eq!(histogram.percentile(&buckets, 0.9), buckets.starts()[175]);
    }

    #[test]
    fn a_sample_weighs_half_after_a_half_life() {
        let buckets = cpu();
        let mut histogram = Decaying::new(&buckets, DAY);
        histogram.add(10, 2.0, Span::ZERO);
        // 2 of 4: the lower one is the median. A hair more and it is not.
        histogram.add(20, 1.0, DAY);
        let median = |histogram: &Decaying| histogram.percentile(&buckets, 0.5);
        assert_eq!(median(&histogram), buckets.starts()[11]);
        histogram.add(20, 0.001, DAY);
        assert_eq!(median(&histogram), buckets.starts()[21]);
    }

    #[test]
    fn what_is_taken_back_was_never_there() {
        let buckets = cpu();
        let mut histogram = Decaying::new(&buckets, DAY);
        histogram.add(10, 1.0, DAY * 3);
        histogram.add(20, 1.0, DAY * 4);
        histogram.subtract(20, 1.0, DAY * 4);
        assert_eq!(histogram.percentile(&buckets, 1.0), buckets.starts()[11]);
        histogram.subtract(10, 1.0, DAY * 3);
        assert_eq!(histogram.percentile(&buckets, 1.0), 0.0);
    }

    #[test]
    fn the_reference_moves_without_a_trace() {
        let buckets = cpu();
        let mut histogram = Decaying::new(&buckets, DAY);
        for day in 0..250 {
            histogram.add(if day < 248 { 10 } else { 20 }, 1.0, DAY * day);
        }
        // The last two of a geometric series have 3/4 of the weight.
        assert_eq!(histogram.percentile(&buckets, 0.24), buckets.starts()[11]);
        assert_eq!(histogram.percentile(&buckets, 0.26), buckets.starts()[21]);
        assert_eq!(histogram.reference, Some(202));
    }

    proptest! {
        #[test]
        fn powers_of_two_are_right(x in -200.0..200.0f64) {
            let error = exp2(x) / x.exp2() - 1.0;
            prop_assert!(error.abs() < 1e-13, "{x}: {error:e}");
        }

        #[test]
        fn whole_powers_are_exact(x in -1000i32..1000) {
            prop_assert_eq!(exp2(f64::from(x)), 2.0_f64.powi(x));
        }

        #[test]
        fn a_value_is_in_its_bucket(value in 0.0..2000.0f64) {
            let buckets = cpu();
            let bucket = buckets.index(value);
            prop_assert!(buckets.starts()[bucket] <= value);
            prop_assert!(bucket == 175 || value < buckets.starts()[bucket + 1]);
        }
    }
}
