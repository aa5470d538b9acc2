//! The kernel's periods, brought in step with the agent's.
//!
//! The kernel counts each group's periods from an instant of the group's own. The agent
//! reads all groups at once, in one turn and one message per period; read in the middle
//! of a group's period, what it used would belong to two. So a group that has had no CPU
//! limit yet is made to begin its periods where the agent does; it gets its first limit
//! then, at most a period after it was added. Both run on the same clock
//! (`CLOCK_MONOTONIC`), so they stay in step. A group that comes with a limit keeps its
//! own instant: what is reported of it is of the 100 ms before the reading, and not of
//! one of its periods.

use tidegate_core::{ContainerId, Span};

use super::host::Host;
use crate::cgroup::PERIOD;

/// The groups begin their periods within 1 ms after this, as the kernel's clock counts
/// multiples of a period...
const BEGIN: Span = Span(PERIOD.0 - 200_000);
/// ... and are read this long after such a multiple: when all of them have ended. What is
/// used in between, up to 1.2 ms, is told of the period before.
pub(super) const READ_AFTER: Span = Span::from_millis(1);

impl Host {
    /// A container was added: its group's periods are to begin with the agent's.
    pub(super) fn bring_in_step(&mut self, id: ContainerId) {
        let now = self.now();
        let next = self.config.clock.next_multiple(now, PERIOD, BEGIN);
        let member = self.members.get_mut(&id);
        if let Some(member) = member.filter(|member| member.group.cpu_limit().is_none()) {
            member.out_of_step = true;
            self.next_step = Some(self.next_step.map_or(next, |time| time.min(next)));
        }
    }

    /// It is time to begin a period. Who was waiting for it gets its limits.
    pub(super) fn step(&mut self) {
        self.next_step = None;
        let mut begun = Vec::new();
        for (&id, member) in &mut self.members {
            if std::mem::take(&mut member.out_of_step) {
                begun.push((id, member.group.begin_periods()));
            }
        }
        for (id, result) in begun {
            // Out of step it is of use, too.
            if let Err(error) = result {
                self.trouble(id, error);
            }
            let member = self.members.get_mut(&id);
            match member.and_then(|member| member.admission.take()) {
                Some(limits) => self.admitted(id, limits),
                None => self.begin_safe(id),
            }
        }
    }
}
