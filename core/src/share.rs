//! What a controller and the halves of its policy on the hosts tell each other: parts
//! of Ω lent to hosts.

use crate::id::HostId;
use crate::units::Cores;

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
