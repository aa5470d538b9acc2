//! One container's CFS bandwidth group: who may run, for how long, and what a
//! period's end does.
//!
//! Follows `kernel/sched/fair.c`: a pool of runtime per period, handed to CPUs
//! in slices; a CPU that goes idle returns all but a little; a CPU that gets
//! nothing is throttled until the period ends, the pool is written, or the slack
//! timer hands out what others returned. The timer of an idle group stops.
//! Nothing here knows about hosts or time sharing: see [`machine`](crate::machine).

use std::collections::VecDeque;

use tidegate_core::{Span, Time};

use crate::testbed::{Cfs, Kernel};

/// Quota of a group without a limit.
pub const UNLIMITED: u64 = u64::MAX;

/// So close to a period's end nothing is handed out any more
/// (`min_bandwidth_expiration`).
const NEAR_END: Span = Span::from_millis(2);

/// Runtime a CPU holds of a group (`cfs_rq->runtime_remaining`).
#[derive(Clone, Copy, Debug, Default)]
struct Local {
    remaining: u64,
    /// The period it was handed out in.
    period: u32,
}

/// What the end of a period did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeriodEnd {
    /// The pool was refilled; the timer goes on.
    Refilled,
    /// Nothing ran: the timer stops until somebody does.
    Stopped,
}

/// A bandwidth group (`struct cfs_bandwidth` and its per-CPU parts).
#[derive(Clone, Debug)]
pub struct Group {
    cfs: Cfs,
    expire: bool,
    push_slack: bool,
    quota: u64,
    pool: u64,
    period: u32,
    locals: Vec<Local>,
    throttled: VecDeque<u16>,
    timer_runs: bool,
    /// No slice was handed out since the last refill.
    idle: bool,
    last_end: Time,
    next_end: Time,
    slack_armed: bool,
    nr_periods: u64,
    nr_throttled: u64,
}

impl Group {
    /// A group with `quota` nanoseconds per period whose first period starts
    /// with its first slice.
    pub fn new(cfs: Cfs, kernel: Kernel, quota: u64) -> Group {
        Group {
            cfs,
            expire: kernel.slices_expire(),
            push_slack: kernel.slack_timer_is_pushed(),
            quota,
            pool: quota,
            period: 0,
            locals: Vec::new(),
            throttled: VecDeque::new(),
            timer_runs: false,
            idle: true,
            last_end: Time::ZERO,
            next_end: Time::ZERO,
            slack_armed: false,
            nr_periods: 0,
            nr_throttled: 0,
        }
    }

    /// Quota per period, in nanoseconds.
    pub fn quota(&self) -> u64 {
        self.quota
    }

    /// Runtime left in the pool, in nanoseconds; what CPUs hold is not in it.
    pub fn pool(&self) -> u64 {
        self.pool
    }

    /// Periods in which the timer ran.
    pub fn nr_periods(&self) -> u64 {
        self.nr_periods
    }

    /// Periods that ended with a CPU throttled.
    pub fn nr_throttled(&self) -> u64 {
        self.nr_throttled
    }

    /// Runtime `cpu` may still use before it must ask for more.
    pub fn local(&mut self, cpu: u16) -> u64 {
        if self.quota == UNLIMITED {
            return UNLIMITED;
        }
        self.local_mut(cpu).remaining
    }

    fn local_mut(&mut self, cpu: u16) -> &mut Local {
        let index = usize::from(cpu);
        if index >= self.locals.len() {
            self.locals.resize(index + 1, Local::default());
        }
        let local = &mut self.locals[index];
        if local.period != self.period {
            local.period = self.period;
            if self.expire {
                local.remaining = 0;
            }
        }
        local
    }

    /// Takes a slice for `cpu` if it has none left (`assign_cfs_rq_runtime`).
    /// Returns the runtime it has then; zero means it must be throttled.
    /// The second value is the time at which the period timer must fire, if it
    /// has to be started.
    pub fn acquire(&mut self, cpu: u16, now: Time) -> (u64, Option<Time>) {
        if self.quota == UNLIMITED {
            return (UNLIMITED, None);
        }
        let held = self.local_mut(cpu).remaining;
        if held > 0 {
            return (held, None);
        }
        let timer = self.start_timer(now);
        let amount = self.pool.min(self.cfs.slice.0);
        self.local_mut(cpu).remaining = amount;
        if amount > 0 {
            self.pool -= amount;
            self.idle = false;
        }
        (amount, timer)
    }

    /// Starts the period timer if it stands (`start_cfs_bandwidth`): its ends
    /// stay where they would have been had it never stopped.
    fn start_timer(&mut self, now: Time) -> Option<Time> {
        if self.timer_runs {
            return None;
        }
        self.timer_runs = true;
        let period = self.cfs.period.0;
        let passed = now.since(self.last_end).0 / period;
        let next = if self.nr_periods == 0 {
            now + Span(period)
        } else {
            self.last_end + Span((passed + 1) * period)
        };
        self.period = self.period.wrapping_add(1);
        self.next_end = next;
        Some(next)
    }

    /// Charges `runtime` used by `cpu`.
    pub fn charge(&mut self, cpu: u16, runtime: u64) {
        if self.quota != UNLIMITED {
            let local = self.local_mut(cpu);
            local.remaining = local.remaining.saturating_sub(runtime);
        }
    }

    /// `cpu` goes idle: all but a little is returned to the pool
    /// (`__return_cfs_rq_runtime`). Says when the slack timer must fire, if it
    /// has to be started.
    pub fn release(&mut self, cpu: u16, now: Time) -> Option<Time> {
        if self.quota == UNLIMITED {
            return None;
        }
        let keep = self.cfs.keep.0;
        let local = self.local_mut(cpu);
        let returned = local.remaining.saturating_sub(keep);
        if returned == 0 {
            return None;
        }
        local.remaining = keep;
        self.pool += returned;
        let wanted = self.pool > self.cfs.slice.0 && !self.throttled.is_empty();
        // Not worth it where the period ends before it, or soon after.
        let in_time = now + self.cfs.slack_delay + NEAR_END <= self.next_end;
        if wanted && in_time && (self.push_slack || !self.slack_armed) {
            self.slack_armed = true;
            return Some(now + self.cfs.slack_delay);
        }
        None
    }

    /// `cpu` has nothing to run with: it waits.
    pub fn throttle(&mut self, cpu: u16) {
        if !self.throttled.contains(&cpu) {
            self.throttled.push_back(cpu);
        }
    }

    /// Whether `cpu` waits.
    pub fn is_throttled(&self, cpu: u16) -> bool {
        self.throttled.contains(&cpu)
    }

    /// The period timer fired (`do_sched_cfs_period_timer`). CPUs to wake are
    /// then taken with [`next_runnable`](Group::next_runnable).
    pub fn end_period(&mut self, now: Time) -> PeriodEnd {
        self.last_end = now;
        self.next_end = now + self.cfs.period;
        self.nr_periods += 1;
        let throttled = !self.throttled.is_empty();
        if self.idle && !throttled {
            self.timer_runs = false;
            return PeriodEnd::Stopped;
        }
        self.pool = self.quota;
        self.period = self.period.wrapping_add(1);
        self.idle = !throttled;
        self.nr_throttled += u64::from(throttled);
        PeriodEnd::Refilled
    }

    /// The slack timer fired: whether there is something to hand out.
    pub fn slack(&mut self, now: Time) -> bool {
        self.slack_armed = false;
        self.pool > self.cfs.slice.0 && now + NEAR_END <= self.next_end
    }

    /// The throttled CPU that waits longest, if the pool has something for it.
    pub fn next_runnable(&mut self) -> Option<u16> {
        if self.pool == 0 {
            return None;
        }
        self.throttled.pop_front()
    }

    /// Writes the quota (`tg_set_cfs_bandwidth`). The pool is refilled, what
    /// CPUs hold is taken back and throttled CPUs are to be woken, unless the
    /// testbed's `refill_on_write` is off.
    pub fn write(&mut self, quota: u64) {
        let was_unlimited = self.quota == UNLIMITED;
        self.quota = quota;
        if self.cfs.refill_on_write || was_unlimited || quota == UNLIMITED {
            self.pool = quota;
            self.locals.fill(Local {
                remaining: 0,
                period: self.period,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: Kernel = Kernel {
        major: 4,
        minor: 20,
    };
    const NEW: Kernel = Kernel { major: 6, minor: 8 };
    const MS: u64 = 1_000_000;

    fn group(kernel: Kernel, quota_ms: u64) -> Group {
        Group::new(Cfs::default(), kernel, quota_ms * MS)
    }

    #[test]
    fn a_slice_is_taken_and_all_but_a_millisecond_returned() {
        let mut group = group(NEW, 30);
        let (runtime, timer) = group.acquire(0, Time(7));
        assert_eq!(runtime, 5 * MS);
        assert_eq!(timer, Some(Time(7 + 100 * MS)));
        group.charge(0, 2 * MS);
        group.release(0, Time(7));
        assert_eq!(group.pool(), 27 * MS);
        assert_eq!(group.local(0), MS);
    }

    #[test]
    fn what_a_cpu_kept_is_lost_at_the_periods_end_on_the_old_kernel_only() {
        for (kernel, kept) in [(OLD, 0), (NEW, MS)] {
            let mut group = group(kernel, 30);
            group.acquire(3, Time(0));
            group.charge(3, 2 * MS);
            group.release(3, Time(0));
            assert_eq!(group.end_period(Time(100 * MS)), PeriodEnd::Refilled);
            assert_eq!(group.local(3), kept);
        }
    }

    #[test]
    fn an_idle_group_stops_its_timer_and_keeps_its_phase() {
        let mut group = group(NEW, 30);
        group.acquire(0, Time(0));
        assert_eq!(group.end_period(Time(100 * MS)), PeriodEnd::Refilled);
        assert_eq!(group.end_period(Time(200 * MS)), PeriodEnd::Stopped);
        group.charge(0, 5 * MS);
        let (_, timer) = group.acquire(0, Time(555 * MS));
        assert_eq!(timer, Some(Time(600 * MS)));
        assert_eq!(group.nr_periods(), 2);
    }

    #[test]
    fn a_cpu_that_gets_nothing_waits_for_the_period_and_is_counted_once() {
        let mut group = group(NEW, 5);
        assert_eq!(group.acquire(0, Time(0)).0, 5 * MS);
        assert_eq!(group.acquire(1, Time(0)).0, 0);
        group.throttle(1);
        assert_eq!(group.next_runnable(), None);
        group.end_period(Time(100 * MS));
        assert_eq!(group.nr_throttled(), 1);
        assert_eq!(group.next_runnable(), Some(1));
        group.end_period(Time(200 * MS));
        assert_eq!(group.nr_throttled(), 1);
    }

    #[test]
    fn returned_runtime_reaches_throttled_cpus_through_the_slack_timer_only() {
        let mut group = group(NEW, 10);
        group.acquire(0, Time(0));
        group.acquire(1, Time(0));
        group.acquire(2, Time(0));
        group.throttle(2);
        assert_eq!(group.release(0, Time(0)), None, "4 ms are below a slice");
        let timer = group.release(1, Time(0));
        assert_eq!(timer, Some(Time(5 * MS)));
        assert!(group.slack(Time(5 * MS)));
        assert_eq!(group.next_runnable(), Some(2));
    }

    #[test]
    fn each_return_pushes_the_slack_timer_on_the_old_kernel() {
        for (kernel, again) in [(OLD, true), (NEW, false)] {
            let mut group = group(kernel, 20);
            for cpu in 0..4 {
                group.acquire(cpu, Time(0));
            }
            group.throttle(9);
            group.release(0, Time(0));
            assert!(group.release(1, Time(0)).is_some());
            assert_eq!(group.release(2, Time(MS)).is_some(), again);
        }
    }

    #[test]
    fn a_write_refills_and_takes_back_what_cpus_hold() {
        let mut group = group(NEW, 10);
        group.acquire(0, Time(0));
        group.write(50 * MS);
        assert_eq!(group.pool(), 50 * MS);
        assert_eq!(group.local(0), 0);

        let cfs = Cfs {
            refill_on_write: false,
            ..Cfs::default()
        };
        let mut group = Group::new(cfs, NEW, 10 * MS);
        group.acquire(0, Time(0));
        group.write(50 * MS);
        assert_eq!((group.pool(), group.local(0)), (5 * MS, 5 * MS));
    }
}
