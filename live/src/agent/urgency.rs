//! Who comes first when the host is busy.

use thread_priority::ThreadPriority;
use thread_priority::unix::{
    RealtimeThreadSchedulePolicy, ScheduleParams, ThreadSchedulePolicy,
    set_thread_priority_and_policy, thread_native_id,
};

/// Before all that is not real-time itself; after what is and says a number.
const REAL_TIME: i32 = 1;

/// How an agent stands to what else runs on its host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Urgency {
    /// Before all of it: a grant that waits behind the load it is for comes too late.
    /// With a real-time priority where that is allowed, else with the best nice value;
    /// where neither is, as anybody.
    First,
    /// As anybody.
    Normal,
}

impl Urgency {
    /// Gives the current thread this urgency, as far as it is allowed to, and timers that
    /// are exact to the nanosecond. For a controller on a host with load, too.
    pub fn apply(self) {
        let exact = std::num::NonZeroU64::new(1);
        let _ = rustix::thread::set_current_timer_slack(exact);
        if self == Urgency::Normal {
            return;
        }
        let policy = ThreadSchedulePolicy::Realtime(RealtimeThreadSchedulePolicy::Fifo);
        let first = ThreadPriority::from_posix(ScheduleParams {
            sched_priority: REAL_TIME,
        });
        if set_thread_priority_and_policy(thread_native_id(), first, policy).is_err() {
            let thread = rustix::thread::gettid();
            let _ = rustix::process::setpriority_process(Some(thread), -20);
        }
    }
}
