//! One container as the agent knows it.

use tidegate_core::{ContainerId, Limits};

use super::cpu::CpuMeter;
use super::link::Registration;
use super::memory::MemoryWatch;
use super::throttle::ThrottleWatch;
use crate::cgroup::Group;

#[derive(Debug)]
pub(super) struct Member {
    pub(super) group: Group,
    pub(super) owned: bool,
    pub(super) safe: Option<Limits>,
    pub(super) requested: Option<Limits>,
    /// What the controller has commanded; nothing before it is admitted for the first
    /// time.
    pub(super) limits: Option<Limits>,
    /// Whether this session has admitted it.
    pub(super) admitted: bool,
    pub(super) cpu_version: u64,
    pub(super) memory_version: u64,
    pub(super) restart_version: u64,
    /// It was evicted and does not run yet.
    pub(super) evicted: bool,
    /// The group's periods are still to be brought in step with the agent's; it has no
    /// CPU limit until then.
    pub(super) out_of_step: bool,
    /// What it was admitted with meanwhile.
    pub(super) admission: Option<Limits>,
    pub(super) cpu: CpuMeter,
    pub(super) throttle: ThrottleWatch,
    pub(super) memory: MemoryWatch,
}

impl Member {
    pub(super) fn new(registration: Registration) -> (ContainerId, Member) {
        let member = Member {
            group: registration.group,
            owned: registration.owned,
            safe: registration.safe,
            requested: registration.requested,
            limits: None,
            admitted: false,
            cpu_version: 0,
            memory_version: 0,
            restart_version: 0,
            evicted: false,
            out_of_step: false,
            admission: None,
            cpu: CpuMeter::default(),
            throttle: ThrottleWatch::default(),
            memory: MemoryWatch::default(),
        };
        (registration.id, member)
    }

    /// A new session: what was counted for the old one begins anew.
    pub(super) fn forget(&mut self) {
        self.admitted = false;
        self.admission = None;
        self.cpu_version = 0;
        self.memory_version = 0;
        self.restart_version = 0;
        self.cpu = CpuMeter::default();
        self.throttle = ThrottleWatch::default();
        self.memory.forget();
    }
}
