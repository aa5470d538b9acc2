//! Containers that come and go: those of an application stand from the beginning
//! to the end, a platform's pods are added and removed while the run goes on.

use std::collections::VecDeque;

use tidegate_core::{Container, ContainerId, HostId, Limits, Observation, Time};
use tidegate_workloads::application::Service;
use tidegate_workloads::random::stream;

use super::{Instance, World};
use crate::memory::Memory;

impl<'a> World<'a, '_> {
    /// Adds a container of `service` on `host`, with the limits that the policy
    /// says; it is not yet launched. Returns its number.
    pub(super) fn add_instance(
        &mut self,
        service: &'a Service,
        host: u32,
        requested: Option<Limits>,
    ) -> u32 {
        let id = self.instances.len() as u32;
        let now = self.queue.now();
        let limits = self.control.admit(
            now,
            Container {
                id: ContainerId(id),
                host: HostId(host),
                requested,
            },
        );
        self.watch.admitted(id, limits);
        let socket = id / self.experiment.testbed.hosts;
        self.machine.add(host, socket, Some(limits.cpu));
        self.recorder.add();
        let threads = service.runtime.threads;
        self.instances.push(Instance {
            service,
            memory: Memory::new(service.memory, limits.memory),
            // Spread over the socket at first; the machine takes any CPU.
            threads: (0..threads).map(|n| n as u16).collect(),
            idle_threads: (0..threads).map(|n| n as u16).collect(),
            queue: VecDeque::new(),
            stalled: Vec::new(),
            served: 0,
            up: true,
            gone: false,
            pod: None,
            started: now,
            restarts: 0,
            oom_kills: 0,
            oom_waiting: false,
            oom_event: 0,
            oom_first: 0,
            oom_since: Time::ZERO,
            down_since: now,
            up_at: None,
            restart_version: 0,
            evicted: false,
            oom_asked_again: false,
            background_cpu: 0,
            background_runs: false,
            background_work: 0,
            background_rng: stream(self.experiment.seed, "background", u64::from(id)),
            cpu_version: 0,
            memory_version: 0,
            reports: 0,
            throttles: 0,
            usage_reports: 0,
            throttled_before: 0,
            used_at_report: 0,
            used_at_usage: 0,
            used_at_sample: 0,
            used_at_begin: 0,
            periods_at_begin: (0, 0),
        });
        id
    }

    /// A container that was added begins to run.
    pub(super) fn launch(&mut self, container: u32) {
        let started = Observation::Started(ContainerId(container));
        self.observe_now(&started);
        self.schedule_background(container);
        self.check_memory(container);
    }

    /// A container is removed for good: nothing of it is left but what it used.
    pub(super) fn remove_instance(&mut self, container: u32) {
        self.stop_processes(container);
        let instance = &mut self.instances[container as usize];
        instance.gone = true;
        for frame in std::mem::take(&mut instance.queue) {
            self.fail_call(frame);
        }
        self.observe_stopped(container);
    }

    /// The sums of the limits in force on the hosts, in billionths of a core and
    /// in bytes.
    #[cfg(test)]
    pub(super) fn limits_in_force(&self) -> (u64, u64) {
        let here = (0u32..).zip(&self.instances);
        here.filter(|(_, instance)| !instance.gone)
            .map(|(id, instance)| (self.machine.limit(id).0, instance.memory.limit()))
            .fold((0, 0), |sum, limits| (sum.0 + limits.0, sum.1 + limits.1))
    }
}
