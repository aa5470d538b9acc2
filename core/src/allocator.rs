//! The interface of a policy that sets container limits.

use crate::command::Command;
use crate::half::Half;
use crate::observation::{Container, HostId, Observation};
use crate::units::{Bytes, Cores, Span, Time};

/// The limits a container starts with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// CPU limit.
    pub cpu: Cores,
    /// Memory limit.
    pub memory: Bytes,
}

impl Limits {
    /// Nothing of either.
    pub const NONE: Limits = Limits {
        cpu: Cores::ZERO,
        memory: Bytes::ZERO,
    };
}

/// What a policy promises of the limits in force on hosts, for whoever checks it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bounds {
    /// The sum of CPU limits is never above this.
    pub cpu: Option<Cores>,
    /// The sum of memory limits is never above this.
    pub memory: Option<Bytes>,
    /// No CPU limit falls below this, or below what the container was admitted
    /// with if that is less.
    pub floor: Cores,
}

/// Sets container limits. One implementation per policy.
///
/// The world calls [`admit`](Allocator::admit) once per container before it
/// starts (again after [`Observation::Lost`]), then [`observe`](Allocator::observe) for each thing that happens and
/// [`wake`](Allocator::wake) when the time of
/// [`next_wake`](Allocator::next_wake) has come. `now` never goes back.
/// Decisions are appended to `out`, in the order in which they must be sent.
pub trait Allocator {
    /// Registers a container and says with which limits it starts.
    fn admit(&mut self, now: Time, container: Container) -> Limits;

    /// One thing that happened.
    fn observe(&mut self, now: Time, what: &Observation, out: &mut Vec<Command>);

    /// When [`wake`](Allocator::wake) must be called next, if at all.
    fn next_wake(&self) -> Option<Time> {
        None
    }

    /// The time of [`next_wake`](Allocator::next_wake) has come.
    fn wake(&mut self, now: Time, out: &mut Vec<Command>) {
        let _ = (now, out);
    }

    /// Whether this policy wants each CPU period's end
    /// ([`Observation::Period`]). Telemetry nobody reads is not sent.
    fn wants_periods(&self) -> bool {
        false
    }

    /// Whether this policy wants to be told of each throttle when it happens
    /// ([`Observation::Throttled`]).
    fn wants_throttles(&self) -> bool {
        false
    }

    /// What this policy promises.
    fn bounds(&self) -> Bounds {
        Bounds::default()
    }

    /// The half of this policy that decides on `host`, if it has one. It is a
    /// machine like this one: it admits the host's containers (their CPU limits
    /// are then its), sees their CPU, and answers with commands for that host and
    /// [`Command::Report`] for the controller, which it hears through
    /// [`Observation::Share`]. Asked for again when a host that was lost is back:
    /// the new half knows nothing of the old one, and what was on its way to that
    /// is not delivered.
    fn host_half(&mut self, host: HostId) -> Option<Half> {
        let _ = host;
        None
    }

    /// At which interval this policy wants [`Observation::Usage`] samples.
    fn sampling(&self) -> Option<Span> {
        None
    }

    /// Whether this policy wants to be asked before a container is killed for
    /// its memory ([`Observation::OutOfMemory`]). Where it does not, the kernel
    /// kills at once.
    fn traps_out_of_memory(&self) -> bool {
        false
    }
}
