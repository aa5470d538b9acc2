//! Laying results beside what papers published.
//!
//! - [`published`]: the papers' figures.
//! - [`entries`]: a scenario's `[[compare]]` entries, evaluated.
//! - [`verdict`](mod@verdict): intervals and verdicts.
//! - [`front`]: a scenario's `[front]`: who is dominated by whom.
//! - [`coverage`](mod@coverage): which figures scenarios compare with.

pub mod published;

pub mod entries;

pub mod verdict;

pub mod front;

pub mod coverage;

pub use entries::{Comparison, Comparisons};
pub use verdict::Verdict;
