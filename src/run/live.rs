//! A cell in the live world: real processes on this host, and the simulator's recorder
//! for what was seen of them, so that both worlds' numbers mean the same.

use std::ffi::OsString;
use std::sync::atomic::AtomicBool;

use tidegate_core::{Cores, Span, Time};
use tidegate_live::local::books::MemoryEvent;
use tidegate_live::local::service::Account;
use tidegate_live::local::{self, LocalError, Seen};
use tidegate_sim::record::{Reading, Recorder, Telemetry};
use tidegate_sim::{Experiment, Recording};
use tidegate_workloads::Load;

use crate::run::cell::{Container as Used, Failure, Finished, Metric};
use crate::scenario::matrix::ApplicationCell;

/// Numbers that only this world gives: name and unit.
pub const MORE: [(&str, &str); 5] = [
    ("manager_cpu_mean_cores", "cores"),
    ("http_cpu_mean_cores", "cores"),
    ("http_cpu_unpaid_cores", "cores"),
    ("send_late_mean_ms", "ms"),
    ("send_late_max_ms", "ms"),
];

/// Says why this host cannot stand for `cell`'s testbed, if it cannot.
///
/// # Errors
/// What is too small, and what helps.
pub fn check(cell: &ApplicationCell) -> Result<(), String> {
    let testbed = &cell.testbed;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    if testbed.hosts != 1 || testbed.cpus_per_host() as usize > cores {
        return Err(format!(
            "the testbed has {} x {} CPUs and this host {cores}\n  \
             help: name a testbed of one host as small as this one, and make the experiment \
             fit it with `[live] scale`",
            testbed.hosts,
            testbed.cpus_per_host()
        ));
    }
    if testbed.cfs.period != Span::from_millis(100) {
        return Err("the live world has CPU periods of 100ms only".to_owned());
    }
    Ok(())
}

/// Runs `cell` under `load` on this host. `deciding` are the arguments that tell a
/// controller of it.
///
/// # Errors
/// When it is interrupted, or something on the host refuses or fails.
pub fn run(
    cell: &ApplicationCell,
    load: &Load,
    seed: u64,
    recording: Recording,
    deciding: &[OsString],
    stop: &AtomicBool,
) -> Result<Finished, Failure> {
    check(cell).map_err(Failure::Fault)?;
    let policy = cell
        .policy
        .build(&cell.application, &cell.testbed, &cell.limit, cell.settle);
    let telemetry = Telemetry::of(policy.map_err(Failure::Fault)?.as_ref());
    let program = std::env::current_exe()
        .map_err(|error| Failure::Fault(format!("this program is not found: {error}")))?;
    let seen = local::run(
        &local::Experiment {
            application: &cell.application,
            load,
            connections: cell.client.connections,
            seed,
            settle: cell.settle,
            duration: cell.duration,
            deciding,
            program: &program,
        },
        stop,
    )
    .map_err(|error| match error {
        LocalError::Interrupted => Failure::Interrupted,
        other => Failure::Fault(other.to_string()),
    })?;
    let experiment = cell.experiment(load, seed, recording);
    Ok(record(&experiment, telemetry, &seen))
}

/// What was seen, as numbers.
fn record(experiment: &Experiment<'_>, telemetry: Telemetry, seen: &Seen) -> Finished {
    let origin = Time::ZERO + experiment.settle;
    let services = &experiment.application.services;
    let mut recorder = Recorder::new(experiment, telemetry);
    services.iter().for_each(|_| recorder.add());
    recorder.ended(seen.sent.took);
    recorder.sent = seen.sent.due;
    for reply in &seen.sent.replies {
        let at = |time: Time| origin + time.since(Time::ZERO);
        recorder.reply(at(reply.done), at(reply.intended), reply.failed);
    }
    for &(time, cores) in &seen.watched.limits {
        recorder.limits(origin + time, cores);
    }
    let mut memory_max = vec![0; services.len()];
    // The first one is what the second is counted from.
    let samples = &seen.watched.samples;
    for pair in samples.windows(2) {
        let ((before, earlier), now, first) = (&pair[0], &pair[1], &samples[0].1);
        recorder.tick(0);
        for (index, sample) in now.1.iter().enumerate() {
            let used = sample.counts.cpu.saturating_sub(earlier[index].counts.cpu);
            let reading = Reading {
                cpu_limit: sample.cpu_limit.map_or(f64::INFINITY, Cores::as_f64),
                cpu: used.as_secs_f64() / now.0.saturating_sub(*before).as_secs_f64(),
                memory_limit: sample.memory_limit.map_or(u64::MAX, |limit| limit.0),
                memory: sample.memory.0,
                periods: sample.counts.periods - first[index].counts.periods,
                throttled_periods: sample.counts.throttled - first[index].counts.throttled,
                up: true,
            };
            recorder.sample(origin + now.0, index, &reading);
            let unused = (reading.cpu_limit - reading.cpu).max(0.0);
            recorder.period(index, reading.cpu_limit, unused);
            memory_max[index] = memory_max[index].max(reading.memory);
        }
    }
    recorder.memory.kills = seen.counts.iter().map(|counts| counts.oom_kills).sum();
    recorder.memory.down = seen.down;
    recorder.limit_updates = seen.watched.updates;
    for event in &seen.managed.memory {
        match *event {
            MemoryEvent::Commanded => recorder.memory.commands += 1,
            MemoryEvent::Changed => recorder.limit_updates += 1,
            MemoryEvent::Reclaimed(bytes) => recorder.memory.reclaimed += bytes.0,
            MemoryEvent::Rescued(waited) => recorder.memory.rescue(waited),
            MemoryEvent::Denied => recorder.memory.denied += 1,
        }
    }

    let seconds = seen.sent.took.as_secs_f64();
    let mut used = 0.0;
    let mut periods = (0, 0);
    let mut containers = Vec::new();
    for (index, counts) in seen.counts.iter().enumerate() {
        used += counts.cpu.as_secs_f64();
        periods.0 += counts.periods;
        periods.1 += counts.throttled;
        containers.push(Used {
            service: services[index].name.clone(),
            cpu_mean_cores: counts.cpu.as_secs_f64() / seconds,
            cpu_limit_mean_cores: recorder.cpu_limit_mean(index),
            memory_max_mib: memory_max[index] as f64 / 1_048_576.0,
            periods: counts.periods,
            throttled_periods: counts.throttled,
            oom_kills: counts.oom_kills,
        });
    }
    let distributions = recorder.distributions();
    let metrics = recorder.metrics(&distributions, used, periods);
    let mut metrics: Vec<Metric> = metrics.into_iter().map(Metric::from).collect();
    metrics.extend(more(seen, seconds));
    Finished {
        metrics,
        containers,
        series: recorder.take_series(),
        cdfs: if experiment.recording.cdf {
            distributions.cdfs()
        } else {
            Vec::new()
        },
        events: seen.sent.replies.len() as u64,
    }
}

/// The values of [`MORE`].
fn more(seen: &Seen, seconds: f64) -> impl Iterator<Item = Metric> {
    let sum = |part: fn(&Account) -> f64| seen.accounts.iter().flatten().map(part).sum::<f64>();
    let late = |nanos: f64| nanos * 1e-6;
    let values = [
        seen.managing.as_secs_f64() / seconds,
        sum(|account| account.overhead_s) / seconds,
        sum(|account| account.unpaid_s) / seconds,
        late(seen.sent.late.0 as f64 / seen.sent.due.max(1) as f64),
        late(seen.sent.late.1 as f64),
    ];
    MORE.into_iter()
        .zip(values)
        .map(|((name, unit), value)| Metric {
            name: name.to_owned(),
            unit: unit.to_owned(),
            value,
        })
}
