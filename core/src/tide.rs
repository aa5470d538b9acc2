//! Tide: the throttle trap.
//!
//! Escra traps an out-of-memory before the kill, but it learns of a CPU throttle
//! only when the period is over. Tide traps throttles too: a half of the policy on
//! each host is told of a throttle when it happens and raises the quota within a
//! fraction of a millisecond, from a share of Ω that the controller has lent to
//! that host. A container can then rest near its mean use, because being wrong
//! costs a moment instead of a period.
//!
//! - `config`: the parameters.
//! - `lease`: what a host was lent, and what of it is out.
//! - `host`: the half on a host: grants at throttles, quotas that follow use.
//! - `reclaim`: whom to ask for memory back, and when.
//! - This file: the controller: it lends, rebalances and recalls shares so that
//!   their sum never passes Ω, and decides memory as Escra does, but for when to
//!   reclaim.

mod config;
mod host;
mod lease;
mod reclaim;

use crate::allocator::{Allocator, Bounds, Limits};
use crate::command::Command;
use crate::escra;
use crate::escra::memory::MemoryAllocator;
use crate::observation::{Container, ContainerId, HostId, Observation};
use crate::pool::Pool;
use crate::share::Share;
use crate::units::{Bytes, Cores, Time};

pub use config::Config;
pub use host::Half;
use reclaim::Reclaims;

/// The controller's half.
#[derive(Debug)]
pub struct Tide {
    config: Config,
    /// Ω lent to hosts, which are its members under their numbers.
    shares: Pool,
    /// What each host needs, as it last said, and its containers.
    wanted: Vec<u64>,
    members: Vec<u64>,
    homes: Vec<Option<HostId>>,
    last_report: Vec<u64>,
    memory: MemoryAllocator,
    reclaims: Reclaims,
    initial: Limits,
    last_wake: Time,
    /// How many containers each host has lost that will be back.
    lost: Vec<u32>,
    next_wake: Time,
}

impl Tide {
    /// A controller for `containers` containers on `hosts` hosts under Ω.
    pub fn new(config: Config, cpu: Cores, memory: Bytes, containers: usize, hosts: usize) -> Tide {
        let escra = escra::Config {
            grant: config.memory_grant,
            margin: config.memory_margin,
            ..escra::Config::default()
        };
        let n = containers.max(1) as u64;
        let hosts = hosts.max(1);
        let mut shares = Pool::new(cpu.0);
        for host in 0..hosts {
            shares.join(member(HostId(host as u32)), cpu.0 / hosts as u64);
        }
        Tide {
            last_wake: Time::ZERO,
            next_wake: Time::ZERO + config.rebalance,
            shares,
            wanted: vec![0; hosts],
            members: vec![0; hosts],
            homes: Vec::new(),
            last_report: vec![0; hosts],
            initial: Limits {
                cpu: Cores(cpu.0 / n),
                memory: memory.scale((1.0 - escra.withheld) / n as f64),
            },
            memory: MemoryAllocator::new(&escra, memory),
            reclaims: Reclaims::new(&config),
            lost: vec![0; hosts],
            config,
        }
    }

    /// A container is gone, and its host with it if `lost`. When a host has lost
    /// its last one, its half has nobody left to hand its share to: the share is
    /// free again but for what its containers start with.
    fn gone(&mut self, container: ContainerId, lost: bool, out: &mut Vec<Command>) {
        let keep = if lost { self.initial } else { Limits::NONE };
        self.memory.leave(container, keep.memory, out);
        self.reclaims.leave(container);
        let home = self.homes.get_mut(container.0 as usize);
        let Some(host) = home.and_then(Option::take) else {
            return;
        };
        let index = host.0 as usize;
        let Some(members) = self.members.get_mut(index) else {
            return;
        };
        *members = members.saturating_sub(1);
        if !lost {
            return;
        }
        self.lost[index] += 1;
        if self.members[index] == 0 {
            let keep = keep.cpu.0 * u64::from(self.lost[index]);
            self.shares.vacate(member(host), keep);
            self.wanted[index] = 0;
            self.last_report[index] = 0;
        }
    }

    /// Shares follow need: everybody gets what it wants and an equal part of what
    /// is left over; if there is too little, those that want most per container are
    /// cut to one level (max-min fairness).
    fn rebalance(&mut self, out: &mut Vec<Command>) {
        let omega = self.shares.limit();
        let targets = fair(&self.wanted, &self.members, omega);
        let hosts = self.shares.members().max(1) as u64;
        let left = omega.saturating_sub(targets.iter().sum()) / hosts;
        // A change of little worth is not worth a message.
        let least = omega / 100;
        for (index, target) in targets.iter().map(|target| target + left).enumerate() {
            let host = HostId(index as u32);
            let Some(current) = self.shares.target(member(host)) else {
                continue;
            };
            if target.abs_diff(current) < least {
                continue;
            }
            if let Some((version, limit)) = self.shares.set(member(host), target) {
                out.push(Command::Lend(Share {
                    host,
                    version,
                    cpu: Cores(limit),
                }));
            }
        }
    }
}

/// A host as a member of the pool of shares.
fn member(host: HostId) -> ContainerId {
    ContainerId(host.0)
}

/// Splits `total` by max-min fairness among those who want `wanted`, one level for
/// each of their `members`.
fn fair(wanted: &[u64], members: &[u64], total: u64) -> Vec<u64> {
    let members = |index: usize| members[index].max(1);
    let mut order: Vec<usize> = (0..wanted.len()).collect();
    order.sort_by_key(|&index| (wanted[index] / members(index), index));
    let mut given = vec![0; wanted.len()];
    let mut left = total;
    let mut to_serve: u64 = order.iter().map(|&index| members(index)).sum();
    for index in order {
        let level = u128::from(left) * u128::from(members(index)) / u128::from(to_serve);
        given[index] = wanted[index].min(level as u64);
        left -= given[index];
        to_serve -= members(index);
    }
    given
}

impl Allocator for Tide {
    fn admit(&mut self, now: Time, container: Container) -> Limits {
        let index = container.id.0 as usize;
        if index >= self.homes.len() {
            self.homes.resize(index + 1, None);
        }
        self.homes[index] = Some(container.host);
        if let Some(members) = self.members.get_mut(container.host.0 as usize) {
            *members += 1;
        }
        self.reclaims.join(now, container.id);
        let wanted = container.requested.unwrap_or(self.initial);
        Limits {
            memory: self.memory.admit(container.id, wanted.memory),
            ..wanted
        }
    }

    fn observe(&mut self, now: Time, what: &Observation, out: &mut Vec<Command>) {
        let before = out.len();
        match *what {
            Observation::HostReport(report) => {
                let index = report.host.0 as usize;
                let Some(last) = self.last_report.get_mut(index) else {
                    return;
                };
                if report.seq <= *last {
                    return;
                }
                *last = report.seq;
                self.wanted[index] = report.wanted.0;
                self.shares
                    .confirm(member(report.host), report.version, report.share.0);
                if report.wanted > report.share {
                    let soon = (self.last_wake + self.config.urgent).max(now);
                    self.next_wake = self.next_wake.min(soon);
                }
            }
            Observation::OutOfMemory {
                container,
                event,
                first,
                limit,
            } => self
                .memory
                .out_of_memory(container, event, first, limit, out),
            Observation::MemoryApplied {
                container,
                version,
                limit,
            } => {
                let freed = self.memory.applied(container, version, limit, out);
                if freed >= self.config.memory_grant {
                    self.reclaims.unsettled(now, container);
                }
            }
            Observation::Killed(container) => self.reclaims.unsettled(now, container),
            Observation::Stopped(container) => self.gone(container, false, out),
            Observation::Lost(container) => self.gone(container, true, out),
            _ => {}
        }
        self.reclaims.sent(now, &out[before..]);
        self.reclaims.pool(self.memory.is_low());
    }

    fn next_wake(&self) -> Option<Time> {
        let reclaim = self.reclaims.next().unwrap_or(self.next_wake);
        Some(self.next_wake.min(reclaim))
    }

    fn wake(&mut self, now: Time, out: &mut Vec<Command>) {
        if self.next_wake <= now {
            self.last_wake = now;
            self.next_wake = now + self.config.rebalance;
            self.rebalance(out);
        }
        let due = self.reclaims.take_due(now);
        if !due.is_empty() {
            // While somebody waits for memory all are being asked anyway.
            self.memory.reclaim_from(|id| due.contains(id), out);
        }
    }

    fn wants_periods(&self) -> bool {
        true
    }

    fn traps_out_of_memory(&self) -> bool {
        true
    }

    fn bounds(&self) -> Bounds {
        Bounds {
            cpu: Some(Cores(self.shares.limit())),
            memory: Some(self.memory.omega()),
            // A grant in the middle of a period writes only what is left of it.
            floor: Cores::ZERO,
        }
    }

    fn host_half(&mut self, host: HostId) -> Option<crate::Half> {
        // Back after a loss, it has what was kept for it, in equal parts.
        let lost = std::mem::take(self.lost.get_mut(host.0 as usize)?);
        let kept = self.shares.kept(member(host));
        let share = self.shares.join(member(host), kept);
        let part = share.checked_div(u64::from(lost)).map_or(u64::MAX, |p| p);
        let initial = Limits {
            cpu: self.initial.cpu.min(Cores(part)),
            ..self.initial
        };
        Some(crate::Half::Tide(Half {
            host,
            config: self.config.clone(),
            share: Cores(share),
            initial,
        }))
    }
}

#[cfg(test)]
mod tests;
