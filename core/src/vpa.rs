//! The Kubernetes Vertical Pod Autoscaler, recommender and updater, as of 1.7:
//! limits from percentiles of the usage of the last days.
//!
//! [`histogram`] is what the percentiles come from, [`recommender`] what is
//! recommended, and when that is acted on is the updater's affair. Requests
//! equal limits here, so the VPA, which keeps their ratio, sets both. There is
//! no resource policy: nothing but the pod minimum bounds a recommendation.
//!
//! With an empty history the range of what is tolerated is so wide that limits
//! hardly ever come down within minutes. A history and a compressed time
//! ([`Config::time_scale`]) make it a fair baseline in short runs; say so where
//! they are used. With a history a container starts with what is recommended from
//! it, as the admission webhook sees to.

pub mod config;

pub mod histogram;

pub mod recommender;

mod updater;

#[cfg(test)]
mod tests;

pub use config::{Config, Mode};

use crate::allocator::{Allocator, Bounds, Limits};
use crate::command::Command;
use crate::config::{ConfigError, must};
use crate::observation::{Container, ContainerId, Observation};
use crate::pool::Pool;
use crate::units::{Bytes, Cores, Span, Time};

use recommender::{BothBuckets, DAY, INTERVAL, Recommendation, Resources, Usage};

/// The VPA as an [`Allocator`]. A container is a pod.
///
/// It knows no application-wide limit Ω. Where there is one, an increase gets
/// what is left of it, first come, first served, as with a Kubernetes resource
/// quota.
#[derive(Debug)]
pub struct Vpa {
    config: Config,
    buckets: BothBuckets,
    initial: Vec<Limits>,
    history: Vec<(Cores, Bytes)>,
    cpu: Pool,
    memory: Pool,
    /// Indexed by [`ContainerId`].
    tracked: Vec<Option<Tracked>>,
    next_update: Option<Time>,
}

/// What is known of one container.
#[derive(Debug)]
struct Tracked {
    /// Of the newest sample seen.
    seq: u64,
    usage: Usage,
    /// When the pod, and in it the container, was started.
    pod_started: Time,
    started: Time,
    /// The container was last killed soon after its start.
    quick_oom: bool,
    /// Not evicted, or back.
    running: bool,
    /// Counts its evictions.
    restarts: u64,
    /// Since when a resize waits for usage to fall under the new limit.
    stuck_since: Option<Time>,
}

/// Each service has one container.
const REPLICAS: u32 = 1;

impl Vpa {
    /// A VPA without containers, under the application-wide limits Ω, if there
    /// are any. `initial` has the limits each container starts with, and
    /// `history` what it has always used in the [`Config::history_days`] before;
    /// both are indexed by [`ContainerId`]. An empty `history` is none. Where
    /// the initial limits do not fit into Ω together, the last containers start
    /// with less.
    pub fn new(
        config: Config,
        initial: Vec<Limits>,
        history: Vec<(Cores, Bytes)>,
        cpu_limit: Option<Cores>,
        memory_limit: Option<Bytes>,
    ) -> Result<Vpa, ConfigError> {
        config.validate()?;
        must(
            "vpa",
            history.is_empty() || history.len() == initial.len(),
            "history",
            "given for each container or for none",
        )?;
        Ok(Vpa {
            buckets: BothBuckets::new(),
            cpu: Pool::new(cpu_limit.map_or(u64::MAX, |limit| limit.0)),
            memory: Pool::new(memory_limit.map_or(u64::MAX, |limit| limit.0)),
            tracked: Vec::new(),
            next_update: None,
            initial,
            history,
            config,
        })
    }

    /// What is recommended for a container now; none if it is unknown or has no
    /// sample yet.
    pub fn recommendation(&self, container: ContainerId) -> Option<Recommendation> {
        let tracked = self.tracked.get(container.0 as usize)?.as_ref()?;
        tracked.usage.recommend(&self.config, &self.buckets)
    }

    /// The VPA's own time: compressed, and with room for the history before the
    /// run.
    fn own_time(&self, now: Time) -> Span {
        let scale = u64::from(self.config.time_scale);
        DAY * u64::from(self.config.history_days) + now.since(Time::ZERO) * scale
    }

    /// A length of the VPA's own time within `span` of the run's.
    fn own(&self, span: Span) -> Span {
        span * u64::from(self.config.time_scale)
    }

    /// An interval of the VPA's in the time of the run.
    fn interval(&self) -> Span {
        Span(INTERVAL.0 / u64::from(self.config.time_scale))
    }

    /// A container is gone; `keep` stays reserved for its return.
    fn gone(&mut self, container: ContainerId, keep: Limits) {
        self.cpu.vacate(container, keep.cpu.0);
        self.memory.vacate(container, keep.memory.0);
        if let Some(tracked) = self.tracked.get_mut(container.0 as usize) {
            *tracked = None;
        }
        if self.cpu.members() == 0 {
            self.next_update = None;
        }
    }

    fn sample(&mut self, now: Time, id: ContainerId, seq: u64, cpu: Cores, memory: Bytes) {
        let time = self.own_time(now);
        let Some(Some(tracked)) = self.tracked.get_mut(id.0 as usize) else {
            return;
        };
        // A sample counts once, and one that was overtaken not at all.
        if seq <= tracked.seq {
            return;
        }
        tracked.seq = seq;
        tracked.usage.cpu_sample(&self.buckets, time, cpu);
        tracked
            .usage
            .memory_sample(&self.buckets, time, memory, false);
    }

    fn killed(&mut self, now: Time, id: ContainerId) {
        let time = self.own_time(now);
        let scale = u64::from(self.config.time_scale);
        let (Some(limit), Some(Some(tracked))) =
            (self.memory.target(id), self.tracked.get_mut(id.0 as usize))
        else {
            return;
        };
        tracked
            .usage
            .out_of_memory(&self.config, &self.buckets, time, Bytes(limit));
        tracked.quick_oom = now.since(tracked.started) * scale < updater::QUICK_OOM;
        tracked.started = now;
    }

    /// What a container is to have, if it is to be updated.
    fn update(&self, now: Time, id: ContainerId) -> Option<Resources> {
        let tracked = self.tracked.get(id.0 as usize)?.as_ref()?;
        let requests = Resources {
            cpu: Cores(self.cpu.target(id)?),
            memory: Bytes(self.memory.target(id)?),
        };
        let recommendation = self.recommendation(id)?;
        let age = self.own(now.since(tracked.pod_started));
        updater::is_due(
            requests,
            &recommendation,
            tracked.quick_oom,
            age,
            self.config.min_change,
        )
        .then_some(recommendation.target)
    }

    /// Gives a container new limits, in the way of the [`Mode`].
    fn give(&mut self, now: Time, id: ContainerId, to: Resources, out: &mut Vec<Command>) {
        let Some(Some(tracked)) = self.tracked.get(id.0 as usize) else {
            return;
        };
        let scale = u64::from(self.config.time_scale);
        let waited = |since| now.since(since) * scale;
        let evicts = match self.config.mode {
            Mode::InPlace => false,
            Mode::InPlaceOrRecreate => tracked
                .stuck_since
                .is_some_and(|since| waited(since) >= updater::RESIZE_PATIENCE),
            Mode::Recreate => true,
        };
        if !evicts {
            self.resize(id, to, out);
            return;
        }
        let Config {
            min_replicas,
            eviction_tolerance,
            ..
        } = self.config;
        let running = u32::from(tracked.running);
        if updater::may_evict(REPLICAS, running, min_replicas, eviction_tolerance) {
            self.evict(id, out);
            self.resize(id, to, out);
        }
    }

    /// Ends a container's pod. Its limits are free to change then: nothing uses them.
    fn evict(&mut self, id: ContainerId, out: &mut Vec<Command>) {
        let Some(Some(tracked)) = self.tracked.get_mut(id.0 as usize) else {
            return;
        };
        tracked.running = false;
        tracked.quick_oom = false;
        tracked.stuck_since = None;
        tracked.restarts += 1;
        out.push(Command::Restart {
            container: id,
            version: tracked.restarts,
        });
    }

    /// The pod of a container runs, after an eviction.
    fn started(&mut self, now: Time, id: ContainerId) {
        if let Some(Some(tracked)) = self.tracked.get_mut(id.0 as usize)
            && !tracked.running
        {
            tracked.running = true;
            tracked.pod_started = now;
            tracked.started = now;
        }
    }

    /// A host answered a memory command; one that could not be carried out leaves
    /// the container stuck.
    fn memory_applied(&mut self, now: Time, id: ContainerId, version: u64, limit: Bytes) {
        let wanted = self.memory.target(id);
        if !self.memory.is_last(id, version) {
            return;
        }
        self.memory.confirm(id, version, limit.0);
        if let Some(Some(tracked)) = self.tracked.get_mut(id.0 as usize) {
            let done = wanted == Some(limit.0);
            tracked.stuck_since = (!done).then(|| tracked.stuck_since.unwrap_or(now));
        }
    }

    /// Commands new limits, as far as Ω allows.
    fn resize(&mut self, container: ContainerId, to: Resources, out: &mut Vec<Command>) {
        if let Some((version, limit)) = self.cpu.set(container, to.cpu.0) {
            out.push(Command::SetCpu {
                container,
                version,
                limit: Cores(limit),
            });
        }
        if let Some((version, limit)) = self.memory.set(container, to.memory.0) {
            out.push(Command::SetMemory {
                container,
                version,
                limit: Bytes(limit),
            });
        }
    }
}

impl Allocator for Vpa {
    /// # Panics
    ///
    /// If the container asks for no limits and none were given for it.
    fn admit(&mut self, now: Time, container: Container) -> Limits {
        let id = container.id;
        let index = id.0 as usize;
        if index >= self.tracked.len() {
            self.tracked.resize_with(index + 1, || None);
        }
        if self.tracked[index].is_none() {
            let usage = match self.history.get(index) {
                Some(&(cpu, memory)) => {
                    let (time, days) = (self.own_time(now), self.config.history_days);
                    Usage::with_history(&self.buckets, time, days, cpu, memory)
                }
                None => Usage::new(&self.buckets),
            };
            self.tracked[index] = Some(Tracked {
                seq: 0,
                usage,
                pod_started: now,
                started: now,
                quick_oom: false,
                running: true,
                restarts: 0,
                stuck_since: None,
            });
        }
        let interval = self.interval();
        self.next_update.get_or_insert(now + interval);
        let Limits { cpu, memory } = match self.recommendation(id) {
            Some(recommendation) => Limits {
                cpu: recommendation.target.cpu,
                memory: recommendation.target.memory,
            },
            None => container.wanted(&self.initial),
        };
        Limits {
            cpu: Cores(self.cpu.join(id, cpu.0)),
            memory: Bytes(self.memory.join(id, memory.0)),
        }
    }

    fn observe(&mut self, now: Time, what: &Observation, _out: &mut Vec<Command>) {
        match *what {
            Observation::Usage {
                container,
                seq,
                cpu,
                memory,
            } => self.sample(now, container, seq, cpu, memory),
            Observation::Killed(container) => self.killed(now, container),
            Observation::Stopped(container) => self.gone(container, Limits::NONE),
            Observation::Lost(container) => {
                let initial = self.initial.get(container.0 as usize).copied();
                self.gone(container, initial.unwrap_or(Limits::NONE));
            }
            Observation::CpuApplied { container, version } => {
                self.cpu.applied(container, version);
            }
            Observation::MemoryApplied {
                container,
                version,
                limit,
            } => self.memory_applied(now, container, version, limit),
            Observation::Started(container) => self.started(now, container),
            _ => {}
        }
    }

    fn next_wake(&self) -> Option<Time> {
        self.next_update
    }

    fn wake(&mut self, now: Time, out: &mut Vec<Command>) {
        let Some(due) = self.next_update.filter(|&due| due <= now) else {
            return;
        };
        // Updates keep to their grid, also after one that came late.
        let interval = self.interval();
        let missed = now.since(due).0 / interval.0;
        self.next_update = Some(due + interval * (missed + 1));

        for index in 0..self.tracked.len() as u32 {
            let container = ContainerId(index);
            if let Some(target) = self.update(now, container) {
                self.give(now, container, target, out);
            }
        }
    }

    fn sampling(&self) -> Option<Span> {
        Some(self.interval())
    }

    fn bounds(&self) -> Bounds {
        Bounds {
            cpu: self.cpu.bound().map(Cores),
            memory: self.memory.bound().map(Bytes),
            floor: Cores::ZERO,
        }
    }
}
