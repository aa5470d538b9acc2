//! K8s-CPU: limits that keep CPU utilisation at a target, as a Kubernetes
//! autoscaler would. The baseline of Autothrottle (Wang et al., NSDI'24, 5.1).
//!
//! The limit is the highest `usage / target` of the stabilisation window.
//! K8s-CPU samples each 15 s and looks back 300 s; K8s-CPU-Fast, which is
//! [`Config::fast`], each second and 20 s. Memory limits stay what they were.

pub mod config;

#[cfg(test)]
mod tests;

pub use config::Config;

use std::collections::VecDeque;

use crate::allocator::{Allocator, Bounds, Limits};
use crate::command::Command;
use crate::config::ConfigError;
use crate::observation::{Container, ContainerId, Observation};
use crate::pool::Pool;
use crate::units::{Cores, Span, Time};

/// K8s-CPU as an [`Allocator`]. It decides at each usage sample.
///
/// It knows no application-wide limit Ω. Where there is one, an increase gets
/// what is left of it, first come, first served, as with a Kubernetes resource
/// quota.
#[derive(Debug)]
pub struct K8sCpu {
    config: Config,
    initial: Vec<Limits>,
    pool: Pool,
    /// Indexed by [`ContainerId`].
    tracked: Vec<Option<Tracked>>,
}

/// What is known of one container.
#[derive(Debug, Default)]
struct Tracked {
    /// Of the newest sample seen.
    seq: u64,
    /// The limits wanted at the samples of the window that can still become the
    /// highest: each is higher than all that follow it.
    wanted: VecDeque<(Time, Cores)>,
}

impl Tracked {
    /// Adds what a new sample asks for; returns the highest of the window.
    fn push(&mut self, now: Time, wanted: Cores, window: Span) -> Cores {
        while self.wanted.back().is_some_and(|last| last.1 <= wanted) {
            self.wanted.pop_back();
        }
        self.wanted.push_back((now, wanted));
        while now.since(self.wanted[0].0) >= window {
            self.wanted.pop_front();
        }
        self.wanted[0].1
    }
}

impl K8sCpu {
    /// A K8s-CPU without containers. `initial` has the limits each starts with,
    /// indexed by [`ContainerId`]; `cpu_limit` is Ω, if there is one. Where the
    /// initial limits do not fit into Ω together, the last containers start with
    /// less.
    pub fn new(
        config: Config,
        initial: Vec<Limits>,
        cpu_limit: Option<Cores>,
    ) -> Result<K8sCpu, ConfigError> {
        config.validate()?;
        Ok(K8sCpu {
            pool: Pool::new(cpu_limit.map_or(u64::MAX, |limit| limit.0)),
            tracked: Vec::new(),
            initial,
            config,
        })
    }

    /// A container is gone; `keep` stays reserved for its return.
    fn gone(&mut self, container: ContainerId, keep: Limits) {
        self.pool.vacate(container, keep.cpu.0);
        if let Some(tracked) = self.tracked.get_mut(container.0 as usize) {
            *tracked = None;
        }
    }

    fn sample(
        &mut self,
        now: Time,
        container: ContainerId,
        seq: u64,
        usage: Cores,
        out: &mut Vec<Command>,
    ) {
        let Some(Some(tracked)) = self.tracked.get_mut(container.0 as usize) else {
            return;
        };
        // A sample counts once, and one that was overtaken not at all.
        if seq <= tracked.seq {
            return;
        }
        tracked.seq = seq;
        let wanted = usage.scale(1.0 / self.config.target_utilisation);
        let limit = tracked
            .push(now, wanted, self.config.stabilisation)
            .max(self.config.floor);
        if let Some((version, limit)) = self.pool.set(container, limit.0) {
            out.push(Command::SetCpu {
                container,
                version,
                limit: Cores(limit),
            });
        }
    }
}

impl Allocator for K8sCpu {
    /// # Panics
    ///
    /// If the container asks for no limits and none were given for it.
    fn admit(&mut self, _now: Time, container: Container) -> Limits {
        let index = container.id.0 as usize;
        if index >= self.tracked.len() {
            self.tracked.resize_with(index + 1, || None);
        }
        self.tracked[index].get_or_insert_default();
        let Limits { cpu, memory } = container.wanted(&self.initial);
        Limits {
            cpu: Cores(self.pool.join(container.id, cpu.0)),
            memory,
        }
    }

    fn observe(&mut self, now: Time, what: &Observation, out: &mut Vec<Command>) {
        match *what {
            Observation::Usage {
                container,
                seq,
                cpu,
                memory: _,
            } => self.sample(now, container, seq, cpu, out),
            Observation::CpuApplied { container, version } => {
                self.pool.applied(container, version);
            }
            Observation::Stopped(container) => self.gone(container, Limits::NONE),
            Observation::Lost(container) => {
                let initial = self.initial.get(container.0 as usize).copied();
                self.gone(container, initial.unwrap_or(Limits::NONE));
            }
            _ => {}
        }
    }

    fn sampling(&self) -> Option<Span> {
        Some(self.config.period)
    }

    fn bounds(&self) -> Bounds {
        Bounds {
            cpu: self.pool.bound().map(Cores),
            memory: None,
            floor: self.config.floor,
        }
    }
}
