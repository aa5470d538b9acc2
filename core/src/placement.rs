//! Placement: which resource a part goes to, and why.
//!
//! - [`resource`]: what resources have and parts need.
//! - [`inventory`]: the resources there are, with what is on them.
//! - [`filter`]: which of them can have a part; [`choice`]: the reasons why not.
//! - `score`: how good they are; `choose`: the best that can.
//! - [`ensemble`]: resources that an owner has grouped under objectives.

pub mod resource;

pub mod inventory;

pub mod choice;

pub mod filter;

mod score;

mod choose;

pub mod ensemble;

#[cfg(test)]
mod tests;

pub use choice::{Choice, Rejection, Score, Short, Verdict};
pub use ensemble::Ensemble;
pub use filter::Query;
pub use inventory::Inventory;
pub use resource::{Capacity, Demand, PartKind, Platform, Resource};
