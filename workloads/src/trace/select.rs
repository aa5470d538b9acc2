//! Which rows of a trace are meant.

use std::path::Path;

use tidegate_core::Span;

use super::layout::{Kind, Layout};
use super::rows::Row;
use crate::file::{self, FileError};

/// Which rows of a trace are meant: those with the words asked for, from one time
/// to another.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Column and word; several of one column are alternatives.
    pub filters: Vec<(String, String)>,
    /// Not before this time of the trace.
    pub from: Span,
    /// Only before this time of the trace.
    pub until: Option<Span>,
}

/// A selection with the places of its columns.
pub(crate) struct Chosen {
    filters: Vec<(usize, Vec<Vec<u8>>)>,
    from: u64,
    until: u64,
}

impl Selection {
    /// Finds the columns in a layout.
    ///
    /// # Errors
    /// When a column is not there, or holds numbers.
    pub(crate) fn resolve(&self, path: &Path, layout: &Layout) -> Result<Chosen, FileError> {
        let mut filters: Vec<(usize, Vec<Vec<u8>>)> = Vec::new();
        for (name, word) in &self.filters {
            let place = column(path, layout, name, Kind::is_text)?;
            let word = word.clone().into_bytes();
            match filters.iter_mut().find(|(other, _)| *other == place) {
                Some((_, words)) => words.push(word),
                None => filters.push((place, vec![word])),
            }
        }
        let until = self.until.map_or(u64::MAX, |until| until.0);
        Ok(Chosen {
            filters,
            from: self.from.0,
            until,
        })
    }
}

/// The place of the column called `name`, if it is of the `wanted` kind.
///
/// # Errors
/// When there is none.
pub(crate) fn column(
    path: &Path,
    layout: &Layout,
    name: &str,
    wanted: impl Fn(Kind) -> bool,
) -> Result<usize, FileError> {
    let names = || {
        let columns = layout.columns.iter().filter(|column| wanted(column.kind));
        columns
            .map(|column| column.name.as_ref())
            .collect::<Vec<&str>>()
    };
    match layout
        .find(name)
        .filter(|place| wanted(layout.columns[*place].kind))
    {
        Some(place) => Ok(place),
        None => {
            let error = FileError::new(path, format!("has no such column as `{name}`"));
            Err(match file::suggestion(name, names()) {
                Some(help) => error.with_help(help),
                None => error.with_help(format!("it has {}", names().join(", "))),
            })
        }
    }
}

impl Chosen {
    /// Whether the words of a row are those asked for.
    #[inline]
    pub(crate) fn has(&self, row: &Row<'_>) -> bool {
        self.filters.iter().all(|(place, words)| {
            let cell = row.cell(*place);
            words.iter().any(|word| word == cell)
        })
    }

    /// Whether a time, in nanoseconds, is in the window asked for.
    #[inline]
    pub(crate) fn covers(&self, time: u64) -> bool {
        (self.from..self.until).contains(&time)
    }
}
