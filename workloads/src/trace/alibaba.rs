//! Reads the traces Alibaba has published, in their own column order.
//!
//! Files are read as a stream and kept as one sum per interval of the trace, so
//! memory does not grow with the number of rows. No order of rows is assumed:
//! v2018 goes machine by machine through all of its eight days. Column orders
//! are those of <https://github.com/alibaba/clusterdata>.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use csv::{ReaderBuilder, StringRecord};
use serde::Deserialize;
use tidegate_core::Span;

use super::Series;
use crate::file::FileError;

/// Longer lines are refused before they fill the memory.
const MAX_LINE_BYTES: usize = 64 << 10;
/// Intervals from the first row to the last; v2018, the longest, has 69,120.
const MAX_INTERVALS: u64 = 1_000_000;
/// Values above this are no measurements.
const MAX_VALUE: f64 = 1e12;

/// Which published file it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum Format {
    /// `container_usage` of cluster-trace-v2017: CPU of the container's request
    /// in percent, each 60 s (means of 300 s).
    #[serde(rename = "alibaba-v2017-container-usage")]
    ContainerUsage2017,
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
}

/// Where things stand in a row of a format.
struct Layout {
    columns: &'static [&'static str],
    time: usize,
    /// Nanoseconds in a unit of the time column.
    unit: u64,
    value: usize,
    /// The column that says which metric the row holds.
    metric: Option<usize>,
    interval: Span,
}

impl Format {
    /// The names of all formats, as files write them.
    pub(crate) fn names() -> &'static str {
        "`alibaba-v2017-container-usage`, `alibaba-v2018-container-usage`, \
         `alibaba-v2018-machine-usage`, `alibaba-microservices-v2021-msrtqps`, \
         `alibaba-microservices-v2021-node`"
    }

    /// The interval at which the trace was sampled; no step can be shorter.
    pub fn interval(self) -> Span {
        self.layout().interval
    }

    fn layout(self) -> Layout {
        const SECOND: u64 = 1_000_000_000;
        const MILLISECOND: u64 = 1_000_000;
        match self {
            Format::ContainerUsage2017 => Layout {
                columns: &[
                    "ts",
                    "instance_id",
                    "cpu_util",
                    "mem_util",
                    "disk_util",
                    "load1",
                    "load5",
                    "load15",
                    "avg_cpi",
                    "avg_mpki",
                    "max_cpi",
                    "max_mpki",
                ],
                time: 0,
                unit: SECOND,
                value: 2,
                metric: None,
                interval: Span::from_secs(60),
            },
            Format::ContainerUsage2018 => Layout {
                columns: &[
                    "container_id",
                    "machine_id",
                    "time_stamp",
                    "cpu_util_percent",
                    "mem_util_percent",
                    "cpi",
                    "mem_gps",
                    "mpki",
                    "net_in",
                    "net_out",
                    "disk_io_percent",
                ],
                time: 2,
                unit: SECOND,
                value: 3,
                metric: None,
                interval: Span::from_secs(10),
            },
            Format::MachineUsage2018 => Layout {
                columns: &[
                    "machine_id",
                    "time_stamp",
                    "cpu_util_percent",
                    "mem_util_percent",
                    "mem_gps",
                    "mkpi",
                    "net_in",
                    "net_out",
                    "disk_io_percent",
                ],
                time: 1,
                unit: SECOND,
                value: 2,
                metric: None,
                interval: Span::from_secs(10),
            },
            Format::MicroservicesRates => Layout {
                columns: &["timestamp", "msname", "msinstanceid", "metric", "value"],
                time: 0,
                unit: MILLISECOND,
                value: 4,
                metric: Some(3),
                interval: Span::from_secs(60),
            },
            Format::MicroservicesNodes => Layout {
                columns: &["timestamp", "nodeid", "node_cpu_usage", "node_memory_usage"],
                time: 0,
                unit: MILLISECOND,
                value: 2,
                metric: None,
                interval: Span::from_secs(30),
            },
        }
    }
}

/// Reads the trace at `path` into one value per `step`, which must be at least
/// the format's [interval](Format::interval).
///
/// A step's value is the mean over the intervals seen in it; an interval's is
/// the mean utilisation of all rows, or the sum of the rates of all instances
/// (only rows whose metric is `metric`). Steps without any row repeat the one
/// before. Empty cells, which v2018 has where nothing was measured, are passed
/// over.
///
/// # Errors
/// With line, cell and cause: a row with too few or too many columns, a time or
/// value that is no number, is negative or absurd, a time far from the first
/// row's, a line longer than 64 KiB, text that is not UTF-8; and a file that
/// cannot be opened or has no value at all.
pub fn read(path: &Path, format: Format, metric: &str, step: Span) -> Result<Series, FileError> {
    let refused = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => FileError::new(path, "no such file"),
        _ => FileError::new(path, format!("cannot be read: {error}")),
    };
    let file = File::open(path).map_err(refused)?;
    if file.metadata().map_err(refused)?.is_dir() {
        return Err(FileError::new(path, "is a directory, not a file"));
    }
    read_from(path, file, format, metric, step)
}

/// As [`read`], from any source; `path` is only named in messages.
pub(crate) fn read_from(
    path: &Path,
    source: impl Read,
    format: Format,
    metric: &str,
    step: Span,
) -> Result<Series, FileError> {
    let layout = format.layout();
    let mut reader = ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        // A lone quote must not swallow the rest of the file.
        .quoting(false)
        .from_reader(ShortLines::new(source));
    let mut rows = Rows {
        path,
        layout: &layout,
        metric,
        index_columns: 0,
        first: None,
        intervals: BTreeMap::new(),
    };
    let mut record = StringRecord::new();
    let mut first_row = true;
    loop {
        match reader.read_record(&mut record) {
            Ok(true) => {}
            Ok(false) => break,
            Err(error) => return Err(rows.unreadable(&error)),
        }
        if first_row {
            first_row = false;
            // Copies that went through pandas have a leading index column.
            let extra = record.len().checked_sub(layout.columns.len());
            rows.index_columns = usize::from(extra == Some(1));
            if record.get(rows.index_columns + layout.time) == Some(layout.columns[layout.time]) {
                continue;
            }
        }
        rows.add(&record)?;
    }
    rows.series(format, step)
}

/// What the rows so far came to.
struct Rows<'a> {
    path: &'a Path,
    layout: &'a Layout,
    metric: &'a str,
    index_columns: usize,
    /// The number of the first row's interval.
    first: Option<u64>,
    /// Sum and count of the values of each interval.
    intervals: BTreeMap<u64, (f64, u64)>,
}

impl Rows<'_> {
    fn add(&mut self, record: &StringRecord) -> Result<(), FileError> {
        let expected = self.layout.columns.len() + self.index_columns;
        if record.len() != expected {
            let message = format!("the row has {} columns, expected {expected}", record.len());
            return Err(self.at(record, None, message));
        }
        let metric = |column| record.get(self.index_columns + column) == Some(self.metric);
        if !self.layout.metric.is_none_or(metric) {
            return Ok(());
        }
        let Some(value) = self.number(record, self.layout.value)? else {
            return Ok(());
        };
        let time = match self.number(record, self.layout.time)? {
            Some(time) => time,
            None => return Err(self.wrong(record, self.layout.time, "is empty")),
        };
        let interval = time * self.layout.unit as f64 / self.layout.interval.0 as f64;
        let interval = interval as u64;
        let first = *self.first.get_or_insert(interval);
        if interval.abs_diff(first) > MAX_INTERVALS {
            let limit = self.layout.interval * MAX_INTERVALS;
            let cause = format!("lies more than {limit} from the first row's time");
            return Err(self.wrong(record, self.layout.time, &cause));
        }
        let (sum, count) = self.intervals.entry(interval).or_default();
        *sum += value;
        *count += 1;
        Ok(())
    }

    /// The number in a cell, if it is not empty.
    fn number(&self, record: &StringRecord, column: usize) -> Result<Option<f64>, FileError> {
        let cell = record.get(self.index_columns + column).unwrap_or("").trim();
        if cell.is_empty() {
            return Ok(None);
        }
        let wrong = |cause: &str| Err(self.wrong(record, column, cause));
        match cell.parse::<f64>() {
            Err(_) => wrong("is not a number"),
            Ok(number) if number.is_nan() => wrong("is not a number"),
            Ok(number) if number < 0.0 => wrong("is negative"),
            // Times in milliseconds stay below this for thirty years.
            Ok(number) if number > MAX_VALUE => wrong("is too large"),
            Ok(number) => Ok(Some(number)),
        }
    }

    fn series(self, format: Format, step: Span) -> Result<Series, FileError> {
        let step = step.max(self.layout.interval);
        let mut steps: BTreeMap<u64, (f64, u64)> = BTreeMap::new();
        for (interval, (sum, count)) in &self.intervals {
            let time = u128::from(*interval) * u128::from(self.layout.interval.0);
            let index = (time / u128::from(step.0)) as u64;
            let value = match format {
                Format::MicroservicesRates => *sum,
                _ => sum / *count as f64,
            };
            let entry = steps.entry(index).or_default();
            entry.0 += value;
            entry.1 += 1;
        }
        let mut values: Vec<f64> = Vec::new();
        let mut last: Option<(u64, f64)> = None;
        for (index, (sum, count)) in steps {
            let value = sum / count as f64;
            if let Some((before, held)) = last {
                values.extend((before + 1..index).map(|_| held));
            }
            values.push(value);
            last = Some((index, value));
        }
        if values.is_empty() {
            let message = match self.layout.metric {
                Some(_) => format!("has no value of the metric `{}`", self.metric),
                None => "has no value".to_owned(),
            };
            return Err(FileError::new(self.path, message));
        }
        Ok(Series { step, values })
    }

    fn wrong(&self, record: &StringRecord, column: usize, cause: &str) -> FileError {
        let name = self.layout.columns[column];
        let column = self.index_columns + column;
        let cell = record.get(column).unwrap_or("");
        let cell: String = cell.chars().take(40).collect();
        let message = format!("column `{name}`: {cell:?} {cause}");
        self.at(record, Some(column + 1), message)
    }

    fn at(&self, record: &StringRecord, column: Option<usize>, message: String) -> FileError {
        FileError {
            line: record.position().map(|position| position.line() as usize),
            column,
            ..FileError::new(self.path, message)
        }
    }

    fn unreadable(&self, error: &csv::Error) -> FileError {
        let message = match error.kind() {
            csv::ErrorKind::Io(error) => format!("cannot be read: {error}"),
            csv::ErrorKind::Utf8 { .. } => "the row is not UTF-8 text".to_owned(),
            _ => format!("cannot be read: {error}"),
        };
        FileError {
            line: error.position().map(|position| position.line() as usize),
            ..FileError::new(self.path, message)
        }
    }
}

/// Passes bytes on, and fails at a line that is too long.
struct ShortLines<R> {
    source: R,
    length: usize,
    line: u64,
}

impl<R> ShortLines<R> {
    fn new(source: R) -> ShortLines<R> {
        ShortLines {
            source,
            length: 0,
            line: 1,
        }
    }
}

impl<R: Read> Read for ShortLines<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.source.read(buffer)?;
        for byte in &buffer[..count] {
            if *byte == b'\n' {
                self.length = 0;
                self.line += 1;
            } else {
                self.length += 1;
                if self.length > MAX_LINE_BYTES {
                    let line = self.line;
                    let message = format!("line {line} is longer than 64 KiB");
                    return Err(io::Error::new(io::ErrorKind::InvalidData, message));
                }
            }
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests;
