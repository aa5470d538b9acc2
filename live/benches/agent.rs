//! The agent on real control groups: how fast it applies limits, how fast it rescues
//! from out-of-memory, and what it costs. Needs what the tests on the kernel need.
//!
//! `cargo bench -p tidegate-live --bench agent [-- apply | rescue | alone | cost ...]`
//! prints a table for each. Run it on a quiet machine; it says how busy it was.

#[path = "../tests/kernel/controller.rs"]
#[allow(dead_code)]
mod controller;
#[path = "../tests/kernel/group.rs"]
#[allow(dead_code)]
mod group;
#[path = "../tests/kernel/load.rs"]
mod load;

use std::process::ExitCode;
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tidegate_core::escra::{self, Escra};
use tidegate_core::tide::{self, Tide};
use tidegate_core::{
    Allocator, Bytes, Command, ContainerId, Cores, HostId, Limits, Observation, Span,
};
use tidegate_live::agent::{Config, Handle, Host, Notice, Registration, Request, Session, Wants};
use tidegate_live::cgroup::{Group, Hierarchies};

use controller::{Controller, is_kill};
use group::{Load, Scratch};

const A: ContainerId = ContainerId(0);
const LEASE: Span = Span::from_secs(60);

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1).peekable();
    if arguments.next_if(|first| first == "--load").is_some() {
        return load::run(arguments);
    }
    let hierarchies = match Hierarchies::detect() {
        Ok(hierarchies) if hierarchies.is_writable() => hierarchies,
        Ok(_) => {
            eprintln!("control groups may not be written to");
            return ExitCode::FAILURE;
        }
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    // As a host would be that does nothing else that matters.
    let _ = rustix::process::setpriority_process(None, -20);
    let wanted: Vec<String> = arguments.filter(|name| !name.starts_with('-')).collect();
    let runs = |name: &str| wanted.is_empty() || wanted.iter().any(|wanted| wanted == name);
    let average = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    println!(
        "control groups: {:?}; load {}",
        hierarchies.version(),
        average.trim()
    );
    if runs("apply") {
        apply(&hierarchies);
    }
    if runs("rescue") {
        rescue(&hierarchies);
    }
    if runs("alone") {
        alone(&hierarchies);
    }
    if runs("cost") {
        println!("\ncost: an agent's and its controller's CPU time, no network between them");
        println!(
            "  policy containers reports/s  agent  controller  agent per 100  containers per core"
        );
        for containers in [10, 100, 1_000] {
            cost(&hierarchies, containers, "escra");
        }
        for containers in [10, 100, 1_000] {
            cost(&hierarchies, containers, "tide");
        }
    }
    ExitCode::SUCCESS
}

fn register(agent: &Handle, id: ContainerId, group: Group, safe: Option<Limits>) {
    agent.send(Request::Add(Box::new(Registration {
        id,
        group,
        requested: None,
        safe,
        owned: false,
    })));
}

/// A row of a table: percentiles in microseconds.
fn row(name: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    let at = |share: f64| {
        let index = ((times.len() as f64 * share).ceil() as usize).clamp(1, times.len());
        times[index - 1].as_secs_f64() * 1e6
    };
    println!(
        "  {name:34} {:>7} {:>9.1} {:>9.1} {:>9.1} {:>9.1}",
        times.len(),
        at(0.5),
        at(0.9),
        at(0.99),
        at(1.0)
    );
}

fn header(title: &str) {
    println!("\n{title}");
    println!(
        "  {:34} {:>7} {:>9} {:>9} {:>9} {:>9}",
        "[us]", "n", "p50", "p90", "p99", "max"
    );
}

/// From a command handed to a sleeping agent until its answer, which follows the write.
fn apply(hierarchies: &Hierarchies) {
    const WRITES: u64 = 10_000;
    let scratch = Scratch::new(hierarchies, "apply");
    let (sender, notices) = channel();
    let agent = Host::start(Config::new(HostId(0)), move |notice| {
        let _ = sender.send((Instant::now(), notice));
    });
    let agent = agent.unwrap();
    agent.send(Request::Session(Session {
        wants: Wants {
            periods: true,
            ..Wants::default()
        },
        half: None,
        lease: LEASE,
    }));
    register(&agent, A, scratch.group(), None);
    agent.send(Request::Admitted(
        A,
        Limits {
            cpu: Cores::new(1),
            memory: Bytes::from_mib(64),
        },
    ));
    let answer = |wanted: &dyn Fn(&Observation) -> bool| loop {
        let (at, notice) = notices.recv().unwrap();
        if let Notice::Seen(seen) = notice
            && seen.iter().any(wanted)
        {
            return at;
        }
    };
    answer(&|seen| matches!(seen, Observation::Started(_)));
    header("apply: from the command sent to the limit written, the agent asleep before");
    let mut times = Vec::new();
    for version in 1..=WRITES {
        let limit = Cores::from_millis(500 + version % 2 * 500);
        let command = Command::SetCpu {
            container: A,
            version,
            limit,
        };
        std::thread::sleep(Duration::from_micros(200));
        let begun = Instant::now();
        agent.send(Request::Commands(vec![command]));
        times.push(answer(&|seen| matches!(seen, Observation::CpuApplied { .. })) - begun);
    }
    row("CPU limit", times);
    let mut times = Vec::new();
    for version in 1..=WRITES {
        let command = Command::SetMemory {
            container: A,
            version,
            limit: Bytes::from_mib(64 + version % 2 * 64),
        };
        std::thread::sleep(Duration::from_micros(200));
        let begun = Instant::now();
        agent.send(Request::Commands(vec![command]));
        times.push(answer(&|seen| matches!(seen, Observation::MemoryApplied { .. })) - begun);
    }
    row("memory limit", times);
}

/// The times at which out-of-memory events were told, in nanoseconds of the kernel's
/// clock, and whether anybody was killed.
#[derive(Default)]
struct Watched {
    events: Vec<u64>,
    killed: bool,
}

fn watch(watched: &Arc<Mutex<Watched>>) -> impl FnMut(&Notice) + Send + 'static {
    let watched = Arc::clone(watched);
    move |notice| {
        let mut watched = watched.lock().unwrap();
        watched.killed |= is_kill(notice);
        if let Notice::Seen(seen) = notice {
            let asked = |seen: &&Observation| matches!(seen, Observation::OutOfMemory { .. });
            let events = seen.iter().filter(asked).count();
            watched
                .events
                .extend(std::iter::repeat_n(load::now(), events));
        }
    }
}

/// A process that grows by 1 MiB a thousand times, rescued each time by Escra.
fn rescue(hierarchies: &Hierarchies) {
    const RESCUES: usize = 1_000;
    let scratch = Scratch::new(hierarchies, "rescue");
    let group = scratch.group();
    let watched = Arc::new(Mutex::new(Watched::default()));
    let config = escra::Config {
        grant: Bytes::from_mib(1),
        ..escra::Config::default()
    };
    let omega = Bytes::from_mib(1_400);
    let make = move || -> Box<dyn Allocator> {
        // The first limit is 70 % of a fiftieth: 19.6 MiB.
        Box::new(Escra::new(config.clone(), Cores::new(2), omega, 50))
    };
    let total = (RESCUES + 20).to_string();
    let mut load = Load::start(&group, &["touch", "4", &total]);
    load.line();
    let controller = Controller::start(make, LEASE, watch(&watched));
    register(&controller.agent, A, group, None);
    std::thread::sleep(Duration::from_millis(500));
    load.go();
    let whole = load.line();
    let stalls: Vec<(u64, u64)> = load.stalls();
    controller.stop();
    let watched = watched.lock().unwrap();
    header("rescue: a process that grows by 1 MiB at a time, Escra on the same host");
    let resumed = watched.events.iter().filter_map(|&event| {
        let within = |stall: &&(u64, u64)| stall.0 <= event && event <= stall.1;
        let stall = stalls.iter().find(within)?;
        Some((
            Duration::from_nanos(stall.1 - event),
            Duration::from_nanos(stall.1 - stall.0),
        ))
    });
    let (resumed, stalled): (Vec<_>, Vec<_>) = resumed.unzip();
    let matched = resumed.len();
    if matched > 0 {
        row("from the event told to resumed", resumed);
        row("the process's whole stall", stalled);
    }
    let kills = Group::adopt(hierarchies, &scratch.path, 0)
        .unwrap()
        .oom_kills();
    println!(
        "  {} events, {matched} of them in a stall seen by the process; {whole}; killed: {}, {:?} by the kernel's count",
        watched.events.len(),
        watched.killed,
        kills.unwrap()
    );
}

/// The controller goes while a process waits: how long until it goes on, or is killed.
fn alone(hierarchies: &Hierarchies) {
    header("alone: the controller dies while a process waits; lease 500 ms");
    let own = |mib| Limits {
        cpu: Cores::new(2),
        memory: Bytes::from_mib(mib),
    };
    for (name, safe) in [
        ("until it goes on (safe limit higher)", own(128)),
        ("until it is killed (safe limit not)", own(32)),
    ] {
        let mut times = Vec::new();
        for _ in 0..20 {
            let scratch = Scratch::new(hierarchies, "alone");
            let group = scratch.group();
            let mut load = Load::start(&group, &["touch", "16", "64"]);
            load.line();
            let (sender, notices) = channel();
            let agent = Host::start(Config::new(HostId(0)), move |notice| {
                let _ = sender.send(notice);
            });
            let agent = agent.unwrap();
            agent.send(Request::Session(Session {
                wants: Wants {
                    traps_out_of_memory: true,
                    ..Wants::default()
                },
                half: None,
                lease: Span::from_millis(500),
            }));
            register(&agent, A, group, Some(safe));
            agent.send(Request::Admitted(A, own(32)));
            let asked = |seen: &Observation| matches!(seen, Observation::OutOfMemory { .. });
            let wait_for = |wanted: &dyn Fn(&Observation) -> bool| loop {
                if let Notice::Seen(seen) = notices.recv().unwrap()
                    && seen.iter().any(wanted)
                {
                    return;
                }
            };
            wait_for(&|seen| matches!(seen, Observation::Started(_)));
            load.go();
            wait_for(&asked);
            // The last sign of life.
            agent.send(Request::Heard);
            let begun = Instant::now();
            load.line();
            times.push(begun.elapsed());
        }
        row(name, times);
    }
}

/// CPU time of this process's threads of a name, in nanoseconds.
fn cpu_time(name: &str) -> u64 {
    let mut sum = 0;
    for task in std::fs::read_dir("/proc/self/task").unwrap().flatten() {
        let read = |file| std::fs::read_to_string(task.path().join(file)).unwrap_or_default();
        if read("comm").trim() == name {
            let time = read("schedstat");
            let time = time
                .split(' ')
                .next()
                .and_then(|time| time.parse::<u64>().ok());
            sum += time.unwrap_or(0);
        }
    }
    sum
}

/// What agent and controller cost with so many containers. In each a process runs for a
/// moment in each period: long enough for the kernel to count one, but for the thousand,
/// for which two cores are too few.
fn cost(hierarchies: &Hierarchies, containers: usize, policy: &'static str) {
    const TIME: Duration = Duration::from_secs(10);
    let reports = Arc::new(Mutex::new(0));
    let counted = Arc::clone(&reports);
    let omega = (
        Cores::new(containers as u64),
        Bytes::from_mib(64 * containers as u64),
    );
    let make = move || -> Box<dyn Allocator> {
        match policy {
            "escra" => {
                let config = escra::Config::default();
                Box::new(Escra::new(config, omega.0, omega.1, containers))
            }
            _ => {
                let config = tide::Config::default();
                Box::new(Tide::new(config, omega.0, omega.1, containers, 1))
            }
        }
    };
    let controller = Controller::start(make, LEASE, move |notice| {
        if let Notice::Seen(seen) = notice {
            let periods = seen.iter();
            *counted.lock().unwrap() += periods
                .filter(|seen| matches!(seen, Observation::Period(_)))
                .count();
        }
    });
    let burn_us = if containers > 100 { "0" } else { "1200" };
    let mut running = Vec::new();
    for n in 0..containers {
        let scratch = Scratch::new(hierarchies, &format!("cost-{n}"));
        let group = scratch.group();
        let load = Load::start(&group, &["tick", "100", burn_us]);
        register(&controller.agent, ContainerId(n as u32), group, None);
        running.push((load, scratch));
    }
    std::thread::sleep(Duration::from_secs(2));
    let sample = || {
        (
            cpu_time("agent-0"),
            cpu_time("controller"),
            *reports.lock().unwrap(),
        )
    };
    let before = sample();
    std::thread::sleep(TIME);
    let after = sample();
    let share = |time: u64| time as f64 / TIME.as_nanos() as f64;
    let (agent, core) = (share(after.0 - before.0), share(after.1 - before.1));
    let both = agent + core;
    println!(
        "  {policy:6} {containers:>10} {:>9} {:>5.2} % {:>9.2} % {:>12.3} % {:>19.0}",
        (after.2 - before.2) / TIME.as_secs() as usize,
        agent * 100.0,
        core * 100.0,
        both * 100.0 / containers as f64 * 100.0,
        containers as f64 / both
    );
    controller.stop();
    // Processes first, so that all groups can go at once.
    running.into_iter().for_each(|(load, scratch)| {
        drop(load);
        drop(scratch);
    });
}
