//! What one decision costs: the time spent inside a policy, without simulator.
//!
//! - `report`: one CPU period report of a container, with all that comes with it
//!   (answers to commands, wake-ups, for `tide`'s half on a host the throttles too),
//!   among 100 to 100,000 containers in a closed loop. `fixed` ignores all it is told:
//!   what of the other figures is the loop around.
//! - `autopilot-update`: new limits for all 68 containers (Train Ticket has them).
//!
//! The table at the end gives, from the fastest and the middle sample, how many
//! containers one core serves at ten reports a second.
//!
//! `cargo bench --bench allocator`

mod hosts;

use std::cell::RefCell;
use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{Bencher, BenchmarkId, Criterion};
use tidegate_core::autopilot::{self, Autopilot};
use tidegate_core::captain::{self, Captain};
use tidegate_core::escra::{self, Escra, Law};
use tidegate_core::fixed::Fixed;
use tidegate_core::tide::{self, Tide};
use tidegate_core::{Allocator, Bytes, ContainerId, Cores, HostId, Limits, Observation, Time};

use hosts::{Hosts, Random, container};

/// Containers of the largest of the four applications.
const TRAIN_TICKET: u32 = 68;

/// Reports per container and second: Linux's bandwidth period.
const REPORTS_PER_SECOND: f64 = 10.0;

/// Periods in which limits find their level before measuring.
const SETTLE: u32 = 100;

const SIZES: [u32; 4] = [100, 1_000, 10_000, 100_000];

/// A policy for so many containers, under an Ω of one core for each.
type Build = fn(u32) -> Box<dyn Allocator>;

/// Containers of a host, which report together.
const PER_HOST: u32 = 100;

/// Each policy with its containers per host; `escra-shuffled` is Escra with reports in
/// any order.
const POLICIES: [(&str, u32, Build); 6] = [
    ("fixed", PER_HOST, |n| Box::new(Fixed::new(initial(n)))),
    ("escra", PER_HOST, |n| escra(Law::Code, n)),
    ("escra-shuffled", 1, |n| escra(Law::Code, n)),
    ("escra-paper", PER_HOST, |n| escra(Law::Paper, n)),
    ("tide-host", PER_HOST, |n| {
        let (cpu, memory) = omega(n);
        let config = tide::Config::default();
        Tide::new(config, cpu, memory, n as usize, 1)
            .host_half(HostId(0))
            .expect("Tide decides on hosts")
            .start()
    }),
    ("captain", PER_HOST, |n| {
        let config = captain::Config::default();
        let captain = Captain::new(config, initial(n), Some(omega(n).0));
        Box::new(captain.expect("the defaults are sound"))
    }),
];

fn escra(law: Law, containers: u32) -> Box<dyn Allocator> {
    let (cpu, memory) = omega(containers);
    let config = escra::Config {
        law,
        ..escra::Config::default()
    };
    Box::new(Escra::new(config, cpu, memory, containers as usize))
}

fn omega(containers: u32) -> (Cores, Bytes) {
    let n = u64::from(containers);
    (Cores::new(n), Bytes::from_mib(256 * n))
}

fn initial(containers: u32) -> Vec<Limits> {
    let limits = Limits {
        cpu: Cores::new(1),
        memory: Bytes::from_mib(256),
    };
    vec![limits; containers as usize]
}

/// One row of the table at the end.
struct Row {
    policy: &'static str,
    containers: u32,
    /// Nanoseconds per report, one per sample.
    samples: Vec<f64>,
    throttled: f64,
    commands: f64,
}

fn reports(criterion: &mut Criterion) -> Vec<Row> {
    let mut group = criterion.benchmark_group("allocator/report");
    let mut rows = Vec::new();
    for (policy, per_host, build) in POLICIES {
        for containers in SIZES {
            let samples = RefCell::new(Vec::new());
            let mut state = None;
            let id = BenchmarkId::new(policy, containers);
            group.bench_function(id, |bencher: &mut Bencher<'_>| {
                let (policy, hosts) = state.get_or_insert_with(|| {
                    let mut policy = build(containers);
                    let mut hosts = Hosts::new(policy.as_mut(), containers, per_host);
                    for _ in 0..SETTLE {
                        hosts.round(policy.as_mut());
                    }
                    hosts.mix = hosts::Mix::default();
                    (policy, hosts)
                });
                bencher.iter_custom(|wanted| {
                    let rounds = wanted.div_ceil(u64::from(containers));
                    let spent: Duration = (0..rounds).map(|_| hosts.round(policy.as_mut())).sum();
                    let each = spent.as_secs_f64() / (rounds * u64::from(containers)) as f64;
                    samples.borrow_mut().push(each * 1e9);
                    Duration::from_secs_f64(each * wanted as f64)
                });
            });
            // Not run at all where a filter leaves it out.
            if let Some((_, hosts)) = state {
                let share = |n| n as f64 / hosts.mix.reports as f64;
                rows.push(Row {
                    policy,
                    containers,
                    samples: samples.into_inner(),
                    throttled: share(hosts.mix.throttled),
                    commands: share(hosts.mix.commands),
                });
            }
        }
    }
    group.finish();
    rows
}

/// Prints what was measured, per core.
fn table(rows: &mut [Row]) {
    println!("policy          containers  min ns  median ns  containers/core  throttled  commands");
    for row in rows {
        // The first ones warm up: what was settled is in no cache yet.
        let warm = row.samples.len() / 3;
        let samples = &mut row.samples[warm..];
        samples.sort_by(f64::total_cmp);
        let median = samples[samples.len() / 2];
        println!(
            "{:<15} {:>10}  {:>6.1}  {:>9.1}  {:>15.0}  {:>8.1}%  {:>7.1}%",
            row.policy,
            row.containers,
            samples[0],
            median,
            1e9 / median / REPORTS_PER_SECOND,
            row.throttled * 100.0,
            row.commands * 100.0,
        );
    }
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

fn main() {
    let mut criterion = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
        .configure_from_args();
    let mut rows = reports(&mut criterion);
    autopilot(&mut criterion);
    criterion.final_summary();
    table(&mut rows);
}
