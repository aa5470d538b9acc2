//! What the controller has lent a host, and what of it is out.
//!
//! A container is charged for the most it can use in a period. That is its quota;
//! and where its runtime was refilled in mid-period, what it had used until then
//! beside the quota (its *extra*), until the period is over.

use crate::observation::ContainerId;
use crate::pool::Pool;
use crate::share::Share;

/// A host's share of Ω and what its containers hold of it.
///
/// Invariant: what they can use in a period, together, is at or under the share,
/// and the share is at or under the sum of what the controller accounts for.
#[derive(Debug)]
pub(super) struct Lease {
    /// The quotas. Their pool has no limit of its own: `share` is the limit.
    quotas: Pool,
    extras: Vec<u64>,
    /// Sum of `extras`.
    extra: u64,
    share: u64,
    /// What the controller wants the share to become.
    target: u64,
    version: u64,
}

impl Lease {
    pub(super) fn new(share: u64) -> Lease {
        Lease {
            quotas: Pool::new(u64::MAX / 4),
            extras: Vec::new(),
            extra: 0,
            share,
            target: share,
            version: 0,
        }
    }

    /// Adds a container; returns its quota, at most `wanted`.
    pub(super) fn join(&mut self, id: ContainerId, wanted: u64) -> u64 {
        let index = id.0 as usize;
        if index >= self.extras.len() {
            self.extras.resize(index + 1, 0);
        }
        self.quotas.join(id, wanted.min(self.free()))
    }

    pub(super) fn leave(&mut self, id: ContainerId) {
        self.set_extra(id, 0);
        self.quotas.leave(id);
    }

    pub(super) fn quota(&self, id: ContainerId) -> Option<u64> {
        self.quotas.target(id)
    }

    /// Sets a quota; as [`Pool::set`]. A raise must be within [`room`](Lease::room).
    pub(super) fn set(&mut self, id: ContainerId, quota: u64) -> Option<(u64, u64)> {
        self.quotas.set(id, quota)
    }

    /// The next version, for a write that leaves the quota as it is.
    pub(super) fn announce(&mut self, id: ContainerId) -> Option<u64> {
        self.quotas.announce(id)
    }

    /// A write is in force: what it took back is free.
    pub(super) fn applied(&mut self, id: ContainerId, version: u64) {
        self.quotas.applied(id, version);
    }

    /// Charges a container for `extra` beside its quota, in place of what it was.
    pub(super) fn set_extra(&mut self, id: ContainerId, extra: u64) {
        if let Some(mine) = self.extras.get_mut(id.0 as usize) {
            self.extra = self.extra - *mine + extra;
            *mine = extra;
        }
    }

    /// The most a container may be made to use in this period.
    pub(super) fn room(&self, id: ContainerId) -> u64 {
        let extra = self.extras.get(id.0 as usize).copied().unwrap_or(0);
        self.quota(id).unwrap_or(0) + extra + self.free()
    }

    /// What all can use in this period.
    pub(super) fn held(&self) -> u64 {
        self.quotas.held() + self.extra
    }

    pub(super) fn free(&self) -> u64 {
        self.share.saturating_sub(self.held())
    }

    /// An equal part of the share.
    pub(super) fn equal(&self) -> u64 {
        self.target / self.quotas.members().max(1) as u64
    }

    /// The controller wants some of it back and the quotas are still above that.
    pub(super) fn recalled(&self) -> bool {
        self.quotas.held() > self.target
    }

    /// The controller lends more, or wants something back. Old news is ignored.
    pub(super) fn lent(&mut self, share: &Share) {
        if share.version > self.version {
            self.version = share.version;
            self.target = share.cpu.0;
            self.settle();
        }
    }

    /// A share that is being recalled falls as fast as what is out. Returns the
    /// newest version seen, and the share.
    pub(super) fn settle(&mut self) -> (u64, u64) {
        self.share = self.target.max(self.held());
        (self.version, self.share)
    }
}
