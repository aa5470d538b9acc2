//! What rows say at which time, the same for all formats.

use std::path::{Path, PathBuf};

use super::format::Format;
use super::layout::{Kind, Layout, Measure};
use super::rows::{Row, Table};
use super::source;
use crate::file::FileError;

/// Nanoseconds in a minute and in a day.
const MINUTE: u64 = 60_000_000_000;
const DAY: u64 = 1_440 * MINUTE;

/// When a file of one day begins, in nanoseconds after the first day: the files of
/// Azure 2019 are called `….d01.csv` to `….d14.csv`.
fn begins(path: &Path, measure: Measure) -> u64 {
    if measure != Measure::Minutes {
        return 0;
    }
    let name = path
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or("");
    let day = name
        .split('.')
        .find_map(|part| part.strip_prefix('d')?.parse::<u64>().ok());
    day.map_or(0, |day| day.clamp(1, 100) - 1) * DAY
}

/// Reads the tables at `paths`, one after the other, all of one format.
///
/// `each` gets the time in nanoseconds at which each file begins, and its table.
///
/// # Errors
/// When a file cannot be read, is of another format than the first, and what `each`
/// finds.
pub(crate) fn tables(
    paths: &[PathBuf],
    format: Option<Format>,
    mut each: impl FnMut(u64, Table<'_>) -> Result<(), FileError>,
) -> Result<(), FileError> {
    let mut known = format;
    for path in paths {
        source::with(path, |source| {
            let table = Table::new(path, source, known)?;
            known = Some(table.format());
            each(begins(path, table.layout().measure), table)
        })?;
    }
    Ok(())
}

/// Calls `each` with the time of everything a row says, and its values in `columns`.
///
/// A row of minutes says one thing per minute: its only value is the count, whatever
/// `columns` are. A call is placed at its beginning.
///
/// # Errors
/// At a cell that holds no number or no time, and what `each` finds.
pub(crate) fn row(
    row: &Row<'_>,
    layout: &Layout,
    begins: u64,
    columns: &[usize],
    values: &mut Vec<f64>,
    mut each: impl FnMut(u64, &[f64]) -> Result<(), FileError>,
) -> Result<(), FileError> {
    if layout.measure == Measure::Minutes {
        for (place, column) in layout.columns.iter().enumerate() {
            if let Kind::Minute(minute) = column.kind {
                let count = count(row, place)?;
                each(begins + u64::from(minute) * MINUTE, &[count])?;
            }
        }
        return Ok(());
    }
    values.clear();
    for column in columns {
        values.push(row.number(*column)?);
    }
    let mut time = row.time()?;
    if layout.measure == Measure::Calls
        && let Some(duration) = layout.value
    {
        let duration = row.number(duration)?;
        time = time.saturating_sub((duration.max(0.0) * 1e9) as u64);
    }
    each(time, values)
}

/// How often something was called in a minute.
///
/// # Errors
/// When the cell is empty or no whole number.
pub(crate) fn count(row: &Row<'_>, place: usize) -> Result<f64, FileError> {
    let count = row.number(place)?;
    match () {
        () if count.is_nan() => Err(row.wrong(place, "is empty")),
        () if count.fract() != 0.0 => Err(row.wrong(place, "is no whole number")),
        () => Ok(count),
    }
}
