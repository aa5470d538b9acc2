//! Static limits: what a container is admitted with is what it keeps.
//!
//! This is the baseline every other policy is measured against. Where the
//! limits come from (a profiling run, a published configuration) is the
//! caller's affair.

use crate::allocator::{Allocator, Limits};
use crate::command::Command;
use crate::observation::{Container, Observation};
use crate::units::Time;

/// Admits each container with its own limits and never changes them.
#[derive(Clone, Debug)]
pub struct Fixed {
    limits: Vec<Limits>,
}

impl Fixed {
    /// The limits of each container, indexed by
    /// [`ContainerId`](crate::ContainerId).
    pub fn new(limits: Vec<Limits>) -> Fixed {
        Fixed { limits }
    }
}

impl Allocator for Fixed {
    /// # Panics
    ///
    /// If the container asks for no limits and none were given for it.
    fn admit(&mut self, _now: Time, container: Container) -> Limits {
        container.wanted(&self.limits)
    }

    fn observe(&mut self, _now: Time, _what: &Observation, _out: &mut Vec<Command>) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::{ContainerId, HostId};
    use crate::units::{Bytes, Cores};

    fn container(id: u32) -> Container {
        Container {
            id: ContainerId(id),
            host: HostId(0),
            requested: None,
        }
    }

    fn limits(n: u64) -> Limits {
        Limits {
            cpu: Cores::new(n),
            memory: Bytes::from_mib(n),
        }
    }

    #[test]
    fn each_container_gets_its_own_limits() {
        let mut fixed = Fixed::new(vec![limits(1), limits(2)]);
        assert_eq!(fixed.admit(Time::ZERO, container(1)), limits(2));
        assert_eq!(fixed.admit(Time::ZERO, container(0)), limits(1));
    }

    #[test]
    fn nothing_is_ever_commanded_or_asked_for() {
        let mut fixed = Fixed::new(vec![limits(1)]);
        let id = ContainerId(0);
        fixed.admit(Time::ZERO, container(0));
        let mut out = Vec::new();
        for what in [
            Observation::Started(id),
            Observation::Usage {
                container: id,
                seq: 1,
                cpu: Cores::new(1),
                memory: Bytes::from_mib(1),
            },
            Observation::Killed(id),
            Observation::Stopped(id),
        ] {
            fixed.observe(Time::ZERO, &what, &mut out);
        }
        fixed.wake(Time::ZERO, &mut out);
        assert!(out.is_empty());
        assert_eq!(fixed.next_wake(), None);
        assert_eq!(fixed.sampling(), None);
        assert!(!fixed.wants_periods() && !fixed.traps_out_of_memory());
    }

    #[test]
    #[should_panic(expected = "container 1 has no limits to start with")]
    fn a_container_without_limits_is_a_mistake() {
        Fixed::new(vec![limits(1)]).admit(Time::ZERO, container(1));
    }
}
