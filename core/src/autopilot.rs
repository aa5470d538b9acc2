//! Google's Autopilot (Rzadca et al., EuroSys'20), vertical part: limits from
//! histograms of past usage, updated at a fixed period.
//!
//! It is the baseline Escra compares itself with, at a period of 1 s, without
//! an application-wide limit (Escra, VI-A). It is not told of throttling or of
//! memory about to run out: it sees usage samples, and kills when they happened.
//! [`histogram`] is what both kinds of recommender read, [`window`] and [`ml`]
//! are the two kinds, and this file is what surrounds them.

pub mod config;

pub mod histogram;

pub mod window;

pub mod ml;

#[cfg(test)]
mod tests;

pub use config::{Config, Recommender};

use crate::allocator::{Allocator, Bounds, Limits};
use crate::command::Command;
use crate::config::ConfigError;
use crate::observation::{Container, ContainerId, Observation};
use crate::pool::Pool;
use crate::units::{Bytes, Cores, Span, Time};

use histogram::{Buckets, Histogram};
use ml::{Ml, Weights};
use window::{Params, Statistic, Window};

/// Autopilot as an [`Allocator`].
///
/// Its recommendations know nothing of an application-wide limit Ω. Where there
/// is one and they pass it together, what each has above the floor is cut in
/// proportion.
#[derive(Debug)]
pub struct Autopilot {
    config: Config,
    cpu_buckets: Buckets,
    memory_buckets: Buckets,
    cpu: Pool,
    memory: Pool,
    /// Indexed by [`ContainerId`].
    tracked: Vec<Option<Tracked>>,
    next_update: Option<Time>,
    /// What a sample must not have begun before: one window before the first
    /// update.
    window_opens: Time,
    /// Scratch of an update: what each member should have.
    wanted: Vec<(ContainerId, u64)>,
}

/// What is known of one container.
#[derive(Debug)]
struct Tracked {
    /// Of the newest sample seen.
    seq: u64,
    cpu: Resource,
    memory: Resource,
    /// The highest memory sample of this window.
    memory_peak: Option<u64>,
    /// A sample that stands for an OOM kill, and until when it counts.
    oom: Option<(u64, Time)>,
}

/// One resource of one container.
#[derive(Debug)]
struct Resource {
    window: Histogram,
    recommender: State,
    /// The newest recommendation, between floor and maximum.
    recommended: u64,
}

#[derive(Debug)]
enum State {
    Ml(Ml),
    Window(Window),
}

impl Autopilot {
    /// An Autopilot without containers, under the application-wide limits Ω, or
    /// without limits as Escra's authors ran it.
    pub fn new(
        config: Config,
        cpu_limit: Option<Cores>,
        memory_limit: Option<Bytes>,
    ) -> Result<Autopilot, ConfigError> {
        config.validate()?;
        Ok(Autopilot {
            cpu_buckets: Buckets::new(config.cpu_buckets, config.cpu_max.0),
            memory_buckets: Buckets::new(config.memory_buckets, config.memory_max.0),
            cpu: Pool::new(cpu_limit.map_or(u64::MAX, |limit| limit.0)),
            memory: Pool::new(memory_limit.map_or(u64::MAX, |limit| limit.0)),
            tracked: Vec::new(),
            next_update: None,
            window_opens: Time::ZERO,
            wanted: Vec::new(),
            config,
        })
    }

    fn tracked_mut(&mut self, id: ContainerId) -> Option<&mut Tracked> {
        self.tracked.get_mut(id.0 as usize)?.as_mut()
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

    fn track(&self) -> Tracked {
        let config = &self.config;
        let cpu_margins: Vec<u64> = config.cpu_margins.iter().map(|margin| margin.0).collect();
        let memory_margins: Vec<u64> = config
            .memory_margins
            .iter()
            .map(|margin| margin.0)
            .collect();
        Tracked {
            seq: 0,
            cpu: Resource {
                window: Histogram::new(&self.cpu_buckets),
                recommender: State::new(
                    config,
                    config.cpu_recommender,
                    config.cpu_half_life,
                    &cpu_margins,
                    &self.cpu_buckets,
                ),
                recommended: config.cpu_initial.0,
            },
            memory: Resource {
                window: Histogram::new(&self.memory_buckets),
                recommender: State::new(
                    config,
                    config.memory_recommender,
                    config.memory_half_life,
                    &memory_margins,
                    &self.memory_buckets,
                ),
                recommended: config.memory_initial.0,
            },
            memory_peak: None,
            oom: None,
        }
    }

    /// Ends every container's window. A container without samples keeps its
    /// recommendation: nothing was learnt.
    fn recommend(&mut self, now: Time) {
        let config = &self.config;
        for tracked in self.tracked.iter_mut().flatten() {
            tracked
                .cpu
                .update(&self.cpu_buckets, config.cpu_floor.0, config.cpu_max.0);
            tracked.oom = tracked.oom.filter(|&(_, until)| now < until);
            let oom = tracked.oom.map(|(sample, _)| sample);
            if let Some(peak) = tracked.memory_peak.take().max(oom) {
                tracked.memory.window.add(self.memory_buckets.index(peak));
            }
            tracked.memory.update(
                &self.memory_buckets,
                config.memory_floor.0,
                config.memory_max.0,
            );
        }
    }

    /// What each container should have of one resource, in `self.wanted`.
    fn collect(&mut self, recommended: fn(&Tracked) -> u64, floor: u64, omega: u64) {
        self.wanted.clear();
        let members = (0u32..).zip(&self.tracked);
        self.wanted.extend(members.filter_map(|(index, tracked)| {
            let tracked = tracked.as_ref()?;
            Some((ContainerId(index), recommended(tracked)))
        }));
        share(&mut self.wanted, floor, omega);
    }
}

impl State {
    fn new(
        config: &Config,
        recommender: Recommender,
        half_life: u32,
        margins: &[u64],
        buckets: &Buckets,
    ) -> State {
        let statistic = match recommender {
            Recommender::Ml => {
                let weights = Weights {
                    overrun: config.w_o,
                    underrun: config.w_u,
                    limit_change: config.w_dl,
                    model_change: config.w_dm,
                    decay: config.d,
                };
                return State::Ml(Ml::new(weights, &config.decays, margins, buckets));
            }
            Recommender::Max => Statistic::Max,
            Recommender::Average => Statistic::Average,
            Recommender::Percentile(j) => Statistic::Percentile(j),
            Recommender::Intermediate => Statistic::Intermediate,
        };
        let params = Params {
            statistic,
            windows: config.windows,
            half_life,
            margin: config.margin,
            hold: config.hold,
        };
        State::Window(Window::new(params, buckets))
    }
}

impl Resource {
    /// Ends the window, if it has samples.
    fn update(&mut self, buckets: &Buckets, floor: u64, max: u64) {
        if self.window.total() == 0.0 {
            return;
        }
        let limit = match &mut self.recommender {
            State::Ml(ml) => ml.update(buckets, &self.window),
            State::Window(window) => window.update(buckets, &self.window),
        };
        self.recommended = limit.clamp(floor, max);
        self.window.clear();
    }
}

/// Cuts what is wanted down to `omega` in all: what each has above `floor`, in
/// proportion, and the floors themselves only if even they do not fit.
fn share(wanted: &mut [(ContainerId, u64)], floor: u64, omega: u64) {
    let sum: u128 = wanted.iter().map(|&(_, limit)| u128::from(limit)).sum();
    let omega = u128::from(omega);
    if sum <= omega {
        return;
    }
    let floors = u128::from(floor) * wanted.len() as u128;
    for (_, limit) in wanted.iter_mut() {
        let given = if floors >= omega {
            u128::from(*limit) * omega / sum
        } else {
            // Nothing is wanted under the floor, so sum >= floors; and as
            // sum > omega > floors the divisor is not zero.
            u128::from(floor) + u128::from(*limit - floor) * (omega - floors) / (sum - floors)
        };
        *limit = given as u64;
    }
}

impl Allocator for Autopilot {
    fn admit(&mut self, now: Time, container: Container) -> Limits {
        let id = container.id;
        let index = id.0 as usize;
        if index >= self.tracked.len() {
            self.tracked.resize_with(index + 1, || None);
        }
        if self.tracked[index].is_none() {
            self.tracked[index] = Some(self.track());
        }
        if self.next_update.is_none() {
            let period = self.config.update_period;
            let first = self.config.first_update.unwrap_or(period);
            self.next_update = Some(now + first);
            self.window_opens = now + first.saturating_sub(period);
        }
        Limits {
            cpu: Cores(self.cpu.join(id, self.config.cpu_initial.0)),
            memory: Bytes(self.memory.join(id, self.config.memory_initial.0)),
        }
    }

    fn observe(&mut self, now: Time, what: &Observation, _out: &mut Vec<Command>) {
        match *what {
            Observation::Usage {
                container,
                seq,
                cpu,
                memory,
            } => {
                // A window is as long as any other, also the first: what was
                // seen before it, of containers that settle, is not in it. A
                // sample that arrives now began one interval ago.
                let in_window = now >= self.window_opens + self.config.sampling;
                let bucket = self.cpu_buckets.index(cpu.scale(self.config.usage_scale).0);
                let Some(tracked) = self.tracked_mut(container) else {
                    return;
                };
                // A sample counts once, and one that was overtaken not at all.
                if seq <= tracked.seq {
                    return;
                }
                tracked.seq = seq;
                if !in_window {
                    return;
                }
                tracked.cpu.window.add(bucket);
                tracked.memory_peak = tracked.memory_peak.max(Some(memory.0));
            }
            // The kill shows that the container needs more than its limit, which
            // no sample can show.
            Observation::Killed(container) => {
                let Some(limit) = self.memory.target(container) else {
                    return;
                };
                let sample = Bytes(limit).scale(self.config.oom_factor).0;
                let until = now + self.config.oom_hold;
                if let Some(tracked) = self.tracked_mut(container) {
                    let held = tracked.oom.map_or(0, |(sample, _)| sample);
                    tracked.oom = Some((sample.max(held), until));
                }
            }
            Observation::Stopped(container) => self.gone(container, Limits::NONE),
            Observation::Lost(container) => {
                let keep = Limits {
                    cpu: self.config.cpu_initial,
                    memory: self.config.memory_initial,
                };
                self.gone(container, keep);
            }
            Observation::CpuApplied { container, version } => {
                self.cpu.applied(container, version);
            }
            Observation::MemoryApplied {
                container,
                version,
                limit,
            } => {
                self.memory.confirm(container, version, limit.0);
            }
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
        let period = self.config.update_period;
        let missed = now.since(due).0 / period.0;
        self.next_update = Some(due + period * (missed + 1));

        self.recommend(now);
        self.collect(
            |tracked| tracked.cpu.recommended,
            self.config.cpu_floor.0,
            self.cpu.limit(),
        );
        for &(container, limit) in &self.wanted {
            if let Some((version, limit)) = self.cpu.set(container, limit) {
                out.push(Command::SetCpu {
                    container,
                    version,
                    limit: Cores(limit),
                });
            }
        }
        self.collect(
            |tracked| tracked.memory.recommended,
            self.config.memory_floor.0,
            self.memory.limit(),
        );
        for &(container, limit) in &self.wanted {
            if let Some((version, limit)) = self.memory.set(container, limit) {
                out.push(Command::SetMemory {
                    container,
                    version,
                    limit: Bytes(limit),
                });
            }
        }
    }

    fn sampling(&self) -> Option<Span> {
        Some(self.config.sampling)
    }

    fn bounds(&self) -> Bounds {
        Bounds {
            cpu: self.cpu.bound().map(Cores),
            memory: self.memory.bound().map(Bytes),
            // Where not even the floors fit into Ω, they are cut as well.
            floor: Cores::ZERO,
        }
    }
}
