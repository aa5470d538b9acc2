//! Tide: the throttle trap.
//!
//! Escra traps an out-of-memory before the kill, but it learns of a CPU throttle
//! only when the period is over. Tide traps throttles too: a half of the policy on
//! each host is told of a throttle when it happens and raises the quota within a
//! fraction of a millisecond, from a share of Ω that the controller has lent to
//! that host. A container can then rest near its mean use, because being wrong
//! costs a moment instead of a period.
//!
//! - `host`: the half on a host: grants at throttles, quotas that follow use.
//! - This file: the controller: it lends, rebalances and recalls shares so that
//!   their sum never passes Ω, and decides memory as Escra does.

mod host;

use serde::{Deserialize, Serialize};

use crate::allocator::{Allocator, Limits};
use crate::command::Command;
use crate::escra;
use crate::escra::memory::MemoryAllocator;
use crate::observation::{Container, ContainerId, HostId, Observation};
use crate::pool::Pool;
use crate::share::Share;
use crate::units::{Bytes, Cores, Span, Time};

use host::HostHalf;

/// Tide's parameters.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Weight of the last period in the mean of use and in its mean deviation.
    pub weight: f64,
    /// Mean deviations above the mean at which a quota rests.
    pub deviations: f64,
    /// A grant at a throttle: this share of the quota, ...
    pub grant: f64,
    /// ... but at least this much.
    pub grant_least: Cores,
    /// No quota falls below this.
    pub floor: Cores,
    /// A quota falls only if it would fall by more than this share of itself:
    /// each write costs the kernel something and refills the group's runtime.
    pub slack: f64,
    /// Time between two looks at the shares of the hosts.
    pub rebalance: Span,
    /// Memory: Escra's allocator, with a smaller standing margin.
    pub memory_grant: Bytes,
    /// Memory left above usage by a reclaim.
    pub memory_margin: Bytes,
    /// Length of the bandwidth periods; no key of files, the hosts decide it.
    #[serde(skip)]
    pub period: Span,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            weight: 0.1,
            deviations: 0.5,
            grant: 0.25,
            grant_least: Cores::from_millis(50),
            floor: Cores::from_millis(20),
            slack: 0.05,
            rebalance: Span::from_millis(100),
            memory_grant: Bytes(5000 * 4096),
            memory_margin: Bytes::from_mib(20),
            period: Span::from_millis(100),
        }
    }
}

impl Config {
    /// Says which parameter is out of its range, if any.
    pub fn check(&self) -> Result<(), String> {
        for (name, value, least, most) in [
            ("weight", self.weight, 0.001, 1.0),
            ("deviations", self.deviations, 0.0, 100.0),
            ("grant", self.grant, 0.0, 10.0),
            ("slack", self.slack, 0.0, 1.0),
        ] {
            if !(least..=most).contains(&value) {
                return Err(format!(
                    "`{name}` must be between {least} and {most}, not {value}"
                ));
            }
        }
        if self.floor < Cores::from_millis(10) {
            return Err(format!(
                "`floor` must be at least 0.01 cores, not {}",
                self.floor
            ));
        }
        if self.grant_least < Cores::from_millis(1) {
            return Err(format!(
                "`grant_least` must be at least 0.001 cores, not {}",
                self.grant_least
            ));
        }
        if self.rebalance < Span::from_millis(1) {
            return Err(format!(
                "`rebalance` must be at least 1ms, not {}",
                self.rebalance
            ));
        }
        if self.memory_grant == Bytes::ZERO {
            return Err("`memory_grant` must be above zero".to_owned());
        }
        Ok(())
    }
}

/// The controller's half.
#[derive(Debug)]
pub struct Tide {
    config: Config,
    /// Ω lent to hosts, which are its members under their numbers.
    shares: Pool,
    /// What each host needs, as it last said.
    wanted: Vec<u64>,
    last_report: Vec<u64>,
    memory: MemoryAllocator,
    initial: Limits,
    hosts: usize,
    next_wake: Time,
    next_reclaim: Time,
    reclaim_every: Span,
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
            next_wake: Time::ZERO + config.rebalance,
            next_reclaim: Time::ZERO + escra.reclaim_after,
            reclaim_every: escra.reclaim_every,
            shares,
            wanted: vec![0; hosts],
            last_report: vec![0; hosts],
            initial: Limits {
                cpu: Cores(cpu.0 / n),
                memory: memory.scale((1.0 - escra.withheld) / n as f64),
            },
            memory: MemoryAllocator::new(&escra, memory),
            hosts,
            config,
        }
    }

    /// Shares follow need: everybody gets what it wants and an equal part of what
    /// is left over; if there is too little, those that want most are cut to one
    /// level (max-min fairness).
    fn rebalance(&mut self, out: &mut Vec<Command>) {
        let omega = self.shares.limit();
        let targets = fair(&self.wanted, omega);
        let left = omega.saturating_sub(targets.iter().sum()) / self.hosts as u64;
        // A change of little worth is not worth a message.
        let least = omega / 100;
        for (index, target) in targets.iter().map(|target| target + left).enumerate() {
            let host = HostId(index as u32);
            let current = self.shares.target(member(host)).unwrap_or(0);
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

/// Splits `total` by max-min fairness among those who want `wanted`.
fn fair(wanted: &[u64], total: u64) -> Vec<u64> {
    let mut order: Vec<usize> = (0..wanted.len()).collect();
    order.sort_by_key(|&index| (wanted[index], index));
    let mut given = vec![0; wanted.len()];
    let mut left = total;
    for (done, &index) in order.iter().enumerate() {
        let level = left / (order.len() - done) as u64;
        given[index] = wanted[index].min(level);
        left -= given[index];
    }
    given
}

impl Allocator for Tide {
    fn admit(&mut self, _now: Time, container: Container) -> Limits {
        Limits {
            cpu: self.initial.cpu,
            memory: self.memory.admit(container.id, self.initial.memory),
        }
    }

    fn observe(&mut self, _now: Time, what: &Observation, out: &mut Vec<Command>) {
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
            }
            Observation::OutOfMemory {
                container,
                event,
                first,
                ..
            } => self.memory.out_of_memory(container, event, first, out),
            Observation::MemoryApplied {
                container,
                version,
                limit,
            } => self.memory.applied(container, version, limit, out),
            Observation::Stopped(container) => self.memory.leave(container, out),
            _ => {}
        }
    }

    fn next_wake(&self) -> Option<Time> {
        Some(self.next_wake.min(self.next_reclaim))
    }

    fn wake(&mut self, now: Time, out: &mut Vec<Command>) {
        if self.next_wake <= now {
            self.next_wake = now + self.config.rebalance;
            self.rebalance(out);
        }
        if self.next_reclaim <= now {
            self.next_reclaim = now + self.reclaim_every;
            self.memory.reclaim_all(out);
        }
    }

    fn wants_periods(&self) -> bool {
        true
    }

    fn traps_out_of_memory(&self) -> bool {
        true
    }

    fn host_half(&mut self, host: HostId) -> Option<Box<dyn Allocator>> {
        let share = self.shares.target(member(host))?;
        Some(Box::new(HostHalf::new(
            host,
            self.config.clone(),
            share,
            self.initial,
        )))
    }
}

#[cfg(test)]
mod tests;
