//! What a run leaves behind.
//!
//! - [`store`]: its folder, in which files appear whole or not at all.
//! - [`summary`]: the tables.
//! - [`package`]: what they hold, for programs.
//! - [`direction`](mod@direction): which way each metric is better.
//! - [`manifest`]: what makes it repeatable, and how it went.
//! - [`read`]: all of it, read back.
//! - [`recorded`]: a scenario read back from a manifest.
//! - [`earlier`]: earlier runs of a scenario.
//! - [`estimate`]: how long a run will take.

pub mod store;

pub mod summary;

pub mod package;

pub mod direction;

pub mod manifest;

pub mod read;
pub mod recorded;

pub mod earlier;

pub mod estimate;
