//! `tidegate compare`: what it says of equal runs, of a planted loss, and of runs
//! that do not fit.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use rand::RngExt;
use tidegate::compare::change::{self, Change, Method, Verdict};
use tidegate::compare::run_table::{Metric, RunTable};
use tidegate_workloads::random;

use crate::{read, text, tidegate};

/// Comparisons of each kind.
const TRIALS: u64 = 200;

/// A run with `seeds` of `pool`, called 1, 2, ...
fn sample(pool: &RunTable, seeds: &[u64]) -> RunTable {
    let names: BTreeMap<u64, u64> = (1..).zip(seeds).map(|(name, &seed)| (seed, name)).collect();
    let metric = |metric: &Metric| Metric {
        name: metric.name.clone(),
        unit: metric.unit.clone(),
        values: metric
            .values
            .iter()
            .filter_map(|((cell, seed), value)| Some(((cell.clone(), *names.get(seed)?), *value)))
            .collect(),
    };
    RunTable {
        folder: pool.folder.clone(),
        scenario: pool.scenario.clone(),
        columns: pool.columns.clone(),
        cells: pool.cells.clone(),
        seeds: names.values().copied().collect(),
        metrics: pool.metrics.iter().map(metric).collect(),
    }
}

/// Two runs of `size` seeds each that have none in common.
fn two(pool: &RunTable, size: usize, trial: u64) -> (RunTable, RunTable) {
    let mut rng = random::stream(trial, "trial", size as u64);
    let mut seeds: Vec<u64> = pool.seeds.iter().copied().collect();
    for place in 0..2 * size {
        let other = rng.random_range(place..seeds.len());
        seeds.swap(place, other);
    }
    (
        sample(pool, &seeds[..size]),
        sample(pool, &seeds[size..2 * size]),
    )
}

fn judged(first: &RunTable, other: RunTable, method: Method) -> Vec<Change> {
    let mut changes = change::changes(first, &[other], method).unwrap();
    change::judge(&mut changes);
    changes
}

/// The pool is what a scenario of ours gave with 40 seeds; every trial takes two runs
/// of the same code with different seeds out of it.
#[test]
fn chance_is_seldom_taken_for_a_loss_and_a_loss_seldom_for_chance() {
    let folder = tempfile::tempdir().unwrap();
    let out = text(folder.path());
    let done = tidegate(&[
        "run",
        "scenarios/quickstart.toml",
        "--quiet",
        "--out",
        out,
        "--seeds",
        "40",
        "--set",
        "run.settle=30s",
        "--set",
        "run.duration=40s",
        "--filter",
        "allocator=static-1.5x",
        "--filter",
        "allocator=escra",
    ]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    let pool = RunTable::read(folder.path()).unwrap();
    for (size, unpaired) in [(5, false), (5, true), (9, false)] {
        let method = Method {
            unpaired,
            per_cell: false,
        };
        let (mut false_alarms, mut found) = (0, 0);
        for trial in 0..TRIALS {
            let (first, mut other) = two(&pool, size, trial);
            let equal = judged(&first, other.clone(), method);
            let worse = |change: &Change| change.verdict == Verdict::Worse;
            false_alarms += u32::from(equal.iter().any(worse));
            // Three in a hundred requests lost, in every cell and seed.
            let throughput = &mut other.metrics[0];
            assert_eq!(throughput.name, "throughput_rps");
            throughput
                .values
                .values_mut()
                .for_each(|value| *value *= 0.97);
            let lower = judged(&first, other, method);
            let it = |change: &&Change| change.metric == "throughput_rps";
            found += u32::from(lower.iter().filter(it).any(|row| row.is_regression(0.01)));
        }
        println!("{size} seeds, {method:?}: {false_alarms} false alarms, {found} found");
        // 5 % of 200.
        assert!(
            false_alarms <= 10,
            "{size} seeds, {method:?}: {false_alarms}"
        );
        if size == 9 {
            assert!(found >= 190, "{found}");
        }
    }

    // With common random numbers, as two runs of one scenario have them, three seeds
    // are enough.
    let seeds: Vec<u64> = pool.seeds.iter().copied().take(3).collect();
    let first = sample(&pool, &seeds);
    let mut other = first.clone();
    other.metrics[0]
        .values
        .values_mut()
        .for_each(|value| *value *= 0.97);
    let rows = judged(&first, other, Method::default());
    assert_eq!(rows[0].verdict, Verdict::Worse);
    assert!(rows[0].is_regression(0.01) && !rows[0].is_regression(0.05));
    let rest = rows.iter().skip(1);
    assert_eq!(rest.filter(|row| row.verdict == Verdict::Worse).count(), 0);
}

/// A summary with one metric of each kind.
fn summary(folder: &Path, scenario: &str, seeds: &[u64], factor: f64, kills: f64) {
    fs::create_dir_all(folder).unwrap();
    let mut text = "scenario,allocator,seed,metric,unit,value\n".to_owned();
    for cell in ["static", "escra"] {
        for seed in seeds {
            let noise = 1.0 + 0.001 * ((seed * 7) % 5) as f64;
            for (metric, unit, value) in [
                ("throughput_rps", "1/s", 300.0 * noise),
                ("latency_p999_ms", "ms", 80.0 * factor * noise * noise),
                ("cpu_used_mean_cores", "cores", 4.0 * factor),
                ("oom_kills", "events", kills),
            ] {
                text.push_str(&format!(
                    "{scenario},{cell},{seed},{metric},{unit},{value}\n"
                ));
            }
            text.push_str(&format!(
                "{scenario},{cell},{seed},mem_slack_p50_mib,MiB,\n"
            ));
        }
    }
    fs::write(folder.join("summary.csv"), text).unwrap();
}

#[test]
fn a_loss_is_told_in_four_layouts() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let seeds = [1, 2, 3, 4, 5];
    summary(&at("before"), "x", &seeds, 1.0, 1.0);
    summary(&at("after"), "x", &[2, 3, 4, 5, 6], 1.05, 4.0);
    summary(&at("again"), "x", &seeds, 0.9, 1.0);
    let compare = |arguments: &[&str]| {
        let output = crate::command()
            .current_dir(folder.path())
            .args(["compare", "before"])
            .args(arguments)
            .output()
            .unwrap();
        let code = output.status.code().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let errors = String::from_utf8(output.stderr).unwrap();
        (code, text, errors)
    };
    let (code, table, notes) = compare(&["after"]);
    assert_eq!(code, 11, "{table}");
    assert!(
        notes.contains("0 cells and 2 seeds are not in both"),
        "{notes}"
    );
    insta::assert_snapshot!("compare_table", table);
    assert_eq!(
        compare(&["after", "--threshold", "5.1", "--metric", "latency_p999_ms"]).0,
        0
    );
    assert_eq!(compare(&["before"]).0, 0, "the same run is no worse");
    let (code, text, _) = compare(&["again", "--format", "markdown", "--per-cell"]);
    assert_eq!(code, 0, "{text}");
    insta::assert_snapshot!("compare_markdown", text);
    let (_, text, _) = compare(&["after", "again", "--format", "csv"]);
    insta::assert_snapshot!("compare_csv", text);
    let (_, text, _) = compare(&["after", "--format", "json"]);
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(json["regressions"], 2);
    assert_eq!(json["rows"][1]["verdict"], "worse");
    assert_eq!(json["rows"][2]["better"], serde_json::Value::Null);
    // A single seed shows nothing.
    summary(&at("one"), "x", &[1], 2.0, 9.0);
    let (code, text, _) = compare(&["one"]);
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("0 better, 0 worse"), "{text}");
}

#[test]
fn runs_that_do_not_fit_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    summary(&at("a"), "x", &[1, 2], 1.0, 0.0);
    summary(&at("other-scenario"), "y", &[1, 2], 1.0, 0.0);
    summary(&at("other-seeds"), "x", &[3, 4], 1.0, 0.0);
    let edit = |name: &str, from: &str, to: &str| {
        fs::create_dir_all(at(name)).unwrap();
        let text = read(&at("a"), "summary.csv").replace(from, to);
        fs::write(at(name).join("summary.csv"), text).unwrap();
    };
    edit("other-cells", "\nx,", "\nx,other-");
    edit("other-columns", "allocator", "policy");
    edit("no-table", "unit", "units");
    edit("no-number", ",300.6", ",many");
    edit("no-seed", ",static,1,", ",static,one,");
    fs::create_dir_all(at("partial/cells")).unwrap();
    fs::write(at("partial/cells/one.json"), "{}").unwrap();
    fs::write(at("partial/id"), "0").unwrap();
    fs::create_dir_all(at("empty")).unwrap();
    for (name, code, part) in [
        ("other-scenario", 4, "they are runs of `x` and of `y`"),
        ("other-seeds", 4, "--unpaired compares them as two samples"),
        ("other-cells", 4, "they have no cell in common"),
        (
            "other-columns",
            4,
            "their columns differ: allocator and policy",
        ),
        ("no-table", 4, "expected lines of metric, unit and value"),
        ("no-number", 4, "line 2: `many` is no number"),
        ("no-seed", 4, "summary.csv:2: `one` is no seed"),
        (
            "partial",
            5,
            "1 of its runs (cells times seeds) are finished",
        ),
        ("empty", 2, "is no folder of a run"),
        ("none", 2, "there is no such folder"),
    ] {
        let done = tidegate(&["compare", text(&at("a")), text(&at(name))]);
        assert_eq!(done.code, code, "{name}: {}", done.stderr);
        assert!(done.stderr.contains(part), "{name}: {}", done.stderr);
    }
    let both = |options: &[&str]| {
        let (a, b) = (at("a"), at("other-seeds"));
        let arguments = ["compare", text(&a), text(&b)];
        let arguments: Vec<&str> = arguments.into_iter().chain(options.to_vec()).collect();
        let done = tidegate(&arguments);
        (done.code, done.stderr)
    };
    assert_eq!(both(&["--unpaired"]).0, 0);
    let (code, message) = both(&["--unpaired", "--metric", "oom_kill"]);
    assert_eq!(code, 2);
    assert!(message.contains("did you mean `oom_kills`?"), "{message}");
    assert_eq!(both(&["--threshold", "much"]).0, 2);
    assert_eq!(tidegate(&["compare", text(&at("a"))]).code, 2);
}
