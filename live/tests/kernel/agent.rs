//! The agent on real groups.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tidegate_core::escra::{self, Escra};
use tidegate_core::tide::{self, Tide};
use tidegate_core::{Allocator, Bytes, Command, Cores, Half, Limits, Observation, Span};
use tidegate_live::agent::{Config, Host, Notice, Registration, Request, Session, Wants};
use tidegate_live::cgroup::{Group, Hierarchies};

use crate::Test;
use crate::controller::{Controller, is_kill};
use crate::group::{Load, Scratch, until};
use crate::probe::{A, B, HOST, PATIENCE, Probe};

pub(crate) const TESTS: &[Test] = &[
    ("agent::periods_are_reported", periods_are_reported),
    (
        "agent::a_stale_command_is_answered_with_what_is_in_force",
        stale_commands,
    ),
    (
        "agent::who_waits_for_memory_is_asked_for_and_goes_on",
        memory_is_asked_for,
    ),
    (
        "agent::without_a_controller_limits_are_safe_and_nobody_waits",
        without_a_controller,
    ),
    (
        "agent::without_a_controller_all_have_no_more_than_before",
        alone_with_nothing_to_share,
    ),
    (
        "agent::what_a_killed_agent_left_waiting_is_let_go",
        found_and_never_named,
    ),
    ("agent::periods_are_in_step", periods_are_in_step),
    (
        "agent::who_is_denied_is_killed_and_the_next_one_waits",
        denied,
    ),
    (
        "agent::a_new_session_leaves_limits_and_counts_anew",
        a_new_session,
    ),
    ("agent::its_end_leaves_nobody_waiting", its_end),
    ("agent::an_evicted_container_starts_again", evicted),
    ("agent::a_container_whose_group_is_gone_stops", gone),
    ("agent::escra_rescues_a_growing_process", escra_rescues),
    ("agent::tide_raises_within_the_period", tide_raises),
];

const ALL: Wants = Wants {
    periods: true,
    throttles: false,
    sampling: None,
    traps_out_of_memory: true,
};
const LEASE: Span = Span::from_secs(60);

fn limits(millicores: u64, mib: u64) -> Limits {
    Limits {
        cpu: Cores::from_millis(millicores),
        memory: Bytes::from_mib(mib),
    }
}

fn periods_are_reported(hierarchies: &Hierarchies) {
    let scratch = Scratch::new(hierarchies, "periods");
    let group = scratch.group();
    let mut probe = Probe::start();
    probe.session(ALL, None, LEASE);
    let load = Load::start(&group, &["burn", "1"]);
    probe.admit(A, group, limits(200, 256));
    let period = |seen: &Observation| match seen {
        Observation::Period(report) => Some(*report),
        _ => None,
    };
    let first = probe.see("a period", period);
    assert_eq!((first.seq, first.quota), (1, Cores::from_millis(200)));
    let mut last = first;
    let mut used = Span(0);
    for n in 2..=11 {
        last = probe.see("a period", period);
        assert_eq!(last.seq, n);
        used += last.usage;
    }
    assert!(last.nr_throttled >= 8, "{last:?}");
    let used = used.as_secs_f64();
    assert!(
        (0.1..0.35).contains(&used),
        "{used} s in 10 periods of 0.2 cores"
    );
    drop(load);
}

fn stale_commands(hierarchies: &Hierarchies) {
    let scratch = Scratch::new(hierarchies, "stale");
    let mut probe = Probe::start();
    probe.session(ALL, None, LEASE);
    probe.admit(A, scratch.group(), limits(500, 256));
    let group = || Group::adopt(hierarchies, &scratch.path, 0).unwrap();
    let set_cpu = |version, millicores| Command::SetCpu {
        container: A,
        version,
        limit: Cores::from_millis(millicores),
    };
    let set_memory = |version, mib| Command::SetMemory {
        container: A,
        version,
        limit: Bytes::from_mib(mib),
    };
    let cpu = |version| Observation::CpuApplied {
        container: A,
        version,
    };
    let memory = |version, mib| Observation::MemoryApplied {
        container: A,
        version,
        limit: Bytes::from_mib(mib),
    };
    for (command, answer, in_force) in [
        (set_cpu(2, 700), cpu(2), (700, 256)),
        (set_cpu(1, 900), cpu(2), (700, 256)),
        (set_cpu(2, 900), cpu(2), (700, 256)),
        (set_memory(5, 128), memory(5, 128), (700, 128)),
        (set_memory(4, 512), memory(5, 128), (700, 128)),
        (set_cpu(3, 300), cpu(3), (300, 128)),
    ] {
        probe.command(command);
        probe.see("the answer", |seen| (*seen == answer).then_some(()));
        let (group, expected) = (group(), limits(in_force.0, in_force.1));
        assert_eq!(group.cpu_limit(), Some(expected.cpu));
        assert_eq!(group.memory_limit(), Some(expected.memory));
    }
}

fn memory_is_asked_for(hierarchies: &Hierarchies) {
    let scratch = Scratch::new(hierarchies, "asked");
    let group = scratch.group();
    let mut probe = Probe::start();
    probe.session(ALL, None, LEASE);
    let mut load = Load::start(&group, &["touch", "16", "64"]);
    assert_eq!(load.line(), "touched 16");
    probe.admit(A, group, limits(2_000, 32));
    load.go();
    let asked = |seen: &Observation| match *seen {
        Observation::OutOfMemory {
            event,
            first,
            limit,
            ..
        } => Some((event, first, limit)),
        _ => None,
    };
    let first = probe.see("to be asked", asked);
    assert_eq!(first, (1, 1, Bytes::from_mib(32)));
    // Nobody answers: asked again, of the same wait.
    let (event, first, _) = probe.see("to be asked again", asked);
    assert_eq!((event, first), (2, 1));
    assert!(load.runs());
    // Too little begins a new wait.
    probe.command(Command::SetMemory {
        container: A,
        version: 1,
        limit: Bytes::from_mib(48),
    });
    let (event, first, limit) = probe.see("to be asked anew", |seen| {
        asked(seen).filter(|&(_, first, _)| first > 1)
    });
    assert_eq!((event, limit), (first, Bytes::from_mib(48)));
    probe.command(Command::SetMemory {
        container: A,
        version: 2,
        limit: Bytes::from_mib(128),
    });
    assert!(load.line().starts_with("whole true"));
    assert!(load.ends_well(PATIENCE));
    let kills = Group::adopt(hierarchies, &scratch.path, 0)
        .unwrap()
        .oom_kills();
    assert_eq!(kills.unwrap(), 0);
}

fn without_a_controller(hierarchies: &Hierarchies) {
    let scratch = Scratch::new(hierarchies, "alone");
    let other = Scratch::new(hierarchies, "alone-other");
    let mut probe = Probe::start();
    let lease = Span::from_secs(1);
    probe.session(ALL, None, lease);
    let group = scratch.group();
    let mut load = Load::start(&group, &["touch", "16", "64"]);
    assert_eq!(load.line(), "touched 16");
    let own = [limits(500, 32), limits(1_500, 128)];
    let safe = [limits(1_200, 96), limits(800, 64)];
    for (index, group) in [group, other.group()].into_iter().enumerate() {
        let id = [A, B][index];
        probe.add_safe(id, group, Some(safe[index]));
        probe.admit_added(id, own[index]);
    }
    load.go();
    // It is asked for and nobody answers; then it goes on with what the other one, which
    // has more than is safe, does not need.
    probe.see("to be asked", asked);
    assert!(load.runs());
    probe.notice("to be alone", |notice| {
        matches!(notice, Notice::Alone).then_some(())
    });
    assert!(load.line().starts_with("whole true"));
    assert!(load.ends_well(PATIENCE));
    let in_force = || [&scratch, &other].map(|scratch| in_force(hierarchies, scratch));
    until("safe limits", PATIENCE, || in_force() == safe);
    probe.watch(Duration::ZERO);
    assert_eq!(probe.watch(Duration::from_millis(300)), []);
    // It is back: its limits are, too.
    probe.send(Request::Heard);
    probe.notice("to be together", |notice| {
        matches!(notice, Notice::Together).then_some(())
    });
    assert_eq!(in_force(), own);
}

fn alone_with_nothing_to_share(hierarchies: &Hierarchies) {
    let scratch = Scratch::new(hierarchies, "alone-short");
    let mut probe = Probe::start();
    probe.session(ALL, None, Span::from_secs(1));
    let group = scratch.group();
    let mut load = Load::start(&group, &["touch", "16", "64"]);
    assert_eq!(load.line(), "touched 16");
    let own = limits(500, 32);
    probe.add_safe(A, group, Some(limits(1_500, 96)));
    probe.admit_added(A, own);
    load.go();
    probe.see("to be asked", asked);
    // What would be safe is more than this host was given: the kernel kills.
    assert!(load.is_killed(PATIENCE));
    probe.notice("to be alone", |notice| {
        matches!(notice, Notice::Alone).then_some(())
    });
    assert_eq!(in_force(hierarchies, &scratch), own);
}

fn found_and_never_named(hierarchies: &Hierarchies) {
    let scratch = Scratch::new(hierarchies, "found");
    let mut group = scratch.group();
    let mut load = Load::start(&group, &["touch", "16", "64"]);
    assert_eq!(load.line(), "touched 16");
    // As an agent leaves it that is killed while somebody waits.
    group.set_memory(Some(Bytes::from_mib(32))).unwrap();
    group.hold_killer(Config::new(HOST).headroom).unwrap();
    load.go();
    until("it waits", PATIENCE, || group.is_waiting().unwrap());
    let mut config = Config::new(HOST);
    config.lease = Span::from_millis(500);
    let probe = Probe::with(config);
    let group = Group::adopt(hierarchies, &scratch.path, 0).unwrap();
    probe.send(Request::Found(Box::new(group)));
    // No controller comes. It does not wait for ever.
    assert!(load.is_killed(PATIENCE));
}

/// The limits in force of a group that has some.
fn in_force(hierarchies: &Hierarchies, scratch: &Scratch) -> Limits {
    let group = Group::adopt(hierarchies, &scratch.path, 0).unwrap();
    Limits {
        cpu: group.cpu_limit().unwrap(),
        memory: group.memory_limit().unwrap(),
    }
}

/// The out-of-memory event in an observation.
fn asked(seen: &Observation) -> Option<(u64, u64)> {
    match *seen {
        Observation::OutOfMemory { event, first, .. } => Some((event, first)),
        _ => None,
    }
}

fn periods_are_in_step(hierarchies: &Hierarchies) {
    let scratch = Scratch::new(hierarchies, "step");
    let group = scratch.group();
    let mut probe = Probe::start();
    probe.session(ALL, None, LEASE);
    probe.add(A, group);
    probe.admit_added(A, limits(300, 256));
    let group = Group::adopt(hierarchies, &scratch.path, 0).unwrap();
    let _load = Load::start(&group, &["burn", "1"]);
    let seen = probe.watch(Duration::from_secs(3));
    let periods: Vec<_> = seen
        .iter()
        .filter_map(|seen| match seen {
            Observation::Period(report) => Some(*report),
            _ => None,
        })
        .collect();
    // Throttled in each but the first, and what is left of one is never more than what
    // the ticks leave: in step, all of a quota is used by a period's end.
    let steady: Vec<_> = periods.iter().skip(2).collect();
    assert!(steady.len() >= 10, "{periods:?}");
    let left = steady
        .iter()
        .filter(|report| report.unused > Span::from_millis(8));
    assert!(left.count() <= steady.len() / 4, "{steady:?}");
}

fn denied(hierarchies: &Hierarchies) {
    let scratch = Scratch::new(hierarchies, "denied");
    let group = scratch.group();
    let mut probe = Probe::start();
    probe.session(ALL, None, LEASE);
    let mut load = Load::start(&group, &["touch", "16", "64"]);
    assert_eq!(load.line(), "touched 16");
    probe.admit(A, group, limits(2_000, 32));
    load.go();
    let (event, _) = probe.see("to be asked", asked);
    // The answer to an event that was not told is void.
    probe.command(Command::DenyMemory {
        container: A,
        event: event + 100,
    });
    let (event, first) = probe.see("to be asked again", asked);
    assert_eq!(first, 1);
    probe.command(Command::DenyMemory {
        container: A,
        event,
    });
    probe.see("the kill", |seen| {
        (*seen == Observation::Killed(A)).then_some(())
    });
    assert!(load.is_killed(PATIENCE));
    // The next process in the group waits again.
    let group = Group::adopt(hierarchies, &scratch.path, 0).unwrap();
    let mut load = Load::start(&group, &["touch", "16", "64"]);
    assert_eq!(load.line(), "touched 16");
    load.go();
    let (next, first) = probe.see("to be asked anew", asked);
    assert!(next > event && first == next, "{event} {next} {first}");
    assert!(load.runs());
}

fn a_new_session(hierarchies: &Hierarchies) {
    let scratch = Scratch::new(hierarchies, "session");
    let mut probe = Probe::start();
    probe.session(ALL, None, LEASE);
    probe.add(A, scratch.group());
    let first = probe.admit_added(A, limits(500, 64));
    assert_eq!(first.requested, None);
    probe.command(Command::SetCpu {
        container: A,
        version: 9,
        limit: Cores::from_millis(700),
    });
    let applied = |version| {
        let applied = Observation::CpuApplied {
            container: A,
            version,
        };
        move |seen: &Observation| (*seen == applied).then_some(())
    };
    probe.see("the answer", applied(9));
    // A controller that knows nothing is asked for what is in force.
    probe.session(ALL, None, LEASE);
    let again = probe.admit_added(A, limits(700, 64));
    assert_eq!(again.requested, Some(limits(700, 64)));
    // Its versions count from 1.
    probe.command(Command::SetCpu {
        container: A,
        version: 1,
        limit: Cores::from_millis(800),
    });
    probe.see("the answer", applied(1));
    let group = Group::adopt(hierarchies, &scratch.path, 0).unwrap();
    assert_eq!(group.cpu_limit(), Some(Cores::from_millis(800)));
}

fn its_end(hierarchies: &Hierarchies) {
    let scratch = Scratch::new(hierarchies, "end");
    let owned = Scratch::new(hierarchies, "end-owned");
    let group = scratch.group();
    let mut probe = Probe::start();
    probe.session(ALL, None, LEASE);
    let mut load = Load::start(&group, &["touch", "16", "64"]);
    assert_eq!(load.line(), "touched 16");
    let safe = limits(1_500, 96);
    probe.add_safe(A, group, Some(safe));
    probe.admit_added(A, limits(500, 32));
    let group = owned.group();
    let mut second = Load::start(&group, &["idle"]);
    probe.send(Request::Add(Box::new(Registration {
        id: B,
        group,
        requested: None,
        safe: None,
        owned: true,
    })));
    probe.admit_added(B, limits(500, 32));
    load.go();
    probe.see("to be asked", asked);
    probe.agent.stop();
    assert!(load.line().starts_with("whole true"));
    let group = Group::adopt(hierarchies, &scratch.path, 0).unwrap();
    let in_force = (group.cpu_limit().unwrap(), group.memory_limit().unwrap());
    assert_eq!(in_force, (safe.cpu, safe.memory));
    // What was its own is gone.
    assert!(second.is_killed(PATIENCE));
    assert!(
        Group::adopt(hierarchies, &owned.path, 0)
            .unwrap_err()
            .is_gone()
    );
}

fn evicted(hierarchies: &Hierarchies) {
    let scratch = Scratch::new(hierarchies, "evicted");
    let group = scratch.group();
    let mut load = Load::start(&group, &["idle"]);
    let mut probe = Probe::start();
    probe.session(ALL, None, LEASE);
    probe.admit(A, group, limits(500, 64));
    let restart = Command::Restart {
        container: A,
        version: 1,
    };
    probe.command(restart);
    probe.notice("an eviction", |notice| {
        matches!(notice, Notice::Evicted(A)).then_some(())
    });
    assert!(load.is_killed(PATIENCE));
    // Sent twice, carried out once.
    let group = Group::adopt(hierarchies, &scratch.path, 0).unwrap();
    let mut load = Load::start(&group, &["idle"]);
    probe.command(restart);
    probe.send(Request::Restarted(A));
    let started = Observation::Started(A);
    probe.see("the start", |seen| (*seen == started).then_some(()));
    assert!(load.runs());
}

fn gone(hierarchies: &Hierarchies) {
    let scratch = Scratch::new(hierarchies, "gone");
    let (sender, notices) = std::sync::mpsc::channel();
    let agent = Host::start(Config::new(HOST), move |notice| {
        let _ = sender.send(notice);
    });
    let agent = agent.unwrap();
    agent.send(Request::Session(Session {
        wants: ALL,
        half: None,
        lease: LEASE,
    }));
    agent.send(Request::Add(Box::new(Registration {
        id: A,
        group: scratch.group(),
        requested: None,
        safe: None,
        owned: false,
    })));
    agent.send(Request::Admitted(A, limits(500, 64)));
    let next = || notices.recv_timeout(PATIENCE).unwrap();
    let is = |notice: Notice, observation| matches!(notice, Notice::Seen(seen) if seen.contains(&observation));
    while !is(next(), Observation::Started(A)) {}
    hierarchies.remove(&scratch.path).unwrap();
    while !matches!(next(), Notice::Trouble(A, error) if error.is_gone()) {}
    while !is(next(), Observation::Stopped(A)) {}
}

fn escra_rescues(hierarchies: &Hierarchies) {
    let scratch = Scratch::new(hierarchies, "escra");
    let group = scratch.group();
    let mut load = Load::start(&group, &["touch", "16", "160"]);
    assert_eq!(load.line(), "touched 16");
    let kills = Arc::new(AtomicBool::new(false));
    let killed = Arc::clone(&kills);
    let controller = Controller::start(
        || {
            let omega = Bytes::from_mib(256);
            Box::new(Escra::new(
                escra::Config::default(),
                Cores::new(2),
                omega,
                8,
            ))
        },
        LEASE,
        move |notice| {
            killed.fetch_or(is_kill(notice), Ordering::Relaxed);
        },
    );
    controller.agent.send(Request::Add(Box::new(Registration {
        id: A,
        group,
        requested: None,
        safe: None,
        owned: false,
    })));
    let group = Group::adopt(hierarchies, &scratch.path, 0).unwrap();
    // An eighth of 70 % of Omega.
    let first = Some(Bytes::from_mib_f64(22.4));
    until("the first limit", PATIENCE, || {
        let group = Group::adopt(hierarchies, &scratch.path, 0).unwrap();
        group
            .memory_limit()
            .is_some_and(|limit| Some(limit) <= first)
    });
    load.go();
    assert!(load.line().starts_with("whole true"));
    // It stood still for each grant of 19.5 MiB.
    assert!(load.stalls().len() >= 6);
    assert!(load.ends_well(PATIENCE));
    controller.stop();
    assert!(!kills.load(Ordering::Relaxed));
    assert_eq!(group.oom_kills().unwrap(), 0);
}

fn tide_raises(hierarchies: &Hierarchies) {
    let scratch = Scratch::new(hierarchies, "tide");
    let group = scratch.group();
    let mut probe = Probe::start();
    let wants = Wants {
        periods: true,
        ..Wants::default()
    };
    let half = || {
        let (cpu, memory) = (Cores::new(2), Bytes::from_mib(256));
        let mut tide = Tide::new(tide::Config::default(), cpu, memory, 4, 1);
        tide.host_half(HOST).map(Half::start)
    };
    probe.session(wants, Some(Box::new(half)), LEASE);
    probe.admit(A, group, limits(2_000, 256));
    // The half has its own mind: a fourth of the share.
    let group = Group::adopt(hierarchies, &scratch.path, 0).unwrap();
    assert_eq!(group.cpu_limit(), Some(Cores::from_millis(500)));
    // Idle: down to the floor.
    let limit = || {
        Group::adopt(hierarchies, &scratch.path, 0)
            .unwrap()
            .cpu_limit()
    };
    until("the floor", PATIENCE, || {
        limit() == Some(Cores::from_millis(100))
    });
    let before = group.cpu_stat().unwrap();
    let _load = Load::start(&group, &["burn", "1"]);
    let begun = Instant::now();
    until("most of a core", PATIENCE, || {
        limit() >= Some(Cores::from_millis(700))
    });
    // A policy that learns of throttles at a period's end would see one in each.
    let periods = begun.elapsed().as_millis() as u64 / 100;
    let throttled = group.cpu_stat().unwrap().throttled - before.throttled;
    assert!(
        periods >= 3 && throttled <= periods / 2,
        "{throttled} in {periods}"
    );
    // The controller hears of it.
    probe.see("a report", |seen| match seen {
        Observation::HostReport(report) => (report.wanted >= Cores::from_millis(700)).then_some(()),
        _ => None,
    });
}
