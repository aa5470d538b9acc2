//! What stands where in a row of a published file.

use std::borrow::Cow;

use tidegate_core::Span;

/// One column.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// Its published name.
    pub name: Cow<'static, str>,
    /// The unit of its numbers; empty for words.
    pub unit: &'static str,
    /// What its cells hold.
    pub kind: Kind,
}

/// What the cells of a column hold.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// Time since the trace began, in units of so many nanoseconds.
    Time(u64),
    /// Who or what the row is about: any word.
    Name,
    /// As [`Kind::Name`], and never a number.
    Label,
    /// One of these words.
    Word(&'static [&'static str]),
    /// A word with one of these ends.
    Ending(&'static [&'static str]),
    /// A measurement of at least zero, or nothing.
    Number,
    /// As [`Kind::Number`], where -1 and 101 stand for a value that is not sound.
    Percent,
    /// Calls in one minute of the day, the first being 0.
    Minute(u32),
}

impl Kind {
    /// Whether it is text.
    pub fn is_text(self) -> bool {
        matches!(
            self,
            Kind::Name | Kind::Label | Kind::Word(_) | Kind::Ending(_)
        )
    }

    /// Whether it is a measurement.
    pub fn is_number(self) -> bool {
        matches!(self, Kind::Number | Kind::Percent)
    }
}

/// What the values say about the load on a system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// How busy something is; all rows of an interval are averaged.
    Utilisation,
    /// Calls per second of one instance; those of an interval are added up.
    Rate,
    /// As [`Measure::Rate`], on a scale that is not published.
    RelativeRate,
    /// Calls in each minute of a day, one column per minute.
    Minutes,
    /// Each row is a call that ended at its time.
    Calls,
    /// Distributions over a day, without a time.
    Distribution,
}

/// A published file.
#[derive(Clone, Debug, PartialEq)]
pub struct Layout {
    /// Its columns in their order.
    pub columns: Vec<Column>,
    /// Where its time stands, if a row has one.
    pub time: Option<usize>,
    /// Where the value stands that a load is made from, if one column is it.
    pub value: Option<usize>,
    /// The column that says which metric a row holds.
    pub metric: Option<usize>,
    /// The column that says whose series a row belongs to.
    pub subject: usize,
    /// What its values say.
    pub measure: Measure,
    /// The interval at which it was sampled; no step can be shorter.
    pub interval: Span,
}

impl Layout {
    /// Where the column called `name` stands.
    pub fn find(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name == name)
    }

    /// The places of the columns that hold measurements.
    pub fn numbers(&self) -> Vec<usize> {
        self.places(Kind::is_number)
    }

    /// The places of the columns that say who a row is about.
    pub fn texts(&self) -> Vec<usize> {
        self.places(Kind::is_text)
    }

    fn places(&self, wanted: impl Fn(Kind) -> bool) -> Vec<usize> {
        let columns = self.columns.iter().enumerate();
        columns
            .filter(|(_, column)| wanted(column.kind))
            .map(|(place, _)| place)
            .collect()
    }
}
