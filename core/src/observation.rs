//! What the world saw: the only input of the core.
//!
//! Messages may be lost, late, doubled or out of order on their way. Each kind
//! therefore carries what is needed to recognise that: a sequence number per
//! container, or the version of the command it answers. What happens to a
//! container as a whole (`Started`, `Stopped`, `Lost`, `Killed`) is told by the
//! platform that runs it: once, in order, late at worst.

pub use crate::id::{Container, ContainerId, HostId};
use crate::share::{HostReport, Share};
use crate::units::{Bytes, Cores, Span};

/// The end of one CFS bandwidth period, as the kernel accounts it.
///
/// This is Escra's report (paper IV-B): quota, unused runtime and throttling,
/// taken just before the pool is refilled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CpuPeriod {
    /// Whose period ended.
    pub container: ContainerId,
    /// Counts this container's reports from 1.
    pub seq: u64,
    /// The limit that was in force.
    pub quota: Cores,
    /// Runtime left in the group's global pool. Slices that CPUs hold are not
    /// counted, so this under-reports what is unused.
    pub unused: Span,
    /// CPU time used since the last report.
    pub usage: Span,
    /// Throttled periods since the container started.
    pub nr_throttled: u64,
}

/// One thing that happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Observation {
    /// A container runs: with the limits it was admitted with, or again after a
    /// [`Restart`](crate::Command::Restart).
    Started(ContainerId),
    /// A container has gone for good; its limits are free again.
    Stopped(ContainerId),
    /// A container's host is gone, and the container with it. It will be admitted
    /// again; of what it held, what it starts with stays reserved for that. Nothing
    /// of its former life is delivered after it is back.
    Lost(ContainerId),
    /// A CPU bandwidth period ended.
    Period(CpuPeriod),
    /// A container has used up its quota and stands still: told when it happens,
    /// to policies that [want it](crate::Allocator::wants_throttles).
    Throttled {
        /// Who stands still.
        container: ContainerId,
        /// Counts this container's throttles from 1.
        seq: u64,
        /// CPU time used since its last period ended.
        used: Span,
    },
    /// To the half on a host: what its share of Ω is to become.
    Share(Share),
    /// To the controller: what a half on a host holds and needs.
    HostReport(HostReport),
    /// A CPU usage and memory sample, taken at the interval that
    /// [`Allocator::sampling`](crate::Allocator::sampling) asks for.
    Usage {
        /// Whose sample.
        container: ContainerId,
        /// Counts this container's samples from 1.
        seq: u64,
        /// Mean CPU use since the last sample.
        cpu: Cores,
        /// Memory charged to the container now.
        memory: Bytes,
    },
    /// A container needs more memory than its limit and waits, about to be
    /// killed, for [`SetMemory`](crate::Command::SetMemory) or
    /// [`DenyMemory`](crate::Command::DenyMemory).
    OutOfMemory {
        /// Who waits.
        container: ContainerId,
        /// Counts this container's out-of-memory events from 1. One that is not
        /// answered is asked again under the next number.
        event: u64,
        /// The first event of this wait. A container that still waits after a
        /// reclaim repeats itself under a new number: what it waited for may have
        /// been overtaken. A limit that was raised too little begins a new wait.
        first: u64,
        /// The limit that was hit.
        limit: Bytes,
    },
    /// A container was killed for its memory and will be restarted by the
    /// platform with the limits it had.
    Killed(ContainerId),
    /// A CPU limit is in force.
    CpuApplied {
        /// Whose limit.
        container: ContainerId,
        /// The version of the command that set it.
        version: u64,
    },
    /// A memory limit is in force. When the command could not be carried out
    /// (usage was above the new limit) `limit` is the one that stayed.
    MemoryApplied {
        /// Whose limit.
        container: ContainerId,
        /// The version of the command answered.
        version: u64,
        /// The limit in force now.
        limit: Bytes,
    },
}

impl Observation {
    /// Whom it is about, if one container.
    pub fn container(&self) -> Option<ContainerId> {
        match *self {
            Observation::Started(container)
            | Observation::Stopped(container)
            | Observation::Lost(container)
            | Observation::Killed(container)
            | Observation::Throttled { container, .. }
            | Observation::Usage { container, .. }
            | Observation::OutOfMemory { container, .. }
            | Observation::CpuApplied { container, .. }
            | Observation::MemoryApplied { container, .. } => Some(container),
            Observation::Period(report) => Some(report.container),
            Observation::Share(_) | Observation::HostReport(_) => None,
        }
    }
}
