//! Escra's memory side: grants at out-of-memory events, reclaims from those who
//! have more than they use.
//!
//! A container that waits is denied, and so killed, only when nothing is free and
//! everybody has answered a reclaim that was sent since it began to wait. What a
//! reclaim freed is never overlooked: a limit that may have grown since, or whose
//! answer is still on its way, does not count as reclaimed.

use std::collections::{BTreeSet, VecDeque};

use crate::command::Command;
use crate::observation::ContainerId;
use crate::pool::Pool;
use crate::units::Bytes;

use super::Config;

/// A container that waits for memory while all are reclaimed from.
#[derive(Clone, Copy, Debug)]
struct Waiting {
    container: ContainerId,
    event: u64,
    /// When it began to wait: how many containers had by then.
    since: u64,
}

/// What is known of a container besides its limit.
#[derive(Clone, Copy, Debug, Default)]
struct Member {
    /// Its last out-of-memory event seen.
    last_event: u64,
    /// When it was last told to shrink; 0 if it may have got room since: it was
    /// told to grow, or killed.
    asked: u64,
    /// Its last command was to grow, and is not answered.
    growing: bool,
}

/// Decides memory limits under Ω.
#[derive(Debug)]
pub(crate) struct MemoryAllocator {
    grant: Bytes,
    margin: Bytes,
    pool: Pool,
    /// Indexed by [`ContainerId`].
    members: Vec<Member>,
    /// First come, first served.
    waiting: VecDeque<Waiting>,
    /// How many containers have begun to wait: the clock of this machine.
    clock: u64,
    /// Who was asked on behalf of those waiting and has not answered.
    outstanding: BTreeSet<ContainerId>,
}

impl MemoryAllocator {
    pub(crate) fn new(config: &Config, omega: Bytes) -> MemoryAllocator {
        MemoryAllocator {
            grant: config.grant,
            margin: config.margin,
            pool: Pool::new(omega.0),
            members: Vec::new(),
            waiting: VecDeque::new(),
            clock: 0,
            outstanding: BTreeSet::new(),
        }
    }

    pub(crate) fn admit(&mut self, id: ContainerId, wanted: Bytes) -> Bytes {
        let index = id.0 as usize;
        if index >= self.members.len() {
            self.members.resize(index + 1, Member::default());
        }
        Bytes(self.pool.join(id, wanted.0))
    }

    pub(crate) fn omega(&self) -> Bytes {
        Bytes(self.pool.limit())
    }

    /// A container is gone; `keep` stays reserved for its return.
    pub(crate) fn leave(&mut self, id: ContainerId, keep: Bytes, out: &mut Vec<Command>) {
        self.pool.vacate(id, keep.0);
        self.waiting.retain(|waiting| waiting.container != id);
        self.outstanding.remove(&id);
        self.serve(out);
    }

    /// A container is about to be killed: grant, or reclaim from all and grant then.
    /// Of its wait, `first` is the first event; `limit` is what it ran into.
    pub(crate) fn out_of_memory(
        &mut self,
        id: ContainerId,
        event: u64,
        first: u64,
        limit: Bytes,
        out: &mut Vec<Command>,
    ) {
        let Some(member) = self.members.get_mut(id.0 as usize) else {
            return;
        };
        let Some(target) = self.pool.target(id) else {
            return;
        };
        if event <= member.last_event {
            return;
        }
        member.last_event = event;
        // Who asks again while a grant is on its way is not granted twice. One that a
        // reclaim has overtaken is lost.
        if member.growing && target > limit.0 {
            return;
        }
        // Who asks again waits once, unless what it waited for before is over.
        match self.waiting.iter_mut().find(|w| w.container == id) {
            Some(waiting) => {
                if waiting.event < first {
                    self.clock += 1;
                    waiting.since = self.clock;
                }
                waiting.event = event;
            }
            None => {
                self.clock += 1;
                self.waiting.push_back(Waiting {
                    container: id,
                    event,
                    since: self.clock,
                });
            }
        }
        self.serve(out);
    }

    /// A host answered a memory command. Returns what that made free.
    pub(crate) fn applied(
        &mut self,
        id: ContainerId,
        version: u64,
        limit: Bytes,
        out: &mut Vec<Command>,
    ) -> Bytes {
        let mut freed = 0;
        if self.pool.is_last(id, version) {
            freed = self.pool.confirm(id, version, limit.0);
            self.members[id.0 as usize].growing = false;
            self.outstanding.remove(&id);
        }
        self.serve(out);
        Bytes(freed)
    }

    /// Whether less is free than one grant for each container.
    pub(crate) fn is_low(&self) -> bool {
        self.pool.free() / self.grant.0.max(1) < self.pool.members() as u64
    }

    /// Shrinks every limit to usage plus margin.
    pub(crate) fn reclaim_all(&mut self, out: &mut Vec<Command>) {
        self.reclaim_from(|_| true, out);
    }

    /// Shrinks the limits of those who are `due` to usage plus margin. While somebody
    /// waits, only those are asked again whose answer is missing: it may be lost.
    pub(crate) fn reclaim_from(
        &mut self,
        due: impl Fn(&ContainerId) -> bool,
        out: &mut Vec<Command>,
    ) {
        let whom: Vec<ContainerId> = if self.waiting.is_empty() {
            self.pool.iter().filter(due).collect()
        } else {
            self.outstanding.iter().copied().filter(due).collect()
        };
        for id in whom {
            self.reclaim(id, out);
        }
    }

    fn reclaim(&mut self, id: ContainerId, out: &mut Vec<Command>) {
        let Some(version) = self.pool.announce(id) else {
            return;
        };
        let member = &mut self.members[id.0 as usize];
        member.asked = self.clock;
        member.growing = false;
        out.push(Command::Reclaim {
            container: id,
            version,
            margin: self.margin,
        });
    }

    /// Grants to those waiting, in the order they came, while something is free.
    /// Then all are asked to shrink, and who waits is denied when they have: one at
    /// a time, as a kill may make room for the next.
    fn serve(&mut self, out: &mut Vec<Command>) {
        while let Some(&Waiting {
            container,
            event,
            since,
        }) = self.waiting.front()
        {
            let wanted = self.pool.target(container).map(|t| t + self.grant.0);
            let granted = wanted.and_then(|wanted| self.pool.set(container, wanted));
            if granted.is_none() {
                if !self.outstanding.is_empty() {
                    return;
                }
                self.ask(since, out);
                if !self.outstanding.is_empty() {
                    return;
                }
            }
            let member = &mut self.members[container.0 as usize];
            member.asked = 0;
            member.growing = granted.is_some();
            out.push(match granted {
                Some((version, limit)) => Command::SetMemory {
                    container,
                    version,
                    limit: Bytes(limit),
                },
                None => Command::DenyMemory { container, event },
            });
            self.outstanding.remove(&container);
            self.waiting.pop_front();
        }
    }

    /// Asks everybody to shrink who may have something to give since then. That
    /// includes those who wait: an answer of theirs may still be on its way.
    fn ask(&mut self, since: u64, out: &mut Vec<Command>) {
        let may = |id: &ContainerId| self.members[id.0 as usize].asked < since;
        let whom: Vec<ContainerId> = self.pool.iter().filter(may).collect();
        for id in whom {
            self.reclaim(id, out);
            self.outstanding.insert(id);
        }
    }
}
