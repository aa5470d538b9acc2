//! The rows of a trace, one at a time, in memory that does not grow with the file.
//!
//! The published files have no quoted cells, so a line is a row and a comma ends a
//! cell. Cells are read where they lie; only what is asked for is made a number.

use std::io::Read;
use std::path::Path;

use memchr::{memchr, memchr_iter};

use super::format::Format;
use super::layout::{Kind, Layout};
use super::{guess, number};
use crate::file::{self, FileError};

/// Longer lines are refused before they fill the memory.
pub(crate) const MAX_LINE_BYTES: usize = 64 << 10;
/// How much is read at once; more than the longest line.
const BUFFER_BYTES: usize = 256 << 10;
/// Values above this are no measurements. Times in milliseconds stay below it for
/// thirty years.
const MAX_VALUE: f64 = 1e12;
/// Values that stand for "not sound" in v2018's `disk_io_percent`.
const UNSOUND: [f64; 2] = [-1.0, 101.0];

/// A trace that is being read.
pub(crate) struct Table<'a> {
    lines: Lines<'a>,
    format: Format,
    shape: Shape<'a>,
    /// Columns of the file that the layout does not know.
    extra: Vec<String>,
    /// The number of the first row and the row, if it is data: it has been taken from
    /// the lines.
    first: Option<(u64, Vec<u8>)>,
}

/// What the rows of a file have in common.
struct Shape<'a> {
    path: &'a Path,
    layout: Layout,
    /// Where each column of the layout stands in the file.
    places: Vec<usize>,
    /// How many columns the file has.
    width: usize,
}

impl Shape<'_> {
    /// The row that `line` is; `ends` is room for the ends of its cells.
    fn row<'b>(
        &'b self,
        number: u64,
        line: &'b [u8],
        ends: &'b mut Vec<usize>,
    ) -> Result<Row<'b>, FileError> {
        ends.clear();
        ends.extend(memchr_iter(b',', line));
        ends.push(line.len());
        let row = Row {
            shape: self,
            number,
            line,
            ends,
        };
        row.check()?;
        Ok(row)
    }
}

impl<'a> Table<'a> {
    /// Begins to read `source`; without a `format` its first row says which it is.
    ///
    /// # Errors
    /// When there is no row, no format is like it, or its head lacks a column.
    pub(crate) fn new(
        path: &'a Path,
        source: &'a mut dyn Read,
        format: Option<Format>,
    ) -> Result<Table<'a>, FileError> {
        let mut lines = Lines::new(path, source);
        let Some((number, line)) = lines.next()? else {
            return Err(at(path, 1, 1, "the file is empty".to_owned()));
        };
        let line = line.to_vec();
        let cells: Vec<&[u8]> = line.split(|byte| *byte == b',').collect();
        let format = match format {
            Some(format) => format,
            None => guess::format(path, number, &cells)?,
        };
        let layout = format.layout();
        let head = guess::head(&layout, &cells).then_some(&cells);
        let columns = layout.columns.len();
        let (places, width, extra) = match head {
            Some(cells) => places(path, number, &layout, cells)?,
            None => {
                // Copies that went through pandas have a leading index column.
                let index = usize::from(cells.len() == columns + 1);
                (
                    (index..index + columns).collect(),
                    index + columns,
                    Vec::new(),
                )
            }
        };
        let first = head.is_none().then(|| (number, line.clone()));
        let shape = Shape {
            path,
            layout,
            places,
            width,
        };
        Ok(Table {
            lines,
            format,
            shape,
            extra,
            first,
        })
    }

    /// Which file it is.
    pub(crate) fn format(&self) -> Format {
        self.format
    }

    /// What stands where.
    pub(crate) fn layout(&self) -> &Layout {
        &self.shape.layout
    }

    /// Columns of the file that the layout does not know and that are passed over.
    pub(crate) fn extra(&self) -> &[String] {
        &self.extra
    }

    /// Calls `each` with every row.
    ///
    /// # Errors
    /// At a row that is too short, too long or no text, where the source ends too
    /// early, and what `each` finds.
    pub(crate) fn each(
        self,
        mut each: impl FnMut(&Row<'_>) -> Result<(), FileError>,
    ) -> Result<(), FileError> {
        let mut ends = Vec::with_capacity(self.shape.width);
        let Table {
            mut lines,
            shape,
            first,
            ..
        } = self;
        if let Some((number, line)) = first {
            each(&shape.row(number, &line, &mut ends)?)?;
        }
        while let Some((number, line)) = lines.next()? {
            each(&shape.row(number, line, &mut ends)?)?;
        }
        Ok(())
    }
}

/// Where each column of the layout stands under a head.
fn places(
    path: &Path,
    row: u64,
    layout: &Layout,
    head: &[&[u8]],
) -> Result<(Vec<usize>, usize, Vec<String>), FileError> {
    let names: Vec<String> = head
        .iter()
        .map(|name| String::from_utf8_lossy(name).trim().to_owned())
        .collect();
    let mut places = Vec::with_capacity(layout.columns.len());
    for column in &layout.columns {
        let mut found = names
            .iter()
            .enumerate()
            .filter(|(_, name)| **name == column.name);
        let Some((place, _)) = found.next() else {
            let unknown = names.iter().position(|name| {
                !layout.columns.iter().any(|column| column.name == *name)
                    && file::nearest(name, [column.name.as_ref()]).is_some()
            });
            let place = unknown.unwrap_or(names.len());
            let message = format!("the head has no column `{}`", column.name);
            let error = at(path, row, place + 1, message);
            return Err(match unknown {
                Some(place) => error.with_help(format!("it has `{}`", names[place])),
                None => error,
            });
        };
        if let Some((second, _)) = found.next() {
            let message = format!("the head has the column `{}` twice", column.name);
            return Err(at(path, row, second + 1, message));
        }
        places.push(place);
    }
    let extra = names.iter().enumerate();
    let extra = extra
        .filter(|(place, name)| !places.contains(place) && !name.is_empty())
        .map(|(_, name)| name.clone())
        .collect();
    Ok((places, names.len(), extra))
}

/// An error at a row and a column, both from 1.
fn at(path: &Path, row: u64, column: usize, message: String) -> FileError {
    FileError {
        line: Some(usize::try_from(row).unwrap_or(usize::MAX)),
        column: Some(column),
        ..FileError::new(path, message)
    }
}

/// One row. Columns are those of the layout, from 0.
pub(crate) struct Row<'a> {
    shape: &'a Shape<'a>,
    number: u64,
    line: &'a [u8],
    /// Where each cell of the line ends.
    ends: &'a [usize],
}

impl<'a> Row<'a> {
    fn check(&self) -> Result<(), FileError> {
        if !self.line.is_ascii()
            && let Err(error) = std::str::from_utf8(self.line)
        {
            let place = self.ends.iter().position(|end| error.valid_up_to() < *end);
            let column = place.unwrap_or_default() + 1;
            let message = "the row is not UTF-8 text".to_owned();
            return Err(at(self.shape.path, self.number, column, message));
        }
        let (cells, width) = (self.ends.len(), self.shape.width);
        if cells != width {
            let message = format!("the row has {cells} columns, expected {width}");
            return Err(at(
                self.shape.path,
                self.number,
                cells.min(width) + 1,
                message,
            ));
        }
        Ok(())
    }

    /// The bytes of a cell.
    #[inline]
    pub(crate) fn cell(&self, column: usize) -> &'a [u8] {
        let place = self.shape.places[column];
        let start = place
            .checked_sub(1)
            .map_or(0, |before| self.ends[before] + 1);
        &self.line[start..self.ends[place]]
    }

    /// A cell that says who or what.
    ///
    /// # Errors
    /// When it is empty or no such word.
    #[inline]
    pub(crate) fn word(&self, column: usize) -> Result<&'a [u8], FileError> {
        let cell = self.cell(column);
        match self.shape.layout.columns[column].kind {
            _ if cell.is_empty() => Err(self.wrong(column, "is empty")),
            Kind::Word(words) if !words.iter().any(|word| word.as_bytes() == cell) => {
                Err(self.wrong(column, &format!("is none of {}", words.join(", "))))
            }
            Kind::Ending(ends) if !ends.iter().any(|end| cell.ends_with(end.as_bytes())) => {
                let ends = ends.join(" or ");
                Err(self.wrong(column, &format!("does not end in {ends}")))
            }
            _ => Ok(cell),
        }
    }

    /// The measurement in a cell, not a number where it is empty or not sound.
    ///
    /// # Errors
    /// When the cell holds something else, or nothing that was measured.
    #[inline]
    pub(crate) fn number(&self, column: usize) -> Result<f64, FileError> {
        let cell = self.cell(column);
        match number::parse(cell) {
            Some(value) if (0.0..=MAX_VALUE).contains(&value) => {
                let kind = self.shape.layout.columns[column].kind;
                if kind == Kind::Percent && UNSOUND.contains(&value) {
                    return Ok(f64::NAN);
                }
                Ok(value)
            }
            value => self.unusual(column, value),
        }
    }

    #[cold]
    fn unusual(&self, column: usize, value: Option<f64>) -> Result<f64, FileError> {
        match value {
            None if self.cell(column).trim_ascii().is_empty() => Ok(f64::NAN),
            None => Err(self.wrong(column, "is not a number")),
            Some(value) if value.is_nan() => Err(self.wrong(column, "is not a number")),
            Some(value)
                if self.shape.layout.columns[column].kind == Kind::Percent
                    && UNSOUND.contains(&value) =>
            {
                Ok(f64::NAN)
            }
            Some(value) if value < 0.0 => Err(self.wrong(column, "is negative")),
            Some(_) => Err(self.wrong(column, "is too large")),
        }
    }

    /// The time of the row in nanoseconds since the trace began; zero where rows
    /// have none.
    ///
    /// # Errors
    /// When the cell is empty or holds no time.
    #[inline]
    pub(crate) fn time(&self) -> Result<u64, FileError> {
        let Some(column) = self.shape.layout.time else {
            return Ok(0);
        };
        let Kind::Time(unit) = self.shape.layout.columns[column].kind else {
            return Ok(0);
        };
        let time = self.number(column)?;
        if time.is_nan() {
            return Err(self.wrong(column, "is empty"));
        }
        Ok((time * unit as f64) as u64)
    }

    /// An error about a cell.
    pub(crate) fn wrong(&self, column: usize, cause: &str) -> FileError {
        let cell = String::from_utf8_lossy(self.cell(column));
        let cell: String = cell.chars().take(40).collect();
        let name = &self.shape.layout.columns[column].name;
        let message = format!("column `{name}`: {cell:?} {cause}");
        at(
            self.shape.path,
            self.number,
            self.shape.places[column] + 1,
            message,
        )
    }
}

/// The lines of a source, without their ends. Empty ones are passed over.
struct Lines<'a> {
    path: &'a Path,
    source: &'a mut dyn Read,
    buffer: Vec<u8>,
    /// What of the buffer is not used up.
    rest: std::ops::Range<usize>,
    /// The number of the line that was read last, from 1.
    number: u64,
}

impl<'a> Lines<'a> {
    fn new(path: &'a Path, source: &'a mut dyn Read) -> Lines<'a> {
        Lines {
            path,
            source,
            buffer: vec![0; BUFFER_BYTES],
            rest: 0..0,
            number: 0,
        }
    }

    fn next(&mut self) -> Result<Option<(u64, &[u8])>, FileError> {
        loop {
            let rest = &self.buffer[self.rest.clone()];
            let (length, used) = match memchr(b'\n', rest) {
                Some(end) => (end, end + 1),
                None if rest.len() > MAX_LINE_BYTES => return Err(self.too_long()),
                None if self.fill()? => continue,
                None if self.rest.is_empty() => return Ok(None),
                // The last line, without an end.
                None => (self.rest.len(), self.rest.len()),
            };
            if length > MAX_LINE_BYTES {
                return Err(self.too_long());
            }
            let start = self.rest.start;
            self.rest.start += used;
            self.number += 1;
            let returns = self.buffer[start..start + length].ends_with(b"\r");
            let length = length - usize::from(returns);
            if length > 0 {
                return Ok(Some((self.number, &self.buffer[start..start + length])));
            }
        }
    }

    /// Reads more behind what is left; false at the end of the source.
    fn fill(&mut self) -> Result<bool, FileError> {
        self.buffer.copy_within(self.rest.clone(), 0);
        self.rest = 0..self.rest.len();
        let end = self.rest.end;
        loop {
            match self.source.read(&mut self.buffer[end..]) {
                Ok(count) => {
                    self.rest.end += count;
                    return Ok(count > 0);
                }
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => {
                    let message = format!("cannot be read on: {error}");
                    return Err(at(self.path, self.number + 1, self.cells(), message));
                }
            }
        }
    }

    fn too_long(&self) -> FileError {
        let message = format!("the row is longer than {} KiB", MAX_LINE_BYTES >> 10);
        at(self.path, self.number + 1, self.cells(), message)
    }

    /// How many cells the line has that is being read.
    fn cells(&self) -> usize {
        let line = self.buffer[self.rest.clone()]
            .split(|byte| *byte == b'\n')
            .next();
        line.map_or(1, |line| memchr_iter(b',', line).count() + 1)
    }
}
