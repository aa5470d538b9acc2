//! A level that goes up and down: memory in use, processes in a race.

use tidegate_core::Time;

/// A level over time.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Meter {
    pub(super) level: f64,
    /// The level times nanoseconds until `since`.
    pub(super) sum: f64,
    since: Time,
    pub(super) max: f64,
}

impl Meter {
    pub(super) fn advance(&mut self, now: Time) {
        self.sum += self.level * now.since(self.since).0 as f64;
        self.since = now;
    }

    pub(super) fn change(&mut self, now: Time, change: f64) {
        self.advance(now);
        self.level += change;
        self.max = self.max.max(self.level);
    }
}
