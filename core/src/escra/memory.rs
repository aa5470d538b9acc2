//! Escra's memory side: grants at out-of-memory events, reclaims from those who
//! have more than they use.

use std::collections::VecDeque;

use crate::command::Command;
use crate::observation::ContainerId;
use crate::pool::Pool;
use crate::units::Bytes;

use super::Config;

/// A container that waits for memory while others are reclaimed from.
#[derive(Clone, Copy, Debug)]
struct Waiting {
    container: ContainerId,
    event: u64,
}

/// Decides memory limits under Ω.
#[derive(Debug)]
pub(crate) struct MemoryAllocator {
    grant: Bytes,
    margin: Bytes,
    pool: Pool,
    /// Last out-of-memory event seen, per container.
    last_event: Vec<u64>,
    waiting: VecDeque<Waiting>,
    /// Reclaims sent on behalf of those waiting and not answered yet: container
    /// and version.
    outstanding: Vec<(ContainerId, u64)>,
}

impl MemoryAllocator {
    pub(crate) fn new(config: &Config, omega: Bytes) -> MemoryAllocator {
        MemoryAllocator {
            grant: config.grant,
            margin: config.margin,
            pool: Pool::new(omega.0),
            last_event: Vec::new(),
            waiting: VecDeque::new(),
            outstanding: Vec::new(),
        }
    }

    pub(crate) fn admit(&mut self, id: ContainerId, wanted: Bytes) -> Bytes {
        let index = id.0 as usize;
        if index >= self.last_event.len() {
            self.last_event.resize(index + 1, 0);
        }
        Bytes(self.pool.join(id, wanted.0))
    }

    pub(crate) fn leave(&mut self, id: ContainerId, out: &mut Vec<Command>) {
        self.pool.leave(id);
        self.waiting.retain(|waiting| waiting.container != id);
        self.outstanding.retain(|(container, _)| *container != id);
        self.serve(out);
    }

    /// A container is about to be killed: grant, or reclaim from all others and
    /// grant then.
    pub(crate) fn out_of_memory(&mut self, id: ContainerId, event: u64, out: &mut Vec<Command>) {
        let Some(last) = self.last_event.get_mut(id.0 as usize) else {
            return;
        };
        if event <= *last || self.pool.target(id).is_none() {
            return;
        }
        *last = event;
        // Who asks again waits once.
        match self.waiting.iter_mut().find(|w| w.container == id) {
            Some(waiting) => waiting.event = event,
            None => self.waiting.push_back(Waiting {
                container: id,
                event,
            }),
        }
        if self.pool.free() == 0 && self.outstanding.is_empty() {
            self.reclaim_for_waiting(out);
        }
        self.serve(out);
    }

    /// A host answered a memory command.
    pub(crate) fn applied(
        &mut self,
        id: ContainerId,
        version: u64,
        limit: Bytes,
        out: &mut Vec<Command>,
    ) {
        self.pool.confirm(id, version, limit.0);
        self.outstanding
            .retain(|&(container, sent)| container != id || sent > version);
        self.serve(out);
    }

    /// Shrinks every limit to usage plus margin.
    pub(crate) fn reclaim_all(&mut self, out: &mut Vec<Command>) {
        let members: Vec<ContainerId> = self.pool.iter().collect();
        for id in members {
            self.reclaim(id, out);
        }
    }

    fn reclaim_for_waiting(&mut self, out: &mut Vec<Command>) {
        let waiting: Vec<ContainerId> = self.waiting.iter().map(|w| w.container).collect();
        let others: Vec<ContainerId> = self
            .pool
            .iter()
            .filter(|id| !waiting.contains(id))
            .collect();
        for id in others {
            if let Some(version) = self.reclaim(id, out) {
                self.outstanding.push((id, version));
            }
        }
    }

    fn reclaim(&mut self, id: ContainerId, out: &mut Vec<Command>) -> Option<u64> {
        let version = self.pool.announce(id)?;
        // An answer to an earlier reclaim tells nothing any more: who waits for
        // it waits for this one.
        for (container, awaited) in &mut self.outstanding {
            if *container == id {
                *awaited = version;
            }
        }
        out.push(Command::Reclaim {
            container: id,
            version,
            margin: self.margin,
        });
        Some(version)
    }

    /// Grants to those waiting, in the order they came, while the pool has
    /// something; denies them when it has nothing and nobody is left to ask.
    fn serve(&mut self, out: &mut Vec<Command>) {
        while let Some(&Waiting { container, event }) = self.waiting.front() {
            let wanted = self.pool.target(container).map(|t| t + self.grant.0);
            match wanted.and_then(|wanted| self.pool.set(container, wanted)) {
                Some((version, limit)) => out.push(Command::SetMemory {
                    container,
                    version,
                    limit: Bytes(limit),
                }),
                None if self.outstanding.is_empty() => {
                    out.push(Command::DenyMemory { container, event });
                }
                None => return,
            }
            self.waiting.pop_front();
        }
    }
}
