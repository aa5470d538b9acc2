//! Commands carried out, as the core defines them: a version that is not newer than the
//! one in force changes nothing and is answered with what is in force.

use tidegate_core::{Bytes, Command, Container, ContainerId, Limits, Observation};

use super::host::Host;
use super::link::Notice;
use crate::cgroup::{CgroupError, MemoryWrite};

impl Host {
    /// The controller has admitted a container with these limits. Where the host's half
    /// decides on CPU, its limit holds.
    pub(super) fn admitted(&mut self, id: ContainerId, limits: Limits) {
        let now = self.now();
        let host = self.config.host;
        let Some(member) = self.members.get_mut(&id) else {
            return;
        };
        if member.admitted {
            return;
        }
        if member.out_of_step {
            member.admission = Some(limits);
            return;
        }
        let mut limits = limits;
        if let Some(half) = &mut self.half {
            let container = Container {
                id,
                host,
                requested: member.limits.or(member.requested),
            };
            limits.cpu = half.admit(now, container).cpu;
        }
        member.admitted = true;
        member.limits = Some(limits);
        let runs = !member.evicted;
        self.put_limits(id);
        self.begin_metering(id, now);
        if runs && self.members.contains_key(&id) {
            self.see(Observation::Started(id));
        }
    }

    /// Puts the controller's limits in force, and the kernel's killer on or off as the
    /// policy wants.
    pub(super) fn put_limits(&mut self, id: ContainerId) {
        let trapped = self.wants.traps_out_of_memory;
        let headroom = self.config.headroom;
        let Some(member) = self.members.get_mut(&id).filter(|member| member.admitted) else {
            return;
        };
        let Some(limits) = member.limits else {
            return;
        };
        let mut put = || -> Result<(), CgroupError> {
            member.group.set_cpu(Some(limits.cpu))?;
            let memory = member.group.set_memory(Some(limits.memory))?;
            member.memory.pending = memory == MemoryWrite::Refused;
            if trapped {
                member.group.hold_killer(headroom)?;
            } else {
                member.group.let_kill()?;
            }
            Ok(())
        };
        match put().and_then(|()| self.watch_memory(id)) {
            Ok(()) => {}
            Err(error) => self.trouble(id, error),
        }
    }

    /// A limit that was refused at admission is tried again.
    pub(super) fn put_pending(&mut self, id: ContainerId) {
        let Some(member) = self.members.get_mut(&id) else {
            return;
        };
        let Some(limits) = member.limits.filter(|_| member.memory.pending) else {
            return;
        };
        match member.group.set_memory(Some(limits.memory)) {
            Ok(done) => member.memory.pending = done == MemoryWrite::Refused,
            Err(error) => self.trouble(id, error),
        }
    }

    /// Carries out a command, and what the host's half makes of the answer.
    pub(super) fn carry_out(&mut self, command: Command) {
        self.todo.push_back(command);
        self.work_off();
    }

    /// Carries out what the half has commanded.
    pub(super) fn work_off(&mut self) {
        while let Some(command) = self.todo.pop_front() {
            self.apply(command);
        }
    }

    fn apply(&mut self, command: Command) {
        // Who has gone, or is not admitted yet, has no limits to set.
        if let Some(id) = command.container()
            && self.members.get(&id).is_none_or(|member| !member.admitted)
        {
            return;
        }
        match command {
            Command::SetCpu {
                container,
                version,
                limit,
            } => self.set_cpu(container, version, limit),
            Command::SetMemory {
                container,
                version,
                limit,
            } => self.set_memory(container, version, false, |_, _| limit),
            Command::Reclaim {
                container,
                version,
                margin,
            } => self.set_memory(container, version, true, |limit, used| {
                limit.min(used + margin)
            }),
            Command::Restart { container, version } => self.evict(container, version),
            Command::DenyMemory { container, event } => self.deny(container, event),
            Command::Lend(share) => self.tell_half(&Observation::Share(share)),
            Command::Report(report) => self.see(Observation::HostReport(report)),
        }
    }

    fn set_cpu(&mut self, id: ContainerId, version: u64, limit: tidegate_core::Cores) {
        let (metered, watched) = (self.is_metered(), self.watches_throttles());
        let Some(member) = self.members.get_mut(&id) else {
            return;
        };
        let in_force = version.max(member.cpu_version);
        if version > member.cpu_version {
            let written = match member.group.set_cpu(Some(limit)) {
                Ok(written) => written,
                // Not in force, and not said to be: it will come again.
                Err(error) => return self.trouble(id, error),
            };
            member.cpu_version = version;
            if let Some(limits) = &mut member.limits {
                limits.cpu = limit;
            }
            if written && metered {
                match member.group.cpu_usage() {
                    Ok(usage) => {
                        member.cpu.refilled(usage);
                        member.throttle.refilled();
                        if watched {
                            // A lower quota may run out before the next look.
                            self.expect_throttle(id, usage);
                        }
                    }
                    Err(error) => return self.trouble(id, error),
                }
            }
        }
        self.see_cpu(Observation::CpuApplied {
            container: id,
            version: in_force,
        });
    }

    /// Sets a memory limit to what `wanted` makes of the one in force and of usage.
    fn set_memory(
        &mut self,
        id: ContainerId,
        version: u64,
        reclaim: bool,
        wanted: impl Fn(Bytes, Bytes) -> Bytes,
    ) {
        let Some(member) = self.members.get_mut(&id) else {
            return;
        };
        let Some(limits) = &mut member.limits else {
            return;
        };
        let new = version > member.memory_version;
        if new {
            let group = &mut member.group;
            let written = group.memory_usage().and_then(|used| {
                let limit = wanted(limits.memory, used);
                Ok((limit, group.set_memory(Some(limit))?))
            });
            match written {
                Ok((limit, MemoryWrite::Written | MemoryWrite::Unchanged)) => {
                    limits.memory = limit;
                    member.memory.pending = false;
                }
                Ok((_, MemoryWrite::Refused)) => {}
                Err(error) => return self.trouble(id, error),
            }
            member.memory_version = version;
        }
        let answer = Observation::MemoryApplied {
            container: id,
            version: member.memory_version,
            limit: limits.memory,
        };
        self.see(answer);
        if new {
            self.memory_written(id, reclaim);
        }
    }

    /// A pod is to go: its processes are killed, and who started it starts it again.
    fn evict(&mut self, id: ContainerId, version: u64) {
        let Some(member) = self.members.get_mut(&id) else {
            return;
        };
        if version <= member.restart_version {
            return;
        }
        member.restart_version = version;
        member.evicted = true;
        match member.group.signal_kill() {
            Ok(()) => self.tell(Notice::Evicted(id)),
            Err(error) => self.trouble(id, error),
        }
    }

    /// CPU telemetry goes to the host's half, or to the controller where there is none.
    pub(super) fn see_cpu(&mut self, observation: Observation) {
        if self.half.is_some() {
            self.tell_half(&observation);
        } else {
            self.see(observation);
        }
    }

    pub(super) fn tell_half(&mut self, observation: &Observation) {
        let now = self.now();
        let Some(half) = &mut self.half else {
            return;
        };
        let mut out = Vec::new();
        half.observe(now, observation, &mut out);
        self.todo.extend(out);
    }
}
