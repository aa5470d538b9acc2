//! Why an application could not be run on this host.

use std::fmt;
use std::io;

use crate::cgroup::CgroupError;

/// Why an application could not be run on this host.
#[derive(Debug)]
pub enum LocalError {
    /// Somebody asked to stop.
    Interrupted,
    /// Something of the application that has no form on a host.
    Unsupported(String),
    /// The kernel refused something about a control group.
    Cgroup(CgroupError),
    /// A file or process: what was to be done with it, and why that failed.
    Io(String, io::Error),
    /// A process that was started did not do its part.
    Process(String, String),
}

impl LocalError {
    /// Adds what was to be done to an error of the system.
    pub fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> LocalError {
        let what = what.into();
        move |error| LocalError::Io(what, error)
    }
}

impl fmt::Display for LocalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LocalError::Interrupted => f.write_str("it was interrupted"),
            LocalError::Unsupported(what) => f.write_str(what),
            LocalError::Cgroup(error) => error.fmt(f),
            LocalError::Io(what, error) => write!(f, "cannot {what}: {error}"),
            LocalError::Process(name, what) => write!(f, "process `{name}`: {what}"),
        }
    }
}

impl std::error::Error for LocalError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            LocalError::Cgroup(error) => Some(error),
            LocalError::Io(_, error) => Some(error),
            _ => None,
        }
    }
}

impl From<CgroupError> for LocalError {
    fn from(error: CgroupError) -> LocalError {
        LocalError::Cgroup(error)
    }
}
