//! The agent's clock: the kernel's monotonic one, counted from the run's beginning.

use rustix::time::{ClockId, clock_gettime};
use tidegate_core::{Span, Time};

/// Tells the time since an origin that all parts of a run on this host share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clock {
    /// `CLOCK_MONOTONIC` at the run's beginning, in nanoseconds.
    origin: u64,
}

impl Clock {
    /// A clock that begins now.
    pub fn start() -> Clock {
        Clock {
            origin: monotonic(),
        }
    }

    /// The time now.
    pub fn now(self) -> Time {
        Time(monotonic().saturating_sub(self.origin))
    }

    /// The same instant as the kernel counts it: nanoseconds of `CLOCK_MONOTONIC`.
    pub fn monotonic(self, time: Time) -> u64 {
        self.origin + time.0
    }

    /// The first instant at or after `from` that is `phase` past a multiple of `step`
    /// on the kernel's clock.
    pub(super) fn next_multiple(self, from: Time, step: Span, phase: Span) -> Time {
        let kernel = self.monotonic(from) + step.0 - phase.0 % step.0;
        Time(from.0 + (step.0 - kernel % step.0) % step.0)
    }
}

fn monotonic() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_grid_is_the_kernels() {
        let clock = Clock { origin: 1_030 };
        let next = |from, phase| clock.next_multiple(Time(from), Span(100), Span(phase));
        // 1,030 + 70 is the next whole hundred.
        assert_eq!(next(0, 0), Time(70));
        assert_eq!(next(70, 0), Time(70));
        assert_eq!(next(71, 0), Time(170));
        assert_eq!(next(0, 40), Time(10));
        assert_eq!(next(0, 30), Time(0));
    }
}
