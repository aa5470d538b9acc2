//! Containers that wait for memory: told to the controller under the numbers that the
//! core defines, asked again, resumed, or left to the kernel's killer.

use rustix::event::epoll;
use tidegate_core::{ContainerId, Observation, Span, Time};

use super::host::Host;
use crate::cgroup::{CgroupError, Group, Trap};

/// After something that may end in a kill, the first look at what became of it; the
/// next ones follow after twice the time each.
const FIRST_LOOK: Span = Span::from_millis(1);
/// Then what was to happen has happened.
const LAST_LOOK: Span = Span::from_millis(1_000);

/// What is known of a container's memory.
#[derive(Debug, Default)]
pub(super) struct MemoryWatch {
    trap: Option<Trap>,
    /// Out-of-memory events told.
    event: u64,
    /// It waits: the first event of the wait.
    first: Option<u64>,
    /// The kernel may kill until it has.
    denied: bool,
    /// Kills seen.
    kills: u64,
    /// The time from one look to the next.
    look: Span,
    /// The limit it was admitted with is not in force: too much is used.
    pub(super) pending: bool,
}

impl MemoryWatch {
    /// A new session: events are counted anew, and who waits asks anew.
    pub(super) fn forget(&mut self) {
        self.event = 0;
        self.first = None;
        self.denied = false;
    }

    /// Nobody is asked any more: the kernel kills at the limit.
    pub(super) fn release(&mut self, group: &mut Group) -> Result<(), CgroupError> {
        self.first = None;
        self.denied = false;
        group.let_kill()
    }
}

impl Host {
    /// Begins to listen for a container's out-of-memory events. If it waits already,
    /// that is one.
    pub(super) fn watch_memory(&mut self, id: ContainerId) -> Result<(), CgroupError> {
        let Some(member) = self.members.get_mut(&id) else {
            return Ok(());
        };
        if member.memory.trap.is_none() {
            member.memory.kills = member.group.oom_kills()?;
            let trap = member.group.trap()?;
            let data = epoll::EventData::new_u64(u64::from(id.0) + 1);
            epoll::add(&self.epoll, &trap, data, trap.interest())
                .map_err(|error| CgroupError::File(member.group.path().into(), error.into()))?;
            member.memory.trap = Some(trap);
        }
        self.look_soon(id);
        Ok(())
    }

    /// A container's trap is ready.
    pub(super) fn memory_event(&mut self, id: ContainerId) {
        let Some(member) = self.members.get_mut(&id) else {
            return;
        };
        if let Some(trap) = &member.memory.trap
            && let Err(error) = trap.acknowledge()
        {
            return self.trouble(id, error);
        }
        if self.is_asked(id) {
            match self.begins_to_wait(id) {
                Ok(true) => self.ask(id),
                Ok(false) => self.look_soon(id),
                Err(error) => self.trouble(id, error),
            }
        } else {
            self.look_soon(id);
        }
    }

    /// Whether the controller is asked for memory on behalf of a container.
    fn is_asked(&self, id: ContainerId) -> bool {
        let admitted = self.members.get(&id).is_some_and(|member| member.admitted);
        self.wants.traps_out_of_memory && !self.lease.is_alone() && admitted
    }

    /// Whether a container that did not wait does so now.
    fn begins_to_wait(&mut self, id: ContainerId) -> Result<bool, CgroupError> {
        let Some(member) = self.members.get_mut(&id) else {
            return Ok(false);
        };
        if member.memory.denied || member.memory.first.is_some() || !member.group.is_waiting()? {
            return Ok(false);
        }
        member.memory.first = Some(member.memory.event + 1);
        Ok(true)
    }

    /// Tells of a container that waits, under a new number.
    fn ask(&mut self, id: ContainerId) {
        let again = self.now() + self.config.ask_again;
        let interval = self.config.ask_again;
        let Some(member) = self.members.get_mut(&id) else {
            return;
        };
        let (Some(first), Some(limits)) = (member.memory.first, member.limits) else {
            return;
        };
        member.memory.event += 1;
        member.memory.look = interval;
        self.looks.set(id, Some(again));
        let observation = Observation::OutOfMemory {
            container: id,
            event: member.memory.event,
            first,
            limit: limits.memory,
        };
        self.see(observation);
    }

    /// A memory limit was set, or after a `reclaim` stayed: what waited for memory goes
    /// on, or asks again.
    pub(super) fn memory_written(&mut self, id: ContainerId, reclaim: bool) {
        let Some(member) = self.members.get_mut(&id) else {
            return;
        };
        if member.memory.first.is_none() {
            return;
        }
        if reclaim {
            // What it asked for may have been overtaken.
            return match member.group.is_waiting() {
                Ok(true) => self.ask(id),
                Ok(false) => self.wait_is_over(id),
                Err(error) => self.trouble(id, error),
            };
        }
        // The kernel wakes it. Where the raise was too little it hits the limit again and
        // the trap says so; where the limit was refused the next look does.
        self.wait_is_over(id);
    }

    fn wait_is_over(&mut self, id: ContainerId) {
        if let Some(member) = self.members.get_mut(&id) {
            member.memory.first = None;
        }
        self.look_soon(id);
    }

    /// The controller has nothing for a container that waits.
    pub(super) fn deny(&mut self, id: ContainerId, event: u64) {
        let Some(member) = self.members.get_mut(&id) else {
            return;
        };
        let memory = &mut member.memory;
        if memory.first.is_none_or(|first| event < first) || event > memory.event {
            return;
        }
        memory.first = None;
        memory.denied = true;
        // The kernel tries once more before it kills: others may have left.
        match member.group.let_kill() {
            Ok(()) => self.look_soon(id),
            Err(error) => self.trouble(id, error),
        }
    }

    fn look_soon(&mut self, id: ContainerId) {
        let now = self.now();
        if let Some(member) = self.members.get_mut(&id) {
            member.memory.look = FIRST_LOOK;
            self.looks.set(id, Some(now + FIRST_LOOK));
        }
    }

    /// Looks at the containers that are due.
    pub(super) fn look(&mut self, now: Time) {
        while let Some(id) = self.looks.take_due(now) {
            if let Err(error) = self.look_at(id, now) {
                self.trouble(id, error);
            }
        }
    }

    fn look_at(&mut self, id: ContainerId, now: Time) -> Result<(), CgroupError> {
        let asked = self.is_asked(id);
        let headroom = self.config.headroom;
        let Some(member) = self.members.get_mut(&id) else {
            return Ok(());
        };
        let next = member.memory.look * 2;
        member.memory.look = next;
        let again = (next <= LAST_LOOK).then_some(now + next);
        self.looks.set(id, again);
        let kills = member.group.oom_kills()?;
        let killed = kills > std::mem::replace(&mut member.memory.kills, kills);
        if killed {
            member.memory.first = None;
            self.looks.set(id, None);
        }
        let waits = asked && !killed && member.group.is_waiting()?;
        if member.memory.denied && !waits {
            member.memory.denied = false;
            if asked {
                member.group.hold_killer(headroom)?;
            }
        }
        if killed && member.admitted {
            self.see(Observation::Killed(id));
            return Ok(());
        }
        match (waits, member.memory.first) {
            (true, Some(_)) => self.ask(id),
            (false, Some(_)) => member.memory.first = None,
            (true, None) => {
                if self.begins_to_wait(id)? {
                    self.ask(id);
                }
            }
            (false, None) => {}
        }
        Ok(())
    }
}
