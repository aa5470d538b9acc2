//! What another policy would have done.
//!
//! The other policy sees what was recorded, as far as that would have been the same, and
//! answers; each of its commands is in force at once. What a container needs is taken from
//! the recording and does not change: it used so much CPU in a period, and so much memory.
//! A period counts as throttled where that is all of the other policy's quota or more, or
//! where the recorded period was throttled under no less.
//!
//! That is all a recording can say. CPU that a container would have used had it been given
//! more is not in it, nor what it would have made up for later; time within a period is
//! not either, so a policy that answers throttles as they happen is told of them when the
//! period is over.

use std::collections::BTreeMap;
use std::io::Read;

use tidegate_core::{
    Allocator, Bytes, Command, Container, ContainerId, Cores, CpuPeriod, Half, HostId, Limits,
    Observation, Span, Time,
};

use super::ReplayError;
use crate::record::format::Call;
use crate::record::reader::Reader;
use crate::wire::WireError;

/// One side's limits and what came of them, over all containers, at a time.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sum {
    /// CPU limits.
    pub cpu: Cores,
    /// Memory limits.
    pub memory: Bytes,
    /// Throttled periods so far.
    pub throttled: u64,
    /// Waits for memory so far, and kills.
    pub waits: u64,
    /// See `waits`.
    pub kills: u64,
    /// Commands so far that changed a limit.
    pub commands: u64,
}

/// A row of the comparison.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Row {
    /// Its time.
    pub time: Time,
    /// CPU that was used over the last step, on average.
    pub used: Cores,
    /// As recorded.
    pub recorded: Sum,
    /// As it would have been.
    pub shadow: Sum,
}

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Comparison {
    /// A row for each step.
    pub rows: Vec<Row>,
    /// CPU limits over the whole time, on average: as recorded, and as it would have been.
    pub cpu_mean: [f64; 2],
    /// The same of memory limits, in MiB.
    pub memory_mean: [f64; 2],
    /// CPU that was used over the whole time, on average.
    pub used_mean: f64,
    /// Periods that were recorded. Without any, nothing can be said of CPU.
    pub periods: u64,
}

/// What is known of a container.
#[derive(Clone, Debug, Default)]
struct State {
    host: u32,
    /// As recorded, and of the shadow.
    limits: [Limits; 2],
    /// What it was last known to use.
    memory: Bytes,
    /// Counts of throttles: as recorded last, and the shadow's.
    throttled: [u64; 2],
    throttles: u64,
    events: u64,
    waits: bool,
}

struct Shadow<'a> {
    policy: &'a mut dyn Allocator,
    halves: BTreeMap<u32, Option<Box<dyn Allocator>>>,
    containers: BTreeMap<ContainerId, State>,
    period: Span,
    now: Time,
    /// Of each side, limits times nanoseconds.
    areas: [[f64; 2]; 2],
    used: f64,
    used_in_step: f64,
    sums: [Sum; 2],
    periods: u64,
}

/// Plays a recording to `policy`, with a row each `step`.
///
/// # Errors
/// When the recording cannot be read.
pub fn play<R: Read>(
    reader: &mut Reader<R>,
    policy: &mut dyn Allocator,
    step: Span,
) -> Result<Comparison, ReplayError> {
    let period = Span(reader.header().period.max(1));
    let mut shadow = Shadow {
        policy,
        halves: BTreeMap::new(),
        containers: BTreeMap::new(),
        period,
        now: Time::ZERO,
        areas: [[0.0; 2]; 2],
        used: 0.0,
        used_in_step: 0.0,
        sums: [Sum::default(); 2],
        periods: 0,
    };
    let mut rows = Vec::new();
    let step = Span(step.0.max(1));
    let mut next_row = Time::ZERO + step;
    let mut calls = 0;
    while let Some(entry) = reader.next_entry()? {
        calls += 1;
        let time = Time(entry.time);
        while next_row <= time {
            shadow.wake_until(next_row);
            rows.push(shadow.row(next_row, step));
            next_row = next_row + step;
        }
        shadow.wake_until(time);
        let wire = |error: WireError| ReplayError::Wire(calls, error);
        match entry.call.ok_or(wire(WireError::Missing("call")))? {
            Call::Admit(admit) => shadow.admit(admit.container(), admit.given()),
            Call::Seen(seen) => shadow.seen(&seen.observation().map_err(wire)?),
            // The other policy has wakes and halves of its own.
            Call::Wake(_) | Call::Half(_) => {}
        }
        for command in entry.commands().map_err(wire)? {
            shadow.recorded(&command);
        }
    }
    let end = shadow.now;
    rows.push(shadow.row(end, step));
    let whole = end.0.max(1) as f64;
    let mean = |side: usize, what: usize| shadow.areas[side][what] / whole;
    Ok(Comparison {
        rows,
        cpu_mean: [mean(0, 0), mean(1, 0)],
        memory_mean: [mean(0, 1), mean(1, 1)],
        used_mean: shadow.used / whole,
        periods: shadow.periods,
    })
}

impl Shadow<'_> {
    /// Time goes on to `time`.
    fn advance(&mut self, time: Time) {
        let passed = time.since(self.now).0 as f64;
        for (side, area) in self.areas.iter_mut().enumerate() {
            area[0] += self.sums[side].cpu.as_f64() * passed;
            area[1] += self.sums[side].memory.as_mib_f64() * passed;
        }
        self.now = self.now.max(time);
    }

    /// Wakes whoever is due until `time`.
    fn wake_until(&mut self, time: Time) {
        loop {
            let due = |policy: &dyn Allocator| policy.next_wake().filter(|&next| next <= time);
            let mut first = due(&*self.policy).map(|next| (next, None));
            for (&host, half) in &self.halves {
                let next = half.as_deref().and_then(due);
                if let Some(next) = next
                    && first.is_none_or(|(other, _)| next < other)
                {
                    first = Some((next, Some(host)));
                }
            }
            let Some((next, who)) = first else {
                break;
            };
            let next = next.max(self.now);
            self.advance(next);
            let mut out = Vec::new();
            match who {
                None => self.policy.wake(next, &mut out),
                Some(host) => {
                    if let Some(Some(half)) = self.halves.get_mut(&host) {
                        half.wake(next, &mut out);
                    }
                }
            }
            self.carry_out(out);
        }
        self.advance(time);
    }

    fn row(&mut self, time: Time, step: Span) -> Row {
        let used = std::mem::take(&mut self.used_in_step) / step.0 as f64;
        Row {
            time,
            used: Cores::from_f64(used),
            recorded: self.sums[0],
            shadow: self.sums[1],
        }
    }

    /// Sets a limit of one side, and keeps its sums.
    fn set(&mut self, side: usize, id: ContainerId, limits: Limits) {
        let Some(state) = self.containers.get_mut(&id) else {
            return;
        };
        let old = std::mem::replace(&mut state.limits[side], limits);
        let sum = &mut self.sums[side];
        sum.cpu = (sum.cpu + limits.cpu).saturating_sub(old.cpu);
        sum.memory = (sum.memory + limits.memory).saturating_sub(old.memory);
    }

    fn admit(&mut self, container: Container, given: Limits) {
        let now = self.now;
        let host = container.host.0;
        if !self.halves.contains_key(&host) {
            let half = self.policy.host_half(container.host).map(Half::start);
            self.halves.insert(host, half);
        }
        // What it had found in force was of the recorded policy's making.
        let container = Container {
            requested: None,
            ..container
        };
        let mut limits = self.policy.admit(now, container);
        if let Some(Some(half)) = self.halves.get_mut(&host) {
            limits.cpu = half.admit(now, container).cpu;
        }
        let state = self.containers.entry(container.id).or_default();
        state.host = host;
        self.set(0, container.id, given);
        self.set(1, container.id, limits);
    }

    /// A recorded command: the recorded side's limits follow it.
    fn recorded(&mut self, command: &Command) {
        let Some(state) = command.container().and_then(|id| self.containers.get(&id)) else {
            return;
        };
        let mut limits = state.limits[0];
        match *command {
            Command::SetCpu {
                container, limit, ..
            } => {
                limits.cpu = limit;
                self.sums[0].commands += 1;
                self.set(0, container, limits);
            }
            Command::SetMemory {
                container, limit, ..
            } => {
                limits.memory = limit;
                self.sums[0].commands += 1;
                self.set(0, container, limits);
            }
            _ => {}
        }
    }

    /// A recorded observation: tells the policy what of it would have been the same.
    fn seen(&mut self, what: &Observation) {
        match *what {
            Observation::Period(report) => self.period(&report),
            Observation::Usage {
                container,
                seq,
                cpu,
                memory,
            } => {
                let Some(state) = self.containers.get_mut(&container) else {
                    return;
                };
                state.memory = memory;
                let sample = Observation::Usage {
                    container,
                    seq,
                    cpu: cpu.min(state.limits[1].cpu),
                    memory: memory.min(state.limits[1].memory),
                };
                self.memory(container);
                self.tell(&sample);
            }
            Observation::OutOfMemory {
                container,
                limit,
                event,
                first,
            } => {
                self.sums[0].waits += u64::from(event == first);
                let Some(state) = self.containers.get_mut(&container) else {
                    return;
                };
                // It needed a page more than that, at least.
                state.memory = state.memory.max(limit + Bytes(4096));
                self.memory(container);
            }
            Observation::MemoryApplied {
                container, limit, ..
            } => {
                if let Some(state) = self.containers.get(&container) {
                    let limits = Limits {
                        memory: limit,
                        ..state.limits[0]
                    };
                    self.set(0, container, limits);
                }
            }
            Observation::Killed(container) => {
                self.sums[0].kills += 1;
                // Its processes begin anew.
                if let Some(state) = self.containers.get_mut(&container) {
                    state.memory = Bytes::ZERO;
                }
            }
            Observation::Stopped(container) | Observation::Lost(container) => {
                self.set(0, container, Limits::NONE);
                self.set(1, container, Limits::NONE);
                self.tell_half(container, what);
                self.tell(what);
            }
            Observation::Started(_) => self.tell(what),
            // Answers to the recorded policy.
            Observation::CpuApplied { .. }
            | Observation::Throttled { .. }
            | Observation::HostReport(_)
            | Observation::Share(_) => {}
        }
    }

    fn period(&mut self, report: &CpuPeriod) {
        let Some(state) = self.containers.get_mut(&report.container) else {
            return;
        };
        self.periods += 1;
        let quota = state.limits[1].cpu;
        let runtime = quota.over(self.period);
        let was = report.nr_throttled.saturating_sub(state.throttled[0]);
        state.throttled[0] = report.nr_throttled;
        self.sums[0].throttled += was;
        self.used += report.usage.0 as f64;
        self.used_in_step += report.usage.0 as f64;
        let usage = report.usage.min(runtime);
        let throttled = report.usage >= runtime || was > 0 && quota <= report.quota;
        state.throttled[1] += u64::from(throttled);
        self.sums[1].throttled += u64::from(throttled);
        let container = report.container;
        let again = Observation::Period(CpuPeriod {
            quota,
            unused: Span(runtime.0.saturating_sub(usage.0)),
            usage,
            nr_throttled: state.throttled[1],
            ..*report
        });
        if throttled {
            state.throttles += 1;
            let seq = state.throttles;
            let stands = Observation::Throttled {
                container,
                seq,
                used: runtime,
            };
            if !self.tell_half(container, &stands) && self.policy.wants_throttles() {
                self.tell(&stands);
            }
        }
        if !self.tell_half(container, &again) && self.policy.wants_periods() {
            self.tell(&again);
        }
    }

    /// A container that needs more memory than the shadow lets it have waits, or dies.
    fn memory(&mut self, container: ContainerId) {
        // Each grant is a step; a policy that grants nothing is asked no more.
        for _ in 0..1_000 {
            let Some(state) = self.containers.get_mut(&container) else {
                return;
            };
            let limit = state.limits[1].memory;
            if state.memory <= limit {
                return;
            }
            if !self.policy.traps_out_of_memory() {
                return self.kill(container);
            }
            state.events += 1;
            state.waits = true;
            let event = state.events;
            self.sums[1].waits += 1;
            self.tell(&Observation::OutOfMemory {
                container,
                event,
                first: event,
                limit,
            });
            let waits = self.containers.get(&container).is_some_and(|s| s.waits);
            if waits
                && self
                    .containers
                    .get(&container)
                    .is_some_and(|s| s.limits[1].memory == limit)
            {
                return;
            }
        }
    }

    fn kill(&mut self, container: ContainerId) {
        self.sums[1].kills += 1;
        if let Some(state) = self.containers.get_mut(&container) {
            state.memory = Bytes::ZERO;
            state.waits = false;
        }
        self.tell(&Observation::Killed(container));
    }

    fn tell(&mut self, what: &Observation) {
        let mut out = Vec::new();
        self.policy.observe(self.now, what, &mut out);
        self.carry_out(out);
    }

    /// Tells the half on a container's host, if there is one.
    fn tell_half(&mut self, container: ContainerId, what: &Observation) -> bool {
        let Some(state) = self.containers.get(&container) else {
            return false;
        };
        self.tell_host(state.host, what)
    }

    fn tell_host(&mut self, host: u32, what: &Observation) -> bool {
        let mut out = Vec::new();
        let Some(Some(half)) = self.halves.get_mut(&host) else {
            return false;
        };
        half.observe(self.now, what, &mut out);
        self.carry_out(out);
        true
    }

    /// Commands are in force at once, and answered.
    fn carry_out(&mut self, commands: Vec<Command>) {
        for command in commands {
            match command {
                Command::Lend(share) => {
                    let HostId(host) = share.host;
                    self.tell_host(host, &Observation::Share(share));
                }
                Command::Report(report) => self.tell(&Observation::HostReport(report)),
                Command::DenyMemory { container, .. } => self.kill(container),
                Command::Restart { container, .. } => {
                    self.tell(&Observation::Started(container));
                }
                Command::SetCpu {
                    container,
                    version,
                    limit,
                } => {
                    let Some(state) = self.containers.get(&container) else {
                        continue;
                    };
                    let limits = Limits {
                        cpu: limit,
                        ..state.limits[1]
                    };
                    self.sums[1].commands += 1;
                    self.set(1, container, limits);
                    let applied = Observation::CpuApplied { container, version };
                    if !self.tell_half(container, &applied) {
                        self.tell(&applied);
                    }
                }
                Command::SetMemory {
                    container,
                    version,
                    limit,
                } => {
                    self.set_memory(container, version, |_, _| limit);
                }
                Command::Reclaim {
                    container,
                    version,
                    margin,
                } => {
                    self.set_memory(container, version, |old, used| old.min(used + margin));
                }
            }
        }
    }

    fn set_memory(
        &mut self,
        container: ContainerId,
        version: u64,
        wanted: impl Fn(Bytes, Bytes) -> Bytes,
    ) {
        let Some(state) = self.containers.get_mut(&container) else {
            return;
        };
        let old = state.limits[1].memory;
        let used = state.memory.min(old);
        let wanted = wanted(old, used);
        // Never below what is used.
        let memory = if wanted < used { old } else { wanted };
        state.waits &= memory <= old;
        let limits = Limits {
            memory,
            ..state.limits[1]
        };
        self.sums[1].commands += u64::from(memory != old);
        self.set(1, container, limits);
        self.tell(&Observation::MemoryApplied {
            container,
            version,
            limit: memory,
        });
    }
}
