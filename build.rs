//! Tells the code which code it is: a hash of the sources that decide results,
//! and the git commit if there is one.

use std::fs;
use std::path::{Path, PathBuf};

/// The sources that decide results.
const FOLDERS: [&str; 5] = [
    "core/src",
    "workloads/src",
    "sim/src",
    "src/run",
    "src/scenario",
];

fn main() {
    let root = Path::new("");
    for path in FOLDERS.iter().chain(&["Cargo.lock"]) {
        println!("cargo:rerun-if-changed={path}");
    }
    // FNV-1a, 64 bits: nobody forges sources against themselves.
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for file in sources(root) {
        let name = file.to_string_lossy().into_owned().into_bytes();
        for byte in name.into_iter().chain(fs::read(&file).unwrap_or_default()) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    println!("cargo:rustc-env=TIDEGATE_SOURCES={hash:016x}");

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

/// The files that decide results, in the order of their names: dependencies'
/// versions, and all code but test modules that are files of their own.
pub(crate) fn sources(root: &Path) -> Vec<PathBuf> {
    let mut files = vec![root.join("Cargo.lock")];
    for folder in FOLDERS {
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
