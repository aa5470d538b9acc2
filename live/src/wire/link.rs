//! What opens and keeps a connection between a host and the controller, around the
//! [`Telemetry`] and [`Orders`] that travel on it. Field numbers are for ever.

use prost::{Message, Oneof};

use super::message::{Orders, Telemetry};

/// The version of the protocol. Sides of different versions do not talk.
pub const PROTOCOL: u32 = 1;

/// From a host to the controller.
#[derive(Clone, PartialEq, Message)]
pub struct Up {
    /// What.
    #[prost(oneof = "UpKind", tags = "1, 2")]
    pub kind: Option<UpKind>,
}

/// What a host sends.
#[derive(Clone, PartialEq, Oneof)]
pub enum UpKind {
    /// Who it is and which containers stand on it: first on each connection, and again
    /// when one has come.
    #[prost(message, tag = "1")]
    Hello(Hello),
    /// What it saw. An empty one only says that it is there.
    #[prost(message, tag = "2")]
    Telemetry(Telemetry),
}

/// A host says who it is.
#[derive(Clone, PartialEq, Message)]
pub struct Hello {
    /// [`PROTOCOL`].
    #[prost(uint32, tag = "1")]
    pub protocol: u32,
    /// Its number.
    #[prost(uint32, tag = "2")]
    pub host: u32,
    /// Drawn by the agent when it starts: another number is another process, which has
    /// forgotten what the one before it knew.
    #[prost(fixed64, tag = "3")]
    pub agent: u64,
    /// The session it was last welcomed to; 0 if none.
    #[prost(fixed64, tag = "4")]
    pub session: u64,
    /// The containers that stand on it.
    #[prost(message, repeated, tag = "5")]
    pub containers: Vec<Standing>,
}

/// A container as a host finds it.
#[derive(Clone, PartialEq, Message)]
pub struct Standing {
    /// Its name: the service it runs.
    #[prost(string, tag = "1")]
    pub name: String,
    /// The CPU limit in force; nothing where there is none.
    #[prost(uint64, optional, tag = "2")]
    pub cpu: Option<u64>,
    /// The memory limit in force; nothing where there is none.
    #[prost(uint64, optional, tag = "3")]
    pub memory: Option<u64>,
    /// Kills for memory that this agent has seen.
    #[prost(uint64, tag = "4")]
    pub kills: u64,
}

/// From the controller to a host.
#[derive(Clone, PartialEq, Message)]
pub struct Down {
    /// What.
    #[prost(oneof = "DownKind", tags = "1, 2")]
    pub kind: Option<DownKind>,
}

/// What the controller sends.
#[derive(Clone, PartialEq, Oneof)]
pub enum DownKind {
    /// The answer to each [`Hello`].
    #[prost(message, tag = "1")]
    Welcome(Welcome),
    /// What is to change. An empty one only says that the controller is there.
    #[prost(message, tag = "2")]
    Orders(Orders),
}

/// The controller takes a host in.
#[derive(Clone, PartialEq, Message)]
pub struct Welcome {
    /// The session, never 0, that the host is now in. If that is another than the
    /// agent was in, versions and sequence numbers count from 1 anew, and a half of the
    /// policy that runs on the host is replaced.
    #[prost(fixed64, tag = "1")]
    pub session: u64,
    /// When nothing has been heard of the controller for so long, in nanoseconds, it
    /// is gone, and safe limits apply.
    #[prost(uint64, tag = "2")]
    pub lease: u64,
    /// At least so often, in nanoseconds, each side sends something.
    #[prost(uint64, tag = "3")]
    pub beat: u64,
    /// The length of CPU periods, in nanoseconds.
    #[prost(uint64, tag = "4")]
    pub period: u64,
    /// Whether each CPU period's end is to be told to the controller.
    #[prost(bool, tag = "5")]
    pub periods: bool,
    /// Whether each throttle is to be told to the controller.
    #[prost(bool, tag = "6")]
    pub throttles: bool,
    /// The interval of usage samples, in nanoseconds; 0 for none.
    #[prost(uint64, tag = "7")]
    pub sampling: u64,
    /// Whether a container out of memory is to wait for an answer.
    #[prost(bool, tag = "8")]
    pub traps: bool,
    /// The half of the policy that decides on this host, if it has one.
    #[prost(message, optional, tag = "9")]
    pub half: Option<HalfSeed>,
    /// The containers, in the order of the hello.
    #[prost(message, repeated, tag = "10")]
    pub containers: Vec<Admitted>,
}

/// What a half of a policy begins with.
#[derive(Clone, PartialEq, Message)]
pub struct HalfSeed {
    /// Which policy's.
    #[prost(string, tag = "1")]
    pub policy: String,
    /// Its parameters, as JSON.
    #[prost(string, tag = "2")]
    pub config: String,
    /// What it is lent.
    #[prost(uint64, tag = "3")]
    pub share: u64,
    /// What a container starts with that has no limits: CPU.
    #[prost(uint64, tag = "4")]
    pub cpu: u64,
    /// The same of memory.
    #[prost(uint64, tag = "5")]
    pub memory: u64,
}

/// A container that the controller has taken in.
#[derive(Clone, Copy, PartialEq, Message)]
pub struct Admitted {
    /// Its number from now on.
    #[prost(uint32, tag = "1")]
    pub container: u32,
    /// The CPU limit to begin with, unless a half of the policy decides on that.
    #[prost(uint64, tag = "2")]
    pub cpu: u64,
    /// The memory limit to begin with.
    #[prost(uint64, tag = "3")]
    pub memory: u64,
    /// What is kept for it in any case: the CPU limit to fall back to when the
    /// controller is gone.
    #[prost(uint64, tag = "4")]
    pub safe_cpu: u64,
    /// The same of memory.
    #[prost(uint64, tag = "5")]
    pub safe_memory: u64,
}
