//! What a controller and its agent did in a run, read off the recording and counted as
//! the simulator counts it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use tidegate_core::{Bytes, Command, ContainerId, Observation, Span, Time};

use super::error::LocalError;
use crate::record::format::{Call, Entry};
use crate::record::reader::Reader;

/// What they did from the client's beginning on.
#[derive(Clone, Debug, Default)]
pub struct Managed {
    /// What happened to memory.
    pub memory: Vec<MemoryEvent>,
}

/// Something that happened to a container's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemoryEvent {
    /// A command set or reclaimed memory.
    Commanded,
    /// A limit was changed.
    Changed,
    /// A reclaim took so much back.
    Reclaimed(Bytes),
    /// A container that had waited so long goes on.
    Rescued(Span),
    /// A wait ended in a denial.
    Denied,
}

impl Managed {
    /// Reads a recording. `begin` gives the controller's time of the client's beginning
    /// from the one at which the last container had its first limits.
    pub(super) fn read(
        path: &Path,
        begin: impl FnOnce(Time) -> Time,
    ) -> Result<Managed, LocalError> {
        let what = format!("read {}", path.display());
        let wrong = |error: &dyn std::fmt::Display| {
            LocalError::Io(what.clone(), std::io::Error::other(error.to_string()))
        };
        let mut reader = Reader::open(path).map_err(|error| wrong(&error))?;
        let mut books = Books::default();
        while let Some(entry) = reader.next_entry().map_err(|error| wrong(&error))? {
            books.enter(&entry).map_err(|error| wrong(&error))?;
        }
        let begin = begin(books.ready);
        Ok(Managed {
            memory: books
                .memory
                .into_iter()
                .filter(|(time, _)| *time >= begin)
                .map(|(_, event)| event)
                .collect(),
        })
    }
}

/// What happens to memory, as it is written down.
#[derive(Debug, Default)]
struct Books {
    memory: Vec<(Time, MemoryEvent)>,
    /// When the last container started for the first time.
    ready: Time,
    started: BTreeSet<ContainerId>,
    /// Limits in force.
    limits: BTreeMap<ContainerId, Bytes>,
    /// Who waits, since when, and at which limit.
    waits: BTreeMap<ContainerId, (Time, Bytes)>,
    /// Versions of reclaims under way.
    reclaims: BTreeSet<(ContainerId, u64)>,
}

impl Books {
    fn enter(&mut self, entry: &Entry) -> Result<(), crate::wire::WireError> {
        let time = Time(entry.time);
        match entry.call {
            Some(Call::Admit(admit)) => {
                let id = admit.container().id;
                self.limits.insert(id, admit.given().memory);
            }
            Some(Call::Seen(seen)) => self.seen(time, &seen.observation()?),
            _ => {}
        }
        for command in entry.commands()? {
            self.commanded(time, &command);
        }
        Ok(())
    }

    fn commanded(&mut self, time: Time, command: &Command) {
        match *command {
            Command::SetMemory { .. } => self.note(time, MemoryEvent::Commanded),
            Command::Reclaim {
                container, version, ..
            } => {
                self.reclaims.insert((container, version));
                self.note(time, MemoryEvent::Commanded);
            }
            Command::DenyMemory { container, .. } => {
                self.waits.remove(&container);
                self.note(time, MemoryEvent::Denied);
            }
            _ => {}
        }
    }

    fn seen(&mut self, time: Time, what: &Observation) {
        match *what {
            Observation::Started(container) if self.started.insert(container) => {
                self.ready = time;
            }
            Observation::OutOfMemory {
                container, limit, ..
            } => {
                self.waits.entry(container).or_insert((time, limit));
            }
            Observation::Killed(container) => {
                self.waits.remove(&container);
            }
            Observation::MemoryApplied {
                container,
                version,
                limit,
            } => {
                let before = self.limits.insert(container, limit);
                if before != Some(limit) {
                    self.note(time, MemoryEvent::Changed);
                }
                if self.reclaims.remove(&(container, version)) {
                    let back = before.unwrap_or(limit).saturating_sub(limit);
                    self.note(time, MemoryEvent::Reclaimed(back));
                }
                if let Some(&(since, hit)) = self.waits.get(&container)
                    && limit > hit
                {
                    self.waits.remove(&container);
                    self.note(time, MemoryEvent::Rescued(time.since(since)));
                }
            }
            _ => {}
        }
    }

    fn note(&mut self, time: Time, event: MemoryEvent) {
        self.memory.push((time, event));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::record::format::{Admit, Seen};
    use tidegate_core::{Container, Cores, HostId, Limits};

    const WEB: ContainerId = ContainerId(0);

    fn mib(n: u64) -> Bytes {
        Bytes::from_mib(n)
    }

    /// A container that waits for 3 ms at 10 MiB, is granted 12, and later reclaimed to 8.
    fn books() -> Books {
        let mut books = Books::default();
        let mut enter = |time, call, orders: &[Command]| {
            books
                .enter(&Entry::new(time, call, orders).unwrap())
                .unwrap();
        };
        let seen = |what: Observation| Call::Seen(Seen::new(&what).unwrap());
        let applied = |version, limit| {
            seen(Observation::MemoryApplied {
                container: WEB,
                version,
                limit,
            })
        };
        let container = Container {
            id: WEB,
            host: HostId(0),
            requested: None,
        };
        let given = Limits {
            cpu: Cores::new(1),
            memory: mib(10),
        };
        enter(1, Call::Admit(Admit::new(container, given)), &[]);
        enter(5, seen(Observation::Started(WEB)), &[]);
        let out_of_memory = Observation::OutOfMemory {
            container: WEB,
            event: 1,
            first: 1,
            limit: mib(10),
        };
        let grant = Command::SetMemory {
            container: WEB,
            version: 1,
            limit: mib(12),
        };
        enter(1_000_000, seen(out_of_memory), &[grant]);
        enter(4_000_000, applied(1, mib(12)), &[]);
        let reclaim = Command::Reclaim {
            container: WEB,
            version: 2,
            margin: mib(1),
        };
        enter(5_000_000, Call::Wake(0), &[reclaim]);
        enter(6_000_000, applied(2, mib(8)), &[]);
        books
    }

    #[test]
    fn waits_grants_and_reclaims_are_counted_as_they_end() {
        let books = books();
        assert_eq!(books.ready, Time(5));
        let events: Vec<MemoryEvent> = books.memory.iter().map(|(_, event)| *event).collect();
        assert_eq!(
            events,
            [
                MemoryEvent::Commanded,
                MemoryEvent::Changed,
                MemoryEvent::Rescued(Span(3_000_000)),
                MemoryEvent::Commanded,
                MemoryEvent::Changed,
                MemoryEvent::Reclaimed(mib(4)),
            ]
        );
    }
}
