//! The kernel's control groups: what is read and written of them, and nothing that
//! decides.
//!
//! Groups are found, made and removed through `cgroups-rs`. What happens every period
//! goes over files that are kept open, which is ten times as fast: one `pread` or
//! `pwrite` of about a microsecond. Version 1 and version 2 differ in their files and
//! in what happens to a container that needs more memory than its limit; see
//! [`Group`] and [`Trap`].
//!
//! - [`hierarchy`]: where the kernel's groups are mounted.
//! - `file`: one file, kept open.
//! - `level`: a group's limits, in the files of either version.
//! - `remove`: an end of a group and all that is in it.
//! - `stat`: what the kernel counts.
//! - [`group`]: one container's group: its limits and its use.
//! - [`trap`]: being told before a container is killed for its memory.

pub mod group;
pub mod hierarchy;
pub mod trap;

mod file;
mod level;
mod remove;
mod stat;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

pub use group::{Group, MemoryWrite};
pub use hierarchy::{Hierarchies, Version};
pub use level::PERIOD;
pub use stat::CpuStat;
pub use trap::{Trap, UsageAlarm};

/// What went wrong with a control group.
#[derive(Debug)]
pub enum CgroupError {
    /// A controller that is needed is mounted nowhere.
    NotMounted(&'static str),
    /// A path that names no group below the root.
    Path(String),
    /// A file or directory could not be read or written.
    File(PathBuf, io::Error),
    /// A file holds what was not expected.
    Text(PathBuf, String),
    /// A group could not be made, entered or removed.
    Group(String, cgroups_rs::fs::error::Error),
    /// Processes of a group were told to die and have not.
    StillAlive(String),
}

impl fmt::Display for CgroupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CgroupError::NotMounted(controller) => write!(
                f,
                "the cgroup controller `{controller}` is not mounted: see \
                 /proc/self/mountinfo and /sys/fs/cgroup/cgroup.controllers"
            ),
            CgroupError::Path(path) => write!(
                f,
                "{path:?} is no group: a path below the root of the hierarchies is \
                 wanted, such as \"tidegate/web\""
            ),
            CgroupError::File(path, error) => write!(f, "{}: {error}", path.display()),
            CgroupError::Text(path, text) => {
                write!(f, "{}: unexpected content {text:?}", path.display())
            }
            CgroupError::Group(path, error) => write!(f, "control group {path}: {error}"),
            CgroupError::StillAlive(path) => {
                write!(f, "control group {path}: its processes do not end")
            }
        }
    }
}

impl std::error::Error for CgroupError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            CgroupError::File(_, error) => Some(error),
            CgroupError::Group(_, error) => Some(error),
            _ => None,
        }
    }
}

impl CgroupError {
    fn file(path: &Path, error: impl Into<io::Error>) -> CgroupError {
        CgroupError::File(path.to_owned(), error.into())
    }

    /// Whether the group is not there (any more).
    pub fn is_gone(&self) -> bool {
        matches!(self, CgroupError::File(_, error)
            if error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(19))
    }
}
