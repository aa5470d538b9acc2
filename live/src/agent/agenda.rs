//! Which container is to be looked at when.

use std::collections::{BTreeMap, BTreeSet};

use tidegate_core::{ContainerId, Time};

/// At most one time per container, the earliest first.
#[derive(Debug, Default)]
pub(super) struct Agenda {
    order: BTreeSet<(Time, ContainerId)>,
    times: BTreeMap<ContainerId, Time>,
}

impl Agenda {
    /// Sets a container's time, in place of the one it had.
    pub(super) fn set(&mut self, id: ContainerId, time: Option<Time>) {
        let old = match time {
            Some(time) => self.times.insert(id, time),
            None => self.times.remove(&id),
        };
        if let Some(old) = old {
            self.order.remove(&(old, id));
        }
        if let Some(time) = time {
            self.order.insert((time, id));
        }
    }

    pub(super) fn next(&self) -> Option<Time> {
        self.order.first().map(|&(time, _)| time)
    }

    /// Takes the first container whose time is `now` or before.
    pub(super) fn take_due(&mut self, now: Time) -> Option<ContainerId> {
        let (time, id) = *self.order.first()?;
        if time > now {
            return None;
        }
        self.set(id, None);
        Some(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_earliest_comes_first_and_a_new_time_takes_the_olds_place() {
        let mut agenda = Agenda::default();
        for (id, time) in [(1, 30), (2, 10), (3, 20), (2, 40)] {
            agenda.set(ContainerId(id), Some(Time(time)));
        }
        agenda.set(ContainerId(3), None);
        assert_eq!(agenda.next(), Some(Time(30)));
        assert_eq!(agenda.take_due(Time(29)), None);
        assert_eq!(agenda.take_due(Time(40)), Some(ContainerId(1)));
        assert_eq!(agenda.take_due(Time(40)), Some(ContainerId(2)));
        assert_eq!(agenda.take_due(Time(40)), None);
        assert_eq!(agenda.next(), None);
    }
}
