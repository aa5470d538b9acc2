//! One file of a control group, kept open.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags, open};
use rustix::io::{Errno, pread, pwrite};

use super::CgroupError;

/// The longest file read here; `memory.events` and `cpu.stat` have some 200 bytes.
const BUFFER: usize = 1024;

/// A control group's file. Read and written whole.
#[derive(Debug)]
pub(super) struct Knob {
    fd: OwnedFd,
    path: PathBuf,
}

impl Knob {
    pub(super) fn read_only(path: PathBuf) -> Result<Knob, CgroupError> {
        Knob::open(path, OFlags::RDONLY)
    }

    pub(super) fn read_write(path: PathBuf) -> Result<Knob, CgroupError> {
        Knob::open(path, OFlags::RDWR)
    }

    pub(super) fn write_only(path: PathBuf) -> Result<Knob, CgroupError> {
        Knob::open(path, OFlags::WRONLY)
    }

    fn open(path: PathBuf, flags: OFlags) -> Result<Knob, CgroupError> {
        match open(&path, flags | OFlags::CLOEXEC, Mode::empty()) {
            Ok(fd) => Ok(Knob { fd, path }),
            Err(error) => Err(CgroupError::file(&path, error)),
        }
    }

    /// Hands the file's text to `parse`.
    pub(super) fn read<T>(&self, parse: impl FnOnce(&str) -> Option<T>) -> Result<T, CgroupError> {
        let mut buffer = [0; BUFFER];
        let length = loop {
            match pread(&self.fd, &mut buffer[..], 0) {
                Err(Errno::INTR) => {}
                other => break other.map_err(|error| CgroupError::file(&self.path, error))?,
            }
        };
        let text = std::str::from_utf8(&buffer[..length]).unwrap_or_default();
        parse(text).ok_or_else(|| CgroupError::Text(self.path.clone(), text.to_owned()))
    }

    /// A file that holds one number.
    pub(super) fn number(&self) -> Result<u64, CgroupError> {
        self.read(|text| text.trim_ascii_end().parse().ok())
    }

    /// Writes the file.
    pub(super) fn write(&self, text: &str) -> Result<(), CgroupError> {
        self.try_write(text)
            .map_err(|error| CgroupError::file(&self.path, error))
    }

    /// Writes the file; the error is the kernel's.
    pub(super) fn try_write(&self, text: &str) -> Result<(), Errno> {
        loop {
            match pwrite(&self.fd, text.as_bytes(), 0) {
                Err(Errno::INTR) => {}
                other => return other.map(|_| ()),
            }
        }
    }

    pub(super) fn error(&self, error: Errno) -> CgroupError {
        CgroupError::file(&self.path, error)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl AsFd for Knob {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
