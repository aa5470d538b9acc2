//! Which files decide the ID of a run, and when the build looks at them again.

use std::fs;
use std::path::{Path, PathBuf};

use tidegate::results::manifest::Code;
use tidegate::scenario::format::World;

use crate::build_script;

fn write(root: &Path, names: &[&str]) {
    for name in names {
        let path = root.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "x\n").unwrap();
    }
}

fn relative(root: &Path, files: &[PathBuf]) -> Vec<String> {
    let relative = files.iter().map(|path| path.strip_prefix(root).unwrap());
    relative
        .map(|path| path.to_str().unwrap().to_owned())
        .collect()
}

/// An edited test changes no result, so it must not make `--resume` start anew.
#[test]
fn tests_do_not_decide_results() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    write(
        root,
        &[
            "Cargo.lock",
            "core/src/pool.rs",
            "core/src/pool/tests.rs",
            "core/src/pool/testing.rs",
            "sim/src/world/tests/invariants.rs",
            "sim/src/world/notes.md",
            "live/src/agent.rs",
            "src/run/cell.rs",
            "src/table.rs",
        ],
    );
    let sources = |root, folders| build_script::sources(root, folders);
    assert_eq!(
        relative(root, &sources(root, &build_script::SIMULATOR)),
        [
            "Cargo.lock",
            "core/src/pool/testing.rs",
            "core/src/pool.rs",
            "src/run/cell.rs"
        ]
    );
    assert_eq!(
        relative(root, &sources(root, &build_script::LIVE)),
        ["Cargo.lock", "live/src/agent.rs"]
    );
    // And here there are some.
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    assert!(sources(here, &build_script::SIMULATOR).len() > 50);
    assert!(sources(here, &build_script::LIVE).len() > 50);
}

/// The agent and the controller decide what a live run gives, and nothing of what the
/// simulator does.
#[test]
fn a_run_on_a_host_is_of_the_code_that_ran_there() {
    let [sim, live] = [World::Sim, World::Live].map(|world| Code::of(world).sources);
    assert_ne!(sim, live);
}

/// A file that does not exist counts as changed in each build.
#[test]
fn only_files_that_exist_are_watched() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    assert_eq!(build_script::watched(root), [""; 0].map(PathBuf::from));
    assert_eq!(build_script::commit(root), None);

    write(root, &[".git/HEAD", ".git/refs/heads/main"]);
    fs::write(root.join(".git/HEAD"), "ref: refs/heads/main\n").unwrap();
    let watched = relative(root, &build_script::watched(root));
    assert_eq!(watched, [".git/HEAD", ".git/refs/heads/main"]);
    assert_eq!(build_script::commit(root).as_deref(), Some("x"));

    fs::remove_file(root.join(".git/refs/heads/main")).unwrap();
    fs::write(root.join(".git/packed-refs"), "abc refs/heads/main\n").unwrap();
    let watched = relative(root, &build_script::watched(root));
    assert_eq!(watched, [".git/HEAD", ".git/packed-refs"]);
    assert_eq!(build_script::commit(root).as_deref(), Some("abc"));
}
