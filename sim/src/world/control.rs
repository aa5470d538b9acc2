//! The control plane: telemetry leaves a host, takes its time to the
//! controller; commands take theirs back. A policy that has a half on each host
//! gets CPU telemetry there, and decides within the host.
//!
//! All messages go through here: `observe` and `send_commands` on the way out,
//! `deliver` and `carry_out` where they arrive. What [`faults`](super::faults) do to
//! them is done at these four places.

use tidegate_core::{
    Allocator, Bytes, Command, Container, ContainerId, Cores, CpuPeriod, HostId, Limits,
    Observation, Span, Time,
};

use crate::watch::Rare;

use super::mail::{Letter, Slab, Subject, subject_of_command, subject_of_observation};
use super::{Commands, Event, World};

/// Messages on their way and the allocator they go to.
pub(super) struct Control<'b> {
    allocator: &'b mut dyn Allocator,
    /// The policy's half on each host, if it has halves.
    halves: Vec<Option<Half>>,
    throttles: Vec<u32>,
    observations: Slab<Letter<Observation>>,
    commands: Slab<Letter<Command>>,
    /// What the platform told while the controller was down.
    held: Vec<Letter<Observation>>,
    out: Commands,
    alarm: Alarm,
}

/// The half of a policy on one host.
struct Half {
    allocator: Box<dyn Allocator>,
    alarm: Alarm,
}

impl Half {
    fn of(allocator: &mut dyn Allocator, host: u32) -> Option<Half> {
        let allocator = allocator.host_half(HostId(host))?.start();
        Some(Half {
            allocator,
            alarm: Alarm::default(),
        })
    }
}

/// When an allocator is to be woken, as scheduled.
#[derive(Default)]
struct Alarm(Option<Time>);

impl Alarm {
    /// The time at which an event must be scheduled, if `next` is sooner than what
    /// is.
    fn set(&mut self, now: Time, next: Option<Time>) -> Option<Time> {
        // What was due while nobody ran is due now. What was scheduled for then has
        // gone by unheard.
        let scheduled = self.0.filter(|&scheduled| scheduled >= now);
        self.0 = scheduled;
        let next = next.map(|time| time.max(now));
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

impl<'b> Control<'b> {
    pub(super) fn new(allocator: &'b mut dyn Allocator, hosts: u32) -> Control<'b> {
        let halves = (0..hosts).map(|host| Half::of(allocator, host));
        Control {
            halves: halves.collect(),
            throttles: Vec::new(),
            allocator,
            observations: Slab::new(),
            commands: Slab::new(),
            held: Vec::new(),
            out: Vec::new(),
            alarm: Alarm::default(),
        }
    }

    /// Where a host's half decides on CPU, its limit holds.
    pub(super) fn admit(&mut self, now: Time, container: Container) -> Limits {
        let limits = self.allocator.admit(now, container);
        match &mut self.halves[container.host.0 as usize] {
            Some(half) => Limits {
                cpu: half.allocator.admit(now, container).cpu,
                ..limits
            },
            None => limits,
        }
    }

    pub(super) fn has_half(&self, host: u32) -> bool {
        self.halves[host as usize].is_some()
    }

    /// A host begins anew, and its half of the policy with it.
    pub(super) fn new_half(&mut self, host: u32) {
        self.halves[host as usize] = Half::of(self.allocator, host);
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
}

impl World<'_, '_> {
    fn letter<T>(&self, subject: Subject, content: T) -> Letter<T> {
        let host = match subject {
            Subject::Container(container) => self.machine.host(container.0),
            Subject::Host(host) => host.0,
        };
        Letter {
            content,
            host,
            life: self.faults.hosts[host as usize].life,
        }
    }

    /// Whether a letter is from or to what is still there.
    fn is_of_this_life<T>(&mut self, letter: &Letter<T>) -> bool {
        let same = self.faults.hosts[letter.host as usize].life == letter.life;
        if !same {
            self.watch.count(Rare::MessageOfLostHost);
        }
        same
    }

    /// The agent on a host sends an observation to the controller.
    pub(super) fn observe(&mut self, observation: Observation) {
        let letter = self.letter(subject_of_observation(&observation), observation);
        let host = &mut self.faults.hosts[letter.host as usize];
        let copies = match host.unreachable() {
            true => [None, None],
            false => {
                let now = self.queue.now();
                self.traffic.observation(now, letter.host, &observation);
                host.telemetry.copies()
            }
        };
        match copies {
            [None, _] => self.watch.count(Rare::TelemetryLost),
            [_, Some(_)] => self.watch.count(Rare::TelemetryDuplicated),
            _ => {}
        }
        let delay = self.experiment.testbed.network.control;
        for extra in copies.into_iter().flatten() {
            let index = self.control.observations.put(letter);
            self.queue.after(delay + extra, Event::Observe { index });
        }
    }

    /// The platform that runs the containers tells the controller what happened to
    /// one: a watch of Kubernetes' API loses nothing and keeps the order.
    pub(super) fn tell_of_platform(&mut self, observation: Observation) {
        let letter = self.letter(subject_of_observation(&observation), observation);
        let index = self.control.observations.put(letter);
        let delay = self.experiment.testbed.network.control;
        self.queue.after(delay, Event::Platform { index });
    }

    /// What the platform tells has reached the controller, or waits for it.
    pub(super) fn deliver_of_platform(&mut self, index: u32) {
        let letter = self.control.observations.take(index);
        if self.faults.controller_down {
            self.control.held.push(letter);
        } else if self.is_of_this_life(&letter) {
            self.observe_now(&letter.content);
        }
    }

    /// The controller, back, hears what the platform had to tell.
    pub(super) fn tell_held(&mut self) {
        for letter in std::mem::take(&mut self.control.held) {
            if self.is_of_this_life(&letter) {
                self.observe_now(&letter.content);
            }
        }
    }

    /// An observation has reached the controller.
    pub(super) fn deliver(&mut self, index: u32) {
        let letter = self.control.observations.take(index);
        if self.faults.controller_down {
            self.watch.count(Rare::TelemetryLost);
            return;
        }
        if !self.is_of_this_life(&letter) {
            return;
        }
        let news = self.watch.is_news(&letter.content);
        let commands = self.observe_now(&letter.content);
        if !news {
            self.check_stale(commands);
        }
    }

    /// A container has gone: the controller hears of it, and its host's half.
    pub(super) fn observe_stopped(&mut self, container: u32) {
        let stopped = Observation::Stopped(ContainerId(container));
        let host = self.machine.host(container);
        if self.control.has_half(host) {
            self.hand_to_half(host, stopped, self.experiment.testbed.network.local);
        }
        self.tell_of_platform(stopped);
    }

    /// CPU telemetry of a container goes to its host's half, or to the controller
    /// where there is none.
    fn observe_cpu(&mut self, container: u32, observation: Observation) {
        let host = self.machine.host(container);
        if self.control.halves[host as usize].is_none() {
            self.observe(observation);
            return;
        }
        // What a half has written itself it knows, unless it stops meanwhile.
        let answer = matches!(observation, Observation::CpuApplied { .. });
        let state = &mut self.faults.hosts[host as usize];
        if state.unreachable() || !answer && state.loses_telemetry() {
            self.watch.count(Rare::TelemetryLost);
            return;
        }
        self.hand_to_half(host, observation, self.experiment.testbed.network.local);
    }

    fn hand_to_half(&mut self, host: u32, observation: Observation, delay: Span) {
        let letter = self.letter(Subject::Host(HostId(host)), observation);
        let index = self.control.observations.put(letter);
        self.queue.after(delay, Event::ObserveOnHost { index });
    }

    /// A half on a host sees an observation; what it commands is in force at once,
    /// the time for that has passed.
    pub(super) fn observe_on_host(&mut self, index: u32) {
        let Letter {
            content,
            host,
            life,
        } = self.control.observations.take(index);
        let state = &self.faults.hosts[host as usize];
        if state.unreachable() || state.life != life {
            return;
        }
        let now = self.queue.now();
        let mut out = std::mem::take(&mut self.control.out);
        if let Some(half) = &mut self.control.halves[host as usize] {
            half.allocator.observe(now, &content, &mut out);
        }
        self.commands_of_half(host, out);
    }

    pub(super) fn wake_on_host(&mut self, host: u32) {
        if self.faults.hosts[host as usize].unreachable() {
            return;
        }
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
        let now = self.queue.now();
        if let Some(half) = &mut self.control.halves[host as usize]
            && let Some(time) = half.alarm.set(now, half.allocator.next_wake())
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
                if self.watch.is_on() && self.pool_is_empty() {
                    self.watch.count(Rare::PoolEmptyThrottle);
                }
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

    /// The controller sees an observation. Returns how many commands it answers
    /// with.
    pub(super) fn observe_now(&mut self, observation: &Observation) -> usize {
        let now = self.queue.now();
        self.control
            .allocator
            .observe(now, observation, &mut self.control.out);
        let commands = self.control.out.len();
        self.send_commands();
        self.schedule_wake();
        commands
    }

    pub(super) fn wake(&mut self) {
        let now = self.queue.now();
        if self.faults.controller_down || !self.control.alarm.rings(now) {
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
        if let Some(time) = self.control.alarm.set(self.queue.now(), next) {
            self.queue.at(time, Event::Wake);
        }
    }

    fn send_commands(&mut self) {
        let network = &self.experiment.testbed.network;
        let delay = network.control + network.apply;
        let mut out = std::mem::take(&mut self.control.out);
        for command in out.drain(..) {
            let letter = self.letter(subject_of_command(&command), command);
            self.traffic
                .command(self.queue.now(), letter.host, &command);
            let host = &mut self.faults.hosts[letter.host as usize];
            let copies = host.commands.copies();
            match copies {
                [None, _] => self.watch.count(Rare::CommandLost),
                [_, Some(_)] => self.watch.count(Rare::CommandDuplicated),
                _ => {}
            }
            if let Command::Lend(share) = command {
                if share.cpu.0 < host.lent && (host.unreachable() || copies[0].is_none()) {
                    self.watch.count(Rare::RecallUnreachable);
                }
                host.lent = share.cpu.0;
            }
            for extra in copies.into_iter().flatten() {
                let index = self.control.commands.put(letter);
                self.queue.after(delay + extra, Event::Apply { index });
            }
        }
        self.control.out = out;
    }

    /// A command has reached its host.
    pub(super) fn carry_out(&mut self, index: u32) {
        let letter = self.control.commands.take(index);
        if self.faults.hosts[letter.host as usize].unreachable() {
            self.watch.count(Rare::CommandLost);
        } else if self.is_of_this_life(&letter) {
            self.apply(letter.content);
        }
    }

    /// A command takes effect on its host, unless a newer one has. One that has been
    /// carried out is answered again.
    fn apply(&mut self, command: Command) {
        let now = self.queue.now();
        // Who has gone needs no limits and asks for nothing.
        if let Some(container) = command.container()
            && self.instances[container.0 as usize].gone
        {
            return;
        }
        match command {
            Command::SetCpu {
                container,
                version,
                limit,
            } => {
                let in_force = self.instances[container.0 as usize].cpu_version;
                if version <= in_force {
                    self.count_old(version, in_force);
                    self.answer_cpu(container.0);
                    return;
                }
                self.instances[container.0 as usize].cpu_version = version;
                if self.machine.limit(container.0) != limit {
                    self.recorder.limit_updates += 1;
                    self.machine.write(now, container.0, limit, &mut self.queue);
                    self.track_limits();
                }
                self.answer_cpu(container.0);
            }
            Command::SetMemory {
                container,
                version,
                limit,
            } => {
                if self.set_memory(container, version, false, |_| limit.0) {
                    let instance = &self.instances[container.0 as usize];
                    if instance.memory.limit() != limit.0 {
                        self.watch.count(Rare::LimitRefused);
                    } else if !instance.up {
                        self.watch.count(Rare::GrantAfterKill);
                    }
                }
            }
            Command::Reclaim {
                container,
                version,
                margin,
            } => {
                // A container that is down uses nothing, and comes back with the
                // limit it had.
                let instance = &self.instances[container.0 as usize];
                let (before, used) = (instance.memory.limit(), instance.memory.used());
                let up = instance.up;
                let limit = move |memory: &crate::memory::Memory| {
                    let spare = if up { margin.0 } else { u64::MAX / 2 };
                    memory.limit().min(memory.used() + spare)
                };
                if self.set_memory(container, version, true, limit) {
                    let after = self.instances[container.0 as usize].memory.limit();
                    self.check_reclaim(before, used, margin.0, after);
                    match (up, after == before) {
                        (true, true) => self.watch.count(Rare::ReclaimEmpty),
                        (false, true) => self.watch.count(Rare::ReclaimWhileDown),
                        _ => {}
                    }
                }
            }
            Command::Restart { container, version } => self.evict(container.0, version),
            Command::DenyMemory { container, event } => self.memory_denied(container.0, event),
            Command::Lend(share) => {
                self.hand_to_half(share.host.0, Observation::Share(share), Span::ZERO);
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
    ) -> bool {
        let instance = &mut self.instances[container.0 as usize];
        if version <= instance.memory_version {
            let newest = instance.memory_version;
            self.count_old(version, newest);
            self.answer_memory(container.0);
            return false;
        }
        instance.memory_version = version;
        self.recorder.memory.commands += 1;
        let before = instance.memory.limit();
        instance.memory.write(limit(&instance.memory));
        let limit = instance.memory.limit();
        self.recorder.limit_updates += u64::from(limit != before);
        if reclaim {
            self.recorder.memory.reclaimed += before - limit;
        }
        self.memory_written(container.0, reclaim);
        self.answer_memory(container.0);
        true
    }

    fn count_old(&mut self, version: u64, newest: u64) {
        self.watch.count(match version == newest {
            true => Rare::CommandRepeated,
            false => Rare::StaleCommand,
        });
    }

    /// Says which CPU limit is in force.
    fn answer_cpu(&mut self, container: u32) {
        let applied = Observation::CpuApplied {
            container: ContainerId(container),
            version: self.instances[container as usize].cpu_version,
        };
        self.observe_cpu(container, applied);
    }

    /// Says which memory limit is in force.
    fn answer_memory(&mut self, container: u32) {
        let instance = &self.instances[container as usize];
        self.observe(Observation::MemoryApplied {
            container: ContainerId(container),
            version: instance.memory_version,
            limit: Bytes(instance.memory.limit()),
        });
    }

    /// An agent that was down says what is in force.
    pub(super) fn report_limits(&mut self, host: u32) {
        for container in self.containers_on(host) {
            self.answer_cpu(container);
            self.answer_memory(container);
        }
    }

    /// A group's period has ended: Escra's report goes out.
    pub(super) fn period_ended(&mut self, group: u32, unused: u64) {
        if !self.control.allocator.wants_periods() || self.instances[group as usize].gone {
            return;
        }
        let used = self.machine.used(group, self.queue.now());
        let quota = self.machine.limit(group);
        let nr_throttled = self.machine.group(group).nr_throttled();
        let instance = &mut self.instances[group as usize];
        let nr_throttled = nr_throttled - instance.throttled_before;
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
            if self.instances[index].gone {
                continue;
            }
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
