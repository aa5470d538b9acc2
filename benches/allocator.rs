//! What one decision costs: the time of one step of a policy, without simulator.
//!
//! - `escra-report`: one CPU period report, with the answer to the command it may
//!   lead to, among 10 to 10,000 containers in a closed loop.
//! - `autopilot-update`: new limits for all 68 containers (Train Ticket has them).
//! - `fixed-report`: one report to a policy that ignores it: what of the other
//!   figures is the loop around.
//!
//! `cargo bench --bench allocator`

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{Bencher, BenchmarkId, Criterion};
use tidegate_core::autopilot::{self, Autopilot};
use tidegate_core::escra::{self, Escra};
use tidegate_core::fixed::Fixed;
use tidegate_core::{
    Allocator, Bytes, Command, Container, ContainerId, Cores, CpuPeriod, HostId, Limits,
    Observation, Span, Time,
};

const PERIOD: Span = Span::from_millis(100);

/// Containers of the largest of the four applications.
const TRAIN_TICKET: u32 = 68;

/// SplitMix64: pseudo-random numbers that cost next to nothing.
struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % n
    }
}

/// Containers that want a random amount of CPU in each period, and carry out
/// commands at once.
struct Hosts {
    containers: Vec<State>,
    random: Random,
    /// Whose period ends next.
    next: usize,
    periods: u64,
    commands: Vec<Command>,
}

struct State {
    quota: Cores,
    seq: u64,
    nr_throttled: u64,
}

impl Hosts {
    fn new(policy: &mut dyn Allocator, containers: u32) -> Hosts {
        let admit = |id| State {
            quota: policy.admit(Time::ZERO, container(id)).cpu,
            seq: 0,
            nr_throttled: 0,
        };
        Hosts {
            containers: (0..containers).map(admit).collect(),
            random: Random(1),
            next: 0,
            periods: 0,
            commands: Vec::new(),
        }
    }

    /// One container's period ends.
    fn step(&mut self, policy: &mut dyn Allocator) {
        if self.next == self.containers.len() {
            self.next = 0;
            self.periods += 1;
        }
        let now = Time::ZERO + PERIOD * self.periods;
        let id = ContainerId(self.next as u32);
        let state = &mut self.containers[self.next];
        self.next += 1;
        // Up to two cores, one on average, as is Ω for each: quotas keep moving.
        let wanted = Span(self.random.below(2 * PERIOD.0));
        let budget = state.quota.over(PERIOD);
        let usage = wanted.min(budget);
        state.seq += 1;
        state.nr_throttled += u64::from(wanted > budget);
        let report = CpuPeriod {
            container: id,
            seq: state.seq,
            quota: state.quota,
            unused: budget - usage,
            usage,
            nr_throttled: state.nr_throttled,
        };
        policy.observe(now, &Observation::Period(report), &mut self.commands);
        while let Some(command) = self.commands.pop() {
            if let Command::SetCpu {
                container,
                version,
                limit,
            } = command
            {
                self.containers[container.0 as usize].quota = limit;
                let applied = Observation::CpuApplied { container, version };
                policy.observe(now, &applied, &mut self.commands);
            }
        }
    }
}

fn container(id: u32) -> Container {
    Container {
        id: ContainerId(id),
        host: HostId(id % 3),
    }
}

fn reports(bencher: &mut Bencher<'_>, mut policy: Box<dyn Allocator>, containers: u32) {
    let mut hosts = Hosts::new(policy.as_mut(), containers);
    // Limits find their level.
    for _ in 0..100 * containers {
        hosts.step(policy.as_mut());
    }
    bencher.iter(|| hosts.step(policy.as_mut()));
}

fn escra(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("allocator/escra-report");
    for containers in [10, 100, 1_000, 10_000] {
        let id = BenchmarkId::from_parameter(containers);
        group.bench_with_input(id, &containers, |bencher, &containers| {
            let n = u64::from(containers);
            let omega = (Cores::new(n), Bytes::from_mib(256 * n));
            let config = escra::Config::default();
            let policy = Escra::new(config, omega.0, omega.1, containers as usize);
            reports(bencher, Box::new(policy), containers);
        });
    }
    group.finish();
}

fn autopilot(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("allocator/autopilot-update");
    let id = BenchmarkId::from_parameter(TRAIN_TICKET);
    group.bench_function(id, |bencher| bencher.iter_custom(updates));
    group.finish();
}

/// The time of `updates` updates, without that of the ten samples before each.
fn updates(updates: u64) -> Duration {
    let config = autopilot::Config::default();
    let sampling = config.sampling;
    let mut policy = Autopilot::new(config, None, None).expect("the defaults are sound");
    for id in 0..TRAIN_TICKET {
        policy.admit(Time::ZERO, container(id));
    }
    let mut random = Random(1);
    let mut commands = Vec::new();
    let mut spent = Duration::ZERO;
    let mut seq = 0;
    for _ in 0..updates {
        let due = policy.next_wake().expect("Autopilot never rests");
        while Time::ZERO + sampling * (seq + 1) <= due {
            seq += 1;
            for id in 0..TRAIN_TICKET {
                let sample = Observation::Usage {
                    container: ContainerId(id),
                    seq,
                    cpu: Cores(random.below(1_000_000_000)),
                    memory: Bytes(100_000_000 + random.below(100_000_000)),
                };
                policy.observe(Time::ZERO + sampling * seq, &sample, &mut commands);
            }
        }
        let start = Instant::now();
        policy.wake(due, &mut commands);
        spent += start.elapsed();
        black_box(commands.drain(..).count());
    }
    spent
}

fn fixed(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("allocator/fixed-report");
    let id = BenchmarkId::from_parameter(TRAIN_TICKET);
    group.bench_function(id, |bencher| {
        let limits = Limits {
            cpu: Cores::new(1),
            memory: Bytes::from_mib(256),
        };
        let policy = Fixed::new(vec![limits; TRAIN_TICKET as usize]);
        reports(bencher, Box::new(policy), TRAIN_TICKET);
    });
    group.finish();
}

fn main() {
    let mut criterion = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
        .configure_from_args();
    escra(&mut criterion);
    autopilot(&mut criterion);
    fixed(&mut criterion);
    criterion.final_summary();
}
