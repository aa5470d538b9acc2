//! What hosts and the controller say to each other, as bytes: Protocol Buffers, for
//! gRPC over HTTP/2.
//!
//! A host sends one [`Telemetry`] per period with all that it saw,
//! the controller answers with one [`Orders`] for that host. This is
//! the form only: no sockets, no clocks. What is decoded is checked: a message that
//! names another host, lacks a part or holds a number no host could mean is refused, not
//! believed.
//!
//! - [`message`]: the messages themselves.
//! - `convert`: from and to the core's observations and commands.
//! - [`link`]: the messages that open and keep a connection around them.
//! - [`greeting`]: those, checked: who a host is, and how it is taken in.

pub mod message;

mod convert;

pub mod link;

pub mod greeting;

#[cfg(test)]
mod tests;

use std::fmt;

use prost::Message;
use tidegate_core::{Command, HostId, Observation};

use message::{Event, Order, Orders, Telemetry};

/// A message longer than this is refused unread: 100,000 reports take 4 MB.
pub const MAX_BYTES: usize = 8 << 20;

/// Why bytes are no message of ours, or a message cannot be sent.
#[derive(Clone, Debug, PartialEq)]
pub enum WireError {
    /// Longer than [`MAX_BYTES`].
    TooLong(usize),
    /// No Protocol Buffers message of this kind.
    Malformed(prost::DecodeError),
    /// Of or for another host than the connection's.
    WrongHost(HostId),
    /// A part is missing.
    Missing(&'static str),
    /// A number beyond what there can be: the field, and what it holds.
    OutOfRange(&'static str, u64),
    /// Never travels between hosts and the controller.
    Local(&'static str),
    /// Names something that this side does not know, or cannot read.
    Unknown(&'static str),
}

impl fmt::Display for WireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WireError::TooLong(bytes) => {
                write!(f, "a message has {bytes} bytes, the most is {MAX_BYTES}")
            }
            WireError::Malformed(error) => write!(f, "a message cannot be read: {error}"),
            WireError::WrongHost(host) => write!(f, "a message names host {}", host.0),
            WireError::Missing(part) => write!(f, "a message lacks its {part}"),
            WireError::OutOfRange(field, value) => {
                write!(f, "a message's `{field}` cannot be {value}")
            }
            WireError::Local(what) => write!(f, "{what} does not leave its host"),
            WireError::Unknown(what) => write!(f, "a message's `{what}` is not known here"),
        }
    }
}

impl std::error::Error for WireError {}

/// What `host` saw, as its message number `seq`.
///
/// # Errors
/// When an observation is none that goes to the controller.
pub fn encode_telemetry(
    host: HostId,
    seq: u64,
    seen: &[Observation],
) -> Result<Vec<u8>, WireError> {
    let events = seen.iter().map(Event::new).collect::<Result<_, _>>()?;
    let message = Telemetry {
        host: host.0,
        seq,
        events,
    };
    Ok(message.encode_to_vec())
}

/// The number of a host's message and what it saw.
///
/// # Errors
/// When the bytes are no such message of `host`.
pub fn decode_telemetry(host: HostId, bytes: &[u8]) -> Result<(u64, Vec<Observation>), WireError> {
    let message: Telemetry = decode(bytes)?;
    addressed(host, message.host)?;
    let events = message.events.into_iter();
    let seen = events.map(|event| event.observation(host));
    Ok((message.seq, seen.collect::<Result<_, _>>()?))
}

/// What the controller wants of `host`, as its message number `seq`.
///
/// # Errors
/// When a command is none that goes to a host.
pub fn encode_orders(host: HostId, seq: u64, wanted: &[Command]) -> Result<Vec<u8>, WireError> {
    let orders = wanted.iter().map(Order::new).collect::<Result<_, _>>()?;
    let message = Orders {
        host: host.0,
        seq,
        orders,
    };
    Ok(message.encode_to_vec())
}

/// The number of the controller's message and what it wants of `host`.
///
/// # Errors
/// When the bytes are no such message for `host`.
pub fn decode_orders(host: HostId, bytes: &[u8]) -> Result<(u64, Vec<Command>), WireError> {
    let message: Orders = decode(bytes)?;
    addressed(host, message.host)?;
    let orders = message.orders.into_iter();
    let wanted = orders.map(|order| order.command(host));
    Ok((message.seq, wanted.collect::<Result<_, _>>()?))
}

fn decode<M: Message + Default>(bytes: &[u8]) -> Result<M, WireError> {
    if bytes.len() > MAX_BYTES {
        return Err(WireError::TooLong(bytes.len()));
    }
    M::decode(bytes).map_err(WireError::Malformed)
}

fn addressed(host: HostId, named: u32) -> Result<(), WireError> {
    if named == host.0 {
        Ok(())
    } else {
        Err(WireError::WrongHost(HostId(named)))
    }
}
