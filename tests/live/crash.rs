//! kill -9 at random moments: the next start leaves nothing behind.

use std::fs;
use std::path::Path;
use std::time::Duration;

use rand::RngExt;
use tidegate_workloads::random::stream;

use crate::{left_over, live, machine};

/// Kills in the short version; `TIDEGATE_CRASHES=200` for the long one.
const CRASHES: u64 = 4;

#[test]
fn what_a_killed_run_leaves_is_gone_after_the_next_start() {
    let Some(_machine) = machine() else { return };
    let count = std::env::var("TIDEGATE_CRASHES").map_or(CRASHES, |text| text.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let mut rng = stream(1, "crashes", 0);
    let mut killed = Vec::new();
    for number in 0..count {
        // Memory is short from the beginning: some are killed while tasks wait for it.
        let (scenario, filters) = match number % 3 {
            0 => ("memory-storm", vec!["allocator=escra-small"]),
            1 => ("memory-storm", vec!["allocator=tide"]),
            _ => ("chain", vec!["workload=exp", "allocator=tide"]),
        };
        let out = folder.path().join(number.to_string());
        let mut child = live(scenario, &filters, "60s", &out).spawn().unwrap();
        let wait = Duration::from_micros(rng.random_range(0..3_000_000));
        std::thread::sleep(wait);
        child.kill().unwrap();
        child.wait().unwrap();
        killed.push(child.id());
        // Services end by themselves when their runner does.
        let deadline = std::time::Instant::now() + Duration::from_secs(10);
        let processes = |pid| {
            let left = left_over(pid).into_iter();
            left.filter(|path| path.starts_with("/proc")).count()
        };
        while processes(child.id()) > 0 {
            assert!(
                std::time::Instant::now() < deadline,
                "kill {number}: {:?}",
                left_over(child.id())
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }
    // The next start.
    let out = folder.path().join("next");
    let mut next = live("chain", &["workload=exp", "allocator=static"], "1s", &out)
        .spawn()
        .unwrap();
    assert!(next.wait().unwrap().success());
    for pid in killed.into_iter().chain([next.id()]) {
        assert_eq!(left_over(pid), [""; 0].map(Path::new));
    }
    assert!(fs::metadata(out.join("summary.csv")).is_ok());
}
