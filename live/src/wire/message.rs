//! The messages. Field numbers are for ever: a new field gets a new one.
//!
//! CPU is in billionths of a core, time in nanoseconds, memory in bytes, as in the core.

use prost::{Message, Oneof};

/// From a host to the controller: all it saw in one period.
#[derive(Clone, PartialEq, Message)]
pub struct Telemetry {
    /// Who says it.
    #[prost(uint32, tag = "1")]
    pub host: u32,
    /// Counts this host's messages from 1.
    #[prost(uint64, tag = "2")]
    pub seq: u64,
    /// In the order in which it happened.
    #[prost(message, repeated, tag = "3")]
    pub events: Vec<Event>,
}

/// One thing a host saw.
#[derive(Clone, Copy, PartialEq, Message)]
pub struct Event {
    /// What.
    #[prost(oneof = "What", tags = "1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11")]
    pub what: Option<What>,
}

/// The kinds of events: the core's `Observation`.
#[derive(Clone, Copy, PartialEq, Oneof)]
pub enum What {
    /// A CPU period ended.
    #[prost(message, tag = "1")]
    Period(Period),
    /// A quota is in force.
    #[prost(message, tag = "2")]
    CpuApplied(Applied),
    /// A memory limit is in force.
    #[prost(message, tag = "3")]
    MemoryApplied(Applied),
    /// A container waits for memory.
    #[prost(message, tag = "4")]
    OutOfMemory(OutOfMemory),
    /// A usage sample.
    #[prost(message, tag = "5")]
    Usage(Usage),
    /// A container stands still.
    #[prost(message, tag = "6")]
    Throttled(Throttled),
    /// A container runs.
    #[prost(uint32, tag = "7")]
    Started(u32),
    /// A container has gone.
    #[prost(uint32, tag = "8")]
    Stopped(u32),
    /// A container was killed for its memory.
    #[prost(uint32, tag = "9")]
    Killed(u32),
    /// What the half of the policy on this host holds and needs.
    #[prost(message, tag = "10")]
    Half(Half),
    /// A container was lost with its host.
    #[prost(uint32, tag = "11")]
    Lost(u32),
}

/// The end of a container's CPU period.
#[derive(Clone, Copy, PartialEq, Message)]
pub struct Period {
    /// Whose.
    #[prost(uint32, tag = "1")]
    pub container: u32,
    /// Counts the container's reports from 1.
    #[prost(uint64, tag = "2")]
    pub seq: u64,
    /// The limit that was in force.
    #[prost(uint64, tag = "3")]
    pub quota: u64,
    /// Left of it.
    #[prost(uint64, tag = "4")]
    pub unused: u64,
    /// CPU time used.
    #[prost(uint64, tag = "5")]
    pub usage: u64,
    /// Throttled periods so far.
    #[prost(uint64, tag = "6")]
    pub nr_throttled: u64,
}

/// The answer to an order that set a limit.
#[derive(Clone, Copy, PartialEq, Message)]
pub struct Applied {
    /// Whose limit.
    #[prost(uint32, tag = "1")]
    pub container: u32,
    /// The version of the order.
    #[prost(uint64, tag = "2")]
    pub version: u64,
    /// The memory limit in force; nothing for CPU, whose orders are never refused.
    #[prost(uint64, tag = "3")]
    pub limit: u64,
}

/// A container about to be killed.
#[derive(Clone, Copy, PartialEq, Message)]
pub struct OutOfMemory {
    /// Who waits.
    #[prost(uint32, tag = "1")]
    pub container: u32,
    /// Counts its events from 1.
    #[prost(uint64, tag = "2")]
    pub event: u64,
    /// The limit it hit.
    #[prost(uint64, tag = "3")]
    pub limit: u64,
    /// The first event of this wait.
    #[prost(uint64, tag = "4")]
    pub first: u64,
}

/// What a container uses.
#[derive(Clone, Copy, PartialEq, Message)]
pub struct Usage {
    /// Who.
    #[prost(uint32, tag = "1")]
    pub container: u32,
    /// Counts its samples from 1.
    #[prost(uint64, tag = "2")]
    pub seq: u64,
    /// Mean CPU since the last sample.
    #[prost(uint64, tag = "3")]
    pub cpu: u64,
    /// Memory now.
    #[prost(uint64, tag = "4")]
    pub memory: u64,
}

/// A container that has used up its quota.
#[derive(Clone, Copy, PartialEq, Message)]
pub struct Throttled {
    /// Who.
    #[prost(uint32, tag = "1")]
    pub container: u32,
    /// Counts its throttles from 1.
    #[prost(uint64, tag = "2")]
    pub seq: u64,
    /// CPU time used in this period.
    #[prost(uint64, tag = "3")]
    pub used: u64,
}

/// What the half of the policy on a host holds and needs.
#[derive(Clone, Copy, PartialEq, Message)]
pub struct Half {
    /// Counts its reports from 1.
    #[prost(uint64, tag = "1")]
    pub seq: u64,
    /// The newest share it has seen.
    #[prost(uint64, tag = "2")]
    pub version: u64,
    /// What it can hand out.
    #[prost(uint64, tag = "3")]
    pub share: u64,
    /// What it needs.
    #[prost(uint64, tag = "4")]
    pub wanted: u64,
}

/// From the controller to a host.
#[derive(Clone, PartialEq, Message)]
pub struct Orders {
    /// For whom.
    #[prost(uint32, tag = "1")]
    pub host: u32,
    /// Counts the messages to this host from 1.
    #[prost(uint64, tag = "2")]
    pub seq: u64,
    /// In the order in which they are to be carried out.
    #[prost(message, repeated, tag = "3")]
    pub orders: Vec<Order>,
}

/// One change a host is asked to make.
#[derive(Clone, Copy, PartialEq, Message)]
pub struct Order {
    /// Which.
    #[prost(oneof = "Change", tags = "1, 2, 3, 4, 5, 6")]
    pub change: Option<Change>,
}

/// The kinds of changes: the core's `Command`.
#[derive(Clone, Copy, PartialEq, Oneof)]
pub enum Change {
    /// Set the CPU limit.
    #[prost(message, tag = "1")]
    Cpu(Set),
    /// Set the memory limit.
    #[prost(message, tag = "2")]
    Memory(Set),
    /// Shrink the memory limit to what is used and this much more.
    #[prost(message, tag = "3")]
    Reclaim(Set),
    /// There is no memory: `version` is the event answered, `amount` nothing.
    #[prost(message, tag = "4")]
    Deny(Set),
    /// The host's share of the application's CPU: `container` is nothing.
    #[prost(message, tag = "5")]
    Share(Set),
    /// Evict the container's pod: `amount` is nothing.
    #[prost(message, tag = "6")]
    Restart(Set),
}

/// A number for a container.
#[derive(Clone, Copy, PartialEq, Message)]
pub struct Set {
    /// Whose.
    #[prost(uint32, tag = "1")]
    pub container: u32,
    /// Grows with each order of its kind.
    #[prost(uint64, tag = "2")]
    pub version: u64,
    /// How much.
    #[prost(uint64, tag = "3")]
    pub amount: u64,
}
