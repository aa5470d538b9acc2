//! What a trace holds: counted in one pass, in memory that has a bound.

use std::path::{Path, PathBuf};

use tidegate_core::Span;

use super::format::Format;
use super::intervals::Intervals;
use super::layout::{Kind, Layout};
use super::names::Names;
use super::observe;
use super::rows::Row;
use crate::file::FileError;

/// Different words of a column that are told apart.
pub const MAX_NAMES: usize = 400_000;
/// Words of a column that are shown with how often they come.
const MAX_SHOWN: usize = 32;

/// What a trace holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Inspection {
    /// Which format it is.
    pub format: Format,
    /// Rows without the head.
    pub rows: u64,
    /// When the first interval begins and the last ends, if rows have times.
    pub span: Option<(Span, Span)>,
    /// Intervals between the first and the last without any row, and how many of
    /// these follow one another at most.
    pub silent: (u64, u64),
    /// The longest time between two rows of one subject, and whose; of subjects
    /// whose rows come in the order of time.
    pub apart: Option<(Span, String)>,
    /// Its columns of words.
    pub words: Vec<Words>,
    /// Its columns of numbers.
    pub numbers: Vec<Numbers>,
    /// Columns of the file that are passed over.
    pub extra: Vec<String>,
}

/// What a column of words holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Words {
    /// The column's name.
    pub name: String,
    /// How many different ones there are.
    pub different: usize,
    /// There are more, which are not counted.
    pub more: bool,
    /// The first one.
    pub example: String,
    /// Each with how many rows have it, if these are few and mean something.
    pub shown: Vec<(String, u64)>,
}

/// What a column of numbers holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Numbers {
    /// The column's name.
    pub name: String,
    /// Its unit.
    pub unit: &'static str,
    /// Cells with a sound value.
    pub values: u64,
    /// Cells that are empty or hold no sound value.
    pub empty: u64,
    /// The least value.
    pub least: f64,
    /// The mean.
    pub mean: f64,
    /// The largest value.
    pub largest: f64,
}

/// Reads the files at `paths`, parts of one trace, and says what they hold.
///
/// # Errors
/// At the first cell that is not what its column holds, in whatever row; as
/// [`load`](super::load).
pub fn inspect(paths: &[PathBuf], format: Option<Format>) -> Result<Inspection, FileError> {
    let mut counts: Option<Counts> = None;
    observe::tables(paths, format, |begins, table| {
        let layout = table.layout().clone();
        let counts = counts.get_or_insert_with(|| Counts::new(table.format(), &layout));
        counts.extra = table.extra().to_vec();
        table.each(|row| counts.add(row, &layout, begins))
    })?;
    let none = || {
        FileError::new(
            paths.first().map_or(Path::new(""), PathBuf::as_path),
            "has no row",
        )
    };
    let counts = counts.ok_or_else(none)?;
    if counts.rows == 0 {
        return Err(none());
    }
    Ok(counts.finish())
}

struct Counts {
    format: Format,
    rows: u64,
    intervals: Intervals,
    /// Place, names and rows of each of the columns of words.
    words: Vec<(usize, Names, Vec<u64>, bool)>,
    /// Which of these is the subject.
    subject: Option<usize>,
    /// The last time of each subject.
    before: Vec<Option<u64>>,
    apart: Option<(u64, u32)>,
    numbers: Vec<(usize, Numbers)>,
    /// The columns of minutes, all as one.
    minutes: Option<Numbers>,
    extra: Vec<String>,
}

impl Counts {
    fn new(format: Format, layout: &Layout) -> Counts {
        let texts = layout.texts();
        let subject = texts.iter().position(|place| *place == layout.subject);
        let words = texts
            .into_iter()
            .map(|place| (place, Names::new(MAX_NAMES), Vec::new(), false));
        let number = |name: &str, unit| Numbers {
            name: name.to_owned(),
            unit,
            values: 0,
            empty: 0,
            least: f64::INFINITY,
            mean: 0.0,
            largest: 0.0,
        };
        let minutes = layout
            .columns
            .iter()
            .find(|column| matches!(column.kind, Kind::Minute(_)));
        Counts {
            format,
            rows: 0,
            intervals: Intervals::new(layout.interval),
            words: words.collect(),
            subject,
            before: Vec::new(),
            apart: None,
            numbers: layout
                .numbers()
                .into_iter()
                .map(|place| (place, &layout.columns[place]))
                .map(|(place, column)| (place, number(&column.name, column.unit)))
                .collect(),
            minutes: minutes.map(|column| number("each minute", column.unit)),
            extra: Vec::new(),
        }
    }

    fn add(&mut self, row: &Row<'_>, layout: &Layout, begins: u64) -> Result<(), FileError> {
        self.rows += 1;
        let mut subject = None;
        for (index, (place, names, rows, more)) in self.words.iter_mut().enumerate() {
            let number = names.number(row.word(*place)?);
            match number {
                Some(number) => {
                    let number = number as usize;
                    if number >= rows.len() {
                        rows.resize(number + 1, 0);
                    }
                    rows[number] += 1;
                }
                None => *more = true,
            }
            if self.subject == Some(index) {
                subject = number;
            }
        }
        for (place, numbers) in &mut self.numbers {
            numbers.add(row.number(*place)?);
        }
        if let Some(minutes) = &mut self.minutes {
            for (place, column) in layout.columns.iter().enumerate() {
                if let Kind::Minute(minute) = column.kind {
                    minutes.add(observe::count(row, place)?);
                    let time = begins + u64::from(minute) * 60_000_000_000;
                    let added = self.intervals.add(time, 0.0);
                    added.map_err(|cause| row.wrong(place, &cause))?;
                }
            }
        }
        if let Some(place) = layout.time {
            let time = row.time()?;
            let added = self.intervals.add(time, 0.0);
            added.map_err(|cause| row.wrong(place, &cause))?;
            if let Some(subject) = subject {
                self.distance(subject, time);
            }
        }
        Ok(())
    }

    /// How far the row is from the one before of its subject.
    #[inline]
    fn distance(&mut self, subject: u32, time: u64) {
        let place = subject as usize;
        if place >= self.before.len() {
            self.before.resize(place + 1, None);
        }
        if let Some(before) = self.before[place].replace(time) {
            let distance = time.saturating_sub(before);
            if self.apart.is_none_or(|(longest, _)| distance > longest) {
                self.apart = Some((distance, subject));
            }
        }
    }

    fn finish(self) -> Inspection {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let layout = self.format.layout();
        let subject = self.subject.map(|index| &self.words[index].1);
        let apart = self.apart.zip(subject);
        let apart = apart.map(|((distance, who), names)| (Span(distance), text(names.name(who))));
        let words = self.words.iter().map(|(place, names, rows, more)| {
            let fixed = !matches!(layout.columns[*place].kind, Kind::Name | Kind::Label);
            let mut shown = Vec::new();
            if fixed && names.count() <= MAX_SHOWN {
                shown.extend(
                    (0u32..)
                        .zip(rows)
                        .map(|(number, rows)| (text(names.name(number)), *rows)),
                );
                shown.sort();
            }
            Words {
                name: layout.columns[*place].name.to_string(),
                different: names.count(),
                more: *more,
                example: text(names.name(0)),
                shown,
            }
        });
        let mut numbers: Vec<Numbers> = self
            .numbers
            .into_iter()
            .map(|(_, numbers)| numbers)
            .collect();
        numbers.extend(self.minutes);
        for column in &mut numbers {
            column.mean /= column.values.max(1) as f64;
        }
        Inspection {
            format: self.format,
            rows: self.rows,
            span: self.intervals.span(),
            silent: self.intervals.silent(),
            apart,
            words: words.collect(),
            numbers,
            extra: self.extra,
        }
    }
}

impl Numbers {
    #[inline]
    fn add(&mut self, value: f64) {
        if value.is_nan() {
            self.empty += 1;
        } else {
            self.values += 1;
            // The sum until the end.
            self.mean += value;
            self.least = self.least.min(value);
            self.largest = self.largest.max(value);
        }
    }
}
