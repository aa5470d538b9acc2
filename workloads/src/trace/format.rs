//! The published files this reads, and their columns in the published order.
//!
//! Sources: <https://github.com/alibaba/clusterdata> (each trace's `schema.txt` or
//! README) and <https://github.com/Azure/AzurePublicDataset>. The last is our own:
//! what `tidegate trace convert` writes.

use std::borrow::Cow;

use serde::Deserialize;
use tidegate_core::Span;

use super::layout::{Column, Kind, Layout, Measure};

/// Which published file it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum Format {
    /// `container_usage` of cluster-trace-v2017: CPU of the container's request
    /// in percent, each 60 s (means of 300 s).
    #[serde(rename = "alibaba-v2017-container-usage")]
    ContainerUsage2017,
    /// `server_usage` of cluster-trace-v2017: CPU in percent, each 60 s (means of
    /// 300 s).
    #[serde(rename = "alibaba-v2017-server-usage")]
    ServerUsage2017,
    /// `container_usage` of cluster-trace-v2018: CPU in percent, at irregular
    /// multiples of 10 s.
    #[serde(rename = "alibaba-v2018-container-usage")]
    ContainerUsage2018,
    /// `machine_usage` of cluster-trace-v2018: CPU in percent, at irregular
    /// multiples of 10 s.
    #[serde(rename = "alibaba-v2018-machine-usage")]
    MachineUsage2018,
    /// `MSRTQps` of cluster-trace-microservices-v2021: calls per second of each
    /// instance, each 60 s, among other metrics.
    #[serde(rename = "alibaba-microservices-v2021-msrtqps")]
    MicroservicesRates,
    /// `Node` of cluster-trace-microservices-v2021: CPU as a share of one, each
    /// 30 s.
    #[serde(rename = "alibaba-microservices-v2021-node")]
    MicroservicesNodes,
    /// `MSRTMCR` of cluster-trace-microservices-v2022: calls of each instance on a
    /// scale from 0 to 1, and response times, one column per kind of call.
    #[serde(rename = "alibaba-microservices-v2022-msrtmcr")]
    MicroservicesRates2022,
    /// `invocations_per_function_md.anon` of Azure Functions 2019: calls in each
    /// minute of a day.
    #[serde(rename = "azure-functions-2019-invocations")]
    AzureInvocations2019,
    /// `function_durations_percentiles.anon` of Azure Functions 2019.
    #[serde(rename = "azure-functions-2019-durations")]
    AzureDurations2019,
    /// `app_memory_percentiles.anon` of Azure Functions 2019.
    #[serde(rename = "azure-functions-2019-memory")]
    AzureMemory2019,
    /// `AzureFunctionsInvocationTraceForTwoWeeksJan2021`: one row per call.
    #[serde(rename = "azure-functions-2021")]
    AzureCalls2021,
    /// A load that `tidegate trace convert` has written.
    #[serde(rename = "rates")]
    Rates,
}

const SECOND: u64 = 1_000_000_000;
const MILLISECOND: u64 = 1_000_000;
/// Minutes of a day, each a column of the Azure 2019 invocations.
const MINUTES: u32 = 1_440;

impl Format {
    /// All of them.
    pub const ALL: [Format; 12] = [
        Format::ContainerUsage2017,
        Format::ServerUsage2017,
        Format::ContainerUsage2018,
        Format::MachineUsage2018,
        Format::MicroservicesRates,
        Format::MicroservicesNodes,
        Format::MicroservicesRates2022,
        Format::AzureInvocations2019,
        Format::AzureDurations2019,
        Format::AzureMemory2019,
        Format::AzureCalls2021,
        Format::Rates,
    ];

    /// Its name, as files and the command line write it.
    pub fn name(self) -> &'static str {
        match self {
            Format::ContainerUsage2017 => "alibaba-v2017-container-usage",
            Format::ServerUsage2017 => "alibaba-v2017-server-usage",
            Format::ContainerUsage2018 => "alibaba-v2018-container-usage",
            Format::MachineUsage2018 => "alibaba-v2018-machine-usage",
            Format::MicroservicesRates => "alibaba-microservices-v2021-msrtqps",
            Format::MicroservicesNodes => "alibaba-microservices-v2021-node",
            Format::MicroservicesRates2022 => "alibaba-microservices-v2022-msrtmcr",
            Format::AzureInvocations2019 => "azure-functions-2019-invocations",
            Format::AzureDurations2019 => "azure-functions-2019-durations",
            Format::AzureMemory2019 => "azure-functions-2019-memory",
            Format::AzureCalls2021 => "azure-functions-2021",
            Format::Rates => "rates",
        }
    }

    /// The format of this name.
    pub fn of(name: &str) -> Option<Format> {
        Format::ALL.into_iter().find(|format| format.name() == name)
    }

    /// The names of all formats, as messages list them.
    pub fn names() -> String {
        Format::ALL
            .map(|format| format!("`{}`", format.name()))
            .join(", ")
    }

    /// The interval at which the trace was sampled; no step can be shorter.
    pub fn interval(self) -> Span {
        self.layout().interval
    }

    /// Whether its values are calls per second, and not only a shape.
    pub fn has_rates(self) -> bool {
        let measure = self.layout().measure;
        matches!(measure, Measure::Rate | Measure::Minutes | Measure::Calls)
    }

    /// Whether its files always begin with a head: Azure's and our own.
    pub fn always_has_head(self) -> bool {
        self == Format::Rates || self.name().starts_with("azure")
    }

    /// What stands where in its rows.
    pub fn layout(self) -> Layout {
        let percent = |name| number(name, "%");
        match self {
            Format::ContainerUsage2017 => Layout {
                columns: vec![
                    time("ts", SECOND, "s"),
                    name("instance_id"),
                    percent("cpu_util"),
                    percent("mem_util"),
                    percent("disk_util"),
                    number("load1", "1"),
                    number("load5", "1"),
                    number("load15", "1"),
                    number("avg_cpi", "cycles/instruction"),
                    number("avg_mpki", "misses/1000 instructions"),
                    number("max_cpi", "cycles/instruction"),
                    number("max_mpki", "misses/1000 instructions"),
                ],
                ..usage(0, 2, 1, 60)
            },
            Format::ServerUsage2017 => Layout {
                columns: vec![
                    time("ts", SECOND, "s"),
                    name("machine_id"),
                    percent("cpu_util"),
                    percent("mem_util"),
                    percent("disk_util"),
                    number("load1", "1"),
                    number("load5", "1"),
                    number("load15", "1"),
                ],
                ..usage(0, 2, 1, 60)
            },
            Format::ContainerUsage2018 => Layout {
                columns: vec![
                    label("container_id"),
                    label("machine_id"),
                    time("time_stamp", SECOND, "s"),
                    percent("cpu_util_percent"),
                    percent("mem_util_percent"),
                    number("cpi", "cycles/instruction"),
                    number("mem_gps", "normalised"),
                    number("mpki", "misses/1000 instructions"),
                    number("net_in", "normalised"),
                    number("net_out", "normalised"),
                    column("disk_io_percent", "%", Kind::Percent),
                ],
                ..usage(2, 3, 0, 10)
            },
            Format::MachineUsage2018 => Layout {
                columns: vec![
                    label("machine_id"),
                    time("time_stamp", SECOND, "s"),
                    percent("cpu_util_percent"),
                    percent("mem_util_percent"),
                    number("mem_gps", "normalised"),
                    number("mkpi", "misses/1000 instructions"),
                    number("net_in", "normalised"),
                    number("net_out", "normalised"),
                    column("disk_io_percent", "%", Kind::Percent),
                ],
                ..usage(1, 2, 0, 10)
            },
            Format::MicroservicesRates => Layout {
                columns: vec![
                    time("timestamp", MILLISECOND, "ms"),
                    name("msname"),
                    name("msinstanceid"),
                    column("metric", "", Kind::Ending(&["_MCR", "_RT"])),
                    number("value", "calls/s or ms"),
                ],
                metric: Some(3),
                measure: Measure::Rate,
                ..usage(0, 4, 2, 60)
            },
            Format::MicroservicesNodes => Layout {
                columns: vec![
                    time("timestamp", MILLISECOND, "ms"),
                    name("nodeid"),
                    number("node_cpu_usage", "share"),
                    number("node_memory_usage", "share"),
                ],
                ..usage(0, 2, 1, 30)
            },
            Format::MicroservicesRates2022 => {
                let calls = |name| number(name, "normalised calls");
                let times = |name| number(name, "ms");
                Layout {
                    columns: vec![
                        time("timestamp", MILLISECOND, "ms"),
                        name("msname"),
                        name("msinstanceid"),
                        name("nodeid"),
                        times("providerrpc_rt"),
                        calls("providerrpc_mcr"),
                        times("consumerrpc_rt"),
                        calls("consumerrpc_mcr"),
                        times("writemc_rt"),
                        calls("writemc_mcr"),
                        times("readmc_rt"),
                        calls("readmc_mcr"),
                        times("writedb_rt"),
                        calls("writedb_mcr"),
                        times("readdb_rt"),
                        calls("readdb_mcr"),
                        times("consumermq_rt"),
                        calls("consumermq_mcr"),
                        times("providermq_rt"),
                        calls("providermq_mcr"),
                        calls("http_mcr"),
                        times("http_rt"),
                    ],
                    measure: Measure::RelativeRate,
                    ..usage(0, 20, 2, 60)
                }
            }
            Format::AzureInvocations2019 => {
                let triggers = &[
                    "http",
                    "timer",
                    "event",
                    "queue",
                    "storage",
                    "orchestration",
                    "others",
                ];
                let mut columns = function();
                columns.push(column("Trigger", "", Kind::Word(triggers)));
                columns.extend((0..MINUTES).map(|minute| Column {
                    name: Cow::Owned((minute + 1).to_string()),
                    unit: "calls/min",
                    kind: Kind::Minute(minute),
                }));
                Layout {
                    columns,
                    time: None,
                    value: None,
                    measure: Measure::Minutes,
                    ..usage(0, 0, 2, 60)
                }
            }
            Format::AzureDurations2019 => {
                let mut columns = function();
                columns.push(number("Average", "ms"));
                columns.push(number("Count", "calls"));
                columns.push(number("Minimum", "ms"));
                columns.push(number("Maximum", "ms"));
                columns.extend(
                    [0, 1, 25, 50, 75, 99, 100]
                        .map(|percent| number(format!("percentile_Average_{percent}"), "ms")),
                );
                distribution(columns, 2)
            }
            Format::AzureMemory2019 => {
                let mut columns = function();
                // Memory is that of an application, all its functions together.
                columns.truncate(2);
                columns.push(number("SampleCount", "samples"));
                columns.push(number("AverageAllocatedMb", "MB"));
                columns.extend(
                    [1, 5, 25, 50, 75, 95, 99, 100]
                        .map(|percent| number(format!("AverageAllocatedMb_pct{percent}"), "MB")),
                );
                distribution(columns, 1)
            }
            Format::AzureCalls2021 => Layout {
                columns: vec![
                    name("app"),
                    name("func"),
                    time("end_timestamp", SECOND, "s"),
                    number("duration", "s"),
                ],
                measure: Measure::Calls,
                ..usage(2, 3, 1, 1)
            },
            Format::Rates => Layout {
                columns: vec![time("time_s", SECOND, "s"), number("rate_per_s", "calls/s")],
                measure: Measure::Rate,
                interval: Span::from_millis(1),
                ..usage(0, 1, 0, 1)
            },
        }
    }
}

fn column(name: impl Into<Cow<'static, str>>, unit: &'static str, kind: Kind) -> Column {
    Column {
        name: name.into(),
        unit,
        kind,
    }
}

fn time(name: &'static str, nanoseconds: u64, unit: &'static str) -> Column {
    column(name, unit, Kind::Time(nanoseconds))
}

fn name(name: &'static str) -> Column {
    column(name, "", Kind::Name)
}

/// Names of v2018 begin with `m_` and `c_`.
fn label(name: &'static str) -> Column {
    column(name, "", Kind::Label)
}

fn number(name: impl Into<Cow<'static, str>>, unit: &'static str) -> Column {
    column(name, unit, Kind::Number)
}

/// The columns that name a function of Azure 2019.
fn function() -> Vec<Column> {
    ["HashOwner", "HashApp", "HashFunction"].map(name).to_vec()
}

/// A layout of utilisations without its columns.
fn usage(time: usize, value: usize, subject: usize, interval_s: u64) -> Layout {
    Layout {
        columns: Vec::new(),
        time: Some(time),
        value: Some(value),
        metric: None,
        subject,
        measure: Measure::Utilisation,
        interval: Span::from_secs(interval_s),
    }
}

fn distribution(columns: Vec<Column>, subject: usize) -> Layout {
    Layout {
        columns,
        time: None,
        value: None,
        measure: Measure::Distribution,
        ..usage(0, 0, subject, 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_format_is_named_and_consistent() {
        for format in Format::ALL {
            let layout = format.layout();
            let places = [
                layout.time,
                layout.value,
                layout.metric,
                Some(layout.subject),
            ];
            for place in places.into_iter().flatten() {
                assert!(place < layout.columns.len(), "{format:?}");
            }
            assert!(layout.interval.0 > 0);
            if let Some(time) = layout.time {
                assert!(
                    matches!(layout.columns[time].kind, Kind::Time(_)),
                    "{format:?}"
                );
            }
            if let Some(value) = layout.value {
                assert!(layout.columns[value].kind.is_number(), "{format:?}");
            }
            assert_eq!(Format::of(format.name()), Some(format));
            let table = format!("format = \"{}\"", format.name());
            #[derive(Deserialize)]
            struct Named {
                format: Format,
            }
            let read: Named = toml::from_str(&table).unwrap();
            assert_eq!(read.format, format);
        }
    }
}
