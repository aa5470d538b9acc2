//! The core and the agent side by side in the runner's process: the shortest way from a
//! decision to a limit. The messages are those that go over the network otherwise.
//!
//! What it did is counted as the simulator counts it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tidegate_core::{
    Allocator, Bounds, Bytes, Command, Container, ContainerId, Cores, Half, HostId, Limits,
    Observation, Span, Time,
};

use super::error::LocalError;
use super::spin::thread_cpu;
use crate::agent::link::MakeHalf;
use crate::agent::{Clock, Config, Handle, Host, Notice, Registration, Request, Session, Wants};
use crate::cgroup::Group;

/// Makes a policy of the run's kind. The half for the host is made from one of its own,
/// on the agent's thread.
pub type MakePolicy = Arc<dyn Fn() -> Result<Box<dyn Allocator>, String> + Send + Sync>;

/// There is one host.
const HOST: HostId = HostId(0);
/// How long limits hold without a sign of life from the controller.
const LEASE: Span = Span::from_secs(3);
/// A sign of life comes at least this often.
const BEAT: Duration = Duration::from_millis(500);
/// Containers are admitted within this, or something is wrong.
const PATIENCE: Duration = Duration::from_secs(10);

/// A running agent and controller.
pub(super) struct Manager {
    agent: Handle,
    events: Sender<Event>,
    thread: JoinHandle<Result<Managed, String>>,
    clock: Clock,
}

/// What they did, from beginning to end.
#[derive(Clone, Debug, Default)]
pub struct Managed {
    /// When each CPU limit was changed.
    pub cpu_updates: Vec<Time>,
    /// What happened to memory, and when.
    pub memory: Vec<(Time, MemoryEvent)>,
    /// What the agent could not do.
    pub troubles: Vec<String>,
    /// CPU time of the controller.
    pub cpu: Span,
}

impl Managed {
    /// What happened from `begin` on.
    pub(super) fn since(mut self, begin: Time) -> Managed {
        self.cpu_updates.retain(|time| *time >= begin);
        self.memory.retain(|(time, _)| *time >= begin);
        self
    }
}

/// Something that happened to a container's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemoryEvent {
    /// A command set or reclaimed memory.
    Commanded,
    /// A limit was changed.
    Changed,
    /// A reclaim took so much back.
    Reclaimed(Bytes),
    /// A container that had waited so long goes on.
    Rescued(Span),
    /// A wait ended in a denial.
    Denied,
}

enum Event {
    Notice(Time, Notice),
    End,
}

impl Manager {
    /// Hands `groups` to an agent and has it manage them under the policy that `make`
    /// makes. All limits are in force when it returns.
    pub(super) fn start(make: MakePolicy, groups: Vec<Group>) -> Result<Manager, LocalError> {
        let config = Config::new(HOST);
        let clock = config.clock;
        let (events, inbox) = channel();
        let tell = events.clone();
        let agent = Host::start(config, move |notice| {
            // Once the controller has ended nobody listens.
            let _ = tell.send(Event::Notice(clock.now(), notice));
        })
        .map_err(LocalError::io("start the agent"))?;
        let count = groups.len();
        for (number, group) in (0..).zip(groups) {
            agent.send(Request::Add(Box::new(Registration {
                id: ContainerId(number),
                group,
                requested: None,
                safe: None,
                owned: false,
            })));
        }
        let (ready, started) = channel();
        let thread = {
            let (agent, make) = (agent.clone(), make.clone());
            thread::Builder::new()
                .name("controller".to_owned())
                .spawn(move || control(&make, &agent, clock, &inbox, &ready))
                .map_err(LocalError::io("start the controller"))?
        };
        let manager = Manager {
            agent,
            events,
            thread,
            clock,
        };
        for _ in 0..count {
            if started.recv_timeout(PATIENCE).is_err() {
                let message = match manager.end() {
                    Err(error) => error.to_string(),
                    Ok(managed) if !managed.troubles.is_empty() => managed.troubles.join("; "),
                    Ok(_) => "containers got no limits".to_owned(),
                };
                return Err(LocalError::Process("controller".to_owned(), message));
            }
        }
        Ok(manager)
    }

    /// The time of [`Managed`].
    pub(super) fn now(&self) -> Time {
        self.clock.now()
    }

    /// A container that had ended runs again.
    pub(super) fn restarted(&self, number: usize) {
        self.agent
            .send(Request::Restarted(ContainerId(number as u32)));
    }

    /// Ends both and returns what they did.
    pub(super) fn end(self) -> Result<Managed, LocalError> {
        self.agent.stop();
        let _ = self.events.send(Event::End);
        let failed = |message| LocalError::Process("controller".to_owned(), message);
        match self.thread.join() {
            Ok(managed) => managed.map_err(failed),
            Err(cause) => std::panic::resume_unwind(cause),
        }
    }
}

/// The controller's thread.
fn control(
    make: &MakePolicy,
    agent: &Handle,
    clock: Clock,
    inbox: &Receiver<Event>,
    ready: &Sender<()>,
) -> Result<Managed, String> {
    let updates = Updates::default();
    let mut policy = Counted::new(make()?, &updates);
    let half = policy.host_half(HOST).map(|half| -> MakeHalf {
        let updates = updates.clone();
        Box::new(move || Some(Box::new(Counted::new(half.start(), &updates))))
    });
    agent.send(Request::Session(Session {
        wants: Wants::of(&policy),
        half,
        lease: LEASE,
    }));
    let mut books = Books::default();
    let mut out = Vec::new();
    loop {
        let now = clock.now();
        let wait = policy
            .next_wake()
            .map_or(BEAT, |time| Duration::from_nanos(time.since(now).0));
        match inbox.recv_timeout(wait.min(BEAT)) {
            Ok(Event::Notice(_, Notice::Admit(container))) => {
                let limits = policy.admit(clock.now(), container);
                books.admitted(container.id, limits);
                agent.send(Request::Admitted(container.id, limits));
            }
            Ok(Event::Notice(time, Notice::Seen(seen))) => {
                for what in &seen {
                    if let Observation::Started(_) = what {
                        // Nobody waits any more after the first time.
                        let _ = ready.send(());
                    }
                    books.seen(time, what);
                    policy.observe(clock.now(), what, &mut out);
                }
            }
            Ok(Event::Notice(_, Notice::Trouble(_, error))) => {
                books.managed.troubles.push(error.to_string());
            }
            Ok(Event::Notice(..)) => {}
            Ok(Event::End) | Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => {
                agent.send(Request::Heard);
            }
        }
        let now = clock.now();
        if policy.next_wake().is_some_and(|time| time <= now) {
            policy.wake(now, &mut out);
        }
        if !out.is_empty() {
            for command in &out {
                books.commanded(now, command);
            }
            agent.send(Request::Commands(std::mem::take(&mut out)));
        }
    }
    books.managed.cpu = thread_cpu();
    books.managed.cpu_updates = updates
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .clone();
    Ok(books.managed)
}

/// When CPU limits were changed.
type Updates = Arc<Mutex<Vec<Time>>>;

/// A policy, or the half of one, whose changes of CPU limits are written down.
struct Counted {
    inner: Box<dyn Allocator>,
    limits: BTreeMap<ContainerId, Cores>,
    updates: Updates,
}

impl Counted {
    fn new(inner: Box<dyn Allocator>, updates: &Updates) -> Counted {
        Counted {
            inner,
            limits: BTreeMap::new(),
            updates: updates.clone(),
        }
    }

    fn count(&mut self, now: Time, commands: &[Command]) {
        for command in commands {
            if let Command::SetCpu {
                container, limit, ..
            } = *command
                && self.limits.insert(container, limit) != Some(limit)
            {
                let mut updates = self.updates.lock().unwrap_or_else(PoisonError::into_inner);
                updates.push(now);
            }
        }
    }
}

impl Allocator for Counted {
    fn admit(&mut self, now: Time, container: Container) -> Limits {
        let limits = self.inner.admit(now, container);
        self.limits.insert(container.id, limits.cpu);
        limits
    }

    fn observe(&mut self, now: Time, what: &Observation, out: &mut Vec<Command>) {
        let before = out.len();
        self.inner.observe(now, what, out);
        self.count(now, &out[before..]);
    }

    fn next_wake(&self) -> Option<Time> {
        self.inner.next_wake()
    }

    fn wake(&mut self, now: Time, out: &mut Vec<Command>) {
        let before = out.len();
        self.inner.wake(now, out);
        self.count(now, &out[before..]);
    }

    fn wants_periods(&self) -> bool {
        self.inner.wants_periods()
    }

    fn wants_throttles(&self) -> bool {
        self.inner.wants_throttles()
    }

    fn bounds(&self) -> Bounds {
        self.inner.bounds()
    }

    /// Whoever starts it counts what it commands.
    fn host_half(&mut self, host: HostId) -> Option<Half> {
        self.inner.host_half(host)
    }

    fn sampling(&self) -> Option<Span> {
        self.inner.sampling()
    }

    fn traps_out_of_memory(&self) -> bool {
        self.inner.traps_out_of_memory()
    }
}

/// What happens to memory, as it is written down.
#[derive(Debug, Default)]
struct Books {
    managed: Managed,
    /// Limits in force.
    limits: BTreeMap<ContainerId, Bytes>,
    /// Who waits, since when, and at which limit.
    waits: BTreeMap<ContainerId, (Time, Bytes)>,
    /// Versions of reclaims under way.
    reclaims: BTreeSet<(ContainerId, u64)>,
}

impl Books {
    fn admitted(&mut self, id: ContainerId, limits: Limits) {
        self.limits.insert(id, limits.memory);
    }

    fn commanded(&mut self, now: Time, command: &Command) {
        match *command {
            Command::SetMemory { .. } => self.memory(now, MemoryEvent::Commanded),
            Command::Reclaim {
                container, version, ..
            } => {
                self.reclaims.insert((container, version));
                self.memory(now, MemoryEvent::Commanded);
            }
            Command::DenyMemory { container, .. } => {
                self.waits.remove(&container);
                self.memory(now, MemoryEvent::Denied);
            }
            _ => {}
        }
    }

    fn seen(&mut self, time: Time, what: &Observation) {
        match *what {
            Observation::OutOfMemory {
                container, limit, ..
            } => {
                self.waits.entry(container).or_insert((time, limit));
            }
            Observation::Killed(container) => {
                self.waits.remove(&container);
            }
            Observation::MemoryApplied {
                container,
                version,
                limit,
            } => {
                let before = self.limits.insert(container, limit);
                if before != Some(limit) {
                    self.memory(time, MemoryEvent::Changed);
                }
                if self.reclaims.remove(&(container, version)) {
                    let back = before.unwrap_or(limit).saturating_sub(limit);
                    self.memory(time, MemoryEvent::Reclaimed(back));
                }
                if let Some(&(since, hit)) = self.waits.get(&container)
                    && limit > hit
                {
                    self.waits.remove(&container);
                    self.memory(time, MemoryEvent::Rescued(time.since(since)));
                }
            }
            _ => {}
        }
    }

    fn memory(&mut self, time: Time, event: MemoryEvent) {
        self.managed.memory.push((time, event));
    }
}
