//! `tidegate report`: one page that stands alone and says what the tables say.

use std::fs;
use std::path::Path;

use crate::{Done, read, text, tidegate};

const SMALL: &str = "tests/fixtures/small.toml";

/// Runs the small scenario into `out` with these options.
fn small(out: &Path, options: &[&str]) -> Done {
    let arguments = ["run", SMALL, "--quiet", "--out", text(out)];
    tidegate(&[&arguments, options].concat())
}

/// All that a report can show.
const EVERYTHING: [&str; 4] = [
    "--set",
    "run.cdf=true",
    "--set",
    "run.series={every=\"1s\",of=\"container\"}",
];

/// The page of a small run with everything in it.
fn page(options: &[&str]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let done = small(folder.path(), &[&EVERYTHING, options].concat());
    assert_eq!(done.code, 0, "{}", done.stderr);
    let done = tidegate(&["report", text(folder.path())]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    assert!(done.stdout.starts_with("report: "), "{}", done.stdout);
    read(folder.path(), "report.html")
}

#[test]
fn a_report_shows_each_section_and_fetches_nothing() {
    let page = page(&[]);
    for id in [
        "published",
        "cells",
        "spread",
        "distributions",
        "time",
        "provenance",
    ] {
        assert!(page.contains(&format!("<section id=\"{id}\">")), "{id}");
        assert!(page.contains(&format!("<a href=\"#{id}\">")), "{id}");
    }
    // Nothing runs and nothing is asked for: links lead into the page, and the policy
    // forbids the rest.
    for forbidden in [
        "<script",
        "javascript:",
        "src=",
        "url(",
        "@import",
        "http:",
        "https:",
    ] {
        assert!(!page.contains(forbidden), "{forbidden}");
    }
    for link in page.split("href=\"").skip(1) {
        assert!(
            link.starts_with('#') || link.starts_with("data:,\""),
            "{link:.40}"
        );
    }
    assert!(
        page.contains("content=\"default-src 'none'; style-src 'unsafe-inline'; img-src data:\"")
    );
    // Every chart says in words what it shows.
    let charts = page.matches("<figure>").count();
    assert_eq!(charts, page.matches("<svg role=\"img\"").count());
    assert_eq!(
        charts,
        page.matches(" aria-label=\"Box plots, ").count()
            + page.matches(" aria-label=\"Distribution of ").count()
            + page.matches(" over time, ").count()
    );
    // Two applications with each load and three allocators: CPU and memory over time.
    assert_eq!(page.matches(" over time, ").count(), 2 * 12);
    // Latency and both slacks, also through the paper's pipeline, for four panels.
    assert_eq!(page.matches("aria-label=\"Distribution of ").count(), 5 * 4);
}

#[test]
fn a_report_has_the_numbers_of_its_tables() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(small(folder.path(), &["--seeds", "1"]).code, 0);
    assert_eq!(tidegate(&["report", text(folder.path())]).code, 0);
    let page = read(folder.path(), "report.html");
    let mut checked = 0;
    for line in read(folder.path(), "summary.csv").lines() {
        let fields: Vec<&str> = line.split(',').collect();
        if fields.get(5) == Some(&"throughput_rps") {
            let value: f64 = fields[7].parse().unwrap();
            assert!(
                page.contains(&format!("<td class=\"number\">{value:.1}</td>")),
                "{line}"
            );
            checked += 1;
        }
    }
    assert_eq!(checked, 12);
    let comparison = read(folder.path(), "comparison.csv");
    let row = comparison.lines().nth(1).unwrap();
    let measured: f64 = row.split(',').nth(5).unwrap().parse().unwrap();
    let shown = format!("{measured:.1} %").replace('-', "−");
    assert!(
        page.contains(&format!("<td class=\"number\">{shown}</td>")),
        "{shown}"
    );
    assert!(page.contains("<td class=\"number\">25.4 %</td>"));
    assert!(page.contains("✗ contradicts"));
}

#[test]
fn the_same_run_gives_the_same_page() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(small(folder.path(), &EVERYTHING).code, 0);
    let pages = ["one.html", "two.html"].map(|name| {
        let out = folder.path().join(name);
        let done = tidegate(&["report", text(folder.path()), "--out", text(&out)]);
        assert_eq!(done.code, 0, "{}", done.stderr);
        read(folder.path(), name)
    });
    assert!(pages[0] == pages[1]);
}

#[test]
fn what_a_scenario_says_is_text_and_no_markup() {
    let page = page(&[
        "--set",
        "title='</title><script>alert(\"x\")</script>'",
        "--filter",
        "application=pair",
    ]);
    assert!(!page.contains("<script"));
    assert!(page.contains("&lt;/title&gt;&lt;script&gt;alert"));
}

#[test]
fn what_is_no_whole_run_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing");
    let done = tidegate(&["report", text(&missing)]);
    assert_eq!(done.code, 2);
    assert!(
        done.stderr.contains("there is no such folder"),
        "{}",
        done.stderr
    );

    let done = tidegate(&["report", text(folder.path())]);
    assert_eq!(done.code, 2);
    assert!(
        done.stderr.contains("is no folder of a run"),
        "{}",
        done.stderr
    );

    let parts = folder.path().join("parts");
    assert_eq!(small(&parts, &["--stop-after", "5"]).code, 5);
    let done = tidegate(&["report", text(&parts)]);
    assert_eq!(done.code, 5);
    assert!(done.stderr.contains("5 of its runs"), "{}", done.stderr);
    assert!(done.stderr.contains("--resume"), "{}", done.stderr);
    assert!(!parts.join("report.html").exists());

    assert_eq!(small(&parts, &["--resume"]).code, 0);
    let summary = read(&parts, "summary.csv");
    let broken = summary.replacen(
        "small,pair,steady,static,3,",
        "small,pair,steady,static,x,",
        1,
    );
    fs::write(parts.join("summary.csv"), broken).unwrap();
    let done = tidegate(&["report", text(&parts)]);
    assert_eq!(done.code, 4);
    assert!(
        done.stderr.contains("summary.csv:2: `x` is no seed"),
        "{}",
        done.stderr
    );

    fs::write(parts.join("summary.csv"), summary).unwrap();
    fs::remove_file(parts.join("manifest.json")).unwrap();
    let done = tidegate(&["report", text(&parts)]);
    assert_eq!(done.code, 1);
    assert!(done.stderr.contains("manifest.json"), "{}", done.stderr);
}

#[test]
fn a_folder_of_runs_has_a_page_that_leads_to_all() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["first", "the second"] {
        let options = ["--seeds", "1", "--filter", "application=pair"];
        assert_eq!(small(&folder.path().join(name), &options).code, 0);
    }
    let done = tidegate(&["report", text(folder.path())]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    let index = read(folder.path(), "index.html");
    assert!(index.contains("<a href=\"first/report.html\">"));
    assert!(index.contains("<a href=\"the%20second/report.html\">"));
    assert!(folder.path().join("the second/report.html").is_file());

    let out = folder.path().join("one.html");
    let done = tidegate(&["report", text(folder.path()), "--out", text(&out)]);
    assert_eq!(done.code, 2);
    assert!(done.stderr.contains("holds 2 runs"), "{}", done.stderr);
}
