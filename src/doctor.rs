//! What this machine can do, and how steady it is: `tidegate doctor`.
//!
//! - [`finding`]: one line of it.
//! - [`proc`], [`groups`]: texts of the kernel's, read.
//! - [`noise`], [`system`]: what is measured, and asked of the system.
//! - [`machine`]: what of all that concerns whom.
//!
//! It changes nothing but for a control group of its own, made and removed to see
//! whether that is allowed.

pub mod finding;

pub mod proc;

pub mod groups;

pub mod noise;

pub mod system;

pub mod machine;

pub use finding::{Finding, State, Use};
