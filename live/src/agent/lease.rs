//! What happens without a controller: after a while, safe limits and the kernel's own
//! killer, so that nothing stands still for somebody who is gone.

use tidegate_core::{ContainerId, Span, Time};

use super::host::Host;
use super::link::Notice;
use super::member::Member;
use crate::cgroup::CgroupError;

/// How long the controller's limits hold.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Lease {
    length: Span,
    /// The end, if one is running; none while alone.
    until: Option<Time>,
    alone: bool,
}

impl Lease {
    pub(super) fn begin(&mut self, now: Time, length: Span) {
        *self = Lease {
            length,
            until: Some(now + length),
            alone: false,
        };
    }

    pub(super) fn next(&self) -> Option<Time> {
        self.until
    }

    pub(super) fn is_alone(&self) -> bool {
        self.alone
    }
}

impl Host {
    /// A sign of life from the controller.
    pub(super) fn heard(&mut self) {
        if !self.in_session {
            return;
        }
        let alone = self.lease.alone;
        self.lease.begin(self.now(), self.lease.length);
        if !alone {
            return;
        }
        let ids: Vec<ContainerId> = self.members.keys().copied().collect();
        for id in ids {
            self.put_limits(id);
        }
        self.tell(Notice::Together);
    }

    pub(super) fn check_lease(&mut self, now: Time) {
        if self.lease.until.is_none_or(|until| now < until) {
            return;
        }
        self.lease.until = None;
        self.lease.alone = true;
        let ids: Vec<ContainerId> = self.members.keys().copied().collect();
        for id in ids {
            self.make_safe(id);
        }
        self.tell(Notice::Alone);
    }

    /// Puts a container's safe limits in force and lets the kernel kill.
    pub(super) fn make_safe(&mut self, id: ContainerId) {
        let Some(member) = self.members.get_mut(&id) else {
            return;
        };
        let limits = member.put_safe_limits();
        if let Err(error) = limits.and_then(|()| member.memory.release(&mut member.group)) {
            self.trouble(id, error);
        }
    }
}

impl Member {
    /// The safe limits; memory stays as it is where more is used.
    pub(super) fn put_safe_limits(&mut self) -> Result<(), CgroupError> {
        if !self.out_of_step {
            self.group.set_cpu(self.safe.map(|safe| safe.cpu))?;
        }
        self.group.set_memory(self.safe.map(|safe| safe.memory))?;
        Ok(())
    }
}
