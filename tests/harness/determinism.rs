//! The same scenario gives the same bytes, on any number of threads.

use std::path::Path;

use crate::{read, text, tidegate};

const TABLES: [&str; 4] = [
    "summary.csv",
    "containers.csv",
    "comparison.csv",
    "manifest.json",
];

fn run(folder: &Path, jobs: &str) -> Vec<String> {
    let scenario = "tests/fixtures/small.toml";
    let arguments = [
        "run",
        scenario,
        "--quiet",
        "--jobs",
        jobs,
        "--out",
        text(folder),
    ];
    let done = tidegate(&arguments);
    assert_eq!(done.code, 0, "{}", done.stderr);
    TABLES.iter().map(|name| read(folder, name)).collect()
}

#[test]
fn results_are_the_same_byte_for_byte() {
    let folder = tempfile::tempdir().unwrap();
    let runs: Vec<Vec<String>> = [("a", "1"), ("b", "2"), ("c", "1"), ("d", "2")]
        .iter()
        .map(|(name, jobs)| run(&folder.path().join(name), jobs))
        .collect();
    for other in &runs[1..] {
        assert!(runs[0] == *other);
    }
}

/// Policies are compared on the same arrivals and the same work.
#[test]
fn a_cell_does_not_depend_on_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let (all, one) = (folder.path().join("all"), folder.path().join("one"));
    let summary = run(&all, "2").swap_remove(0);
    let done = tidegate(&[
        "run",
        "tests/fixtures/small.toml",
        "--quiet",
        "--filter",
        "allocator=escra",
        "--seeds",
        "1",
        "--out",
        text(&one),
    ]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    for line in read(&one, "summary.csv").lines().skip(1) {
        assert!(summary.lines().any(|other| other == line), "{line}");
    }
}
