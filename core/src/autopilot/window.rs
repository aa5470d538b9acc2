//! The moving-window recommenders (Autopilot, 3.2.2): a statistic over the
//! recent windows, a margin on top, and the highest of the recent results.
//!
//! The paper weighs windows with w\[τ\] = 2^(-τ / t_half) and uses S_avg for
//! batch CPU, S_p90 or S_p95 for serving CPU, and S_p98, S_max or
//! max(S_p60, 0.5 S_max) for memory, by how well the job takes an OOM.

use std::collections::VecDeque;

use super::histogram::{Buckets, Faded, Histogram};

/// Which statistic of the recent windows is recommended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Statistic {
    /// S_max: the largest non-empty bucket of the last N windows.
    Max,
    /// S_avg = Σ w\[τ\] s̄\[t-τ\] / Σ w\[τ\], s̄ the mean of one window.
    Average,
    /// S_pj: this percentile (in (0, 100\]) of the load-adjusted histogram
    /// h\[k\] = b\[k\] Σ w\[τ\] s\[t-τ\]\[k\].
    Percentile(f64),
    /// max(S_p60, 0.5 S_max): memory of jobs with an intermediate OOM tolerance.
    Intermediate,
}

/// How a [`Window`] looks at the past.
#[derive(Clone, Copy, Debug)]
pub struct Params {
    /// What is recommended.
    pub statistic: Statistic,
    /// N of S_max, in windows.
    pub windows: u64,
    /// t_half of the weights, in windows.
    pub half_life: u32,
    /// The share of the statistic that is added to it: 0.1 to 0.15 in the paper.
    pub margin: f64,
    /// The highest result of this many windows counts: an hour in the paper.
    pub hold: u64,
}

/// A moving-window recommender for one resource of one container.
#[derive(Clone, Debug)]
pub struct Window {
    params: Params,
    retain: f64,
    faded: Faded,
    /// Σ w s̄ and Σ w.
    means: (f64, f64),
    peaks: MovingMax,
    results: MovingMax,
}

impl Window {
    /// A recommender that has seen nothing.
    pub fn new(params: Params, buckets: &Buckets) -> Window {
        let retain = retain(params.half_life);
        Window {
            params,
            retain,
            faded: Faded::new(buckets, retain),
            means: (0.0, 0.0),
            peaks: MovingMax::new(params.windows),
            results: MovingMax::new(params.hold),
        }
    }

    /// Takes in a window, which must have samples, and recommends a limit.
    pub fn update(&mut self, buckets: &Buckets, window: &Histogram) -> u64 {
        let edges = buckets.edges();
        self.faded.absorb(window);
        let (sum, weight) = self.means;
        self.means = (
            sum * self.retain + mean(edges, window),
            weight * self.retain + 1.0,
        );
        let peak = self
            .peaks
            .push(window.highest().map_or(0, |bucket| edges[bucket]));
        let statistic = match self.params.statistic {
            Statistic::Max => peak as f64,
            Statistic::Average => self.means.0 / self.means.1,
            Statistic::Percentile(j) => percentile(edges, self.faded.weights(), j),
            Statistic::Intermediate => {
                percentile(edges, self.faded.weights(), 60.0).max(0.5 * peak as f64)
            }
        };
        self.results
            .push((statistic * (1.0 + self.params.margin)).round() as u64)
    }
}

/// s̄ = Σ b\[j\] s\[j\] / Σ s\[j\] of a window that has samples.
fn mean(edges: &[u64], window: &Histogram) -> f64 {
    let load: f64 = edges
        .iter()
        .zip(window.counts())
        .map(|(&edge, count)| edge as f64 * count)
        .sum();
    load / window.total()
}

/// The smallest b\[k\] at or under which lie `j` percent of the load, where a
/// bucket's load is its weight times b\[k\]: time spent at high usage counts
/// more than as much time at low usage.
fn percentile(edges: &[u64], weights: &[f64], j: f64) -> f64 {
    let load = |(&edge, weight): (&u64, &f64)| edge as f64 * weight;
    let total: f64 = edges.iter().zip(weights).map(load).sum();
    let mut below = 0.0;
    for (&edge, weight) in edges.iter().zip(weights) {
        below += load((&edge, weight));
        if below >= total * j / 100.0 {
            return edge as f64;
        }
    }
    edges[edges.len() - 1] as f64
}

/// 2^(-1 / half_life), by halving an interval: the platform's own power
/// functions may differ in the last bit, and with them a whole run.
fn retain(half_life: u32) -> f64 {
    let power = |base: f64| {
        let (mut product, mut square, mut exponent) = (1.0, base, half_life);
        while exponent > 0 {
            if exponent % 2 == 1 {
                product *= square;
            }
            square *= square;
            exponent /= 2;
        }
        product
    };
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..64 {
        let middle = (low + high) / 2.0;
        if power(middle) < 0.5 {
            low = middle;
        } else {
            high = middle;
        }
    }
    high
}

/// The highest of the last `length` values.
#[derive(Clone, Debug)]
struct MovingMax {
    length: u64,
    pushed: u64,
    /// The values that can still become the highest, with their number: each is
    /// higher than all that follow it.
    candidates: VecDeque<(u64, u64)>,
}

impl MovingMax {
    fn new(length: u64) -> MovingMax {
        MovingMax {
            length: length.max(1),
            pushed: 0,
            candidates: VecDeque::new(),
        }
    }

    /// Adds a value; returns the highest of the last `length`, it included.
    fn push(&mut self, value: u64) -> u64 {
        while self.candidates.back().is_some_and(|last| last.1 <= value) {
            self.candidates.pop_back();
        }
        self.candidates.push_back((self.pushed, value));
        self.pushed += 1;
        while self.candidates[0].0 + self.length < self.pushed {
            self.candidates.pop_front();
        }
        self.candidates[0].1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Buckets that end at 10, 20, 30 and 40.
    fn buckets() -> Buckets {
        Buckets::new(4, 40)
    }

    fn params(statistic: Statistic) -> Params {
        Params {
            statistic,
            windows: 2,
            half_life: 1,
            margin: 0.0,
            hold: 1,
        }
    }

    /// What is recommended after each of the windows.
    fn run(params: Params, windows: &[&[u64]]) -> Vec<u64> {
        let buckets = buckets();
        let mut window = Window::new(params, &buckets);
        let feed = |samples: &&[u64]| {
            let mut histogram = Histogram::new(&buckets);
            for &sample in *samples {
                histogram.add(buckets.index(sample));
            }
            window.update(&buckets, &histogram)
        };
        windows.iter().map(feed).collect()
    }

    #[test]
    fn max_is_the_largest_bucket_of_the_last_windows() {
        let windows: [&[u64]; 4] = [&[5, 35, 5], &[5], &[5, 15], &[5]];
        assert_eq!(run(params(Statistic::Max), &windows), [40, 40, 20, 20]);
    }

    #[test]
    fn average_weighs_each_window_by_its_age() {
        // Means of the windows: 10 and (20 + 40) / 2 = 30; weights 1/2 and 1.
        let windows: [&[u64]; 2] = [&[5, 5, 5], &[15, 35]];
        assert_eq!(
            run(params(Statistic::Average), &windows),
            [10, 23] // (5 + 30) / 1.5
        );
    }

    #[test]
    fn percentiles_are_of_the_load_not_of_the_time() {
        // One window: loads 3 x 10, 1 x 20, 0, 1 x 40; total 90.
        let windows: [&[u64]; 1] = [&[5, 5, 5, 15, 35]];
        let at = |j| run(params(Statistic::Percentile(j)), &windows)[0];
        assert_eq!((at(33.0), at(34.0)), (10, 20));
        assert_eq!((at(55.0), at(56.0), at(100.0)), (20, 40, 40));
        // A second window halves the first: 1.5 x 10, (0.5 + 2) x 20, 0.5 x 40.
        let windows: [&[u64]; 2] = [windows[0], &[15, 15]];
        let at = |j| run(params(Statistic::Percentile(j)), &windows)[1];
        assert_eq!((at(17.0), at(18.0)), (10, 20)); // 15 of 85
        assert_eq!((at(76.0), at(77.0)), (20, 40)); // 65 of 85
    }

    #[test]
    fn intermediate_is_the_higher_of_p60_and_half_the_maximum() {
        let short_peak: [&[u64]; 1] = [&[5, 5, 5, 5, 5, 5, 5, 35]];
        // Loads 70 and 40: p60 = 10, half the maximum = 20.
        assert_eq!(run(params(Statistic::Intermediate), &short_peak), [20]);
        let high: [&[u64]; 1] = [&[35, 35]];
        assert_eq!(run(params(Statistic::Intermediate), &high), [40]);
    }

    #[test]
    fn the_margin_is_added_before_the_hold() {
        let params = Params {
            margin: 0.15,
            windows: 1,
            hold: 3,
            ..params(Statistic::Max)
        };
        let windows: [&[u64]; 5] = [&[35], &[5], &[15], &[5], &[5]];
        assert_eq!(run(params, &windows), [46, 46, 46, 23, 23]);
    }

    #[test]
    fn a_half_life_halves() {
        assert_eq!(retain(1), 0.5);
        for half_life in [2_u32, 12, 144] {
            let after = (0..half_life).fold(1.0, |w, _| w * retain(half_life));
            assert!((after - 0.5_f64).abs() < 1e-12, "{half_life}: {after}");
        }
    }

    proptest! {
        #[test]
        fn the_moving_maximum_is_the_maximum(
            values in proptest::collection::vec(0u64..20, 1..60),
            length in 1usize..10,
        ) {
            let mut moving = MovingMax::new(length as u64);
            for (i, &value) in values.iter().enumerate() {
                let recent = &values[(i + 1).saturating_sub(length)..=i];
                prop_assert_eq!(Some(moving.push(value)), recent.iter().max().copied());
            }
        }
    }
}
