//! An agent under test and what it has told.

use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use tidegate_core::{Command, Container, ContainerId, HostId, Limits, Observation, Span};
use tidegate_live::agent::link::MakeHalf;
use tidegate_live::agent::{Config, Handle, Host, Notice, Registration, Request, Session, Wants};
use tidegate_live::cgroup::Group;

pub(crate) const HOST: HostId = HostId(0);
pub(crate) const A: ContainerId = ContainerId(0);
pub(crate) const B: ContainerId = ContainerId(1);
/// How long anything may take that takes microseconds on an idle machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// An agent, its notices in a channel.
pub(crate) struct Probe {
    pub(crate) agent: Handle,
    notices: Receiver<Notice>,
    /// Observations that came and nobody has asked for yet.
    seen: Vec<Observation>,
    /// Other notices that nobody has asked for.
    kept: Vec<Notice>,
}

impl Probe {
    pub(crate) fn start() -> Probe {
        Probe::with(Config::new(HOST))
    }

    pub(crate) fn with(config: Config) -> Probe {
        let (sender, notices) = channel();
        let agent = Host::start(config, move |notice| {
            let _ = sender.send(notice);
        });
        Probe {
            agent: agent.unwrap(),
            notices,
            kept: Vec::new(),
            seen: Vec::new(),
        }
    }

    /// Begins a session with a policy that wants this.
    pub(crate) fn session(&self, wants: Wants, half: Option<MakeHalf>, lease: Span) {
        self.send(Request::Session(Session { wants, half, lease }));
    }

    pub(crate) fn send(&self, request: Request) {
        assert!(self.agent.send(request), "the agent is gone");
    }

    pub(crate) fn command(&self, command: Command) {
        self.send(Request::Commands(vec![command]));
    }

    /// Adds a container, without safe limits.
    pub(crate) fn add(&self, id: ContainerId, group: Group) {
        self.add_safe(id, group, None);
    }

    pub(crate) fn add_safe(&self, id: ContainerId, group: Group, safe: Option<Limits>) {
        self.send(Request::Add(Box::new(Registration {
            id,
            group,
            requested: None,
            safe,
            owned: false,
        })));
    }

    /// Adds a container and admits it, with these limits.
    pub(crate) fn admit(&mut self, id: ContainerId, group: Group, limits: Limits) {
        self.add(id, group);
        self.admit_added(id, limits);
    }

    /// Admits one that was added.
    pub(crate) fn admit_added(&mut self, id: ContainerId, limits: Limits) -> Container {
        let asked = self.notice("to be asked to admit", |notice| match notice {
            Notice::Admit(container) if container.id == id => Some(*container),
            _ => None,
        });
        self.send(Request::Admitted(id, limits));
        self.see("the start", |seen| {
            (*seen == Observation::Started(id)).then_some(())
        });
        asked
    }

    /// The next notice that `pick` takes; observations on the way are kept for `see`.
    pub(crate) fn notice<T>(&mut self, what: &str, pick: impl Fn(&Notice) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let Some(notice) = self.next(deadline) else {
                panic!("{what}: not within {PATIENCE:?}; seen: {:?}", self.seen);
            };
            if let Some(picked) = pick(&notice) {
                return picked;
            }
            self.keep(notice);
        }
    }

    /// The next observation that `pick` takes; those before it are dropped.
    pub(crate) fn see<T>(&mut self, what: &str, pick: impl Fn(&Observation) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let mut seen = std::mem::take(&mut self.seen).into_iter();
            if let Some(picked) = seen.by_ref().find_map(|observation| pick(&observation)) {
                self.seen = seen.collect();
                return picked;
            }
            let Some(notice) = self.next(deadline) else {
                panic!("{what}: not within {PATIENCE:?}");
            };
            self.keep(notice);
        }
    }

    /// All observations of a while from now on.
    pub(crate) fn watch(&mut self, time: Duration) -> Vec<Observation> {
        let deadline = Instant::now() + time;
        while let Some(notice) = self.next(deadline) {
            self.keep(notice);
        }
        std::mem::take(&mut self.seen)
    }

    /// All notices that were not asked for, up to a while from now.
    pub(crate) fn collect(&mut self, time: Duration) -> Vec<Notice> {
        let deadline = Instant::now() + time;
        let seen = Notice::Seen(std::mem::take(&mut self.seen));
        let mut all = std::mem::take(&mut self.kept);
        all.push(seen);
        all.extend(std::iter::from_fn(|| self.next(deadline)));
        all
    }

    fn keep(&mut self, notice: Notice) {
        match notice {
            Notice::Seen(seen) => self.seen.extend(seen),
            Notice::Trouble(id, error) => panic!("trouble with container {}: {error}", id.0),
            other => self.kept.push(other),
        }
    }

    fn next(&self, deadline: Instant) -> Option<Notice> {
        let left = deadline.saturating_duration_since(Instant::now());
        match self.notices.recv_timeout(left) {
            Ok(notice) => Some(notice),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => panic!("the agent has ended"),
        }
    }
}
