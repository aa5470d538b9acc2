//! One container's control group: its limits, its use and its processes.
//!
//! Limits are written in the safe order (outer groups first up, inner groups first
//! down), only where they change, and memory never below what is used: the kernel
//! would reclaim, and on version 2 kill. On version 1 the limit is
//! `memory.limit_in_bytes`. On version 2 it is `memory.max`; while the
//! kernel's killer is held it is `memory.high`, with `memory.max` some head-room
//! above it.

use std::fs;
use std::io;

use cgroups_rs::CgroupPid;
use rustix::io::Errno;
use tidegate_core::{Bytes, Cores, Span};

use super::file::Knob;
use super::hierarchy::{Hierarchies, Version, relative};
use super::level::{LEAST_US, Level, MOST_US, PERIOD, PERIOD_US, number_or_max, write_quota};
use super::stat::{self, CpuStat};
use super::{CgroupError, Trap, UsageAlarm};

/// What became of a memory limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemoryWrite {
    /// It is in force.
    Written,
    /// It was already.
    Unchanged,
    /// More than that is used: the old limit stays.
    Refused,
}

/// A control group and those around it that are to have its limits.
///
/// Dropping it changes nothing in the kernel.
#[derive(Debug)]
pub struct Group {
    hierarchies: Hierarchies,
    path: String,
    /// Its own files, then those of the groups around it, from the inside out.
    levels: Vec<Level>,
    stat: Knob,
    /// Version 1 only.
    cpuacct: Option<Knob>,
    usage: Knob,
    /// `memory.oom_control` or `memory.events`.
    events: Knob,
    /// While the kernel's killer is held: how far the ceiling is above the limit, on
    /// version 2.
    held: Option<Bytes>,
}

impl Group {
    /// Makes the group `path` (relative to the root of the hierarchies), or takes
    /// it as it is if it stands, and opens it. What it makes does not swap.
    ///
    /// # Errors
    /// When the kernel refuses, or the path leads out of the hierarchies.
    pub fn create(hierarchies: &Hierarchies, path: &str) -> Result<Group, CgroupError> {
        let path = relative(path)?;
        let group = |error| CgroupError::Group(path.to_owned(), error);
        hierarchies.control(path).create().map_err(group)?;
        // A limit is to be felt as one, not as a slow disk. Kernels without swap have
        // no such file.
        let (file, none) = match hierarchies.version() {
            Version::V1 => ("memory.swappiness", "0"),
            Version::V2 => ("memory.swap.max", "0"),
        };
        let file = hierarchies.memory(path).join(file);
        match fs::write(&file, none) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(CgroupError::file(&file, error))
            }
            _ => Group::adopt(hierarchies, path, 0),
        }
    }

    /// Opens a group that stands. Its limits are written to `around` of the groups
    /// around it as well: those that hold nothing else, such as the pod of a single
    /// container.
    ///
    /// # Errors
    /// When it does not stand, may not be written to, or `around` reaches the root.
    pub fn adopt(
        hierarchies: &Hierarchies,
        path: &str,
        around: usize,
    ) -> Result<Group, CgroupError> {
        let path = relative(path)?;
        let memory = hierarchies.memory(path);
        let levels: Result<Vec<Level>, CgroupError> = std::path::Path::new(path)
            .ancestors()
            .take(around + 1)
            .map(|group| Level::open(hierarchies, group.to_str().unwrap_or_default()))
            .collect();
        let (cpuacct, usage, events) = match hierarchies.version() {
            Version::V1 => (
                Some(Knob::read_only(
                    hierarchies.cpuacct(path).join("cpuacct.usage"),
                )?),
                "memory.usage_in_bytes",
                Knob::read_write(memory.join("memory.oom_control"))?,
            ),
            Version::V2 => (
                None,
                "memory.current",
                Knob::read_only(memory.join("memory.events"))?,
            ),
        };
        let levels = levels?;
        // An agent that died may have left it so.
        let held = match &levels[0].high {
            None => events
                .read(|text| stat::value(text, "oom_kill_disable"))
                .map(|off| (off != 0).then_some(Bytes::ZERO))?,
            Some(high) => number_or_max(high)?.map(|_| Bytes::ZERO),
        };
        Ok(Group {
            levels,
            stat: Knob::read_only(hierarchies.cpu(path).join("cpu.stat"))?,
            cpuacct,
            usage: Knob::read_only(memory.join(usage))?,
            events,
            held,
            path: path.to_owned(),
            hierarchies: hierarchies.clone(),
        })
    }

    /// Kills its processes and those of groups in it; does not wait for their end.
    ///
    /// # Errors
    /// When they cannot be listed.
    pub fn signal_kill(&self) -> Result<(), CgroupError> {
        self.hierarchies.signal_kill(&self.path).map(|_| ())
    }

    /// Its path relative to the root of the hierarchies.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The kernel's number of the group, as the CPU controller has it.
    ///
    /// # Errors
    /// When the group is gone.
    pub fn id(&self) -> Result<u64, CgroupError> {
        use std::os::unix::fs::MetadataExt;
        let directory = self.hierarchies.cpu(&self.path);
        let metadata = fs::metadata(&directory);
        let metadata = metadata.map_err(|error| CgroupError::file(&directory, error))?;
        // On 64-bit machines the number of its directory.
        Ok(metadata.ino())
    }

    /// Where it lies.
    pub fn hierarchies(&self) -> &Hierarchies {
        &self.hierarchies
    }

    /// Moves a process in, with all its threads. Children it starts from then on
    /// begin here; memory it holds already stays charged where it was.
    ///
    /// # Errors
    /// When there is no such process, or it may not be moved.
    pub fn enter(&self, pid: u32) -> Result<(), CgroupError> {
        let control = self.hierarchies.control(&self.path);
        control
            .add_task_by_tgid(CgroupPid::from(u64::from(pid)))
            .map_err(|error| CgroupError::Group(self.path.clone(), error))
    }

    /// Kills its processes, and removes it.
    ///
    /// # Errors
    /// When a process does not end within two seconds, or the kernel refuses.
    pub fn remove(self) -> Result<(), CgroupError> {
        self.hierarchies.clone().remove(&self.path)
    }

    /// The CPU accounting: how many periods, how many of them throttled.
    ///
    /// # Errors
    /// When the group is gone.
    pub fn cpu_stat(&self) -> Result<CpuStat, CgroupError> {
        self.stat.read(CpuStat::parse)
    }

    /// CPU time used since the group was made. Of a running thread it is exact to
    /// the last scheduler tick.
    ///
    /// # Errors
    /// When the group is gone.
    pub fn cpu_usage(&self) -> Result<Span, CgroupError> {
        match &self.cpuacct {
            Some(file) => file.number().map(Span),
            None => self.stat.read(|text| {
                let micros = stat::value(text, "usage_usec")?;
                Some(Span(micros * 1_000))
            }),
        }
    }

    /// Memory charged now, page cache included.
    ///
    /// # Errors
    /// When the group is gone.
    pub fn memory_usage(&self) -> Result<Bytes, CgroupError> {
        self.usage.number().map(Bytes)
    }

    /// How many processes were killed for want of memory.
    ///
    /// # Errors
    /// When the group is gone, or the kernel does not count (before 4.13).
    pub fn oom_kills(&self) -> Result<u64, CgroupError> {
        self.events.read(|text| stat::value(text, "oom_kill"))
    }

    /// The CPU limit in force.
    pub fn cpu_limit(&self) -> Option<Cores> {
        let quota = self.levels[0].quota_us?;
        Some(Cores::from_runtime(Span(quota * 1_000), PERIOD))
    }

    /// The memory limit in force.
    pub fn memory_limit(&self) -> Option<Bytes> {
        self.levels[0].limit
    }

    /// The limits in force in the kernel now, whoever wrote them; `None` is no limit.
    ///
    /// # Errors
    /// When the group is gone.
    pub fn read_limits(&self) -> Result<(Option<Cores>, Option<Bytes>), CgroupError> {
        self.levels[0].read(self.hierarchies.version())
    }

    /// Sets the CPU limit, rounded down to a microsecond per period but no lower than
    /// the kernel takes (1 ms per period); `None` lifts it. The kernel refills the
    /// group's runtime and unthrottles it at once. Returns whether anything was
    /// written.
    ///
    /// # Errors
    /// When the group is gone, or a group around it has a lower limit.
    pub fn set_cpu(&mut self, limit: Option<Cores>) -> Result<bool, CgroupError> {
        let micros = |limit: Cores| (limit.over(PERIOD).0 / 1_000).clamp(LEAST_US, MOST_US);
        let quota = limit.map(micros);
        let version = self.hierarchies.version();
        let up = above(quota, self.levels[0].quota_us);
        let mut written = false;
        for level in ordered(&mut self.levels, up) {
            if level.quota_us != quota {
                write_quota(&level.quota, version, quota)?;
                level.quota_us = quota;
                written = true;
            }
        }
        Ok(written)
    }

    /// Lets the periods of a group that has had no CPU limit yet begin within a
    /// millisecond from now, and says whether that was so. The kernel begins the periods
    /// of each group at an instant of its own (a random one from Linux 6.4 on) and keeps
    /// to it, limited or not, as long as the group stands.
    ///
    /// # Errors
    /// When the group is gone, or a group around it has less than a core.
    pub fn begin_periods(&mut self) -> Result<bool, CgroupError> {
        let level = &self.levels[0];
        if level.quota_us.is_some() {
            return Ok(false);
        }
        // The timer was never on. A limit sets it to what is next in its sequence of
        // periods, now of 1 ms; from there it goes on with the new ones.
        match &level.period {
            Some(period) => {
                period.write(&LEAST_US.to_string())?;
                let set = level.quota.write(&LEAST_US.to_string());
                period.write(&PERIOD_US.to_string())?;
                set.and_then(|()| write_quota(&level.quota, Version::V1, None))?;
            }
            None => {
                level.quota.write(&format!("{LEAST_US} {LEAST_US}"))?;
                write_quota(&level.quota, Version::V2, None)?;
            }
        }
        Ok(true)
    }

    /// Sets the memory limit; `None` lifts it. A limit below what is used is refused
    /// and nothing is written.
    ///
    /// # Errors
    /// When the group is gone, or the kernel refuses for another reason.
    pub fn set_memory(&mut self, limit: Option<Bytes>) -> Result<MemoryWrite, CgroupError> {
        let old = self.levels[0].limit;
        let up = above(limit, old);
        if !up
            && let Some(limit) = limit
            && Some(limit) != old
            && self.memory_usage()? > limit
        {
            return Ok(MemoryWrite::Refused);
        }
        let headroom = self.held;
        let mut done = MemoryWrite::Unchanged;
        for level in ordered(&mut self.levels, up) {
            if level.limit == limit {
                continue;
            }
            match level.write_memory(limit, headroom, up) {
                Ok(()) => level.limit = limit,
                // Used meanwhile. Inner groups that have shrunk already hold it down.
                Err((_, Errno::BUSY)) if done == MemoryWrite::Unchanged => {
                    return Ok(MemoryWrite::Refused);
                }
                Err((_, Errno::BUSY)) => break,
                Err((path, error)) => return Err(CgroupError::file(&path, error)),
            }
            done = MemoryWrite::Written;
        }
        Ok(done)
    }

    /// A trap for the group's memory limit: ready when the limit may have been hit, or
    /// somebody was killed for it.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn trap(&self) -> Result<Trap, CgroupError> {
        let memory = self.hierarchies.memory(&self.path);
        match self.hierarchies.version() {
            Version::V1 => Trap::v1(&memory),
            Version::V2 => Trap::v2(&memory),
        }
    }

    /// Keeps the kernel from killing at the limit: processes that need more stand still
    /// (version 1), or are slowed down until they all but stand (version 2, where they
    /// are killed nevertheless `headroom` above the limit).
    ///
    /// # Errors
    /// When the group is gone.
    pub fn hold_killer(&mut self, headroom: Bytes) -> Result<(), CgroupError> {
        if self.held == Some(headroom) {
            return Ok(());
        }
        self.held = Some(headroom);
        self.set_killer(false)
    }

    /// Lets the kernel kill at the limit. It does so at once if somebody waits.
    ///
    /// # Errors
    /// When the group is gone.
    pub fn let_kill(&mut self) -> Result<(), CgroupError> {
        if self.held.take().is_none() {
            return Ok(());
        }
        self.set_killer(true)
    }

    fn set_killer(&mut self, on: bool) -> Result<(), CgroupError> {
        match self.hierarchies.version() {
            Version::V1 => self.events.write(if on { "0" } else { "1" }),
            Version::V2 => {
                let headroom = self.held;
                let level = &self.levels[0];
                // Up: the ceiling first. Down: to the limit, and whoever is above is
                // killed.
                level
                    .write_memory(level.limit, headroom, !on)
                    .map_err(|(path, error)| CgroupError::file(&path, error))
            }
        }
    }

    /// An alarm for when memory use crosses `mark` (version 1 only): to be told of use
    /// that nears its limit.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn usage_alarm(&self, mark: Bytes) -> Result<UsageAlarm, CgroupError> {
        UsageAlarm::new(&self.hierarchies.memory(&self.path), mark)
    }

    /// Whether a process of the group stands at the limit.
    ///
    /// # Errors
    /// When the group is gone.
    pub fn is_waiting(&self) -> Result<bool, CgroupError> {
        match self.hierarchies.version() {
            Version::V1 => self
                .events
                .read(|text| stat::value(text, "under_oom"))
                .map(|under| under != 0),
            Version::V2 => Ok(match self.levels[0].limit {
                // What page cache alone brought here has been reclaimed by now.
                Some(limit) => self.memory_usage()? > limit,
                None => false,
            }),
        }
    }
}

/// The groups in the order in which a limit is to be written to them.
fn ordered(levels: &mut [Level], up: bool) -> Box<dyn Iterator<Item = &mut Level> + '_> {
    match up {
        true => Box::new(levels.iter_mut().rev()),
        false => Box::new(levels.iter_mut()),
    }
}

/// Whether a limit is above another; none is above all.
fn above<T: PartialOrd>(limit: Option<T>, other: Option<T>) -> bool {
    match (limit, other) {
        (None, Some(_)) => true,
        (Some(limit), Some(other)) => limit > other,
        (_, None) => false,
    }
}
