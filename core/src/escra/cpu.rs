//! Escra's CPU side: one decision per reported period.

use crate::command::Command;
use crate::observation::{ContainerId, CpuPeriod};
use crate::pool::Pool;
use crate::units::{Cores, LEAST_QUOTA, Span};

use super::window::Window;
use super::{Config, GammaUnit, Law};

/// Reports in a row with another quota than commanded after which the command
/// is taken to be lost. Code: "more than 2".
const LOST_AFTER: u32 = 2;

/// What is remembered of one container.
#[derive(Clone, Debug)]
struct State {
    nr_throttled: u64,
    last_seq: u64,
    /// What this container was denied below its fair share.
    owed: u64,
    mismatches: u32,
    /// Throttles are differences of the kernel's counter, so a lost report shows as
    /// a value above 1 in the next.
    window: Window,
}

/// Decides CPU quotas from period reports under Ω.
#[derive(Debug)]
pub(super) struct CpuAllocator {
    law: Law,
    kappa: f64,
    gamma: f64,
    gamma_unit: GammaUnit,
    upsilon: f64,
    window: usize,
    slice: f64,
    floor: f64,
    unused_step: f64,
    period: Span,
    pool: Pool,
    states: Vec<Option<State>>,
    /// Sum of what is owed to all.
    owed: u64,
    /// Ω divided by the number of members.
    fair: f64,
}

impl CpuAllocator {
    pub(super) fn new(config: &Config, omega: Cores) -> CpuAllocator {
        CpuAllocator {
            law: config.law,
            kappa: config.kappa,
            gamma: config.gamma,
            gamma_unit: config.gamma_unit,
            upsilon: config.upsilon,
            window: config.window,
            slice: config.slice.0 as f64,
            floor: config.floor.0 as f64,
            unused_step: config.unused_step.0 as f64,
            period: config.period,
            pool: Pool::new(omega.0),
            states: Vec::new(),
            owed: 0,
            fair: 0.0,
        }
    }

    pub(super) fn admit(&mut self, id: ContainerId, wanted: Cores) -> Cores {
        let index = id.0 as usize;
        if index >= self.states.len() {
            self.states.resize(index + 1, None);
        }
        let window = self.window;
        self.states[index].get_or_insert_with(|| State {
            nr_throttled: 0,
            last_seq: 0,
            owed: 0,
            mismatches: 0,
            window: Window::new(window),
        });
        let wanted = self.round(wanted.0.min(self.pool.free()) as f64);
        let given = Cores(self.pool.join(id, wanted));
        self.share();
        given
    }

    pub(super) fn omega(&self) -> Cores {
        Cores(self.pool.limit())
    }

    pub(super) fn floor(&self) -> Cores {
        Cores(self.floor as u64)
    }

    /// A container is gone; `keep` stays reserved for its return.
    pub(super) fn leave(&mut self, id: ContainerId, keep: Cores) {
        if let Some(state) = self.states.get_mut(id.0 as usize).and_then(Option::take) {
            self.owed -= state.owed;
        }
        self.pool.vacate(id, keep.0);
        self.share();
    }

    /// The fair share follows the number of members.
    fn share(&mut self) {
        let share = self.pool.limit() as f64 / self.pool.members() as f64;
        self.fair = self.round(share) as f64;
    }

    /// A killed container's starvation ends with it.
    pub(super) fn killed(&mut self, id: ContainerId) {
        if let Some(Some(state)) = self.states.get_mut(id.0 as usize) {
            self.owed -= std::mem::take(&mut state.owed);
        }
    }

    pub(super) fn applied(&mut self, id: ContainerId, version: u64) {
        self.pool.applied(id, version);
    }

    /// One period's end: at most one change of one quota.
    pub(super) fn report(&mut self, report: &CpuPeriod, out: &mut Vec<Command>) {
        let id = report.container;
        let Some(target) = self.pool.target(id) else {
            return;
        };
        let Some(Some(state)) = self.states.get_mut(id.0 as usize) else {
            return;
        };
        if report.seq <= state.last_seq {
            return;
        }
        state.last_seq = report.seq;
        let throttled = report.nr_throttled.saturating_sub(state.nr_throttled);
        state.nr_throttled = report.nr_throttled;

        // A period that ran under another quota than the last one commanded
        // says nothing about that one.
        if report.quota.0 != target {
            state.mismatches += 1;
            if state.mismatches > LOST_AFTER {
                state.mismatches = 0;
                self.command(id, report.quota.0, out);
            }
            return;
        }
        state.mismatches = 0;
        let unused = Cores::from_runtime(report.unused, self.period);
        state.window.push(throttled, unused);

        let (quota, unused) = (target as f64, unused.0 as f64);
        let wanted = match self.law {
            Law::Code => self.as_coded(id, quota, unused),
            Law::Paper => self.as_printed(id, quota, unused, throttled > 0),
        };
        let changed = wanted != target && self.command(id, wanted, out);
        if changed
            && self.law == Law::Code
            && let Some(Some(state)) = self.states.get_mut(id.0 as usize)
        {
            state.window.flush();
        }
    }

    /// The first matching rule of the authors' controller; returns the quota
    /// wanted.
    fn as_coded(&mut self, id: ContainerId, quota: f64, unused: f64) -> u64 {
        let free = self.pool.free() as f64;
        let fair = self.fair;
        let slice = self.slice;
        let Some(Some(state)) = self.states.get_mut(id.0 as usize) else {
            return quota as u64;
        };
        let throttled = state.window.throttled();

        // A claim lasts as long as the starvation: rule 2 makes it anew.
        self.owed -= state.owed;
        state.owed = 0;
        let short = self.owed.saturating_sub(self.pool.free());
        if short > 0 && quota > fair {
            // Above the fair share while somebody is starved: give back.
            let over = quota - fair;
            let share = over / fair;
            let mut give = if share > 1.0 {
                share * slice
            } else {
                share * over
            };
            if give < slice / 2.0 {
                give = over;
            }
            return self
                .round((quota - give.min(over).min(short as f64)).max(self.floor.min(quota)));
        }
        if quota < fair && throttled > 0.5 {
            // Starved: a part of what is missing to the fair share.
            let lack = fair - quota;
            let want = if lack > slice / 2.0 {
                lack / fair * lack
            } else {
                lack
            };
            let add = want.min(free);
            state.owed = (want - add) as u64;
            self.owed += state.owed;
            return self.round(quota + add);
        }
        if throttled >= 0.1 && free > 0.0 {
            return self.round(quota + free.min(self.upsilon * throttled * slice));
        }
        if unused > self.gamma * quota && quota >= slice {
            return self.round((self.kappa * quota).max(self.floor));
        }
        if state.window.unused() > self.unused_step && quota > slice {
            return self.round((quota - self.unused_step).max(self.floor));
        }
        quota as u64
    }

    /// The paper's two formulas; returns the quota wanted.
    ///
    /// "Σ C(i)_q" there is the unallocated runtime, Ω - Σ q. With Υ = 20 taken
    /// as a factor one throttled period in ten would ask for twice the pool;
    /// taken as a percentage it is a step of growth.
    fn as_printed(&self, id: ContainerId, quota: f64, unused: f64, throttled: bool) -> u64 {
        let Some(Some(state)) = self.states.get(id.0 as usize) else {
            return quota as u64;
        };
        if throttled {
            let free = self.pool.free() as f64;
            let add = state.window.throttled() * free * self.upsilon / 100.0;
            return self.round(quota + add.min(free));
        }
        let gamma = match self.gamma_unit {
            GammaUnit::Fraction => self.gamma * quota,
            GammaUnit::Milliseconds => self.gamma * 1e6 / self.period.0 as f64 * 1e9,
        };
        if unused > gamma {
            let shrunk = quota - self.kappa * state.window.unused();
            return self.round(shrunk.max(self.floor.min(quota)));
        }
        quota as u64
    }

    /// A quota as the kernel can hold it: in whole nanoseconds per period, and nothing
    /// where it is less than the kernel takes. It would make 1 ms of it, which the
    /// pool has not paid for; so the container stands still, and its reports say so.
    fn round(&self, quota: f64) -> u64 {
        let quota = Cores(quota as u64).whole(self.period);
        if quota.over(self.period) < LEAST_QUOTA {
            return 0;
        }
        quota.0
    }

    /// Commands a quota, if that changes anything.
    fn command(&mut self, id: ContainerId, wanted: u64, out: &mut Vec<Command>) -> bool {
        let Some((version, limit)) = self.pool.set(id, wanted) else {
            return false;
        };
        out.push(Command::SetCpu {
            container: id,
            version,
            limit: Cores(limit),
        });
        true
    }
}
