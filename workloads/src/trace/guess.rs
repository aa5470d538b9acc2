//! Which format a file is, from its first row.

use std::path::Path;

use super::format::Format;
use super::layout::{Column, Kind, Layout};
use super::number;
use crate::file::FileError;

/// Whether the row is a head: it names one of the columns, and no number can.
pub(super) fn head(layout: &Layout, cells: &[&[u8]]) -> bool {
    let named = |column: &Column| {
        !matches!(column.kind, Kind::Minute(_))
            && cells
                .iter()
                .any(|cell| cell.trim_ascii() == column.name.as_bytes())
    };
    layout.columns.iter().any(named)
}

/// The one format that a file with this first row can be.
///
/// # Errors
/// When there is none, or there are several.
pub(super) fn format(path: &Path, row: u64, cells: &[&[u8]]) -> Result<Format, FileError> {
    let scores = Format::ALL.map(|format| (likeness(format, cells), format));
    let best = scores.iter().map(|(score, _)| *score).max().unwrap_or(0);
    let mut like = scores
        .iter()
        .filter(|(score, _)| *score == best && best > 0);
    let message = match (like.next(), like.next()) {
        (Some((_, format)), None) => return Ok(*format),
        (Some((_, one)), Some((_, other))) => {
            format!("the row may be of {} or of {}", one.name(), other.name())
        }
        _ => format!(
            "no format this reads has such a row of {} columns",
            cells.len()
        ),
    };
    let error = FileError {
        line: usize::try_from(row).ok(),
        column: Some(1),
        ..FileError::new(path, message)
    };
    Err(error.with_help(format!("say which it is: one of {}", Format::names())))
}

/// How well a first row goes with a layout, in percent: a head by its names, of
/// which formats share some; other rows do or do not.
fn likeness(format: Format, cells: &[&[u8]]) -> usize {
    let layout = &format.layout();
    let columns = layout.columns.len();
    if head(layout, cells) {
        let known = |column: &&Column| {
            cells
                .iter()
                .any(|cell| cell.trim_ascii() == column.name.as_bytes())
        };
        let known = layout.columns.iter().filter(known).count();
        let percent = 200 * known / (columns + cells.len());
        return if percent > 50 { percent } else { 0 };
    }
    if format.always_has_head() {
        return 0;
    }
    let index = match cells.len().checked_sub(columns) {
        Some(index @ (0 | 1)) => index,
        _ => return 0,
    };
    let has_index = cells[..index]
        .iter()
        .all(|cell| number::parse(cell).is_some());
    let fits = layout
        .columns
        .iter()
        .zip(&cells[index..])
        .all(|(column, cell)| like(column, cell));
    100 * usize::from(has_index && fits)
}

/// Whether a cell may stand in a column.
fn like(column: &Column, cell: &[u8]) -> bool {
    match column.kind {
        Kind::Time(_) | Kind::Minute(_) => number::parse(cell).is_some(),
        Kind::Number | Kind::Percent => cell.is_empty() || number::parse(cell).is_some(),
        Kind::Name => !cell.is_empty(),
        Kind::Label => !cell.is_empty() && number::parse(cell).is_none(),
        Kind::Word(words) => words.iter().any(|word| word.as_bytes() == cell),
        Kind::Ending(ends) => ends.iter().any(|end| cell.ends_with(end.as_bytes())),
    }
}
