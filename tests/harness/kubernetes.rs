//! `tidegate sweep --engine kubernetes` against an API server of our own: it takes Jobs as
//! Kubernetes does, and runs their pods' commands as processes, one index at a time.

mod server;

use std::fs;
use std::path::Path;

use k8s_openapi::api::batch::v1::Job;

use crate::kubernetes::server::Server;
use crate::{Done, command, files, read, text, tidegate};

const SMALL: &str = "tests/fixtures/small.toml";

/// Sweeps over three shards with the cluster at `url`.
fn sweep(url: &str, out: &Path, options: &[&str]) -> Done {
    let config = tempfile::NamedTempFile::new().unwrap();
    let content = serde_json::json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{ "name": "c", "cluster": { "server": url } }],
        "users": [{ "name": "u", "user": { "token": "t" } }],
        "contexts": [{ "name": "x", "context": { "cluster": "c", "user": "u", "namespace": "lab" } }],
        "current-context": "x",
    });
    fs::write(config.path(), content.to_string()).unwrap();
    let mut command = command();
    command.env("KUBECONFIG", config.path());
    for proxy in ["HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"] {
        command.env_remove(proxy);
    }
    command.args([
        "sweep",
        SMALL,
        "-q",
        "--engine",
        "kubernetes",
        "--shards",
        "3",
    ]);
    command.args([
        "--out",
        text(out),
        "--image",
        "lab/tidegate:1",
        "--claim",
        "shared/sweeps/x",
    ]);
    let output = command.args(options).output().unwrap();
    Done {
        code: output.status.code().unwrap(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

fn says(done: &Done, code: i32, part: &str) {
    assert_eq!(done.code, code, "{}", done.stderr);
    let said = format!("{}{}", done.stdout, done.stderr);
    assert!(said.contains(part), "{part} is not in\n{said}");
}

#[test]
fn an_index_that_fails_is_named_and_the_next_sweep_runs_it_alone() {
    let folder = tempfile::tempdir().unwrap();
    let whole = folder.path().join("whole");
    assert_eq!(
        tidegate(&["run", SMALL, "-q", "--out", text(&whole)]).code,
        0
    );
    let out = folder.path().join("a sweep");
    let server = Server::start();
    server.kill(1);
    let done = sweep(&server.url, &out, &[]);
    says(&done, 5, "1 of 3 shards are not whole");
    says(&done, 5, "shard 2: OOMKilled, exit code 137; 0 of ");
    assert!(!out.join("summary.csv").exists());
    assert_eq!(files(&out.join("logs")).len(), 2);

    // The Job of the first time is over and still there; that of the second is another.
    let done = sweep(&server.url, &out, &[]);
    says(&done, 5, "shards 2 of 3");
    server.kill(99);
    // The same Job a second time: the one that is over makes room.
    let done = sweep(&server.url, &out, &[]);
    says(&done, 0, "shards 2 of 3");
    assert_eq!(server.removed(), 1);
    let sizes: Vec<i32> = server.created().iter().map(completions).collect();
    assert_eq!(sizes, [3, 1, 1]);
    for name in [
        "summary.csv",
        "containers.csv",
        "comparison.csv",
        "manifest.json",
    ] {
        assert!(read(&whole, name) == read(&out, name), "{name}");
    }
}

fn completions(job: &Job) -> i32 {
    job.spec.as_ref().unwrap().completions.unwrap()
}

#[test]
fn what_is_shown_is_the_job_that_is_submitted() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let server = Server::start();
    let emitted = sweep("http://127.0.0.1:1", &out, &["--emit"]);
    says(&emitted, 0, "kind: Job");
    assert!(!out.exists(), "--emit writes nothing");
    let shown: Job = serde_saphyr::from_str(&emitted.stdout).unwrap();
    says(&sweep(&server.url, &out, &[]), 0, "3 shards");
    assert_eq!(server.created(), std::slice::from_ref(&shown));

    let spec = shown.spec.unwrap();
    assert_eq!(spec.completion_mode.as_deref(), Some("Indexed"));
    assert_eq!(spec.backoff_limit_per_index, Some(0));
    let pod = spec.template.spec.unwrap();
    assert_eq!(pod.restart_policy.as_deref(), Some("Never"));
    let container = &pod.containers[0];
    assert_eq!(container.image.as_deref(), Some("lab/tidegate:1"));
    let mount = &container.volume_mounts.as_ref().unwrap()[0];
    assert_eq!(mount.mount_path, text(&out));
    assert_eq!(mount.sub_path.as_deref(), Some("sweeps/x"));
    let claim = pod.volumes.unwrap()[0].persistent_volume_claim.clone();
    assert_eq!(claim.unwrap().claim_name, "shared");
}

#[test]
fn a_job_that_is_there_and_at_work_is_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let server = Server::start();
    says(
        &sweep(&server.url, &out, &["--no-wait"]),
        0,
        "shards 1-3 of 3",
    );
    // As if the first had died before it wrote down what it had submitted.
    fs::remove_file(out.join("sweep.json")).unwrap();
    says(&sweep(&server.url, &out, &[]), 0, "3 shards");
    assert_eq!(server.created().len(), 1, "nothing is submitted twice");
    assert_eq!(server.removed(), 0);
}

#[test]
fn a_cluster_that_refuses_or_is_not_there_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let server = Server::start();
    server.forbid();
    let done = sweep(&server.url, &out, &[]);
    says(
        &done,
        1,
        "forbids to create a Job in namespace lab: jobs.batch is forbidden",
    );
    for url in ["http://127.0.0.1:1", "https://127.0.0.1:1"] {
        says(&sweep(url, &out, &[]), 1, &format!("no answer from {url}/"));
    }
    let lacking = [
        "sweep",
        SMALL,
        "--engine",
        "kubernetes",
        "--shards",
        "3",
        "--out",
        text(&out),
    ];
    says(&tidegate(&lacking), 2, "needs --claim");
    let mut nowhere = command();
    nowhere
        .env("KUBECONFIG", folder.path().join("none"))
        .args(lacking);
    let output = nowhere
        .args(["--claim", "c", "--image", "i"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("no cluster is configured"));
}
