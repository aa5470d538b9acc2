//! Why a command could not do what it was asked.

use std::fmt;
use std::io;
use std::path::Path;

use tidegate_workloads::FileError;

use crate::exit::Exit;

/// Why a command could not do what it was asked.
#[derive(Debug)]
pub enum Error {
    /// The command line is wrong.
    Usage(String),
    /// A scenario, or a file it refers to, is wrong.
    Invalid(FileError),
    /// What was asked for needs a whole run, and this one was interrupted.
    Partial(String),
    /// A run folder or a reference is wrong, or does not fit the others.
    Results(String),
    /// The system refused, or Tidegate has a fault.
    Internal(String),
}

impl Error {
    /// The system refused to do `what` with `path`.
    pub fn io(what: &str, path: &Path, error: &io::Error) -> Error {
        Error::Internal(format!("cannot {what} {}: {error}", path.display()))
    }

    /// The exit code that goes with it.
    pub fn exit(&self) -> Exit {
        match self {
            Error::Usage(_) => Exit::Usage,
            Error::Invalid(_) => Exit::InvalidScenario,
            Error::Partial(_) => Exit::Partial,
            Error::Results(_) => Exit::InvalidResults,
            Error::Internal(_) => Exit::Internal,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Usage(message)
            | Error::Partial(message)
            | Error::Results(message)
            | Error::Internal(message) => f.write_str(message),
            Error::Invalid(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Error {}

impl From<FileError> for Error {
    fn from(error: FileError) -> Error {
        Error::Invalid(error)
    }
}
