//! Hosts, kernel and network, as parameters of a run.

use serde::{Deserialize, Deserializer, Serialize};
use tidegate_core::Span;

use crate::faults::Faults;
use crate::platform::openwhisk;

/// The machines an experiment runs on. Read from `scenarios/testbeds/*.toml`.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Testbed {
    /// Worker hosts. Containers are placed on them in turn.
    pub hosts: u32,
    /// Processor sockets of a host; each has its own last-level cache.
    pub sockets: u32,
    /// Cores of a socket.
    pub cores_per_socket: u32,
    /// Hardware threads of a core.
    pub threads_per_core: u32,
    /// CPUs that the threads of one container wake on: without it, those that
    /// share a last-level cache. More where the kernel pulls threads to their
    /// wakers on the other socket.
    pub wake_cpus: Option<u32>,
    /// What the second thread of a core adds to its throughput: 0 for nothing,
    /// 1 for as much as another core.
    pub smt_gain: f64,
    /// Linux version of the hosts: decides how bandwidth slices age.
    pub kernel: Kernel,
    /// CFS bandwidth control.
    #[serde(default)]
    pub cfs: Cfs,
    /// Delays.
    #[serde(default)]
    pub network: Network,
    /// The trap of out-of-memory events.
    #[serde(default)]
    pub oom: OomTrap,
    /// What goes wrong.
    #[serde(default)]
    pub faults: Faults,
    /// What runs functions on it, if anything does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub platform: Option<openwhisk::Config>,
}

impl Testbed {
    /// Hardware threads of a host.
    pub fn cpus_per_host(&self) -> u32 {
        self.sockets * self.cores_per_socket * self.threads_per_core
    }

    /// Hardware threads that share a last-level cache.
    pub fn cpus_per_socket(&self) -> u32 {
        self.cores_per_socket * self.threads_per_core
    }

    /// CPUs that the threads of one container wake on.
    pub fn wake_cpus(&self) -> u32 {
        self.wake_cpus.unwrap_or_else(|| self.cpus_per_socket())
    }

    /// Says what is wrong with the numbers, if anything.
    pub fn check(&self) -> Result<(), String> {
        let counts = [
            ("hosts", self.hosts, 10_000),
            ("sockets", self.sockets, 64),
            ("cores_per_socket", self.cores_per_socket, 1_024),
            ("threads_per_core", self.threads_per_core, 8),
        ];
        for (name, value, max) in counts {
            if value == 0 || value > max {
                return Err(format!("`{name}` must be between 1 and {max}, not {value}"));
            }
        }
        if self.cpus_per_host() > 4_096 {
            return Err(format!(
                "`sockets` x `cores_per_socket` x `threads_per_core` must be at most 4096 CPUs, \
                 not {}",
                self.cpus_per_host()
            ));
        }
        if !(1..=self.cpus_per_host()).contains(&self.wake_cpus()) {
            return Err(format!(
                "`wake_cpus` must be between 1 and the {} CPUs of a host, not {}",
                self.cpus_per_host(),
                self.wake_cpus()
            ));
        }
        if !(0.0..=1.0).contains(&self.smt_gain) {
            return Err(format!(
                "`smt_gain` must be between 0 and 1, not {}",
                self.smt_gain
            ));
        }
        if self.cfs.period < Span::from_millis(1) || self.cfs.period > Span::from_secs(1) {
            return Err(format!(
                "`cfs.period` must be between 1ms and 1s, as in the kernel, not {}",
                self.cfs.period
            ));
        }
        if self.cfs.slice == Span::ZERO || self.cfs.slice > self.cfs.period {
            return Err(format!(
                "`cfs.slice` must be above zero and at most the period, not {}",
                self.cfs.slice
            ));
        }
        if self.oom.repeat < Span::from_millis(1) || self.oom.patience < self.oom.repeat {
            return Err(format!(
                "`oom.repeat` must be at least 1ms and at most `oom.patience`, {}, not {}",
                self.oom.patience, self.oom.repeat
            ));
        }
        if let Some(platform) = &self.platform {
            platform.check()?;
            if self.faults.host.every > Span::ZERO {
                return Err(
                    "`faults.host` has no meaning beside a platform: what becomes of pods \
                            on a host that is lost is not modelled"
                        .to_owned(),
                );
            }
        }
        self.faults.check()
    }
}

/// CFS bandwidth control; the defaults are the kernel's.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Cfs {
    /// Length of a period (`cpu.cfs_period_us`).
    pub period: Span,
    /// Runtime handed to a CPU at a time (`sched_cfs_bandwidth_slice_us`).
    pub slice: Span,
    /// What a CPU keeps when it goes idle (`min_cfs_rq_runtime`).
    pub keep: Span,
    /// Delay after which returned runtime is given to throttled CPUs
    /// (`cfs_bandwidth_slack_period`).
    pub slack_delay: Span,
    /// Whether writing a quota refills the pool and unthrottles at once, as
    /// `tg_set_cfs_bandwidth` does.
    pub refill_on_write: bool,
}

impl Default for Cfs {
    fn default() -> Cfs {
        Cfs {
            period: Span::from_millis(100),
            slice: Span::from_millis(5),
            keep: Span::from_millis(1),
            slack_delay: Span::from_millis(5),
            refill_on_write: true,
        }
    }
}

/// Delays between machines and inside the control plane.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Network {
    /// One way between two services, with both kernels' network stacks.
    pub hop: Span,
    /// One way between a host and the controller.
    pub control: Span,
    /// From a command's arrival on the host until the limit is in force.
    pub apply: Span,
    /// From an event on a host until the half of a policy on that host has decided
    /// and its limit is in force.
    pub local: Span,
}

impl Default for Network {
    fn default() -> Network {
        Network {
            hop: Span::from_micros(100),
            control: Span::from_micros(100),
            apply: Span::from_micros(200),
            local: Span::from_micros(500),
        }
    }
}

/// The trap of out-of-memory events: a container that would be killed waits for an
/// answer of the controller. Neither time is in the paper: both are estimates.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct OomTrap {
    /// After so long without an answer it asks again.
    pub repeat: Span,
    /// After so long the kernel kills.
    pub patience: Span,
}

impl Default for OomTrap {
    fn default() -> OomTrap {
        OomTrap {
            repeat: Span::from_secs(1),
            patience: Span::from_secs(10),
        }
    }
}

/// A Linux version, of which only what changed bandwidth control matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Kernel {
    /// Major version.
    pub major: u32,
    /// Minor version.
    pub minor: u32,
}

impl Kernel {
    /// Whether runtime a CPU holds is lost when the period ends. From 4.18
    /// (commit 512ac999d275) until 5.4 removed it (commit de53fd7aedb1).
    pub fn slices_expire(self) -> bool {
        (4, 18) <= (self.major, self.minor) && (self.major, self.minor) < (5, 4)
    }

    /// Whether each return of runtime pushes the slack timer further away, so
    /// that a busy group hardly ever sees it fire. Fixed in 5.3 (commit
    /// 66567fcbaeca).
    pub fn slack_timer_is_pushed(self) -> bool {
        (self.major, self.minor) < (5, 3)
    }
}

impl<'de> Deserialize<'de> for Kernel {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Kernel, D::Error> {
        let text = String::deserialize(deserializer)?;
        let wrong = || {
            serde::de::Error::custom(format!(
                "{text:?} is not a Linux version such as \"4.20\" or \"6.8\""
            ))
        };
        let (major, minor) = text.split_once('.').ok_or_else(wrong)?;
        Ok(Kernel {
            major: major.parse().map_err(|_| wrong())?,
            minor: minor.parse().map_err(|_| wrong())?,
        })
    }
}

impl Serialize for Kernel {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{}.{}", self.major, self.minor))
    }
}
