//! CPU telemetry: the ends of periods, samples of use, and throttles.

use tidegate_core::{ContainerId, Cores, CpuPeriod, Observation, Span, Time};

use super::host::Host;
use crate::cgroup::CpuStat;
use crate::cgroup::PERIOD;

/// The kernel's timer may be late, most of all in a virtual machine: whoever's period has
/// not ended when it should have is read again after this. Ours.
const LATE: Span = Span::from_millis(2);

/// What is known of a container's CPU use, and what was told of it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct CpuMeter {
    /// Reports and samples told.
    reports: u64,
    samples: u64,
    /// The accounting as of the last report, and as of the first.
    last: CpuStat,
    first: CpuStat,
    used_at_report: Span,
    /// CPU time used when its runtime was last refilled.
    used_at_refill: Span,
    used_at_sample: Span,
    sampled: Time,
}

impl CpuMeter {
    /// Counts from now on.
    fn begin(&mut self, now: Time, stat: CpuStat, usage: Span) {
        *self = CpuMeter {
            last: stat,
            first: stat,
            used_at_report: usage,
            used_at_refill: usage,
            used_at_sample: usage,
            sampled: now,
            ..*self
        };
    }

    /// A quota was written: the kernel has refilled the runtime.
    pub(super) fn refilled(&mut self, usage: Span) {
        self.used_at_refill = usage;
    }

    /// What is left of `quota` since the last refill.
    pub(super) fn left(&self, quota: Span, usage: Span) -> Span {
        quota.saturating_sub(usage.saturating_sub(self.used_at_refill))
    }

    /// What was used since the last period's end.
    pub(super) fn used_in_period(&self, usage: Span) -> Span {
        usage.saturating_sub(self.used_at_report)
    }

    /// Escra's report, if a period has ended since the last one. None while a group is
    /// idle: the kernel stops its timer.
    fn report(
        &mut self,
        container: ContainerId,
        quota: Cores,
        stat: CpuStat,
        usage: Span,
    ) -> Option<CpuPeriod> {
        let periods = stat.periods.saturating_sub(self.last.periods);
        if periods == 0 {
            return None;
        }
        let used = self.used_in_period(usage);
        // What the kernel has left in the pool: all of the quota but what was used since
        // the refill; of several periods, the mean.
        let quota_time = quota.over(PERIOD);
        let unused = match periods {
            1 => self.left(quota_time, usage),
            _ => quota_time.saturating_sub(Span(used.0 / periods)),
        };
        self.last = stat;
        self.used_at_report = usage;
        self.used_at_refill = usage;
        self.reports += 1;
        Some(CpuPeriod {
            container,
            seq: self.reports,
            quota,
            unused,
            usage: used,
            nr_throttled: stat.throttled.saturating_sub(self.first.throttled),
        })
    }

    /// Mean use since the last sample, and the sample's number.
    fn sample(&mut self, now: Time, usage: Span) -> Option<(u64, Cores)> {
        let span = now.since(self.sampled);
        if span == Span(0) {
            return None;
        }
        let used = usage.saturating_sub(self.used_at_sample);
        self.used_at_sample = usage;
        self.sampled = now;
        self.samples += 1;
        Some((self.samples, Cores::from_runtime(used, span)))
    }
}

impl Host {
    /// Whether somebody wants to know of periods or throttles.
    pub(super) fn is_metered(&self) -> bool {
        self.wants.periods || self.wants.throttles || self.half.is_some()
    }

    pub(super) fn begin_metering(&mut self, id: ContainerId, now: Time) {
        let Some(member) = self.members.get_mut(&id) else {
            return;
        };
        let read = member.group.cpu_stat();
        match read.and_then(|stat| Ok((stat, member.group.cpu_usage()?))) {
            Ok((stat, usage)) => member.cpu.begin(now, stat, usage),
            Err(error) => self.trouble(id, error),
        }
    }

    /// The end of a period: what each container used in it.
    pub(super) fn periods(&mut self) {
        if self.lease.is_alone() {
            return;
        }
        let all: Vec<ContainerId> = self.members.keys().copied().collect();
        if self.is_metered() {
            self.late = self.read_periods(&all);
            let again = self.now() + LATE;
            self.next_late = (!self.late.is_empty()).then_some(again);
        }
        for id in all {
            self.put_pending(id);
        }
    }

    /// The same for those whose period had not ended then.
    pub(super) fn late_periods(&mut self) {
        self.next_late = None;
        let late = std::mem::take(&mut self.late);
        if !self.lease.is_alone() {
            self.read_periods(&late);
        }
    }

    /// Reports what containers used. Returns those that run through their quota and whose
    /// period has not ended.
    fn read_periods(&mut self, ids: &[ContainerId]) -> Vec<ContainerId> {
        let watched = self.watches_throttles();
        let mut reports = Vec::new();
        let mut troubles = Vec::new();
        let mut look = Vec::new();
        let mut late = Vec::new();
        for &id in ids {
            let member = self.members.get_mut(&id).filter(|member| member.admitted);
            let Some(member) = member else {
                continue;
            };
            let quota = member.limits.map_or(Cores::ZERO, |limits| limits.cpu);
            let group = &member.group;
            let read = group.cpu_stat().and_then(|stat| {
                let usage = stat.usage.map_or_else(|| group.cpu_usage(), Ok)?;
                Ok((stat, usage))
            });
            match read {
                Ok((stat, usage)) => {
                    if let Some(report) = member.cpu.report(id, quota, stat, usage) {
                        member.throttle.refilled();
                        reports.push(report);
                    } else if member.cpu.used_in_period(usage) * 2 >= quota.over(PERIOD) {
                        late.push(id);
                    }
                    if watched {
                        look.push((id, usage));
                    }
                }
                Err(error) => troubles.push((id, error)),
            }
        }
        for report in reports {
            self.see_cpu(Observation::Period(report));
        }
        self.work_off();
        for (id, usage) in look {
            self.look_for_throttle(id, usage);
        }
        self.work_off();
        for (id, error) in troubles {
            self.trouble(id, error);
        }
        late
    }

    /// A sample of all containers' CPU and memory use.
    pub(super) fn samples(&mut self, now: Time) {
        let interval = self.wants.sampling.unwrap_or(PERIOD);
        let due = self.next_sample.unwrap_or(now);
        // One that came too late is not made up for.
        self.next_sample = Some((due + interval).max(now));
        if self.lease.is_alone() {
            return;
        }
        let mut seen = Vec::new();
        let mut troubles = Vec::new();
        for (&container, member) in &mut self.members {
            if !member.admitted {
                continue;
            }
            let read = member.group.cpu_usage();
            match read.and_then(|usage| Ok((usage, member.group.memory_usage()?))) {
                Ok((usage, memory)) => {
                    if let Some((seq, cpu)) = member.cpu.sample(now, usage) {
                        seen.push(Observation::Usage {
                            container,
                            seq,
                            cpu,
                            memory,
                        });
                    }
                }
                Err(error) => troubles.push((container, error)),
            }
        }
        for observation in seen {
            self.see(observation);
        }
        for (id, error) in troubles {
            self.trouble(id, error);
        }
    }
}
