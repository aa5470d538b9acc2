//! From a trace to a series per container, machine, service or function.

use std::collections::HashMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use tidegate_core::Span;

use super::format::Format;
use super::intervals::{Aggregate, Values};
use super::layout::{Kind, Layout, Measure};
use super::names::Names;
use super::observe;
use super::select::{self, Chosen, Selection};
use crate::file::FileError;

/// Values that are kept at most, so that memory has a bound (24 bytes each, and as much to find them).
const MAX_VALUES: usize = 1_000_000;

/// How the series are made.
#[derive(Clone, Debug)]
pub struct Options {
    /// Which rows count.
    pub selection: Selection,
    /// The columns that are taken; all with numbers if empty.
    pub columns: Vec<String>,
    /// What becomes of the rows of one step.
    pub aggregate: Aggregate,
    /// How long a step is; the trace's interval if none.
    pub step: Option<Span>,
    /// Times are divided by this.
    pub speed: f64,
}

/// Series of all subjects of a trace.
pub struct Usage {
    format: Format,
    step: Span,
    /// The places of the columns that name a subject, and of its values.
    texts: Vec<usize>,
    numbers: Vec<usize>,
    subjects: Names,
    /// Where the values of a subject (its number) in a step begin.
    places: HashMap<(u32, u64), usize>,
    values: Vec<Values>,
    /// The subject and step of the row before: the next is often of the same.
    last: Option<((u32, u64), usize)>,
}

/// Reads the files at `paths`, parts of one trace.
///
/// # Errors
/// As [`load`](super::load), and when the selection has more values than are kept.
pub fn usage(
    paths: &[PathBuf],
    format: Option<Format>,
    options: &Options,
) -> Result<Usage, FileError> {
    let first = paths.first().map_or(Path::new(""), PathBuf::as_path);
    let mut usage: Option<Usage> = None;
    let (mut key, mut buffer) = (Vec::new(), Vec::new());
    observe::tables(paths, format, |begins, table| {
        let layout = table.layout().clone();
        if layout.measure == Measure::Distribution {
            let message = "has distributions over a day and no times: no series can be made of it";
            return Err(FileError::new(first, message));
        }
        let chosen: Chosen = options.selection.resolve(first, &layout)?;
        if usage.is_none() {
            usage = Some(Usage::new(first, table.format(), &layout, options)?);
        }
        let Some(usage) = &mut usage else {
            return Ok(());
        };
        table.each(|row| {
            if !chosen.has(row) {
                return Ok(());
            }
            key.clear();
            for place in &usage.texts {
                key.extend_from_slice(row.word(*place)?);
                key.push(b',');
            }
            let numbers = usage.numbers.clone();
            observe::row(
                row,
                &layout,
                begins,
                &numbers,
                &mut buffer,
                |time, values| {
                    if !chosen.covers(time) {
                        return Ok(());
                    }
                    let added = usage.add(&key, time, values);
                    added.map_err(|cause| row.wrong(layout.subject, &cause))
                },
            )
        })
    })?;
    match usage {
        Some(usage) if !usage.values.is_empty() => Ok(usage),
        _ => Err(FileError::new(first, "has no row in this selection")),
    }
}

impl Usage {
    fn new(
        path: &Path,
        format: Format,
        layout: &Layout,
        options: &Options,
    ) -> Result<Usage, FileError> {
        let numbers = match options.columns.as_slice() {
            [] => layout.numbers(),
            names => {
                let place = |name: &String| select::column(path, layout, name, Kind::is_number);
                names.iter().map(place).collect::<Result<_, _>>()?
            }
        };
        Ok(Usage {
            format,
            step: options.step.unwrap_or(layout.interval).max(layout.interval),
            texts: layout.texts(),
            numbers,
            subjects: Names::new(usize::MAX),
            places: HashMap::new(),
            values: Vec::new(),
            last: None,
        })
    }

    fn add(&mut self, subject: &[u8], time: u64, values: &[f64]) -> Result<(), String> {
        let Some(subject) = self.subjects.number(subject) else {
            return Ok(());
        };
        let slot = (subject, time / self.step.0);
        let place = match self.last {
            Some((last, place)) if last == slot => place,
            _ => {
                let end = self.values.len();
                let place = *self.places.entry(slot).or_insert(end);
                if place == end {
                    if end + values.len() > MAX_VALUES {
                        return Err(format!(
                            "is one too many: more than {MAX_VALUES} values are not kept; \
                             select less (--filter, --from, --until, --column) or take a longer --step"
                        ));
                    }
                    self.values.resize(end + values.len(), Values::default());
                }
                place
            }
        };
        self.last = Some((slot, place));
        for (of_slot, value) in self.values[place..].iter_mut().zip(values) {
            if !value.is_nan() {
                of_slot.add(*value);
            }
        }
        Ok(())
    }

    /// Which format the files are of.
    pub fn format(&self) -> Format {
        self.format
    }

    /// How many rows [`Usage::write`] writes.
    pub fn rows(&self) -> usize {
        self.places.len()
    }

    /// Writes `time_s,<subject>,<values>` as CSV, subject by subject in the order of
    /// their names, each by time. Empty where nothing was measured.
    ///
    /// # Errors
    /// When `to` refuses.
    pub fn write(&self, options: &Options, to: &mut dyn Write) -> std::io::Result<()> {
        let layout = self.format.layout();
        let minutes = layout.measure == Measure::Minutes;
        let mut head = vec!["time_s".to_owned()];
        head.extend(
            self.texts
                .iter()
                .map(|place| layout.columns[*place].name.to_string()),
        );
        head.extend(
            self.numbers
                .iter()
                .map(|place| layout.columns[*place].name.to_string()),
        );
        if minutes {
            head.push("calls_per_min".to_owned());
        }
        writeln!(to, "{}", head.join(","))?;
        let mut slots: Vec<(&[u8], u64, usize)> = self
            .places
            .iter()
            .map(|((subject, step), place)| (self.subjects.name(*subject), *step, *place))
            .collect();
        slots.sort_unstable();
        let width = self.numbers.len() + usize::from(minutes);
        for (subject, step, place) in slots {
            let time = (self.step * step).as_secs_f64() / options.speed;
            write!(to, "{time},")?;
            // Ends in a comma.
            to.write_all(&subject[..subject.len().saturating_sub(1)])?;
            for values in &self.values[place..place + width] {
                match values.come_to(options.aggregate) {
                    Some(value) => write!(to, ",{value}")?,
                    None => write!(to, ",")?,
                }
            }
            writeln!(to)?;
        }
        Ok(())
    }
}
