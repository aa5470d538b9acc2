//! A policy whose calls are written down. It stands around any policy and changes nothing
//! that goes through it.

use std::cell::RefCell;
use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::rc::Rc;

use prost::Message;
use tidegate_core::{
    Allocator, Bounds, Command, Container, Half, HostId, Limits, Observation, Span, Time,
};

use super::format::{Admit, Call, Entry, Header, MAGIC, Seen};

/// The file that is written.
struct Journal {
    file: BufWriter<File>,
    content: Vec<u8>,
    /// The first thing that went wrong; nothing is written after it.
    error: Option<io::Error>,
}

impl Journal {
    fn put(&mut self, message: &impl Message) {
        if self.error.is_some() {
            return;
        }
        self.content.clear();
        // A vector always takes more.
        let _ = message.encode(&mut self.content);
        let length = (self.content.len() as u32).to_le_bytes();
        let sum = crc32fast::hash(&self.content).to_le_bytes();
        let parts = [&length[..], &sum[..], &self.content[..]];
        for part in parts {
            if let Err(error) = self.file.write_all(part) {
                self.error = Some(error);
                return;
            }
        }
    }
}

/// Writes what it is given to the file.
#[derive(Clone)]
pub struct Recording(Rc<RefCell<Journal>>);

impl Recording {
    /// Begins a recording at `path`, where there must be nothing.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn create(path: &Path, header: &Header) -> io::Result<Recording> {
        let mut options = OpenOptions::new();
        let file = options
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)?;
        let mut journal = Journal {
            file: BufWriter::with_capacity(64 << 10, file),
            content: Vec::new(),
            error: None,
        };
        journal.file.write_all(&MAGIC)?;
        journal.put(header);
        let recording = Recording(Rc::new(RefCell::new(journal)));
        recording.keep()?;
        Ok(recording)
    }

    /// Hands everything to the system, where the end of this process does not reach it.
    ///
    /// # Errors
    /// The first thing that went wrong since the beginning.
    pub fn keep(&self) -> io::Result<()> {
        let mut journal = self.0.borrow_mut();
        match journal.error.take() {
            Some(error) => Err(error),
            None => journal.file.flush(),
        }
    }

    fn call(&self, now: Time, call: Call, answer: &[Command]) {
        let mut journal = self.0.borrow_mut();
        match Entry::new(now.0, call, answer) {
            Ok(entry) => journal.put(&entry),
            Err(error) => {
                journal.error.get_or_insert(io::Error::other(error));
            }
        }
    }
}

/// A policy whose calls are written down.
pub struct Recorder {
    policy: Box<dyn Allocator>,
    recording: Recording,
    /// The time of the last call: of those that have none.
    now: Time,
}

impl Recorder {
    /// `policy`, written down in `recording`.
    pub fn new(policy: Box<dyn Allocator>, recording: Recording) -> Recorder {
        Recorder {
            policy,
            recording,
            now: Time::ZERO,
        }
    }
}

impl Allocator for Recorder {
    fn admit(&mut self, now: Time, container: Container) -> Limits {
        self.now = now;
        let given = self.policy.admit(now, container);
        let admit = Admit::new(container, given);
        self.recording.call(now, Call::Admit(admit), &[]);
        given
    }

    fn observe(&mut self, now: Time, what: &Observation, out: &mut Vec<Command>) {
        self.now = now;
        let before = out.len();
        self.policy.observe(now, what, out);
        match Seen::new(what) {
            Ok(seen) => self.recording.call(now, Call::Seen(seen), &out[before..]),
            Err(error) => {
                let mut journal = self.recording.0.borrow_mut();
                journal.error.get_or_insert(io::Error::other(error));
            }
        }
    }

    fn next_wake(&self) -> Option<Time> {
        self.policy.next_wake()
    }

    fn wake(&mut self, now: Time, out: &mut Vec<Command>) {
        self.now = now;
        let before = out.len();
        self.policy.wake(now, out);
        self.recording.call(now, Call::Wake(0), &out[before..]);
    }

    fn wants_periods(&self) -> bool {
        self.policy.wants_periods()
    }

    fn wants_throttles(&self) -> bool {
        self.policy.wants_throttles()
    }

    fn bounds(&self) -> Bounds {
        self.policy.bounds()
    }

    fn host_half(&mut self, host: HostId) -> Option<Half> {
        let half = self.policy.host_half(host);
        self.recording.call(self.now, Call::Half(host.0), &[]);
        half
    }

    fn sampling(&self) -> Option<Span> {
        self.policy.sampling()
    }

    fn traps_out_of_memory(&self) -> bool {
        self.policy.traps_out_of_memory()
    }
}
