//! What became of containers that ran out of memory, and of those that were
//! restarted: counts and times.

use hdrhistogram::Histogram;
use tidegate_core::Span;

use super::{histogram, quantile_of};
use crate::outcome::Metric;

/// Out-of-memory events, reclaims and restarts of a run.
#[derive(Debug)]
pub struct MemoryEvents {
    /// Containers killed for their memory.
    pub kills: u64,
    /// Of those that waited, how many went on with a higher limit.
    rescues: u64,
    /// Waits that ended in a denial.
    pub denied: u64,
    /// Pods evicted to give them other limits.
    pub evictions: u64,
    /// From the out-of-memory event until the container went on, in microseconds.
    waits: Histogram<u64>,
    /// Commands that set or reclaim memory, as they arrive and are new.
    pub commands: u64,
    /// What reclaims took back, in bytes.
    pub reclaimed: u64,
    /// Time containers were down, summed over them.
    pub down: Span,
}

impl MemoryEvents {
    pub(super) fn new() -> MemoryEvents {
        MemoryEvents {
            kills: 0,
            rescues: 0,
            denied: 0,
            evictions: 0,
            waits: histogram(3_600_000_000),
            commands: 0,
            reclaimed: 0,
            down: Span::ZERO,
        }
    }

    /// A container went on with a higher limit, after it had waited so long.
    pub fn rescue(&mut self, waited: Span) {
        self.rescues += 1;
        self.waits.saturating_record((waited.0 / 1_000).max(1));
    }

    /// The numbers, in the order in which they are written.
    pub(super) fn metrics(&self) -> [Metric; 10] {
        let metric = |name, unit, value| Metric { name, unit, value };
        let count = |name, value| metric(name, "events", value as f64);
        let wait = |name, quantile| metric(name, "ms", quantile_of(&self.waits, quantile) * 1e-3);
        [
            count("oom_kills", self.kills),
            count("oom_rescues", self.rescues),
            count("oom_denied", self.denied),
            wait("oom_wait_p50_ms", 0.5),
            wait("oom_wait_p99_ms", 0.99),
            wait("oom_wait_max_ms", 1.0),
            metric("mem_commands", "commands", self.commands as f64),
            metric(
                "mem_reclaimed_mib",
                "MiB",
                self.reclaimed as f64 / 1_048_576.0,
            ),
            count("evictions", self.evictions),
            metric("down_s", "s", self.down.as_secs_f64()),
        ]
    }
}
