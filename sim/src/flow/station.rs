//! A station: capacity that work shares, or one server with a line before it.

use std::collections::VecDeque;

use tidegate_core::{Span, Time};

use super::{Amount, ProcessId};

/// How a station serves.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Discipline {
    /// All at once; where they want more than the capacity, each gets its share of
    /// it in proportion to its width (CPUs, a network link).
    Shared(f64),
    /// One after the other (one thread).
    Serial,
}

/// Work left under this many nanoseconds is done: a clock of whole nanoseconds
/// cannot tell it from none.
const NOTHING: f64 = 0.5;

#[derive(Clone, Copy, Debug)]
struct Job {
    process: ProcessId,
    /// Nanoseconds at one unit of capacity.
    left: f64,
    width: f64,
}

#[derive(Debug)]
pub(super) struct Station {
    discipline: Discipline,
    jobs: Vec<Job>,
    line: VecDeque<(ProcessId, Amount)>,
    since: Time,
    done: f64,
    generation: u64,
}

impl Station {
    pub(super) fn new(discipline: Discipline) -> Station {
        Station {
            discipline,
            jobs: Vec::new(),
            line: VecDeque::new(),
            since: Time::ZERO,
            done: 0.0,
            generation: 0,
        }
    }

    pub(super) fn is_serial(&self) -> bool {
        self.discipline == Discipline::Serial
    }

    pub(super) fn generation(&self) -> u64 {
        self.generation
    }

    /// Work done so far.
    pub(super) fn done(&self) -> f64 {
        self.done
    }

    /// The share of its width that each job gets.
    fn share(&self) -> f64 {
        match self.discipline {
            Discipline::Serial => 1.0,
            Discipline::Shared(capacity) => {
                let wanted: f64 = self.jobs.iter().map(|job| job.width).sum();
                if wanted > capacity {
                    capacity / wanted
                } else {
                    1.0
                }
            }
        }
    }

    /// Works until `now`.
    pub(super) fn advance(&mut self, now: Time) {
        let share = self.share();
        let span = now.since(self.since).0 as f64;
        for job in &mut self.jobs {
            let work = (span * share * job.width).min(job.left);
            job.left -= work;
            self.done += work;
        }
        self.since = now;
    }

    pub(super) fn enqueue(&mut self, process: ProcessId, amount: Amount) {
        self.line.push_back((process, amount));
    }

    /// Whose turn it is, if the server is free.
    pub(super) fn next_in_line(&mut self) -> Option<(ProcessId, Amount)> {
        if self.jobs.is_empty() {
            self.line.pop_front()
        } else {
            None
        }
    }

    /// Begins work; the station must have been advanced to `now`.
    pub(super) fn begin(&mut self, now: Time, process: ProcessId, amount: Span, width: f64) {
        self.since = now;
        self.jobs.push(Job {
            process,
            left: amount.0 as f64,
            width,
        });
    }

    /// When the next job ends if nothing changes, and the generation its event must
    /// carry.
    pub(super) fn next_end(&mut self, now: Time) -> Option<(Time, u64)> {
        self.generation += 1;
        let share = self.share();
        let first = self
            .jobs
            .iter()
            .map(|job| job.left / (job.width * share))
            .min_by(f64::total_cmp)?;
        Some((now + Span(first.ceil() as u64), self.generation))
    }

    /// Takes out the jobs that have ended by `now`, in the order they began.
    pub(super) fn finished(&mut self, now: Time) -> Vec<ProcessId> {
        self.advance(now);
        let mut ended = Vec::new();
        self.jobs.retain(|job| {
            let over = job.left < NOTHING;
            if over {
                ended.push(job.process);
            }
            !over
        });
        ended
    }
}
