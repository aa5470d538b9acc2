//! Autothrottle's per-service controller, Captain (Wang et al., NSDI'24, 3.2):
//! CPU limits that keep the share of throttled periods at a target.
//!
//! Autothrottle's other half, Tower, moves the targets by the application's
//! latency once a minute. It is not here: this is Captain alone, with one fixed
//! target for all services. Memory limits stay what they were.

pub mod config;

#[cfg(test)]
mod tests;

pub use config::Config;

use std::collections::VecDeque;

use crate::allocator::{Allocator, Bounds, Limits};
use crate::command::Command;
use crate::config::ConfigError;
use crate::observation::{Container, ContainerId, CpuPeriod, Observation};
use crate::pool::Pool;
use crate::units::{Cores, Span, Time};

/// Captain as an [`Allocator`], one for all containers of an application.
///
/// Autothrottle reads the kernel's counters on each host every 100 ms. Here the
/// reports of the CPU periods' ends carry the same numbers; an idle container
/// sends none, so that time goes by [`wake`](Allocator::wake), once per period.
///
/// Captain knows no application-wide limit Ω. Where there is one, an increase
/// gets what is left of it, first come, first served.
#[derive(Debug)]
pub struct Captain {
    config: Config,
    initial: Vec<Limits>,
    pool: Pool,
    /// Indexed by [`ContainerId`].
    services: Vec<Option<Service>>,
    next_sample: Option<Time>,
}

impl Captain {
    /// A Captain without containers. `initial` has the limits each starts with,
    /// indexed by [`ContainerId`]; `cpu_limit` is Ω, if there is one. Where the
    /// initial limits do not fit into Ω together, the last containers start with
    /// less.
    pub fn new(
        config: Config,
        initial: Vec<Limits>,
        cpu_limit: Option<Cores>,
    ) -> Result<Captain, ConfigError> {
        config.validate()?;
        Ok(Captain {
            pool: Pool::new(cpu_limit.map_or(u64::MAX, |limit| limit.0)),
            services: Vec::new(),
            next_sample: None,
            initial,
            config,
        })
    }

    fn initial(&self, container: ContainerId) -> Limits {
        let initial = self.initial.get(container.0 as usize);
        initial.copied().unwrap_or(Limits::NONE)
    }

    /// A container is gone; `keep` stays reserved for its return.
    fn gone(&mut self, container: ContainerId, keep: Limits) {
        self.pool.vacate(container, keep.cpu.0);
        if let Some(service) = self.services.get_mut(container.0 as usize) {
            *service = None;
        }
        if self.pool.members() == 0 {
            self.next_sample = None;
        }
    }

    fn report(&mut self, report: &CpuPeriod) {
        let index = report.container.0 as usize;
        if let Some(Some(service)) = self.services.get_mut(index) {
            service.report(report);
        }
    }
}

/// One sample of the history.
#[derive(Clone, Copy, Debug)]
struct Sample {
    /// Mean CPU use in the period, in cores.
    usage: f64,
    /// No report came in time. One that comes late takes this sample's place.
    silent: bool,
}

/// What is known of one container.
#[derive(Debug)]
struct Service {
    /// Of the newest report seen.
    seq: u64,
    nr_throttled: u64,
    /// CPU time in the reports since the last sample.
    fresh: Vec<Span>,
    history: VecDeque<Sample>,
    /// Periods since the last decision, and how many of them were throttled.
    periods: u32,
    throttled: u64,
    /// How many standard deviations a limit stays above the highest usage.
    margin: f64,
    /// The limit before it was scaled down at the last decision, in cores.
    before: Option<f64>,
}

impl Service {
    fn new(config: &Config) -> Service {
        Service {
            seq: 0,
            nr_throttled: 0,
            fresh: Vec::new(),
            history: VecDeque::new(),
            periods: 0,
            throttled: 0,
            margin: config.margin,
            before: None,
        }
    }

    fn report(&mut self, report: &CpuPeriod) {
        if report.seq <= self.seq {
            return;
        }
        self.seq = report.seq;
        // The counter begins anew when a container is restarted.
        self.throttled += match report.nr_throttled.checked_sub(self.nr_throttled) {
            Some(throttled) => throttled,
            None => report.nr_throttled,
        };
        self.nr_throttled = report.nr_throttled;
        self.fresh.push(report.usage);
    }

    /// One period has passed: its usage becomes the newest sample.
    fn sample(&mut self, config: &Config) {
        // Reports that were late for the last samples come before this one's.
        for _ in 1..self.fresh.len() {
            if self.history.back().is_some_and(|sample| sample.silent) {
                self.history.pop_back();
            }
        }
        let silent = self.fresh.is_empty();
        if silent {
            let usage = 0.0;
            self.history.push_back(Sample { usage, silent });
        }
        for used in self.fresh.drain(..) {
            let usage = Cores::from_runtime(used, config.period).as_f64();
            self.history.push_back(Sample { usage, silent });
        }
        while self.history.len() > config.history {
            self.history.pop_front();
        }
        self.periods += 1;
    }

    /// The limit that follows from the newest sample and the present `limit`,
    /// both in cores. After the public code of Autothrottle's authors:
    ///
    /// - Each period of the window after a decision that lowered the limit, if
    ///   its throttled share so far passes α · target: limit = before + (before -
    ///   limit) and margin += share - target. Once; the window goes on.
    /// - Every N periods margin = max(0, margin + share - target). If the share
    ///   passes α · target, limit *= 1 + share - α · target. If not, and max +
    ///   margin · deviation of the last M samples is at most β_max · limit, it is
    ///   the new limit, or β_min · limit if that is more.
    fn decide(&mut self, config: &Config, limit: f64) -> f64 {
        let mut limit = limit;
        let target = config.throttle_target;
        // More throttled periods than periods are those of lost reports.
        let throttled = self.throttled.min(u64::from(config.periods));
        let rate = throttled as f64 / f64::from(config.periods);
        let tolerated = config.alpha * target;

        if let Some(before) = self.before.filter(|_| rate > tolerated) {
            limit = before + (before - limit);
            self.margin += rate - target;
            self.before = None;
        }
        if self.periods < config.periods {
            return limit;
        }

        self.periods = 0;
        self.throttled = 0;
        self.before = None;
        self.margin = (self.margin + rate - target).max(0.0);
        if rate > tolerated {
            return limit * (1.0 + rate - tolerated);
        }
        let (highest, deviation) = self.usage();
        let proposed = highest + deviation * self.margin;
        if proposed <= config.beta_max * limit {
            self.before = Some(limit);
            limit = proposed.max(config.beta_min * limit);
        }
        limit
    }

    /// The highest usage of the history and its standard deviation (of the
    /// population), in cores.
    fn usage(&self) -> (f64, f64) {
        let usages = || self.history.iter().map(|sample| sample.usage);
        let n = self.history.len().max(1) as f64;
        let mean = usages().sum::<f64>() / n;
        let variance = usages()
            .map(|usage| (usage - mean) * (usage - mean))
            .sum::<f64>()
            / n;
        (usages().fold(0.0, f64::max), variance.sqrt())
    }
}

impl Allocator for Captain {
    /// # Panics
    ///
    /// If the container asks for no limits and none were given for it.
    fn admit(&mut self, now: Time, container: Container) -> Limits {
        let index = container.id.0 as usize;
        if index >= self.services.len() {
            self.services.resize_with(index + 1, || None);
        }
        let config = &self.config;
        self.services[index].get_or_insert_with(|| Service::new(config));
        self.next_sample.get_or_insert(now + config.period);
        let Limits { cpu, memory } = container.wanted(&self.initial);
        Limits {
            cpu: Cores(self.pool.join(container.id, cpu.0)),
            memory,
        }
    }

    fn observe(&mut self, _now: Time, what: &Observation, _out: &mut Vec<Command>) {
        match *what {
            Observation::Period(ref report) => self.report(report),
            Observation::CpuApplied { container, version } => {
                self.pool.applied(container, version);
            }
            Observation::Stopped(container) => self.gone(container, Limits::NONE),
            Observation::Lost(container) => self.gone(container, self.initial(container)),
            _ => {}
        }
    }

    fn next_wake(&self) -> Option<Time> {
        self.next_sample
    }

    fn wake(&mut self, now: Time, out: &mut Vec<Command>) {
        let Some(due) = self.next_sample.filter(|&due| due <= now) else {
            return;
        };
        // Samples keep to their grid. Of those missed nothing is known.
        let period = self.config.period;
        let missed = now.since(due).0 / period.0;
        self.next_sample = Some(due + period * (missed + 1));

        for (index, service) in (0u32..).zip(&mut self.services) {
            let (container, Some(service)) = (ContainerId(index), service) else {
                continue;
            };
            let Some(limit) = self.pool.target(container) else {
                continue;
            };
            service.sample(&self.config);
            let limit = Cores(limit).as_f64();
            let wanted = service.decide(&self.config, limit);
            if wanted == limit {
                continue;
            }
            let wanted = Cores::from_f64(wanted).max(self.config.floor);
            if let Some((version, limit)) = self.pool.set(container, wanted.0) {
                out.push(Command::SetCpu {
                    container,
                    version,
                    limit: Cores(limit),
                });
            }
        }
    }

    fn wants_periods(&self) -> bool {
        true
    }

    fn bounds(&self) -> Bounds {
        Bounds {
            cpu: self.pool.bound().map(Cores),
            memory: None,
            floor: self.config.floor,
        }
    }
}
