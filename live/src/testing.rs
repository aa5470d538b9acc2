//! A host without a kernel, for tests and benches: it keeps limits as the agent does,
//! and answers as the agent must.

use tidegate_core::{
    Allocator, Bytes, Command, Container, ContainerId, Cores, CpuPeriod, HostId, Limits,
    Observation, Span, Time,
};

use crate::agent::Wants;
use crate::link::session::{Heard, Session};
use crate::wire::greeting::{Down, Standing, Up, Welcome};

/// One container of the host.
#[derive(Clone, Debug)]
pub struct Pretended {
    /// Its name.
    pub name: String,
    /// Its number, once the host is taken in.
    pub id: Option<ContainerId>,
    /// The limits in force, if any.
    pub limits: Option<Limits>,
    /// Versions of the orders carried out, of CPU and of memory.
    pub versions: [u64; 2],
    /// CPU it would use if it could.
    pub demand: Cores,
    /// Memory it uses.
    pub memory: Bytes,
    /// Throttled periods, as the kernel counts them.
    pub nr_throttled: u64,
    throttled_before: u64,
    /// Kills that this agent has seen.
    pub kills: u64,
    seq: u64,
    /// The event it waits with, if it does.
    pub waits: Option<u64>,
    events: u64,
}

/// A host without a kernel.
pub struct PretendedHost {
    /// Its side of the session.
    pub session: Session,
    /// Its containers.
    pub containers: Vec<Pretended>,
    /// The half of the policy that decides here.
    pub half: Option<Box<dyn Allocator>>,
    /// What it was asked to tell.
    pub wants: Wants,
    /// What it will tell next.
    pub seen: Vec<Observation>,
}

impl PretendedHost {
    /// Host number `host` with containers called `names`, without limits.
    pub fn new(host: u32, agent: u64, names: &[String]) -> PretendedHost {
        let container = |name: &String| Pretended {
            name: name.clone(),
            id: None,
            limits: None,
            versions: [0; 2],
            demand: Cores::from_millis(100),
            memory: Bytes::from_mib(20),
            nr_throttled: 0,
            throttled_before: 0,
            kills: 0,
            seq: 0,
            waits: None,
            events: 0,
        };
        PretendedHost {
            session: Session::new(HostId(host), agent),
            containers: names.iter().map(container).collect(),
            half: None,
            wants: Wants::default(),
            seen: Vec::new(),
        }
    }

    /// Another agent process takes over: what is in force stays, all else is forgotten.
    pub fn restart_agent(&mut self, agent: u64) {
        self.session = Session::new(self.session.host(), agent);
        self.half = None;
        self.seen.clear();
        for container in &mut self.containers {
            container.id = None;
            container.kills = 0;
        }
    }

    /// Opens a connection: what it says first.
    pub fn connect(&mut self) -> Up {
        self.session.connected();
        self.seen.clear();
        self.hello()
    }

    /// Says who stands here.
    pub fn hello(&self) -> Up {
        let standing = |container: &Pretended| Standing {
            name: container.name.clone(),
            cpu: container.limits.map(|limits| limits.cpu),
            memory: container.limits.map(|limits| limits.memory),
            kills: container.kills,
        };
        self.session
            .hello(self.containers.iter().map(standing).collect())
    }

    /// A period ends: the message that tells of it.
    pub fn period(&mut self, now: Time, period: Span) -> Option<Up> {
        self.end_period(now, period);
        self.tell()
    }

    /// A period ends: what is to be told of it is among what was seen.
    pub fn end_period(&mut self, now: Time, period: Span) {
        let mut reports = Vec::with_capacity(self.containers.len());
        for container in &mut self.containers {
            let (Some(id), Some(limits)) = (container.id, container.limits) else {
                continue;
            };
            let used = container.demand.min(limits.cpu);
            container.nr_throttled += u64::from(container.demand > limits.cpu);
            container.seq += 1;
            reports.push(Observation::Period(CpuPeriod {
                container: id,
                seq: container.seq,
                quota: limits.cpu,
                unused: (limits.cpu - used).over(period),
                usage: used.over(period),
                nr_throttled: container.nr_throttled - container.throttled_before,
            }));
            if container.memory > limits.memory && self.wants.traps_out_of_memory {
                container.events += 1;
                let first = *container.waits.get_or_insert(container.events);
                self.seen.push(Observation::OutOfMemory {
                    container: id,
                    event: container.events,
                    first,
                    limit: limits.memory,
                });
            }
        }
        if let Some(mut half) = self.half.take() {
            let mut out = Vec::new();
            for report in &reports {
                half.observe(now, report, &mut out);
            }
            if half.next_wake().is_some_and(|next| next <= now) {
                half.wake(now, &mut out);
            }
            self.half = Some(half);
            self.carry_out(now, out);
        } else if self.wants.periods {
            self.seen.append(&mut reports);
        }
    }

    /// The message that tells what was seen.
    pub fn tell(&mut self) -> Option<Up> {
        self.session.telemetry(std::mem::take(&mut self.seen))
    }

    /// A message has come: does what it says.
    pub fn receive(&mut self, now: Time, message: Down) {
        match self.session.receive(message) {
            Some(Heard::Welcome(welcome, true)) => self.begin(now, welcome),
            Some(Heard::Welcome(_, false)) => {}
            Some(Heard::Orders(orders)) => self.carry_out(now, orders),
            None => {}
        }
    }

    /// A session begins: what was counted for another one begins anew.
    pub fn begin(&mut self, now: Time, welcome: Welcome) {
        self.wants = welcome.wants;
        self.half = welcome.half.map(|half| half.start());
        for (container, admitted) in self.containers.iter_mut().zip(welcome.containers) {
            let mut limits = admitted.limits;
            if let Some(half) = &mut self.half {
                let standing = Container {
                    id: admitted.id,
                    host: self.session.host(),
                    requested: container.limits,
                };
                limits.cpu = half.admit(now, standing).cpu;
            }
            container.id = Some(admitted.id);
            container.versions = [0; 2];
            container.throttled_before = container.nr_throttled;
            (container.seq, container.events, container.waits) = (0, 0, None);
            // What is used is not taken away.
            limits.memory = limits.memory.max(
                container
                    .memory
                    .min(container.limits.map_or(Bytes::ZERO, |limits| limits.memory)),
            );
            container.limits = Some(limits);
            self.seen.push(Observation::Started(admitted.id));
        }
    }

    /// Carries out commands.
    pub fn carry_out(&mut self, now: Time, commands: Vec<Command>) {
        let mut of_half = Vec::new();
        for command in commands {
            match command {
                Command::Lend(share) => {
                    if let Some(half) = &mut self.half {
                        half.observe(now, &Observation::Share(share), &mut of_half);
                    }
                }
                Command::Report(report) => self.seen.push(Observation::HostReport(report)),
                _ => self.limit(now, command, &mut of_half),
            }
        }
        if !of_half.is_empty() {
            self.carry_out(now, of_half);
        }
    }

    fn limit(&mut self, now: Time, command: Command, of_half: &mut Vec<Command>) {
        let mut here = self.containers.iter_mut();
        let Some(container) = here.find(|c| c.id.is_some() && c.id == command.container()) else {
            return;
        };
        let Some(limits) = &mut container.limits else {
            return;
        };
        match command {
            Command::SetCpu {
                container: id,
                version,
                limit,
            } => {
                if version > container.versions[0] {
                    (limits.cpu, container.versions[0]) = (limit, version);
                }
                let version = container.versions[0];
                let applied = Observation::CpuApplied {
                    container: id,
                    version,
                };
                match &mut self.half {
                    Some(half) => half.observe(now, &applied, of_half),
                    None => self.seen.push(applied),
                }
            }
            Command::SetMemory {
                container: id,
                version,
                ..
            }
            | Command::Reclaim {
                container: id,
                version,
                ..
            } => {
                if version > container.versions[1] {
                    let wanted = match command {
                        Command::SetMemory { limit, .. } => Some(limit),
                        Command::Reclaim { margin, .. } => {
                            Some((container.memory + margin).min(limits.memory))
                        }
                        _ => None,
                    };
                    container.versions[1] = version;
                    if let Some(wanted) = wanted
                        && wanted >= container.memory.min(limits.memory)
                    {
                        limits.memory = wanted;
                    }
                }
                if limits.memory >= container.memory {
                    container.waits = None;
                }
                self.seen.push(Observation::MemoryApplied {
                    container: id,
                    version: container.versions[1],
                    limit: limits.memory,
                });
            }
            Command::DenyMemory { event, .. } => {
                if container.waits.is_some() && event == container.events {
                    container.waits = None;
                    container.memory = Bytes::ZERO;
                    container.kills += 1;
                    self.seen.extend(container.id.map(Observation::Killed));
                }
            }
            Command::Restart { .. } | Command::Lend(_) | Command::Report(_) => {}
        }
    }

    /// The limits in force, of those that have some.
    pub fn limits(&self) -> Vec<Limits> {
        self.containers.iter().filter_map(|c| c.limits).collect()
    }
}
