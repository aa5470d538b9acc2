//! The control plane: telemetry leaves a host, takes its time to the
//! controller; commands take theirs back. A policy that has a half on each host
//! gets CPU telemetry there, and decides within the host.

use tidegate_core::{
    Allocator, Bytes, Command, Container, ContainerId, Cores, CpuPeriod, HostId, Limits,
    Observation, Span, Time,
};

use super::{Commands, Event, World};

/// Messages on their way and the allocator they go to.
pub(super) struct Control<'b> {
    allocator: &'b mut dyn Allocator,
    /// The policy's half on each host, if it has halves.
    halves: Vec<Option<Half>>,
    throttles: Vec<u32>,
    observations: Slab<Observation>,
    commands: Slab<Command>,
    out: Commands,
    alarm: Alarm,
}

/// The half of a policy on one host.
struct Half {
    allocator: Box<dyn Allocator>,
    alarm: Alarm,
}

/// When an allocator is to be woken, as scheduled.
#[derive(Default)]
struct Alarm(Option<Time>);

impl Alarm {
    /// The time at which an event must be scheduled, if `next` is sooner than what
    /// is.
    fn set(&mut self, next: Option<Time>) -> Option<Time> {
        let sooner = next.filter(|&time| self.0.is_none_or(|scheduled| time < scheduled));
        self.0 = sooner.or(self.0);
        sooner
    }

    /// Whether the event of `now` is the one that counts: an earlier one takes the
    /// place of those scheduled before.
    fn rings(&mut self, now: Time) -> bool {
        self.0.take_if(|scheduled| *scheduled == now).is_some()
    }
}

/// Messages by number; numbers are used again.
struct Slab<T> {
    items: Vec<T>,
    free: Vec<u32>,
}

impl<T: Copy> Slab<T> {
    fn new() -> Slab<T> {
        Slab {
            items: Vec::new(),
            free: Vec::new(),
        }
    }

    fn put(&mut self, item: T) -> u32 {
        match self.free.pop() {
            Some(index) => {
                self.items[index as usize] = item;
                index
            }
            None => {
                self.items.push(item);
                (self.items.len() - 1) as u32
            }
        }
    }

    fn take(&mut self, index: u32) -> T {
        self.free.push(index);
        self.items[index as usize]
    }
}

impl<'b> Control<'b> {
    pub(super) fn new(allocator: &'b mut dyn Allocator, hosts: u32) -> Control<'b> {
        let half = |allocator| Half {
            allocator,
            alarm: Alarm::default(),
        };
        let halves = (0..hosts).map(|host| allocator.host_half(HostId(host)).map(half));
        Control {
            halves: halves.collect(),
            throttles: Vec::new(),
            allocator,
            observations: Slab::new(),
            commands: Slab::new(),
            out: Vec::new(),
            alarm: Alarm::default(),
        }
    }

    /// Where a host's half decides on CPU, its limit holds.
    pub(super) fn admit(&mut self, container: Container) -> Limits {
        let limits = self.allocator.admit(Time::ZERO, container);
        match &mut self.halves[container.host.0 as usize] {
            Some(half) => Limits {
                cpu: half.allocator.admit(Time::ZERO, container).cpu,
                ..limits
            },
            None => limits,
        }
    }

    fn wants_throttles(&self) -> bool {
        self.allocator.wants_throttles()
            || self
                .halves
                .iter()
                .flatten()
                .any(|half| half.allocator.wants_throttles())
    }

    pub(super) fn sampling(&self) -> Option<Span> {
        self.allocator.sampling()
    }

    pub(super) fn traps_out_of_memory(&self) -> bool {
        self.allocator.traps_out_of_memory()
    }

    pub(super) fn take_observation(&mut self, index: u32) -> Observation {
        self.observations.take(index)
    }

    pub(super) fn take_command(&mut self, index: u32) -> Command {
        self.commands.take(index)
    }
}

impl World<'_, '_> {
    /// Sends an observation from a host to the controller.
    pub(super) fn observe(&mut self, observation: Observation) {
        let index = self.control.observations.put(observation);
        let delay = self.experiment.testbed.network.control;
        self.queue.after(delay, Event::Observe { index });
    }

    /// CPU telemetry of a container goes to its host's half, or to the controller
    /// where there is none.
    fn observe_cpu(&mut self, container: u32, observation: Observation) {
        let host = self.machine.host(container);
        if self.control.halves[host as usize].is_none() {
            self.observe(observation);
            return;
        }
        let index = self.control.observations.put(observation);
        let delay = self.experiment.testbed.network.local;
        self.queue
            .after(delay, Event::ObserveOnHost { host, index });
    }

    /// A half on a host sees an observation; what it commands is in force at once,
    /// the time for that has passed.
    pub(super) fn observe_on_host(&mut self, host: u32, index: u32) {
        let observation = self.control.take_observation(index);
        let now = self.queue.now();
        let mut out = std::mem::take(&mut self.control.out);
        if let Some(half) = &mut self.control.halves[host as usize] {
            half.allocator.observe(now, &observation, &mut out);
        }
        self.commands_of_half(host, out);
    }

    pub(super) fn wake_on_host(&mut self, host: u32) {
        let now = self.queue.now();
        let mut out = std::mem::take(&mut self.control.out);
        if let Some(half) = &mut self.control.halves[host as usize]
            && half.alarm.rings(now)
            && half.allocator.next_wake().is_some_and(|time| time <= now)
        {
            half.allocator.wake(now, &mut out);
        }
        self.commands_of_half(host, out);
    }

    pub(super) fn schedule_wake_on_host(&mut self, host: u32) {
        if let Some(half) = &mut self.control.halves[host as usize]
            && let Some(time) = half.alarm.set(half.allocator.next_wake())
        {
            self.queue.at(time, Event::WakeOnHost { host });
        }
    }

    fn commands_of_half(&mut self, host: u32, mut out: Commands) {
        for command in out.drain(..) {
            match command {
                Command::Report(report) => self.observe(Observation::HostReport(report)),
                command => self.apply(command),
            }
        }
        self.control.out = out;
        self.schedule_wake_on_host(host);
    }

    /// Tells of the throttles of the last event, to whom it may concern.
    pub(super) fn tell_throttles(&mut self) {
        let mut throttles = std::mem::take(&mut self.control.throttles);
        self.machine.take_throttles(&mut throttles);
        if !throttles.is_empty() && self.control.wants_throttles() {
            for &container in &throttles {
                let used = self.machine.used(container, self.queue.now());
                let instance = &mut self.instances[container as usize];
                instance.throttles += 1;
                let throttled = Observation::Throttled {
                    container: ContainerId(container),
                    seq: instance.throttles,
                    used: Span(used - instance.used_at_report),
                };
                self.observe_cpu(container, throttled);
            }
        }
        throttles.clear();
        self.control.throttles = throttles;
    }

    /// The controller sees an observation.
    pub(super) fn observe_now(&mut self, observation: &Observation) {
        let now = self.queue.now();
        self.control
            .allocator
            .observe(now, observation, &mut self.control.out);
        self.send_commands();
        self.schedule_wake();
    }

    pub(super) fn wake(&mut self) {
        let now = self.queue.now();
        if !self.control.alarm.rings(now) {
            return;
        }
        if self.control.allocator.next_wake().is_some_and(|t| t <= now) {
            self.control.allocator.wake(now, &mut self.control.out);
            self.send_commands();
        }
        self.schedule_wake();
    }

    pub(super) fn schedule_wake(&mut self) {
        let next = self.control.allocator.next_wake();
        if let Some(time) = self.control.alarm.set(next) {
            self.queue.at(time, Event::Wake);
        }
    }

    fn send_commands(&mut self) {
        let network = &self.experiment.testbed.network;
        let delay = network.control + network.apply;
        for command in self.control.out.drain(..) {
            let index = self.control.commands.put(command);
            self.queue.after(delay, Event::Apply { index });
        }
    }

    /// A command takes effect on its host, unless a newer one has.
    pub(super) fn apply(&mut self, command: Command) {
        let now = self.queue.now();
        match command {
            Command::SetCpu {
                container,
                version,
                limit,
            } => {
                let instance = &mut self.instances[container.0 as usize];
                if version <= instance.cpu_version {
                    return;
                }
                instance.cpu_version = version;
                if self.machine.limit(container.0) != limit {
                    self.recorder.limit_updates += 1;
                    self.machine.write(now, container.0, limit, &mut self.queue);
                    self.track_limits();
                }
                self.observe_cpu(container.0, Observation::CpuApplied { container, version });
            }
            Command::SetMemory {
                container,
                version,
                limit,
            } => self.set_memory(container, version, false, |_| limit.0),
            Command::Reclaim {
                container,
                version,
                margin,
            } => {
                // A container that is down uses nothing, and comes back with the
                // limit it had.
                let up = self.instances[container.0 as usize].up;
                self.set_memory(container, version, true, |memory| {
                    let spare = if up { margin.0 } else { u64::MAX / 2 };
                    memory.limit().min(memory.used() + spare)
                });
            }
            Command::Restart { container, version } => self.evict(container.0, version),
            Command::DenyMemory { container, event } => self.memory_denied(container.0, event),
            Command::Lend(share) => {
                let index = self.control.observations.put(Observation::Share(share));
                let host = share.host.0;
                self.queue
                    .after(Span::ZERO, Event::ObserveOnHost { host, index });
            }
            // Only halves on hosts report, and their reports go another way.
            Command::Report(_) => {}
        }
    }

    fn set_memory(
        &mut self,
        container: ContainerId,
        version: u64,
        reclaim: bool,
        limit: impl Fn(&crate::memory::Memory) -> u64,
    ) {
        let instance = &mut self.instances[container.0 as usize];
        if version <= instance.memory_version {
            return;
        }
        instance.memory_version = version;
        let before = instance.memory.limit();
        instance.memory.write(limit(&instance.memory));
        let limit = instance.memory.limit();
        self.recorder.limit_updates += u64::from(limit != before);
        if reclaim {
            self.recorder.memory.reclaimed += before - limit;
        }
        self.memory_written(container.0, reclaim);
        self.observe(Observation::MemoryApplied {
            container,
            version,
            limit: Bytes(limit),
        });
    }

    /// A group's period has ended: Escra's report goes out.
    pub(super) fn period_ended(&mut self, group: u32, unused: u64) {
        if !self.control.allocator.wants_periods() {
            return;
        }
        let used = self.machine.used(group, self.queue.now());
        let quota = self.machine.limit(group);
        let nr_throttled = self.machine.group(group).nr_throttled();
        let instance = &mut self.instances[group as usize];
        instance.reports += 1;
        let usage = Span(used - instance.used_at_report);
        instance.used_at_report = used;
        let report = CpuPeriod {
            container: ContainerId(group),
            seq: instance.reports,
            quota,
            unused: Span(unused),
            usage,
            nr_throttled,
        };
        let period = self.experiment.testbed.cfs.period;
        self.recorder.period(
            group as usize,
            quota.as_f64(),
            Cores::from_runtime(Span(unused), period).as_f64(),
        );
        self.observe_cpu(group, Observation::Period(report));
    }

    /// Usage of all containers since the last sample goes to the controller.
    pub(super) fn sample_usage(&mut self) {
        let Some(interval) = self.control.sampling() else {
            return;
        };
        let now = self.queue.now();
        for index in 0..self.instances.len() {
            let used = self.machine.used(index as u32, now);
            let instance = &mut self.instances[index];
            instance.usage_reports += 1;
            let sample = Observation::Usage {
                container: ContainerId(index as u32),
                seq: instance.usage_reports,
                cpu: Cores::from_runtime(Span(used - instance.used_at_usage), interval),
                memory: Bytes(instance.memory.used()),
            };
            instance.used_at_usage = used;
            self.observe(sample);
        }
        self.queue.after(interval, Event::Usage);
    }
}
