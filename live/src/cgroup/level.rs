//! The limits of one group as the files of its version hold them.

use rustix::io::Errno;
use tidegate_core::{Bytes, Cores, Span};

use super::CgroupError;
use super::file::Knob;
use super::hierarchy::{Hierarchies, Version};

/// The kernel's bandwidth period, as the core counts CPU.
pub const PERIOD: Span = Span::from_millis(100);
pub(super) const PERIOD_US: u64 = PERIOD.0 / 1_000;
/// The kernel takes no quota below this (`min_cfs_quota_period`), in microseconds.
pub(super) const LEAST_US: u64 = 1_000;
/// As good as no limit, and far below what overflows in the kernel: 10,000 cores.
pub(super) const MOST_US: u64 = 10_000 * PERIOD_US;

/// The limits of one group, and what was last written. `None` is no limit.
#[derive(Debug)]
pub(super) struct Level {
    /// Version 1 only.
    pub(super) period: Option<Knob>,
    pub(super) quota: Knob,
    pub(super) quota_us: Option<u64>,
    pub(super) memory: Knob,
    pub(super) limit: Option<Bytes>,
    /// `memory.high`, on version 2.
    pub(super) high: Option<Knob>,
}

/// A limit of version 2.
pub(super) fn number_or_max(file: &Knob) -> Result<Option<Bytes>, CgroupError> {
    file.read(|text| match text.trim() {
        "max" => Some(None),
        number => number.parse().ok().map(|number| Some(Bytes(number))),
    })
}

/// What a file of a quota says, in microseconds per period of 100 ms.
fn quota(version: Version, text: &str) -> Option<Option<u64>> {
    match version {
        Version::V1 => Some(text.trim().parse::<i64>().ok()?.try_into().ok()),
        Version::V2 => Some(text.split(' ').next()?.trim().parse().ok()),
    }
}

/// What a file of a memory limit says. On version 1 the largest number of whole pages
/// is the kernel's way to say that there is none.
fn memory_limit(text: &str) -> Option<Option<Bytes>> {
    let limit: Option<u64> = text.trim().parse().ok();
    Some(
        limit
            .filter(|&limit| limit < i64::MAX as u64 & !0xffff)
            .map(Bytes),
    )
}

pub(super) fn write_quota(
    file: &Knob,
    version: Version,
    quota: Option<u64>,
) -> Result<(), CgroupError> {
    match (version, quota) {
        (Version::V1, None) => file.write("-1"),
        (Version::V1, Some(quota)) => file.write(&quota.to_string()),
        (Version::V2, None) => file.write(&format!("max {PERIOD_US}")),
        (Version::V2, Some(quota)) => file.write(&format!("{quota} {PERIOD_US}")),
    }
}

impl Level {
    pub(super) fn open(hierarchies: &Hierarchies, path: &str) -> Result<Level, CgroupError> {
        if path.is_empty() {
            return Err(CgroupError::Path(path.to_owned()));
        }
        let (cpu, memory) = (hierarchies.cpu(path), hierarchies.memory(path));
        match hierarchies.version() {
            Version::V1 => {
                let period = Knob::read_write(cpu.join("cpu.cfs_period_us"))?;
                let quota = Knob::read_write(cpu.join("cpu.cfs_quota_us"))?;
                if period.number()? != PERIOD_US {
                    // What a quota of the old period means in the new one is unknown.
                    quota.write("-1")?;
                    period.write(&PERIOD_US.to_string())?;
                }
                let memory = Knob::read_write(memory.join("memory.limit_in_bytes"))?;
                let limit = memory.number()?;
                Ok(Level {
                    quota_us: quota
                        .read(|text| text.trim().parse::<i64>().ok())?
                        .try_into()
                        .ok(),
                    quota,
                    period: Some(period),
                    // The kernel's way to say that there is none, in pages of any size.
                    limit: (limit < i64::MAX as u64 & !0xffff).then_some(Bytes(limit)),
                    memory,
                    high: None,
                })
            }
            Version::V2 => {
                let quota = Knob::read_write(cpu.join("cpu.max"))?;
                let (quota_us, period) = quota.read(|text| {
                    let (quota, period) = text.trim().split_once(' ')?;
                    Some((quota.parse().ok(), period.parse::<u64>().ok()?))
                })?;
                let hard = Knob::read_write(memory.join("memory.max"))?;
                let high = Knob::read_write(memory.join("memory.high"))?;
                let level = Level {
                    quota_us: quota_us.filter(|_| period == PERIOD_US),
                    quota,
                    period: None,
                    limit: number_or_max(&high)?.or(number_or_max(&hard)?),
                    memory: hard,
                    high: Some(high),
                };
                if period != PERIOD_US {
                    write_quota(&level.quota, Version::V2, None)?;
                }
                Ok(level)
            }
        }
    }

    /// What is in force in the kernel now, whoever wrote it.
    pub(super) fn read(
        &self,
        version: Version,
    ) -> Result<(Option<Cores>, Option<Bytes>), CgroupError> {
        let quota = self.quota.read(|text| quota(version, text))?;
        let cpu = quota.map(|quota| Cores::from_runtime(Span(quota * 1_000), PERIOD));
        let hard = self.memory.read(memory_limit)?;
        let soft = match &self.high {
            Some(high) => high.read(memory_limit)?,
            None => None,
        };
        // The lower of two; none is above all.
        let memory = [hard, soft].into_iter().flatten().min();
        Ok((cpu, memory))
    }

    /// Writes a memory limit; on version 2 as `memory.high`, with `memory.max` above
    /// it, if a trap is set.
    pub(super) fn write_memory(
        &self,
        limit: Option<Bytes>,
        headroom: Option<Bytes>,
        up: bool,
    ) -> Result<(), (std::path::PathBuf, Errno)> {
        let write = |file: &Knob, limit: Option<Bytes>, none: &str| {
            let text = limit.map_or_else(|| none.to_owned(), |limit| limit.0.to_string());
            file.try_write(&text)
                .map_err(|error| (file.path().to_owned(), error))
        };
        let Some(high) = &self.high else {
            return write(&self.memory, limit, "-1");
        };
        let (soft, hard) = match headroom {
            Some(headroom) => (limit, limit.map(|limit| limit + headroom)),
            None => (None, limit),
        };
        if up {
            write(&self.memory, hard, "max")?;
            write(high, soft, "max")
        } else {
            write(high, soft, "max")?;
            write(&self.memory, hard, "max")
        }
    }
}
