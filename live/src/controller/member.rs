//! One container as a session knows it.
//!
//! Agents count what they send from 1, and begin anew when they are started anew; a
//! policy must see numbers that only grow. So each count goes on where the last agent's
//! ended.

use tidegate_core::{Bytes, Command, Cores, CpuPeriod, Limits, Observation, Span};

use crate::wire::greeting::Standing;

/// Numbers that go on over agents.
#[derive(Clone, Copy, Debug, Default)]
struct Count {
    base: u64,
    last: u64,
}

impl Count {
    /// A number of the agent's, as the policy is told it.
    fn told(&mut self, number: u64) -> u64 {
        let told = self.base.saturating_add(number);
        self.last = self.last.max(told);
        told
    }

    /// Another agent counts from 1.
    fn anew(&mut self) {
        self.base = self.last;
    }
}

/// One container of a host's session.
#[derive(Clone, Debug, Default)]
pub(super) struct Member {
    /// As last commanded or, of memory, as found in force.
    limits: Limits,
    /// The version of the last memory command.
    asked: u64,
    /// It waits for memory, as far as is known.
    waiting: bool,
    /// It was evicted, and has not started since.
    pub(super) evicted: bool,
    periods: Count,
    throttles: Count,
    samples: Count,
    waits: Count,
    throttled: Count,
    kills: Count,
    /// For those who look on.
    pub(super) seen: Seen,
}

/// What was last seen of a container.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Mean CPU use over the last period or sample.
    pub cpu: Cores,
    /// Memory in use.
    pub memory: Bytes,
    /// Throttled periods since it was admitted.
    pub throttled: u64,
    /// Times it waited for memory.
    pub waits: u64,
    /// Of those, answered with a larger limit.
    pub rescues: u64,
    /// Kills for memory.
    pub kills: u64,
}

impl Member {
    /// A container that was admitted with `limits`. What was told of it `before`, when
    /// it was admitted the last time, is not told again.
    pub(super) fn new(limits: Limits, found: &Standing, before: Option<Member>) -> Member {
        let mut member = Member {
            limits,
            asked: 0,
            waiting: false,
            evicted: false,
            throttled: Count::default(),
            kills: Count::default(),
            ..before.unwrap_or_default()
        };
        member.new_agent();
        member.kills.told(found.kills);
        member
    }

    /// Another agent tells of it from now on.
    pub(super) fn new_agent(&mut self) {
        self.periods.anew();
        self.throttles.anew();
        self.samples.anew();
        self.waits.anew();
        self.throttled.anew();
        self.kills.anew();
    }

    /// How often it was killed while nobody told.
    pub(super) fn missed_kills(&mut self, found: &Standing) -> u64 {
        let before = self.kills.last;
        self.kills.told(found.kills);
        let missed = self.kills.last - before;
        self.seen.kills += missed;
        missed
    }

    /// The limits that are to be in force.
    pub(super) fn limits(&self) -> Limits {
        self.limits
    }

    /// What its host tells of it, as the policy is to see it.
    pub(super) fn told(&mut self, what: Observation, period: Span) -> Observation {
        match what {
            Observation::Period(report) => {
                self.seen.cpu = Cores::from_runtime(report.usage, period);
                let nr_throttled = self.throttled.told(report.nr_throttled);
                self.seen.throttled = nr_throttled;
                Observation::Period(CpuPeriod {
                    seq: self.periods.told(report.seq),
                    nr_throttled,
                    ..report
                })
            }
            Observation::Throttled {
                container,
                seq,
                used,
            } => Observation::Throttled {
                container,
                seq: self.throttles.told(seq),
                used,
            },
            Observation::Usage {
                container,
                seq,
                cpu,
                memory,
            } => {
                (self.seen.cpu, self.seen.memory) = (cpu, memory);
                Observation::Usage {
                    container,
                    seq: self.samples.told(seq),
                    cpu,
                    memory,
                }
            }
            Observation::OutOfMemory {
                container,
                event,
                first,
                limit,
            } => {
                self.seen.waits += u64::from(event == first);
                self.waiting = true;
                Observation::OutOfMemory {
                    container,
                    event: self.waits.told(event),
                    first: self.waits.told(first),
                    limit,
                }
            }
            Observation::Killed(_) => {
                self.kills.last += 1;
                self.seen.kills += 1;
                self.waiting = false;
                what
            }
            Observation::MemoryApplied { version, limit, .. } => {
                // A host answers what it was asked, and nothing newer.
                if version == self.asked {
                    self.limits.memory = limit;
                }
                what
            }
            _ => what,
        }
    }

    /// What it is told, as its host is to see it.
    pub(super) fn tell(&mut self, command: Command) -> Command {
        match command {
            Command::SetCpu { limit, .. } => {
                self.limits.cpu = limit;
                command
            }
            Command::SetMemory { version, limit, .. } => {
                if limit > self.limits.memory && std::mem::take(&mut self.waiting) {
                    self.seen.rescues += 1;
                }
                self.asked = version;
                self.limits.memory = limit;
                command
            }
            Command::Reclaim { version, .. } => {
                self.asked = version;
                command
            }
            Command::Restart { .. } => {
                self.evicted = true;
                command
            }
            Command::DenyMemory { container, event } => {
                self.waiting = false;
                Command::DenyMemory {
                    container,
                    event: event.saturating_sub(self.waits.base),
                }
            }
            _ => command,
        }
    }
}
