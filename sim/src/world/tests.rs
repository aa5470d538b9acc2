//! Whole runs of small applications against what can be worked out by hand.

mod requests;

mod client;

mod closed_loop;

mod memory;

mod eviction;

mod control_plane;

mod invariants;

mod faults;

mod repeatability;

mod functions;

use std::path::Path;

use tidegate_core::{Bytes, Container, ContainerId, Cores, CpuPeriod, Limits, Observation};
use tidegate_workloads::{Application, Load, file};

use super::*;
use crate::experiment::{Client, Recording, Scope, Series};
use crate::testbed::Testbed;

const HOP_MS: f64 = 0.1;
const CONTROL_MS: f64 = 0.1;
const APPLY_MS: f64 = 0.2;

fn at(ms: f64) -> Time {
    Time((ms * 1e6).round() as u64)
}

const fn mib(n: u64) -> Bytes {
    Bytes::from_mib(n)
}

/// Three hosts, one for each service; hops and messages of 0.1 ms.
const TESTBED: &str = "
hosts = 3
sockets = 1
cores_per_socket = 16
threads_per_core = 1
smt_gain = 0.3
kernel = \"6.8\"
network = { hop = \"100us\", control = \"100us\", apply = \"200us\" }
";

/// One core and no delays.
const ONE_CORE: &str = "
hosts = 1
sockets = 1
cores_per_socket = 1
threads_per_core = 1
smt_gain = 0.3
kernel = \"6.8\"
network = { hop = \"0us\", control = \"100us\", apply = \"200us\" }
";

fn testbed(text: &str) -> Testbed {
    file::parse(Path::new("testbed.toml"), text).unwrap()
}

/// An application of services `a`, `b`, … with the given keys each, beside
/// their defaults: 1000 threads, all work on the path, none of it random, 10 MiB.
fn application(services: &[&str], requests: &str) -> Application {
    let mut text = "
        [runtimes.plain]
        threads = 1000
        order = \"fifo\"
        path_share = 1.0
        sigma = 0.0
        start_time = \"2s\"
    "
    .to_owned();
    for (name, keys) in ["a", "b", "c"].iter().zip(services) {
        text += &format!("\n[services.{name}]\nruntime = \"plain\"\n");
        text += "profile = { cpu_15x = \"1 cores\", memory_15x = \"100 MiB\" }\n";
        if !keys.contains("memory =") {
            text += "memory = { start = \"10 MiB\" }\n";
        }
        text += keys;
    }
    text += "\n[[requests]]\nname = \"first\"\nweight = 1\n";
    text += requests;
    Application::parse(Path::new("app.toml"), &text).unwrap()
}

/// One service `a` that takes `cpu` per request.
fn single(keys: &str, cpu: &str) -> Application {
    let call = format!("call = {{ to = \"a\", op = \"\", cpu = \"{cpu}\" }}");
    application(&[keys], &call)
}

/// A run to be.
struct Setup {
    application: Application,
    load: Load,
    testbed: Testbed,
    client: Client,
    settle: Span,
    duration: Span,
    seed: u64,
    recording: Recording,
}

impl Setup {
    /// One connection that sends ten evenly spaced requests a second for 5 s.
    fn new(application: Application) -> Setup {
        Setup {
            application,
            load: Load::Fixed { rate: 10.0 },
            testbed: testbed(TESTBED),
            client: Client {
                connections: 1,
                warm_up: Span::ZERO,
                ..Client::default()
            },
            settle: Span::ZERO,
            duration: Span::from_secs(5),
            seed: 1,
            recording: Recording::default(),
        }
    }

    fn fixed(mut self, rate: f64, connections: u32) -> Setup {
        self.load = Load::Fixed { rate };
        self.client.connections = connections;
        self
    }

    fn poisson(mut self, rate: f64, connections: u32) -> Setup {
        self.load = Load::Exponential { rate };
        self.client.connections = connections;
        self
    }

    fn lasting(mut self, seconds: f64) -> Setup {
        self.duration = Span::from_secs_f64(seconds);
        self
    }

    fn experiment(&self) -> Experiment<'_> {
        Experiment {
            application: &self.application,
            load: &self.load,
            testbed: &self.testbed,
            client: self.client,
            settle: self.settle,
            duration: self.duration,
            seed: self.seed,
            recording: self.recording,
            watched: false,
        }
    }

    fn run(&self, allocator: &mut dyn Allocator) -> Outcome {
        run(&self.experiment(), allocator)
    }

    /// With far more CPU and memory than needed.
    fn run_free(&self) -> Outcome {
        self.run(&mut Script::new(8.0, mib(100_000)))
    }
}

type Answer = fn(&Observation) -> Option<Command>;

/// Issues commands at fixed times or in answer to observations, and writes down
/// all it sees.
struct Script {
    limits: Limits,
    periods: bool,
    sampling: Option<Span>,
    traps: bool,
    plan: VecDeque<(Time, Command)>,
    answer: Answer,
    seen: Vec<(Time, Observation)>,
}

impl Script {
    fn new(cores: f64, memory: Bytes) -> Script {
        Script {
            limits: Limits {
                cpu: Cores::from_f64(cores),
                memory,
            },
            periods: false,
            sampling: None,
            traps: false,
            plan: VecDeque::new(),
            answer: |_| None,
            seen: Vec::new(),
        }
    }

    fn with_periods(mut self) -> Script {
        self.periods = true;
        self
    }

    fn trapping(mut self, answer: Answer) -> Script {
        self.traps = true;
        self.answer = answer;
        self
    }

    /// Issues `command` at this time.
    fn then(mut self, ms: f64, command: Command) -> Script {
        self.plan.push_back((at(ms), command));
        self
    }

    /// What was seen of one kind, with its time in ms.
    fn seen<T>(&self, pick: impl Fn(&Observation) -> Option<T>) -> Vec<(f64, T)> {
        let in_ms = |time: Time| time.0 as f64 * 1e-6;
        self.seen
            .iter()
            .filter_map(|(time, what)| pick(what).map(|found| (in_ms(*time), found)))
            .collect()
    }

    fn reports(&self) -> Vec<(f64, CpuPeriod)> {
        self.seen(|what| match what {
            Observation::Period(report) => Some(*report),
            _ => None,
        })
    }

    fn kills(&self) -> Vec<f64> {
        let killed = |what: &Observation| matches!(what, Observation::Killed(_)).then_some(());
        self.seen(killed).iter().map(|seen| seen.0).collect()
    }

    /// Number and limit of the out-of-memory events.
    fn out_of_memory(&self) -> Vec<(f64, (u64, Bytes))> {
        self.seen(|what| match what {
            Observation::OutOfMemory { event, limit, .. } => Some((*event, *limit)),
            _ => None,
        })
    }

    /// Version and limit of the answers to memory commands.
    fn memory_applied(&self) -> Vec<(f64, (u64, Bytes))> {
        self.seen(|what| match what {
            Observation::MemoryApplied { version, limit, .. } => Some((*version, *limit)),
            _ => None,
        })
    }

    fn cpu_applied(&self) -> Vec<(f64, u64)> {
        self.seen(|what| match what {
            Observation::CpuApplied { version, .. } => Some(*version),
            _ => None,
        })
    }
}

impl Allocator for Script {
    fn admit(&mut self, _now: Time, _container: Container) -> Limits {
        self.limits
    }

    fn observe(&mut self, now: Time, what: &Observation, out: &mut Vec<Command>) {
        self.seen.push((now, *what));
        out.extend((self.answer)(what));
    }

    fn next_wake(&self) -> Option<Time> {
        self.plan.front().map(|first| first.0)
    }

    fn wake(&mut self, now: Time, out: &mut Vec<Command>) {
        while let Some((time, command)) = self.plan.front()
            && *time <= now
        {
            assert_eq!(*time, now, "woken late");
            out.push(*command);
            self.plan.pop_front();
        }
    }

    fn wants_periods(&self) -> bool {
        self.periods
    }

    fn sampling(&self) -> Option<Span> {
        self.sampling
    }

    fn traps_out_of_memory(&self) -> bool {
        self.traps
    }
}

const A: ContainerId = ContainerId(0);

fn set_cpu(version: u64, cores: f64) -> Command {
    Command::SetCpu {
        container: A,
        version,
        limit: Cores::from_f64(cores),
    }
}

fn set_memory(version: u64, limit: Bytes) -> Command {
    Command::SetMemory {
        container: A,
        version,
        limit,
    }
}

fn value(outcome: &Outcome, name: &str) -> f64 {
    let metric = outcome.metrics.iter().find(|metric| metric.name == name);
    metric.unwrap_or_else(|| panic!("no metric {name}")).value
}

#[track_caller]
fn assert_value(outcome: &Outcome, name: &str, expected: f64) {
    let value = value(outcome, name);
    assert!(
        (value - expected).abs() < 1e-6,
        "{name} is {value}, not {expected}"
    );
}

/// Within `part` of what is expected.
#[track_caller]
fn assert_near(value: f64, expected: f64, part: f64) {
    assert!(
        (value / expected - 1.0).abs() < part,
        "{value}, not {expected}"
    );
}

/// Times agree to the nanosecond.
#[track_caller]
fn assert_times(actual: &[f64], expected: &[f64]) {
    let close = actual.len() == expected.len()
        && actual
            .iter()
            .zip(expected)
            .all(|(a, e)| (a - e).abs() < 1e-6);
    assert!(close, "{actual:?}, not {expected:?}");
}

/// All requests of the application, sent ten times a second, take this long.
#[track_caller]
fn assert_unloaded(application: Application, ms: f64) {
    let outcome = Setup::new(application).run_free();
    assert_value(&outcome, "requests_sent", 50.0);
    assert_value(&outcome, "requests_completed", 50.0);
    assert_value(&outcome, "requests_failed", 0.0);
    assert_value(&outcome, "throughput_rps", 10.0);
    assert_value(&outcome, "latency_mean_ms", ms);
    // The histogram keeps three digits.
    for name in ["latency_p50_ms", "latency_max_ms"] {
        assert_near(value(&outcome, name), ms, 2e-3);
    }
}

/// Three calls of 2 ms at once from `a` to `b`.
fn fan_out(keys: &str) -> Application {
    let call = "call = { to = \"a\", op = \"\", cpu = \"1 ms\", stages = [[
        { to = \"b\", op = \"\", cpu = \"2 ms\" },
        { to = \"b\", op = \"\", cpu = \"2 ms\" },
        { to = \"b\", op = \"\", cpu = \"2 ms\" },
    ]] }";
    application(&["", keys], call)
}

/// Four connections, each of which has 100 requests a second served and 200 to
/// send: request k of connection i is intended at 5 k + 1.25 i ms and answered
/// at 10 (k + 1) + 1.25 i ms.
fn saturated() -> Setup {
    let mut setup = Setup::new(single("", "10 ms"))
        .fixed(800.0, 4)
        .lasting(10.0);
    setup.testbed.network.hop = Span::ZERO;
    setup
}
