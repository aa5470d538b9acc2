//! Running a scenario.
//!
//! - [`cell`]: one cell with one seed.
//! - [`live`]: the same on this host.
//! - [`pool`]: all of them, on several threads.
//! - [`shard`]: which of them are whose, on several machines.
//! - [`shared`]: runs that several scenarios have in common.
//! - [`progress`]: how far it is.
//! - [`interrupt`]: Ctrl-C stops after the cells under way.

pub mod cell;

#[cfg_attr(not(feature = "live"), path = "run/live_missing.rs")]
pub mod live;

pub mod pool;

pub mod shared;

pub mod shard;

pub mod progress;

pub mod interrupt;

pub use interrupt::Interrupt;
pub use pool::{Options, Results};
pub use shard::Shard;
pub use shared::Shared;
