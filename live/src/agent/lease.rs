//! What happens without a controller: after a while, safe limits and the kernel's own
//! killer, so that nothing stands still for somebody who is gone.
//!
//! All containers of the host together never get more than they had: what this host may
//! share out is the controller's to say, and others may have the rest by now.

use tidegate_core::{Bytes, ContainerId, Cores, Limits, Span, Time};

use super::host::Host;
use super::link::Notice;
use super::member::Member;
use crate::cgroup::CgroupError;

/// How long the controller's limits hold.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Lease {
    length: Span,
    /// The end, if one is running; none while alone.
    until: Option<Time>,
    alone: bool,
}

impl Lease {
    pub(super) fn begin(&mut self, now: Time, length: Span) {
        *self = Lease {
            length,
            until: Some(now + length),
            alone: false,
        };
    }

    /// Something is to be looked after and no controller has been there yet.
    pub(super) fn wait(&mut self, now: Time, length: Span) {
        if self.until.is_none() && !self.alone {
            self.begin(now, length);
        }
    }

    pub(super) fn next(&self) -> Option<Time> {
        self.until
    }

    pub(super) fn is_alone(&self) -> bool {
        self.alone
    }
}

impl Host {
    /// A sign of life from the controller.
    pub(super) fn heard(&mut self) {
        if !self.in_session {
            return;
        }
        let alone = self.lease.alone;
        self.lease.begin(self.now(), self.lease.length);
        if !alone {
            return;
        }
        let ids: Vec<ContainerId> = self.members.keys().copied().collect();
        for id in ids {
            self.put_limits(id);
        }
        self.tell(Notice::Together);
    }

    pub(super) fn check_lease(&mut self, now: Time) {
        if self.lease.until.is_none_or(|until| now < until) {
            return;
        }
        self.lease.until = None;
        self.lease.alone = true;
        self.each(Member::fall);
        let alone: Vec<&Member> = self.members.values().collect();
        let cpu = raises(&alone.iter().map(|m| m.fall_of_cpu()).collect::<Vec<Fall>>());
        let memory = raises(
            &alone
                .iter()
                .map(|m| m.fall_of_memory())
                .collect::<Vec<Fall>>(),
        );
        let mut raises = cpu.into_iter().zip(memory);
        self.each(|member| {
            let (cpu, memory) = raises.next().unwrap_or_default();
            member.rise(Cores(cpu), Bytes(memory))?;
            member.memory.release(&mut member.group)
        });
        for mut group in std::mem::take(&mut self.found) {
            // Nobody knows it by a number yet, and who waits in it is helped if it stands.
            let _ = group.let_kill();
        }
        self.tell(Notice::Alone);
    }

    /// A container is to be admitted: until then it has the limits it came with, and
    /// its safe ones where it came with none.
    pub(super) fn begin_safe(&mut self, id: ContainerId) {
        let Some(member) = self.members.get_mut(&id) else {
            return;
        };
        let begun = member.begin_safe().and_then(|()| match self.lease.alone {
            true => member.memory.release(&mut member.group),
            false => Ok(()),
        });
        if let Err(error) = begun {
            self.trouble(id, error);
        }
    }

    /// Does something to each container, in their order.
    fn each(&mut self, mut does: impl FnMut(&mut Member) -> Result<(), CgroupError>) {
        let mut troubles = Vec::new();
        for (&id, member) in &mut self.members {
            if let Err(error) = does(member) {
                troubles.push((id, error));
            }
        }
        for (id, error) in troubles {
            self.trouble(id, error);
        }
    }
}

/// One limit of a container that is left alone.
#[derive(Clone, Copy, Debug, Default)]
struct Fall {
    /// As the controller wanted it.
    had: u64,
    /// In force.
    has: u64,
    /// To fall back to.
    safe: u64,
}

/// By how much each limit may be raised: what all together have lost is shared among
/// those that have less than their safe limit, each by what it lacks.
fn raises(all: &[Fall]) -> Vec<u64> {
    let sum = |part: fn(&Fall) -> u64| all.iter().map(|one| u128::from(part(one))).sum::<u128>();
    let lacks: fn(&Fall) -> u64 = |one| one.safe.saturating_sub(one.has);
    let lost = sum(|one| one.had).saturating_sub(sum(|one| one.has));
    let lacking = sum(lacks).max(1);
    let raise = |one| (u128::from(lacks(one)) * lost.min(lacking) / lacking) as u64;
    all.iter().map(raise).collect()
}

impl Member {
    /// Lowers what is above the safe limits. Memory stays as it is where more is used.
    fn fall(&mut self) -> Result<(), CgroupError> {
        let Some((limits, safe)) = self.limits.zip(self.safe).filter(|_| self.admitted) else {
            return Ok(());
        };
        self.group.set_cpu(Some(limits.cpu.min(safe.cpu)))?;
        self.group
            .set_memory(Some(limits.memory.min(safe.memory)))?;
        Ok(())
    }

    /// Raises limits by so much.
    fn rise(&mut self, cpu: Cores, memory: Bytes) -> Result<(), CgroupError> {
        if let Some(has) = self.group.cpu_limit().filter(|_| cpu > Cores::ZERO) {
            self.group.set_cpu(Some(has + cpu))?;
        }
        if let Some(has) = self.group.memory_limit().filter(|_| memory > Bytes::ZERO) {
            self.group.set_memory(Some(has + memory))?;
        }
        Ok(())
    }

    fn fall_of_cpu(&self) -> Fall {
        let has = self.group.cpu_limit().map(|cpu| cpu.0);
        self.fall_of(has, |limits| limits.cpu.0)
    }

    fn fall_of_memory(&self) -> Fall {
        let has = self.group.memory_limit().map(|memory| memory.0);
        self.fall_of(has, |limits| limits.memory.0)
    }

    fn fall_of(&self, has: Option<u64>, of: fn(Limits) -> u64) -> Fall {
        let limits = self.limits.zip(self.safe).filter(|_| self.admitted);
        let fall = limits.zip(has).map(|((limits, safe), has)| Fall {
            had: of(limits),
            has,
            safe: of(safe),
        });
        fall.unwrap_or_default()
    }

    /// Gives the group its safe limits where it has none yet.
    pub(super) fn begin_safe(&mut self) -> Result<(), CgroupError> {
        let Some(safe) = self.safe else {
            return Ok(());
        };
        if !self.out_of_step && self.group.cpu_limit().is_none() {
            self.group.set_cpu(Some(safe.cpu))?;
        }
        if self.group.memory_limit().is_none() {
            self.group.set_memory(Some(safe.memory))?;
        }
        Ok(())
    }

    /// What is left behind at the end: the safe limits, if anything was done to it at
    /// all. Memory stays as it is where more is used.
    pub(super) fn leave(&mut self) -> Result<(), CgroupError> {
        if self.limits.is_some() {
            self.group.set_cpu(self.safe.map(|safe| safe.cpu))?;
            self.group.set_memory(self.safe.map(|safe| safe.memory))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fall(had: u64, has: u64, safe: u64) -> Fall {
        Fall { had, has, safe }
    }

    #[test]
    fn what_some_lose_goes_to_those_who_lack_it() {
        // One falls from 9 to 5; the others lack 4 and 2 of what is safe.
        let all = [fall(9, 5, 5), fall(1, 1, 5), fall(3, 3, 5)];
        assert_eq!(raises(&all), [0, 2, 1]);
        // Enough for all: up to the safe limits and no further.
        let all = [fall(20, 5, 5), fall(1, 1, 5), fall(3, 3, 5)];
        assert_eq!(raises(&all), [0, 4, 2]);
        // Nobody has anything to give.
        assert_eq!(raises(&[fall(1, 1, 5), fall(2, 2, 5)]), [0, 0]);
        // One holds more than it was to have: its memory is in use.
        assert_eq!(
            raises(&[fall(4, 8, 5), fall(6, 5, 5), fall(1, 1, 5)]),
            [0, 0, 0]
        );
    }

    proptest! {
        #[test]
        fn nobody_passes_safe_and_all_together_not_what_they_had(
            all in prop::collection::vec((0..1u64 << 40, 0..1u64 << 40), 0..20)
        ) {
            let all: Vec<Fall> = all.iter().map(|&(had, safe)| fall(had, had.min(safe), safe)).collect();
            let raised = raises(&all);
            let mut sum = 0;
            for (one, raise) in all.iter().zip(&raised) {
                prop_assert!(one.has + raise <= one.safe);
                sum += one.has + raise;
            }
            prop_assert!(sum <= all.iter().map(|one| one.had).sum());
        }
    }
}
