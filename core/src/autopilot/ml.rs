//! The ML recommender (Autopilot, 3.2.3): many simple models, each a decay and
//! a margin, and a choice among them by what they would have cost.
//!
//! D(x, y) is 1 where x and y differ, else 0. The first window has nothing
//! before it to differ from: there D is 0.

use super::histogram::{Buckets, Histogram};

/// The five hyper-parameters. The paper does not publish its values.
#[derive(Clone, Copy, Debug)]
pub struct Weights {
    /// w_o: cost of a sample over the limit.
    pub overrun: f64,
    /// w_u: cost of a sample under the limit.
    pub underrun: f64,
    /// w_ΔL: cost of a changed limit.
    pub limit_change: f64,
    /// w_Δm: cost of a changed model.
    pub model_change: f64,
    /// d: the share of the last window in a model's cost.
    pub decay: f64,
}

/// One model's state.
#[derive(Clone, Copy, Debug)]
struct Model {
    /// Which of the decays.
    decay: usize,
    /// M_m.
    margin: u64,
    /// L_m\[t\]; nothing before the first window.
    limit: Option<u64>,
    /// c_m\[t\].
    cost: f64,
}

/// What models with the same decay d_m share: everything but the margin.
#[derive(Clone, Debug)]
struct Decay {
    decay: f64,
    /// w_o o(L)\[t\] + w_u u(L)\[t\] for L = b\[k\] of all k. Both o and u fade
    /// with the same decay, so their weighted sum does too, and one row is
    /// enough.
    costs: Vec<f64>,
    /// The k of L'_m\[t\] = b\[k\]; nothing before the first window.
    best: Option<usize>,
}

/// The ML recommender for one resource of one container.
#[derive(Clone, Debug)]
pub struct Ml {
    weights: Weights,
    decays: Vec<Decay>,
    models: Vec<Model>,
    /// m\[t\] and L\[t\].
    chosen: Option<(usize, u64)>,
    window: LastWindow,
}

impl Ml {
    /// A recommender that has seen nothing, with one model for each decay and
    /// margin. There must be at least one of both.
    pub fn new(weights: Weights, decays: &[f64], margins: &[u64], buckets: &Buckets) -> Ml {
        let models = (0..decays.len())
            .flat_map(|decay| margins.iter().map(move |&margin| (decay, margin)))
            .map(|(decay, margin)| Model {
                decay,
                margin,
                limit: None,
                cost: 0.0,
            })
            .collect();
        let decays = decays
            .iter()
            .map(|&decay| Decay {
                decay,
                costs: vec![0.0; buckets.number()],
                best: None,
            })
            .collect();
        Ml {
            weights,
            decays,
            models,
            chosen: None,
            window: LastWindow::new(buckets),
        }
    }

    /// Takes in a window and recommends L\[t\].
    ///
    /// Costs O(buckets x decays) and allocates nothing.
    pub fn update(&mut self, buckets: &Buckets, histogram: &Histogram) -> u64 {
        let weights = self.weights;
        self.window.take(weights, histogram);
        for decay in &mut self.decays {
            decay.update(&self.window.costs, weights.limit_change);
        }
        for model in &mut self.models {
            let base = self.decays[model.decay]
                .best
                .map_or(0, |k| buckets.edges()[k]);
            let limit = base + model.margin;
            // c_m[t] = d (w_o o_m(L_m[t]) + w_u u_m(L_m[t]) + w_ΔL D(L_m[t], L_m[t-1]))
            //          + (1 - d) c_m[t-1], with o_m and u_m of the last window.
            let changed = differs(model.limit, limit) * weights.limit_change;
            let now = self.window.cost(weights, buckets, limit) + changed;
            model.cost = weights.decay * now + (1.0 - weights.decay) * model.cost;
            model.limit = Some(limit);
        }
        let (model, limit) = self.choose();
        self.chosen = Some((model, limit));
        limit
    }

    /// L\[t\] = L_m*\[t\] with
    /// m* = argmin_m (c_m\[t\] + w_Δm D(m\[t-1\], m) + w_ΔL D(L\[t-1\], L_m\[t\])).
    ///
    /// The paper prints L\[t\] where L\[t-1\] stands here; L\[t\] is what is being
    /// chosen. Of equal models the first is taken.
    fn choose(&self) -> (usize, u64) {
        let (last_model, last_limit) = self.chosen.unzip();
        let mut best = (0, 0, f64::INFINITY);
        for (m, model) in self.models.iter().enumerate() {
            let limit = model.limit.unwrap_or(0);
            let cost = model.cost
                + self.weights.model_change * differs(last_model, m)
                + self.weights.limit_change * differs(last_limit, limit);
            if cost < best.2 {
                best = (m, limit, cost);
            }
        }
        (best.0, best.1)
    }
}

impl Decay {
    /// o(L)\[t\] = (1 - d_m) o(L)\[t-1\] + d_m Σ_{j: b\[j\] > L} s\[t\]\[j\], u(L) likewise
    /// with b\[j\] < L, and
    /// L'_m\[t\] = argmin_L (w_o o(L)\[t\] + w_u u(L)\[t\] + w_ΔL D(L, L'_m\[t-1\])).
    ///
    /// Of equal limits the one in use is kept, else the smallest is taken.
    fn update(&mut self, window: &[f64], limit_change: f64) {
        let lowest = fade(&mut self.costs, window, self.decay);
        let stay = self.best.map(|k| self.costs[k]);
        if stay.is_none_or(|cost| cost > lowest + limit_change) {
            self.best = self.costs.iter().position(|&cost| cost == lowest);
        }
    }
}

/// costs = (1 - decay) costs + decay window; returns the lowest.
///
/// Eight minima side by side, so that the compiler can use vector registers.
fn fade(costs: &mut [f64], window: &[f64], decay: f64) -> f64 {
    let keep = 1.0 - decay;
    let mut lowest = [f64::INFINITY; 8];
    let (costs, costs_rest) = costs.as_chunks_mut::<8>();
    let (window, window_rest) = window.as_chunks::<8>();
    for (costs, window) in costs.iter_mut().zip(window) {
        for i in 0..8 {
            let cost = keep * costs[i] + decay * window[i];
            costs[i] = cost;
            lowest[i] = if cost < lowest[i] { cost } else { lowest[i] };
        }
    }
    for (cost, window) in costs_rest.iter_mut().zip(window_rest) {
        *cost = keep * *cost + decay * window;
        lowest[0] = lowest[0].min(*cost);
    }
    lowest.into_iter().fold(f64::INFINITY, f64::min)
}

/// D: 1 where there was something before and it differs from `now`.
fn differs<T: PartialEq>(before: Option<T>, now: T) -> f64 {
    f64::from(u8::from(before.is_some_and(|before| before != now)))
}

/// Overruns and underruns of one window, for every limit.
#[derive(Clone, Debug)]
struct LastWindow {
    /// How many samples are in the first k buckets, for k = 0 up to all.
    below: Vec<f64>,
    /// w_o o + w_u u for L = b\[k\] of all k.
    costs: Vec<f64>,
}

impl LastWindow {
    fn new(buckets: &Buckets) -> LastWindow {
        LastWindow {
            below: vec![0.0; buckets.number() + 1],
            costs: vec![0.0; buckets.number()],
        }
    }

    fn take(&mut self, weights: Weights, histogram: &Histogram) {
        let mut below = 0.0;
        for (sum, count) in self.below[1..].iter_mut().zip(histogram.counts()) {
            below += count;
            *sum = below;
        }
        // For L = b[k] bucket k itself is neither over nor under the limit.
        let under = &self.below[..self.costs.len()];
        let through = &self.below[1..];
        for ((cost, under), through) in self.costs.iter_mut().zip(under).zip(through) {
            *cost = weights.overrun * (below - through) + weights.underrun * under;
        }
    }

    /// w_o o(L) + w_u u(L) for any L, also between two boundaries.
    fn cost(&self, weights: Weights, buckets: &Buckets, limit: u64) -> f64 {
        let edges = buckets.edges();
        let under = edges.partition_point(|&edge| edge < limit);
        let not_over = under + usize::from(edges.get(under) == Some(&limit));
        let all = self.below[edges.len()];
        weights.overrun * (all - self.below[not_over]) + weights.underrun * self.below[under]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Exact in binary, so that results can be compared.
    const WEIGHTS: Weights = Weights {
        overrun: 1.0,
        underrun: 0.25,
        limit_change: 0.5,
        model_change: 0.125,
        decay: 0.5,
    };

    /// Buckets that end at 10, 20, 30 and 40.
    fn buckets() -> Buckets {
        Buckets::new(4, 40)
    }

    fn histogram(samples: &[u64]) -> Histogram {
        let buckets = buckets();
        let mut histogram = Histogram::new(&buckets);
        for &sample in samples {
            histogram.add(buckets.index(sample));
        }
        histogram
    }

    fn ml(decays: &[f64], margins: &[u64]) -> Ml {
        Ml::new(WEIGHTS, decays, margins, &buckets())
    }

    #[test]
    fn costs_of_a_window_at_the_boundaries_and_between_them() {
        let mut window = LastWindow::new(&buckets());
        window.take(WEIGHTS, &histogram(&[5, 15, 15, 35]));
        // o = 3, 1, 1, 0 and u = 0, 1, 3, 3 for L = 10, 20, 30, 40.
        assert_eq!(window.costs, [3.0, 1.25, 1.75, 0.75]);
        let cost = |limit| window.cost(WEIGHTS, &buckets(), limit);
        assert_eq!([10, 20, 30, 40].map(cost), [3.0, 1.25, 1.75, 0.75]);
        // Below all; between 10 and 20: o = 3, u = 1; above all: u = 4.
        assert_eq!([5, 15, 45].map(cost), [4.0, 3.25, 1.0]);
    }

    #[test]
    fn overruns_and_underruns_fade() {
        let mut ml = ml(&[0.5], &[0]);
        ml.update(&buckets(), &histogram(&[5, 5]));
        // o = 0 for all L, u = 0, 2, 2, 2; half of it.
        assert_eq!(ml.decays[0].costs, [0.0, 0.25, 0.25, 0.25]);
        ml.update(&buckets(), &histogram(&[35]));
        // Half of that, and half of o = 1, 1, 1, 0.
        assert_eq!(ml.decays[0].costs, [0.5, 0.625, 0.625, 0.125]);
    }

    #[test]
    fn a_limit_changes_only_if_that_is_worth_its_cost() {
        let mut ml = ml(&[0.5], &[0]);
        ml.update(&buckets(), &histogram(&[5, 5]));
        assert_eq!(ml.decays[0].best, Some(0));
        // 0.5 now against 0.125 + 0.5: stays.
        ml.update(&buckets(), &histogram(&[35]));
        assert_eq!(ml.decays[0].best, Some(0));
        // 0.25 + 0.5 against 0.0625 + 0.5: goes.
        ml.update(&buckets(), &histogram(&[35]));
        assert_eq!(ml.decays[0].costs, [0.75, 0.8125, 0.8125, 0.0625]);
        assert_eq!(ml.decays[0].best, Some(3));
    }

    #[test]
    fn a_model_adds_its_margin_and_pays_for_the_last_window() {
        let mut ml = ml(&[1.0], &[0, 15]);
        ml.update(&buckets(), &histogram(&[5, 5]));
        // L' = 10: L = 10 costs nothing; L = 25 has both samples under it.
        assert_eq!(ml.models[0].limit, Some(10));
        assert_eq!(ml.models[1].limit, Some(25));
        assert_eq!((ml.models[0].cost, ml.models[1].cost), (0.0, 0.25));
        ml.update(&buckets(), &histogram(&[35, 35]));
        // L' = 40: L = 40 costs the change only, 0.5; L = 55 also 2 x 0.25.
        // c = 0.5 x 0.5 + 0.5 x 0 and 0.5 x 1.0 + 0.5 x 0.25.
        assert_eq!((ml.models[0].cost, ml.models[1].cost), (0.25, 0.625));
    }

    #[test]
    fn the_cheapest_model_is_chosen_and_kept_for_as_long_as_that_is_cheap() {
        // A slow model and a fast one.
        let mut ml = ml(&[0.125, 1.0], &[0]);
        // Both at 10 for nothing: the first.
        assert_eq!(ml.update(&buckets(), &histogram(&[5, 5])), 10);
        assert_eq!(ml.chosen, Some((0, 10)));
        // The slow one stays at 10: 0.25 <= 0.5 + (its cost at 40). The fast one
        // goes to 40. c = 0.5 x 2 = 1 against 0.5 x 0.5 = 0.25, and 0.125 + 0.5
        // for the change: 0.875 < 1.
        assert_eq!(ml.update(&buckets(), &histogram(&[35, 35])), 40);
        assert_eq!((ml.models[0].cost, ml.models[1].cost), (1.0, 0.25));
        assert_eq!(ml.chosen, Some((1, 40)));
    }

    #[test]
    fn a_change_of_model_that_costs_more_than_it_saves_is_not_made() {
        let dear = Weights {
            model_change: 0.5,
            ..WEIGHTS
        };
        let mut ml = Ml::new(dear, &[0.125, 1.0], &[0], &buckets());
        ml.update(&buckets(), &histogram(&[5, 5]));
        // As above, but 0.25 + 0.5 + 0.5 against 1.
        assert_eq!(ml.update(&buckets(), &histogram(&[35, 35])), 10);
        assert_eq!(ml.chosen, Some((0, 10)));
    }

    #[test]
    fn an_overrun_is_worth_some_underruns() {
        // One sample in four is at 35. Going from 20 to 40 saves w_o and costs
        // 3 w_u: worth it at a ratio of 4, not at one of 2.
        let samples = histogram(&[15, 15, 15, 35]);
        assert_eq!(ml(&[1.0], &[0]).update(&buckets(), &samples), 40);
        let thrifty = Weights {
            underrun: 0.5,
            ..WEIGHTS
        };
        let mut thrifty = Ml::new(thrifty, &[1.0], &[0], &buckets());
        assert_eq!(thrifty.update(&buckets(), &samples), 20);
    }

    #[test]
    fn spread_samples_are_covered_up_to_the_highest() {
        // Past each bucket one sample less is over and one more under, so even
        // nearly equal weights lead to the top: this is no quantile.
        let nearly_equal = Weights {
            underrun: 0.9,
            ..WEIGHTS
        };
        let mut ml = Ml::new(nearly_equal, &[1.0], &[0], &buckets());
        assert_eq!(ml.update(&buckets(), &histogram(&[5, 15, 25, 35])), 40);
    }

    #[test]
    fn the_vectorised_loop_is_the_plain_one() {
        let window: Vec<f64> = (0..21).map(|i| f64::from((i * 7) % 11)).collect();
        let mut costs: Vec<f64> = (0..21).map(|i| f64::from((i * 5) % 13)).collect();
        let plain: Vec<f64> = costs
            .iter()
            .zip(&window)
            .map(|(cost, window)| 0.75 * cost + 0.25 * window)
            .collect();
        let lowest = fade(&mut costs, &window, 0.25);
        assert_eq!(costs, plain);
        assert_eq!(lowest, plain.iter().copied().fold(f64::INFINITY, f64::min));
    }
}
