//! An API server that knows Jobs and their pods, of one namespace, over HTTP/1.1.
//!
//! Each time somebody looks at a Job, the pod of its next index runs, from begin to end.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::thread;

use k8s_openapi::api::batch::v1::Job;
use serde_json::{Value, json};

const JOBS: &str = "/apis/batch/v1/namespaces/lab/jobs";
const PODS: &str = "/api/v1/namespaces/lab/pods";

/// The server. It serves until the test ends.
pub(crate) struct Server {
    pub(crate) url: String,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    created: Vec<Job>,
    removed: usize,
    jobs: BTreeMap<String, Running>,
    killed: Vec<u64>,
    forbidden: bool,
}

/// A Job that was taken.
struct Running {
    job: Job,
    completed: Vec<u64>,
    failed: Vec<u64>,
}

impl Server {
    pub(crate) fn start() -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(Mutex::new(State::default()));
        let shared = state.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                serve(stream.unwrap(), &mut shared.lock().unwrap());
            }
        });
        Server { url, state }
    }

    /// From now on the pod of this index is killed in each Job that has it; with 1, also the
    /// one pod of a Job that repeats it.
    pub(crate) fn kill(&self, index: u64) {
        self.state.lock().unwrap().killed = vec![index];
    }

    pub(crate) fn forbid(&self) {
        self.state.lock().unwrap().forbidden = true;
    }

    /// The Jobs that were taken.
    pub(crate) fn created(&self) -> Vec<Job> {
        self.state.lock().unwrap().created.clone()
    }

    /// How many were removed.
    pub(crate) fn removed(&self) -> usize {
        self.state.lock().unwrap().removed
    }
}

/// Answers one request.
fn serve(stream: TcpStream, state: &mut State) {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    let mut words = line.split_whitespace().map(str::to_owned);
    let (Some(verb), Some(target)) = (words.next(), words.next()) else {
        return;
    };
    let mut length = 0;
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).unwrap();
        if let Some((name, value)) = header.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().unwrap();
        }
        if header.trim().is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let path = target.split('?').next().unwrap();
    let (code, answer) = state.answer(&verb, path, &body);
    let answer = answer.to_string();
    let mut stream = reader.into_inner();
    let head = format!(
        "HTTP/1.1 {code} x\r\ncontent-type: application/json\r\nconnection: close\r\n\
         content-length: {}\r\n\r\n",
        answer.len()
    );
    // Who asked may be gone.
    let _ = stream.write_all(head.as_bytes());
    let _ = stream.write_all(answer.as_bytes());
}

/// As Kubernetes says that something is wrong.
fn wrong(code: u16, reason: &str, message: &str) -> (u16, Value) {
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": message, "reason": reason, "code": code,
    });
    (code, status)
}

impl State {
    fn answer(&mut self, verb: &str, path: &str, body: &[u8]) -> (u16, Value) {
        if self.forbidden {
            let message = "jobs.batch is forbidden: User \"u\" cannot create resource \"jobs\"";
            return wrong(403, "Forbidden", message);
        }
        if path == PODS {
            return (200, self.pods());
        }
        let name = path
            .strip_prefix(JOBS)
            .unwrap_or_else(|| panic!("asked for {path}"));
        let name = name.trim_start_matches('/').to_owned();
        match verb {
            "POST" => self.create(body),
            "GET" => self.look(&name),
            "DELETE" => {
                self.jobs.remove(&name).unwrap();
                self.removed += 1;
                let status = json!({
                    "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success",
                });
                (200, status)
            }
            _ => panic!("{verb} {path}"),
        }
    }

    fn create(&mut self, body: &[u8]) -> (u16, Value) {
        let job: Job = serde_json::from_slice(body).unwrap();
        let name = job.metadata.name.clone().unwrap();
        if self.jobs.contains_key(&name) {
            return wrong(409, "AlreadyExists", "jobs.batch already exists");
        }
        self.created.push(job.clone());
        let answer = serde_json::to_value(&job).unwrap();
        let (completed, failed) = (Vec::new(), Vec::new());
        self.jobs.insert(
            name,
            Running {
                job,
                completed,
                failed,
            },
        );
        (201, answer)
    }

    fn look(&mut self, name: &str) -> (u16, Value) {
        let Some(running) = self.jobs.get_mut(name) else {
            return wrong(404, "NotFound", "jobs.batch not found");
        };
        running.step(&self.killed);
        (200, running.value())
    }

    /// The pods that were killed.
    fn pods(&self) -> Value {
        let failed = self.jobs.values().flat_map(|running| &running.failed);
        let pods = failed.map(|index| {
            let ended = json!({ "exitCode": 137, "reason": "OOMKilled" });
            json!({
                "metadata": {
                    "name": format!("pod-{index}"),
                    "annotations": {
                        "batch.kubernetes.io/job-completion-index": index.to_string(),
                    },
                },
                "status": { "containerStatuses": [{
                    "name": "tidegate", "image": "", "imageID": "", "ready": false,
                    "restartCount": 0, "state": { "terminated": ended },
                }] },
            })
        });
        let items: Vec<Value> = pods.collect();
        json!({ "kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": items })
    }
}

impl Running {
    fn indexes(&self) -> u64 {
        let count = self.job.spec.as_ref().unwrap().completions.unwrap();
        u64::try_from(count).unwrap()
    }

    /// The pod of the next index: runs, or is killed if its shard is.
    fn step(&mut self, killed: &[u64]) {
        let index = u64::try_from(self.completed.len() + self.failed.len()).unwrap();
        if index == self.indexes() {
            return;
        }
        // A Job of the one shard has it as index 0.
        let is_killed = killed.contains(&index) || (self.indexes() == 1 && killed == [1]);
        let pod = self
            .job
            .spec
            .as_ref()
            .unwrap()
            .template
            .spec
            .as_ref()
            .unwrap();
        let words = pod.containers[0].command.as_ref().unwrap();
        let tidegate = Path::new(env!("CARGO_BIN_EXE_tidegate")).parent().unwrap();
        let worked = !is_killed
            && Command::new(&words[0])
                .args(&words[1..])
                .env("JOB_COMPLETION_INDEX", index.to_string())
                .env("PATH", format!("{}:/usr/bin:/bin", tidegate.display()))
                .current_dir(env!("CARGO_MANIFEST_DIR"))
                .status()
                .unwrap()
                .success();
        let list = if worked {
            &mut self.completed
        } else {
            &mut self.failed
        };
        list.push(index);
    }

    /// The Job with its status.
    fn value(&self) -> Value {
        let list = |indexes: &[u64]| {
            let words: Vec<String> = indexes.iter().map(u64::to_string).collect();
            words.join(",")
        };
        let ended = self.completed.len() + self.failed.len();
        let rest = self.indexes() - u64::try_from(ended).unwrap();
        let mut status = json!({
            "completedIndexes": list(&self.completed),
            "failedIndexes": list(&self.failed),
            "active": rest,
        });
        if rest == 0 {
            let (kind, reason) = if self.failed.is_empty() {
                ("Complete", "CompletionsReached")
            } else {
                ("Failed", "FailedIndexes")
            };
            status["conditions"] = json!([{ "type": kind, "status": "True", "reason": reason }]);
        }
        let mut value = serde_json::to_value(&self.job).unwrap();
        value["status"] = status;
        value
    }
}
