//! Removing a group with all that is in it.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::CgroupError;
use super::hierarchy::{Hierarchies, relative};

/// How long processes may take to end once they are killed.
const PATIENCE: Duration = Duration::from_secs(2);

impl Hierarchies {
    /// The processes in the group `path` and in the groups below it.
    ///
    /// # Errors
    /// When they cannot be listed.
    pub fn processes(&self, path: &str) -> Result<Vec<u32>, CgroupError> {
        let path = relative(path)?;
        let mut all = BTreeSet::new();
        for directory in self.directories(path) {
            visit(&directory, &mut |group| {
                let file = group.join("cgroup.procs");
                match fs::read_to_string(&file) {
                    // A process of another name space has the number 0 here.
                    Ok(text) => all.extend(
                        text.lines()
                            .filter_map(|line| line.parse::<u32>().ok().filter(|&pid| pid != 0)),
                    ),
                    Err(error) if is_gone(&error) => {}
                    Err(error) => return Err(CgroupError::file(&file, error)),
                }
                Ok(())
            })?;
        }
        Ok(all.into_iter().collect())
    }

    /// Kills the processes in the group and below; does not wait for their end. Returns
    /// whether there were any.
    ///
    /// # Errors
    /// When they cannot be listed.
    pub fn signal_kill(&self, path: &str) -> Result<bool, CgroupError> {
        let processes = self.processes(path)?;
        for &pid in &processes {
            if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
                // It may have ended by itself.
                let _ = kill_process(pid, Signal::KILL);
            }
        }
        Ok(!processes.is_empty())
    }

    /// Kills the processes in the group and below, those that wait for memory too, and
    /// returns when they are gone.
    ///
    /// # Errors
    /// When some are left after two seconds.
    pub fn kill(&self, path: &str) -> Result<(), CgroupError> {
        let deadline = Instant::now() + PATIENCE;
        while self.signal_kill(path)? {
            if Instant::now() > deadline {
                return Err(CgroupError::StillAlive(path.to_owned()));
            }
            sleep(Duration::from_millis(1));
        }
        Ok(())
    }

    /// Kills what runs in the group and in those below, and removes them all. A group
    /// that does not stand is fine.
    ///
    /// # Errors
    /// When a process does not end within two seconds, or the kernel refuses.
    pub fn remove(&self, path: &str) -> Result<(), CgroupError> {
        let path = relative(path)?;
        self.kill(path)?;
        for directory in self.directories(path) {
            visit(&directory, &mut remove_empty)?;
        }
        Ok(())
    }
}

/// Calls `f` with a group's directory and those of the groups in it, inner ones first.
fn visit(
    directory: &Path,
    f: &mut impl FnMut(&Path) -> Result<(), CgroupError>,
) -> Result<(), CgroupError> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if is_gone(&error) => return Ok(()),
        Err(error) => return Err(CgroupError::file(directory, error)),
    };
    for entry in entries.flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            visit(&entry.path(), f)?;
        }
    }
    f(directory)
}

/// Removes a group without processes. The last of them may still be on their way out.
fn remove_empty(directory: &Path) -> Result<(), CgroupError> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match fs::remove_dir(directory) {
            Ok(()) => return Ok(()),
            Err(error) if is_gone(&error) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::ResourceBusy => {
                if Instant::now() > deadline {
                    return Err(CgroupError::file(directory, error));
                }
                sleep(Duration::from_millis(1));
            }
            Err(error) => return Err(CgroupError::file(directory, error)),
        }
    }
}

fn is_gone(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(19)
}
