//! Verbs, options and exit codes.

use std::fs;
use std::io::Read;
use std::process::Stdio;

use crate::{command, read, text, tidegate};

const SMALL: &str = "tests/fixtures/small.toml";

#[test]
fn run_writes_tidy_results() {
    let folder = tempfile::tempdir().unwrap();
    let done = tidegate(&["run", SMALL, "--out", text(folder.path())]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    assert!(
        done.stdout
            .contains("escra/table-1/static/throughput-increase")
    );
    assert!(done.stdout.contains("CONTRADICTS"), "{}", done.stdout);

    let summary = read(folder.path(), "summary.csv");
    let mut lines = summary.lines();
    assert_eq!(
        lines.next(),
        Some("scenario,application,workload,allocator,seed,metric,unit,value")
    );
    // Seeds in the order of the scenario, not of their size.
    assert!(
        lines
            .next()
            .unwrap()
            .starts_with("small,pair,steady,static,3,")
    );
    let throughput = summary
        .lines()
        .filter(|line| line.contains(",throughput_rps,"));
    assert_eq!(throughput.count(), 24);

    let containers = read(folder.path(), "containers.csv");
    assert_eq!(containers.lines().count(), 1 + 2 * 6 * (2 + 1));
    let comparison = read(folder.path(), "comparison.csv");
    assert_eq!(
        comparison.lines().next(),
        Some(
            "experiment,source,metric,unit,published,measured,ci_low,ci_high,relative_error,\
             role,verdict"
        )
    );
    assert!(comparison.contains("small,escra/table-1/static/throughput-increase,throughput_rps,"));
    let manifest: serde_json::Value =
        serde_json::from_str(&read(folder.path(), "manifest.json")).unwrap();
    assert_eq!(manifest["seeds"], serde_json::json!([3, 1]));
    assert_eq!(manifest["workloads"]["random"], "formula");
    assert_eq!(
        manifest["pieces"]["allocator"]["static"]["parameters"]["level"],
        "1.5x"
    );
    assert_eq!(
        manifest["pieces"]["application"]["single"]["parameters"]["runtimes"]["plain"]["threads"],
        4
    );
    let run: serde_json::Value = serde_json::from_str(&read(folder.path(), "run.json")).unwrap();
    assert_eq!(run["runs"], 24);
}

#[test]
fn options_narrow_and_change_a_scenario() {
    let folder = tempfile::tempdir().unwrap();
    let done = tidegate(&[
        "run",
        SMALL,
        "--out",
        text(folder.path()),
        "--quiet",
        "--seeds",
        "1",
        "--filter",
        "allocator=escra",
        "--filter",
        "application=single",
        "--filter",
        "workload=steady",
        "--set",
        "run.duration=2s",
        "--set",
        "workload.steady.rate=20",
    ]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    assert_eq!((done.stdout.as_str(), done.stderr.as_str()), ("", ""));
    let summary = read(folder.path(), "summary.csv");
    let sent = summary
        .lines()
        .find(|line| line.contains(",requests_sent,"));
    let sent: f64 = sent.unwrap().rsplit(',').next().unwrap().parse().unwrap();
    assert!((36.0..=44.0).contains(&sent), "{sent}");
    assert!(
        summary
            .lines()
            .skip(1)
            .all(|line| { line.starts_with("small,single,steady,escra,1,") })
    );
    // The comparison has nothing to pair: it says so and is not left out.
    assert!(read(folder.path(), "comparison.csv").contains("not-measured"));
}

#[test]
fn a_wrong_option_says_what_would_be_right() {
    let cases: [(&[&str], i32, &str); 12] = [
        (&["--set", "run.duration"], 2, "there is no `=`"),
        (&["--set", "=3"], 2, "is no key"),
        (&["--set", "run.duratoin=3s"], 3, "did you mean `duration`?"),
        (
            &["--set", "run.duration=soon"],
            3,
            "--set run.duration=soon",
        ),
        (
            &["--set", "allocator.escra.flor=1"],
            3,
            "did you mean `floor`?",
        ),
        (
            &["--set", "alocator.escra.floor=1"],
            3,
            "did you mean `allocator`?",
        ),
        (&["--filter", "allocator"], 2, "there is no `=`"),
        (
            &["--filter", "alocator=escra"],
            2,
            "did you mean `allocator`?",
        ),
        (&["--filter", "allocator=esca"], 2, "did you mean `escra`?"),
        (&["--seeds", "0"], 2, "0"),
        (&["--jobs", "none"], 2, "none"),
        (&["--out"], 2, "--out"),
    ];
    for (options, code, part) in cases {
        let arguments: Vec<&str> = ["run", SMALL].into_iter().chain(options.to_vec()).collect();
        let done = tidegate(&arguments);
        assert_eq!(done.code, code, "{options:?}: {}", done.stderr);
        assert!(done.stderr.contains(part), "{options:?}: {}", done.stderr);
    }
    assert_eq!(tidegate(&["run", "tests/none.toml"]).code, 2);
    assert_eq!(tidegate(&["walk"]).code, 2);
}

#[test]
fn an_expectation_that_fails_has_its_own_code() {
    let folder = tempfile::tempdir().unwrap();
    let scenario = "tests/fixtures/small.toml";
    let expect = |threshold: &str| {
        let set = format!(
            "expect=[{{metric=\"throughput_rps\", {threshold}, where={{application=\"single\", \
             workload=\"steady\"}}}}]"
        );
        tidegate(&[
            "run",
            scenario,
            "--out",
            text(folder.path()),
            "--filter",
            "allocator=static",
            "--set",
            &set,
            "--quiet",
        ])
    };
    assert_eq!(expect("max=1000").code, 0);
    let done = expect("min=1000");
    assert_eq!(done.code, 10);
    assert!(
        done.stderr
            .contains("expectation failed: throughput_rps is 60 in single steady static"),
        "{}",
        done.stderr
    );
    // The results are there all the same.
    assert!(folder.path().join("summary.csv").exists());
    // Two seeds have twice as much in all.
    assert_eq!(expect("over=\"sum\", min=119, max=121").code, 0);
    let done = expect("over=\"sum\", min=130");
    assert_eq!(done.code, 10);
    assert!(
        done.stderr
            .contains("throughput_rps is 120 in the sum of 2 runs; expected at least 130"),
        "{}",
        done.stderr
    );

    let done = tidegate(&[
        "run",
        scenario,
        "--quiet",
        "--out",
        text(folder.path()),
        "--filter",
        "allocator=static",
        "--set",
        "expect=[{metric=\"throughput\", max=1}]",
    ]);
    assert_eq!(done.code, 3);
    assert!(
        done.stderr.contains("there is no metric `throughput`"),
        "{}",
        done.stderr
    );
}

#[test]
fn published_figures_decide_only_when_asked() {
    let folder = tempfile::tempdir().unwrap();
    let run = |strict: &[&str]| {
        let arguments = ["run", SMALL, "--quiet", "--out", text(folder.path())];
        let arguments: Vec<&str> = arguments.into_iter().chain(strict.to_vec()).collect();
        tidegate(&arguments).code
    };
    assert_eq!(run(&[]), 0);
    assert_eq!(run(&["--strict-published"]), 13);
}

#[test]
fn a_folder_keeps_to_one_run() {
    let folder = tempfile::tempdir().unwrap();
    let run = |set: &str| {
        let out = text(folder.path());
        tidegate(&["run", SMALL, "--quiet", "--out", out, "--set", set])
    };
    assert_eq!(run("run.seeds=1").code, 0);
    assert_eq!(run("run.seeds=1").code, 0, "the same run may be repeated");
    let done = run("run.seeds=2");
    assert_eq!(done.code, 2);
    assert!(done.stderr.contains("holds another run"), "{}", done.stderr);
}

#[test]
fn a_folder_of_scenarios_is_run_whole() {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("in");
    fs::create_dir(&source).unwrap();
    for name in ["one", "two"] {
        let scenario = read(std::path::Path::new("tests/fixtures"), "small.toml")
            .replace("seeds = [3, 1]", "seeds = 1")
            .replace("published = \"escra/table-1\"", "");
        let scenario = &scenario[..scenario.find("[[compare]]").unwrap()];
        fs::write(source.join(format!("{name}.toml")), scenario).unwrap();
    }
    for kind in ["apps", "workloads", "testbeds", "allocators", "clients"] {
        fs::create_dir(source.join(kind)).unwrap();
        for file in crate::files(&std::path::Path::new("tests/fixtures").join(kind)) {
            fs::copy(&file, source.join(kind).join(file.file_name().unwrap())).unwrap();
        }
    }
    let out = folder.path().join("out");
    let done = tidegate(&["run", text(&source), "--quiet", "--out", text(&out)]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    for name in ["one", "two"] {
        assert!(out.join(name).join("summary.csv").exists());
    }

    // An interrupt that comes when the first one is just finished.
    let out = folder.path().join("interrupted");
    let done = tidegate(&[
        "run",
        text(&source),
        "--quiet",
        "--jobs",
        "1",
        "--stop-after",
        "12",
        "--out",
        text(&out),
    ]);
    assert_eq!(done.code, 5, "{}", done.stderr);
    assert!(done.stderr.contains("two.toml: not run"), "{}", done.stderr);
    assert!(out.join("one").join("summary.csv").exists());
    assert!(!out.join("two").exists());

    // Two of one name would share a folder.
    let twin = source.join("below");
    fs::create_dir(&twin).unwrap();
    fs::copy(source.join("one.toml"), twin.join("one.toml")).unwrap();
    let out = folder.path().join("twins");
    let done = tidegate(&["run", text(&source), "--quiet", "--out", text(&out)]);
    assert_eq!(done.code, 2, "{}", done.stderr);
    assert!(done.stderr.contains("both named `one`"), "{}", done.stderr);
    assert!(!out.exists(), "nothing is run");
    fs::remove_dir_all(&twin).unwrap();

    let done = tidegate(&["list", text(&source)]);
    assert_eq!(done.stdout.lines().count(), 3, "{}", done.stdout);
}

#[test]
fn pieces_can_be_changed_and_columns_added() {
    let folder = tempfile::tempdir().unwrap();
    let done = tidegate(&[
        "run",
        "tests/fixtures/inline.toml",
        "--quiet",
        "--out",
        text(folder.path()),
    ]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    let summary = read(folder.path(), "summary.csv");
    assert!(
        summary.starts_with(
            "scenario,application,workload,allocator,kernel,rate,level,seed,metric,unit,value\n"
        ),
        "{summary}"
    );
    assert!(summary.contains("inline,single,steady,slow,6.8,60,1x,1,throughput_rps,"));
}

#[test]
fn help_names_every_verb() {
    let done = tidegate(&["--help"]);
    assert_eq!(done.code, 0);
    // Verbs of the live world are there, and make the first column wider, with that
    // feature only.
    let live = ["controller", "agent", "ca", "replay"];
    let mut found = 0;
    let mut help = String::new();
    for line in done.stdout.lines() {
        match line.trim_start().split_once("  ") {
            Some((verb, _)) if live.contains(&verb) => found += 1,
            Some((verb, about)) => help += &format!("  {verb}: {}\n", about.trim_start()),
            None => help += &format!("{line}\n"),
        }
    }
    assert_eq!(
        found,
        if cfg!(feature = "live") {
            live.len()
        } else {
            0
        }
    );
    insta::assert_snapshot!(help);
}

/// `tidegate schema | head -1` must not end in a panic.
#[test]
fn a_reader_that_goes_away_is_no_fault() {
    let mut child = command()
        .arg("schema")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let mut stderr = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut stderr)
        .unwrap();
    child.wait().unwrap();
    assert_eq!(stderr, "");
}
