//! Ctrl-C: stop after the cells under way.
//!
//! The first one asks to stop; what is running is finished and stored. The
//! second one ends the process at once, which does no harm either: files appear
//! whole or not at all.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::exit::Exit;

/// Whether somebody asked to stop.
#[derive(Clone, Debug, Default)]
pub struct Interrupt {
    asked: Arc<AtomicBool>,
}

impl Interrupt {
    /// One that nobody has asked yet.
    pub fn new() -> Interrupt {
        Interrupt::default()
    }

    /// Asks to stop.
    pub fn ask(&self) {
        self.asked.store(true, Ordering::SeqCst);
    }

    /// Whether somebody asked.
    pub fn asked(&self) -> bool {
        self.asked.load(Ordering::SeqCst)
    }

    /// What it is read from, for those who know nothing else of it.
    pub fn flag(&self) -> &AtomicBool {
        &self.asked
    }

    /// Listens for Ctrl-C and for a polite request to end.
    pub fn listen(&self) {
        self.listen_and_say("finishing the runs under way (again to stop at once)");
    }

    /// The same, with what follows on `interrupted: `.
    pub fn listen_and_say(&self, what: &'static str) {
        let asked = self.asked.clone();
        // Without a handler Ctrl-C ends the process at once, as it always did.
        let _ = ctrlc::set_handler(move || {
            if asked.swap(true, Ordering::SeqCst) {
                std::process::exit(i32::from(Exit::Partial.code()));
            }
            eprintln!("\ninterrupted: {what}");
        });
    }
}
