//! `tidegate sweep`, with this machine as the engine, and with commands that stand for
//! Slurm's where Slurm's own answers cannot be had at will. tests/slurm has the real one.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::{Done, command, files, read, text, tidegate};

const SMALL: &str = "tests/fixtures/small.toml";

fn sweep(engine: &str, shards: &str, out: &Path, options: &[&str]) -> Done {
    let mut arguments = vec!["sweep", SMALL, "-q", "--engine", engine, "--shards", shards];
    arguments.extend(["--out", text(out)]);
    arguments.extend(options);
    tidegate(&arguments)
}

/// Puts a command called `name` into `folder`, as a script.
fn script(folder: &Path, name: &str, content: &str) {
    let path = folder.join(name);
    fs::write(&path, format!("#!/bin/sh\n{content}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn a_sweep_gives_the_bytes_of_one_machine_and_runs_only_what_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let whole = folder.path().join("whole");
    let done = tidegate(&["run", SMALL, "-q", "--out", text(&whole)]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    let out = folder.path().join("a sweep");
    let same = || {
        for name in [
            "summary.csv",
            "containers.csv",
            "comparison.csv",
            "manifest.json",
        ] {
            assert!(read(&whole, name) == read(&out, name), "{name}");
        }
    };
    let done = sweep("local", "3", &out, &[]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    same();
    let done = sweep("local", "3", &out, &[]);
    assert!(done.stdout.contains("is whole already"), "{}", done.stdout);

    // As if the task of shard 2 had been killed: one of its runs and the whole are not there.
    fs::remove_file(out.join("summary.csv")).unwrap();
    let gone = files(&out.join("shard-2").join("cells")).remove(0);
    fs::remove_file(&gone).unwrap();
    let emitted = sweep("local", "3", &out, &["--emit"]);
    assert_eq!(emitted.stdout.lines().count(), 1, "{}", emitted.stdout);
    assert!(emitted.stdout.contains("shard=2;"), "{}", emitted.stdout);
    assert!(!gone.exists(), "--emit runs nothing");
    let done = sweep("local", "3", &out, &[]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    assert!(done.stdout.contains("shards 2 of 3"), "{}", done.stdout);
    same();
}

#[test]
fn another_sweep_and_other_code_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    assert_eq!(sweep("local", "2", &out, &[]).code, 0);
    let refused = |shards: &str, options: &[&str], code: i32, part: &str| {
        let done = sweep("local", shards, &out, options);
        assert_eq!(done.code, code, "{}", done.stderr);
        assert!(done.stderr.contains(part), "{}", done.stderr);
    };
    refused("3", &[], 2, "of 2 shards, not 3");
    refused("2", &["--set", "run.duration=2s"], 2, "holds another sweep");
    refused("2", &["--no-wait"], 2, "cannot go with --no-wait");
    refused("2", &["--sbatch=--time=1"], 2, "is for --engine slurm");

    fs::remove_file(out.join("summary.csv")).unwrap();
    fs::write(out.join("shard-1/id"), "0123456789ab\n").unwrap();
    refused("2", &[], 4, "its task ran other code than this");
    let ledger = read(&out, "sweep.json");
    let at = ledger.find("\"sources\": \"").unwrap() + "\"sources\": \"".len();
    let other = format!("{}0000{}", &ledger[..at], &ledger[at + 4..]);
    fs::write(out.join("sweep.json"), other).unwrap();
    refused("2", &[], 4, "holds a sweep of other code");

    let run = folder.path().join("run");
    assert_eq!(tidegate(&["run", SMALL, "-q", "--out", text(&run)]).code, 0);
    let done = sweep("local", "2", &run, &[]);
    assert_eq!(done.code, 2);
    assert!(
        done.stderr.contains("a run that no sweep made"),
        "{}",
        done.stderr
    );
}

#[test]
fn what_slurm_is_given_is_shown_and_nothing_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out of it");
    let done = sweep("slurm", "8", &out, &["--emit", "--sbatch=--time=1:00:00"]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    let at = text(&out);
    for line in [
        "#!/bin/sh",
        "#SBATCH --array=1-8",
        "#SBATCH --cpus-per-task=1",
        &format!("#SBATCH --output=\"{at}/logs/%a.log\""),
        "#SBATCH --time=1:00:00",
        "shard=$SLURM_ARRAY_TASK_ID",
    ] {
        let found = done.stdout.lines().any(|found| found == line);
        assert!(found, "{line} is not in\n{}", done.stdout);
    }
    let run =
        format!("run {SMALL} --shard \"$shard/8\" --out '{at}/shard-'\"$shard\" --resume --jobs 1");
    assert!(done.stdout.trim_end().ends_with(&run), "{}", done.stdout);
    assert!(!out.exists(), "--emit writes nothing");
}

#[test]
fn what_slurm_answers_decides_how_a_sweep_ends() {
    let folder = tempfile::tempdir().unwrap();
    let bin = folder.path().join("bin");
    fs::create_dir(&bin).unwrap();
    let path = format!("{}:/usr/bin:/bin", text(&bin));
    let sweep = |out: &str, code: i32, part: &str| {
        let at = folder.path().join(out);
        let mut command = command();
        command.env("PATH", &path).args(["sweep", SMALL, "-q"]);
        command.args(["--engine", "slurm", "--shards", "2", "--out", text(&at)]);
        let output = command.output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{said}");
        assert!(said.contains(part), "{said}");
    };
    script(
        &bin,
        "sbatch",
        "echo 'Batch job submission failed: Invalid account' >&2; exit 1",
    );
    sweep("a", 1, "Invalid account");
    script(&bin, "sbatch", "echo hello");
    sweep("a", 1, "where the number of a job was expected");

    script(&bin, "sbatch", "echo '7;cluster'");
    script(
        &bin,
        "squeue",
        "echo '1|OUT_OF_MEMORY|9|'; echo '2|FAILED|768|'",
    );
    let logs = folder.path().join("a/logs/2.log");
    sweep("a", 5, "shard 1: OUT_OF_MEMORY, signal 9; 0 of ");
    sweep("a", 5, "shard 2: FAILED, exit code 3");
    sweep("a", 5, &format!("log: {}", logs.display()));

    // Long over: Slurm has forgotten the job.
    script(
        &bin,
        "squeue",
        "echo 'slurm_load_jobs error: Invalid job id specified' >&2; exit 1",
    );
    sweep("b", 5, "ended, nobody knows how");
}
