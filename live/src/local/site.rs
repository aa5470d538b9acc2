//! Where a run keeps what it makes, so that all of it can be found and removed: a
//! folder that is locked while the run lives, and control groups of the folder's name.
//!
//! The folder is there before the first group and goes after the last one. The kernel
//! drops the lock with the process that holds it, however that ends: a folder without a
//! lock belongs to nobody, and the next run removes it and its groups. What has no such
//! folder is never touched.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

use super::error::LocalError;
use crate::cgroup::Hierarchies;

/// How folders and groups of runs are called.
const PREFIX: &str = "tidegate-run-";
/// In each folder: locked while its run lives.
const LOCK: &str = "lock";

/// The folders of all runs on this host: `/run/tidegate`, or the like in the user's
/// runtime directory for whoever is not root.
pub fn home() -> PathBuf {
    let private =
        std::env::var_os("XDG_RUNTIME_DIR").filter(|_| !rustix::process::geteuid().is_root());
    private
        .map_or_else(|| PathBuf::from("/run"), PathBuf::from)
        .join("tidegate")
}

/// What a run makes, until it is dropped.
#[derive(Debug)]
pub struct Site {
    hierarchies: Hierarchies,
    folder: PathBuf,
    name: String,
    /// Held for as long as this is.
    _lock: File,
}

/// What was left over and is gone now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Runs that did not end by themselves.
    pub runs: usize,
    /// Processes of theirs that still ran.
    pub processes: usize,
}

impl Site {
    /// Removes what dead runs have left in `home`, and begins a run there.
    ///
    /// # Errors
    /// When the folder or the groups cannot be made, or something that was left cannot
    /// be removed.
    pub fn open(home: &Path, hierarchies: &Hierarchies) -> Result<(Site, Swept), LocalError> {
        fs::create_dir_all(home).map_err(LocalError::io(format!("make {}", home.display())))?;
        // Nobody sweeps between a folder's making and its locking.
        let door = lock(&home.join(LOCK), FlockOperation::LockExclusive)?;
        let swept = sweep(home, hierarchies)?;
        let pid = std::process::id();
        let (folder, name) = (0..)
            .map(|number| format!("{PREFIX}{pid}-{number}"))
            .map(|name| (home.join(&name), name))
            .find(|(folder, _)| !folder.exists())
            .unwrap_or_else(|| unreachable!("numbers do not end"));
        fs::create_dir(&folder).map_err(LocalError::io(format!("make {}", folder.display())))?;
        let held = lock(&folder.join(LOCK), FlockOperation::NonBlockingLockExclusive)?;
        drop(door);
        let site = Site {
            hierarchies: hierarchies.clone(),
            folder,
            name,
            _lock: held,
        };
        Ok((site, swept))
    }

    /// The folder, for files of the run.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The path of one of its groups, which is made by whoever needs it.
    pub fn group(&self, name: &str) -> String {
        format!("{}/{name}", self.name)
    }

    /// Ends what runs in its groups, and removes them and the folder.
    ///
    /// # Errors
    /// When something cannot be removed; the next run tries again.
    pub fn close(self) -> Result<(), LocalError> {
        self.clear()
    }

    fn clear(&self) -> Result<(), LocalError> {
        remove(&self.hierarchies, &self.folder, &self.name)
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        // Nobody hears of it here: the next run tries again.
        let _ = self.clear();
    }
}

/// Removes what dead runs have left in `home`. The caller holds the door.
fn sweep(home: &Path, hierarchies: &Hierarchies) -> Result<Swept, LocalError> {
    let mut swept = Swept::default();
    let entries = fs::read_dir(home).map_err(LocalError::io(format!("read {}", home.display())))?;
    for entry in entries.flatten() {
        let Some(name) = entry.file_name().to_str().map(str::to_owned) else {
            continue;
        };
        if !name.starts_with(PREFIX) || !entry.path().is_dir() {
            continue;
        }
        let folder = entry.path();
        let dead = match lock(&folder.join(LOCK), FlockOperation::NonBlockingLockExclusive) {
            Ok(_) => true,
            Err(LocalError::Io(_, error)) if error.kind() == io::ErrorKind::WouldBlock => false,
            Err(error) => return Err(error),
        };
        if dead {
            swept.runs += 1;
            swept.processes += hierarchies.processes(&name)?.len();
            remove(hierarchies, &folder, &name)?;
        }
    }
    Ok(swept)
}

/// Removes what dead runs have left in `home`, if it is there at all.
///
/// # Errors
/// When something cannot be removed.
pub fn clean(home: &Path, hierarchies: &Hierarchies) -> Result<Swept, LocalError> {
    if !home.exists() {
        return Ok(Swept::default());
    }
    let _door = lock(&home.join(LOCK), FlockOperation::LockExclusive)?;
    sweep(home, hierarchies)
}

fn remove(hierarchies: &Hierarchies, folder: &Path, name: &str) -> Result<(), LocalError> {
    hierarchies.remove(name)?;
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(LocalError::Io(
            format!("remove {}", folder.display()),
            error,
        )),
        _ => Ok(()),
    }
}

fn lock(path: &Path, how: FlockOperation) -> Result<File, LocalError> {
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)
        .map_err(LocalError::io(format!("open {}", path.display())))?;
    flock(&file, how)
        .map_err(|error| LocalError::Io(format!("lock {}", path.display()), error.into()))?;
    Ok(file)
}
