//! Escra: limits that follow each CPU period and each out-of-memory event.
//!
//! After "Escra: Event-driven, Sub-second Container Resource Allocation"
//! (ICDCS 2022). What the paper prints and what its authors' controller does
//! differ; both CPU laws are here (see [`Law`]). The memory side (paper IV-C,
//! IV-D2) is the same for both: a grant at each trapped out-of-memory, a reclaim
//! from the other containers when the pool is empty, and a periodic reclaim.
//!
//! One thing is not as its authors coded it: their controller lets the sum of
//! quotas pass Ω for a while ("overrun") when a starved container asks and the
//! pool is empty. Here the sum never passes Ω; what the starved container lacks
//! is remembered as owed, and those above their fair share give it back.

mod cpu;

pub(crate) mod memory;

mod window;

use serde::{Deserialize, Serialize};

use crate::allocator::{Allocator, Bounds, Limits};
use crate::command::Command;
use crate::observation::{Container, ContainerId, Observation};
use crate::units::{Bytes, Cores, Span, Time};

use cpu::CpuAllocator;
use memory::MemoryAllocator;

/// Which of the two CPU laws to follow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Law {
    /// As the authors' controller has it: first matching rule of five, steps in
    /// units of a slice, windows emptied after each change.
    #[default]
    Code,
    /// As the paper prints it (IV-D1): a share of the free pool up, a share of
    /// the mean unused runtime down.
    Paper,
}

/// Unit of [`Config::gamma`] under [`Law::Paper`], which does not state it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum GammaUnit {
    /// A share of the quota, as the authors coded it.
    #[default]
    Fraction,
    /// Milliseconds of runtime, as the paper's symbols suggest.
    Milliseconds,
}

/// Escra's parameters. The defaults are those of the paper's microservice
/// experiments and, where the paper is silent, of the authors' controller.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Which CPU law.
    pub law: Law,
    /// κ: a quota with unused runtime shrinks to κ times itself (`code`), or by
    /// κ times the mean unused runtime (`paper`). Paper VI-A: 0.8.
    pub kappa: f64,
    /// γ: unused runtime above which a quota shrinks at once. Paper VI-A: 0.2.
    pub gamma: f64,
    /// Unit of γ under the `paper` law.
    pub gamma_unit: GammaUnit,
    /// Υ: how fast quotas grow: slices per throttled period (`code`), percent
    /// of the free pool (`paper`). Paper VI-A: 20.
    pub upsilon: f64,
    /// Periods in the windows. Only in the code: 10.
    pub window: usize,
    /// The step of growth. Only in the code: 30 ms per 100 ms.
    pub slice: Cores,
    /// No quota falls below this. In the code: one slice.
    pub floor: Cores,
    /// A mean unused runtime above this lets a quota shrink slowly, by this
    /// much (`code`). Only in the code: 5 ms per 100 ms.
    pub unused_step: Cores,
    /// Length of the reported periods.
    pub period: Span,
    /// σ: the share of Ω's memory withheld at the start for out-of-memory
    /// events. Code: 0.3.
    pub withheld: f64,
    /// Memory granted at an out-of-memory event. Code: 5000 pages.
    pub grant: Bytes,
    /// δ: what a reclaim leaves above usage. Paper IV-C: 50 MiB.
    pub margin: Bytes,
    /// Time between periodic reclaims. Paper IV-C: 5 s.
    pub reclaim_every: Span,
    /// Time of the first periodic reclaim. Code: 30 s.
    pub reclaim_after: Span,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            law: Law::Code,
            kappa: 0.8,
            gamma: 0.2,
            gamma_unit: GammaUnit::Fraction,
            upsilon: 20.0,
            window: 10,
            slice: Cores::from_millis(300),
            floor: Cores::from_millis(300),
            unused_step: Cores::from_millis(50),
            period: Span::from_millis(100),
            withheld: 0.3,
            grant: Bytes(5000 * 4096),
            margin: Bytes::from_mib(50),
            reclaim_every: Span::from_secs(5),
            reclaim_after: Span::from_secs(30),
        }
    }
}

impl Config {
    /// Says which parameter is out of its range, if any.
    pub fn check(&self) -> Result<(), String> {
        let shares = [
            ("kappa", self.kappa, 1.0),
            ("gamma", self.gamma, 100.0),
            ("upsilon", self.upsilon, 1e6),
            ("withheld", self.withheld, 0.99),
        ];
        for (name, value, max) in shares {
            if !(0.0..=max).contains(&value) {
                return Err(format!("`{name}` must be between 0 and {max}, not {value}"));
            }
        }
        if !(1..=10_000).contains(&self.window) {
            return Err(format!(
                "`window` must be between 1 and 10000 periods, not {}",
                self.window
            ));
        }
        let lengths = [
            ("period", self.period),
            ("reclaim_every", self.reclaim_every),
        ];
        for (name, value) in lengths {
            if value < Span::from_millis(1) {
                return Err(format!("`{name}` must be at least 1ms, not {value}"));
            }
        }
        if self.grant == Bytes::ZERO {
            return Err("`grant` must be above zero".to_owned());
        }
        // The kernel takes no quota below 1 ms, a hundredth of the usual period.
        if self.floor < Cores::from_millis(10) {
            return Err(format!(
                "`floor` must be at least 0.01 cores, not {}",
                self.floor
            ));
        }
        if self.slice < self.floor {
            return Err(format!(
                "`slice` must not be under `floor`, {}, but is {}",
                self.floor, self.slice
            ));
        }
        Ok(())
    }
}

/// The Escra controller for one application.
#[derive(Debug)]
pub struct Escra {
    cpu: CpuAllocator,
    memory: MemoryAllocator,
    initial: Limits,
    reclaim_every: Span,
    next_reclaim: Time,
}

impl Escra {
    /// A controller for an application of `containers` containers under the
    /// application-wide limits `cpu` and `memory` (Ω).
    ///
    /// Initial limits are Ω/N of the CPU and (1 - σ)·Ω/N of the memory (paper
    /// IV-A, equations 1 and 2; the text there calls σ the part withheld).
    pub fn new(config: Config, cpu: Cores, memory: Bytes, containers: usize) -> Escra {
        let n = containers.max(1) as f64;
        Escra {
            initial: Limits {
                cpu: Cores(cpu.0 / containers.max(1) as u64),
                memory: memory.scale((1.0 - config.withheld) / n),
            },
            reclaim_every: config.reclaim_every,
            next_reclaim: Time::ZERO + config.reclaim_after,
            cpu: CpuAllocator::new(&config, cpu),
            memory: MemoryAllocator::new(&config, memory),
        }
    }
}

impl Allocator for Escra {
    fn admit(&mut self, _now: Time, container: Container) -> Limits {
        // Code: a new pod gets what it asks for, or all that is left.
        let wanted = container.requested.unwrap_or(self.initial);
        Limits {
            cpu: self.cpu.admit(container.id, wanted.cpu),
            memory: self.memory.admit(container.id, wanted.memory),
        }
    }

    fn observe(&mut self, _now: Time, what: &Observation, out: &mut Vec<Command>) {
        match *what {
            Observation::Period(report) => self.cpu.report(&report, out),
            Observation::CpuApplied { container, version } => {
                self.cpu.applied(container, version);
            }
            Observation::OutOfMemory {
                container,
                event,
                first,
                limit,
            } => self
                .memory
                .out_of_memory(container, event, first, limit, out),
            Observation::MemoryApplied {
                container,
                version,
                limit,
            } => {
                self.memory.applied(container, version, limit, out);
            }
            Observation::Stopped(container) => self.gone(container, Limits::NONE, out),
            Observation::Lost(container) => self.gone(container, self.initial, out),
            Observation::Killed(container) => self.cpu.killed(container),
            _ => {}
        }
    }

    fn next_wake(&self) -> Option<Time> {
        Some(self.next_reclaim)
    }

    fn wake(&mut self, now: Time, out: &mut Vec<Command>) {
        while self.next_reclaim <= now {
            self.next_reclaim = self.next_reclaim + self.reclaim_every;
        }
        self.memory.reclaim_all(out);
    }

    fn wants_periods(&self) -> bool {
        true
    }

    fn traps_out_of_memory(&self) -> bool {
        true
    }

    fn bounds(&self) -> Bounds {
        Bounds {
            cpu: Some(self.cpu.omega()),
            memory: Some(self.memory.omega()),
            floor: self.cpu.floor(),
        }
    }
}

impl Escra {
    /// A container is gone; `keep` stays reserved for its return.
    fn gone(&mut self, container: ContainerId, keep: Limits, out: &mut Vec<Command>) {
        self.cpu.leave(container, keep.cpu);
        self.memory.leave(container, keep.memory, out);
    }
}

#[cfg(test)]
mod tests;
