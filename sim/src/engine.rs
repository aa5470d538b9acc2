//! The event queue and the clock.
//!
//! Events leave in the order of their time, and of their scheduling where times
//! are equal. The heap holds 16-byte keys only, one number each, so that comparing
//! needs no branch; the events wait in a slab beside it, so that reordering moves
//! little memory. There is no cancelling: an event
//! that is no longer wanted carries a generation its receiver compares.

use dary_heap::QuaternaryHeap;
use std::cmp::Reverse;

use tidegate_core::{Span, Time};

/// Bits of a key that name the slab slot: up to 16 million pending events.
const SLOT_BITS: u32 = 24;

/// Events waiting for their time.
#[derive(Debug)]
pub struct Queue<E> {
    heap: QuaternaryHeap<Reverse<u128>>,
    slab: Vec<E>,
    free: Vec<u32>,
    now: u64,
    scheduled: u64,
}

impl<E: Copy> Default for Queue<E> {
    fn default() -> Queue<E> {
        Queue::new()
    }
}

impl<E: Copy> Queue<E> {
    /// An empty queue at time zero.
    pub fn new() -> Queue<E> {
        Queue {
            heap: QuaternaryHeap::new(),
            slab: Vec::new(),
            free: Vec::new(),
            now: 0,
            scheduled: 0,
        }
    }

    /// The time of the event handled last.
    pub fn now(&self) -> Time {
        Time(self.now)
    }

    /// Events scheduled so far.
    pub fn scheduled(&self) -> u64 {
        self.scheduled
    }

    /// Events waiting.
    pub fn len(&self) -> usize {
        self.heap.len()
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.heap.is_empty()
    }

    /// Schedules `event` at `time`; a time that has passed counts as now.
    ///
    /// # Panics
    ///
    /// With more than 16 million events pending, or after a trillion in all.
    #[inline]
    pub fn at(&mut self, time: Time, event: E) {
        let slot = match self.free.pop() {
            Some(slot) => {
                self.slab[slot as usize] = event;
                slot
            }
            None => {
                let slot = self.slab.len();
                assert!(slot < 1 << SLOT_BITS, "too many pending events");
                self.slab.push(event);
                slot as u32
            }
        };
        assert!(self.scheduled < 1 << (64 - SLOT_BITS), "too many events");
        let order = self.scheduled << SLOT_BITS | u64::from(slot);
        self.scheduled += 1;
        let time = time.0.max(self.now);
        self.heap
            .push(Reverse(u128::from(time) << 64 | u128::from(order)));
    }

    /// Schedules `event` after `delay`.
    #[inline]
    pub fn after(&mut self, delay: Span, event: E) {
        self.at(Time(self.now + delay.0), event);
    }

    /// When the next event is due.
    pub fn next_time(&self) -> Option<Time> {
        let Reverse(key) = self.heap.peek()?;
        Some(Time((key >> 64) as u64))
    }

    /// The next event, which makes its time the present.
    #[inline]
    pub fn pop(&mut self) -> Option<E> {
        let Reverse(key) = self.heap.pop()?;
        let slot = (key & ((1 << SLOT_BITS) - 1)) as u32;
        self.now = (key >> 64) as u64;
        self.free.push(slot);
        Some(self.slab[slot as usize])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn equal_times_leave_in_the_order_they_came() {
        let mut queue = Queue::new();
        for n in 0..100 {
            queue.at(Time(7), n);
        }
        let order: Vec<i32> = std::iter::from_fn(|| queue.pop()).collect();
        assert_eq!(order, (0..100).collect::<Vec<_>>());
    }

    #[test]
    fn the_past_is_now() {
        let mut queue = Queue::new();
        queue.at(Time(10), "first");
        queue.pop();
        queue.at(Time(3), "late");
        assert_eq!(queue.pop(), Some("late"));
        assert_eq!(queue.now(), Time(10));
    }

    proptest! {
        #[test]
        fn leaves_like_a_stable_sort(steps in proptest::collection::vec(
            proptest::option::weighted(0.6, 0u64..50), 0..300,
        )) {
            // A plain list sorted stably by time is the model.
            let mut queue = Queue::new();
            let mut model: Vec<(u64, usize)> = Vec::new();
            for (n, step) in steps.into_iter().enumerate() {
                match step {
                    Some(delay) => {
                        queue.after(Span(delay), n);
                        model.push((queue.now().0 + delay, n));
                        model.sort_by_key(|(time, _)| *time);
                    }
                    None => {
                        let expected = (!model.is_empty()).then(|| model.remove(0));
                        prop_assert_eq!(queue.pop(), expected.map(|(_, n)| n));
                        if let Some((time, _)) = expected {
                            prop_assert_eq!(queue.now(), Time(time));
                        }
                    }
                }
            }
        }
    }
}
