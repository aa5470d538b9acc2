//! Delivery: a command that nobody answers is sent again.
//!
//! Messages get lost, and what a policy has charged for a command stays charged
//! until the host answers (see [`pool`](crate::pool)). This stands between a policy
//! and the world, changes nothing that goes through it, and repeats the newest
//! command to each addressee until its answer comes: with the version it had, so
//! that a host which has carried it out only answers again.
//!
//! Not repeated is [`DenyMemory`](Command::DenyMemory): who waits for memory asks
//! again.

use std::collections::BTreeMap;

use crate::allocator::{Allocator, Bounds, Limits};
use crate::command::Command;
use crate::half::Half;
use crate::observation::{Container, ContainerId, HostId, Observation};
use crate::units::{Span, Time};

/// Time to the first repetition: the least that Linux waits for an answer over TCP
/// (`TCP_RTO_MIN`). Each further wait is twice the last.
pub const FIRST_WAIT: Span = Span::from_millis(200);
/// The longest wait between two repetitions, so that a host that is back after a
/// long time does not wait long for its limits. Ours.
pub const LONGEST_WAIT: Span = Span::from_millis(6_400);

/// What a command is about: a newer one takes the place of an older one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Subject {
    Cpu(ContainerId),
    Memory(ContainerId),
    Share(HostId),
    Restart(ContainerId),
}

/// A command that waits for its answer.
#[derive(Clone, Copy, Debug)]
struct Unanswered {
    command: Command,
    version: u64,
    again: Time,
    wait: Span,
}

/// A policy whose commands are repeated until they are answered.
pub struct Delivery {
    policy: Box<dyn Allocator>,
    unanswered: BTreeMap<Subject, Unanswered>,
    /// When to look for commands to repeat: at the latest when the first is due.
    next: Option<Time>,
}

impl Delivery {
    /// `policy`, its commands delivered.
    pub fn new(policy: Box<dyn Allocator>) -> Delivery {
        Delivery {
            policy,
            unanswered: BTreeMap::new(),
            next: None,
        }
    }

    /// Notes what has just been commanded.
    fn sent(&mut self, now: Time, commands: &[Command]) {
        for &command in commands {
            let (subject, version) = match command {
                Command::SetCpu {
                    container, version, ..
                } => (Subject::Cpu(container), version),
                Command::SetMemory {
                    container, version, ..
                }
                | Command::Reclaim {
                    container, version, ..
                } => (Subject::Memory(container), version),
                Command::Lend(share) => (Subject::Share(share.host), share.version),
                Command::Restart { container, version } => (Subject::Restart(container), version),
                Command::DenyMemory { .. } | Command::Report(_) => continue,
            };
            let again = now + FIRST_WAIT;
            self.unanswered.insert(
                subject,
                Unanswered {
                    command,
                    version,
                    again,
                    wait: FIRST_WAIT,
                },
            );
            self.next = Some(self.next.map_or(again, |next| next.min(again)));
        }
    }

    fn answered(&mut self, subject: Subject, version: u64) {
        if let Some(unanswered) = self.unanswered.get(&subject)
            && unanswered.version <= version
        {
            self.unanswered.remove(&subject);
        }
    }

    fn repeat(&mut self, now: Time, out: &mut Vec<Command>) {
        for unanswered in self.unanswered.values_mut() {
            if unanswered.again <= now {
                out.push(unanswered.command);
                unanswered.wait = (unanswered.wait * 2).min(LONGEST_WAIT);
                unanswered.again = now + unanswered.wait;
            }
        }
        self.next = self.unanswered.values().map(|sent| sent.again).min();
    }
}

impl Allocator for Delivery {
    fn admit(&mut self, now: Time, container: Container) -> Limits {
        self.policy.admit(now, container)
    }

    fn observe(&mut self, now: Time, what: &Observation, out: &mut Vec<Command>) {
        match *what {
            Observation::CpuApplied { container, version } => {
                self.answered(Subject::Cpu(container), version);
            }
            Observation::MemoryApplied {
                container, version, ..
            } => self.answered(Subject::Memory(container), version),
            Observation::HostReport(report) => {
                self.answered(Subject::Share(report.host), report.version);
            }
            Observation::Stopped(container) | Observation::Lost(container) => {
                self.unanswered.remove(&Subject::Cpu(container));
                self.unanswered.remove(&Subject::Memory(container));
                self.unanswered.remove(&Subject::Restart(container));
            }
            // A restart is answered by the start.
            Observation::Started(container) => {
                self.unanswered.remove(&Subject::Restart(container));
            }
            _ => {}
        }
        let before = out.len();
        self.policy.observe(now, what, out);
        self.sent(now, &out[before..]);
    }

    fn next_wake(&self) -> Option<Time> {
        match (self.policy.next_wake(), self.next) {
            (Some(policy), Some(repeat)) => Some(policy.min(repeat)),
            (policy, repeat) => policy.or(repeat),
        }
    }

    fn wake(&mut self, now: Time, out: &mut Vec<Command>) {
        if self.next.is_some_and(|next| next <= now) {
            self.repeat(now, out);
        }
        if self.policy.next_wake().is_some_and(|next| next <= now) {
            let before = out.len();
            self.policy.wake(now, out);
            self.sent(now, &out[before..]);
        }
    }

    fn wants_periods(&self) -> bool {
        self.policy.wants_periods()
    }

    fn wants_throttles(&self) -> bool {
        self.policy.wants_throttles()
    }

    fn bounds(&self) -> Bounds {
        self.policy.bounds()
    }

    /// A share that was on its way to the half before this one is not for it.
    fn host_half(&mut self, host: HostId) -> Option<Half> {
        self.unanswered.remove(&Subject::Share(host));
        self.policy.host_half(host)
    }

    fn sampling(&self) -> Option<Span> {
        self.policy.sampling()
    }

    fn traps_out_of_memory(&self) -> bool {
        self.policy.traps_out_of_memory()
    }
}

#[cfg(test)]
mod tests;
