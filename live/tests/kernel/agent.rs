//! The agent on real groups.

use std::time::{Duration, Instant};

use tidegate_core::{Bytes, Command, Cores, Limits, Observation, Span};
use tidegate_live::agent::{Notice, Request, Wants};
use tidegate_live::cgroup::{Group, Hierarchies};

use crate::Test;
use crate::group::{Load, Scratch, until};
use crate::probe::{A, PATIENCE, Probe};

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
    let group = scratch.group();
    let mut probe = Probe::start();
    let lease = Span::from_millis(300);
    probe.session(ALL, None, lease);
    let mut load = Load::start(&group, &["touch", "16", "64"]);
    assert_eq!(load.line(), "touched 16");
    let (own, safe) = (limits(500, 32), limits(1_500, 96));
    probe.add_safe(A, group, Some(safe));
    probe.admit_added(A, own);
    load.go();
    // It is asked for and nobody answers; then it goes on without.
    let seen = probe.watch(Duration::from_millis(200));
    assert!(
        seen.iter()
            .any(|seen| matches!(seen, Observation::OutOfMemory { .. }))
    );
    assert!(load.runs());
    probe.notice("to be alone", |notice| {
        matches!(notice, Notice::Alone).then_some(())
    });
    assert!(load.line().starts_with("whole true"));
    assert!(load.ends_well(PATIENCE));
    let in_force = || {
        let group = Group::adopt(hierarchies, &scratch.path, 0).unwrap();
        (group.cpu_limit().unwrap(), group.memory_limit().unwrap())
    };
    until("safe limits", PATIENCE, || {
        in_force() == (safe.cpu, safe.memory)
    });
    probe.watch(Duration::ZERO);
    assert_eq!(probe.watch(Duration::from_millis(300)), []);
    // It is back: its limits are, too.
    probe.send(Request::Heard);
    probe.notice("to be together", |notice| {
        matches!(notice, Notice::Together).then_some(())
    });
    assert_eq!(in_force(), (own.cpu, own.memory));

    // The other way out: without a larger safe limit the kernel kills.
    probe.agent.stop();
    let mut probe = Probe::start();
    probe.session(ALL, None, lease);
    let group = scratch.group();
    let mut load = Load::start(&group, &["touch", "16", "64"]);
    assert_eq!(load.line(), "touched 16");
    probe.add_safe(A, group, Some(own));
    probe.admit_added(A, own);
    load.go();
    let begun = Instant::now();
    assert!(load.is_killed(PATIENCE));
    let waited = begun.elapsed();
    assert!((200..1_000).contains(&waited.as_millis()), "{waited:?}");
}
