//! A control group of a test's own, gone when the test ends.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use tidegate_live::cgroup::{Group, Hierarchies, Version};

/// A group's name that is removed, with all in it, when this is dropped.
pub(crate) struct Scratch {
    pub(crate) path: String,
    hierarchies: Hierarchies,
}

impl Scratch {
    pub(crate) fn new(hierarchies: &Hierarchies, name: &str) -> Scratch {
        let path = format!("tidegate-test-{}/{name}", std::process::id());
        Scratch {
            path,
            hierarchies: hierarchies.clone(),
        }
    }

    /// Makes the group. What runs in it comes before what else the machine does.
    pub(crate) fn group(&self) -> Group {
        let group = Group::create(&self.hierarchies, &self.path).unwrap();
        let (parent, _) = self.path.split_once('/').unwrap();
        let (file, most) = match self.hierarchies.version() {
            Version::V1 => ("cpu.shares", "262144"),
            Version::V2 => ("cpu.weight", "10000"),
        };
        std::fs::write(self.hierarchies.cpu(parent).join(file), most).unwrap();
        group
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let (parent, _) = self.path.split_once('/').unwrap();
        let removed = self.hierarchies.remove(&self.path);
        // With the last of them.
        for directory in self.hierarchies.directories(parent) {
            let _ = std::fs::remove_dir(directory);
        }
        if !std::thread::panicking() {
            removed.unwrap();
        }
    }
}

/// A process of this program as a load, in a group. Killed when dropped.
pub(crate) struct Load {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Load {
    /// Starts a load in a group; it has entered it before it does anything.
    pub(crate) fn start(group: &Group, arguments: &[&str]) -> Load {
        let mut load = Load::prepare(arguments);
        group.enter(load.child.id()).unwrap();
        load.go();
        load
    }

    /// Starts a process that waits for `go`.
    pub(crate) fn prepare(arguments: &[&str]) -> Load {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .arg("--load")
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        Load {
            input: child.stdin.take().unwrap(),
            output: BufReader::new(child.stdout.take().unwrap()),
            child,
        }
    }

    pub(crate) fn go(&mut self) {
        self.input.write_all(b"\n").unwrap();
    }

    /// The next line it says; empty at its end.
    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    /// When a process that touched memory stood still, from the line after its last.
    pub(crate) fn stalls(&mut self) -> Vec<(u64, u64)> {
        let line = self.line();
        let stalls = line.split_whitespace().filter_map(|stall| {
            let (from, to) = stall.split_once('-')?;
            Some((from.parse().ok()?, to.parse().ok()?))
        });
        stalls.collect()
    }

    /// Whether it ends by itself and well within `patience`.
    pub(crate) fn ends_well(&mut self, patience: Duration) -> bool {
        self.end(patience).is_some_and(|status| status.success())
    }

    /// Whether it is killed within `patience`.
    pub(crate) fn is_killed(&mut self, patience: Duration) -> bool {
        use std::os::unix::process::ExitStatusExt;
        self.end(patience)
            .is_some_and(|status| status.signal() == Some(9))
    }

    pub(crate) fn runs(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    fn end(&mut self, patience: Duration) -> Option<std::process::ExitStatus> {
        let deadline = Instant::now() + patience;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return Some(status);
            }
            if Instant::now() > deadline {
                return None;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until something holds.
pub(crate) fn until(what: &str, patience: Duration, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + patience;
    while !holds() {
        assert!(Instant::now() < deadline, "{what}: not within {patience:?}");
        std::thread::sleep(Duration::from_millis(1));
    }
}
