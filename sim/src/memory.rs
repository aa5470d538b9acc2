//! How much memory a container uses, and what its limit does about it.

use tidegate_core::Bytes;
use tidegate_workloads::application;

/// The memory of one container.
#[derive(Clone, Debug)]
pub(crate) struct Memory {
    model: application::Memory,
    limit: u64,
    /// Grows with calls served.
    base: f64,
    /// Fixed at the start: a share of the limit then in force.
    heap: u64,
    /// Calls in service.
    in_service: u64,
    max: u64,
}

impl Memory {
    pub(crate) fn new(model: application::Memory, limit: Bytes) -> Memory {
        let mut memory = Memory {
            model,
            limit: limit.0,
            base: 0.0,
            heap: 0,
            in_service: 0,
            max: 0,
        };
        memory.restart();
        memory
    }

    /// A fresh process: nothing served, the heap sized by the limit in force.
    pub(crate) fn restart(&mut self) {
        self.base = self.model.start.0 as f64;
        self.heap = (self.limit as f64 * self.model.heap_share) as u64;
        self.in_service = 0;
        self.note();
    }

    /// The process is gone, and its memory with it.
    pub(crate) fn exit(&mut self) {
        self.base = 0.0;
        self.heap = 0;
        self.in_service = 0;
    }

    /// A container without processes begins anew with this limit.
    pub(crate) fn readmit(&mut self, limit: Bytes) {
        self.limit = limit.0;
    }

    /// A call enters service.
    pub(crate) fn enter(&mut self) {
        self.in_service += 1;
        self.base += self.model.growth(self.base);
        self.note();
    }

    /// A call leaves service.
    pub(crate) fn leave(&mut self) {
        self.in_service = self.in_service.saturating_sub(1);
    }

    /// What the processes want, whether or not the limit allows it.
    pub(crate) fn wanted(&self) -> u64 {
        self.base as u64 + self.heap + self.in_service * self.model.working_set.0
    }

    /// What is charged: never above the limit.
    pub(crate) fn used(&self) -> u64 {
        self.wanted().min(self.limit)
    }

    /// Whether more is wanted than the limit allows, also without page cache.
    pub(crate) fn over(&self) -> bool {
        self.wanted().saturating_sub(self.model.page_cache.0) > self.limit
    }

    pub(crate) fn limit(&self) -> u64 {
        self.limit
    }

    /// Sets the limit. Refused where usage would not fit: the kernel does not
    /// kill to shrink.
    pub(crate) fn write(&mut self, limit: u64) {
        if limit >= self.used() {
            self.limit = limit;
        }
        self.note();
    }

    /// The highest use since the start, or since the last `forget_maximum`.
    pub(crate) fn max(&self) -> u64 {
        self.max
    }

    pub(crate) fn forget_maximum(&mut self) {
        self.max = self.used();
    }

    fn note(&mut self) {
        self.max = self.max.max(self.used());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model() -> application::Memory {
        application::Memory {
            start: Bytes(1000),
            per_call: Bytes(10),
            ceiling: Some(Bytes(2000)),
            working_set: Bytes(5),
            heap_share: 0.5,
            page_cache: Bytes(100),
        }
    }

    #[test]
    fn growth_levels_off_at_the_ceiling_as_an_exponential() {
        let mut memory = Memory::new(model(), Bytes(4000));
        assert_eq!(memory.wanted(), 1000 + 2000);
        for _ in 0..100 {
            memory.enter();
            memory.leave();
        }
        let expected = 2000.0 - 1000.0 * (1.0f64 - 0.01).powi(100);
        assert!((memory.base - expected).abs() < 1e-6);
    }

    #[test]
    fn usage_stops_at_the_limit_and_a_limit_below_it_is_refused() {
        let mut memory = Memory::new(model(), Bytes(4000));
        // 3000 at first; each call adds its working set and some growth.
        while memory.wanted() <= 4100 {
            assert!(!memory.over(), "page cache gives way first");
            memory.enter();
        }
        assert!(memory.over());
        assert_eq!(memory.used(), 4000);
        memory.write(3000);
        assert_eq!(memory.limit(), 4000);
        memory.write(9000);
        assert!(!memory.over());
        memory.restart();
        assert_eq!(memory.wanted(), 1000 + 4500);
    }
}
