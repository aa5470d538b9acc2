//! The load generator: an open loop over pipelined connections, with the semantics of
//! wrk2 as DeathStarBench ships it, or a closed loop or batch where the load is one.
//!
//! One thread sends each request when its time has come, whether or not those before
//! it are answered, and takes the time of each reply. Latency counts from the intended
//! send time: a late generator or a full socket makes latencies longer, never shorter.
//!
//! - `connection`: one connection; `response`: where replies end.

mod connection;

mod response;

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io;
use std::net::SocketAddr;
use std::num::NonZeroU64;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tidegate_core::{Span, Time};
use tidegate_workloads::Load;
use tidegate_workloads::load::Arrivals;
use tidegate_workloads::random::stream;

use connection::Connection;

/// Somebody may ask to stop; this often it is looked.
const LOOK: Duration = Duration::from_millis(200);

/// A connection that was lost is tried again this often.
const REOPEN: Duration = Duration::from_millis(50);

/// The kernel wakes a thread late by this much on purpose (50 µs by default), to save
/// wake-ups. Not here.
const TIMER_SLACK: Option<NonZeroU64> = NonZeroU64::new(1);

/// Whom to send to, and what.
#[derive(Clone, Debug)]
pub struct Target {
    /// Where the server listens.
    pub address: SocketAddr,
    /// What the requests ask for.
    pub request: Asked,
}

/// The requests' targets.
#[derive(Clone, Debug)]
pub enum Asked {
    /// The root call of the next request of an application.
    Calls,
    /// Always the same, with these header lines.
    Fixed {
        /// Host header.
        host: String,
        /// Path and query.
        path: String,
        /// Further header lines, each ended by `\r\n`.
        headers: String,
    },
}

/// How to send.
#[derive(Clone, Debug)]
pub struct Plan<'a> {
    /// When requests are due.
    pub load: &'a Load,
    /// Connections, unless the load has its own number.
    pub connections: u32,
    /// Of the arrivals.
    pub seed: u64,
    /// How long.
    pub duration: Span,
}

/// One reply. Times count from the first that was due.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reply {
    /// When it was to be sent.
    pub intended: Time,
    /// When the reply was there.
    pub done: Time,
    /// Whether it was an error, or the connection was lost.
    pub failed: bool,
}

/// What came of a load.
#[derive(Clone, Debug, Default)]
pub struct Sent {
    /// In the order in which replies came.
    pub replies: Vec<Reply>,
    /// Requests that were due.
    pub due: u64,
    /// How late requests were sent, in nanoseconds: sum and greatest.
    pub late: (u64, u64),
    /// How long it really took.
    pub took: Span,
}

/// Sends a load from now on, until its duration is over, a batch is answered, or
/// somebody asks to `stop`.
///
/// # Errors
/// When no connection can be made.
pub fn run(target: &Target, plan: &Plan<'_>, stop: &AtomicBool) -> io::Result<Sent> {
    // Where it is not allowed, requests are sent later by that much.
    let _ = rustix::thread::set_current_timer_slack(TIMER_SLACK);
    let mut generator = Generator::new(target, plan)?;
    let origin = Instant::now();
    generator.begin();
    let end = Time(plan.duration.0);
    loop {
        let now = Time(origin.elapsed().as_nanos() as u64);
        if now >= end || stop.load(Relaxed) || generator.finished() {
            return Ok(generator.finish(now.min(end)));
        }
        generator.send_due(now);
        let until = generator.next_due().unwrap_or(end).min(end);
        let now = Time(origin.elapsed().as_nanos() as u64);
        let wait = Duration::from_nanos(until.since(now).0).min(LOOK);
        generator.wait(wait)?;
        generator.receive(origin);
    }
}

struct Generator<'a> {
    target: &'a Target,
    connections: Vec<Connection>,
    arrivals: Vec<Arrivals>,
    /// The next request of each connection that has one: when, and whose.
    due: BinaryHeap<Reverse<(Time, usize)>>,
    /// Requests sent over each connection so far.
    numbers: Vec<u64>,
    /// Of a batch: tasks not taken, and not answered.
    tasks: Option<(u32, u32)>,
    /// A thread of a closed loop, or of a batch, waits for its reply.
    closed: bool,
    sent: Sent,
    /// Which connections may have something to read.
    ready: Vec<bool>,
}

impl<'a> Generator<'a> {
    fn new(target: &'a Target, plan: &Plan<'_>) -> io::Result<Generator<'a>> {
        let count = plan.load.connections(plan.connections);
        let connections: Vec<Connection> = (0..count)
            .map(|_| Connection::open(target.address))
            .collect::<io::Result<_>>()?;
        let arrivals = (0..count).map(|id| {
            let rng = stream(plan.seed, "arrivals", u64::from(id));
            plan.load.arrivals(id, count, rng)
        });
        let tasks = match plan.load {
            Load::Batch { tasks } => Some((*tasks, *tasks)),
            _ => None,
        };
        Ok(Generator {
            target,
            arrivals: arrivals.collect(),
            due: BinaryHeap::new(),
            numbers: vec![0; connections.len()],
            ready: vec![false; connections.len()],
            tasks,
            closed: tasks.is_some() || matches!(plan.load, Load::Closed(_)),
            connections,
            sent: Sent::default(),
        })
    }

    fn begin(&mut self) {
        for id in 0..self.connections.len() {
            self.schedule(id, Time::ZERO);
        }
    }

    /// The next request of a connection, which is `free` from then on.
    fn schedule(&mut self, id: usize, free: Time) {
        let next = match &mut self.tasks {
            Some((0, _)) => None,
            Some((untaken, _)) => {
                *untaken -= 1;
                Some(Time::ZERO)
            }
            None => self.arrivals[id].next_after(free),
        };
        if let Some(time) = next {
            self.due.push(Reverse((time, id)));
        }
    }

    fn next_due(&self) -> Option<Time> {
        self.due.peek().map(|Reverse((time, _))| *time)
    }

    fn finished(&self) -> bool {
        self.tasks.is_some_and(|(_, unanswered)| unanswered == 0)
    }

    fn send_due(&mut self, now: Time) {
        while let Some(&Reverse((time, id))) = self.due.peek()
            && time <= now
        {
            self.due.pop();
            let late = now.since(time).0;
            if !self.closed {
                self.sent.late.0 += late;
                self.sent.late.1 = self.sent.late.1.max(late);
            }
            self.sent.due += 1;
            // Draws belong to a request of a connection, but to a task of a batch,
            // whichever connection it comes to.
            let number = match self.tasks {
                Some((untaken, _)) => u64::from(untaken),
                None => (id as u64) << 32 | self.numbers[id],
            };
            self.numbers[id] += 1;
            self.connections[id].send(time, &self.target.request, number);
            if !self.closed {
                self.schedule(id, time);
            }
        }
        for connection in &mut self.connections {
            connection.flush();
        }
    }

    fn wait(&mut self, wait: Duration) -> io::Result<()> {
        // A connection that was lost is tried again, but not all the time.
        let lost = self
            .connections
            .iter()
            .any(|connection| !connection.is_open());
        let wait = if lost { wait.min(REOPEN) } else { wait };
        let mut fds: Vec<PollFd<'_>> = self
            .connections
            .iter()
            .filter(|connection| connection.is_open())
            .map(|connection| {
                let mut wanted = PollFlags::IN;
                wanted.set(PollFlags::OUT, connection.has_unsent());
                PollFd::new(connection.stream(), wanted)
            })
            .collect();
        let wait = Timespec {
            tv_sec: wait.as_secs() as i64,
            tv_nsec: i64::from(wait.subsec_nanos()),
        };
        match poll(&mut fds, Some(&wait)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let readable = PollFlags::IN | PollFlags::HUP | PollFlags::ERR;
        let mut fds = fds.iter();
        for (ready, connection) in self.ready.iter_mut().zip(&self.connections) {
            *ready = match connection.is_open() {
                true => fds
                    .next()
                    .is_some_and(|fd| fd.revents().intersects(readable)),
                false => true,
            };
        }
        Ok(())
    }

    fn receive(&mut self, origin: Instant) {
        for id in 0..self.connections.len() {
            if !self.ready[id] {
                continue;
            }
            let before = self.sent.replies.len();
            if self.connections[id].is_open() {
                self.connections[id].receive(origin, &mut self.sent.replies);
            }
            if !self.connections[id].is_open() {
                // Whoever waits for a reply is told that there is none; the next
                // request tries a new connection.
                let now = Time(origin.elapsed().as_nanos() as u64);
                self.connections[id].reopen(self.target.address, now, &mut self.sent.replies);
            }
            if self.closed {
                for index in before..self.sent.replies.len() {
                    let done = self.sent.replies[index].done;
                    if let Some((_, unanswered)) = &mut self.tasks {
                        *unanswered -= 1;
                    }
                    self.schedule(id, done);
                }
            }
        }
    }

    fn finish(mut self, took: Time) -> Sent {
        self.sent.took = took.since(Time::ZERO);
        self.sent.replies.retain(|reply| reply.done <= took);
        self.sent
    }
}

#[cfg(test)]
mod tests;
