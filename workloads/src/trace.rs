//! Published trace files, and a generator of the same shape.
//!
//! Files are read as a stream, row by row ([`Format`]: which columns), in memory
//! that does not grow with them. Whatever the source, a load is a [`Series`], one
//! value per step of time, which is mapped onto requests per second.

mod format;
mod generator;
mod guess;
mod inspect;
mod intervals;
mod layout;
mod load;
mod names;
mod number;
mod observe;
mod rows;
mod select;
mod series;
mod source;
mod synthetic;
mod usage;

pub use format::Format;
pub use generator::generate;
pub use inspect::{Inspection, MAX_NAMES, Numbers, Words, inspect};
pub use intervals::Aggregate;
pub use layout::{Column, Kind, Layout, Measure};
pub use load::{Made, Options as LoadOptions, load, rates, read};
pub use select::Selection;
pub use series::Series;
pub use synthetic::synthesize;
pub use usage::{Options as UsageOptions, Usage, usage};

#[cfg(test)]
mod tests;
