//! Broken files: each has a message of its own that says where and what, and
//! none a panic.

use std::collections::BTreeSet;
use std::path::Path;

use crate::{files, tidegate};

#[test]
fn each_broken_file_is_refused_with_its_own_message() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut messages = BTreeSet::new();
    let mut report = String::new();
    let mut count = 0;
    for path in files(&root.join("tests/fixtures/broken")) {
        if path.extension().is_none_or(|extension| extension != "toml") {
            continue;
        }
        let path = path.strip_prefix(root).unwrap().to_str().unwrap();
        let done = tidegate(&["check", path]);
        assert_eq!(done.code, 3, "{path}: {}", done.stderr);
        assert_eq!(done.stdout, "", "{path}");
        assert!(!done.stderr.contains("panicked"), "{path}: {}", done.stderr);
        assert!(messages.insert(done.stderr.clone()), "{}", done.stderr);
        report.push_str(&done.stderr.replace("tests/fixtures/broken/", ""));
        count += 1;
    }
    assert!(count > 100, "the corpus is gone: {count} files");
    insta::assert_snapshot!(report);
}

#[test]
fn what_check_refuses_run_refuses_too() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let done = tidegate(&[
        "run",
        "tests/fixtures/broken/unknown-allocator.toml",
        "--out",
        out.to_str().unwrap(),
    ]);
    assert_eq!(done.code, 3);
    assert!(
        !out.exists(),
        "nothing is made for a scenario that is wrong"
    );
}
