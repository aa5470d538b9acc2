//! What a policy talks to in the benchmark: containers in a closed loop, told of in
//! batches, one for each period, so that only the policy's own time is measured.
//!
//! Reports come host by host, as messages of hosts bring them; which host is next is
//! shuffled. With one container per host each report is about another one than the
//! last, from anywhere in memory: the worst case for caches.

use std::time::{Duration, Instant};

use tidegate_core::{
    Allocator, Bytes, Command, Container, ContainerId, Cores, CpuPeriod, HostId, Observation, Span,
    Time,
};

pub(crate) const PERIOD: Span = Span::from_millis(100);

/// Memory each container uses; all the same, none ever runs out.
const MEMORY_USED: Bytes = Bytes::from_mib(100);

/// A container's demand moves to a new level in one period out of this many; in the
/// others it stays within a twentieth of its level.
const PERIODS_PER_LEVEL: u64 = 50;

/// The highest level of demand. Half of it is the mean, and Ω for each is twice that.
const LEVEL_MAX: Cores = Cores::new(1);

/// SplitMix64: pseudo-random numbers that cost next to nothing.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % n
    }
}

struct State {
    quota: Cores,
    memory: Bytes,
    /// Demand varies around this.
    level: Span,
    /// What it wants in this period.
    wanted: Span,
    /// What it can have in this period.
    budget: Span,
    seq: u64,
    nr_throttled: u64,
    throttled: bool,
}

/// How the reports of a measurement were mixed.
#[derive(Clone, Copy, Default)]
pub(crate) struct Mix {
    pub(crate) reports: u64,
    pub(crate) throttled: u64,
    pub(crate) commands: u64,
}

/// Containers that want CPU and carry out commands at once.
pub(crate) struct Hosts {
    containers: Vec<State>,
    order: Vec<u32>,
    random: Random,
    now: Time,
    told: Vec<Observation>,
    commands: Vec<Command>,
    pub(crate) mix: Mix,
}

impl Hosts {
    pub(crate) fn new(policy: &mut dyn Allocator, containers: u32, per_host: u32) -> Hosts {
        let mut random = Random(1);
        let admit = |id| {
            let limits = policy.admit(Time::ZERO, container(id));
            State {
                quota: limits.cpu,
                memory: limits.memory,
                level: Span::ZERO,
                wanted: Span::ZERO,
                budget: Span::ZERO,
                seq: 0,
                nr_throttled: 0,
                throttled: false,
            }
        };
        let mut containers: Vec<State> = (0..containers).map(admit).collect();
        for state in &mut containers {
            state.level = level(&mut random);
        }
        let mut hosts: Vec<u32> = (0..containers.len() as u32 / per_host).collect();
        for n in (1..hosts.len()).rev() {
            hosts.swap(n, random.below(n as u64 + 1) as usize);
        }
        let on = |host: u32| host * per_host..(host + 1) * per_host;
        let order = hosts.into_iter().flat_map(on).collect();
        Hosts {
            containers,
            order,
            random,
            now: Time::ZERO,
            told: Vec::new(),
            commands: Vec::new(),
            mix: Mix::default(),
        }
    }

    /// One period of all containers: throttles, where the policy is told of them,
    /// reports, answers to its commands, and what it does when it is woken. Returns
    /// the time spent inside the policy.
    pub(crate) fn round(&mut self, policy: &mut dyn Allocator) -> Duration {
        self.now = self.now + PERIOD;
        for state in &mut self.containers {
            if self.random.below(PERIODS_PER_LEVEL) == 0 {
                state.level = level(&mut self.random);
            }
            let twentieth = state.level.0 / 20;
            let noise = self.random.below(2 * twentieth + 1);
            state.wanted = Span(state.level.0 - twentieth + noise);
            state.budget = state.quota.over(PERIOD);
            state.throttled = state.wanted > state.budget;
        }
        let mut spent = Duration::ZERO;
        if policy.wants_throttles() {
            for &id in &self.order {
                let state = &self.containers[id as usize];
                if state.throttled {
                    self.told.push(Observation::Throttled {
                        container: ContainerId(id),
                        seq: state.nr_throttled + 1,
                        used: state.budget,
                    });
                }
            }
            spent += self.tell(policy);
        }
        for &id in &self.order {
            let state = &mut self.containers[id as usize];
            let usage = state.wanted.min(state.budget);
            state.seq += 1;
            state.nr_throttled += u64::from(state.throttled);
            self.mix.throttled += u64::from(state.throttled);
            self.told.push(Observation::Period(CpuPeriod {
                container: ContainerId(id),
                seq: state.seq,
                quota: state.quota,
                unused: state.budget - usage,
                usage,
                nr_throttled: state.nr_throttled,
            }));
        }
        self.mix.reports += self.order.len() as u64;
        spent += self.tell(policy);
        if policy.next_wake().is_some_and(|due| due <= self.now) {
            let start = Instant::now();
            policy.wake(self.now, &mut self.commands);
            spent += start.elapsed();
            self.obey();
            spent += self.tell(policy);
        }
        spent
    }

    /// Tells the policy everything there is to tell, until it wants nothing more.
    fn tell(&mut self, policy: &mut dyn Allocator) -> Duration {
        let mut spent = Duration::ZERO;
        while !self.told.is_empty() {
            let start = Instant::now();
            for what in &self.told {
                policy.observe(self.now, what, &mut self.commands);
            }
            spent += start.elapsed();
            self.told.clear();
            self.obey();
        }
        spent
    }

    /// Carries out the commands and notes the answers.
    fn obey(&mut self) {
        self.mix.commands += self.commands.len() as u64;
        for command in self.commands.drain(..) {
            match command {
                Command::SetCpu {
                    container,
                    version,
                    limit,
                } => {
                    let state = &mut self.containers[container.0 as usize];
                    if state.throttled {
                        // A write refills.
                        state.budget += limit.over(PERIOD);
                    }
                    state.quota = limit;
                    self.told
                        .push(Observation::CpuApplied { container, version });
                }
                Command::Reclaim {
                    container,
                    version,
                    margin,
                } => {
                    let state = &mut self.containers[container.0 as usize];
                    state.memory = state.memory.min(MEMORY_USED + margin);
                    self.told.push(Observation::MemoryApplied {
                        container,
                        version,
                        limit: state.memory,
                    });
                }
                _ => {}
            }
        }
    }
}

fn level(random: &mut Random) -> Span {
    Span(random.below(LEVEL_MAX.over(PERIOD).0))
}

pub(crate) fn container(id: u32) -> Container {
    Container {
        id: ContainerId(id),
        host: HostId(0),
        requested: None,
    }
}
