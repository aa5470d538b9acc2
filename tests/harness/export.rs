//! `tidegate export`: a run's tables in the layouts that others' scripts read.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::{files, read, text, tidegate};

/// A stored run of an application under policies.
const SAMPLE: &str = "tests/browser/sample";

fn export(run: &str, out: &Path) {
    let done = tidegate(&["export", run, "--format", "escra", "--out", text(out)]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    assert!(
        done.stdout.ends_with("files in the layout escra\n"),
        "{}",
        done.stdout
    );
}

/// The rows of a CSV file, by the names of its columns.
fn rows(content: &str) -> Vec<BTreeMap<String, String>> {
    let mut reader = csv::Reader::from_reader(content.as_bytes());
    reader.deserialize().map(Result::unwrap).collect()
}

#[test]
fn the_layout_of_escras_authors() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    export(SAMPLE, folder);
    let mut told = String::new();
    for path in files(folder) {
        let name = path.strip_prefix(folder).unwrap().display().to_string();
        let content = fs::read_to_string(&path).unwrap();
        told += &format!("{name}: {} lines\n", content.lines().count());
        let shown = match name.as_str() {
            "seed-1/latency-results/media-microsvc/burst/dc-15x.txt" => usize::MAX,
            "seed-1/aggregate.csv" | "seed-1/container_usage.csv" => 3,
            _ => 0,
        };
        for line in content.lines().take(shown) {
            told += &format!("    {}\n", line.trim_end());
        }
    }
    insta::assert_snapshot!(told);
}

#[test]
fn containers_over_time_become_their_columns() {
    let folder = tempfile::tempdir().unwrap();
    let (run, out) = (folder.path().join("run"), folder.path().join("theirs"));
    let done = tidegate(&[
        "run",
        "tests/fixtures/small.toml",
        "--quiet",
        "--out",
        text(&run),
        "--set",
        "run.series={every=\"1s\",of=\"container\"}",
        "--filter",
        "application=pair",
        "--filter",
        "workload=steady",
    ]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    export(text(&run), &out);
    let usage = rows(&read(&out, "seed-3/container_usage.csv"));
    let series = rows(&read(&run, "series.csv"));
    assert_eq!(usage.len(), 6, "two containers under three policies");
    for row in usage {
        // Their names of systems and ours.
        let allocator = match row["system"].as_str() {
            "escra" => "escra",
            "static" => "static",
            other => {
                assert_eq!(other, "autopilot");
                "autopilot"
            }
        };
        let samples: Vec<_> = series
            .iter()
            .filter(|line| {
                line["seed"] == "3"
                    && line["allocator"] == allocator
                    && line["container"] == row["service"]
            })
            .collect();
        assert_eq!(row["n_samples"], samples.len().to_string());
        assert_eq!(row["cpu_limit_first"], samples[0]["cpu_limit_cores"]);
        let last = samples.last().unwrap();
        assert_eq!(row["cpu_limit_last"], last["cpu_limit_cores"]);
        assert_eq!(row["mem_limit_last_mib"], last["mem_limit_mib"]);
        let highest = samples
            .iter()
            .map(|line| line["cpu_used_cores"].parse::<f64>().unwrap())
            .fold(f64::NAN, f64::max);
        assert_eq!(row["cpu_max_cores"], highest.to_string());
        // Nobody says what part of a run theirs is of.
        assert_eq!(row["cpu_steady_mean_cores"], "");
    }
}

#[test]
fn a_run_without_an_application_has_no_layout_of_escras() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let done = tidegate(&[
        "run",
        "scenarios/resource-manager/reaction.toml",
        "--quiet",
        "--seeds",
        "1",
        "--out",
        text(&run),
    ]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    let done = tidegate(&["export", text(&run), "--format", "escra"]);
    assert_eq!(done.code, 2, "{}", done.stdout);
    assert!(
        done.stderr.contains("only runs of applications"),
        "{}",
        done.stderr
    );
    assert!(!run.join("escra").exists());
}
