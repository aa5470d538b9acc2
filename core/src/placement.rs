//! Placement: which resource a part goes to, and why.
//!
//! - [`resource`]: what resources have and parts need.
//! - [`choice`]: the reasons.

pub mod resource;

pub mod choice;

pub use choice::{Choice, Rejection, Score, Short, Verdict};
pub use resource::{Capacity, Demand, PartKind, Platform, Resource};
