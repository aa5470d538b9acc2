//! Service level objectives: what is promised of a metric, when a promise is
//! broken, and who is told.
//!
//! - [`metric`]: the catalogue of metrics.
//! - [`objective`], [`text`]: one objective and its text form.
//! - `readings`: what was measured; `watch`, `monitor`: when a promise is broken.
//! - [`alert`]: what is told.

pub mod metric;

pub mod objective;

pub mod text;

pub(crate) mod readings;

pub(crate) mod watch;

pub(crate) mod monitor;

pub mod alert;

pub use alert::{Alert, AlertState, Resolution};
pub use metric::{Kind, Metric, Origin};
pub use objective::{Condition, Objective, Operator, ParseObjectiveError, Value};
