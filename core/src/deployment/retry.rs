//! When to try again: exponential back-off with a cap and a jitter that needs no
//! random numbers.
//!
//! The original tries five times, exactly 1 s apart; deployments that collide so
//! collide again.

use serde::{Deserialize, Serialize};

use crate::config::{ConfigError, must};
use crate::units::Span;

/// How an operation is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Retry {
    /// How often it is tried at most, the first time included. What must not be
    /// given up (terminations, alerts) is tried for ever.
    pub attempts: u32,
    /// The wait after the first attempt.
    pub first: Span,
    /// The longest wait.
    pub longest: Span,
    /// By which part of itself a wait is shortened at most: in [0, 1].
    pub jitter: f64,
}

impl Default for Retry {
    /// Estimates; five attempts as in the original (source code).
    fn default() -> Retry {
        Retry {
            attempts: 5,
            first: Span::from_millis(500),
            longest: Span::from_secs(30),
            jitter: 0.5,
        }
    }
}

impl Retry {
    /// The wait after attempt number `attempt` (from 1): the first wait, doubled
    /// with each attempt, at most the longest, shortened by a share that `seed`
    /// (who tries) and `attempt` decide.
    pub fn wait(&self, attempt: u32, seed: u64) -> Span {
        let doublings = attempt.saturating_sub(1).min(63);
        let full = u128::from(self.first.0) << doublings;
        let full = full.min(u128::from(self.longest.0)) as u64;
        let share = mix(seed ^ u64::from(attempt).rotate_left(32)) as f64 / u64::MAX as f64;
        Span(full).scale(1.0 - self.jitter * share)
    }

    pub(crate) fn validate(&self) -> Result<(), ConfigError> {
        must("manager", self.attempts > 0, "attempts", "at least 1")?;
        must("manager", self.first > Span::ZERO, "first", "positive")?;
        must(
            "manager",
            self.longest >= self.first,
            "longest",
            "at least `first`",
        )?;
        must(
            "manager",
            (0.0..=1.0).contains(&self.jitter),
            "jitter",
            "from 0 to 1",
        )
    }
}

/// The finaliser of SplitMix64: spreads the bits of `z` evenly.
fn mix(mut z: u64) -> u64 {
    z = z.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest() {
        let retry = Retry {
            jitter: 0.0,
            ..Retry::default()
        };
        let waits: Vec<u64> = (1..9).map(|n| retry.wait(n, 7).0 / 1_000_000).collect();
        assert_eq!(waits, [500, 1000, 2000, 4000, 8000, 16000, 30000, 30000]);
        assert_eq!(retry.wait(u32::MAX, 7), retry.longest);
    }

    #[test]
    fn those_who_fail_together_do_not_come_back_together() {
        let retry = Retry::default();
        let mut waits: Vec<u64> = (0..100).map(|seed| retry.wait(1, seed).0).collect();
        for &wait in &waits {
            assert!((retry.first.0 / 2..=retry.first.0).contains(&wait));
        }
        waits.sort_unstable();
        waits.dedup();
        assert_eq!(waits.len(), 100);
        let spread = waits[99] - waits[0];
        assert!(spread > retry.first.0 / 4, "{spread}");
    }
}
