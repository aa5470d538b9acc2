//! A run that somebody else drives: the containers of one host, advanced to a time,
//! with a client that begins and ends when it is told to. So a manager of a continuum
//! can move an application that an allocator sizes.

use tidegate_core::{Allocator, Span, Time};

use super::World;
use crate::experiment::Experiment;

/// An application on a host.
pub(crate) struct Node<'a, 'b> {
    world: World<'a, 'b>,
    /// When the client was told to send no more.
    closed: Option<Time>,
}

/// What a client got: after which time, and whether it is a failure.
pub(crate) type Answer = (Span, bool);

impl<'a, 'b> Node<'a, 'b> {
    /// Starts the containers; time begins at zero. The client waits: `settle` is of no
    /// matter, but must be longer than the run.
    pub(crate) fn new(experiment: &'a Experiment<'a>, allocator: &'b mut dyn Allocator) -> Self {
        let mut world = World::new(experiment, allocator);
        world.start();
        Node {
            world,
            closed: None,
        }
    }

    /// Lets everything happen that happens by `time`.
    pub(crate) fn advance(&mut self, time: Time) {
        while self
            .world
            .queue
            .next_time()
            .is_some_and(|next| next <= time)
        {
            match self.world.queue.pop() {
                Some(event) => self.world.handle(event),
                None => break,
            }
        }
    }

    /// The client begins at `now`, to which this must have been advanced.
    pub(crate) fn open(&mut self, now: Time) {
        self.world.origin = now;
        self.world.begin();
        self.world.recorder.answers = Some(Vec::new());
    }

    /// The client sends nothing more from `now` on; each connection waits for the
    /// answer it is owed. Returns how many requests were due but had not got their turn.
    ///
    /// The next request of a connection is on its way before it is due. One that was not
    /// due by now is served, but is nobody's.
    pub(crate) fn close(&mut self, now: Time) -> u64 {
        if self.closed.replace(self.closed.unwrap_or(now)).is_some() {
            return 0;
        }
        self.world.closed = true;
        let due = Time::ZERO + now.since(self.world.origin);
        let connections = self.world.connections.iter_mut();
        let waiting =
            connections.map(|one| one.arrivals.by_ref().take_while(|at| *at < due).count());
        waiting.sum::<usize>() as u64
    }

    /// Once closed: connections that wait for an answer.
    pub(crate) fn owed(&self) -> u64 {
        let closed = self.closed.unwrap_or(Time::ZERO);
        let connections = self.world.connections.iter();
        connections.filter(|one| one.intended < closed).count() as u64
    }

    /// The answers since this was asked last.
    pub(crate) fn answers(&mut self) -> Vec<Answer> {
        let answers = self.world.recorder.answers.as_mut();
        let answers = answers.map(std::mem::take).unwrap_or_default();
        let was_due = |due: Time| self.closed.is_none_or(|closed| due < closed);
        let answers = answers.into_iter().filter(|&(due, ..)| was_due(due));
        answers.map(|(_, took, failed)| (took, failed)).collect()
    }

    /// CPU time used by all containers until `now`.
    pub(crate) fn used(&mut self, now: Time) -> Span {
        let containers = 0..self.world.instances.len() as u32;
        Span(
            containers
                .map(|one| self.world.machine.used(one, now))
                .sum(),
        )
    }

    /// The CPU limit of a container, in cores.
    pub(crate) fn limit(&self, container: u32) -> f64 {
        self.world.machine.limit(container).as_f64()
    }
}
