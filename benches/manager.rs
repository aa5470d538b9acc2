//! What the resource manager's decisions cost: its own time, without simulator.
//!
//! - `place`: accepting and placing 10,000 deployments of one part each, every one
//!   with objectives of its own, on 10,000 resources. `roomy`: each resource has
//!   room for four; `tight`: for one, so that at the end all are full; `worst`: as
//!   tight, and the score knows nothing of load, so that each part finds the best
//!   resources full and has to pass over all of them.
//! - `samples`: 100,000 samples of 10,000 watched resources, each judged by one
//!   objective when it arrives.
//! - `period`: one evaluation of 100,000 objectives, as the original's loop does.
//!
//! `cargo bench --bench manager`

use std::hint::black_box;

use criterion::{BatchSize, Criterion};
use tidegate_core::deployment::{DeploymentSpec, Outcome, PartSpec, Reply, Target};
use tidegate_core::manager::{
    Config, Manager, ManagerCommand, ManagerObservation, Measured, Monitoring, Placing, Sample,
};
use tidegate_core::placement::{Capacity, Demand, PartKind, Platform, Resource};
use tidegate_core::slo::{Metric, Objective};
use tidegate_core::{Bytes, Cores, DeploymentId, ResourceId, Span, Time};

const RESOURCES: u32 = 10_000;
const PARTS: u32 = 10_000;

/// A number below `n` that looks like a random one of `seed`.
fn spread(seed: u32, n: u32) -> u32 {
    (seed.wrapping_mul(2_654_435_761) >> 8) % n
}

fn resource(id: u32, parts: u64) -> Resource {
    Resource {
        id: ResourceId(id),
        name: format!("device-{id}"),
        platform: Platform::OpenFaas,
        provider: "own".to_owned(),
        region: format!("region-{}", spread(id, 20)),
        environment: "edge".to_owned(),
        instance_type: None,
        cost: Some(f64::from(spread(id + 7, 100)) / 100.0),
        capacity: Capacity {
            cpu: Some(Cores::new(parts)),
            memory: Some(Bytes::from_mib(256 * parts)),
            storage: None,
        },
        lockable: true,
    }
}

fn sample(resource: u32, metric: Metric, value: f64, at: Time) -> ManagerObservation {
    ManagerObservation::Sample(Sample {
        of: Measured::Resource(ResourceId(resource)),
        metric,
        value,
        at,
    })
}

/// A manager that knows all resources, each measured once.
fn continuum(config: Config, parts_each: u64) -> Manager {
    let mut manager = Manager::new(config, Time::ZERO).expect("a sound configuration");
    let mut out = Vec::new();
    for id in 0..RESOURCES {
        let joined = ManagerObservation::ResourceJoined(resource(id, parts_each));
        manager.observe(Time::ZERO, &joined, &mut out);
        let latency = f64::from(1 + spread(id + 3, 200)) / 1000.0;
        for (metric, value) in [(Metric::Latency, latency), (Metric::Cpu, 20.0)] {
            let sample = sample(id, metric, value, Time::ZERO);
            manager.observe(Time::ZERO, &sample, &mut out);
        }
    }
    manager
}

fn request(id: u32, objectives: &[Objective]) -> ManagerObservation {
    ManagerObservation::Deploy {
        deployment: DeploymentId(id),
        spec: DeploymentSpec {
            parts: vec![PartSpec {
                artifact: "function-1".to_owned(),
                kind: PartKind::Function,
                demand: Demand {
                    cpu: Cores::new(1),
                    memory: Bytes::from_mib(256),
                    storage: Bytes::ZERO,
                },
                target: Target::Any,
                exclusive: false,
                start: true,
                objectives: Vec::new(),
            }],
            objectives: objectives.to_vec(),
            ..DeploymentSpec::default()
        },
    }
}

/// Requests that differ in their objectives, and which every resource but those of
/// one region in twenty can meet.
fn requests() -> Vec<ManagerObservation> {
    let objective = |text: String| -> Objective { text.parse().expect("an objective") };
    (0..PARTS)
        .map(|id| {
            let objectives = [
                objective(format!("latency < {}ms", 250 + id % 100)),
                objective(format!("cpu < {}%", 50 + id % 40)),
                objective(format!("region != region-{}", id % 20)),
            ];
            request(id, &objectives)
        })
        .collect()
}

fn place(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("manager/place");
    group.sample_size(10);
    let requests = requests();
    let blind = Config {
        placing: Placing {
            load: 0.0,
            ..Placing::default()
        },
        ..Config::default()
    };
    for (name, config, parts_each) in [
        ("roomy", Config::default(), 4),
        ("tight", Config::default(), 1),
        ("worst", blind, 1),
    ] {
        group.bench_function(name, |bencher| {
            bencher.iter_batched(
                || continuum(config, parts_each),
                |mut manager| {
                    let mut out = Vec::new();
                    for request in &requests {
                        manager.observe(Time::ZERO, request, &mut out);
                    }
                    black_box((manager, out))
                },
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

/// A manager that watches these objectives for a deployment on each resource.
fn watching(config: Config, objectives: &[Objective]) -> Manager {
    let mut manager = continuum(config, 1);
    let mut out = Vec::new();
    for id in 0..PARTS {
        manager.observe(Time::ZERO, &request(id, objectives), &mut out);
    }
    while let Some(command) = out.pop() {
        if let ManagerCommand::Operate(operation) = command {
            let done = ManagerObservation::Reply(Reply {
                key: operation.key,
                attempt: operation.attempt,
                outcome: Outcome::Done,
            });
            manager.observe(Time::ZERO, &done, &mut out);
        }
    }
    manager
}

fn evaluate(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("manager");
    group.sample_size(10);
    let objectives: Vec<Objective> = (0..10)
        .map(|n| match n {
            0 => "latency < 300ms".to_owned(),
            _ => format!("cpu < {}%", 80 + n),
        })
        .map(|text| text.parse().expect("an objective"))
        .collect();

    // Of ten objectives on a resource one is on the metric that is measured.
    let mut manager = watching(Config::default(), &objectives);
    let mut at = Time::ZERO;
    let mut out = Vec::new();
    group.bench_function("samples", |bencher| {
        bencher.iter(|| {
            for _ in 0..10 {
                at = at + Span::from_millis(1);
                for id in 0..RESOURCES {
                    let latency = f64::from(1 + spread(id, 200)) / 1000.0;
                    manager.observe(at, &sample(id, Metric::Latency, latency, at), &mut out);
                }
            }
            assert!(out.is_empty(), "nothing is violated");
        });
    });

    let config = Config {
        monitoring: Monitoring {
            push: false,
            period: Some(Span::from_micros(1)),
            ..Monitoring::default()
        },
        ..Config::default()
    };
    let mut manager = watching(config, &objectives);
    let mut now = Time::ZERO;
    group.bench_function("period", |bencher| {
        bencher.iter(|| {
            now = now + Span::from_micros(1);
            manager.wake(now, &mut out);
            assert!(out.is_empty(), "nothing is violated");
        });
    });
    group.finish();
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    place(&mut criterion);
    evaluate(&mut criterion);
    criterion.final_summary();
}
