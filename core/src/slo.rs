//! Service level objectives: what is promised of a metric, when a promise is
//! broken, and who is told.
//!
//! - [`metric`]: the catalogue of metrics.
//! - [`objective`], [`text`]: one objective and its text form.
//! - [`alert`]: what is told.

pub mod metric;

pub mod objective;

pub mod text;

pub mod alert;

pub use alert::{Alert, AlertState, Resolution};
pub use metric::{Kind, Metric, Origin};
pub use objective::{Condition, Objective, Operator, ParseObjectiveError, Value};
