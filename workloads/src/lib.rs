//! What is put on a system: applications, arrivals and traces.
//!
//! - [`mod@file`]: reads a TOML file into a type, with errors that say where and
//!   what would be right.
//! - `checked`: what readers of files share.
//! - [`random`]: named streams of random numbers.
//! - [`application`]: services and the calls between them.
//! - [`plan`]: their call graphs unrolled, and what is random about a request.
//! - [`trace`]: rates from published trace files, and a generator of the same
//!   shape.
//! - [`load`]: when requests are sent.

pub mod file;

mod checked;

pub mod random;

pub mod application;

pub mod plan;

pub mod trace;

pub mod load;

pub use application::Application;
pub use file::FileError;
pub use load::Load;
pub use plan::Plan;
