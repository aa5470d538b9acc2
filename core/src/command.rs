//! What the core wants changed: its only output.
//!
//! Limit commands carry a version that grows per container and resource. A host
//! that has carried out version *n* ignores anything older, so a late or doubled
//! command never acts twice. It answers what it ignores with what is in force: the
//! answer to the first may have been lost.

use crate::id::ContainerId;
use crate::share::{HostReport, Share};
use crate::units::{Bytes, Cores};

/// One change the world is asked to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Set the CPU limit.
    SetCpu {
        /// Whose limit.
        container: ContainerId,
        /// Grows with each CPU command to this container.
        version: u64,
        /// The new limit.
        limit: Cores,
    },
    /// Set the memory limit. A container that waits for memory goes on if it
    /// fits now. Refused when usage is above it.
    SetMemory {
        /// Whose limit.
        container: ContainerId,
        /// Grows with each memory command to this container.
        version: u64,
        /// The new limit.
        limit: Bytes,
    },
    /// Shrink the memory limit to usage + `margin` if it is above that (Escra,
    /// paper IV-C). Usage is read on the host at that moment. Answered with
    /// [`MemoryApplied`](crate::Observation::MemoryApplied), also when nothing
    /// was to be reclaimed.
    Reclaim {
        /// Whose limit.
        container: ContainerId,
        /// Grows with each memory command to this container.
        version: u64,
        /// What to leave above usage.
        margin: Bytes,
    },
    /// Evict the container's pod: its processes end, what they were doing fails, and
    /// a new pod takes its place, with the limits then in force. Answered with
    /// [`Started`](crate::Observation::Started) when that runs.
    Restart {
        /// Whose pod.
        container: ContainerId,
        /// Grows with each restart of this container.
        version: u64,
    },
    /// From the controller to the half on a host: a share.
    Lend(Share),
    /// From the half on a host to the controller: a report.
    Report(HostReport),
    /// There is no memory for the container that waits: the kernel may kill it.
    DenyMemory {
        /// Who waits.
        container: ContainerId,
        /// Which of its out-of-memory events is answered; one of an earlier wait
        /// is void.
        event: u64,
    },
}

impl Command {
    /// Whose limit or wait it is about, if one container's.
    pub fn container(&self) -> Option<ContainerId> {
        match *self {
            Command::SetCpu { container, .. }
            | Command::SetMemory { container, .. }
            | Command::Reclaim { container, .. }
            | Command::Restart { container, .. }
            | Command::DenyMemory { container, .. } => Some(container),
            Command::Lend(_) | Command::Report(_) => None,
        }
    }
}
