//! `tidegate coverage`: which published figures somebody compares with.

use crate::{text, tidegate};

const SMALL: &str = "tests/fixtures/small.toml";

/// The lines about the figure called `name`.
fn about<'a>(stdout: &'a str, name: &str) -> Vec<&'a str> {
    let start = format!("| {name} |");
    let lines = stdout.lines();
    lines.filter(|line| line.starts_with(&start)).collect()
}

#[test]
fn a_figure_has_its_scenario_and_what_that_measured() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("small");
    let done = tidegate(&["run", SMALL, "--out", text(&out), "-q"]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    let results = ["--results", text(folder.path())];
    let done = tidegate(&["coverage", SMALL, results[0], results[1]]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    let [line] = about(&done.stdout, "escra/table-1/static/throughput-increase")[..] else {
        panic!("{}", done.stdout);
    };
    assert!(line.contains("| 25.4 percent | small |"), "{line}");
    assert!(line.ends_with("| contradicts |"), "{line}");
    // A parameter of the experiment says so.
    let [line] = about(&done.stdout, "escra/section-vi-a/escra/kappa")[..] else {
        panic!("{}", done.stdout);
    };
    assert!(line.contains("parameter: "), "{line}");
    // Raw figures are left out unless somebody compares with them.
    assert!(!done.stdout.contains("| escra/raw/"), "{}", done.stdout);
}

#[test]
fn a_folder_without_results_and_an_unknown_paper_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let done = tidegate(&["coverage", SMALL, "--results", text(folder.path())]);
    assert_eq!(done.code, 2);
    assert!(done.stderr.contains("no results"), "{}", done.stderr);
    let done = tidegate(&["coverage", SMALL, "--paper", "esrca"]);
    assert_eq!(done.code, 2);
    assert!(done.stderr.contains("`esrca`"), "{}", done.stderr);
}
