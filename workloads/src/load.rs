//! When requests are sent: the arrival processes of the experiments.
//!
//! The client is an open loop over *c* connections, as DeathStarBench's wrk2
//! makes it: each connection has its own stream of intended send times, made
//! without looking at replies, and together they have the rate of the load. Or
//! it is a [closed loop](Concurrency) of threads that never wait. How a load is
//! written down stands in [`read`](mod@read).

mod arrivals;
mod closed;
pub mod read;

use std::sync::Arc;

use tidegate_core::Span;

pub use arrivals::Arrivals;
pub use closed::Concurrency;

/// When requests are sent. Rates are requests per second over all connections.
#[derive(Clone, Debug, PartialEq)]
pub enum Load {
    /// Evenly spaced (wrk2's default).
    Fixed {
        /// Requests per second.
        rate: f64,
    },
    /// Poisson (wrk2's `-D exp`).
    Exponential {
        /// Requests per second.
        rate: f64,
    },
    /// Evenly spaced at `base`, plus Poisson at `burst` during the last
    /// `length` of every `period`.
    Burst {
        /// Requests per second, all the time.
        base: f64,
        /// Requests per second on top, while on.
        burst: f64,
        /// How long it is on.
        length: Span,
        /// From one burst's beginning to the next; at least `length`.
        period: Span,
        /// Multiplies both rates.
        scale: f64,
    },
    /// Poisson with a rate that is constant for a step at a time. After the
    /// last step comes the first again.
    Steps {
        /// Requests per second in each step, shared by all connections.
        rates: Arc<[f64]>,
        /// How long a step lasts.
        step: Span,
        /// Where the rates come from, see [`Load::provenance`].
        source: Arc<str>,
    },
    /// A closed loop: each active thread begins its next unit of work, a request,
    /// when the last is done.
    Closed(Concurrency),
    /// A job: tasks that are all due at once. Each connection takes the next when
    /// it has the answer to the one before.
    Batch {
        /// How many.
        tasks: u32,
    },
}

impl Load {
    /// Where the rates come from: `"generated"`, the name of a trace file, or
    /// `"formula"` where the load's own parameters say all.
    pub fn provenance(&self) -> &str {
        match self {
            Load::Steps { source, .. } => source,
            _ => "formula",
        }
    }

    /// The same with `factor` times as many requests per second. A closed loop and a
    /// batch have no rate and stay as they are.
    pub fn scaled(self, factor: f64) -> Load {
        match self {
            Load::Fixed { rate } => Load::Fixed {
                rate: rate * factor,
            },
            Load::Exponential { rate } => Load::Exponential {
                rate: rate * factor,
            },
            Load::Burst {
                base,
                burst,
                length,
                period,
                scale,
            } => Load::Burst {
                base,
                burst,
                length,
                period,
                scale: scale * factor,
            },
            Load::Steps {
                rates,
                step,
                source,
            } => Load::Steps {
                rates: rates.iter().map(|rate| rate * factor).collect(),
                step,
                source,
            },
            Load::Closed(_) | Load::Batch { .. } => self,
        }
    }

    /// How many connections this load has, where a client has `connections`: those
    /// of a closed loop are its threads.
    pub fn connections(&self, connections: u32) -> u32 {
        match self {
            Load::Closed(threads) => threads.most(),
            _ => connections,
        }
    }

    /// The expected requests per second over the first `duration`; zero if that
    /// is zero.
    #[cfg(test)]
    fn mean_rate(&self, duration: Span) -> f64 {
        let seconds = duration.as_secs_f64();
        if seconds <= 0.0 {
            return 0.0;
        }
        match self {
            Load::Fixed { rate } | Load::Exponential { rate } => *rate,
            Load::Batch { tasks } => f64::from(*tasks) / seconds,
            Load::Burst {
                base,
                burst,
                length,
                period,
                scale,
            } => {
                let (length, period) = (length.as_secs_f64(), period.as_secs_f64());
                if period <= 0.0 {
                    return scale * base;
                }
                let whole = (seconds / period).floor();
                let rest = seconds - whole * period;
                let on = whole * length + (rest - (period - length)).max(0.0);
                scale * (base + burst * on / seconds)
            }
            Load::Steps { rates, step, .. } => {
                let step = step.as_secs_f64();
                let cycle = step * rates.len() as f64;
                if cycle <= 0.0 {
                    return 0.0;
                }
                let whole = (seconds / cycle).floor();
                let mut rest = seconds - whole * cycle;
                let mut sent = whole * step * rates.iter().sum::<f64>();
                for rate in rates.iter() {
                    sent += rate * rest.clamp(0.0, step);
                    rest -= step;
                }
                sent / seconds
            }
            Load::Closed(_) => f64::NAN,
        }
    }
}
