//! CPU time that is used up on purpose.
//!
//! Time is read off the thread's own CPU clock, so that a thread that stands still,
//! throttled or preempted, has not worked. Between two readings it spins for less than
//! what is left.

use std::hint::black_box;

use rustix::time::{ClockId, clock_gettime};
use tidegate_core::Span;

/// The longest time between two readings of the clock.
const LOOK: u64 = 50_000;

/// CPU time of this thread since it began.
pub fn thread_cpu() -> Span {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Span(time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64)
}

/// Uses CPU time; knows how fast this machine spins.
#[derive(Clone, Copy, Debug)]
pub struct Spin {
    /// Rounds in 1024 nanoseconds.
    rounds: u64,
}

impl Spin {
    /// Measures how fast this machine spins. It takes a few milliseconds.
    pub fn calibrate() -> Spin {
        // The fastest of several: the others were disturbed.
        let rounds = (0..5).map(|_| {
            let count = 200_000;
            let start = thread_cpu();
            spin(count);
            let taken = thread_cpu().0 - start.0;
            count * 1024 / taken.max(1)
        });
        Spin {
            rounds: rounds.max().unwrap_or(0).max(1),
        }
    }

    /// Uses `work` of this thread's CPU time, and a fraction of a microsecond more at most
    /// for reading the clock.
    pub fn burn(&self, work: Span) {
        let end = thread_cpu() + work;
        loop {
            let now = thread_cpu();
            if now >= end {
                return;
            }
            // Nine tenths: the clock is read again rather than overrun.
            let part = (end.0 - now.0).min(LOOK) * 9 / 10;
            spin((part * self.rounds / 1024).max(1));
        }
    }
}

fn spin(rounds: u64) {
    let mut x = 0x9e37_79b9_7f4a_7c15_u64;
    for _ in 0..rounds {
        x = black_box(x ^ (x >> 7)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    }
    black_box(x);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_burnt_is_what_was_asked() {
        let spin = Spin::calibrate();
        for work in [Span::from_micros(20), Span::from_millis(3)] {
            let start = thread_cpu();
            for _ in 0..20 {
                spin.burn(work);
            }
            let used = (thread_cpu().0 - start.0) as f64;
            let asked = 20.0 * work.0 as f64;
            // Two readings of the clock for each, at a microsecond or so.
            assert!(
                used >= asked && used < asked * 1.02 + 20.0 * 10_000.0,
                "{used}"
            );
        }
    }
}
