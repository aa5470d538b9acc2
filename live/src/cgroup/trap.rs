//! Being told before the kernel kills for memory.
//!
//! Version 1: `memory.oom_control` says through an eventfd that the limit is hit, and
//! with the killer off the processes that touched memory sleep until the limit is
//! raised. Only a fault in user mode sleeps; a system call that needs memory fails with
//! `ENOMEM` or `EFAULT`. A [`UsageAlarm`] tells of use before the limit is hit.
//!
//! Version 2 has no such thing. There `memory.high` slows processes down above it, a
//! change of `memory.events` says so, and `memory.max` is where they are killed.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::event::{EventfdFlags, epoll, eventfd};
use rustix::io::read;
use tidegate_core::Bytes;

use super::CgroupError;
use super::file::Knob;

/// Is ready to be read when the group may have hit its limit. Made by
/// [`Group::trap`](super::Group::trap).
///
/// The kernel forgets it when it is dropped, but does not turn its killer on again:
/// [`Group::let_kill`](super::Group::let_kill) does.
#[derive(Debug)]
pub struct Trap(Source);

#[derive(Debug)]
enum Source {
    Event(OwnedFd),
    File(Knob),
}

impl Trap {
    pub(super) fn v1(memory: &Path) -> Result<Trap, CgroupError> {
        Ok(Trap(Source::Event(register(
            memory,
            "memory.oom_control",
            None,
        )?)))
    }

    pub(super) fn v2(memory: &Path) -> Result<Trap, CgroupError> {
        let events = Knob::read_only(memory.join("memory.events"))?;
        let trap = Trap(Source::File(events));
        // Only changes from now on count.
        trap.acknowledge()?;
        Ok(trap)
    }

    /// What to wait for.
    pub fn interest(&self) -> epoll::EventFlags {
        match self.0 {
            Source::Event(_) => epoll::EventFlags::IN,
            Source::File(_) => epoll::EventFlags::PRI,
        }
    }

    /// Makes it ready again only for what happens from now on.
    ///
    /// # Errors
    /// When the group is gone.
    pub fn acknowledge(&self) -> Result<(), CgroupError> {
        match &self.0 {
            Source::Event(event) => {
                drain(event);
                Ok(())
            }
            Source::File(file) => file.read(|_| Some(())),
        }
    }
}

impl AsFd for Trap {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.0 {
            Source::Event(event) => event.as_fd(),
            Source::File(file) => file.as_fd(),
        }
    }
}

/// Is ready to be read when a group's memory use has crossed a mark, up or down
/// (version 1).
#[derive(Debug)]
pub struct UsageAlarm(OwnedFd);

impl UsageAlarm {
    /// An alarm at `mark` for the group whose memory directory this is.
    pub(super) fn new(memory: &Path, mark: Bytes) -> Result<UsageAlarm, CgroupError> {
        register(memory, "memory.usage_in_bytes", Some(mark)).map(UsageAlarm)
    }

    /// Makes it ready again only for what happens from now on.
    pub fn acknowledge(&self) {
        drain(&self.0);
    }
}

impl AsFd for UsageAlarm {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Registers an eventfd with `cgroup.event_control`.
fn register(memory: &Path, file: &str, mark: Option<Bytes>) -> Result<OwnedFd, CgroupError> {
    use std::os::fd::AsRawFd;
    let control = Knob::write_only(memory.join("cgroup.event_control"))?;
    let watched = Knob::read_only(memory.join(file))?;
    let event = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)
        .map_err(|error| control.error(error))?;
    let (event_fd, watched_fd) = (event.as_raw_fd(), watched.as_fd().as_raw_fd());
    let mark = mark.map_or_else(String::new, |mark| format!(" {}", mark.0));
    control.write(&format!("{event_fd} {watched_fd}{mark}"))?;
    Ok(event)
}

fn drain(event: &OwnedFd) {
    // Nothing to read is as good.
    let _ = read(event, &mut [0; 8]);
}
