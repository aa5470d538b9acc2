//! What no sequence of events may break, on hosts that get commands late, in any
//! order, and some twice.

use proptest::prelude::*;

use super::*;
use crate::observation::CpuPeriod;

const N: usize = 5;

/// What can happen to a controller: anything, in any order.
#[derive(Clone, Debug)]
enum Step {
    Report(u32, f64, bool),
    OutOfMemory(u32),
    /// A container's memory use becomes this, as far as its limit allows.
    Use(u32, u64),
    Reclaim,
    Killed(u32),
    Deliver(usize),
    Repeat(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let who = 0u32..N as u32;
    prop_oneof![
        6 => (who.clone(), 0.0..1.0f64, any::<bool>()).prop_map(|(c, u, t)| Step::Report(c, u, t)),
        2 => who.clone().prop_map(Step::OutOfMemory),
        2 => (who.clone(), 0u64..300).prop_map(|(c, mib)| Step::Use(c, mib << 20)),
        1 => Just(Step::Reclaim),
        1 => who.prop_map(Step::Killed),
        8 => any::<usize>().prop_map(Step::Deliver),
        1 => any::<usize>().prop_map(Step::Repeat),
    ]
}

/// A container as its host sees it.
#[derive(Clone, Copy, Default)]
struct OnHost {
    cpu: (u64, u64),
    memory: (u64, u64),
    used: u64,
    seq: u64,
    throttled: u64,
    /// Out-of-memory events, and whether the last of them waits for an answer.
    events: u64,
    waiting: bool,
}

struct Hosts {
    escra: Escra,
    containers: [OnHost; N],
    sent: Vec<Command>,
}

impl Hosts {
    fn tell(&mut self, what: &Observation) {
        let mut out = Vec::new();
        self.escra.observe(Time::ZERO, what, &mut out);
        self.take(out);
    }

    fn take(&mut self, out: Vec<Command>) {
        self.sent.extend(out);
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Report(c, unused, hit) => {
                let state = &mut self.containers[c as usize];
                state.seq += 1;
                state.throttled += u64::from(hit);
                let quota = Cores(state.cpu.1);
                let report = CpuPeriod {
                    container: ContainerId(c),
                    seq: state.seq,
                    quota,
                    unused: quota.over(Span::from_millis(100)).scale(unused),
                    usage: Span(0),
                    nr_throttled: state.throttled,
                };
                self.tell(&Observation::Period(report));
            }
            Step::OutOfMemory(c) => {
                let state = &mut self.containers[c as usize];
                state.waiting = true;
                self.ask(c);
            }
            Step::Use(c, used) => {
                let state = &mut self.containers[c as usize];
                state.used = used.min(state.memory.1);
            }
            Step::Reclaim => {
                let mut out = Vec::new();
                self.escra.wake(Time::ZERO, &mut out);
                self.take(out);
            }
            Step::Killed(c) => {
                self.containers[c as usize].waiting = false;
                self.killed(c);
            }
            Step::Deliver(which) if !self.sent.is_empty() => {
                let command = self.sent.swap_remove(which % self.sent.len());
                self.deliver(command);
            }
            Step::Repeat(which) if !self.sent.is_empty() => {
                self.deliver(self.sent[which % self.sent.len()]);
            }
            Step::Deliver(_) | Step::Repeat(_) => {}
        }
    }

    /// A host keeps the newest version of each limit, and answers it.
    fn deliver(&mut self, command: Command) {
        let answer = match command {
            Command::SetCpu {
                container,
                version,
                limit,
            } => {
                let state = &mut self.containers[container.0 as usize];
                if version <= state.cpu.0 {
                    return;
                }
                state.cpu = (version, limit.0);
                Observation::CpuApplied { container, version }
            }
            Command::SetMemory {
                container, version, ..
            }
            | Command::Reclaim {
                container, version, ..
            } => {
                let state = &mut self.containers[container.0 as usize];
                if version <= state.memory.0 {
                    return;
                }
                let limit = match command {
                    Command::SetMemory { limit, .. } if limit.0 < state.used => state.memory.1,
                    Command::SetMemory { limit, .. } => limit.0,
                    Command::Reclaim { margin, .. } => state.memory.1.min(state.used + margin.0),
                    _ => state.memory.1,
                };
                // Any write lets it go on, or ask again.
                let grown = limit > state.memory.1;
                state.memory = (version, limit);
                if state.waiting && grown {
                    state.waiting = false;
                } else if state.waiting {
                    self.ask(container.0);
                }
                Observation::MemoryApplied {
                    container,
                    version,
                    limit: Bytes(limit),
                }
            }
            Command::DenyMemory { container, event } => {
                let state = &mut self.containers[container.0 as usize];
                if state.waiting && state.events == event {
                    state.waiting = false;
                    self.killed(container.0);
                }
                return;
            }
            _ => return,
        };
        self.tell(&answer);
    }

    fn ask(&mut self, c: u32) {
        let state = &mut self.containers[c as usize];
        state.events += 1;
        let (event, limit) = (state.events, Bytes(state.memory.1));
        self.tell(&oom_at(c, event, limit));
    }

    fn killed(&mut self, c: u32) {
        self.tell(&Observation::Killed(ContainerId(c)));
    }
}

proptest! {
    #[test]
    fn no_sequence_of_events_breaks_an_invariant(
        paper in any::<bool>(),
        tight in any::<bool>(),
        steps in proptest::collection::vec(step(), 1..300),
    ) {
        // Tight: the fair share lies under the floor.
        let cores = if tight { 1 } else { 4 };
        let law = if paper { Law::Paper } else { Law::Code };
        let config = Config { law, ..Config::default() };
        let (floor, margin) = (config.floor, config.margin.0);
        let start = OnHost {
            cpu: (0, cores * 1_000_000_000 / N as u64),
            memory: (0, Bytes::from_mib(140).0),
            ..OnHost::default()
        };
        let escra = admitted(config, cores, N as u32);
        let mut hosts = Hosts { escra, containers: [start; N], sent: Vec::new() };
        let least = floor.0.min(start.cpu.1);
        for step in steps {
            let reclaims = matches!(step, Step::Deliver(_) | Step::Repeat(_));
            let before = hosts.containers;
            hosts.step(step);
            for (old, new) in before.iter().zip(&hosts.containers) {
                if reclaims {
                    let kept = old.memory.1.min(old.used + margin);
                    prop_assert!(new.memory.1 >= kept, "under usage and margin");
                }
                prop_assert!(new.memory.1 >= new.used, "under usage");
                prop_assert!(new.cpu.1 >= least, "under the floor");
            }
            let sum = |of: fn(&OnHost) -> u64| hosts.containers.iter().map(of).sum::<u64>();
            prop_assert!(sum(|c| c.cpu.1) <= cores * 1_000_000_000);
            prop_assert!(sum(|c| c.memory.1) <= Bytes::from_mib(1000).0);
        }
        // Once all commands have arrived, nobody waits for memory any more.
        // A grant that a newer command has overtaken is lost: who waited for it asks
        // once more.
        for _ in 0..2 {
            while !hosts.sent.is_empty() {
                let command = hosts.sent.remove(0);
                hosts.deliver(command);
            }
            for c in 0..N as u32 {
                if hosts.containers[c as usize].waiting {
                    hosts.ask(c);
                }
            }
        }
        while !hosts.sent.is_empty() {
            let command = hosts.sent.remove(0);
            hosts.deliver(command);
        }
        for container in &hosts.containers {
            prop_assert!(!container.waiting);
        }
    }
}
