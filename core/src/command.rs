//! What the core wants changed: its only output.
//!
//! Limit commands carry a version that grows per container and resource. A host
//! that has carried out version *n* ignores anything older, so a late or doubled
//! command never acts twice.

use crate::observation::{ContainerId, HostId};
use crate::units::{Bytes, Cores};

/// A part of Ω lent to a host, for its half of the policy to hand out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// Who holds it.
    pub host: HostId,
    /// Grows with each message to this host.
    pub version: u64,
    /// The share from now on. Where the host has handed out more, its share falls
    /// as fast as it can take that back.
    pub cpu: Cores,
}

/// What a half on a host says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostReport {
    /// Who says it.
    pub host: HostId,
    /// Counts this host's reports from 1.
    pub seq: u64,
    /// The newest [`Share`] it has seen.
    pub version: u64,
    /// What it can hand out, at most, from now on.
    pub share: Cores,
    /// What its containers hold and were denied since its last report.
    pub wanted: Cores,
}

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
    /// From the controller to the half on a host: a share.
    Lend(Share),
    /// From the half on a host to the controller: a report.
    Report(HostReport),
    /// There is no memory for the container that waits: the kernel may kill it.
    DenyMemory {
        /// Who waits.
        container: ContainerId,
        /// Which of its out-of-memory events is answered.
        event: u64,
    },
}
