//! What a scenario asks to be written down besides its numbers.

use std::path::Path;

use crate::{read, text, tidegate};

fn run(folder: &Path, options: &[&str]) -> crate::Done {
    let scenario = "tests/fixtures/small.toml";
    let out = text(folder);
    let arguments = ["run", scenario, "--quiet", "--out", out, "--seeds", "1"];
    let filters = [
        "--filter",
        "application=pair",
        "--filter",
        "workload=steady",
    ];
    let all = [&arguments[..], &filters[..], options].concat();
    tidegate(&all)
}

/// The lines that begin with `start`, what follows it.
fn after<'a>(table: &'a str, start: &str) -> Vec<&'a str> {
    table
        .lines()
        .filter_map(|line| line.strip_prefix(start))
        .collect()
}

#[test]
fn series_and_distributions_are_tables_of_their_own() {
    let folder = tempfile::tempdir().unwrap();
    let each = "run.series={every=\"500ms\",of=\"container\"}";
    let options = ["--set", each, "--set", "run.cdf=true"];
    let whole = folder.path().join("whole");
    let done = run(&whole, &options);
    assert_eq!(done.code, 0, "{}", done.stderr);

    let series = read(&whole, "series.csv");
    assert_eq!(
        series.lines().next(),
        Some(
            "scenario,application,workload,allocator,seed,time_s,container,cpu_limit_cores,\
             cpu_used_cores,mem_limit_mib,mem_used_mib,periods,throttled_periods,containers_up"
        )
    );
    // Six times, two containers, three allocators.
    assert_eq!(series.lines().count(), 1 + 6 * 2 * 3);
    let escra = after(&series, "small,pair,steady,escra,1,");
    assert!(escra[0].starts_with("0.5,front,"), "{}", escra[0]);
    assert!(escra[11].starts_with("3,back,"), "{}", escra[11]);

    let cdf = read(&whole, "cdf.csv");
    assert_eq!(
        cdf.lines().next(),
        Some("scenario,application,workload,allocator,seed,metric,unit,quantile,value")
    );
    let median = after(&cdf, "small,pair,steady,escra,1,cpu_slack,cores,0.5,");
    let summary = read(&whole, "summary.csv");
    let same = "small,pair,steady,escra,1,cpu_slack_p50_cores,cores,";
    assert_eq!(median, after(&summary, same));
    assert_eq!(median.len(), 1);

    // An interrupted run keeps both.
    let parts = folder.path().join("parts");
    let stop = [&options[..], &["--stop-after", "2"]].concat();
    assert_eq!(run(&parts, &stop).code, 5);
    assert!(!parts.join("series.csv").exists() && !parts.join("cdf.csv").exists());
    let resume = [&options[..], &["--resume"]].concat();
    assert_eq!(run(&parts, &resume).code, 0);
    for name in ["series.csv", "cdf.csv", "summary.csv", "manifest.json"] {
        assert!(read(&whole, name) == read(&parts, name), "{name}");
    }
}

#[test]
fn nothing_more_is_written_unless_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let (plain, asked) = (folder.path().join("plain"), folder.path().join("asked"));
    assert_eq!(run(&plain, &[]).code, 0);
    assert!(!plain.join("series.csv").exists() && !plain.join("cdf.csv").exists());

    let options = ["--set", "run.series={every=\"1s\"}"];
    assert_eq!(run(&asked, &options).code, 0);
    assert!(!asked.join("cdf.csv").exists());
    let series = read(&asked, "series.csv");
    assert_eq!(series.lines().count(), 1 + 3 * 3);
    let escra = after(&series, "small,pair,steady,escra,1,");
    assert!(escra.iter().all(|line| line.contains(",all,")));
    for name in ["summary.csv", "containers.csv", "comparison.csv"] {
        assert!(read(&plain, name) == read(&asked, name), "{name}");
    }
}
