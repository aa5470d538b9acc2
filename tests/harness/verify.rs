//! `tidegate verify` and `tidegate plan`: a run is what its manifest says, and what is
//! there need not be run.

use std::fs;
use std::path::Path;

use crate::{files, read, text, tidegate};

/// A copy of the fixtures, to be changed.
fn fixtures(folder: &Path) {
    let source = Path::new("tests/fixtures");
    for kind in ["apps", "workloads", "testbeds", "allocators", "clients"] {
        fs::create_dir_all(folder.join(kind)).unwrap();
        for file in files(&source.join(kind)) {
            let name = file.file_name().unwrap();
            fs::copy(&file, folder.join(kind).join(name)).unwrap();
        }
    }
    fs::copy("tests/fixtures/small.toml", folder.join("small.toml")).unwrap();
}

#[test]
fn a_run_is_repeated_from_its_manifest_alone() {
    let folder = tempfile::tempdir().unwrap();
    let (source, out) = (folder.path().join("in"), folder.path().join("out"));
    fixtures(&source);
    // Paper figures are not of the scenario: the comparison is left out here.
    let path = source.join("small.toml");
    let scenario = read(&source, "small.toml").replace("published = \"escra/table-1\"\n", "");
    let scenario = scenario.split("[[compare]]").next().unwrap();
    let rates = "0,a,a1,HTTP_MCR,30\n60000,a,a1,HTTP_MCR,40\n";
    fs::write(source.join("workloads/rates.csv"), rates).unwrap();
    let replay = "[workload.replay]\nbase = \"replay\"\nstep = \"120s\"\n\
                  [columns]\nlevel = \"allocator.level\"\nfast = \"workload.speed\"\n";
    fs::write(
        source.join("workloads/replay.toml"),
        "kind = \"alibaba\"\nfile = \"rates.csv\"\nabsolute = true\nstep = \"60s\"\nspeed = 60\n\
         format = \"alibaba-microservices-v2021-msrtqps\"\n",
    )
    .unwrap();
    let scenario = scenario
        .replace("[\"steady\", \"random\"]", "\"replay\"")
        .replace(
            "[\"static\", \"autopilot\", \"escra\"]",
            "\"static\"\nlevel = [\"1x\", \"2x\"]\nfast = [30, 60.0]",
        );
    fs::write(&path, format!("{scenario}{replay}")).unwrap();
    let done = tidegate(&[
        "run",
        text(&path),
        "-q",
        "--out",
        text(&out),
        "--filter",
        "level=2x",
        "--set",
        "run.duration=2s",
    ]);
    assert_eq!(done.code, 0, "{}", done.stderr);

    let verify = || tidegate(&["verify", "-q", text(&out), "--files", text(&source)]);
    // The pieces are others by now, and the scenario is gone.
    for name in ["apps/pair.toml", "allocators/static.toml", "small.toml"] {
        fs::remove_file(source.join(name)).unwrap();
    }
    let done = verify();
    assert_eq!(done.code, 0, "{}", done.stderr);
    assert!(
        done.stdout
            .contains("8 runs repeated, 5 files equal byte for byte"),
        "{}",
        done.stdout
    );

    let summary = read(&out, "summary.csv");
    let second = summary.lines().nth(1).unwrap();
    let planted = format!("{}7", &second[..second.len() - 1]);
    fs::write(
        out.join("summary.csv"),
        summary.replacen(second, &planted, 1),
    )
    .unwrap();
    let done = verify();
    assert_eq!(done.code, 12, "{}", done.stderr);
    assert!(
        done.stderr.contains(&format!(
            "summary.csv: line 2 was `{planted}` and is now `{second}`"
        )),
        "{}",
        done.stderr
    );
    fs::write(out.join("summary.csv"), &summary).unwrap();

    let manifest = read(&out, "manifest.json");
    let damaged = |from: &str, to: &str| {
        fs::write(out.join("manifest.json"), manifest.replace(from, to)).unwrap();
        let done = verify();
        (done.code, done.stderr)
    };
    let (code, message) = damaged("\"duration\": \"2s\"", "\"duration\": \"3s\"");
    assert_eq!(code, 4);
    assert!(message.contains("does not describe that run"), "{message}");
    let (code, message) = damaged("\"scenario_file\"", "\"file\"");
    assert_eq!(code, 4);
    assert!(message.contains("does not hold its scenario"), "{message}");
    let (code, message) = damaged("{", "");
    assert_eq!(code, 4);
    assert!(message.contains("manifest.json: "), "{message}");
    // Other code: what it gave is compared, and said to be other code's.
    let (code, message) = damaged("\"sources\": \"", "\"sources\": \"other");
    assert_eq!(code, 0, "{message}");
    assert!(message.contains("made by other code"), "{message}");

    fs::write(
        source.join("workloads/rates.csv"),
        rates.replace("40", "41"),
    )
    .unwrap();
    let (code, message) = damaged("{", "{");
    assert_eq!(code, 4);
    assert!(message.contains("rates.csv: no folder below"), "{message}");
    assert_eq!(tidegate(&["verify", text(&source)]).code, 2);
}

#[test]
fn a_plan_says_what_is_there_and_why_the_rest_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let (source, out) = (folder.path().join("in"), folder.path().join("out"));
    fixtures(&source);
    let path = source.join("small.toml");
    let scenario = read(&source, "small.toml").replace("published = \"escra/table-1\"\n", "");
    fs::write(&path, scenario.split("[[compare]]").next().unwrap()).unwrap();
    // Elsewhere, where no earlier runs are.
    let here = |arguments: &[&str]| {
        let output = crate::command()
            .current_dir(folder.path())
            .args(arguments)
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let plan = |options: &[&str]| {
        let arguments = ["plan", text(&path), "--out", text(&out), "--jobs", "2"];
        here(
            &arguments
                .into_iter()
                .chain(options.to_vec())
                .collect::<Vec<_>>(),
        )
    };
    let fresh = plan(&[]);
    assert!(fresh.contains("24 runs: 24 new; about "), "{fresh}");
    assert!(
        fresh.contains("basis: no earlier run of this scenario"),
        "{fresh}"
    );
    let run = ["run", text(&path), "-q", "--out", text(&out)];
    let partly: Vec<&str> = run.into_iter().chain(["--stop-after", "5"]).collect();
    assert_eq!(tidegate(&partly).code, 5);
    let some = plan(&[]);
    assert!(some.contains("24 runs: 5 cached, 19 new"), "{some}");
    let resumed: Vec<&str> = run.into_iter().chain(["--resume"]).collect();
    assert_eq!(tidegate(&resumed).code, 0);
    let all = plan(&[]);
    assert!(all.contains("24 runs: 24 cached; about 0.0 s"), "{all}");
    // Other pieces, another length, more seeds: each says what it is.
    let text_of = read(&source, "allocators/escra.toml");
    fs::write(
        source.join("allocators/escra.toml"),
        format!("{text_of}\nkappa = 0.7\n"),
    )
    .unwrap();
    let changed = plan(&["--set", "run.seeds=[3,1,8]", "--filter", "workload=steady"]);
    let table: String = changed
        .lines()
        .filter(|line| line.contains("pair") || line.contains("single"))
        .map(|line| {
            // Times and IDs differ.
            let mut words: Vec<&str> = line.split_whitespace().collect();
            words.remove(4);
            let run = words.iter().position(|word| *word == "run");
            if let Some(id) = words
                .len()
                .checked_sub(1)
                .filter(|&last| words[last].len() == 12)
            {
                words[id] = "ID";
            } else if let Some(run) = run
                && words.get(run + 1).is_some_and(|id| id.len() == 12)
            {
                words[run + 1] = "ID";
            }
            words.join(" ") + "\n"
        })
        .collect();
    insta::assert_snapshot!("plan_changed", table);
    assert!(changed.contains("18 runs: 4 changed, 14 new"), "{changed}");
    assert!(changed.contains("basis: 24 runs in "), "{changed}");
}
