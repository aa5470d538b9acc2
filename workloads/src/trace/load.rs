//! From a trace to a load: one rate, or one utilisation, per step of time.

use std::path::{Path, PathBuf};

use tidegate_core::Span;

use super::format::Format;
use super::intervals::{Aggregate, Intervals};
use super::layout::{Kind, Measure};
use super::observe;
use super::select::{self, Selection};
use super::series::Series;
use crate::file::FileError;

/// How a load is made.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Which rows count.
    pub selection: Selection,
    /// The column that is taken, if not the format's usual one.
    pub column: Option<String>,
    /// What becomes of the rows of one interval: calls are added up, utilisations
    /// averaged, if nothing is said.
    pub aggregate: Option<Aggregate>,
    /// How long a step is; the trace's interval, or a minute if that is shorter
    /// for calls.
    pub step: Option<Span>,
}

/// A load made from a trace.
#[derive(Clone, Debug, PartialEq)]
pub struct Made {
    /// Which format the files are of.
    pub format: Format,
    /// The first row's time, rounded down to an interval.
    pub begins: Span,
    /// The values.
    pub series: Series,
}

/// Makes a load from the files at `paths`, parts of one trace.
///
/// Intervals without a row repeat the one before; where rows are calls there were
/// none. Empty cells are passed over. Rows may come in any order.
///
/// # Errors
/// With row, column and cause: a row with too few or too many columns, a time or
/// value that is no number, is negative or absurd, a time far from the first row's,
/// a line longer than 64 KiB, text that is not UTF-8. And a file that cannot be
/// opened, has no value in the selection, or no time at all.
pub fn load(
    paths: &[PathBuf],
    format: Option<Format>,
    options: &Options,
) -> Result<Made, FileError> {
    let first = paths.first().map_or(Path::new(""), PathBuf::as_path);
    let mut found: Option<(Format, Intervals)> = None;
    let mut selection = options.selection.clone();
    let mut buffer = Vec::new();
    observe::tables(paths, format, |begins, table| {
        let (format, layout) = (table.format(), table.layout().clone());
        if layout.measure == Measure::Distribution {
            let message = "has distributions over a day and no times: no load can be made of it";
            return Err(FileError::new(first, message));
        }
        if let Some(metric) = layout.metric.map(|metric| &layout.columns[metric].name)
            && !selection.filters.iter().any(|(name, _)| name == metric)
        {
            selection
                .filters
                .push((metric.to_string(), DEFAULT_METRIC.to_owned()));
        }
        let chosen = selection.resolve(first, &layout)?;
        let columns = match (&options.column, layout.value) {
            (Some(name), _) => vec![select::column(first, &layout, name, Kind::is_number)?],
            (None, Some(value)) => vec![value],
            (None, None) => Vec::new(),
        };
        let (_, intervals) = found.get_or_insert_with(|| (format, Intervals::new(layout.interval)));
        table.each(|row| {
            if !chosen.has(row) {
                return Ok(());
            }
            observe::row(
                row,
                &layout,
                begins,
                &columns,
                &mut buffer,
                |time, values| {
                    let value = match layout.measure {
                        Measure::Calls => 1.0,
                        _ => values[0],
                    };
                    if value.is_nan() || !chosen.covers(time) {
                        return Ok(());
                    }
                    let added = intervals.add(time, value);
                    added.map_err(|cause| row.wrong(layout.time.unwrap_or(0), &cause))
                },
            )
        })
    })?;
    let none = || FileError::new(first, "has no value");
    let (format, intervals) = found.ok_or_else(none)?;
    let measure = format.layout().measure;
    let usual = match measure {
        Measure::Utilisation | Measure::Distribution => Aggregate::Mean,
        _ => Aggregate::Sum,
    };
    let aggregate = options.aggregate.unwrap_or(usual);
    let step = options.step.unwrap_or(match measure {
        Measure::Calls => Span::from_secs(60),
        _ => format.interval(),
    });
    let series = intervals.series(step, measure, aggregate);
    match (series, intervals.span()) {
        (Some(series), Some((begins, _))) => Ok(Made {
            format,
            begins,
            series,
        }),
        _ => Err(match selection.filters.as_slice() {
            [] => none(),
            filters => {
                let filters = filters
                    .iter()
                    .map(|(column, word)| format!("{column}={word}"));
                let filters: Vec<String> = filters.collect();
                FileError::new(first, format!("has no value where {}", filters.join(", ")))
            }
        }),
    }
}

/// The rows of `MSRTQps` that are taken if nothing is said: calls that come from
/// outside.
pub(crate) const DEFAULT_METRIC: &str = "HTTP_MCR";

/// Reads the trace at `path` into one value per `step`, which must be at least the
/// format's [interval](Format::interval); of `MSRTQps` the rows of a `metric`.
///
/// # Errors
/// As [`load`].
pub fn read(
    path: &Path,
    format: Format,
    metric: Option<&str>,
    step: Span,
) -> Result<Series, FileError> {
    let layout = format.layout();
    let metric = layout.metric.map(|place| {
        let name = layout.columns[place].name.to_string();
        (name, metric.unwrap_or(DEFAULT_METRIC).to_owned())
    });
    let options = Options {
        selection: Selection {
            filters: metric.into_iter().collect(),
            ..Selection::default()
        },
        step: Some(step),
        ..Options::default()
    };
    Ok(load(&[path.to_owned()], Some(format), &options)?.series)
}

/// Reads a load that [`load`] made, from a file with the columns `time_s` and
/// `rate_per_s`.
///
/// # Errors
/// As [`load`], and when the times are not evenly spaced.
pub fn rates(path: &Path) -> Result<Series, FileError> {
    let layout = Format::Rates.layout();
    let mut times: Vec<u64> = Vec::new();
    let mut values = Vec::new();
    observe::tables(&[path.to_owned()], Some(Format::Rates), |_, table| {
        table.each(|row| {
            let (time, value) = (row.time()?, row.number(1)?);
            if value.is_nan() {
                return Err(row.wrong(1, "is empty"));
            }
            if let [first, second, ..] = times[..] {
                let due = first + (second - first) * times.len() as u64;
                // Times are written with a precision of a microsecond or better.
                if time.abs_diff(due) > 1_000 {
                    let due = Span(due);
                    return Err(row.wrong(0, &format!("breaks the even steps: {due} is due")));
                }
            } else if times.last().is_some_and(|last| time <= *last) {
                return Err(row.wrong(0, "is not after the row before"));
            }
            times.push(time);
            values.push(value);
            Ok(())
        })
    })?;
    let [first, second, ..] = times[..] else {
        let message = format!(
            "needs two rows at least, to say how long a step is; columns: {}",
            layout
                .columns
                .iter()
                .map(|column| column.name.as_ref())
                .collect::<Vec<_>>()
                .join(",")
        );
        return Err(FileError::new(path, message));
    };
    Ok(Series {
        step: Span(second - first),
        values,
    })
}
