//! A recording played again: to the policy that it was made with, which must answer the
//! same, or to another one.
//!
//! - [`same`]: the same policy, command for command.
//! - [`shadow`]: another policy: what would it have done?

pub mod shadow;

use std::fmt;
use std::io::Read;

use prost::Message;
use tidegate_core::{Allocator, Time};

use crate::record::format::{Call, Entry};
use crate::record::reader::{ReadError, Reader};
use crate::wire::WireError;

/// What was played.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Played {
    /// Calls of the policy.
    pub calls: u64,
    /// Commands that it answered with.
    pub commands: u64,
    /// The time of the last call.
    pub until: Time,
    /// From which byte on the recording's last frame was cut off.
    pub torn: Option<u64>,
}

/// Why a recording could not be played, or was not the same.
#[derive(Debug)]
pub enum ReplayError {
    /// It cannot be read.
    Read(ReadError),
    /// An entry says what nobody could mean.
    Wire(u64, WireError),
    /// The policy answered something else: at which call, its time, what was written down,
    /// and what came.
    Differs(u64, Time, String, String),
}

impl fmt::Display for ReplayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReplayError::Read(error) => error.fmt(f),
            ReplayError::Wire(call, error) => write!(f, "call {call}: {error}"),
            ReplayError::Differs(call, time, written, came) => write!(
                f,
                "call {call}, {:.6} s after the start, is answered differently\n  recorded: \
                 {written}\n  replayed: {came}",
                time.as_secs_f64()
            ),
        }
    }
}

impl std::error::Error for ReplayError {}

impl From<ReadError> for ReplayError {
    fn from(error: ReadError) -> ReplayError {
        ReplayError::Read(error)
    }
}

/// Plays a recording to a fresh `policy` of the kind that it was made with. Each answer
/// must be the one that was written down, byte for byte.
///
/// # Errors
/// When one is not, or the recording cannot be read.
pub fn same<R: Read>(
    reader: &mut Reader<R>,
    policy: &mut dyn Allocator,
) -> Result<Played, ReplayError> {
    let mut played = Played::default();
    let mut out = Vec::new();
    while let Some(entry) = reader.next_entry()? {
        played.calls += 1;
        let number = played.calls;
        let wire = |error| ReplayError::Wire(number, error);
        let now = Time(entry.time);
        out.clear();
        let call = match entry.call.ok_or(wire(WireError::Missing("call")))? {
            Call::Admit(admit) => {
                let mut again = admit;
                let given = policy.admit(now, admit.container());
                (again.cpu, again.memory) = (given.cpu.0, given.memory.0);
                Call::Admit(again)
            }
            Call::Seen(seen) => {
                policy.observe(now, &seen.observation().map_err(wire)?, &mut out);
                Call::Seen(seen)
            }
            Call::Wake(nothing) => {
                policy.wake(now, &mut out);
                Call::Wake(nothing)
            }
            Call::Half(host) => {
                policy.host_half(tidegate_core::HostId(host));
                Call::Half(host)
            }
        };
        let again = Entry::new(entry.time, call, &out).map_err(wire)?;
        if again.encode_to_vec() != entry.encode_to_vec() {
            return Err(ReplayError::Differs(
                number,
                now,
                answer(&entry),
                answer(&again),
            ));
        }
        played.commands += out.len() as u64;
        played.until = now;
    }
    played.torn = reader.torn();
    Ok(played)
}

/// What was answered, for people.
fn answer(entry: &Entry) -> String {
    if let Some(Call::Admit(admit)) = entry.call {
        return format!("{:?}", admit.given());
    }
    match entry.commands() {
        Ok(commands) if commands.is_empty() => "nothing".to_owned(),
        Ok(commands) => format!("{commands:?}"),
        Err(error) => error.to_string(),
    }
}
