//! Scenarios on this host.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::{left_over, live, machine};

/// The numbers of a run of one cell.
fn numbers(out: &Path) -> BTreeMap<String, f64> {
    let text = fs::read_to_string(out.join("summary.csv")).unwrap();
    let rows = text.lines().skip(1).map(|line| {
        let fields: Vec<&str> = line.split(',').collect();
        let [.., name, _, value] = fields[..] else {
            panic!("{line}");
        };
        (name.to_owned(), value.parse().unwrap_or(f64::NAN))
    });
    rows.collect()
}

#[test]
fn a_service_serves_what_is_sent_and_uses_what_its_calls_say() {
    let Some(_machine) = machine() else { return };
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    let filters = ["workload=fixed", "allocator=static"];
    let mut child = live("one-service", &filters, "5s", &out).spawn().unwrap();
    assert!(child.wait().unwrap().success());
    let numbers = numbers(&out);
    let number = |name: &str| numbers[name];
    assert_eq!(number("requests_sent"), 1_000.0);
    assert_eq!(number("requests_failed"), 0.0);
    // The machine may be busy with other tests: requests may be late, not fewer by much.
    assert!(number("requests_completed") > 500.0, "{numbers:?}");
    // 2 ms each, HTTP included, and half a percent of a core besides.
    let each = number("cpu_used_mean_cores") * 5.0 / number("requests_completed") * 1e3;
    assert!((1.7..2.6).contains(&each), "{each} ms for each request");
    assert!((number("cpu_limit_mean_cores") - 0.9).abs() < 1e-9);
    assert_eq!(left_over(child.id()), [""; 0].map(Path::new));
}

#[test]
fn who_runs_out_of_memory_is_killed_under_static_limits_and_rescued_by_a_policy() {
    let Some(_machine) = machine() else { return };
    for (allocator, killed) in [("static", true), ("escra-small", false)] {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("run");
        let allocator = format!("allocator={allocator}");
        let mut child = live("memory-storm", &[&allocator], "8s", &out)
            .spawn()
            .unwrap();
        assert!(child.wait().unwrap().code().is_some());
        let numbers = numbers(&out);
        assert_eq!(numbers["oom_kills"] > 0.0, killed, "{numbers:?}");
        assert_eq!(numbers["oom_rescues"] > 0.0, !killed, "{numbers:?}");
        assert_eq!(left_over(child.id()), [""; 0].map(Path::new));
    }
}

#[test]
fn who_is_interrupted_cleans_up_and_says_so() {
    let Some(_machine) = machine() else { return };
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    let filters = ["workload=fixed", "allocator=static"];
    let mut child = live("one-service", &filters, "60s", &out).spawn().unwrap();
    while left_over(child.id()).is_empty() {
        std::thread::sleep(Duration::from_millis(10));
    }
    std::thread::sleep(Duration::from_millis(500));
    let pid = Pid::from_raw(child.id() as i32).unwrap();
    kill_process(pid, Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(5));
    assert_eq!(left_over(child.id()), [""; 0].map(Path::new));
}
