//! The page about our scenarios, and what else says the same.

use std::collections::BTreeMap;
use std::path::Path;

use tidegate::scenario::catalogue;

use crate::{read, tidegate};

#[test]
fn the_page_about_our_scenarios_is_the_one_made_of_them() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let done = tidegate(&["list", "--markdown", "scenarios"]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    assert!(
        done.stdout == read(root, "scenarios/README.md"),
        "run: tidegate list --markdown scenarios > scenarios/README.md"
    );
}

#[test]
fn a_folder_without_times_or_with_others_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    std::fs::copy("tests/fixtures/small.toml", path.join("small.toml")).unwrap();
    let said = |csv: Option<&str>| {
        if let Some(csv) = csv {
            std::fs::write(path.join(catalogue::NAME), csv).unwrap();
        }
        let done = tidegate(&["list", "--markdown", path.to_str().unwrap()]);
        (done.code, done.stderr)
    };
    assert_eq!(said(None).0, 2);
    let (code, text) = said(Some("scenario,figure,options,seconds\nother.toml,x,,1\n"));
    assert_eq!(code, 4);
    assert!(text.contains("no line for small.toml"), "{text}");
}

/// Whether a time as README has it ("20 s", "under 1 s", "5 to 15 s each") is `seconds`.
fn agrees(text: &str, seconds: f64) -> bool {
    let unit = if text.contains("min") { 60.0 } else { 1.0 };
    let numbers: Vec<f64> = text
        .split(' ')
        .filter_map(|word| word.parse::<f64>().ok())
        .map(|number| number * unit)
        .collect();
    match numbers[..] {
        [most] if text.starts_with("under") => seconds < most,
        [time] => seconds == time,
        [least, most] => (least..=most).contains(&seconds),
        _ => false,
    }
}

#[test]
fn readme_says_the_same_of_each_experiment() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let about = catalogue::read(&root.join("scenarios")).unwrap();
    let mut rows = BTreeMap::new();
    for line in read(root, "README.md").lines() {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let [_, _, command, time, _] = cells[..] else {
            continue;
        };
        let command = command.split('`').nth(1).unwrap_or_default();
        let Some(command) = command.strip_prefix("tidegate run scenarios/") else {
            continue;
        };
        // What is run live takes as long as its scenario says.
        if !command.contains("--world live") {
            let (scenario, options) = command.split_once(' ').unwrap_or((command, ""));
            rows.insert(scenario.to_owned(), (options.to_owned(), time.to_owned()));
        }
    }
    assert!(rows.len() > 30, "{}", rows.len());
    for (scenario, (options, time)) in rows {
        let experiment = &about[&scenario];
        assert_eq!(experiment.options, options, "{scenario}");
        assert!(
            agrees(&time, experiment.seconds),
            "{scenario}: README has {time}, {} has {} s",
            catalogue::NAME,
            experiment.seconds
        );
    }
    assert!(!agrees("20 s", 21.0) && !agrees("under 1 s", 1.0) && !agrees("5 to 15 s each", 16.0));
}
