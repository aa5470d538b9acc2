//! A closed loop: so many threads at a time, each of which begins its next unit of
//! work when the last is done.

use std::sync::Arc;

use tidegate_core::{Span, Time};

/// How many threads of a closed loop are active, step by step. After the last
/// step comes the first again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Concurrency {
    /// At least one step, at least one of them with threads.
    threads: Arc<[u32]>,
    /// Above zero.
    step: Span,
}

impl Concurrency {
    /// `threads` in steps of `step`; none if no step ever has any, or steps have
    /// no length.
    pub fn new(threads: &[u32], step: Span) -> Option<Concurrency> {
        let ever = threads.iter().any(|&count| count > 0);
        (ever && step > Span::ZERO).then(|| Concurrency {
            threads: threads.into(),
            step,
        })
    }

    /// How long a step lasts.
    pub fn step(&self) -> Span {
        self.step
    }

    /// Active threads in step number `index`.
    pub fn during(&self, index: u64) -> u32 {
        self.threads[(index % self.threads.len() as u64) as usize]
    }

    /// The most threads that are ever active.
    pub fn most(&self) -> u32 {
        self.threads.iter().copied().max().unwrap_or(0)
    }

    /// When a thread that is free at `free` begins its next unit of work: at once
    /// while it is active, else when it is again. Threads become active in the
    /// order of their numbers; times count from the client's start.
    pub(super) fn next(&self, thread: u32, free: Time) -> Option<Time> {
        let index = free.0 / self.step.0;
        if thread < self.during(index) {
            return Some(free);
        }
        let cycle = self.threads.len() as u64;
        let next = (index + 1..=index + cycle).find(|&index| thread < self.during(index))?;
        next.checked_mul(self.step.0).map(Time)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(seconds: u64) -> Time {
        Time::ZERO + Span::from_secs(seconds)
    }

    #[test]
    fn a_thread_goes_on_at_once_or_waits_for_its_step() {
        let steps = Concurrency::new(&[1, 3, 0, 2], Span::from_secs(10)).unwrap();
        assert_eq!(steps.most(), 3);
        for (thread, free, next) in [
            (0, 0, 0),
            (0, 7, 7),
            (1, 7, 10),
            (2, 19, 19),
            (0, 20, 30),
            (1, 25, 30),
            (2, 20, 50),
            (0, 39, 39),
            (1, 40, 50),
        ] {
            assert_eq!(
                steps.next(thread, at(free)),
                Some(at(next)),
                "{thread} {free}"
            );
        }
        assert_eq!(steps.next(3, at(0)), None);
    }

    #[test]
    fn nothing_to_do_is_no_load() {
        let second = Span::from_secs(1);
        assert_eq!(Concurrency::new(&[], second), None);
        assert_eq!(Concurrency::new(&[0, 0], second), None);
        assert_eq!(Concurrency::new(&[1], Span::ZERO), None);
    }

    proptest! {
        #[test]
        fn work_begins_only_while_the_thread_is_active(
            threads in proptest::collection::vec(0_u32..6, 1..8),
            step in 1_u64..1_000,
            thread in 0_u32..6,
            free in 0_u64..100_000,
        ) {
            let Some(steps) = Concurrency::new(&threads, Span(step)) else {
                return Ok(());
            };
            let active = |time: u64| thread < steps.during(time / step);
            match steps.next(thread, Time(free)) {
                Some(next) => {
                    prop_assert!(next.0 >= free && active(next.0));
                    // No step before would have done.
                    prop_assert!((free..next.0).all(|time| !active(time)));
                }
                None => prop_assert!(thread >= steps.most()),
            }
        }
    }
}
