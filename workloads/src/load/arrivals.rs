//! The intended send times of one connection.
//!
//! A superposition of *c* independent Poisson streams of rate/c is Poisson of
//! the whole rate, so connections need not know of each other. Streams that
//! come and go are made by exact inversion: the next arrival is where the
//! integral of the rate has grown by an exponential variate, wherever steps end
//! in between. Memory per connection is constant.

use std::sync::Arc;

use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Exp1};
use tidegate_core::Time;

use super::{Concurrency, Load};

/// The largest number of seconds whose nanoseconds fit into [`Time`].
const END_S: f64 = 1.8e10;

/// The intended send times of one connection, never decreasing.
///
/// Endless, except where the rate is zero or the time passes what [`Time`]
/// holds. A closed loop has none ahead of its replies: ask
/// [`next_after`](Arrivals::next_after).
#[derive(Clone, Debug)]
pub struct Arrivals {
    even: Option<Even>,
    random: Option<Random>,
    /// The next time of each stream, drawn ahead to merge them.
    next_even: Option<Time>,
    next_random: Option<Time>,
    /// The loop, and which of its threads this is.
    closed: Option<(Concurrency, u32)>,
}

/// Evenly spaced over all connections: this one has every `stride`-th.
#[derive(Clone, Debug)]
struct Even {
    rate: f64,
    next: u64,
    stride: u64,
}

/// Poisson, with a rate that varies.
#[derive(Clone, Debug)]
struct Random {
    rng: ChaCha8Rng,
    shape: Shape,
}

/// How the rate of one connection varies; times in seconds.
#[derive(Clone, Debug)]
enum Shape {
    Constant {
        rate: f64,
        now: f64,
    },
    /// Off, then on to the end of each period. Time is counted in time on.
    OnOff {
        rate: f64,
        on: f64,
        period: f64,
        periods: f64,
        now: f64,
    },
    Steps {
        rates: Arc<[f64]>,
        /// Share of the rates that this connection has.
        share: f64,
        step: f64,
        /// Integral of one cycle.
        cycle: f64,
        cycles: f64,
        index: usize,
        /// Within the step.
        now: f64,
    },
}

impl Load {
    /// The intended send times of connection number `connection` (from 0) out
    /// of `connections`, which must be above it.
    ///
    /// Evenly spaced arrivals of all connections interleave evenly: connection
    /// *i* sends at (*i* + *k* *c*) / rate. A batch has no times of its own. Give each connection its own `rng`
    /// ([`random::stream`](crate::random::stream) with its number).
    pub fn arrivals(&self, connection: u32, connections: u32, rng: ChaCha8Rng) -> Arrivals {
        let connections = connections.max(1);
        let share = 1.0 / f64::from(connections);
        let even = |rate: f64| {
            is_rate(rate).then_some(Even {
                rate,
                next: u64::from(connection),
                stride: u64::from(connections),
            })
        };
        let random = |shape| Some(Random { rng, shape });
        let (even, random) = match self {
            Load::Closed(_) => (None, None),
            Load::Fixed { rate } => (even(*rate), None),
            // Which connection sends which task is decided as they are answered.
            Load::Batch { .. } => (None, None),
            Load::Exponential { rate } => {
                let rate = rate * share;
                let shape = Shape::Constant { rate, now: 0.0 };
                (None, is_rate(rate).then_some(shape).and_then(random))
            }
            Load::Burst {
                base,
                burst,
                length,
                period,
                scale,
            } => {
                let rate = burst * scale * share;
                let on = length.as_secs_f64();
                let shape = Shape::OnOff {
                    rate,
                    on,
                    period: period.as_secs_f64().max(on),
                    periods: 0.0,
                    now: 0.0,
                };
                let ever = is_rate(rate) && on > 0.0;
                (even(base * scale), ever.then_some(shape).and_then(random))
            }
            Load::Steps { rates, step, .. } => {
                let step = step.as_secs_f64();
                let cycle = rates.iter().sum::<f64>() * share * step;
                let shape = Shape::Steps {
                    rates: Arc::clone(rates),
                    share,
                    step,
                    cycle,
                    cycles: 0.0,
                    index: 0,
                    now: 0.0,
                };
                (None, is_rate(cycle).then_some(shape).and_then(random))
            }
        };
        let mut arrivals = Arrivals {
            even,
            random,
            next_even: None,
            next_random: None,
            closed: match self {
                Load::Closed(threads) => Some((threads.clone(), connection)),
                _ => None,
            },
        };
        arrivals.next_even = arrivals.even.as_mut().and_then(Even::advance);
        arrivals.next_random = arrivals.random.as_mut().and_then(Random::advance);
        arrivals
    }
}

impl Arrivals {
    /// The next intended send time of a connection whose last request was
    /// answered at `free`, which an open loop does not ask for.
    pub fn next_after(&mut self, free: Time) -> Option<Time> {
        match &self.closed {
            Some((threads, thread)) => threads.next(*thread, free),
            None => self.next(),
        }
    }
}

impl Iterator for Arrivals {
    type Item = Time;

    fn next(&mut self) -> Option<Time> {
        let even_first = match (self.next_even, self.next_random) {
            (Some(even), Some(random)) => even <= random,
            (even, _) => even.is_some(),
        };
        if even_first {
            let time = self.next_even;
            self.next_even = self.even.as_mut().and_then(Even::advance);
            time
        } else {
            let time = self.next_random;
            self.next_random = self.random.as_mut().and_then(Random::advance);
            time
        }
    }
}

impl Even {
    fn advance(&mut self) -> Option<Time> {
        // From the count, not from the last time: nothing adds up.
        let time = instant(self.next as f64 / self.rate)?;
        self.next = self.next.checked_add(self.stride)?;
        Some(time)
    }
}

impl Random {
    fn advance(&mut self) -> Option<Time> {
        let mass: f64 = Exp1.sample(&mut self.rng);
        instant(self.shape.advance(mass))
    }
}

impl Shape {
    /// Goes on until the integral of the rate has grown by `mass`; returns the
    /// time in seconds.
    fn advance(&mut self, mut mass: f64) -> f64 {
        match self {
            Shape::Constant { rate, now } => {
                *now += mass / *rate;
                *now
            }
            Shape::OnOff {
                rate,
                on,
                period,
                periods,
                now,
            } => {
                *now += mass / *rate;
                let whole = (*now / *on).floor();
                *periods += whole;
                *now = (*now - whole * *on).clamp(0.0, *on);
                *periods * *period + (*period - *on) + *now
            }
            Shape::Steps {
                rates,
                share,
                step,
                cycle,
                cycles,
                index,
                now,
            } => {
                let whole = (mass / *cycle).floor();
                *cycles += whole;
                mass = (mass - whole * *cycle).max(0.0);
                // Once round ends in the step it began with. Rounding may leave
                // a rest of the order of 1e-16 of a cycle, which is dropped.
                for _ in 0..=rates.len() {
                    let rate = rates[*index] * *share;
                    let rest = (*step - *now) * rate;
                    if mass < rest {
                        *now = (*now + mass / rate).min(*step);
                        break;
                    }
                    mass -= rest;
                    *now = 0.0;
                    *index += 1;
                    if *index == rates.len() {
                        *index = 0;
                        *cycles += 1.0;
                    }
                }
                (*cycles * rates.len() as f64 + *index as f64) * *step + *now
            }
        }
    }
}

fn is_rate(rate: f64) -> bool {
    rate.is_finite() && rate > 0.0
}

fn instant(seconds: f64) -> Option<Time> {
    (seconds < END_S).then(|| Time((seconds * 1e9).round() as u64))
}

#[cfg(test)]
mod tests;
