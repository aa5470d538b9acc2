//! The content of frames. Field numbers are for ever; what travels between hosts and the
//! controller is written down as it travels.

use prost::{Message, Oneof};
use tidegate_core::{Bytes, Command, Container, ContainerId, Cores, HostId, Limits, Observation};

use crate::wire::WireError;
use crate::wire::message::{Event, Order};

/// The first bytes of a recording.
pub const MAGIC: [u8; 8] = *b"TIDEREC\n";
/// The version of the format.
pub const VERSION: u32 = 1;
/// The longest content of a frame: a header with a hundred thousand names.
pub const LONGEST: usize = 32 << 20;

/// What was recorded.
#[derive(Clone, PartialEq, Message)]
pub struct Header {
    /// [`VERSION`].
    #[prost(uint32, tag = "1")]
    pub version: u32,
    /// The program that recorded.
    #[prost(string, tag = "2")]
    pub program: String,
    /// The scenario file, as it was named.
    #[prost(string, tag = "3")]
    pub scenario: String,
    /// The arguments that chose the cell, as they were given.
    #[prost(string, repeated, tag = "4")]
    pub filters: Vec<String>,
    /// The changes to the scenario, as they were given.
    #[prost(string, repeated, tag = "5")]
    pub sets: Vec<String>,
    /// SHA-256 of all that decides what the policy does.
    #[prost(string, tag = "6")]
    pub hash: String,
    /// The application's containers, by number.
    #[prost(string, repeated, tag = "7")]
    pub containers: Vec<String>,
    /// The length of CPU periods, in nanoseconds.
    #[prost(uint64, tag = "8")]
    pub period: u64,
}

/// One call of the policy, and what it answered.
#[derive(Clone, PartialEq, Message)]
pub struct Entry {
    /// When, in nanoseconds since the controller's start.
    #[prost(uint64, tag = "1")]
    pub time: u64,
    /// The call.
    #[prost(oneof = "Call", tags = "2, 3, 4, 5")]
    pub call: Option<Call>,
    /// The commands that it answered with, in order.
    #[prost(message, repeated, tag = "6")]
    pub orders: Vec<Order>,
    /// The hosts of those commands that are to hosts, in order.
    #[prost(uint32, repeated, tag = "7")]
    pub hosts: Vec<u32>,
}

/// A call of the policy.
#[derive(Clone, Copy, PartialEq, Oneof)]
pub enum Call {
    /// A container asked to be admitted.
    #[prost(message, tag = "2")]
    Admit(Admit),
    /// Something was seen.
    #[prost(message, tag = "3")]
    Seen(Seen),
    /// It was woken: the number means nothing.
    #[prost(uint32, tag = "4")]
    Wake(u32),
    /// It was asked for its half on a host.
    #[prost(uint32, tag = "5")]
    Half(u32),
}

/// Something was seen.
#[derive(Clone, Copy, PartialEq, Message)]
pub struct Seen {
    /// What.
    #[prost(message, optional, tag = "1")]
    pub event: Option<Event>,
    /// On which host, where the event does not say it.
    #[prost(uint32, tag = "2")]
    pub host: u32,
}

/// A container asked to be admitted.
#[derive(Clone, Copy, PartialEq, Message)]
pub struct Admit {
    /// Who.
    #[prost(uint32, tag = "1")]
    pub container: u32,
    /// Where it stands.
    #[prost(uint32, tag = "2")]
    pub host: u32,
    /// The CPU it asked for.
    #[prost(uint64, optional, tag = "3")]
    pub wanted_cpu: Option<u64>,
    /// The memory it asked for.
    #[prost(uint64, optional, tag = "4")]
    pub wanted_memory: Option<u64>,
    /// The CPU it was given.
    #[prost(uint64, tag = "5")]
    pub cpu: u64,
    /// The memory it was given.
    #[prost(uint64, tag = "6")]
    pub memory: u64,
}

impl Admit {
    /// `container` asked, and got `given`.
    pub fn new(container: Container, given: Limits) -> Admit {
        Admit {
            container: container.id.0,
            host: container.host.0,
            wanted_cpu: container.requested.map(|limits| limits.cpu.0),
            wanted_memory: container.requested.map(|limits| limits.memory.0),
            cpu: given.cpu.0,
            memory: given.memory.0,
        }
    }

    /// Who asked.
    pub fn container(&self) -> Container {
        let requested = self.wanted_cpu.zip(self.wanted_memory);
        Container {
            id: ContainerId(self.container),
            host: HostId(self.host),
            requested: requested.map(|(cpu, memory)| Limits {
                cpu: Cores(cpu),
                memory: Bytes(memory),
            }),
        }
    }

    /// What it got.
    pub fn given(&self) -> Limits {
        Limits {
            cpu: Cores(self.cpu),
            memory: Bytes(self.memory),
        }
    }
}

impl Seen {
    /// An observation as it is written down.
    ///
    /// # Errors
    /// When it never reaches a controller.
    pub fn new(what: &Observation) -> Result<Seen, WireError> {
        Ok(Seen {
            event: Some(Event::new(what)?),
            host: match what {
                Observation::HostReport(report) => report.host.0,
                _ => 0,
            },
        })
    }

    /// The observation.
    ///
    /// # Errors
    /// When there is none in it.
    pub fn observation(self) -> Result<Observation, WireError> {
        let event = self.event.ok_or(WireError::Missing("event"))?;
        event.observation(HostId(self.host))
    }
}

impl Entry {
    /// An entry with what was answered.
    ///
    /// # Errors
    /// When a command is none of a controller's.
    pub fn new(time: u64, call: Call, answer: &[Command]) -> Result<Entry, WireError> {
        let hosts = answer.iter().filter_map(|command| match command {
            Command::Lend(share) => Some(share.host.0),
            _ => None,
        });
        Ok(Entry {
            time,
            call: Some(call),
            hosts: hosts.collect(),
            orders: answer.iter().map(Order::new).collect::<Result<_, _>>()?,
        })
    }

    /// The commands.
    ///
    /// # Errors
    /// When one says what no controller could mean.
    pub fn commands(&self) -> Result<Vec<Command>, WireError> {
        let mut hosts = self.hosts.iter();
        let orders = self.orders.iter();
        orders
            .map(|order| match order.command(HostId(0))? {
                Command::Lend(mut share) => {
                    share.host = HostId(*hosts.next().ok_or(WireError::Missing("host"))?);
                    Ok(Command::Lend(share))
                }
                command => Ok(command),
            })
            .collect()
    }
}
