//! What must hold after every event, looked at from outside: on the hosts, whoever
//! the policy is. The policy only says what it promises (`Bounds`).

use tidegate_core::{Bounds, Limits, Observation};

use crate::watch::{Rare, Violation, Watch};

use super::World;

/// Kinds of observations that carry a number: reports of which an old one is no
/// news.
const KINDS: usize = 6;

/// What is remembered of one container.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    /// Highest number delivered to the controller, by kind.
    newest: [u64; KINDS],
    /// The least its CPU limit may be.
    floor: u64,
    cpu: (u64, u64),
    memory: (u64, u64),
}

/// Counters, and what it takes to judge the next event.
#[derive(Debug)]
pub(super) struct Watcher {
    pub(super) watch: Watch,
    bounds: Bounds,
    on: bool,
    seen: Vec<Seen>,
    /// Highest number of a host's reports delivered.
    reports: Vec<u64>,
}

impl Watcher {
    pub(super) fn new(on: bool, bounds: Bounds, hosts: u32) -> Watcher {
        Watcher {
            watch: Watch::default(),
            bounds,
            on,
            seen: Vec::new(),
            reports: vec![0; hosts as usize],
        }
    }

    pub(super) fn is_on(&self) -> bool {
        self.on
    }

    pub(super) fn count(&mut self, what: Rare) {
        self.watch.count(what);
    }

    /// A container starts with these limits; versions of commands begin anew.
    pub(super) fn admitted(&mut self, container: u32, limits: Limits) {
        let known = self.seen.len().max(container as usize + 1);
        self.seen.resize(known, Seen::default());
        let seen = &mut self.seen[container as usize];
        seen.floor = self.bounds.floor.min(limits.cpu).0;
        seen.cpu = (0, 0);
        seen.memory = (0, 0);
        seen.newest[4..].fill(0);
    }

    /// A host's half begins anew.
    pub(super) fn forget_host(&mut self, host: u32) {
        self.reports[host as usize] = 0;
    }

    /// Whether an observation that reaches the controller is news to it.
    pub(super) fn is_news(&mut self, what: &Observation) -> bool {
        let (newest, number) = match *what {
            Observation::Period(report) => (
                &mut self.seen[report.container.0 as usize].newest[0],
                report.seq,
            ),
            Observation::Throttled { container, seq, .. } => {
                (&mut self.seen[container.0 as usize].newest[1], seq)
            }
            Observation::Usage { container, seq, .. } => {
                (&mut self.seen[container.0 as usize].newest[2], seq)
            }
            Observation::OutOfMemory {
                container, event, ..
            } => (&mut self.seen[container.0 as usize].newest[3], event),
            Observation::CpuApplied { container, version } => {
                (&mut self.seen[container.0 as usize].newest[4], version)
            }
            Observation::MemoryApplied {
                container, version, ..
            } => (&mut self.seen[container.0 as usize].newest[5], version),
            Observation::HostReport(report) => {
                (&mut self.reports[report.host.0 as usize], report.seq)
            }
            _ => return true,
        };
        let news = number > *newest;
        *newest = number.max(*newest);
        news
    }
}

impl World<'_, '_> {
    /// Whether hardly anything is left of Ω on the hosts.
    pub(super) fn pool_is_empty(&self) -> bool {
        let limits = (0..self.instances.len() as u32)
            .filter(|&container| !self.is_lost(container))
            .map(|container| self.machine.limit(container).0);
        self.watch
            .bounds
            .cpu
            .is_some_and(|omega| limits.sum::<u64>() as f64 >= 0.99 * omega.0 as f64)
    }

    /// Looks at every invariant.
    pub(super) fn check(&mut self) {
        let now = self.queue.now();
        let (mut cpu, mut memory) = (0u64, 0u64);
        for index in 0..self.instances.len() {
            if self.is_lost(index as u32) {
                continue;
            }
            let limit = self.machine.limit(index as u32).0;
            let instance = &self.instances[index];
            cpu = cpu.saturating_add(limit);
            memory = memory.saturating_add(instance.memory.limit());
            let Watcher { watch, seen, .. } = &mut self.watch;
            let seen = &mut seen[index];
            if limit < seen.floor {
                watch.violated(Violation::Floor);
            }
            if instance.up && !instance.oom_waiting && instance.memory.over() {
                watch.violated(Violation::MemoryUse);
            }
            let now_seen = (instance.cpu_version, limit);
            if seen.cpu != now_seen {
                if seen.cpu.1 != 0 && seen.cpu.0 >= now_seen.0 {
                    watch.violated(Violation::StaleCommandActed);
                }
                seen.cpu = now_seen;
            }
            let now_seen = (instance.memory_version, instance.memory.limit());
            if seen.memory != now_seen {
                if seen.memory.1 != 0 && seen.memory.0 >= now_seen.0 {
                    watch.violated(Violation::StaleCommandActed);
                }
                seen.memory = now_seen;
            }
            let patience = self.experiment.testbed.oom.patience;
            if instance.oom_waiting && now.since(instance.oom_since) > patience {
                watch.violated(Violation::Hang);
            }
        }
        let bounds = self.watch.bounds;
        if bounds.cpu.is_some_and(|omega| cpu > omega.0) {
            self.watch.watch.violated(Violation::CpuSum);
        }
        if bounds.memory.is_some_and(|omega| memory > omega.0) {
            self.watch.watch.violated(Violation::MemorySum);
        }
    }

    /// Whether a container is no more, or its host is down.
    fn is_lost(&self, container: u32) -> bool {
        self.instances[container as usize].gone
            || self.faults.hosts[self.machine.host(container) as usize].down
    }

    /// Looks at what a reclaim has left.
    pub(super) fn check_reclaim(&mut self, before: u64, used: u64, margin: u64, after: u64) {
        if after < before.min(used.saturating_add(margin)) {
            self.watch.watch.violated(Violation::Reclaim);
        }
    }

    /// Looks at how a policy took an observation that was no news.
    pub(super) fn check_stale(&mut self, commands: usize) {
        self.watch.count(Rare::StaleReport);
        if commands > 0 {
            self.watch.watch.violated(Violation::StaleReportActed);
        }
    }
}
