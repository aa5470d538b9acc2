//! Memory, kills and restarts.

use std::collections::VecDeque;

use tidegate_core::{Bytes, ContainerId, Observation, Span};

use crate::watch::Rare;

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
        instance.oom_asked_again = false;
        instance.oom_since = self.queue.now();
        instance.oom_first = instance.oom_event + 1;
        if self.faults.controller_down {
            self.watch.count(Rare::OomControllerDown);
        }
        self.ask_for_memory(container);
    }

    /// Sends a waiting container's out-of-memory event under a new number. Its
    /// processes stand still until the controller answers.
    fn ask_for_memory(&mut self, container: u32) {
        let instance = &mut self.instances[container as usize];
        instance.oom_event += 1;
        let event = instance.oom_event;
        let observation = Observation::OutOfMemory {
            container: ContainerId(container),
            event,
            first: instance.oom_first,
            limit: Bytes(instance.memory.limit()),
        };
        self.observe(observation);
        let event = event as u32;
        let oom = &self.experiment.testbed.oom;
        let again = self.queue.now() + oom.repeat;
        let patience = self.instances[container as usize].oom_since + oom.patience;
        self.queue
            .at(again.min(patience), Event::AskAgain { container, event });
    }

    /// Nobody has answered out-of-memory event number `event`, if it is still the
    /// last one: it is asked again, or the kernel's patience ends.
    pub(super) fn ask_again(&mut self, container: u32, event: u32) {
        let instance = &mut self.instances[container as usize];
        if !instance.oom_waiting || instance.oom_event as u32 != event {
            return;
        }
        let waited = self.queue.now().since(instance.oom_since);
        if waited >= self.experiment.testbed.oom.patience {
            self.watch.count(Rare::OomTimedOut);
            self.kill(container);
            return;
        }
        instance.oom_asked_again = true;
        self.watch.count(Rare::OomAskedAgain);
        self.ask_for_memory(container);
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
        let waited = self.queue.now().since(instance.oom_since);
        self.recorder.memory.rescue(waited);
        if instance.oom_asked_again {
            self.watch.count(Rare::OomRescueAfterLoss);
        }
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
        self.recorder.memory.denied += 1;
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
        self.recorder.memory.kills += 1;
        let instance = &mut self.instances[container as usize];
        instance.oom_kills += 1;
        if now.since(instance.started) >= BACK_OFF_FORGOTTEN {
            instance.restarts = 0;
        }
        let mut back_off = Span::ZERO;
        if instance.restarts > 0 {
            let doublings = (instance.restarts - 1).min(10);
            back_off = Span((BACK_OFF.0 << doublings).min(BACK_OFF_MAX.0));
        }
        instance.restarts += 1;
        self.stop(container, back_off);
        if !self.instances[container as usize].gone {
            self.tell_of_platform(Observation::Killed(ContainerId(container)));
        }
    }

    /// A pod is evicted: what it was doing fails, and another one takes its place.
    /// A new pod knows no back-off.
    pub(super) fn evict(&mut self, container: u32, version: u64) {
        let instance = &mut self.instances[container as usize];
        if version <= instance.restart_version {
            return;
        }
        instance.restart_version = version;
        instance.evicted = true;
        instance.restarts = 0;
        self.recorder.memory.evictions += 1;
        self.stop(container, Span::ZERO);
    }

    /// A container's processes end; they are back after `back_off` and the time they
    /// take to start. A pod of a platform for functions is not: that starts another.
    fn stop(&mut self, container: u32, back_off: Span) {
        if let Some(pod) = self.instances[container as usize].pod {
            self.stop_processes(container);
            self.pod_lost(pod);
            return;
        }
        self.schedule_restart(container, back_off);
        self.stop_processes(container);
    }

    /// A container's process starts after `wait` and the time that takes, unless it
    /// is stopped before.
    pub(super) fn schedule_restart(&mut self, container: u32, wait: Span) {
        let instance = &mut self.instances[container as usize];
        let up_at = self.queue.now() + wait + instance.service.runtime.start_time;
        instance.up_at = Some(up_at);
        self.queue.at(up_at, Event::Restart { container });
    }

    /// A container's processes end, and what they were doing fails.
    pub(super) fn stop_processes(&mut self, container: u32) {
        let now = self.queue.now();
        let instance = &mut self.instances[container as usize];
        if instance.up {
            instance.down_since = now;
        }
        instance.oom_waiting = false;
        instance.up = false;
        instance.stalled.clear();
        instance.background_runs = false;
        instance.background_work = 0;
        instance.memory.exit();
        self.machine.kill(now, container, &mut self.queue);
        self.fail_calls(container);
    }

    /// A container that was killed or evicted is back, with an empty process.
    pub(super) fn restart(&mut self, container: u32) {
        let now = self.queue.now();
        let instance = &mut self.instances[container as usize];
        // Evicted in between: it starts later.
        if instance.up_at.take_if(|time| *time == now).is_none() {
            return;
        }
        self.recorder.memory.down += now.since(instance.down_since);
        if std::mem::take(&mut instance.evicted) {
            let started = Observation::Started(ContainerId(container));
            self.tell_of_platform(started);
        }
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
