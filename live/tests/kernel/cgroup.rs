//! The kernel's files: limits, use, traps.

use std::time::Duration;

use tidegate_core::{Bytes, Cores, Span};
use tidegate_live::cgroup::{Group, Hierarchies, MemoryWrite};

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
    let group = scratch.group();
    let inner = Group::create(hierarchies, &format!("{}/inner", scratch.path)).unwrap();
    let mut outside = Load::start(&group, &["idle"]);
    let mut inside = Load::start(&inner, &["burn", "1"]);
    let all = hierarchies.processes(&scratch.path).unwrap();
    assert_eq!(all.len(), 2);
    group.remove().unwrap();
    assert!(outside.is_killed(PATIENCE) && inside.is_killed(PATIENCE));
    for directory in hierarchies.directories(&scratch.path) {
        assert!(!directory.exists(), "{}", directory.display());
    }
    assert!(inner.cpu_usage().unwrap_err().is_gone());
    // Once more is fine.
    hierarchies.remove(&scratch.path).unwrap();
}
