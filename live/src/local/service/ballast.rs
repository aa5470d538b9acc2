//! Memory that is held because the application says so: real pages, written to.
//!
//! Growth and working sets are the application's formulas, the same as in the
//! simulator. What the program needs for itself counts towards them. A page fault
//! beyond the limit stops the thread in the kernel until the limit is raised, or kills
//! the process; other calls wait for this one's memory, as they would for an allocator.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use memmap2::MmapMut;
use tidegate_core::Bytes;
use tidegate_workloads::application::Memory;

/// Memory is taken and given back in pieces of this size.
const PIECE: usize = 128 << 10;
const PAGE: usize = 4 << 10;

/// All memory of a service.
#[derive(Debug)]
pub(super) struct Ballast {
    model: Memory,
    /// A heap's share of the limit at the start, and less what the program has itself.
    fixed: f64,
    held: Mutex<Held>,
}

#[derive(Debug)]
struct Held {
    /// Grows with calls served.
    base: f64,
    in_service: u64,
    pieces: Vec<MmapMut>,
}

impl Ballast {
    /// Memory as `model` has it at the start, under `limit`. `usage` says what the
    /// container is charged for the program itself.
    pub(super) fn new(model: Memory, limit: Bytes, usage: Option<PathBuf>) -> io::Result<Ballast> {
        let own = match usage {
            Some(file) => number(&file)?,
            None => 0,
        };
        let ballast = Ballast {
            model,
            fixed: limit.0 as f64 * model.heap_share - own as f64,
            held: Mutex::new(Held {
                base: model.start.0 as f64,
                in_service: 0,
                pieces: Vec::new(),
            }),
        };
        ballast.change(|_| {})?;
        Ok(ballast)
    }

    /// A call enters service.
    pub(super) fn enter(&self) -> io::Result<()> {
        self.change(|held| {
            held.base += self.model.growth(held.base);
            held.in_service += 1;
        })
    }

    /// A call leaves service.
    pub(super) fn leave(&self) -> io::Result<()> {
        self.change(|held| held.in_service = held.in_service.saturating_sub(1))
    }

    fn change(&self, what: impl FnOnce(&mut Held)) -> io::Result<()> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        what(&mut held);
        let working = held.in_service * self.model.working_set.0;
        let wanted = held.base + self.fixed + working as f64;
        let pieces = (wanted.max(0.0) / PIECE as f64) as usize;
        while held.pieces.len() < pieces {
            let mut piece = MmapMut::map_anon(PIECE)?;
            piece.iter_mut().step_by(PAGE).for_each(|byte| *byte = 1);
            held.pieces.push(piece);
        }
        // One more than needed stays: a call that comes and goes costs no pages then.
        held.pieces.truncate(pieces + 1);
        Ok(())
    }
}

fn number(file: &Path) -> io::Result<u64> {
    let text = fs::read_to_string(file)?;
    text.trim().parse().map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resident_mib() -> f64 {
        let text = fs::read_to_string("/proc/self/statm").unwrap();
        let pages: f64 = text.split(' ').nth(1).unwrap().parse().unwrap();
        pages / 256.0
    }

    #[test]
    fn pages_are_really_there_and_really_go() {
        let model = Memory {
            start: Bytes::from_mib(40),
            per_call: Bytes::from_mib(1),
            ceiling: Some(Bytes::from_mib(60)),
            working_set: Bytes::from_mib(30),
            heap_share: 0.25,
            page_cache: Bytes::ZERO,
        };
        let before = resident_mib();
        let ballast = Ballast::new(model, Bytes::from_mib(40), None).unwrap();
        let grown = |mib: f64| {
            let now = resident_mib() - before;
            // Other tests of this process run beside this one.
            assert!((now - mib).abs() < 8.0, "{now} MiB instead of {mib}");
        };
        grown(50.0);
        ballast.enter().unwrap();
        grown(81.0);
        ballast.leave().unwrap();
        grown(51.0);
        for _ in 0..200 {
            ballast.enter().unwrap();
            ballast.leave().unwrap();
        }
        grown(70.0);
    }
}
