//! In place of the live world, in a build without it.

use std::ffi::OsString;
use std::sync::atomic::AtomicBool;

use tidegate_sim::Recording;
use tidegate_workloads::Load;

use crate::run::cell::{Failure, Finished};
use crate::scenario::matrix::ApplicationCell;

/// Numbers that only the live world gives.
pub const MORE: [(&str, &str); 0] = [];

/// Says that there is no live world.
///
/// # Errors
/// Always.
pub fn check(_: &ApplicationCell) -> Result<(), String> {
    Err("this build has no live world\n  \
         help: on Linux, `cargo build --release --features live` has"
        .to_owned())
}

/// Never gets that far.
///
/// # Errors
/// Always.
pub fn run(
    cell: &ApplicationCell,
    _: &Load,
    _: u64,
    _: Recording,
    _: &[OsString],
    _: &AtomicBool,
) -> Result<Finished, Failure> {
    check(cell).map_err(Failure::Fault)?;
    Err(Failure::Interrupted)
}
