//! What a process does, step by step, and the names of what its steps need.

use std::collections::VecDeque;

use tidegate_core::{Span, Time};

/// A station, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StationId(pub(super) usize);

/// A gate, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct GateId(pub(super) usize);

/// A meter, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MeterId(pub(super) usize);

/// Which gate a step means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gate {
    /// This one.
    One(GateId),
    /// One of `count` gates from `first` on: the one that the permit held at `by`,
    /// counted from `offset`, falls on in turn.
    InTurn {
        first: GateId,
        count: usize,
        by: GateId,
        offset: usize,
    },
}

/// How much work a step is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Amount {
    /// So much, at one unit of capacity.
    Fixed(Span),
    /// `base`, and `each` for every pair of a process that waits at `gate` and a
    /// permit it has given out, as they are when the work begins.
    PerPair {
        gate: GateId,
        base: Span,
        each: Span,
    },
}

/// One step of a process.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Step {
    /// Time passes.
    Wait(Span),
    /// Work at a station, on at most `width` units of its capacity at a time.
    Work {
        station: StationId,
        amount: Amount,
        width: f64,
    },
    /// Takes a permit, first come, first served; goes through `fresh` if the
    /// permit was never taken before (a connection to open, an instance to start).
    Acquire { gate: Gate, fresh: Vec<Step> },
    /// Gives the permit back.
    Release { gate: Gate },
    /// Steps that may have to be done again.
    Try(Attempts),
    /// Ends an attempt that began then; `Try` puts it there.
    Tried { attempts: Attempts, since: Time },
    /// All branches, at the same time; goes on when the last has ended.
    All(Vec<Vec<Step>>),
    /// Time passes in which the process counts at `meter`; if others did at its
    /// beginning or end, `late` passes too.
    Race {
        meter: MeterId,
        takes: Span,
        late: Span,
    },
    /// A meter goes up or down.
    Meter { meter: MeterId, change: f64 },
    /// Tells whoever drives the flow.
    Note(Mark),
}

/// Attempts at the same thing, one after the other until one succeeds.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Attempts {
    /// The steps of each, and whether it fails if it meets `busy`.
    pub(crate) each: VecDeque<(Vec<Step>, bool)>,
    /// When others are at work that an attempt can clash with.
    pub(crate) busy: Busy,
    /// From a failure to the next attempt.
    pub(crate) pause: Span,
    /// What the process does instead of all that follows when the last has failed.
    pub(crate) given_up: Vec<Step>,
}

/// Times in which something goes on, again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Busy {
    /// How far it is into its cycle at time zero; a cycle begins with it.
    pub(crate) phase: Span,
    /// How long it lasts.
    pub(crate) lasting: Span,
    /// From one beginning to the next; above zero.
    pub(crate) every: Span,
}

impl Busy {
    /// Whether it goes on at some time from `since` until `now`.
    pub(crate) fn meets(self, since: Time, now: Time) -> bool {
        let into = (since.0 + self.phase.0) % self.every.0.max(1);
        into < self.lasting.0 || into + now.since(since).0 >= self.every.0
    }
}

/// What a note says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    /// The work done last was begun at that time.
    Began(u32),
    /// It is reached now.
    Now(u32),
}

/// A note, when it was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Note {
    /// The process, as its starter called it.
    pub(crate) tag: u64,
    /// What the step said.
    pub(crate) what: u32,
    /// When.
    pub(crate) time: Time,
}
