//! The windowed means of the authors' controller.

use crate::units::Cores;

/// Samples kept in place; longer windows are on the heap. The authors' length is
/// 10: one container's window is then read with the rest of what is known of it.
const IN_PLACE: usize = 10;

/// Bits of a sample that hold unused runtime: up to 281,474 cores.
const UNUSED_BITS: u32 = 48;

/// One report: unused runtime, in billionths of a core, below the number of
/// throttled periods. Either stays at the most it can hold.
#[derive(Clone, Copy, Debug, Default)]
struct Sample(u64);

impl Sample {
    fn new(throttled: u64, unused: Cores) -> Sample {
        let throttled = throttled.min(u64::from(u16::MAX));
        let unused = unused.0.min((1 << UNUSED_BITS) - 1);
        Sample(throttled << UNUSED_BITS | unused)
    }

    fn throttled(self) -> u32 {
        (self.0 >> UNUSED_BITS) as u32
    }

    fn unused(self) -> u64 {
        self.0 & ((1 << UNUSED_BITS) - 1)
    }
}

#[derive(Clone, Debug)]
enum Ring {
    InPlace([Sample; IN_PLACE]),
    Heap(Box<[Sample]>),
}

/// The means of the last `n` reports, with two habits of the original: until `n`
/// have come it divides by their number, and emptying it sets the values to zero but
/// keeps dividing by as many as before.
///
/// The sums are kept, not added up anew: they are whole numbers, so they do not
/// drift, and no step depends on the length of the window.
#[derive(Clone, Debug)]
pub(super) struct Window {
    unused: u64,
    throttled: u32,
    length: u16,
    next: u16,
    filled: u16,
    /// Samples since the window was emptied. Older ones in the ring count as zero.
    fresh: u16,
    ring: Ring,
}

impl Window {
    /// A window of `length` reports, 1 to 10,000 ([`Config::check`](super::Config)).
    pub(super) fn new(length: usize) -> Window {
        let length = length.clamp(1, usize::from(u16::MAX));
        Window {
            unused: 0,
            throttled: 0,
            length: length as u16,
            next: 0,
            filled: 0,
            fresh: 0,
            ring: if length <= IN_PLACE {
                Ring::InPlace([Sample::default(); IN_PLACE])
            } else {
                Ring::Heap(vec![Sample::default(); length].into())
            },
        }
    }

    /// A report: how many periods were throttled since the one before, and what was
    /// unused in the last.
    pub(super) fn push(&mut self, throttled: u64, unused: Cores) {
        let ring: &mut [Sample] = match &mut self.ring {
            Ring::InPlace(ring) => ring,
            Ring::Heap(ring) => ring,
        };
        let sample = Sample::new(throttled, unused);
        let oldest = std::mem::replace(&mut ring[usize::from(self.next)], sample);
        if self.fresh == self.length {
            self.throttled -= oldest.throttled();
            self.unused -= oldest.unused();
        } else {
            self.fresh += 1;
        }
        self.throttled += sample.throttled();
        self.unused += sample.unused();
        self.next += 1;
        if self.next == self.length {
            self.next = 0;
        }
        self.filled = (self.filled + 1).min(self.length);
    }

    /// Throttled periods per report. Zero while nothing has come.
    pub(super) fn throttled(&self) -> f64 {
        f64::from(self.throttled) / f64::from(self.filled.max(1))
    }

    /// Mean unused runtime, in billionths of a core. Zero while nothing has come.
    pub(super) fn unused(&self) -> f64 {
        self.unused as f64 / f64::from(self.filled.max(1))
    }

    /// Empties the window.
    pub(super) fn flush(&mut self) {
        self.throttled = 0;
        self.unused = 0;
        self.fresh = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn divides_by_what_has_come_until_full() {
        let mut window = Window::new(10);
        window.push(1, Cores(50));
        assert_eq!((window.throttled(), window.unused()), (1.0, 50.0));
        for _ in 0..4 {
            window.push(0, Cores(0));
        }
        assert_eq!((window.throttled(), window.unused()), (0.2, 10.0));
    }

    #[test]
    fn flushing_keeps_the_divisor() {
        let mut window = Window::new(10);
        for _ in 0..12 {
            window.push(1, Cores(7));
        }
        assert_eq!((window.throttled(), window.unused()), (1.0, 7.0));
        window.flush();
        assert_eq!((window.throttled(), window.unused()), (0.0, 0.0));
        window.push(1, Cores(70));
        assert_eq!((window.throttled(), window.unused()), (0.1, 7.0));
    }

    #[test]
    fn what_no_sample_can_hold_stays_at_the_most() {
        let mut window = Window::new(1);
        window.push(u64::MAX, Cores(u64::MAX));
        assert_eq!(window.throttled(), 65_535.0);
        assert_eq!(window.unused(), (1u64 << 48) as f64 - 1.0);
        window.push(0, Cores(3));
        assert_eq!((window.throttled(), window.unused()), (0.0, 3.0));
    }

    proptest! {
        #[test]
        fn means_are_those_of_a_list_added_up_each_time(
            length in 1usize..25,
            steps in proptest::collection::vec(
                proptest::option::weighted(0.9, (0u64..5, 0u64..10_000_000_000)), 0..100,
            ),
        ) {
            let mut window = Window::new(length);
            let mut values = vec![(0, 0); length];
            let mut filled = 0;
            for step in steps {
                match step {
                    Some((throttled, unused)) => {
                        window.push(throttled, Cores(unused));
                        values.rotate_left(1);
                        values[length - 1] = (throttled, unused);
                        filled = (filled + 1).min(length);
                    }
                    None => {
                        window.flush();
                        values.fill((0, 0));
                    }
                }
                let n = filled.max(1) as f64;
                let throttled: u64 = values.iter().map(|value| value.0).sum();
                let unused: u64 = values.iter().map(|value| value.1).sum();
                prop_assert_eq!(window.throttled(), throttled as f64 / n);
                prop_assert_eq!(window.unused(), unused as f64 / n);
            }
        }
    }
}
