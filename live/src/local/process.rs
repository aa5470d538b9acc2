//! The processes of an application: one per service, each in its own control group.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::LocalError;
use super::service::{Account, Answer, Ports, Spec};
use crate::cgroup::Group;

/// How long a process that was told to end may take to do so.
const PATIENCE: Duration = Duration::from_secs(2);

/// A running service.
#[derive(Debug)]
pub(super) struct Process {
    name: String,
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    /// Where it listens.
    pub(super) port: u16,
}

impl Process {
    /// Starts `program` as the service that `spec` names, inside `group`. It is told
    /// what it is once it is there, so that all it needs is charged to the group.
    pub(super) fn start(program: &Path, spec: &Spec, group: &Group) -> Result<Process, LocalError> {
        let name = spec.application.services[spec.service].name.clone();
        let mut child = Command::new(program)
            .arg("service")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // A Ctrl-C is for the runner, which ends it in order.
            .process_group(0)
            .spawn()
            .map_err(LocalError::io(format!("start {}", program.display())))?;
        let (input, output) = (child.stdin.take(), child.stdout.take());
        let output = output.ok_or_else(|| missing(&name))?;
        let mut process = Process {
            name,
            child,
            input,
            output: BufReader::new(output),
            port: 0,
        };
        group.enter(process.child.id())?;
        process.tell(spec)?;
        match process.hear()? {
            Answer::Port(port) => process.port = port,
            Answer::Ready => return Err(missing(&process.name)),
        }
        Ok(process)
    }

    /// Tells it where all services listen, and returns when it serves.
    pub(super) fn connect(&mut self, ports: &Ports) -> Result<(), LocalError> {
        self.tell(ports)?;
        match self.hear()? {
            Answer::Ready => Ok(()),
            Answer::Port(_) => Err(missing(&self.name)),
        }
    }

    /// Whether it has ended.
    pub(super) fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// Ends it and returns its account, if it gives one in time.
    pub(super) fn end(mut self) -> Option<Account> {
        // Its input ends.
        drop(self.input.take());
        let deadline = Instant::now() + PATIENCE;
        while !self.has_ended() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(1));
        }
        self.kill();
        self.hear().ok()
    }

    fn kill(&mut self) {
        // It may have ended; either way it is waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    fn tell(&mut self, what: &impl Serialize) -> Result<(), LocalError> {
        let failed = || format!("talk to the service `{}`", self.name);
        let text =
            serde_json::to_string(what).map_err(|error| LocalError::Io(failed(), error.into()))?;
        let input = self.input.as_mut().ok_or_else(|| missing(&self.name))?;
        writeln!(input, "{text}").map_err(LocalError::io(failed()))
    }

    fn hear<T: DeserializeOwned>(&mut self) -> Result<T, LocalError> {
        let mut text = String::new();
        let failed = || format!("hear of the service `{}`", self.name);
        self.output
            .read_line(&mut text)
            .map_err(LocalError::io(failed()))?;
        if text.is_empty() {
            return Err(missing(&self.name));
        }
        serde_json::from_str(&text).map_err(|error| LocalError::Io(failed(), error.into()))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

fn missing(name: &str) -> LocalError {
    LocalError::Process(name.to_owned(), "it ended before it served".to_owned())
}
