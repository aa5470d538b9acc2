//! Tells the code which code it is: a hash of the sources that decide results,
//! and the git commit if there is one.

use std::fs;
use std::path::{Path, PathBuf};

/// The sources that decide results of the simulator.
pub(crate) const SIMULATOR: [&str; 5] = [
    "core/src",
    "workloads/src",
    "sim/src",
    "src/run",
    "src/scenario",
];

/// And those that decide results of the live world as well: what runs on the host, and
/// the verbs that start it.
pub(crate) const LIVE: [&str; 2] = ["live/src", "src/commands/live"];

fn main() {
    let root = Path::new("");
    for path in SIMULATOR.iter().chain(&LIVE).chain(&["Cargo.lock"]) {
        println!("cargo:rerun-if-changed={path}");
    }
    let live: Vec<&str> = SIMULATOR.iter().chain(&LIVE).copied().collect();
    for (name, folders) in [("", &SIMULATOR[..]), ("LIVE_", &live)] {
        let hash = hash(&sources(root, folders));
        println!("cargo:rustc-env=TIDEGATE_{name}SOURCES={hash:016x}");
    }

    // Numbers of instructions depend on who compiled, and how.
    let said = std::env::var("RUSTC").ok().and_then(|rustc| {
        let output = std::process::Command::new(rustc).arg("-V").output().ok()?;
        String::from_utf8(output.stdout).ok()
    });
    let compiler = said.unwrap_or_default();
    println!("cargo:rustc-env=TIDEGATE_COMPILER={}", compiler.trim());
    let variable = |name: &str| std::env::var(name).unwrap_or_default();
    let flags = variable("CARGO_ENCODED_RUSTFLAGS").replace('\u{1f}', " ");
    println!(
        "cargo:rustc-env=TIDEGATE_PROFILE=opt-level {} for {} {flags}",
        variable("OPT_LEVEL"),
        variable("TARGET"),
    );

    for path in watched(root) {
        println!("cargo:rerun-if-changed={}", path.display());
    }
    println!("cargo:rerun-if-env-changed=TIDEGATE_COMMIT");
    if let Some(commit) = std::env::var("TIDEGATE_COMMIT")
        .ok()
        .or_else(|| commit(root))
    {
        println!("cargo:rustc-env=TIDEGATE_COMMIT={commit}");
    }
}

/// FNV-1a, 64 bits, over names and contents: nobody forges sources against themselves.
fn hash(files: &[PathBuf]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for file in files {
        let name = file.to_string_lossy().into_owned().into_bytes();
        for byte in name.into_iter().chain(fs::read(file).unwrap_or_default()) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    hash
}

/// The files in `folders` that decide results, in the order of their names, with
/// dependencies' versions: all code but test modules that are files of their own.
pub(crate) fn sources(root: &Path, folders: &[&str]) -> Vec<PathBuf> {
    let mut files = vec![root.join("Cargo.lock")];
    for folder in folders {
        walk(&root.join(folder), &mut files);
    }
    files.sort();
    files
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.file_stem().is_some_and(|name| name == "tests") {
            continue;
        }
        if path.is_dir() {
            walk(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// The commit of the working tree, read from git's own files: a build needs no
/// git.
pub(crate) fn commit(root: &Path) -> Option<String> {
    let git = root.join(".git");
    let head = fs::read_to_string(git.join("HEAD")).ok()?;
    let Some(reference) = head.trim().strip_prefix("ref: ") else {
        return Some(head.trim().to_owned());
    };
    if let Ok(commit) = fs::read_to_string(git.join(reference)) {
        return Some(commit.trim().to_owned());
    }
    let packed = fs::read_to_string(git.join("packed-refs")).ok()?;
    let line = packed.lines().find(|line| line.ends_with(reference))?;
    Some(line.split_whitespace().next()?.to_owned())
}

/// The files that say which commit it is, of those that exist: cargo takes one
/// that does not for changed, each time.
pub(crate) fn watched(root: &Path) -> Vec<PathBuf> {
    let git = root.join(".git");
    let head = fs::read_to_string(git.join("HEAD")).unwrap_or_default();
    let mut files = vec![git.join("HEAD"), git.join("packed-refs")];
    files.extend(head.trim().strip_prefix("ref: ").map(|name| git.join(name)));
    files.retain(|path| path.is_file());
    files
}
