//! Laying results beside what papers published, and runs beside each other.
//!
//! - [`published`]: the papers' figures.
//! - [`entries`]: a scenario's `[[compare]]` entries, evaluated.
//! - [`verdict`](mod@verdict): intervals and verdicts.
//! - [`front`]: a scenario's `[front]`: who is dominated by whom.
//! - [`coverage`](mod@coverage): which figures scenarios compare with.
//! - [`run_table`]: a finished run, read back.
//! - [`statistics`]: what is chance.
//! - [`change`]: what changed between two runs.
//! - [`worlds`]: the simulator against this host.
//! - [`render`]: the changes as tables, Markdown, CSV and JSON.

pub mod published;

pub mod entries;

pub mod verdict;

pub mod front;

pub mod coverage;

pub mod run_table;

pub mod statistics;

pub mod change;

pub mod worlds;

pub mod render;

pub use entries::{Comparison, Comparisons};
pub use verdict::Verdict;
