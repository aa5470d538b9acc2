//! One cell of a scenario, through `tidegate_sim::run`: hipster-shop under the
//! fixed load, with static limits and with Escra, as Table I has them but for the
//! idle time before the load.
//!
//! - `cell/events`: events handled per second, in 20 simulated seconds.
//! - `cell/simulated-seconds`: simulated seconds per second, in a run of 20 s and
//!   in one of 200 s. The two must be alike: an event late in a run costs no more
//!   than an early one.
//!
//! `cargo bench --bench cell`

use std::path::Path;
use std::time::Duration;

use criterion::{BatchSize, Bencher, BenchmarkId, Criterion, Throughput};
use tidegate::scenario::{Cell, Filter, Scenario, set};
use tidegate_core::Allocator;
use tidegate_sim::{Experiment, Outcome, Recording};

const SEED: u64 = 1;

/// The cells of Table I for hipster-shop under the fixed load, with `seconds`
/// of load and nothing before, by the name of their allocator.
fn cells(seconds: u64) -> Vec<(String, Cell)> {
    let table = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/escra/table-1.toml");
    let filter = [
        "application=hipster-shop",
        "workload=fixed",
        "allocator=static-1.5x",
        "allocator=escra",
    ];
    let filter = Filter::parse(&filter.map(str::to_owned)).expect("column=value");
    let times = [
        format!("run.duration={seconds}s"),
        "run.settle=0s".to_owned(),
    ];
    let times = times.map(|time| set::parse(&time).expect("key=value"));
    let scenario = Scenario::load(&table, &times, &filter).expect("Table I is sound");
    let name = |cell: &Cell| cell.labels.last().cloned().expect("a cell has columns");
    scenario
        .cells
        .into_iter()
        .map(|cell| (name(&cell), cell))
        .collect()
}

fn allocator(cell: &Cell) -> Box<dyn Allocator> {
    let cell = cell.application().expect("it runs an application");
    cell.policy
        .build(&cell.application, &cell.testbed, &cell.limit, cell.settle)
        .expect("its parameters are sound")
}

fn run(cell: &Cell, allocator: &mut dyn Allocator) -> Outcome {
    let cell = cell.application().expect("it runs an application");
    let experiment = Experiment {
        application: &cell.application,
        load: &cell.loads[0],
        testbed: &cell.testbed,
        client: cell.client,
        settle: cell.settle,
        duration: cell.duration,
        seed: SEED,
        recording: Recording::default(),
        watched: cell.watched,
    };
    tidegate_sim::run(&experiment, allocator)
}

fn measure(bencher: &mut Bencher<'_>, cell: &Cell) {
    bencher.iter_batched(
        || allocator(cell),
        |mut allocator| run(cell, allocator.as_mut()),
        BatchSize::PerIteration,
    );
}

fn events(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("cell/events");
    for (name, cell) in cells(20) {
        let outcome = run(&cell, allocator(&cell).as_mut());
        group.throughput(Throughput::Elements(outcome.events));
        group.bench_function(name, |bencher| measure(bencher, &cell));
    }
    group.finish();
}

fn simulated_seconds(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("cell/simulated-seconds");
    for seconds in [20, 200] {
        group.throughput(Throughput::Elements(seconds));
        for (name, cell) in cells(seconds) {
            let id = BenchmarkId::new(name, format!("{seconds}s"));
            group.bench_function(id, |bencher| measure(bencher, &cell));
        }
    }
    group.finish();
}

fn main() {
    let mut criterion = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(8))
        .configure_from_args();
    events(&mut criterion);
    simulated_seconds(&mut criterion);
    criterion.final_summary();
}
