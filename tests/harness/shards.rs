//! `--shard` and `tidegate merge`: parts give the bytes of the whole.

use std::fs;
use std::path::{Path, PathBuf};

use crate::{files, read, text, tidegate};

const SMALL: &str = "tests/fixtures/small.toml";

const TABLES: [&str; 4] = [
    "summary.csv",
    "containers.csv",
    "comparison.csv",
    "manifest.json",
];

/// The shards of a run below `folder`.
fn shards(folder: &Path, of: usize, options: &[&str]) -> Vec<PathBuf> {
    (1..=of)
        .map(|index| {
            let (shard, out) = (format!("{index}/{of}"), folder.join(index.to_string()));
            let arguments = ["run", SMALL, "-q", "--shard", &shard, "--out", text(&out)];
            let arguments: Vec<&str> = arguments.into_iter().chain(options.to_vec()).collect();
            let done = tidegate(&arguments);
            assert_eq!(done.code, 0, "{}", done.stderr);
            assert!(of == 1 || !out.join("summary.csv").exists());
            out
        })
        .collect()
}

fn merge(shards: &[PathBuf], out: &Path) -> crate::Done {
    let mut arguments = vec!["merge", "--out", text(out)];
    arguments.extend(shards.iter().map(|shard| text(shard)));
    tidegate(&arguments)
}

#[test]
fn any_number_of_shards_gives_the_bytes_of_one_machine() {
    let folder = tempfile::tempdir().unwrap();
    let whole = folder.path().join("whole");
    assert_eq!(
        tidegate(&["run", SMALL, "-q", "--out", text(&whole)]).code,
        0
    );
    for of in [1, 2, 3, 7] {
        let at = folder.path().join(of.to_string());
        let shards = shards(&at, of, &[]);
        let cells = |folder: &PathBuf| files(&folder.join("cells")).len();
        assert_eq!(shards.iter().map(cells).sum::<usize>(), 24, "none twice");
        let out = at.join("merged");
        let done = merge(&shards, &out);
        assert_eq!(done.code, 0, "{}", done.stderr);
        for name in TABLES {
            assert!(read(&whole, name) == read(&out, name), "{of}: {name}");
        }
        let run: serde_json::Value = serde_json::from_str(&read(&out, "run.json")).unwrap();
        assert_eq!(run["reused"], 24, "none was simulated by the merging");
    }
}

#[test]
fn holes_conflicts_and_mixed_versions_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let parts = shards(&folder.path().join("a"), 3, &[]);
    let out = folder.path().join("out");
    let refused = |parts: &[PathBuf], code: i32, part: &str| {
        let done = merge(parts, &out);
        assert_eq!(done.code, code, "{}", done.stderr);
        assert!(done.stderr.contains(part), "{}", done.stderr);
        assert!(!out.exists(), "nothing is written");
    };
    refused(&parts[..2], 5, "are in none of these shards");

    let others = shards(&folder.path().join("b"), 3, &["--set", "run.duration=2s"]);
    let mixed = [parts[0].clone(), others[1].clone(), parts[2].clone()];
    refused(&mixed, 4, "are no shards of one run");

    // The same scenario, by other code: of one shard, then of all.
    let was: Vec<String> = parts
        .iter()
        .map(|part| read(part, "manifest.json"))
        .collect();
    let at = was[0].find("\"sources\": \"").unwrap() + "\"sources\": \"".len();
    let other = format!("{}0000{}", &was[0][..at], &was[0][at + 4..]);
    fs::write(parts[1].join("manifest.json"), &other).unwrap();
    refused(&parts, 4, "are no shards of one run");
    for part in &parts {
        fs::write(part.join("manifest.json"), &other).unwrap();
    }
    refused(&parts, 4, "made by other code");
    for (part, was) in parts.iter().zip(&was) {
        fs::write(part.join("manifest.json"), was).unwrap();
    }

    // A cell that two shards have, and one of them otherwise.
    let cell = files(&parts[0].join("cells")).remove(0);
    let copy = parts[1].join("cells").join(cell.file_name().unwrap());
    fs::copy(&cell, &copy).unwrap();
    let content = fs::read_to_string(&cell).unwrap();
    let at = content.find("\"events\":").unwrap() + "\"events\":".len();
    fs::write(&copy, format!("{}1{}", &content[..at], &content[at..])).unwrap();
    refused(&parts, 4, "and not the same");
    fs::copy(&cell, &copy).unwrap();
    assert_eq!(merge(&parts, &out).code, 0, "the same twice is no conflict");

    let done = tidegate(&["run", SMALL, "--shard", "4/3", "--out", "x"]);
    assert_eq!(done.code, 2);
    assert!(done.stderr.contains("such as 2/7"), "{}", done.stderr);
}
