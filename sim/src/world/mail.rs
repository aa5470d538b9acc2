//! Messages on their way, by number.

use tidegate_core::{Command, ContainerId, HostId, Observation};

/// A message and what belongs to it on the wire.
#[derive(Clone, Copy, Debug)]
pub(super) struct Letter<T> {
    pub(super) content: T,
    /// The host it is from or to, and which of that host's lives.
    pub(super) host: u32,
    pub(super) life: u32,
}

/// Letters by number; numbers are used again.
pub(super) struct Slab<T> {
    items: Vec<T>,
    free: Vec<u32>,
}

impl<T: Copy> Slab<T> {
    pub(super) fn new() -> Slab<T> {
        Slab {
            items: Vec::new(),
            free: Vec::new(),
        }
    }

    pub(super) fn put(&mut self, item: T) -> u32 {
        match self.free.pop() {
            Some(index) => {
                self.items[index as usize] = item;
                index
            }
            None => {
                self.items.push(item);
                (self.items.len() - 1) as u32
            }
        }
    }

    pub(super) fn take(&mut self, index: u32) -> T {
        self.free.push(index);
        self.items[index as usize]
    }
}

/// Whom a message is about, which says where it comes from or goes to.
pub(super) enum Subject {
    Container(ContainerId),
    Host(HostId),
}

pub(super) fn subject_of_observation(observation: &Observation) -> Subject {
    match *observation {
        Observation::Started(container)
        | Observation::Stopped(container)
        | Observation::Lost(container)
        | Observation::Killed(container)
        | Observation::Throttled { container, .. }
        | Observation::Usage { container, .. }
        | Observation::OutOfMemory { container, .. }
        | Observation::CpuApplied { container, .. }
        | Observation::MemoryApplied { container, .. } => Subject::Container(container),
        Observation::Period(report) => Subject::Container(report.container),
        Observation::Share(share) => Subject::Host(share.host),
        Observation::HostReport(report) => Subject::Host(report.host),
    }
}

pub(super) fn subject_of_command(command: &Command) -> Subject {
    match *command {
        Command::SetCpu { container, .. }
        | Command::SetMemory { container, .. }
        | Command::Reclaim { container, .. }
        | Command::Restart { container, .. }
        | Command::DenyMemory { container, .. } => Subject::Container(container),
        Command::Lend(share) => Subject::Host(share.host),
        Command::Report(report) => Subject::Host(report.host),
    }
}
