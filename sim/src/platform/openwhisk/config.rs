//! The parameters of OpenWhisk and of the Kubernetes below it, as a testbed's
//! `[platform]` has them.

use serde::{Deserialize, Serialize};
use tidegate_core::{Bytes, Cores, Limits, Span, Time};

/// Which platform it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Apache OpenWhisk with its `KubernetesContainerFactory`.
    OpenWhisk,
}

/// The platform's parameters.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Which platform.
    pub kind: Kind,
    /// Invokers.
    pub invokers: u32,
    /// Memory that the pods of one invoker may ask for (`containerPool.userMemory`).
    pub invoker_memory: Bytes,
    /// Limits and requests of each pod.
    pub pod: PodLimits,
    /// Activations of the namespace in flight at once.
    pub concurrent_limit: u32,
    /// Activations of the namespace in each minute of the clock.
    pub minute_limit: u32,
    /// From the controller to the pod of a warm activation: median.
    pub dispatch: Span,
    /// The same: standard deviation of the logarithm.
    pub dispatch_sigma: f64,
    /// How pods start.
    pub start: Start,
    /// Stem cells of each function kept at each invoker.
    pub prewarmed: u32,
    /// How long a pod is kept after it was paused (`idle-container`).
    pub keep_alive: Span,
    /// How long an idle pod waits before it is paused (`pause-grace`).
    pub pause_grace: Span,
}

/// What each pod asks for and is limited to.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct PodLimits {
    /// CPU.
    pub cpu: Cores,
    /// Memory.
    pub memory: Bytes,
}

impl PodLimits {
    /// As a policy takes them.
    pub fn limits(self) -> Limits {
        Limits {
            cpu: self.cpu,
            memory: self.memory,
        }
    }
}

/// How Kubernetes starts a pod and the invoker learns of it.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Start {
    /// The least time from its placement until a pod runs.
    pub least: Span,
    /// On top of it, lognormal: median.
    pub more: Span,
    /// The same: standard deviation of the logarithm.
    pub sigma: f64,
    /// How long it takes to ask Kubernetes for the pod.
    pub call: Span,
    /// How often the invoker then looks whether it runs.
    pub poll: Span,
}

impl Start {
    /// When the invoker sees that a pod asked for at `asked` runs since `running`.
    pub fn seen(&self, asked: Time, running: Time) -> Time {
        let first = asked + self.call;
        let late = running.0.saturating_sub(first.0);
        first + Span(late.div_ceil(self.poll.0) * self.poll.0)
    }
}

impl Config {
    /// Pods that fit into the memory of an invoker.
    pub fn slots(&self) -> u32 {
        u32::try_from(self.invoker_memory.0 / self.pod.memory.0.max(1)).unwrap_or(u32::MAX)
    }

    /// What all pods that fit ask for together.
    pub fn capacity(&self) -> Limits {
        let pods = u64::from(self.slots()) * u64::from(self.invokers);
        Limits {
            cpu: Cores(self.pod.cpu.0.saturating_mul(pods)),
            memory: Bytes(self.pod.memory.0.saturating_mul(pods)),
        }
    }

    /// Says what is wrong with the numbers, if anything.
    ///
    /// # Errors
    /// When something is; the key is named in backticks.
    pub fn check(&self) -> Result<(), String> {
        let counts = [
            ("invokers", self.invokers, 1, 10_000),
            ("concurrent_limit", self.concurrent_limit, 1, 1_000_000),
            ("minute_limit", self.minute_limit, 1, 1_000_000),
            ("prewarmed", self.prewarmed, 0, 1_000),
        ];
        for (name, value, least, most) in counts {
            if !(least..=most).contains(&value) {
                return Err(format!(
                    "`platform.{name}` must be between {least} and {most}, not {value}"
                ));
            }
        }
        if self.pod.cpu < Cores::from_millis(10) || self.pod.cpu > Cores::new(10_000) {
            return Err(format!(
                "`platform.pod.cpu` must be between 0.01 and 10000 cores, not {}",
                self.pod.cpu
            ));
        }
        if self.pod.memory == Bytes::ZERO {
            return Err("`platform.pod.memory` must be above zero".to_owned());
        }
        if !(1..=100_000).contains(&self.slots()) {
            return Err(format!(
                "`platform.invoker_memory` must hold 1 to 100000 pods of {}, not {}",
                self.pod.memory,
                self.slots()
            ));
        }
        let sigmas = [
            ("dispatch_sigma", self.dispatch_sigma),
            ("start.sigma", self.start.sigma),
        ];
        for (name, value) in sigmas {
            if !(0.0..=5.0).contains(&value) {
                return Err(format!(
                    "`platform.{name}` must be between 0 and 5, not {value}"
                ));
            }
        }
        if self.start.poll < Span::from_millis(1) {
            return Err(format!(
                "`platform.start.poll` must be at least 1ms, not {}",
                self.start.poll
            ));
        }
        let longest = Span::from_secs(24 * 3_600);
        let times = [
            ("dispatch", self.dispatch),
            ("keep_alive", self.keep_alive),
            ("pause_grace", self.pause_grace),
            ("start.least", self.start.least),
            ("start.more", self.start.more),
            ("start.call", self.start.call),
        ];
        for (name, value) in times {
            if value > longest {
                return Err(format!(
                    "`platform.{name}` must be at most 24h, not {value}"
                ));
            }
        }
        Ok(())
    }
}
