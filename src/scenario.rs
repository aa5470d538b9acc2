//! Scenario files: one experiment each.
//!
//! - [`layer`]: TOML laid over TOML, with the place of every key kept.
//! - [`set`]: `--set key=value`.
//! - [`format`](mod@format): the file as it is written.
//! - [`recording`]: what it wants written down besides its numbers.
//! - [`live`]: what of it is scaled to fit a host.
//! - [`filter`]: `--filter column=value`.
//! - [`pieces`]: finds the applications, workloads, testbeds, allocators and
//!   clients it names.
//! - [`policy`]: from an allocator piece to a policy of the core.
//! - [`continuum`]: the same for experiments on a continuum.
//! - [`mod@column`], [`check`]: columns of its own, and whether all fits together.
//! - `hash`: when two of them are the same.
//! - [`matrix`]: from the file to its cells, everything read and checked.
//! - [`find`], [`catalogue`]: scenario files in folders, and what is said about them.

pub mod layer;

pub mod set;

pub mod format;

pub mod recording;

pub mod live;

pub mod filter;

pub mod pieces;

pub mod policy;

pub mod continuum;

pub mod column;

pub mod check;

mod hash;

pub mod matrix;

pub mod find;

pub mod catalogue;

pub use filter::Filter;
pub(crate) use hash::digest;
pub use hash::{file_hash, hex};
pub use matrix::{Cell, Scenario};
