//! Throttles, told when they happen or before: by the kernel where it lets a
//! [program](crate::bpf) do that, else by looking at a container's use when its quota
//! would run out.
//!
//! By itself the kernel tells nobody that a group stands still. But a look at what it has used
//! costs a microsecond, and at the rate of its use so far the moment at which its quota
//! runs out is known. So each container is looked at when that could be, at the latest
//! every 10 ms while it runs and every 20 ms while it is idle, unless it has so much left
//! that all CPUs together could not run through it until then. It counts as throttled when
//! it has nearly nothing left: the raise then comes before it stands still. No rate is
//! believed to be under one core: a thread that wakes up runs at that.

use std::collections::BTreeSet;

use tidegate_core::{ContainerId, Observation, Span, Time};

use super::host::Host;
use crate::cgroup::PERIOD;

/// Who has less left is told to be throttled. The kernel counts use at its ticks (4 ms
/// at 250 Hz) and throttles there: at the next tick it would be over. Ours.
const NEARLY: Span = Span::from_millis(3);
/// The least time between two looks at one container. Ours.
const LEAST: Span = Span::from_millis(1);
/// The most while it runs: it may start threads. Ours.
const MOST: Span = Span::from_millis(10);
/// The most while it is idle. Ours.
const MOST_IDLE: Span = Span::from_millis(20);
/// Looks that have time fall on multiples of this, so that one turn serves many. Ours.
const GRID: Span = Span::from_millis(2);

/// What is known of how a container runs through its quota.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ThrottleWatch {
    /// Throttles told.
    seq: u64,
    /// Told since the runtime was last refilled.
    told: bool,
    looked: Time,
    used: Span,
}

impl ThrottleWatch {
    /// The kernel has refilled the runtime.
    pub(super) fn refilled(&mut self) {
        self.told = false;
    }

    /// Whether a throttle is to be told, which it then is.
    fn is_news(&mut self) -> bool {
        !std::mem::replace(&mut self.told, true)
    }

    /// Takes in that `usage` is used by `now` and that `left` can be used before it is
    /// throttled, on up to `cpus` CPUs. Says how long to wait until the next look; nothing
    /// if it is as good as throttled.
    fn wait(&mut self, now: Time, usage: Span, left: Span, cpus: u64) -> Option<Span> {
        let used = usage.saturating_sub(self.used);
        let time = now.since(self.looked);
        self.used = usage;
        self.looked = now;
        if left <= NEARLY {
            return None;
        }
        let spare = (left - NEARLY).0;
        // It lasts that long whatever it starts.
        let surely = Span(spare / cpus.max(1));
        if used == Span(0) {
            return Some(MOST_IDLE.max(surely));
        }
        // In time of the clock: CPU time over the rate, in cores.
        let lasts = match used > time {
            true => u128::from(spare) * u128::from(time.0) / u128::from(used.0),
            false => u128::from(spare),
        };
        Some(Span(lasts as u64).max(LEAST).min(MOST.max(surely)))
    }
}

/// The CPUs that this host has online, whichever of them the agent itself may use; as many
/// as can be where the kernel does not say.
pub(super) fn cpus() -> u64 {
    let stat = std::fs::read_to_string("/proc/stat").unwrap_or_default();
    let each = |line: &&str| {
        line.strip_prefix("cpu")
            .is_some_and(|rest| !rest.starts_with(' '))
    };
    match stat.lines().filter(each).count() {
        0 => u64::MAX,
        count => count as u64,
    }
}

/// When a look is due in `wait`: never later than that.
fn on_grid(now: Time, wait: Span) -> Time {
    let due = now + wait;
    if wait < GRID * 2 {
        return due;
    }
    Time(due.0 - due.0 % GRID.0)
}

impl Host {
    /// Whether somebody wants to know of throttles.
    fn wants_throttles(&self) -> bool {
        match &self.half {
            Some(half) => half.wants_throttles(),
            None => self.wants.throttles,
        }
    }

    /// Whether containers are to be looked at for throttles: the kernel does not tell.
    pub(super) fn watches_throttles(&self) -> bool {
        self.events.is_none() && self.wants_throttles()
    }

    /// The kernel has told of throttles.
    pub(super) fn throttle_events(&mut self) {
        // A group is told of once per CPU on which it stands still.
        let mut containers = BTreeSet::new();
        while let Some(group) = self.events.as_mut().and_then(|events| events.next()) {
            containers.extend(self.groups.get(&group).copied());
        }
        if !self.wants_throttles() || self.lease.is_alone() {
            return;
        }
        for id in containers {
            self.throttled(id);
        }
        self.work_off();
    }

    fn throttled(&mut self, id: ContainerId) {
        let Some(member) = self.members.get_mut(&id).filter(|member| member.admitted) else {
            return;
        };
        let usage = match member.group.cpu_usage() {
            Ok(usage) => usage,
            Err(error) => return self.trouble(id, error),
        };
        let quota = member.group.cpu_limit().unwrap_or_default().over(PERIOD);
        // Who has nearly all of its quota was given it after it stood still. The rest may
        // be in slices that other CPUs hold.
        let fresh = member.cpu.left(quota, usage) > Span(quota.0 / 4 * 3);
        if !fresh && member.throttle.is_news() {
            self.tell_throttle(id, usage);
        }
    }

    /// Looks at the containers whose quota may have run out.
    pub(super) fn look_for_throttles(&mut self, now: Time) {
        if self.throttles.next().is_none_or(|time| time > now) || self.lease.is_alone() {
            return;
        }
        while let Some(id) = self.throttles.take_due(now) {
            let member = self.members.get(&id).filter(|member| member.admitted);
            match member.map(|member| member.group.cpu_usage()) {
                Some(Ok(usage)) => self.look_for_throttle(id, usage),
                Some(Err(error)) => self.trouble(id, error),
                None => {}
            }
        }
        self.work_off();
    }

    /// Looks at what a container has left, which has used `usage` now.
    pub(super) fn look_for_throttle(&mut self, id: ContainerId, usage: Span) {
        if !self.expect_throttle(id, usage)
            && let Some(member) = self.members.get_mut(&id)
            && member.throttle.is_news()
        {
            self.tell_throttle(id, usage);
        }
    }

    /// Says when to look next at a container that has used `usage` now. False if it is as
    /// good as throttled.
    pub(super) fn expect_throttle(&mut self, id: ContainerId, usage: Span) -> bool {
        let (now, cpus) = (self.now(), self.cpus);
        let member = self.members.get_mut(&id).filter(|member| member.admitted);
        let Some((member, quota)) = member.and_then(|m| m.group.cpu_limit().map(|q| (m, q))) else {
            return true;
        };
        let left = member.cpu.left(quota.over(PERIOD), usage);
        let wait = member.throttle.wait(now, usage, left, cpus);
        let due = on_grid(now, wait.unwrap_or(MOST));
        self.throttles.set(id, Some(due));
        wait.is_some()
    }

    /// A container stands still, or is about to.
    fn tell_throttle(&mut self, id: ContainerId, usage: Span) {
        let Some(member) = self.members.get_mut(&id) else {
            return;
        };
        member.throttle.seq += 1;
        let throttled = Observation::Throttled {
            container: id,
            seq: member.throttle.seq,
            used: member.cpu.used_in_period(usage),
        };
        self.see_cpu(throttled);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Span = Span::from_millis;

    fn at(ms: u64) -> Time {
        Time::ZERO + MS(ms)
    }

    #[test]
    fn a_container_is_looked_at_when_its_quota_may_have_run_out() {
        let mut watch = ThrottleWatch::default();
        // One thread has used 4 of 10 ms: 3 ms until nearly nothing is left.
        assert_eq!(watch.wait(at(4), MS(4), MS(6), 2), Some(MS(3)));
        assert_eq!(watch.wait(at(7), MS(7), MS(3), 2), None);
        // Told once.
        assert!(watch.is_news());
        assert!(!watch.is_news());
        watch.refilled();
        assert!(watch.is_news());
        // Two threads run through 20 - 3 ms in half that time.
        assert_eq!(
            watch.wait(at(10), MS(13), MS(20), 2),
            Some(Span::from_micros(8_500))
        );
        // Never longer than it may take to start threads...
        assert_eq!(watch.wait(at(12), MS(14), MS(100), 64), Some(MS(10)));
        // ... but two CPUs take 20 ms at least for 43 - 3.
        assert_eq!(watch.wait(at(14), MS(15), MS(43), 2), Some(MS(20)));
    }

    #[test]
    fn who_is_idle_is_looked_at_less_often() {
        let mut watch = ThrottleWatch::default();
        assert_eq!(watch.wait(at(100), MS(0), MS(8), 2), Some(MS(20)));
        assert_eq!(watch.wait(at(120), MS(1), MS(8), 2), Some(MS(5)));
        // Whatever wakes up, two CPUs take 40 ms at least for 83 - 3.
        assert_eq!(watch.wait(at(140), MS(1), MS(83), 2), Some(MS(40)));
        assert_eq!(watch.wait(at(180), MS(1), MS(83), u64::MAX), Some(MS(20)));
    }

    #[test]
    fn the_host_has_cpus() {
        let usable = std::thread::available_parallelism().unwrap().get() as u64;
        assert!((usable..u64::MAX).contains(&cpus()));
    }

    #[test]
    fn looks_that_have_time_are_together_and_never_late() {
        assert_eq!(on_grid(at(1), MS(20)), at(20));
        assert_eq!(on_grid(at(2), MS(20)), at(22));
        assert_eq!(on_grid(at(1), MS(4)), at(4));
        assert_eq!(on_grid(at(1), MS(3)), at(4));
    }
}
