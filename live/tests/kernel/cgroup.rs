//! The kernel's files: limits, use, traps.

use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use tidegate_core::{Bytes, Cores, Span};
use tidegate_live::agent::Clock;
use tidegate_live::cgroup::{Group, Hierarchies, MemoryWrite, Trap, Version};

use crate::Test;
use crate::group::{Load, Scratch, until};

pub(crate) const TESTS: &[Test] = &[
    ("cgroup::limits_are_written_once", limits_are_written_once),
    (
        "cgroup::a_limit_below_use_is_refused",
        a_limit_below_use_is_refused,
    ),
    ("cgroup::a_quota_throttles", a_quota_throttles),
    (
        "cgroup::removing_a_group_kills_what_is_in_it",
        removing_a_group_kills_what_is_in_it,
    ),
    (
        "cgroup::groups_around_follow_in_the_safe_order",
        groups_around_follow,
    ),
    ("cgroup::periods_begin_when_they_are_told_to", periods_begin),
    ("cgroup::a_trap_tells_and_a_raise_resumes", a_raise_resumes),
    (
        "cgroup::a_killer_held_by_another_can_be_let_go",
        a_held_killer,
    ),
    ("cgroup::an_alarm_tells_of_use_before_the_limit", an_alarm),
];

const PATIENCE: Duration = Duration::from_secs(10);

fn limits_are_written_once(hierarchies: &Hierarchies) {
    let scratch = Scratch::new(hierarchies, "limits");
    let mut group = scratch.group();
    assert_eq!((group.cpu_limit(), group.memory_limit()), (None, None));

    let half = Some(Cores::from_millis(500));
    assert!(group.set_cpu(half).unwrap());
    assert!(!group.set_cpu(half).unwrap());
    let limit = Some(Bytes::from_mib(64));
    assert_eq!(group.set_memory(limit).unwrap(), MemoryWrite::Written);
    assert_eq!(group.set_memory(limit).unwrap(), MemoryWrite::Unchanged);
    // Another reader finds the same.
    let other = Group::adopt(hierarchies, group.path(), 0).unwrap();
    assert_eq!((other.cpu_limit(), other.memory_limit()), (half, limit));

    // Less than the kernel takes is the least it takes: 1 ms in 100.
    assert!(group.set_cpu(Some(Cores::from_millis(1))).unwrap());
    assert_eq!(group.cpu_limit(), Some(Cores::from_millis(10)));
    assert!(group.set_cpu(None).unwrap());
    assert_eq!(group.set_memory(None).unwrap(), MemoryWrite::Written);
    let other = Group::adopt(hierarchies, group.path(), 0).unwrap();
    assert_eq!((other.cpu_limit(), other.memory_limit()), (None, None));
}

fn a_limit_below_use_is_refused(hierarchies: &Hierarchies) {
    let scratch = Scratch::new(hierarchies, "refused");
    let mut group = scratch.group();
    let mut load = Load::start(&group, &["touch", "64", "64"]);
    assert_eq!(load.line(), "touched 64");
    assert!(group.memory_usage().unwrap() >= Bytes::from_mib(64));
    let high = Some(Bytes::from_mib(200));
    assert_eq!(group.set_memory(high).unwrap(), MemoryWrite::Written);
    let low = Some(Bytes::from_mib(32));
    assert_eq!(group.set_memory(low).unwrap(), MemoryWrite::Refused);
    assert_eq!(group.memory_limit(), high);
    assert!(load.runs());
    assert_eq!(group.oom_kills().unwrap(), 0);
}

fn a_quota_throttles(hierarchies: &Hierarchies) {
    let scratch = Scratch::new(hierarchies, "throttles");
    let mut group = scratch.group();
    group.set_cpu(Some(Cores::from_millis(200))).unwrap();
    let _load = Load::start(&group, &["burn", "1"]);
    let throttled = || group.cpu_stat().unwrap().throttled;
    until("a throttle", PATIENCE, || throttled() > 0);
    let (before, used) = (group.cpu_stat().unwrap(), group.cpu_usage().unwrap());
    std::thread::sleep(Duration::from_secs(1));
    let (after, used) = (
        group.cpu_stat().unwrap(),
        Span(group.cpu_usage().unwrap().0 - used.0),
    );
    let periods = after.periods - before.periods;
    assert!((8..=12).contains(&periods), "{periods} periods in a second");
    assert!(after.throttled - before.throttled + 2 >= periods);
    assert!(after.throttled_time > before.throttled_time);
    // 20 ms in each, give or take a tick in each.
    let used = used.as_secs_f64() / periods as f64;
    assert!((0.010..0.030).contains(&used), "{used} s per period");
}

fn removing_a_group_kills_what_is_in_it(hierarchies: &Hierarchies) {
    let scratch = Scratch::new(hierarchies, "removed");
    // Version 2 has processes in the innermost groups only.
    let inner = |name: &str| {
        let path = format!("{}/{name}", scratch.path);
        Group::create(hierarchies, &path).unwrap()
    };
    let (group, deep) = (inner("one"), inner("two/three"));
    let mut idle = Load::start(&group, &["idle"]);
    let mut busy = Load::start(&deep, &["burn", "1"]);
    let all = hierarchies.processes(&scratch.path).unwrap();
    assert_eq!(all.len(), 2);
    hierarchies.remove(&scratch.path).unwrap();
    assert!(idle.is_killed(PATIENCE) && busy.is_killed(PATIENCE));
    for directory in hierarchies.directories(&scratch.path) {
        assert!(!directory.exists(), "{}", directory.display());
    }
    assert!(group.cpu_usage().unwrap_err().is_gone());
    // Once more is fine.
    group.remove().unwrap();
}

fn groups_around_follow(hierarchies: &Hierarchies) {
    let scratch = Scratch::new(hierarchies, "pod");
    let pod = scratch.group();
    let inner = format!("{}/inner", scratch.path);
    Group::create(hierarchies, &inner).unwrap();
    let mut group = Group::adopt(hierarchies, &inner, 1).unwrap();
    // Version 1 refuses a group more than the one around it has: the order shows.
    for (millicores, mib) in [(500, 64), (1_000, 128), (200, 32), (2_000, 256)] {
        let cpu = Some(Cores::from_millis(millicores));
        let memory = Some(Bytes::from_mib(mib));
        assert!(group.set_cpu(cpu).unwrap());
        assert_eq!(group.set_memory(memory).unwrap(), MemoryWrite::Written);
        for path in [pod.path(), &inner] {
            let seen = Group::adopt(hierarchies, path, 0).unwrap();
            assert_eq!((seen.cpu_limit(), seen.memory_limit()), (cpu, memory));
        }
    }
    let error = Group::adopt(hierarchies, &inner, 3)
        .unwrap_err()
        .to_string();
    assert!(error.contains("is no group"), "{error}");
}

fn periods_begin(hierarchies: &Hierarchies) {
    let clock = Clock::start();
    // Where in a period of the kernel's clock we are, in ms.
    let phase = || clock.monotonic(clock.now()) % 100_000_000 / 1_000_000;
    for (n, wanted) in [20, 50, 80].into_iter().enumerate() {
        let scratch = Scratch::new(hierarchies, &format!("begin-{n}"));
        let mut group = scratch.group();
        until("the instant", PATIENCE, || phase() == wanted);
        assert!(group.begin_periods().unwrap());
        assert_eq!(group.cpu_limit(), None);
        group.set_cpu(Some(Cores::from_millis(300))).unwrap();
        assert!(!group.begin_periods().unwrap());
        // Idle meanwhile: that changes nothing.
        std::thread::sleep(Duration::from_millis(300));
        let _load = Load::start(&group, &["burn", "1"]);
        let mut seen = Vec::new();
        for _ in 0..7 {
            let periods = group.cpu_stat().unwrap().periods;
            until("a period's end", PATIENCE, || {
                group.cpu_stat().unwrap().periods > periods
            });
            seen.push(phase());
        }
        // This thread may be late; most of the time it is not.
        seen.sort_unstable();
        let median = seen[seen.len() / 2];
        assert!(
            (wanted..wanted + 10).contains(&median),
            "{wanted}: {seen:?}"
        );
    }
}

/// Waits until a trap is ready.
fn wait_for(trap: &Trap) -> bool {
    let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).unwrap();
    epoll::add(&epoll, trap, epoll::EventData::new_u64(0), trap.interest()).unwrap();
    let mut events = Vec::with_capacity(1);
    let patience = Timespec {
        tv_sec: 5,
        tv_nsec: 0,
    };
    epoll::wait(&epoll, spare_capacity(&mut events), Some(&patience)).unwrap() > 0
}

fn a_raise_resumes(hierarchies: &Hierarchies) {
    let scratch = Scratch::new(hierarchies, "trap");
    let mut group = scratch.group();
    group.set_memory(Some(Bytes::from_mib(32))).unwrap();
    let trap = group.trap().unwrap();
    group.hold_killer(Bytes::from_mib(64)).unwrap();
    let mut load = Load::start(&group, &["touch", "16", "64"]);
    assert_eq!(load.line(), "touched 16");
    assert!(!group.is_waiting().unwrap());
    load.go();
    let mut limit = 32;
    while limit < 96 {
        assert!(wait_for(&trap), "nothing told at {limit} MiB");
        trap.acknowledge().unwrap();
        if group.is_waiting().unwrap() {
            limit += 16;
            group.set_memory(Some(Bytes::from_mib(limit))).unwrap();
        }
        if limit >= 80 {
            break;
        }
    }
    assert!(load.line().starts_with("whole true"));
    assert!(load.ends_well(PATIENCE));
    assert!(!group.is_waiting().unwrap());
    assert_eq!(group.oom_kills().unwrap(), 0);
}

fn a_held_killer(hierarchies: &Hierarchies) {
    let scratch = Scratch::new(hierarchies, "held");
    let mut group = scratch.group();
    group.set_memory(Some(Bytes::from_mib(32))).unwrap();
    group.hold_killer(Bytes::from_mib(64)).unwrap();
    let mut load = Load::start(&group, &["touch", "16", "64"]);
    assert_eq!(load.line(), "touched 16");
    load.go();
    until("a wait", PATIENCE, || group.is_waiting().unwrap());
    drop(group);
    assert!(load.runs());
    // Who comes later is told at once, and can end it.
    let mut group = Group::adopt(hierarchies, &scratch.path, 0).unwrap();
    assert_eq!(group.memory_limit(), Some(Bytes::from_mib(32)));
    assert!(group.is_waiting().unwrap());
    if hierarchies.version() == Version::V1 {
        assert!(wait_for(&group.trap().unwrap()));
    }
    group.let_kill().unwrap();
    assert!(load.is_killed(PATIENCE));
    until("a kill", PATIENCE, || group.oom_kills().unwrap() == 1);
}

fn an_alarm(hierarchies: &Hierarchies) {
    let scratch = Scratch::new(hierarchies, "alarm");
    let group = scratch.group();
    let mark = Bytes::from_mib(32);
    if hierarchies.version() == Version::V2 {
        // There is none.
        assert!(group.usage_alarm(mark).is_err());
        return;
    }
    let alarm = group.usage_alarm(mark).unwrap();
    let read = || rustix::io::read(&alarm, &mut [0; 8]).is_ok();
    let mut load = Load::start(&group, &["touch", "16", "48"]);
    assert_eq!(load.line(), "touched 16");
    assert!(!read());
    load.go();
    until("the alarm", PATIENCE, read);
}
