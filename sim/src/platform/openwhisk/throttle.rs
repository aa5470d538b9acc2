//! The limits of a namespace (`RateThrottler`, `ActivationThrottler`): so many
//! activations in flight, and so many in each minute of the clock.
//!
//! The minute is a fixed one, not a sliding one: what was refused gets through as
//! soon as the next begins. A batch that retries is so cut into one wave a minute.

use rand::RngExt;
use tidegate_core::Time;
use tidegate_workloads::random::stream;

const MINUTE_NS: u64 = 60_000_000_000;

/// What a namespace has used of its limits.
#[derive(Debug)]
pub(super) struct Throttle {
    concurrent: u32,
    per_minute: u32,
    /// How far the clock's minute had come when the run began, in nanoseconds.
    offset: u64,
    minute: u64,
    admitted: u32,
}

impl Throttle {
    pub(super) fn new(concurrent: u32, per_minute: u32, seed: u64) -> Throttle {
        let offset = stream(seed, "minute", 0).random_range(0..MINUTE_NS);
        Throttle::from_offset(concurrent, per_minute, offset)
    }

    fn from_offset(concurrent: u32, per_minute: u32, offset: u64) -> Throttle {
        Throttle {
            concurrent,
            per_minute,
            offset,
            minute: 0,
            admitted: 0,
        }
    }

    /// Whether an activation may go on at `now` beside `in_flight` others; if so, it
    /// counts.
    pub(super) fn admits(&mut self, now: Time, in_flight: usize) -> bool {
        let minute = (now.0 + self.offset) / MINUTE_NS;
        if minute != self.minute {
            self.minute = minute;
            self.admitted = 0;
        }
        if self.admitted >= self.per_minute || in_flight >= self.concurrent as usize {
            return false;
        }
        self.admitted += 1;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Time {
        Time(seconds * 1_000_000_000)
    }

    #[test]
    fn a_minute_admits_its_number_and_the_next_one_begins_anew() {
        // Twenty seconds of the first minute have passed when the run begins.
        let mut throttle = Throttle::from_offset(100, 2, 20_000_000_000);
        let times = [0, 1, 2, 39, 40, 40, 40, 99, 100];
        let admitted = times.map(|s| throttle.admits(at(s), 0));
        assert_eq!(
            admitted,
            [true, true, false, false, true, true, false, false, true]
        );
    }

    #[test]
    fn what_is_in_flight_counts_and_what_was_refused_does_not() {
        let mut throttle = Throttle::from_offset(3, 2, 0);
        assert!(!throttle.admits(at(0), 3));
        assert!(throttle.admits(at(0), 2));
        assert!(throttle.admits(at(0), 0));
        assert!(!throttle.admits(at(0), 0));
    }
}
