//! Tells the code which code it is: a hash of the sources that decide results,
//! and the git commit if there is one.

use std::fs;
use std::path::{Path, PathBuf};

fn main() {
    let mut files = vec![PathBuf::from("Cargo.lock")];
    for folder in [
        "core/src",
        "workloads/src",
        "sim/src",
        "src/run",
        "src/scenario",
    ] {
        println!("cargo:rerun-if-changed={folder}");
        walk(Path::new(folder), &mut files);
    }
    println!("cargo:rerun-if-changed=Cargo.lock");
    files.sort();
    // FNV-1a, 64 bits: nobody forges sources against themselves.
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for file in files {
        let name = file.to_string_lossy().into_owned().into_bytes();
        for byte in name.into_iter().chain(fs::read(&file).unwrap_or_default()) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    println!("cargo:rustc-env=TIDEGATE_SOURCES={hash:016x}");

    println!("cargo:rerun-if-env-changed=TIDEGATE_COMMIT");
    if let Some(commit) = std::env::var("TIDEGATE_COMMIT").ok().or_else(commit) {
        println!("cargo:rustc-env=TIDEGATE_COMMIT={commit}");
    }
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            walk(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// The commit of the working tree, read from git's own files: a build needs no
/// git.
fn commit() -> Option<String> {
    println!("cargo:rerun-if-changed=.git/HEAD");
    let head = fs::read_to_string(".git/HEAD").ok()?;
    let Some(reference) = head.trim().strip_prefix("ref: ") else {
        return Some(head.trim().to_owned());
    };
    let loose = format!(".git/{reference}");
    if let Ok(commit) = fs::read_to_string(&loose) {
        println!("cargo:rerun-if-changed={loose}");
        return Some(commit.trim().to_owned());
    }
    let packed = fs::read_to_string(".git/packed-refs").ok()?;
    let line = packed.lines().find(|line| line.ends_with(reference))?;
    Some(line.split_whitespace().next()?.to_owned())
}
