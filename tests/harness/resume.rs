//! An interrupted run leaves finished cells and nothing that looks whole; going
//! on from there gives what an uninterrupted run gives.

use std::fs;
use std::path::Path;

use tidegate::scenario::layer::Document;
use tidegate::scenario::{Filter, Scenario};

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
        // What it is is known from the start.
        assert_eq!(parts.join(name).exists(), name == "manifest.json", "{name}");
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

/// The content of a trace decides results, also of one that a column names.
#[test]
fn a_changed_trace_is_another_run() {
    let folder = tempfile::tempdir().unwrap();
    let fixtures = Path::new("tests/fixtures");
    for kind in ["apps", "workloads", "testbeds", "allocators", "clients"] {
        fs::create_dir(folder.path().join(kind)).unwrap();
        for file in files(&fixtures.join(kind)) {
            let name = file.file_name().unwrap();
            fs::copy(&file, folder.path().join(kind).join(name)).unwrap();
        }
    }
    let write = |name: &str, content: &str| fs::write(folder.path().join(name), content).unwrap();
    let rates = |second: u32| format!("0,a,a1,HTTP_MCR,30\n60000,a,a1,HTTP_MCR,{second}\n");
    write(
        "workloads/replay.toml",
        "kind = \"alibaba\"\nfile = \"none.csv\"\nabsolute = true\nstep = \"60s\"\nspeed = 60\n\
         format = \"alibaba-microservices-v2021-msrtqps\"\n",
    );
    write("workloads/one.csv", &rates(40));
    write("workloads/two.csv", &rates(50));
    write(
        "replay.toml",
        "title = \"Two traces\"\n[run]\nduration = \"2s\"\ntestbed = \"small\"\n\
         [columns]\ntrace = \"workload.file\"\n[matrix]\napplication = \"single\"\n\
         workload = \"replay\"\nallocator = \"static\"\ntrace = [\"one.csv\", \"two.csv\"]\n",
    );
    let scenario = folder.path().join("replay.toml");
    let out = folder.path().join("out");
    let run = || {
        tidegate(&[
            "run",
            text(&scenario),
            "-q",
            "--resume",
            "--out",
            text(&out),
        ])
    };
    let done = run();
    assert_eq!(done.code, 0, "{}", done.stderr);
    let manifest: serde_json::Value = serde_json::from_str(&read(&out, "manifest.json")).unwrap();
    let replay = &manifest["pieces"]["workload"]["replay"];
    for name in ["one.csv", "two.csv"] {
        let hash = replay["files"][name].as_str();
        assert_eq!(hash.map(str::len), Some(64), "{replay}");
    }
    assert_eq!(manifest["workloads"]["replay"], "one.csv, two.csv");

    write("workloads/two.csv", &rates(60));
    let done = run();
    assert_eq!(done.code, 2, "a stale cell was taken over");
    assert!(done.stderr.contains("holds another run"), "{}", done.stderr);
}

/// The order of keys is nothing, but where it numbers containers.
#[test]
fn an_id_does_not_depend_on_the_order_of_keys() {
    let source = read(Path::new("tests/fixtures"), "small.toml");
    let source = source.split("[[compare]]").next().unwrap();
    let source = source.replace("published = \"escra/table-1\"\n", "");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/small.toml");
    let hash = |pieces: &str| {
        let document = Document::parse(&path, &format!("{source}{pieces}")).unwrap();
        let scenario = Scenario::resolve(document, &Filter::default());
        scenario.unwrap_or_else(|error| panic!("{error}")).hash()
    };
    assert_eq!(
        hash("[allocator.escra]\nkappa = 0.7\nupsilon = 30\n"),
        hash("[allocator.escra]\nupsilon = 30\nkappa = 0.7\n")
    );
    assert_ne!(
        hash("[allocator.escra]\nkappa = 0.7\nupsilon = 30\n"),
        hash("[allocator.escra]\nupsilon = 30\nkappa = 0.8\n")
    );
    let pair = read(Path::new("tests/fixtures/apps"), "pair.toml");
    let (start, rest) = pair.split_at(pair.find("[services.front]").unwrap());
    let (front, rest) = rest.split_at(rest.find("[services.back]").unwrap());
    let (back, rest) = rest.split_at(rest.find("[[requests]]").unwrap());
    let with = |first: &str, second: &str| {
        let text = format!("{start}{first}{second}{rest}");
        let table: toml::Table = text.parse().unwrap();
        let mut all = toml::Table::new();
        let mut named = toml::Table::new();
        named.insert("other".to_owned(), toml::Value::Table(table));
        all.insert("application".to_owned(), toml::Value::Table(named));
        let source = source.replace("[\"pair\", \"single\"]", "\"other\"");
        let text = format!("{source}{}", toml::to_string(&all).unwrap());
        let document = Document::parse(&path, &text).unwrap();
        let scenario = Scenario::resolve(document, &Filter::default());
        scenario.unwrap_or_else(|error| panic!("{error}")).hash()
    };
    assert_ne!(with(front, back), with(back, front));
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
