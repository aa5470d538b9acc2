//! Published traces: what is shown of them, loads made of them, and broken ones.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::Path;

use crate::{files, read, text, tidegate};

/// Each broken file is refused with its row, its column and the cause.
#[test]
fn each_broken_trace_is_refused_at_its_cell() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut messages = BTreeSet::new();
    let mut report = String::new();
    for path in files(&root.join("tests/fixtures/traces/broken")) {
        let path = path.strip_prefix(root).unwrap().to_str().unwrap();
        let done = tidegate(&["trace", "inspect", path]);
        assert_eq!(done.code, 3, "{path}: {}", done.stderr);
        assert_eq!(done.stdout, "", "{path}");
        let place = done.stderr.strip_prefix(&format!("error: {path}:"));
        let mut place = place.unwrap().split(':');
        for what in ["row", "column"] {
            let number = place.next().and_then(|part| part.parse::<u64>().ok());
            assert!(
                number.is_some_and(|number| number > 0),
                "{what}: {}",
                done.stderr
            );
        }
        assert!(messages.insert(done.stderr.clone()), "{}", done.stderr);
        report.push_str(&done.stderr.replace("tests/fixtures/traces/broken/", ""));
    }
    assert!(
        messages.len() >= 30,
        "the corpus is gone: {} files",
        messages.len()
    );
    insta::assert_snapshot!(report);
}

const FORMATS: [&str; 11] = [
    "alibaba-v2017-container-usage",
    "alibaba-v2017-server-usage",
    "alibaba-v2018-container-usage",
    "alibaba-v2018-machine-usage",
    "alibaba-microservices-v2021-msrtqps",
    "alibaba-microservices-v2021-node",
    "alibaba-microservices-v2022-msrtmcr",
    "azure-functions-2019-invocations",
    "azure-functions-2019-durations",
    "azure-functions-2019-memory",
    "azure-functions-2021",
];

/// A file of every format is known by its first row, shown, and made a load or
/// series of; distributions over a day are refused with a reason.
#[test]
fn every_format_is_known_shown_and_converted() {
    let folder = tempfile::tempdir().unwrap();
    let (trace, out) = (folder.path().join("t.csv"), folder.path().join("out.csv"));
    let mut report = String::new();
    for format in FORMATS {
        let bytes = if format.ends_with("invocations") {
            "40000"
        } else {
            "2000"
        };
        let options = ["--format", format, "--bytes", bytes, "--out", text(&trace)];
        let done = tidegate(&[&["trace", "synthesize"][..], &options].concat());
        assert_eq!(done.code, 0, "{}", done.stderr);
        assert!(done.stdout.contains("synthetic"), "{}", done.stdout);

        let shown = tidegate(&["trace", "inspect", text(&trace)]);
        assert_eq!(shown.code, 0, "{format}: {}", shown.stderr);
        assert!(shown.stdout.contains(format), "{}", shown.stdout);
        report.push_str(&shown.stdout);
        report.push('\n');

        let convert = ["trace", "convert", text(&trace), "--out", text(&out)];
        let load = tidegate(&[&convert[..], &["--low", "56", "--high", "548"]].concat());
        let usage = tidegate(&[&convert[..], &["--to", "usage"]].concat());
        for done in [load, usage] {
            let refused = format.ends_with("durations") || format.ends_with("memory");
            assert_eq!(
                done.code,
                if refused { 3 } else { 0 },
                "{format}: {}",
                done.stderr
            );
            assert_eq!(
                done.stderr.contains("distributions"),
                refused,
                "{}",
                done.stderr
            );
        }
    }
    insta::assert_snapshot!(report);
}

const MACHINES: &str = "m_1,0,10,50,,,1,1,-1\nm_1,10,30,50,,,1,1,5\nm_2,0,90,60,,,1,1,101\n\
                        m_2,20,50,70,,,1,1,7\n";

#[test]
fn a_selection_becomes_series_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let (trace, out) = (folder.path().join("t.csv"), folder.path().join("out.csv"));
    fs::write(&trace, MACHINES).unwrap();
    let convert = |options: &[&str]| {
        let verb = [
            "trace",
            "convert",
            text(&trace),
            "--to",
            "usage",
            "--out",
            text(&out),
        ];
        let done = tidegate(&[&verb[..], options].concat());
        assert_eq!(done.code, 0, "{}", done.stderr);
        read(folder.path(), "out.csv")
    };
    let cpu = [
        "--column",
        "cpu_util_percent",
        "--column",
        "disk_io_percent",
    ];
    // What is not sound is as empty as what was not measured.
    assert_eq!(
        convert(&cpu),
        "time_s,machine_id,cpu_util_percent,disk_io_percent\n0,m_1,10,\n10,m_1,30,5\n0,m_2,90,\n\
         20,m_2,50,7\n"
    );
    let of_one = [&cpu[..2], &["--filter", "machine_id=m_1", "--step", "20s"]].concat();
    assert_eq!(
        convert(&of_one),
        "time_s,machine_id,cpu_util_percent\n0,m_1,20\n"
    );
    let window = [
        &cpu[..2],
        &["--from", "10s", "--until", "30s", "--speed", "10"],
    ]
    .concat();
    assert_eq!(
        convert(&window),
        "time_s,machine_id,cpu_util_percent\n1,m_1,30\n2,m_2,50\n"
    );
}

/// A load made of a trace runs in a scenario, and packed files say the same as plain
/// ones.
#[test]
fn a_load_made_of_a_trace_runs() {
    let folder = tempfile::tempdir().unwrap();
    let here = |name: &str| folder.path().join(name);
    let (plain, packed) = (here("t.csv"), here("t.csv.gz"));
    let day = "app,func,end_timestamp,duration\na,f,1.5,1\na,f,30,0.5\na,g,130,2\n";
    fs::write(&plain, day).unwrap();
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gz.write_all(day.as_bytes()).unwrap();
    fs::write(&packed, gz.finish().unwrap()).unwrap();
    for trace in [&plain, &packed] {
        let out = here("load.csv");
        let options = ["--out", text(&out), "--step", "60s", "--speed", "30"];
        let verb = ["trace", "convert", text(trace)];
        let done = tidegate(&[&verb[..], &options].concat());
        assert_eq!(done.code, 0, "{}", done.stderr);
        // Two calls in the first minute, none in the second, one in the third.
        let thirtieth = 2.0 / 60.0;
        assert_eq!(
            read(folder.path(), "load.csv"),
            format!("time_s,rate_per_s\n0,{thirtieth}\n2,0\n4,{}\n", 1.0 / 60.0)
        );
    }
    fs::create_dir(here("workloads")).unwrap();
    fs::rename(here("load.csv"), here("workloads/load.csv")).unwrap();
    let workload = "kind = \"trace\"\nfile = \"load.csv\"\nscale = 1000\n";
    fs::write(here("workloads/azure.toml"), workload).unwrap();
    for kind in ["apps", "allocators", "testbeds", "clients"] {
        fs::create_dir(here(kind)).unwrap();
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/fixtures")
            .join(kind);
        for file in files(&root) {
            fs::copy(&file, here(kind).join(file.file_name().unwrap())).unwrap();
        }
    }
    let small = "title = \"A trace\"\n[run]\nduration = \"3s\"\nseeds = [1]\ntestbed = \"small\"\n\
                 [matrix]\napplication = [\"pair\"]\nworkload = [\"azure\"]\nallocator = [\"static\"]\n";
    fs::write(here("small.toml"), small).unwrap();
    let (scenario, out) = (here("small.toml"), here("out"));
    let done = tidegate(&["run", text(&scenario), "--quiet", "--out", text(&out)]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    let manifest = read(&out, "manifest.json");
    assert!(manifest.contains("\"azure\": \"load.csv\""), "{manifest}");
    let sent = read(&out, "summary.csv");
    let sent = sent
        .lines()
        .find(|line| line.contains(",requests_sent,"))
        .unwrap();
    assert!(!sent.ends_with(",0"), "{sent}");
}
