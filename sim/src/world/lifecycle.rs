//! Memory, kills and restarts.

use std::collections::VecDeque;

use tidegate_core::{Bytes, ContainerId, Observation, Span};

use super::{Event, World};

/// Kubernetes restarts a container at once the first time, then after 10 s,
/// doubling up to 5 min ("Pod Lifecycle", restart policy).
const BACK_OFF: Span = Span::from_secs(10);
const BACK_OFF_MAX: Span = Span::from_secs(300);
/// After this long without a kill the back-off begins anew.
const BACK_OFF_FORGOTTEN: Span = Span::from_secs(600);

impl World<'_, '_> {
    /// A container that has just started may already want more than its limit.
    pub(super) fn check_memory(&mut self, container: u32) {
        if self.instances[container as usize].memory.over() {
            self.out_of_memory(container);
        }
    }

    /// A container wants more memory than its limit: the controller is asked,
    /// where there is one that wants to be; else the kernel kills.
    pub(super) fn out_of_memory(&mut self, container: u32) {
        let instance = &mut self.instances[container as usize];
        if instance.oom_waiting {
            return;
        }
        if !self.control.traps_out_of_memory() {
            self.kill(container);
            return;
        }
        instance.oom_waiting = true;
        instance.oom_first = instance.oom_event + 1;
        self.ask_for_memory(container);
    }

    /// The container's processes stand still until the controller answers.
    fn ask_for_memory(&mut self, container: u32) {
        let instance = &mut self.instances[container as usize];
        instance.oom_event += 1;
        let observation = Observation::OutOfMemory {
            container: ContainerId(container),
            event: instance.oom_event,
            first: instance.oom_first,
            limit: Bytes(instance.memory.limit()),
        };
        self.observe(observation);
    }

    /// A memory limit was set, or after a `reclaim` stayed: what waited for memory
    /// goes on, or asks again.
    pub(super) fn memory_written(&mut self, container: u32, reclaim: bool) {
        let instance = &mut self.instances[container as usize];
        if !instance.oom_waiting {
            return;
        }
        if instance.memory.over() {
            if !reclaim {
                instance.oom_first = instance.oom_event + 1;
            }
            self.ask_for_memory(container);
            return;
        }
        self.recorder.oom_rescues += 1;
        self.resume(container);
    }

    /// What waited for memory goes on.
    fn resume(&mut self, container: u32) {
        self.instances[container as usize].oom_waiting = false;
        let stalled = std::mem::take(&mut self.instances[container as usize].stalled);
        for frame in stalled {
            if self.is_stalled(frame) {
                self.run_segment(frame, container);
            }
        }
    }

    /// The controller has nothing for the container that waits.
    pub(super) fn memory_denied(&mut self, container: u32, event: u64) {
        let instance = &self.instances[container as usize];
        if !instance.oom_waiting || event < instance.oom_first || event > instance.oom_event {
            return;
        }
        // The kernel tries once more before it kills: others may have left.
        if instance.memory.over() {
            self.kill(container);
        } else {
            self.resume(container);
        }
    }

    /// The kernel kills a container's processes: what they were doing fails, and
    /// the platform restarts them.
    fn kill(&mut self, container: u32) {
        let now = self.queue.now();
        self.recorder.oom_kills += 1;
        self.machine.kill(now, container, &mut self.queue);
        let instance = &mut self.instances[container as usize];
        instance.oom_kills += 1;
        instance.oom_waiting = false;
        instance.up = false;
        instance.stalled.clear();
        instance.background_runs = false;
        instance.background_work = 0;
        instance.memory.exit();
        if now.since(instance.started) >= BACK_OFF_FORGOTTEN {
            instance.restarts = 0;
        }
        let mut delay = instance.service.runtime.start_time;
        if instance.restarts > 0 {
            let doublings = (instance.restarts - 1).min(10);
            delay += Span((BACK_OFF.0 << doublings).min(BACK_OFF_MAX.0));
        }
        instance.restarts += 1;
        self.queue.after(delay, Event::Restart { container });
        self.fail_calls(container);
        self.observe(Observation::Killed(ContainerId(container)));
    }

    /// A killed container is back.
    pub(super) fn restart(&mut self, container: u32) {
        let now = self.queue.now();
        let instance = &mut self.instances[container as usize];
        instance.up = true;
        instance.started = now;
        instance.served = 0;
        instance.memory.restart();
        let threads = instance.service.runtime.threads;
        instance.idle_threads = (0..threads).map(|n| n as u16).collect::<VecDeque<u16>>();
        self.check_memory(container);
        self.serve_waiting(container);
    }
}
