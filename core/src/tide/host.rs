//! The half of Tide on one host.
//!
//! It holds a share of Ω and divides it among the host's containers. The sum of
//! their quotas never passes the share, also while a share is being recalled: the
//! share then falls as fast as quotas do.
//!
//! Writing a quota refills the group's runtime with all of it. A container that
//! was throttled has used most of its quota for this period already; so a grant
//! writes only what is left of quota and grants, and all of them again when the
//! period is over. What a container gets in a period is then its quota and its
//! grants, not twice that.

use crate::allocator::{Allocator, Limits};
use crate::command::Command;
use crate::observation::{Container, ContainerId, CpuPeriod, HostId, Observation};
use crate::pool::Pool;
use crate::share::{HostReport, Share};
use crate::units::{Cores, Span, Time};

use super::Config;

/// One container of the host.
#[derive(Clone, Debug, Default)]
struct State {
    mean: f64,
    deviation: f64,
    last_seq: u64,
    last_throttle: u64,
    nr_throttled: u64,
    /// A grant is in force instead of the quota, until the period is over.
    granted: bool,
    member: bool,
}

#[derive(Debug)]
pub(super) struct HostHalf {
    host: HostId,
    pub(super) config: Config,
    initial: Limits,
    /// What the host may hand out. Its limit is the most it was ever lent;
    /// `share` says how much of that it still has.
    quotas: Pool,
    share: u64,
    /// What the controller wants the share to become.
    target: u64,
    version: u64,
    states: Vec<State>,
    /// Grants that could not be made since the last report.
    unmet: u64,
    seq: u64,
    next_report: Time,
}

impl HostHalf {
    pub(super) fn new(host: HostId, config: Config, share: u64, initial: Limits) -> HostHalf {
        HostHalf {
            host,
            initial,
            quotas: Pool::new(u64::MAX / 4),
            share,
            target: share,
            version: 0,
            states: Vec::new(),
            unmet: 0,
            seq: 0,
            next_report: Time::ZERO + config.rebalance,
            config,
        }
    }

    fn free(&self) -> u64 {
        self.share.saturating_sub(self.quotas.held())
    }

    /// A container stands still: grant at once.
    fn throttled(&mut self, id: ContainerId, seq: u64, used: Span, out: &mut Vec<Command>) {
        let free = self.free();
        let Some(state) = self.states.get_mut(id.0 as usize) else {
            return;
        };
        if seq <= state.last_throttle {
            return;
        }
        state.last_throttle = seq;
        let Some(quota) = self.quotas.target(id) else {
            return;
        };
        let wanted = (quota as f64 * self.config.grant) as u64;
        let wanted = wanted.max(self.config.grant_least.0);
        let period = self.config.period;
        let grant = Cores(wanted.min(free)).whole(period).0;
        self.unmet += wanted - grant;
        if Cores(grant).over(period) < LEAST {
            return;
        }
        if let Some((version, quota)) = self.quotas.set(id, quota + grant) {
            state.granted = true;
            // CPUs that still hold some of the quota lose it to the write.
            let used = Cores::from_runtime(used, period).0;
            out.push(Command::SetCpu {
                container: id,
                version,
                limit: Cores(quota.saturating_sub(used).max(grant)),
            });
        }
    }

    /// A period is over: the quota follows use.
    fn period(&mut self, report: &CpuPeriod, out: &mut Vec<Command>) {
        let Some(state) = self.states.get_mut(report.container.0 as usize) else {
            return;
        };
        if report.seq <= state.last_seq || !state.member {
            return;
        }
        state.last_seq = report.seq;
        let was_throttled = report.nr_throttled > state.nr_throttled;
        state.nr_throttled = report.nr_throttled;
        let used = Cores::from_runtime(report.usage, self.config.period).0 as f64;
        let weight = self.config.weight;
        state.deviation += weight * ((used - state.mean).abs() - state.deviation);
        state.mean += weight * (used - state.mean);
        let rest = state.mean + self.config.deviations * state.deviation;

        let granted = std::mem::take(&mut state.granted);
        let id = report.container;
        let Some(quota) = self.quotas.target(id) else {
            return;
        };
        // Where the share is short, those above an equal part make room.
        let short = self.unmet > 0 || self.quotas.held() > self.target;
        let equal = self.target / self.quotas.members().max(1) as u64;
        let wanted = if short && quota > equal {
            rest.min(quota as f64 * (1.0 - self.config.grant))
                .max(equal as f64)
        } else if was_throttled || granted {
            // It has just shown that it needs what it has.
            quota as f64
        } else {
            rest
        };
        let wanted = Cores((wanted as u64).max(self.config.floor.0));
        let wanted = wanted.whole(self.config.period).0;
        let command = if (wanted as f64) < quota as f64 * (1.0 - self.config.slack) {
            self.quotas.set(id, wanted)
        } else if granted {
            self.quotas.announce(id).map(|version| (version, quota))
        } else {
            None
        };
        if let Some((version, limit)) = command {
            out.push(Command::SetCpu {
                container: id,
                version,
                limit: Cores(limit),
            });
        }
    }

    /// The controller lends more, or wants something back.
    fn lent(&mut self, share: &Share) {
        if share.host != self.host || share.version <= self.version {
            return;
        }
        self.version = share.version;
        self.target = share.cpu.0;
        self.share = self.target.max(self.quotas.held());
    }

    fn leave(&mut self, id: ContainerId) {
        self.quotas.leave(id);
        if let Some(state) = self.states.get_mut(id.0 as usize) {
            *state = State::default();
        }
    }
}

/// The kernel takes no quota below this per period.
const LEAST: Span = Span::from_millis(1);

impl Allocator for HostHalf {
    fn admit(&mut self, _now: Time, container: Container) -> Limits {
        let index = container.id.0 as usize;
        if index >= self.states.len() {
            self.states.resize(index + 1, State::default());
        }
        self.states[index].member = true;
        let wanted = Cores(self.initial.cpu.0.min(self.free()));
        let wanted = wanted.whole(self.config.period);
        let cpu = self.quotas.join(container.id, wanted.0);
        self.states[index].mean = cpu as f64;
        Limits {
            cpu: Cores(cpu),
            memory: self.initial.memory,
        }
    }

    fn observe(&mut self, _now: Time, what: &Observation, out: &mut Vec<Command>) {
        match what {
            Observation::Throttled {
                container,
                seq,
                used,
            } => self.throttled(*container, *seq, *used, out),
            Observation::Period(report) => self.period(report, out),
            Observation::CpuApplied { container, version } => {
                self.quotas.applied(*container, *version);
            }
            Observation::Share(share) => self.lent(share),
            Observation::Stopped(container) => self.leave(*container),
            _ => {}
        }
    }

    fn next_wake(&self) -> Option<Time> {
        Some(self.next_report)
    }

    fn wake(&mut self, now: Time, out: &mut Vec<Command>) {
        self.next_report = now + self.config.rebalance;
        // A share that is being recalled falls with the quotas.
        self.share = self.target.max(self.quotas.held());
        self.seq += 1;
        out.push(Command::Report(HostReport {
            host: self.host,
            seq: self.seq,
            version: self.version,
            share: Cores(self.share),
            wanted: Cores(self.quotas.held() + self.unmet),
        }));
        self.unmet = 0;
    }

    fn wants_periods(&self) -> bool {
        true
    }

    fn wants_throttles(&self) -> bool {
        true
    }
}
