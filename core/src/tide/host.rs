//! The half of Tide on one host: it divides the host's share of Ω among its
//! containers.
//!
//! Writing a quota refills the group's runtime with all of it, so a raise in
//! mid-period gives a container what it has used and its quota once more. Where the
//! share has room for both, the container is charged for both until the period is
//! over, and one write does. Where it has not, the write is only what is left of
//! quota and raise, and a second one puts the whole quota in force when the period
//! is over. Either way a container gets in a period what it is charged for, no more.
//!
//! The work per event does not depend on the number of containers.

use std::collections::VecDeque;

use crate::allocator::{Allocator, Limits};
use crate::command::Command;
use crate::observation::{Container, ContainerId, CpuPeriod, HostId, Observation};
use crate::share::HostReport;
use crate::units::{Cores, LEAST_QUOTA, Span, Time};

use super::config::Config;
use super::lease::Lease;

/// One container of the host.
#[derive(Clone, Debug, Default)]
struct State {
    member: bool,
    mean: f64,
    deviation: f64,
    /// Newest period and newest throttle seen.
    last_period: u64,
    last_throttle: u64,
    nr_throttled: u64,
    heard: Time,
    /// Periods that ended since the last raise.
    calm: u32,
    /// A throttle of this period was told.
    told: bool,
    /// Only a part of the quota is in force, until the period is over.
    part: bool,
    /// It stands still for want of a grant: what it had used then.
    waits: Option<u64>,
    /// It has a place among those who wait.
    queued: bool,
}

/// What the half on a host begins with.
#[derive(Clone, Debug, PartialEq)]
pub struct Half {
    /// Where it decides.
    pub host: HostId,
    /// Tide's parameters.
    pub config: Config,
    /// What of Ω it is lent.
    pub share: Cores,
    /// What a container that asks for nothing starts with.
    pub initial: Limits,
}

impl Half {
    /// The half, which has admitted nobody yet.
    pub(crate) fn start(self) -> Box<dyn Allocator> {
        let share = self.share.0;
        Box::new(HostHalf::new(self.host, self.config, share, self.initial))
    }
}

#[derive(Debug)]
pub(super) struct HostHalf {
    host: HostId,
    pub(super) config: Config,
    initial: Limits,
    pub(super) lease: Lease,
    states: Vec<State>,
    /// Who waits for a grant, in the order they came: first those whose quota is
    /// under an equal part of the share, then the others. Who was given its quota
    /// again by a period's end keeps its place for the next time.
    waiting: [VecDeque<ContainerId>; 2],
    /// Grants that were denied since the last report.
    unmet: u64,
    /// The share counts as short until then.
    short_until: Time,
    /// Reports sent.
    seq: u64,
    last_report: Time,
    next_report: Time,
    /// Where the next look at silent containers begins.
    next_look: usize,
}

/// A container of which nothing was heard for so many periods runs nothing: the
/// kernel stops the period timer of an idle group.
const SILENT: u64 = 10;

impl HostHalf {
    pub(super) fn new(host: HostId, config: Config, share: u64, initial: Limits) -> HostHalf {
        HostHalf {
            host,
            initial,
            lease: Lease::new(share),
            states: Vec::new(),
            waiting: Default::default(),
            unmet: 0,
            short_until: Time::ZERO,
            seq: 0,
            last_report: Time::ZERO,
            next_report: Time::ZERO + config.rebalance,
            next_look: 0,
            config,
        }
    }

    /// A container stands still: grant at once, or as soon as there is something.
    fn throttled(
        &mut self,
        now: Time,
        id: ContainerId,
        seq: u64,
        used: Span,
        out: &mut Vec<Command>,
    ) {
        let (Some(state), Some(quota)) = (self.states.get_mut(id.0 as usize), self.lease.quota(id))
        else {
            return;
        };
        if seq <= state.last_throttle {
            return;
        }
        state.last_throttle = seq;
        state.heard = now;
        state.told = true;
        let used = Cores::from_runtime(used, self.config.period).0;
        state.waits = Some(used);
        if !std::mem::replace(&mut state.queued, true) {
            let queue = usize::from(quota >= self.lease.equal());
            self.waiting[queue].push_back(id);
        }
        self.serve(out);
        if self.states[id.0 as usize].waits.is_some() {
            self.unmet += self.raise(quota);
            self.short_until = now + self.config.period;
            let soon = (self.last_report + self.config.urgent).max(now);
            self.next_report = self.next_report.min(soon);
        }
    }

    /// By how much a quota grows at a throttle.
    fn raise(&self, quota: u64) -> u64 {
        ((quota as f64 * self.config.grant) as u64).max(self.config.grant_least.0)
    }

    /// Grants to those who wait while there is something.
    fn serve(&mut self, out: &mut Vec<Command>) {
        for queue in 0..self.waiting.len() {
            while let Some(&id) = self.waiting[queue].front() {
                if let Some(used) = self.states[id.0 as usize].waits
                    && !self.grant(id, used, out)
                {
                    return;
                }
                let state = &mut self.states[id.0 as usize];
                state.waits = None;
                state.queued = false;
                self.waiting[queue].pop_front();
            }
        }
    }

    /// Raises the quota of a container that has `used` so much in this period; says
    /// whether there was room for it.
    fn grant(&mut self, id: ContainerId, used: u64, out: &mut Vec<Command>) -> bool {
        let Some(quota) = self.lease.quota(id) else {
            return true;
        };
        let period = self.config.period;
        let room = self.lease.room(id);
        let raise = self.raise(quota).min(room.saturating_sub(quota.max(used)));
        let raise = Cores(raise).whole(period).0;
        if Cores(raise).over(period) < LEAST_QUOTA {
            return false;
        }
        let Some((version, quota)) = self.lease.set(id, quota + raise) else {
            return true;
        };
        let limit = if used + quota <= room {
            quota
        } else {
            // CPUs that still hold some of the quota lose it to the write.
            quota.saturating_sub(used).max(raise)
        };
        self.lease
            .set_extra(id, (used + limit).saturating_sub(quota));
        let state = &mut self.states[id.0 as usize];
        state.part = limit < quota;
        state.calm = 0;
        out.push(Command::SetCpu {
            container: id,
            version,
            limit: Cores(limit),
        });
        true
    }

    /// A period is over: the quota follows use.
    fn period(&mut self, now: Time, report: &CpuPeriod, out: &mut Vec<Command>) {
        let id = report.container;
        let (Some(state), Some(quota)) = (self.states.get_mut(id.0 as usize), self.lease.quota(id))
        else {
            return;
        };
        if report.seq <= state.last_period {
            return;
        }
        state.last_period = report.seq;
        state.heard = now;
        state.calm = state.calm.saturating_add(1);
        let throttled = report.nr_throttled > state.nr_throttled;
        state.nr_throttled = report.nr_throttled;
        let used = Cores::from_runtime(report.usage, self.config.period).0 as f64;
        let weight = self.config.weight;
        state.deviation += weight * ((used - state.mean).abs() - state.deviation);
        state.mean += weight * (used - state.mean);
        let rest = state.mean + self.config.deviations * state.deviation;
        let calm = state.calm > self.config.calm && !throttled;
        let part = std::mem::take(&mut state.part);
        let told = std::mem::take(&mut state.told);
        state.waits = None;
        self.lease.set_extra(id, 0);

        let equal = self.lease.equal();
        let short = now < self.short_until || self.lease.recalled();
        let wanted = if short && quota > equal {
            // Those above an equal part make room.
            rest.min(quota as f64 * (1.0 - self.config.yielding))
                .max(equal as f64)
        } else if calm {
            rest
        } else {
            // It has just shown that it needs what it has.
            quota as f64
        };
        let wanted = Cores((wanted as u64).max(self.config.floor.0));
        let wanted = wanted.whole(self.config.period).0;
        let write = if (wanted as f64) < quota as f64 * (1.0 - self.config.slack) {
            self.lease.set(id, wanted)
        } else if throttled && !told {
            // The news of it was lost: late is better than never.
            let raise = self.raise(quota).min(self.lease.free());
            let raised = Cores(quota + raise).whole(self.config.period).0;
            self.lease.set(id, raised)
        } else if part {
            self.lease.announce(id).map(|version| (version, quota))
        } else {
            None
        };
        if let Some((version, limit)) = write {
            out.push(Command::SetCpu {
                container: id,
                version,
                limit: Cores(limit),
            });
        }
        self.serve(out);
    }

    /// Looks at some of the containers for those that have fallen silent, at all of
    /// them within [`SILENT`] looks. They need nothing, and will be told of if they
    /// do.
    fn look_for_silent(&mut self, now: Time, out: &mut Vec<Command>) {
        let count = self.states.len();
        let silent = Span(SILENT * self.config.period.0);
        let floor = self.config.floor.whole(self.config.period).0;
        for _ in 0..count.div_ceil(SILENT as usize) {
            let index = self.next_look % count;
            self.next_look = index + 1;
            let state = &mut self.states[index];
            let id = ContainerId(index as u32);
            if !state.member || now.since(state.heard) < silent {
                continue;
            }
            state.mean = 0.0;
            state.deviation = 0.0;
            if self.lease.quota(id) > Some(floor)
                && let Some((version, limit)) = self.lease.set(id, floor)
            {
                out.push(Command::SetCpu {
                    container: id,
                    version,
                    limit: Cores(limit),
                });
            }
        }
    }

    fn report(&mut self, now: Time, out: &mut Vec<Command>) {
        let (version, share) = self.lease.settle();
        self.seq += 1;
        out.push(Command::Report(HostReport {
            host: self.host,
            seq: self.seq,
            version,
            share: Cores(share),
            wanted: Cores(self.lease.held() + self.unmet),
        }));
        // Those who still wait want it still.
        let waiting = self.waiting.iter().flatten();
        self.unmet = waiting
            .filter(|id| self.states[id.0 as usize].waits.is_some())
            .filter_map(|&id| self.lease.quota(id))
            .map(|quota| self.raise(quota))
            .sum();
        self.last_report = now;
        self.next_report = now + self.config.rebalance;
    }

    fn leave(&mut self, id: ContainerId) {
        self.lease.leave(id);
        if let Some(state) = self.states.get_mut(id.0 as usize) {
            *state = State::default();
        }
    }
}

impl Allocator for HostHalf {
    fn admit(&mut self, now: Time, container: Container) -> Limits {
        let index = container.id.0 as usize;
        if index >= self.states.len() {
            self.states.resize(index + 1, State::default());
        }
        let initial = container.requested.unwrap_or(self.initial);
        let wanted = initial.cpu.min(Cores(self.lease.free()));
        let wanted = wanted.whole(self.config.period);
        let cpu = self.lease.join(container.id, wanted.0);
        let state = &mut self.states[index];
        state.member = true;
        state.mean = cpu as f64;
        state.heard = now;
        Limits {
            cpu: Cores(cpu),
            memory: initial.memory,
        }
    }

    fn observe(&mut self, now: Time, what: &Observation, out: &mut Vec<Command>) {
        match what {
            Observation::Throttled {
                container,
                seq,
                used,
            } => self.throttled(now, *container, *seq, *used, out),
            Observation::Period(report) => self.period(now, report, out),
            Observation::CpuApplied { container, version } => {
                self.lease.applied(*container, *version);
                self.serve(out);
            }
            Observation::Share(share) if share.host == self.host => {
                self.lease.lent(share);
                self.serve(out);
            }
            Observation::Stopped(container) => {
                self.leave(*container);
                self.serve(out);
            }
            _ => {}
        }
    }

    fn next_wake(&self) -> Option<Time> {
        Some(self.next_report)
    }

    fn wake(&mut self, now: Time, out: &mut Vec<Command>) {
        self.look_for_silent(now, out);
        self.report(now, out);
    }

    fn wants_periods(&self) -> bool {
        true
    }

    fn wants_throttles(&self) -> bool {
        true
    }
}
