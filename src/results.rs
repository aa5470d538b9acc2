//! What a run leaves behind.
//!
//! - [`store`]: its folder, in which files appear whole or not at all.
//! - [`summary`]: the tables.
//! - [`manifest`]: what makes it repeatable, and how it went.
//! - [`read`]: all of it, read back.

pub mod store;

pub mod summary;

pub mod manifest;

pub mod read;
