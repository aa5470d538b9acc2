//! Pieces become policies that fit the application and the testbed.

use std::path::Path;

use tidegate_core::{Command, Container, ContainerId, CpuPeriod, HostId, Observation, Time};

use super::*;
use crate::scenario::{Cell, Filter, Scenario, set};

/// The cell of the small scenario with `allocator` on one container, changed by
/// `changes`.
fn cell(allocator: &str, changes: &[&str]) -> Cell {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/small.toml");
    let changes: Vec<_> = changes.iter().map(|set| set::parse(set).unwrap()).collect();
    let filter = [
        "application=single".to_owned(),
        "workload=steady".to_owned(),
        format!("allocator={allocator}"),
    ];
    let filter = Filter::parse(&filter).unwrap();
    let scenario = Scenario::load(&path, &changes, &filter).unwrap_or_else(|e| panic!("{e}"));
    scenario.cells.into_iter().next().unwrap()
}

fn build(cell: &Cell) -> Box<dyn Allocator> {
    let cell = cell.application().unwrap();
    cell.policy
        .build(&cell.application, &cell.testbed, &cell.limit, cell.settle)
        .unwrap()
}

/// What Escra makes of a period in which a share of the quota was left.
#[test]
fn escra_is_told_how_long_the_periods_of_the_testbed_are() {
    let after = |period: Span| {
        let mut escra = build(&cell(
            "escra",
            &[&format!("testbed.small.cfs.period={period}")],
        ));
        let id = ContainerId(0);
        let container = Container {
            id,
            host: HostId(0),
            requested: None,
        };
        let quota = escra.admit(Time::ZERO, container).cpu;
        assert_eq!(quota, Cores::from_millis(500));
        let report = Observation::Period(CpuPeriod {
            container: id,
            seq: 1,
            quota,
            // More than γ of the quota: it shrinks to κ times itself.
            unused: quota.scale(0.3).over(period),
            usage: quota.scale(0.7).over(period),
            nr_throttled: 0,
        });
        let mut out = Vec::new();
        escra.observe(Time::ZERO + period, &report, &mut out);
        match out.as_slice() {
            [Command::SetCpu { limit, .. }] => *limit,
            other => panic!("{period}: {other:?}"),
        }
    };
    for period in [20, 100, 250].map(Span::from_millis) {
        assert_eq!(after(period), Cores::from_millis(400), "{period}");
    }
}

/// The limits of the largest application that can be written, at the highest
/// level.
#[test]
fn no_sum_of_limits_wraps() {
    let mut text = "requests = [{ name = 'get', weight = 1, call = { to = 's0', op = '', cpu = \
                    '1ms' } }]\n[runtimes.plain]\nthreads = 1\norder = 'fifo'\npath_share = 1\n\
                    sigma = 0\nstart_time = '1s'\n"
        .to_owned();
    for index in 0..MAX_ENTRIES {
        text.push_str(&format!(
            "[services.s{index}]\nruntime = 'plain'\nmemory = {{ start = '1 MiB' }}\nprofile = {{ \
             cpu_15x = '{MAX_CPU}', memory_15x = '{MAX_MEMORY}', memory_least = '{MAX_MEMORY}' }}\n"
        ));
    }
    let application = Application::parse(Path::new("large.toml"), &text).unwrap();
    let limit = Limit {
        level: Level(Level::MAX),
        ..Limit::default()
    };
    let omega = omega(&application, &bare(), &limit);
    let times = MAX_ENTRIES as f64 * Level::MAX / 1.5;
    let near = |sum: u64, one: u64| (sum as f64 / (one as f64 * times) - 1.0).abs() < 1e-9;
    assert!(near(omega.cpu.0, MAX_CPU.0), "{}", omega.cpu);
    assert!(near(omega.memory.0, MAX_MEMORY.0), "{}", omega.memory);
}

/// A testbed without a platform.
fn bare() -> Testbed {
    let text = "hosts = 1\nsockets = 1\ncores_per_socket = 4\nthreads_per_core = 1\n\
                smt_gain = 0\nkernel = '6.8'\n";
    file::parse(Path::new("bare.toml"), text).unwrap()
}

#[test]
fn the_pods_of_a_platform_are_part_of_omega_and_a_share_is_of_all() {
    let text = "requests = [{ name = 'get', weight = 1, call = { to = 'front', op = '', cpu = \
                '1ms' } }]\n[runtimes.plain]\nthreads = 1\norder = 'fifo'\npath_share = 1\n\
                sigma = 0\nstart_time = '1s'\n\
                [services.front]\nruntime = 'plain'\nmemory = { start = '1 MiB' }\n\
                profile = { cpu_15x = '3 cores', memory_15x = '300 MiB' }\n\
                [services.function]\nruntime = 'plain'\nmemory = { start = '1 MiB' }\n\
                deployment = 'function'\n";
    let application = Application::parse(Path::new("mixed.toml"), text).unwrap();
    let platform = "kind = 'openwhisk'\ninvokers = 2\ninvoker_memory = '1100 MiB'\npod = { cpu \
                    = '0.5 cores', memory = '256 MiB' }\nconcurrent_limit = 1\nminute_limit = 1\n\
                    dispatch = '1ms'\ndispatch_sigma = 0\nstart = { least = '1s', more = '1s', \
                    sigma = 0, call = '1ms', poll = '1s' }\nprewarmed = 0\nkeep_alive = '1s'\n\
                    pause_grace = '1s'\n";
    let testbed = Testbed {
        platform: Some(file::parse(Path::new("platform.toml"), platform).unwrap()),
        ..bare()
    };
    // Two invokers of four pods each.
    let all = omega(&application, &testbed, &Limit::default());
    assert_eq!(all.cpu, Cores::from_millis(3000 + 8 * 500));
    assert_eq!(all.memory, Bytes::from_mib(300 + 8 * 256));
    let limit = Limit {
        cpu: Some(Cores::new(10)),
        share: Share(0.8),
        ..Limit::default()
    };
    let part = omega(&application, &testbed, &limit);
    assert_eq!(part.cpu, Cores::new(8));
    assert_eq!(part.memory, all.memory.scale(0.8));
}
