//! Running a scenario.
//!
//! - [`cell`]: one cell with one seed.
//! - [`pool`]: all of them, on several threads.
//! - [`progress`]: how far it is.
//! - [`interrupt`]: Ctrl-C stops after the cells under way.

pub mod cell;

pub mod pool;

pub mod progress;

pub mod interrupt;

pub use interrupt::Interrupt;
pub use pool::{Options, Results};
