//! Scenarios of one invocation share their runs, and do not show it.

use std::fs;
use std::path::Path;

use crate::{files, read, text, tidegate};

/// Three scenarios of the same cells: plain, with series and distributions, and
/// with a series of another kind.
fn folder(root: &Path) {
    let fixtures = Path::new("tests/fixtures");
    for kind in ["apps", "workloads", "testbeds", "allocators", "clients"] {
        fs::create_dir(root.join(kind)).unwrap();
        for file in files(&fixtures.join(kind)) {
            fs::copy(&file, root.join(kind).join(file.file_name().unwrap())).unwrap();
        }
    }
    let scenario = |title: &str, run: &str, level: &str| {
        format!(
            "title = \"{title}\"\n[run]\nduration = \"2s\"\nseeds = 2\ntestbed = \"small\"\n{run}\n\
             [matrix]\napplication = \"pair\"\nworkload = [\"steady\", \"random\"]\n\
             allocator = [\"static\", \"escra\"]\n\
             [limit]\nlevel = \"{level}\"\n"
        )
    };
    let series = |of: &str| format!("series = {{ every = \"1s\", of = \"{of}\" }}");
    let write = |name: &str, text: String| fs::write(root.join(name), text).unwrap();
    write("a.toml", scenario("Plain", "", "1.5x"));
    let all = format!("{}\ncdf = true", series("application"));
    write("b.toml", scenario("All", &all, "1.5x"));
    write("c.toml", scenario("Each", &series("container"), "1.5x"));
    // Static limits do not depend on Ω, Escra's do.
    write("d.toml", scenario("Less", "cdf = true", "1x"));
}

fn run(source: &Path, out: &Path, options: &[&str]) -> crate::Done {
    let arguments = ["run", text(source), "--out", text(out)];
    let done = tidegate(&[&arguments, options].concat());
    assert_eq!(done.code, 0, "{}", done.stderr);
    done
}

/// How many runs a scenario took from others.
fn taken(out: &Path) -> u64 {
    let run: serde_json::Value = serde_json::from_str(&read(out, "run.json")).unwrap();
    run["shared"].as_u64().unwrap()
}

#[test]
fn a_run_is_simulated_once_and_each_scenario_gets_what_it_would_have_alone() {
    let root = tempfile::tempdir().unwrap();
    let source = root.path().join("in");
    fs::create_dir(&source).unwrap();
    folder(&source);
    let together = root.path().join("together");
    let done = run(&source, &together, &["--jobs", "2"]);
    for (name, shared) in [("a", 0), ("b", 8), ("c", 0), ("d", 4)] {
        let alone = root.path().join("alone").join(name);
        run(&source.join(format!("{name}.toml")), &alone, &["--quiet"]);
        let ours = together.join(name);
        assert_eq!(taken(&ours), shared, "{name}");
        assert_eq!(taken(&alone), 0, "{name}");
        let own = |path: &Path| -> Vec<_> {
            let all = files(path).into_iter();
            all.map(|file| file.strip_prefix(path).unwrap().to_owned())
                .collect()
        };
        assert_eq!(own(&ours), own(&alone));
        for file in own(&ours) {
            if file != Path::new("run.json") {
                let same =
                    fs::read(ours.join(&file)).unwrap() == fs::read(alone.join(&file)).unwrap();
                assert!(same, "{name}: {}", file.display());
            }
        }
    }
    let last = done.stdout.trim_end().lines().last().unwrap();
    let columns: Vec<&str> = last.split_whitespace().collect();
    assert_eq!(columns[..3], ["together", "32", "20"], "{last}");
}

#[test]
fn what_was_resumed_is_shared_as_far_as_it_goes() {
    let root = tempfile::tempdir().unwrap();
    let (source, out) = (root.path().join("in"), root.path().join("out"));
    fs::create_dir(&source).unwrap();
    folder(&source);
    run(&source.join("b.toml"), &out.join("b"), &["--quiet"]);
    // Alone `a` would be enough for `d`, but not for `b`.
    fs::remove_file(source.join("c.toml")).unwrap();
    run(&source.join("a.toml"), &out.join("a"), &["--quiet"]);
    run(&source, &out, &["--quiet", "--resume"]);
    assert_eq!(taken(&out.join("a")) + taken(&out.join("b")), 0);
    // Static limits of `b`, resumed, are there in full.
    assert_eq!(taken(&out.join("d")), 4);
}
