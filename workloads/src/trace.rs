//! Rates from published trace files, and a generator of the same shape.
//!
//! Whatever the source, the result is a [`Series`]: one value per step of time.
//! A load maps it onto requests per second.

mod alibaba;
mod generator;
mod series;

pub use alibaba::{Format, read};
pub use generator::generate;
pub use series::Series;
