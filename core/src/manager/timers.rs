//! When whom to wake: at most one time for each, the earliest first.

use std::collections::{BTreeMap, BTreeSet};

use crate::units::Time;

/// One wake-up for each of many.
#[derive(Debug)]
pub(super) struct Timers<K> {
    at: BTreeMap<K, Time>,
    queue: BTreeSet<(Time, K)>,
}

impl<K: Copy + Ord> Timers<K> {
    pub(super) fn new() -> Timers<K> {
        Timers {
            at: BTreeMap::new(),
            queue: BTreeSet::new(),
        }
    }

    /// Wakes `who` at this time instead of any other, or not at all.
    pub(super) fn set(&mut self, who: K, at: Option<Time>) {
        let old = match at {
            Some(at) => self.at.insert(who, at),
            None => self.at.remove(&who),
        };
        if old == at {
            return;
        }
        if let Some(old) = old {
            self.queue.remove(&(old, who));
        }
        if let Some(at) = at {
            self.queue.insert((at, who));
        }
    }

    /// The earliest time.
    pub(super) fn first(&self) -> Option<Time> {
        self.queue.first().map(|&(at, _)| at)
    }

    /// One whose time has come by `now`, and no longer waits.
    pub(super) fn pop(&mut self, now: Time) -> Option<K> {
        let &(at, who) = self.queue.first()?;
        if at > now {
            return None;
        }
        self.set(who, None);
        Some(who)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_waits_for_its_last_time_only() {
        let mut timers = Timers::new();
        timers.set('a', Some(Time(5)));
        timers.set('b', Some(Time(3)));
        timers.set('a', Some(Time(2)));
        timers.set('b', None);
        timers.set('c', Some(Time(9)));
        assert_eq!(timers.first(), Some(Time(2)));
        assert_eq!(timers.pop(Time(1)), None);
        assert_eq!(timers.pop(Time(8)), Some('a'));
        assert_eq!(timers.pop(Time(8)), None);
        assert_eq!(timers.first(), Some(Time(9)));
    }
}
