//! The controller and the agent of a run: processes of their own, as on any other
//! installation, in a control group of the run's.
//!
//! What they did is read off the controller's recording afterwards, and counted as the
//! simulator counts it.

use std::ffi::OsString;
use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::sleep;
use std::time::{Duration, Instant};

use tidegate_core::{Span, Time};

use super::books::Managed;
use super::error::LocalError;
use super::site::Site;
use crate::cgroup::{Group, Hierarchies};

/// Containers have their limits within this, or something is wrong.
const PATIENCE: Duration = Duration::from_secs(15);
/// How long a process that was asked to end may take to do so.
const LAST: Duration = Duration::from_secs(3);
const LOOK: Duration = Duration::from_millis(2);

/// A running controller and agent.
#[derive(Debug)]
pub(super) struct Manager {
    controller: Helper,
    agent: Helper,
    group: Group,
    recording: PathBuf,
    /// When all containers had their limits.
    ready: Instant,
}

impl Manager {
    /// Starts `program` as the controller, with `deciding` to say what decides, and as
    /// the agent of `containers`, by name. All have their limits when it returns.
    pub(super) fn start(
        program: &Path,
        deciding: &[OsString],
        site: &Site,
        hierarchies: &Hierarchies,
        containers: &[(&str, &Group)],
        stop: &AtomicBool,
    ) -> Result<Manager, LocalError> {
        let group = Group::create(hierarchies, &site.group("control"))?;
        let recording = site.folder().join("recording");
        let address = free_port().map_err(LocalError::io("find a free port"))?;
        let start = |name: &'static str, arguments: Vec<OsString>| {
            Helper::start(program, name, arguments, site.folder(), &group)
        };
        let mut arguments: Vec<OsString> = deciding.to_vec();
        arguments.extend(["--plaintext", "--listen"].map(OsString::from));
        arguments.push(address.to_string().into());
        arguments.extend(["--record".into(), recording.clone().into_os_string()]);
        let controller = start("controller", arguments)?;
        let mut arguments: Vec<OsString> = containers
            .iter()
            .map(|(name, group)| format!("{name}={}", group.path()).into())
            .collect();
        arguments.extend(["--plaintext", "--controller"].map(OsString::from));
        arguments.push(address.to_string().into());
        let agent = start("agent", arguments)?;
        let mut manager = Manager {
            controller,
            agent,
            group,
            recording,
            ready: Instant::now(),
        };
        manager.wait(containers, stop)?;
        Ok(manager)
    }

    fn wait(&mut self, containers: &[(&str, &Group)], stop: &AtomicBool) -> Result<(), LocalError> {
        let deadline = Instant::now() + PATIENCE;
        for (name, group) in containers {
            while group.read_limits()?.0.is_none() {
                self.controller.check()?;
                self.agent.check()?;
                if stop.load(Relaxed) {
                    return Err(LocalError::Interrupted);
                }
                if Instant::now() > deadline {
                    let what = format!("`{name}` got no limits; {}", self.controller.last_words());
                    return Err(LocalError::Process("controller".to_owned(), what));
                }
                sleep(LOOK);
            }
        }
        self.ready = Instant::now();
        Ok(())
    }

    /// CPU time that both have used.
    pub(super) fn cpu(&self) -> Result<Span, LocalError> {
        Ok(self.group.cpu_usage()?)
    }

    /// Ends both and returns what they did from `begin` on.
    pub(super) fn end(self, begin: Instant) -> Result<Managed, LocalError> {
        self.agent.end();
        self.controller.end();
        let since = |ready: Time| ready + Span((begin - self.ready).as_nanos() as u64);
        Managed::read(&self.recording, since)
    }
}

/// One of the two processes.
#[derive(Debug)]
struct Helper {
    name: &'static str,
    child: Child,
    log: PathBuf,
}

impl Helper {
    fn start(
        program: &Path,
        name: &'static str,
        arguments: Vec<OsString>,
        folder: &Path,
        group: &Group,
    ) -> Result<Helper, LocalError> {
        let log = folder.join(format!("{name}.log"));
        let file = File::create(&log).map_err(LocalError::io(format!("make {}", log.display())))?;
        let child = Command::new(program)
            .arg(name)
            .args(arguments)
            .arg("--until-input-ends")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(file)
            // A Ctrl-C is for the runner, which ends it in order.
            .process_group(0)
            .spawn()
            .map_err(LocalError::io(format!("start {}", program.display())))?;
        let helper = Helper { name, child, log };
        group.enter(helper.child.id())?;
        Ok(helper)
    }

    /// Whether it still runs.
    fn check(&mut self) -> Result<(), LocalError> {
        match self.child.try_wait() {
            Ok(None) => Ok(()),
            _ => Err(LocalError::Process(
                self.name.to_owned(),
                format!("it has ended; {}", self.last_words()),
            )),
        }
    }

    /// What it said last.
    fn last_words(&self) -> String {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let last = text.trim().lines().last();
        last.map_or_else(
            || "it said nothing".to_owned(),
            |line| format!("it said: {line}"),
        )
    }

    /// Asks it to end and waits until it has. It is asked the same way when the runner
    /// dies.
    fn end(mut self) {
        drop(self.child.stdin.take());
        let deadline = Instant::now() + LAST;
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < deadline {
            sleep(LOOK);
        }
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port of this host that nobody listens on.
fn free_port() -> std::io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}
