//! Every policy under a cap, delivered, on hosts and over a network where anything
//! may happen in any order.

use proptest::prelude::*;

use super::*;
use crate::autopilot::{self, Autopilot};
use crate::captain::{self, Captain};
use crate::escra::{self, Escra, Law};
use crate::k8s_cpu::{self, K8sCpu};
use crate::observation::CpuPeriod;
use crate::tide::{self, Tide};
use crate::vpa::{self, Vpa};

const N: usize = 4;
const HOSTS: usize = 2;
const CPU: Cores = Cores::new(2);
const MEMORY: Bytes = Bytes::from_mib(400);
const PERIOD: Span = Span::from_millis(100);

fn policy(which: usize) -> Delivery {
    let initial = || {
        vec![
            Limits {
                cpu: Cores(CPU.0 / N as u64),
                memory: Bytes(MEMORY.0 / N as u64),
            };
            N
        ]
    };
    let escra = escra::Config::default();
    let capped = autopilot::Config {
        cpu_initial: Cores(CPU.0 / N as u64),
        memory_initial: Bytes(MEMORY.0 / N as u64),
        ..autopilot::Config::default()
    };
    let fast = vpa::Config {
        time_scale: 1440,
        ..vpa::Config::default()
    };
    Delivery::new(match which {
        0 => Box::new(Escra::new(escra, CPU, MEMORY, N)),
        1 => {
            let law = Law::Paper;
            Box::new(Escra::new(escra::Config { law, ..escra }, CPU, MEMORY, N))
        }
        2 => Box::new(Tide::new(tide::Config::default(), CPU, MEMORY, N, HOSTS)),
        3 => Box::new(Captain::new(captain::Config::default(), initial(), Some(CPU)).unwrap()),
        4 => Box::new(K8sCpu::new(k8s_cpu::Config::default(), initial(), Some(CPU)).unwrap()),
        5 => Box::new(Vpa::new(fast, initial(), vec![], Some(CPU), Some(MEMORY)).unwrap()),
        _ => Box::new(Autopilot::new(capped, Some(CPU), Some(MEMORY)).unwrap()),
    })
}

const POLICIES: usize = 7;

#[derive(Clone, Debug)]
enum Step {
    /// Time passes; who is due is woken.
    Pass(u64),
    /// A period ends: the share of the quota that was used.
    Period(usize, f64),
    Usage(usize, f64),
    Throttle(usize),
    /// A container wants this much memory, and waits if it may not have it.
    Want(usize, u64),
    /// A message arrives, is lost, or arrives and will arrive again.
    Deliver(usize),
    Lose(usize),
    Repeat(usize),
    /// Messages in order, as many.
    Flow(usize),
    HostLost(usize),
    HostBack(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let who = 0..N;
    prop_oneof![
        6 => (1u64..2000).prop_map(Step::Pass),
        6 => (who.clone(), 0.0..1.0f64).prop_map(|(c, u)| Step::Period(c, u)),
        4 => (who.clone(), 0.0..1.0f64).prop_map(|(c, u)| Step::Usage(c, u)),
        3 => who.clone().prop_map(Step::Throttle),
        4 => (who, 1u64..250).prop_map(|(c, mib)| Step::Want(c, mib << 20)),
        6 => any::<usize>().prop_map(Step::Deliver),
        3 => any::<usize>().prop_map(Step::Lose),
        2 => any::<usize>().prop_map(Step::Repeat),
        3 => (1usize..20).prop_map(Step::Flow),
        1 => (0..HOSTS).prop_map(Step::HostLost),
        2 => (0..HOSTS).prop_map(Step::HostBack),
    ]
}

/// A container as its host has it.
#[derive(Clone, Copy, Debug, Default)]
struct OnHost {
    up: bool,
    cpu: (u64, u64),
    memory: (u64, u64),
    wanted: u64,
    seq: u64,
    throttled: u64,
    event: u64,
    /// The first of its wait.
    first: u64,
    waiting: bool,
}

impl OnHost {
    fn used(&self) -> u64 {
        self.wanted.min(self.memory.1)
    }
}

/// On its way, in the life of its host that it belongs to.
#[derive(Clone, Copy, Debug)]
enum Message {
    Up(Observation),
    Down(Command),
}

struct Worlds {
    now: Time,
    policy: Delivery,
    halves: Vec<Option<Box<dyn Allocator>>>,
    containers: [OnHost; N],
    lives: [u32; HOSTS],
    mail: Vec<(usize, u32, Message)>,
}

fn host_of(container: usize) -> usize {
    container % HOSTS
}

impl Worlds {
    fn new(which: usize) -> Worlds {
        let mut policy = policy(which);
        let halves = (0..HOSTS).map(|host| policy.host_half(HostId(host as u32)).map(Half::start));
        let halves = halves.collect();
        let mut worlds = Worlds {
            now: Time::ZERO,
            policy,
            halves,
            containers: [OnHost::default(); N],
            lives: [0; HOSTS],
            mail: Vec::new(),
        };
        for container in 0..N {
            worlds.admit(container);
        }
        worlds
    }

    fn admit(&mut self, index: usize) {
        let container = Container {
            id: ContainerId(index as u32),
            host: HostId(host_of(index) as u32),
            requested: None,
        };
        let mut limits = self.policy.admit(self.now, container);
        if let Some(half) = &mut self.halves[host_of(index)] {
            limits.cpu = half.admit(self.now, container).cpu;
        }
        let state = &mut self.containers[index];
        *state = OnHost {
            up: true,
            cpu: (0, limits.cpu.0),
            memory: (0, limits.memory.0),
            // Names keep counting: a container may come back under the same one.
            seq: state.seq,
            event: state.event,
            ..OnHost::default()
        };
        self.tell(&Observation::Started(container.id));
    }

    /// The controller sees something.
    fn tell(&mut self, what: &Observation) {
        let mut out = Vec::new();
        self.policy.observe(self.now, what, &mut out);
        self.send(out);
    }

    fn send(&mut self, out: Vec<Command>) {
        for command in out {
            let host = match command {
                Command::SetCpu { container, .. }
                | Command::SetMemory { container, .. }
                | Command::Reclaim { container, .. }
                | Command::Restart { container, .. }
                | Command::DenyMemory { container, .. } => host_of(container.0 as usize),
                Command::Lend(share) => share.host.0 as usize,
                Command::Report(_) => panic!("a controller reports to nobody"),
            };
            self.mail
                .push((host, self.lives[host], Message::Down(command)));
        }
    }

    fn up(&mut self, host: usize, what: Observation) {
        self.mail.push((host, self.lives[host], Message::Up(what)));
    }

    /// CPU telemetry goes to the half, if there is one.
    fn up_cpu(&mut self, container: usize, what: Observation) {
        let host = host_of(container);
        if self.halves[host].is_some() {
            self.tell_half(host, &what);
        } else {
            self.up(host, what);
        }
    }

    fn tell_half(&mut self, host: usize, what: &Observation) {
        let mut out = Vec::new();
        if let Some(half) = &mut self.halves[host] {
            half.observe(self.now, what, &mut out);
        }
        self.of_half(host, out);
    }

    fn of_half(&mut self, host: usize, out: Vec<Command>) {
        for command in out {
            match command {
                Command::Report(report) => self.up(host, Observation::HostReport(report)),
                command => self.carry_out(command),
            }
        }
    }

    fn is_up(&self, host: usize) -> bool {
        self.containers[host].up
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Pass(ms) => {
                let until = self.now + Span::from_millis(ms);
                while self.wake(until) {}
                self.now = until;
            }
            Step::Period(c, used) if self.containers[c].up => {
                let state = &mut self.containers[c];
                state.seq += 1;
                state.throttled += u64::from(used > 0.9);
                let runtime = Cores(state.cpu.1).over(PERIOD);
                let report = CpuPeriod {
                    container: ContainerId(c as u32),
                    seq: state.seq,
                    quota: Cores(state.cpu.1),
                    unused: runtime.scale(1.0 - used),
                    usage: runtime.scale(used),
                    nr_throttled: state.throttled,
                };
                self.up_cpu(c, Observation::Period(report));
            }
            Step::Usage(c, used) if self.containers[c].up => {
                let state = &mut self.containers[c];
                state.seq += 1;
                let sample = Observation::Usage {
                    container: ContainerId(c as u32),
                    seq: state.seq,
                    cpu: Cores(state.cpu.1).scale(used),
                    memory: Bytes(state.used()),
                };
                self.up(host_of(c), sample);
            }
            Step::Throttle(c) if self.containers[c].up => {
                let state = &mut self.containers[c];
                state.seq += 1;
                let throttled = Observation::Throttled {
                    container: ContainerId(c as u32),
                    seq: state.seq,
                    used: Cores(state.cpu.1).over(PERIOD),
                };
                if self.halves[host_of(c)].is_some() {
                    self.up_cpu(c, throttled);
                }
            }
            // Who waits stands still.
            Step::Want(c, wanted) if self.containers[c].up && !self.containers[c].waiting => {
                self.containers[c].wanted = wanted;
                self.ask_if_short(c);
            }
            Step::Deliver(which) if !self.mail.is_empty() => {
                let message = self.mail.remove(which % self.mail.len());
                self.arrive(message);
            }
            Step::Lose(which) if !self.mail.is_empty() => {
                self.mail.remove(which % self.mail.len());
            }
            Step::Repeat(which) if !self.mail.is_empty() => {
                self.arrive(self.mail[which % self.mail.len()]);
            }
            Step::Flow(count) => {
                for _ in 0..count.min(self.mail.len()) {
                    let message = self.mail.remove(0);
                    self.arrive(message);
                }
            }
            Step::HostLost(host) if self.is_up(host) => {
                for c in (host..N).step_by(HOSTS) {
                    self.containers[c].up = false;
                    self.containers[c].waiting = false;
                }
                // The platform tells once it is sure: nothing runs there any more.
                for c in (host..N).step_by(HOSTS) {
                    self.tell(&Observation::Lost(ContainerId(c as u32)));
                }
            }
            Step::HostBack(host) if !self.is_up(host) => {
                self.lives[host] += 1;
                self.halves[host] = self.policy.host_half(HostId(host as u32)).map(Half::start);
                for c in (host..N).step_by(HOSTS) {
                    self.admit(c);
                }
            }
            _ => {}
        }
    }

    /// Wakes whoever is due first before `until`.
    fn wake(&mut self, until: Time) -> bool {
        let due = |next: Option<Time>| next.filter(|&next| next <= until);
        let mut first = due(self.policy.next_wake()).map(|time| (time, None));
        for (host, half) in self.halves.iter().enumerate() {
            let next = half.as_ref().filter(|_| self.is_up(host));
            if let Some(time) = due(next.and_then(|half| half.next_wake()))
                && first.is_none_or(|(other, _)| time < other)
            {
                first = Some((time, Some(host)));
            }
        }
        let Some((time, who)) = first else {
            return false;
        };
        self.now = self.now.max(time);
        let mut out = Vec::new();
        match who.and_then(|host| Some((host, self.halves[host].as_mut()?))) {
            Some((host, half)) => {
                half.wake(self.now, &mut out);
                self.of_half(host, out);
            }
            None => {
                self.policy.wake(self.now, &mut out);
                self.send(out);
            }
        }
        true
    }

    fn arrive(&mut self, (host, life, message): (usize, u32, Message)) {
        if self.lives[host] != life {
            return;
        }
        match message {
            Message::Up(what) => self.tell(&what),
            Message::Down(_) if !self.is_up(host) => {}
            Message::Down(Command::Lend(share)) => {
                self.tell_half(host, &Observation::Share(share));
            }
            Message::Down(command) => self.carry_out(command),
        }
    }

    /// A host keeps the newest version of each limit, and always answers.
    fn carry_out(&mut self, command: Command) {
        match command {
            Command::SetCpu {
                container,
                version,
                limit,
            } => {
                let state = &mut self.containers[container.0 as usize];
                if version > state.cpu.0 {
                    state.cpu = (version, limit.0);
                }
                let version = state.cpu.0;
                let applied = Observation::CpuApplied { container, version };
                self.up_cpu(container.0 as usize, applied);
            }
            Command::SetMemory {
                container, version, ..
            }
            | Command::Reclaim {
                container, version, ..
            } => {
                let c = container.0 as usize;
                let state = &mut self.containers[c];
                if version > state.memory.0 {
                    let (used, limit) = (state.used(), state.memory.1);
                    let limit = match command {
                        Command::SetMemory { limit: new, .. } if new.0 >= used => new.0,
                        Command::Reclaim { margin, .. } => limit.min(used + margin.0),
                        _ => limit,
                    };
                    state.memory = (version, limit);
                    // A reclaim ends no wait, unless others have left room.
                    let reclaim = matches!(command, Command::Reclaim { .. });
                    state.waiting &= reclaim && state.wanted > limit;
                    self.ask_if_short(c);
                }
                let (version, limit) = self.containers[c].memory;
                let limit = Bytes(limit);
                let applied = Observation::MemoryApplied {
                    container,
                    version,
                    limit,
                };
                self.up(host_of(c), applied);
            }
            Command::DenyMemory { container, event } => {
                let state = &mut self.containers[container.0 as usize];
                if state.waiting && (state.first..=state.event).contains(&event) {
                    state.waiting = false;
                    state.wanted = 0;
                    self.tell(&Observation::Killed(container));
                }
            }
            // Nobody evicts here.
            Command::Restart { .. } | Command::Lend(_) | Command::Report(_) => {
                panic!("no command to a container")
            }
        }
    }

    fn ask_if_short(&mut self, c: usize) {
        let state = &mut self.containers[c];
        if !state.up || state.wanted <= state.memory.1 || !self.policy.traps_out_of_memory() {
            return;
        }
        state.event += 1;
        if !state.waiting {
            state.waiting = true;
            state.first = state.event;
        }
        let asked = Observation::OutOfMemory {
            container: ContainerId(c as u32),
            event: state.event,
            first: state.first,
            limit: Bytes(state.memory.1),
        };
        self.up(host_of(c), asked);
    }

    fn check(&self) {
        let bounds = self.policy.bounds();
        let up = || self.containers.iter().filter(|state| state.up);
        let cpu: u64 = up().map(|state| state.cpu.1).sum();
        let memory: u64 = up().map(|state| state.memory.1).sum();
        assert!(bounds.cpu.is_some_and(|omega| cpu <= omega.0), "{cpu}");
        let most = bounds.memory.unwrap_or(Bytes(u64::MAX));
        assert!(memory <= most.0, "{memory}");
    }

    /// The faults are over: everybody is back, messages arrive, time passes.
    fn settle(&mut self) {
        for host in 0..HOSTS {
            self.step(&Step::HostBack(host));
        }
        for _ in 0..60 {
            for _ in 0..1000 {
                self.step(&Step::Flow(1));
                self.check();
            }
            self.step(&Step::Pass(200));
            for c in 0..N {
                if self.containers[c].waiting {
                    self.ask_if_short(c);
                }
            }
        }
        self.step(&Step::Flow(usize::MAX));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn whatever_happens_every_policy_stays_under_omega_and_gets_over_it(
        which in 0..POLICIES,
        steps in proptest::collection::vec(step(), 1..200),
    ) {
        let mut worlds = Worlds::new(which);
        worlds.check();
        for step in &steps {
            worlds.step(step);
            worlds.check();
        }
        worlds.settle();
        let waiting = worlds.containers.iter().filter(|state| state.waiting);
        prop_assert_eq!(waiting.count(), 0);
        // Every command was answered in the end, but for those of the last moment.
        let now = worlds.now;
        for sent in worlds.policy.unanswered.values() {
            prop_assert!(sent.wait == FIRST_WAIT && sent.again >= now, "{sent:?}");
        }
    }
}
