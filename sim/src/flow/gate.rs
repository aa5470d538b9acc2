//! A gate: permits that processes take and give back, first come, first served.

use std::collections::VecDeque;

use super::{ProcessId, Step};

#[derive(Debug)]
pub(super) struct Permits {
    max: usize,
    given: usize,
    /// How many were ever taken.
    used: usize,
    /// Given back: the one given back last is taken first, as pools do.
    idle: Vec<usize>,
    waiting: VecDeque<(ProcessId, Vec<Step>)>,
}

/// A process whose turn it is, with its permit.
#[derive(Debug)]
pub(super) struct Next {
    pub(super) process: ProcessId,
    pub(super) permit: usize,
    /// What it has to do before, if the permit was never taken.
    pub(super) fresh: Option<Vec<Step>>,
}

impl Permits {
    pub(super) fn new(max: usize) -> Permits {
        Permits {
            max,
            given: 0,
            used: 0,
            idle: Vec::new(),
            waiting: VecDeque::new(),
        }
    }

    /// Pairs of a process that waits and a permit that is given out.
    pub(super) fn pairs(&self) -> u64 {
        self.waiting.len() as u64 * self.given as u64
    }

    /// A permit and whether it was never taken; without one, `process` waits.
    pub(super) fn take(&mut self, process: ProcessId, fresh: &[Step]) -> Option<(usize, bool)> {
        if self.given == self.max || !self.waiting.is_empty() {
            self.waiting.push_back((process, fresh.to_vec()));
            return None;
        }
        Some(self.give())
    }

    /// Takes a permit back, and gives it to who waits longest.
    pub(super) fn give_back(&mut self, permit: usize) -> Option<Next> {
        self.given -= 1;
        self.idle.push(permit);
        let (process, fresh) = self.waiting.pop_front()?;
        let (permit, first) = self.give();
        let fresh = first.then_some(fresh);
        Some(Next {
            process,
            permit,
            fresh,
        })
    }

    /// Gives one out that was used before if there is one.
    fn give(&mut self) -> (usize, bool) {
        self.given += 1;
        match self.idle.pop() {
            Some(permit) => (permit, false),
            None => {
                self.used += 1;
                (self.used - 1, true)
            }
        }
    }
}
