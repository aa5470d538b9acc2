//! When whom to ask for memory back: by need. It only keeps time: what is whose
//! is in the ledger of [`MemoryAllocator`](crate::escra::memory::MemoryAllocator).
//!
//! Who has just started, been restarted or granted to is left alone until its growth
//! has calmed: it has at most a grant more than it uses. Then it is asked, and each
//! time that gives less than a grant it is left alone for twice as long. When the
//! pool runs low everybody is asked whom that has earned a longer rest.

use std::collections::BTreeSet;

use crate::command::Command;
use crate::observation::ContainerId;
use crate::units::{Span, Time};

use super::Config;

/// When a container was last told to change, and how long it is left alone since.
#[derive(Clone, Copy, Debug)]
struct Rest {
    since: Time,
    wait: Span,
}

impl Rest {
    fn over(self) -> Time {
        self.since + self.wait
    }
}

/// The time of each container's next reclaim.
#[derive(Debug)]
pub(super) struct Reclaims {
    calm: Span,
    longest: Span,
    /// Indexed by [`ContainerId`]; none for those that are gone.
    rests: Vec<Option<Rest>>,
    /// The ends of the rests.
    queue: BTreeSet<(Time, ContainerId)>,
    low: bool,
}

impl Reclaims {
    pub(super) fn new(config: &Config) -> Reclaims {
        Reclaims {
            calm: config.memory_calm,
            longest: config.memory_rest,
            rests: Vec::new(),
            queue: BTreeSet::new(),
            low: false,
        }
    }

    /// A container starts.
    pub(super) fn join(&mut self, now: Time, id: ContainerId) {
        let index = id.0 as usize;
        if index >= self.rests.len() {
            self.rests.resize(index + 1, None);
        }
        self.set(id, Some(self.short(now)));
    }

    /// A container starts again, grows, or has given enough to be asked soon.
    pub(super) fn unsettled(&mut self, now: Time, id: ContainerId) {
        if let Some(Some(_)) = self.rests.get(id.0 as usize) {
            self.set(id, Some(self.short(now)));
        }
    }

    fn short(&self, now: Time) -> Rest {
        let wait = self.calm;
        Rest { since: now, wait }
    }

    /// A container is gone.
    pub(super) fn leave(&mut self, id: ContainerId) {
        self.set(id, None);
    }

    /// Takes note of what is `sent` besides what was due.
    pub(super) fn sent(&mut self, now: Time, sent: &[Command]) {
        for command in sent {
            match *command {
                Command::Reclaim { container, .. } => self.asked(now, container),
                Command::SetMemory { container, .. } => self.unsettled(now, container),
                _ => {}
            }
        }
    }

    /// Says whether the pool is low. When it has become so, all those are due that
    /// would have been but for their long rest.
    pub(super) fn pool(&mut self, low: bool) {
        let fell = low && !self.low;
        self.low = low;
        if !fell {
            return;
        }
        for index in 0..self.rests.len() {
            if let Some(rest) = self.rests[index] {
                let wait = rest.wait.min(self.calm);
                self.set(ContainerId(index as u32), Some(Rest { wait, ..rest }));
            }
        }
    }

    /// When somebody is due.
    pub(super) fn next(&self) -> Option<Time> {
        self.queue.first().map(|&(time, _)| time)
    }

    /// Those due, who count as asked.
    pub(super) fn take_due(&mut self, now: Time) -> BTreeSet<ContainerId> {
        let due = self.queue.iter().take_while(|&&(time, _)| time <= now);
        let due: BTreeSet<ContainerId> = due.map(|&(_, id)| id).collect();
        for &id in &due {
            self.asked(now, id);
        }
        due
    }

    fn asked(&mut self, now: Time, id: ContainerId) {
        if let Some(Some(rest)) = self.rests.get(id.0 as usize) {
            let wait = Span(rest.wait.0.saturating_mul(2)).min(self.longest);
            self.set(id, Some(Rest { since: now, wait }));
        }
    }

    fn set(&mut self, id: ContainerId, rest: Option<Rest>) {
        let Some(slot) = self.rests.get_mut(id.0 as usize) else {
            return;
        };
        if let Some(old) = std::mem::replace(slot, rest) {
            self.queue.remove(&(old.over(), id));
        }
        if let Some(rest) = rest {
            self.queue.insert((rest.over(), id));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: ContainerId = ContainerId(0);
    const B: ContainerId = ContainerId(1);

    fn at(seconds: u64) -> Time {
        Time::ZERO + Span::from_secs(seconds)
    }

    /// Two that have started at 0, with a calm of 10 s and rests of 80 s at most.
    fn reclaims() -> Reclaims {
        let config = Config {
            memory_calm: Span::from_secs(10),
            memory_rest: Span::from_secs(80),
            ..Config::default()
        };
        let mut reclaims = Reclaims::new(&config);
        reclaims.join(Time::ZERO, A);
        reclaims.join(Time::ZERO, B);
        reclaims
    }

    /// The times at which somebody is asked, until `end`.
    fn times(reclaims: &mut Reclaims, end: Time) -> Vec<Time> {
        let mut times = Vec::new();
        while let Some(next) = reclaims.next().filter(|&next| next <= end) {
            assert!(!reclaims.take_due(next).is_empty());
            times.push(next);
        }
        times
    }

    #[test]
    fn rests_double_up_to_the_longest() {
        let expected = [10, 30, 70, 150, 230, 310].map(at);
        assert_eq!(times(&mut reclaims(), at(311)), expected);
    }

    #[test]
    fn who_grows_or_gives_is_asked_again_soon_and_the_others_are_left_alone() {
        let mut reclaims = reclaims();
        times(&mut reclaims, at(70));
        let grant = Command::SetMemory {
            container: B,
            version: 1,
            limit: crate::units::Bytes(1),
        };
        reclaims.sent(at(75), &[grant]);
        assert_eq!(reclaims.next(), Some(at(85)));
        assert_eq!(reclaims.take_due(at(85)), BTreeSet::from([B]));
        reclaims.leave(B);
        // News of one that is gone may come late.
        reclaims.unsettled(at(86), B);
        assert_eq!(reclaims.next(), Some(at(150)));
    }

    #[test]
    fn a_pool_that_becomes_low_ends_long_rests_once() {
        let mut reclaims = reclaims();
        times(&mut reclaims, at(70));
        reclaims.unsettled(at(99), B);
        reclaims.pool(true);
        assert_eq!(reclaims.take_due(at(100)), BTreeSet::from([A]));
        assert_eq!(reclaims.take_due(at(109)), BTreeSet::from([B]));
        times(&mut reclaims, at(125));
        reclaims.pool(true);
        assert_eq!(reclaims.next(), Some(at(129)));
        assert_eq!(reclaims.take_due(at(128)), BTreeSet::new());
    }

    #[test]
    fn who_is_asked_before_its_time_rests_from_then() {
        let mut reclaims = reclaims();
        let asked = Command::Reclaim {
            container: A,
            version: 1,
            margin: crate::units::Bytes(1),
        };
        reclaims.sent(at(5), &[asked]);
        assert_eq!(reclaims.take_due(at(24)), BTreeSet::from([B]));
        assert_eq!(reclaims.next(), Some(at(25)));
    }
}
