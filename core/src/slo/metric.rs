//! What an objective can be about: the catalogue of metrics, each with its kind,
//! its unit and where its value comes from.
//!
//! The original's catalogue is a table of names without types, of which some are
//! never measured; an objective on one of those stops its alert loop. Here a
//! metric without a value cannot be confused with one that is met.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::objective::ParseObjectiveError;

/// A typed metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// Network round trip to the resource, in seconds.
    Latency,
    /// Share of the time in which the resource was up, in percent.
    Availability,
    /// Whether the resource answers: 1 or 0.
    Up,
    /// CPU in use on the resource, in percent.
    Cpu,
    /// Memory in use on the resource, in percent.
    Memory,
    /// Storage in use on the resource, in percent.
    Storage,
    /// Median round trip of the calls to an instance, in seconds.
    RoundTripP50,
    /// 90th percentile of the round trips of the calls to an instance, in seconds.
    RoundTripP90,
    /// 95th percentile of the round trips of the calls to an instance, in seconds.
    RoundTripP95,
    /// 99th percentile of the round trips of the calls to an instance, in seconds.
    RoundTripP99,
    /// Share of the calls to an instance that fail, in percent.
    ErrorRate,
    /// Age of the newest sample of the resource, in seconds.
    Staleness,
    /// Price, in the unit of the inventory.
    Cost,
    /// CPU of the resource, in cores.
    CpuTotal,
    /// Memory of the resource, in bytes.
    MemoryTotal,
    /// Storage of the resource, in bytes.
    StorageTotal,
    /// Name of the machine type.
    InstanceType,
    /// Name of the region.
    Region,
    /// Name of the provider.
    Provider,
    /// Name of the platform.
    Platform,
    /// Edge, fog or cloud.
    Environment,
}

/// What the values of a metric are, and how they are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A number of seconds: "50ms", "1.5s".
    Seconds,
    /// A number from 0 to 100: "80 %".
    Percent,
    /// A number of bytes: "2 GiB".
    Bytes,
    /// A bare number.
    Number,
    /// 1 or 0: "true", "false".
    Flag,
    /// A name.
    Name,
}

/// Where the value of a metric comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Samples of the resource.
    Resource,
    /// Samples of one instance: there are none before it is deployed.
    Instance,
    /// The age of the newest sample of the resource.
    Age,
    /// The description of the resource: never stale.
    Inventory,
}

impl Metric {
    /// All metrics; a metric's [`index`](Metric::index) is its place here.
    pub const ALL: [Metric; 21] = [
        Metric::Latency,
        Metric::Availability,
        Metric::Up,
        Metric::Cpu,
        Metric::Memory,
        Metric::Storage,
        Metric::RoundTripP50,
        Metric::RoundTripP90,
        Metric::RoundTripP95,
        Metric::RoundTripP99,
        Metric::ErrorRate,
        Metric::Staleness,
        Metric::Cost,
        Metric::CpuTotal,
        Metric::MemoryTotal,
        Metric::StorageTotal,
        Metric::InstanceType,
        Metric::Region,
        Metric::Provider,
        Metric::Platform,
        Metric::Environment,
    ];

    /// How many metrics are sampled: those that come first in
    /// [`ALL`](Metric::ALL).
    pub const SAMPLED: usize = 11;

    /// The place in [`ALL`](Metric::ALL).
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The name in texts.
    pub const fn name(self) -> &'static str {
        match self {
            Metric::Latency => "latency",
            Metric::Availability => "availability",
            Metric::Up => "up",
            Metric::Cpu => "cpu",
            Metric::Memory => "memory",
            Metric::Storage => "storage",
            Metric::RoundTripP50 => "round_trip_p50",
            Metric::RoundTripP90 => "round_trip_p90",
            Metric::RoundTripP95 => "round_trip_p95",
            Metric::RoundTripP99 => "round_trip_p99",
            Metric::ErrorRate => "error_rate",
            Metric::Staleness => "staleness",
            Metric::Cost => "cost",
            Metric::CpuTotal => "cpu_total",
            Metric::MemoryTotal => "memory_total",
            Metric::StorageTotal => "storage_total",
            Metric::InstanceType => "instance_type",
            Metric::Region => "region",
            Metric::Provider => "provider",
            Metric::Platform => "platform",
            Metric::Environment => "environment",
        }
    }

    /// What the values are.
    pub const fn kind(self) -> Kind {
        match self {
            Metric::Latency
            | Metric::RoundTripP50
            | Metric::RoundTripP90
            | Metric::RoundTripP95
            | Metric::RoundTripP99
            | Metric::Staleness => Kind::Seconds,
            Metric::Availability
            | Metric::Cpu
            | Metric::Memory
            | Metric::Storage
            | Metric::ErrorRate => Kind::Percent,
            Metric::MemoryTotal | Metric::StorageTotal => Kind::Bytes,
            Metric::Cost | Metric::CpuTotal => Kind::Number,
            Metric::Up => Kind::Flag,
            Metric::InstanceType
            | Metric::Region
            | Metric::Provider
            | Metric::Platform
            | Metric::Environment => Kind::Name,
        }
    }

    /// Where the value comes from.
    pub const fn origin(self) -> Origin {
        match self {
            Metric::Latency
            | Metric::Availability
            | Metric::Up
            | Metric::Cpu
            | Metric::Memory
            | Metric::Storage => Origin::Resource,
            Metric::RoundTripP50
            | Metric::RoundTripP90
            | Metric::RoundTripP95
            | Metric::RoundTripP99
            | Metric::ErrorRate => Origin::Instance,
            Metric::Staleness => Origin::Age,
            Metric::Cost
            | Metric::CpuTotal
            | Metric::MemoryTotal
            | Metric::StorageTotal
            | Metric::InstanceType
            | Metric::Region
            | Metric::Provider
            | Metric::Platform
            | Metric::Environment => Origin::Inventory,
        }
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Metric {
    type Err = ParseObjectiveError;
    fn from_str(text: &str) -> Result<Metric, ParseObjectiveError> {
        Metric::ALL
            .into_iter()
            .find(|metric| metric.name() == text)
            .ok_or_else(|| {
                let names: Vec<&str> = Metric::ALL.iter().map(|metric| metric.name()).collect();
                ParseObjectiveError::new(text, format!("a metric: {}", names.join(", ")))
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_is_found_by_its_place_and_by_its_name() {
        for (index, metric) in Metric::ALL.into_iter().enumerate() {
            assert_eq!(metric.index(), index);
            assert_eq!(metric.name().parse(), Ok(metric));
            assert_eq!(
                index < Metric::SAMPLED,
                matches!(metric.origin(), Origin::Resource | Origin::Instance),
                "{metric}"
            );
        }
    }
}
