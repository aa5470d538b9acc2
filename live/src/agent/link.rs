//! What the agent is told and what it tells: the interface of the network and of
//! whoever starts containers. See [`agent`](crate::agent) for who says what when.

use tidegate_core::{Allocator, Command, Container, ContainerId, Limits, Observation, Span};

use crate::bpf::BpfError;
use crate::cgroup::{CgroupError, Group};

/// Makes the policy's half for this host, on the agent's thread.
///
/// Of what [`Allocator::host_half`] gave at the controller: see
/// [`Half::start`](tidegate_core::Half::start).
pub type MakeHalf = Box<dyn FnOnce() -> Option<Box<dyn Allocator>> + Send>;

/// A container to look after.
#[derive(Debug)]
pub struct Registration {
    /// Its name, unique for the length of a run.
    pub id: ContainerId,
    /// Its control group; processes may be in it already or enter it later
    /// ([`Group::enter`]).
    pub group: Group,
    /// The limits its own specification asks for, handed to the controller.
    pub requested: Option<Limits>,
    /// The limits to fall back to while there is no controller, as far as all containers
    /// of this host together then have no more than before; and the limits it is left
    /// with in the end. `None`: it keeps what it has, and is left without a limit.
    pub safe: Option<Limits>,
    /// Whether the group is removed, with what still runs in it, when the agent gives
    /// the container up or ends. Else it stays, under its safe limits.
    pub owned: bool,
}

/// What a policy wants of a host: as its [`Allocator`] says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wants {
    /// [`Allocator::wants_periods`].
    pub periods: bool,
    /// [`Allocator::wants_throttles`].
    pub throttles: bool,
    /// [`Allocator::sampling`].
    pub sampling: Option<Span>,
    /// [`Allocator::traps_out_of_memory`].
    pub traps_out_of_memory: bool,
}

impl Wants {
    /// What `allocator` wants.
    pub fn of(allocator: &dyn Allocator) -> Wants {
        Wants {
            periods: allocator.wants_periods(),
            throttles: allocator.wants_throttles(),
            sampling: allocator.sampling(),
            traps_out_of_memory: allocator.traps_out_of_memory(),
        }
    }
}

/// The time with one controller, which knows nothing of what was before: versions,
/// sequence numbers and the half on the host begin anew. A controller that only lost its
/// connection goes on with the session it had.
pub struct Session {
    /// What its policy wants.
    pub wants: Wants,
    /// Its policy's half for this host, if it has one.
    pub half: Option<MakeHalf>,
    /// How long the agent keeps limits without a sign of life from it.
    pub lease: Span,
}

/// What the agent is told.
pub enum Request {
    /// Look after a container.
    Add(Box<Registration>),
    /// A group that an agent before this one may have left with the kernel's killer off,
    /// and that nobody has named yet. Should no session begin within
    /// [the lease](super::Config::lease), the kernel may kill in it again.
    Found(Box<Group>),
    /// A container is gone, or no longer the agent's.
    Remove(ContainerId),
    /// A container that was evicted or killed runs again, in the group it had.
    Restarted(ContainerId),
    /// From the controller: it begins. Sent once the connection can carry answers.
    Session(Session),
    /// From the controller: the answer to [`Notice::Admit`].
    Admitted(ContainerId, Limits),
    /// From the controller: commands, in this order.
    Commands(Vec<Command>),
    /// From the controller: it is there.
    Heard,
}

/// What the agent tells.
#[derive(Debug)]
pub enum Notice {
    /// To the controller: admit this container. Where it had limits from an earlier
    /// session it asks for those, so that a new controller leaves them as they are.
    Admit(Container),
    /// To the controller: what was seen, in this order. Once per period the ends of all
    /// containers' periods in one batch; what cannot wait at once.
    Seen(Vec<Observation>),
    /// To the platform that runs the container: the policy has evicted it
    /// ([`Command::Restart`]), its processes are gone. Start it again, then send
    /// [`Request::Restarted`].
    Evicted(ContainerId),
    /// The kernel does not tell of throttles, though
    /// [a program](super::Config::throttle_program) that would was given: they are found
    /// by sampling. Said once, at the agent's start.
    Sampling(BpfError),
    /// The lease is over, or nobody came: no limit is above its safe one, all together are
    /// not above what they were, and the kernel may kill.
    Alone,
    /// A sign of life after that: the controller's limits are in force again.
    Together,
    /// A container's group did not do what it should. One that is gone is given up
    /// (`Observation::Stopped` is seen).
    Trouble(ContainerId, CgroupError),
}
