//! Between messages and the core's observations and commands. Every number read is held
//! against the most a host can mean by it.

use tidegate_core::{
    Bytes, Command, ContainerId, Cores, CpuPeriod, HostId, HostReport, Observation, Share, Span,
};

use super::WireError;
use super::message::{
    Applied, Change, Event, Half, Order, OutOfMemory, Period, Set, Throttled, Usage, What,
};

/// A million cores: more than any host or application has.
const MAX_CPU: u64 = 1_000_000_000_000_000;
/// A pebibyte.
const MAX_MEMORY: u64 = 1 << 50;
/// CPU time of a thousand hours.
const MAX_RUNTIME: u64 = 3_600_000_000_000_000;
/// Sequence numbers, versions and counts: a billion a second for a month.
const MAX_COUNT: u64 = 1 << 52;

fn within(field: &'static str, value: u64, most: u64) -> Result<u64, WireError> {
    if value <= most {
        Ok(value)
    } else {
        Err(WireError::OutOfRange(field, value))
    }
}

pub(super) fn cpu(field: &'static str, value: u64) -> Result<Cores, WireError> {
    within(field, value, MAX_CPU).map(Cores)
}

pub(super) fn memory(field: &'static str, value: u64) -> Result<Bytes, WireError> {
    within(field, value, MAX_MEMORY).map(Bytes)
}

fn runtime(field: &'static str, value: u64) -> Result<Span, WireError> {
    within(field, value, MAX_RUNTIME).map(Span)
}

pub(super) fn count(field: &'static str, value: u64) -> Result<u64, WireError> {
    within(field, value, MAX_COUNT)
}

impl Event {
    /// An observation as an event.
    pub(crate) fn new(observation: &Observation) -> Result<Event, WireError> {
        let what = match *observation {
            Observation::Started(id) => What::Started(id.0),
            Observation::Stopped(id) => What::Stopped(id.0),
            Observation::Killed(id) => What::Killed(id.0),
            Observation::Lost(id) => What::Lost(id.0),
            Observation::Period(report) => What::Period(Period {
                container: report.container.0,
                seq: report.seq,
                quota: report.quota.0,
                unused: report.unused.0,
                usage: report.usage.0,
                nr_throttled: report.nr_throttled,
            }),
            Observation::Throttled {
                container,
                seq,
                used,
            } => What::Throttled(Throttled {
                container: container.0,
                seq,
                used: used.0,
            }),
            Observation::Usage {
                container,
                seq,
                cpu,
                memory,
            } => What::Usage(Usage {
                container: container.0,
                seq,
                cpu: cpu.0,
                memory: memory.0,
            }),
            Observation::OutOfMemory {
                container,
                event,
                first,
                limit,
            } => What::OutOfMemory(OutOfMemory {
                container: container.0,
                event,
                limit: limit.0,
                first,
            }),
            Observation::CpuApplied { container, version } => What::CpuApplied(Applied {
                container: container.0,
                version,
                limit: 0,
            }),
            Observation::MemoryApplied {
                container,
                version,
                limit,
            } => What::MemoryApplied(Applied {
                container: container.0,
                version,
                limit: limit.0,
            }),
            Observation::HostReport(report) => What::Half(Half {
                seq: report.seq,
                version: report.version,
                share: report.share.0,
                wanted: report.wanted.0,
            }),
            Observation::Share(_) => return Err(WireError::Local("a share that was received")),
        };
        Ok(Event { what: Some(what) })
    }

    /// What the event says `host` saw.
    pub(crate) fn observation(self, host: HostId) -> Result<Observation, WireError> {
        Ok(match self.what.ok_or(WireError::Missing("event"))? {
            What::Started(id) => Observation::Started(ContainerId(id)),
            What::Stopped(id) => Observation::Stopped(ContainerId(id)),
            What::Killed(id) => Observation::Killed(ContainerId(id)),
            What::Lost(id) => Observation::Lost(ContainerId(id)),
            What::Period(period) => Observation::Period(CpuPeriod {
                container: ContainerId(period.container),
                seq: count("seq", period.seq)?,
                quota: cpu("quota", period.quota)?,
                unused: runtime("unused", period.unused)?,
                usage: runtime("usage", period.usage)?,
                nr_throttled: count("nr_throttled", period.nr_throttled)?,
            }),
            What::Throttled(throttled) => Observation::Throttled {
                container: ContainerId(throttled.container),
                seq: count("seq", throttled.seq)?,
                used: runtime("used", throttled.used)?,
            },
            What::Usage(usage) => Observation::Usage {
                container: ContainerId(usage.container),
                seq: count("seq", usage.seq)?,
                cpu: cpu("cpu", usage.cpu)?,
                memory: memory("memory", usage.memory)?,
            },
            What::OutOfMemory(waits) => Observation::OutOfMemory {
                container: ContainerId(waits.container),
                event: count("event", waits.event)?,
                first: count("first", waits.first)?,
                limit: memory("limit", waits.limit)?,
            },
            What::CpuApplied(applied) => Observation::CpuApplied {
                container: ContainerId(applied.container),
                version: count("version", applied.version)?,
            },
            What::MemoryApplied(applied) => Observation::MemoryApplied {
                container: ContainerId(applied.container),
                version: count("version", applied.version)?,
                limit: memory("limit", applied.limit)?,
            },
            What::Half(half) => Observation::HostReport(HostReport {
                host,
                seq: count("seq", half.seq)?,
                version: count("version", half.version)?,
                share: cpu("share", half.share)?,
                wanted: cpu("wanted", half.wanted)?,
            }),
        })
    }
}

impl Order {
    /// A command as an order.
    pub(crate) fn new(command: &Command) -> Result<Order, WireError> {
        let set = |container: ContainerId, version, amount| Set {
            container: container.0,
            version,
            amount,
        };
        let change = match *command {
            Command::SetCpu {
                container,
                version,
                limit,
            } => Change::Cpu(set(container, version, limit.0)),
            Command::SetMemory {
                container,
                version,
                limit,
            } => Change::Memory(set(container, version, limit.0)),
            Command::Reclaim {
                container,
                version,
                margin,
            } => Change::Reclaim(set(container, version, margin.0)),
            Command::DenyMemory { container, event } => Change::Deny(set(container, event, 0)),
            Command::Restart { container, version } => Change::Restart(set(container, version, 0)),
            Command::Lend(share) => Change::Share(set(ContainerId(0), share.version, share.cpu.0)),
            Command::Report(_) => return Err(WireError::Local("a report that was received")),
        };
        Ok(Order {
            change: Some(change),
        })
    }

    /// What the order wants of `host`.
    pub(crate) fn command(self, host: HostId) -> Result<Command, WireError> {
        let change = self.change.ok_or(WireError::Missing("change"))?;
        let (Change::Cpu(set)
        | Change::Memory(set)
        | Change::Reclaim(set)
        | Change::Deny(set)
        | Change::Share(set)
        | Change::Restart(set)) = change;
        let container = ContainerId(set.container);
        let version = count("version", set.version)?;
        Ok(match change {
            Change::Cpu(_) => Command::SetCpu {
                container,
                version,
                limit: cpu("amount", set.amount)?,
            },
            Change::Memory(_) => Command::SetMemory {
                container,
                version,
                limit: memory("amount", set.amount)?,
            },
            Change::Reclaim(_) => Command::Reclaim {
                container,
                version,
                margin: memory("amount", set.amount)?,
            },
            Change::Deny(_) => Command::DenyMemory {
                container,
                event: version,
            },
            Change::Restart(_) => Command::Restart { container, version },
            Change::Share(_) => Command::Lend(Share {
                host,
                version,
                cpu: cpu("amount", set.amount)?,
            }),
        })
    }
}
