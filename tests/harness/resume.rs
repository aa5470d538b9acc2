//! An interrupted run leaves finished cells and nothing that looks whole; going
//! on from there gives what an uninterrupted run gives.

use std::fs;
use std::path::Path;

use crate::{files, read, text, tidegate};

const TABLES: [&str; 4] = [
    "summary.csv",
    "containers.csv",
    "comparison.csv",
    "manifest.json",
];

fn small(folder: &Path, options: &[&str]) -> crate::Done {
    let arguments = [
        "run",
        "tests/fixtures/small.toml",
        "--quiet",
        "--out",
        text(folder),
    ];
    let arguments: Vec<&str> = arguments.into_iter().chain(options.to_vec()).collect();
    tidegate(&arguments)
}

fn assert_same(one: &Path, other: &Path) {
    for name in TABLES {
        assert!(read(one, name) == read(other, name), "{name}");
    }
}

#[test]
fn an_interrupted_run_goes_on_where_it_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let (whole, parts) = (folder.path().join("whole"), folder.path().join("parts"));
    assert_eq!(small(&whole, &[]).code, 0);

    let done = small(&parts, &["--stop-after", "5", "--jobs", "2"]);
    assert_eq!(done.code, 5);
    assert!(done.stderr.contains("5 of 24 runs"), "{}", done.stderr);
    assert!(done.stderr.contains("--resume"), "{}", done.stderr);
    for name in TABLES {
        assert!(!parts.join(name).exists(), "{name}");
    }

    assert_eq!(small(&parts, &["--stop-after", "4", "--resume"]).code, 5);
    assert_eq!(files(&parts.join("cells")).len(), 9);
    assert_eq!(small(&parts, &["--resume"]).code, 0);
    assert_same(&whole, &parts);
    let run: serde_json::Value = serde_json::from_str(&read(&parts, "run.json")).unwrap();
    assert_eq!(run["reused"], 9);
}

#[test]
fn a_damaged_cell_is_run_again() {
    let folder = tempfile::tempdir().unwrap();
    let (whole, parts) = (folder.path().join("whole"), folder.path().join("parts"));
    assert_eq!(small(&whole, &[]).code, 0);
    assert_eq!(small(&parts, &["--stop-after", "3", "--jobs", "1"]).code, 5);
    let cells = files(&parts.join("cells"));
    let content = fs::read(&cells[0]).unwrap();
    fs::write(&cells[0], &content[..content.len() / 2]).unwrap();
    fs::copy(&cells[1], &cells[2]).unwrap();
    assert_eq!(small(&parts, &["--resume"]).code, 0);
    assert_same(&whole, &parts);
    let run: serde_json::Value = serde_json::from_str(&read(&parts, "run.json")).unwrap();
    assert_eq!(run["reused"], 1);
}

/// Ctrl-C itself, on the command itself.
#[cfg(unix)]
#[test]
fn ctrl_c_stops_after_the_cells_under_way() {
    use std::process::{Command, Stdio};
    use std::thread;
    use std::time::{Duration, Instant};

    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let cells = out.join("cells");
    let options = ["--seeds", "10", "--set", "run.duration=30s"];
    let mut child = crate::command()
        .args(["run", "tests/fixtures/small.toml", "--quiet", "--jobs", "1"])
        .args(["--out", text(&out)])
        .args(options)
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let begin = Instant::now();
    let whole = |path: &Path| {
        path.extension()
            .is_some_and(|extension| extension == "json")
    };
    while !cells.exists() || files(&cells).iter().filter(|path| whole(path)).count() < 2 {
        assert!(
            begin.elapsed() < Duration::from_secs(60),
            "no cell was finished"
        );
        thread::sleep(Duration::from_millis(5));
    }
    let id = child.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-INT", &id])
            .status()
            .unwrap()
            .success()
    );
    assert_eq!(child.wait().unwrap().code(), Some(5));
    assert!(!out.join("summary.csv").exists());
    assert!(files(&out).iter().all(|path| !text(path).ends_with(".new")));

    let resumed: Vec<&str> = options.into_iter().chain(["--resume"]).collect();
    assert_eq!(small(&out, &resumed).code, 0);
    let whole = folder.path().join("whole");
    assert_eq!(small(&whole, &options).code, 0);
    assert_same(&whole, &out);
}
