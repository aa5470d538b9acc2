//! What is seen of the containers from outside while the client sends: each period
//! their limits and use, and for a load whose demand is known each change of a limit.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use tidegate_core::{Bytes, Cores, Span};

use super::error::LocalError;
use crate::cgroup::Group;

/// Between two samples: the kernel's bandwidth period, as in the simulator.
pub const EVERY: Span = Span::from_millis(100);
/// Between two looks at the limits: often where it counts when they change, else
/// often enough to count how many times they do.
const LOOK: Duration = Duration::from_millis(1);
const GLANCE: Duration = Duration::from_millis(5);

/// A container at one time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// Limit in force; none is no limit.
    pub cpu_limit: Option<Cores>,
    /// Limit in force; none is no limit.
    pub memory_limit: Option<Bytes>,
    /// Charged to it.
    pub memory: Bytes,
    /// Since its group was made.
    pub counts: Counts,
}

/// What the kernel counts of a group, since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// CPU time.
    pub cpu: Span,
    /// Periods in which it ran under a quota.
    pub periods: u64,
    /// Of those, throttled.
    pub throttled: u64,
    /// Processes killed for memory.
    pub oom_kills: u64,
}

/// All that was seen.
#[derive(Clone, Debug, Default)]
pub struct Watched {
    /// When, since the client began, and each container then.
    pub samples: Vec<(Span, Vec<Sample>)>,
    /// The sum of all CPU limits from each time on at which it changed, if it was
    /// followed.
    pub limits: Vec<(Span, f64)>,
    /// How many times a CPU limit was found changed.
    pub updates: u64,
}

/// What the kernel has counted of a group.
pub(super) fn counts(group: &Group) -> Result<Counts, LocalError> {
    let stat = group.cpu_stat()?;
    Ok(Counts {
        cpu: group.cpu_usage()?,
        periods: stat.periods,
        throttled: stat.throttled,
        oom_kills: group.oom_kills()?,
    })
}

fn sample(group: &Group) -> Result<Sample, LocalError> {
    let (cpu_limit, memory_limit) = group.read_limits()?;
    Ok(Sample {
        cpu_limit,
        memory_limit,
        memory: group.memory_usage()?,
        counts: counts(group)?,
    })
}

/// Watches `groups` from `origin` on until `done`.
pub(super) fn watch(
    groups: &[Group],
    origin: Instant,
    follow: bool,
    done: &AtomicBool,
) -> Result<Watched, LocalError> {
    let mut watched = Watched::default();
    let mut last: Vec<Option<Option<Cores>>> = vec![None; groups.len()];
    // The first one is what the second is counted from.
    let mut next = Span::ZERO;
    while !done.load(Relaxed) {
        let now = Span(origin.elapsed().as_nanos() as u64);
        let mut sum = 0.0;
        for (group, last) in groups.iter().zip(&mut last) {
            let limit = group.read_limits()?.0;
            watched.updates += u64::from(last.is_some_and(|last| last != limit));
            *last = Some(limit);
            sum += limit.map_or(f64::INFINITY, Cores::as_f64);
        }
        if follow && watched.limits.last().is_none_or(|last| last.1 != sum) {
            watched.limits.push((now, sum));
        }
        if now >= next {
            let samples = groups.iter().map(sample).collect::<Result<_, _>>()?;
            watched.samples.push((now, samples));
            // One that was missed is missed.
            next = Span((now.0 / EVERY.0 + 1) * EVERY.0);
        }
        let wait = Duration::from_nanos(next.saturating_sub(now).0);
        std::thread::sleep(wait.min(if follow { LOOK } else { GLANCE }));
    }
    Ok(watched)
}
