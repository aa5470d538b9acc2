//! The machine behind the controller's sockets: which hosts are there, what they tell
//! the policy, what it tells them. It has no sockets, clock or threads; whoever has them
//! feeds it messages with their time and carries away what it gives out.
//!
//! A **session** is what the policy knows of a host. It outlives connections and agents:
//! who comes back is told which limits are to be in force, and the policy sees nothing of
//! it but late answers. A session ends when its host has been gone for
//! [`grace`](Settings::grace), or where the half of the policy that ran on the host has
//! ended with its agent.
//!
//! A controller that starts knows no session. It **gathers** hosts for a moment, so that
//! containers which have limits, of a controller before it, are admitted with those before
//! others are admitted to what is left.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use tidegate_core::{
    Allocator, Bounds, Command, Container, ContainerId, Half, HostId, Limits, Observation,
};
use tidegate_core::{Span, Time};

use super::member::{Member, Seen};
use super::roster::Roster;
use crate::agent::Wants;
use crate::wire::WireError;
use crate::wire::greeting::{Admitted, Down, Hello, Up, Welcome};

/// How a controller deals with hosts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// When a host has heard nothing for so long, it puts safe limits in force.
    pub lease: Span,
    /// At least so often each side sends something.
    pub beat: Span,
    /// A connection on which nothing came for so long is cut.
    pub silence: Span,
    /// How long a controller that starts waits for its hosts.
    pub gather: Span,
    /// A host that has been away for so long is lost, and its containers with it.
    pub grace: Span,
    /// The length of CPU periods.
    pub period: Span,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            // Ours: six beats, so that one that is late does not count.
            lease: Span::from_secs(3),
            beat: Span::from_millis(500),
            silence: Span::from_millis(2_500),
            // Ours: a little longer than the lease. Who has not come by then has safe
            // limits in force.
            gather: Span::from_millis(3_500),
            // After so long Kubernetes takes a node for lost
            // (`node-monitor-grace-period`).
            grace: Span::from_secs(40),
            period: Span::from_millis(100),
        }
    }
}

/// A connection, by number. Never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct StreamId(pub u64);

/// What is to be done to a connection.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Send a message to the host on it.
    Send(StreamId, HostId, Down),
    /// Cut it.
    Cut(StreamId, Refusal),
}

/// Why a message is not accepted, or a connection cut.
#[derive(Clone, Debug, PartialEq)]
pub enum Refusal {
    /// It says what no host could mean.
    Wire(WireError),
    /// There is no such host.
    NoSuchHost(HostId),
    /// There is no such container.
    NoSuchContainer(String),
    /// A container is named twice.
    Twice(String),
    /// A container stands on another host.
    Elsewhere(String, HostId),
    /// Of a container that does not stand on this host, or of its host as a whole.
    NotYours(Option<ContainerId>),
    /// Telemetry before the hello was answered.
    NoSession,
    /// Another connection of the same host has taken the place of this one.
    Replaced,
    /// Nothing came for too long.
    Silent,
    /// It does not read what it is sent.
    Slow,
    /// It sends more than there is to tell.
    Flood,
}

impl Refusal {
    /// One word for it, for counters.
    pub fn reason(&self) -> &'static str {
        match self {
            Refusal::Wire(WireError::TooLong(_)) => "oversized",
            Refusal::Wire(WireError::WrongHost(_)) => "wrong_host",
            Refusal::Wire(_) => "malformed",
            Refusal::NoSuchHost(_) => "unknown_host",
            Refusal::NoSuchContainer(_) => "unknown_container",
            Refusal::Twice(_) => "doubled_container",
            Refusal::Elsewhere(..) => "container_elsewhere",
            Refusal::NotYours(_) => "not_yours",
            Refusal::NoSession => "no_session",
            Refusal::Replaced => "replaced",
            Refusal::Silent => "silent",
            Refusal::Slow => "slow",
            Refusal::Flood => "flood",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::Wire(error) => error.fmt(f),
            Refusal::NoSuchHost(host) => write!(f, "there is no host {}", host.0),
            Refusal::NoSuchContainer(name) => {
                write!(f, "the application has no container `{name}`")
            }
            Refusal::Twice(name) => write!(f, "container `{name}` is named twice"),
            Refusal::Elsewhere(name, host) => {
                write!(f, "container `{name}` stands on host {}", host.0)
            }
            Refusal::NotYours(Some(id)) => {
                write!(f, "container {} does not stand on this host", id.0)
            }
            Refusal::NotYours(None) => f.write_str("that is not for a host to tell"),
            Refusal::NoSession => f.write_str("telemetry came before the hello was answered"),
            Refusal::Replaced => f.write_str("the host has another connection"),
            Refusal::Silent => f.write_str("nothing came for too long"),
            Refusal::Slow => f.write_str("the host does not read what it is sent"),
            Refusal::Flood => f.write_str("the host sends more than there is to tell"),
        }
    }
}

/// What a controller has counted since it started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Messages of hosts that were accepted.
    pub received: u64,
    /// Of those, messages that had come before and were passed over.
    pub doubled: u64,
    /// Messages of hosts that never came.
    pub missed: u64,
    /// Messages to hosts.
    pub sent: u64,
    /// Commands of the policy that were sent.
    pub commands: u64,
    /// Commands that could not be sent, as their host is away. They are repeated.
    pub undelivered: u64,
    /// Sessions that began, and that went on over another connection.
    pub begun: u64,
    /// See `begun`.
    pub resumed: u64,
    /// Hosts that were lost.
    pub lost: u64,
    /// Messages that were not accepted, by reason.
    pub refused: BTreeMap<&'static str, u64>,
}

/// A host as the controller knows it.
#[derive(Debug)]
struct Host {
    session: u64,
    agent: u64,
    stream: Option<StreamId>,
    /// When something was last heard of it, and sent to it.
    heard: Time,
    sent: Time,
    /// The last number of a message of it, and to it.
    seq_in: u64,
    seq_out: u64,
    has_half: bool,
    /// What its half of the policy last said it can hand out.
    share: u64,
    members: BTreeMap<ContainerId, Member>,
}

/// Hosts that have come while the controller gathers.
#[derive(Debug)]
struct Gathering {
    until: Time,
    hellos: BTreeMap<HostId, (StreamId, Hello)>,
}

/// The controller without its network.
pub struct Hub {
    policy: Box<dyn Allocator>,
    roster: Roster,
    settings: Settings,
    gathering: Option<Gathering>,
    hosts: BTreeMap<HostId, Host>,
    streams: BTreeMap<StreamId, HostId>,
    /// On which host each container stands.
    homes: Vec<Option<HostId>>,
    /// Those that stand nowhere any more.
    former: BTreeMap<ContainerId, Member>,
    /// A host whose limits are about to fall: until it has told, what that frees is
    /// for nobody else.
    settling: Option<(HostId, Time)>,
    next_session: u64,
    commands: Vec<Command>,
    outputs: Vec<Output>,
    counts: Counts,
}

impl Hub {
    /// A controller that starts at `now` with a fresh `policy` for the containers of
    /// `roster`. `run` must be another number for each start.
    pub fn new(
        policy: Box<dyn Allocator>,
        roster: Roster,
        settings: Settings,
        run: u64,
        now: Time,
    ) -> Hub {
        Hub {
            policy,
            homes: vec![None; roster.len()],
            former: BTreeMap::new(),
            roster,
            gathering: Some(Gathering {
                until: now + settings.gather,
                hellos: BTreeMap::new(),
            }),
            settings,
            hosts: BTreeMap::new(),
            streams: BTreeMap::new(),
            settling: None,
            next_session: run,
            commands: Vec::new(),
            outputs: Vec::new(),
            counts: Counts::default(),
        }
    }

    /// A message has come on `stream`, from the host that the connection belongs to.
    ///
    /// # Errors
    /// When it is not accepted: the connection is to be cut, and
    /// [`closed`](Hub::closed) called.
    pub fn receive(&mut self, now: Time, stream: StreamId, what: Up) -> Result<(), Refusal> {
        let taken = match what {
            Up::Hello(hello) => self.hello(now, stream, hello),
            Up::Telemetry { seq, seen } => self.telemetry(now, stream, seq, seen),
        };
        match &taken {
            Ok(()) => self.counts.received += 1,
            Err(refusal) => self.refused(refusal),
        }
        taken
    }

    /// Counts a message that was not accepted.
    pub fn refused(&mut self, refusal: &Refusal) {
        *self.counts.refused.entry(refusal.reason()).or_default() += 1;
    }

    /// A connection has ended.
    pub fn closed(&mut self, now: Time, stream: StreamId) {
        if let Some(host) = self.streams.remove(&stream) {
            if let Some(gathering) = &mut self.gathering
                && gathering.hellos.get(&host).is_some_and(|h| h.0 == stream)
            {
                gathering.hellos.remove(&host);
            }
            if let Some(host) = self.hosts.get_mut(&host)
                && host.stream == Some(stream)
            {
                host.stream = None;
                host.heard = now;
            }
        }
    }

    /// What is to be done to connections, in order.
    pub fn take_outputs(&mut self) -> Vec<Output> {
        std::mem::take(&mut self.outputs)
    }

    /// When [`wake`](Hub::wake) must be called next.
    pub fn next_wake(&self) -> Option<Time> {
        let policy = match &self.gathering {
            Some(gathering) => Some(gathering.until),
            None => self.policy.next_wake(),
        };
        let hosts = self.hosts.values().map(|host| match host.stream {
            Some(_) => (host.sent + self.settings.beat).min(host.heard + self.settings.silence),
            None => host.heard + self.settings.grace,
        });
        hosts.chain(policy).min()
    }

    /// The time of [`next_wake`](Hub::next_wake) has come.
    pub fn wake(&mut self, now: Time) {
        match &self.gathering {
            Some(gathering) if gathering.until <= now => self.gathered(now),
            Some(_) => {}
            None if self.policy.next_wake().is_some_and(|next| next <= now) => {
                self.policy.wake(now, &mut self.commands);
            }
            None => {}
        }
        let gone = |host: &Host| host.stream.is_none() && host.heard + self.settings.grace <= now;
        let lost: Vec<HostId> = self
            .hosts
            .iter()
            .filter(|(_, h)| gone(h))
            .map(|(id, _)| *id)
            .collect();
        for host in lost {
            self.lose(now, host);
        }
        self.send_commands(now);
        self.keep(now);
    }

    /// Cuts who is silent, and sends a beat to who has heard nothing.
    fn keep(&mut self, now: Time) {
        let mut silent = Vec::new();
        for (&id, host) in &mut self.hosts {
            let Some(stream) = host.stream else {
                continue;
            };
            if host.heard + self.settings.silence <= now {
                silent.push(stream);
            } else if host.sent + self.settings.beat <= now {
                host.seq_out += 1;
                host.sent = now;
                self.counts.sent += 1;
                let (seq, wanted) = (host.seq_out, Vec::new());
                self.outputs
                    .push(Output::Send(stream, id, Down::Orders { seq, wanted }));
            }
        }
        for stream in silent {
            self.cut(now, stream, Refusal::Silent);
        }
    }

    /// Cuts a connection.
    pub fn cut(&mut self, now: Time, stream: StreamId, why: Refusal) {
        self.refused(&why);
        self.outputs.push(Output::Cut(stream, why));
        self.closed(now, stream);
    }

    fn hello(&mut self, now: Time, stream: StreamId, hello: Hello) -> Result<(), Refusal> {
        if hello.host.0 >= self.roster.hosts {
            return Err(Refusal::NoSuchHost(hello.host));
        }
        let mut names = BTreeSet::new();
        for standing in &hello.containers {
            let name = || standing.name.clone();
            let Some(id) = self.roster.number(&standing.name) else {
                return Err(Refusal::NoSuchContainer(name()));
            };
            if !names.insert(id) {
                return Err(Refusal::Twice(name()));
            }
            if let Some(host) = self.homes[id.0 as usize].filter(|&home| home != hello.host) {
                return Err(Refusal::Elsewhere(name(), host));
            }
            let gathered = self
                .gathering
                .iter()
                .flat_map(|gathering| &gathering.hellos);
            for (&host, (_, other)) in gathered {
                if host != hello.host && other.containers.iter().any(|c| c.name == standing.name) {
                    return Err(Refusal::Elsewhere(name(), host));
                }
            }
        }
        let host = hello.host;
        let mut before: Vec<StreamId> = Vec::new();
        before.extend(
            self.streams
                .iter()
                .filter(|(s, h)| **h == host && **s != stream)
                .map(|(s, _)| *s),
        );
        for other in before {
            self.cut(now, other, Refusal::Replaced);
        }
        self.streams.insert(stream, host);
        let Some(gathering) = &mut self.gathering else {
            self.take_in(now, vec![(stream, hello)], false);
            return Ok(());
        };
        gathering.hellos.insert(host, (stream, hello));
        let there: usize = gathering
            .hellos
            .values()
            .map(|(_, hello)| hello.containers.len())
            .sum();
        if there == self.roster.len() {
            self.gathered(now);
        }
        Ok(())
    }

    /// All hosts are there, or have had their time.
    fn gathered(&mut self, now: Time) {
        if let Some(gathering) = self.gathering.take() {
            self.take_in(now, gathering.hellos.into_values().collect(), true);
        }
    }

    /// Takes hosts in: sessions go on or begin, containers are admitted.
    ///
    /// Who has limits keeps them; then something is kept for those who are `missing`; what
    /// is left is for the others.
    fn take_in(&mut self, now: Time, hellos: Vec<(StreamId, Hello)>, missing: bool) {
        let mut halves = Vec::new();
        let mut new = Vec::new();
        for (index, (stream, hello)) in hellos.iter().enumerate() {
            halves.push(self.session(now, *stream, hello));
            let Some(host) = self.hosts.get_mut(&hello.host) else {
                continue;
            };
            for standing in &hello.containers {
                let Some(id) = self.roster.number(&standing.name) else {
                    continue;
                };
                match host.members.get_mut(&id) {
                    Some(member) => {
                        if member.missed_kills(standing) > 0 {
                            let killed = Observation::Killed(id);
                            self.policy.observe(now, &killed, &mut self.commands);
                        }
                    }
                    None => {
                        let fresh = standing.cpu.is_none() && standing.memory.is_none();
                        new.push((fresh, id, index, standing));
                    }
                }
            }
        }
        new.sort_by_key(|&(fresh, id, ..)| (fresh, id));
        let names: BTreeSet<ContainerId> = new.iter().map(|&(_, id, ..)| id).collect();
        let mut missing = missing.then_some(names);
        for (fresh, id, index, standing) in new {
            if fresh && let Some(there) = missing.take() {
                self.keep_for_missing(now, &there);
            }
            let host = hellos[index].1.host;
            let container = standing.container(id, host, self.roster.safe(id));
            let limits = self.policy.admit(now, container);
            self.homes[id.0 as usize] = Some(host);
            if let Some(host) = self.hosts.get_mut(&host) {
                let before = self.former.remove(&id);
                host.members
                    .insert(id, Member::new(limits, standing, before));
            }
            self.policy
                .observe(now, &Observation::Started(id), &mut self.commands);
        }
        if let Some(there) = missing {
            self.keep_for_missing(now, &there);
        }
        let wants = Wants::of(&*self.policy);
        for ((stream, hello), half) in hellos.into_iter().zip(halves) {
            let Some(host) = self.hosts.get_mut(&hello.host) else {
                continue;
            };
            let containers = hello.containers.iter().filter_map(|standing| {
                let id = self.roster.number(&standing.name)?;
                Some(Admitted {
                    id,
                    limits: host.members.get(&id)?.limits(),
                    safe: self.roster.safe(id),
                })
            });
            let welcome = Welcome {
                session: host.session,
                lease: self.settings.lease,
                beat: self.settings.beat,
                period: self.settings.period,
                wants: Wants {
                    // A half on the host sees these in the controller's place.
                    periods: wants.periods && !host.has_half,
                    throttles: wants.throttles && !host.has_half,
                    ..wants
                },
                half,
                containers: containers.collect(),
            };
            host.sent = now;
            self.counts.sent += 1;
            self.outputs
                .push(Output::Send(stream, hello.host, Down::Welcome(welcome)));
        }
        self.send_commands(now);
    }

    /// Keeps for the containers that are not `there` what each starts with, as for those
    /// of a host that was lost: they may be on one that is alone, under safe limits.
    fn keep_for_missing(&mut self, now: Time, there: &BTreeSet<ContainerId>) {
        let mut numbers = (0..self.roster.hosts).map(HostId);
        let host = numbers.find(|host| !self.hosts.contains_key(host));
        let host = host.unwrap_or(HostId(0));
        let all = (0..self.roster.len() as u32).map(ContainerId);
        let missing: Vec<ContainerId> = all.filter(|id| !there.contains(id)).collect();
        for &id in &missing {
            let requested = None;
            let container = Container {
                id,
                host,
                requested,
            };
            self.policy.admit(now, container);
        }
        for id in missing {
            let lost = Observation::Lost(id);
            self.policy.observe(now, &lost, &mut self.commands);
        }
    }

    /// Lets a host's session go on, or begins one. Returns the half of the policy that
    /// begins with it.
    fn session(&mut self, now: Time, stream: StreamId, hello: &Hello) -> Option<Box<Half>> {
        let id = hello.host;
        let same = self.hosts.get(&id);
        let same = same.filter(|host| host.stream == Some(stream));
        // Messages are counted by connection.
        let (seq_in, seq_out) = same.map_or((0, 0), |host| (host.seq_in, host.seq_out));
        // A half that was on the host ended with its agent.
        let over = |host: &Host| {
            host.has_half && (host.agent != hello.agent || host.session != hello.session)
        };
        if self.hosts.get(&id).is_some_and(over) {
            self.settling = Some((id, now + self.settings.silence));
            self.lose(now, id);
        }
        if let Some(host) = self.hosts.get_mut(&id) {
            if host.agent != hello.agent {
                host.agent = hello.agent;
                host.members.values_mut().for_each(Member::new_agent);
            }
            (host.seq_in, host.seq_out) = (seq_in, seq_out);
            host.stream = Some(stream);
            host.heard = now;
            let stand = hello.containers.iter();
            let stand = stand.filter_map(|standing| self.roster.number(&standing.name));
            let stand: BTreeSet<ContainerId> = stand.collect();
            let known = host.members.keys().copied();
            let gone: Vec<ContainerId> = known.filter(|id| !stand.contains(id)).collect();
            for container in gone {
                self.stopped(now, id, container);
            }
            self.counts.resumed += 1;
            return None;
        }
        let half = self.policy.host_half(id).map(Box::new);
        self.next_session = self.next_session.wrapping_add(1).max(1);
        self.hosts.insert(
            id,
            Host {
                session: self.next_session,
                agent: hello.agent,
                stream: Some(stream),
                heard: now,
                sent: now,
                seq_in,
                seq_out,
                has_half: half.is_some(),
                share: 0,
                members: BTreeMap::new(),
            },
        );
        self.counts.begun += 1;
        half
    }

    /// A container has gone for good.
    fn stopped(&mut self, now: Time, host: HostId, container: ContainerId) {
        let host = self.hosts.get_mut(&host);
        if let Some(member) = host.and_then(|host| host.members.remove(&container)) {
            self.former.insert(container, member);
        }
        if let Some(home) = self.homes.get_mut(container.0 as usize) {
            *home = None;
        }
        let stopped = Observation::Stopped(container);
        self.policy.observe(now, &stopped, &mut self.commands);
    }

    /// A host, as far as the policy knows it, is gone.
    fn lose(&mut self, now: Time, host: HostId) {
        let Some(lost) = self.hosts.remove(&host) else {
            return;
        };
        self.counts.lost += 1;
        for (container, member) in lost.members {
            self.former.insert(container, member);
            self.homes[container.0 as usize] = None;
            let lost = Observation::Lost(container);
            self.policy.observe(now, &lost, &mut self.commands);
        }
    }

    fn telemetry(
        &mut self,
        now: Time,
        stream: StreamId,
        seq: u64,
        seen: Vec<Observation>,
    ) -> Result<(), Refusal> {
        let id = *self.streams.get(&stream).ok_or(Refusal::NoSession)?;
        let host = self.hosts.get_mut(&id).ok_or(Refusal::NoSession)?;
        if host.stream != Some(stream) {
            return Err(Refusal::NoSession);
        }
        // All or nothing: a message that is wrong in one place is not believed in
        // another.
        for what in &seen {
            match (what.container(), what) {
                (_, Observation::Lost(_) | Observation::Share(_)) => {
                    return Err(Refusal::NotYours(None));
                }
                (Some(container), _) if !host.members.contains_key(&container) => {
                    return Err(Refusal::NotYours(Some(container)));
                }
                _ => {}
            }
        }
        host.heard = now;
        if seq <= host.seq_in {
            self.counts.doubled += 1;
            return Ok(());
        }
        self.counts.missed += seq - host.seq_in - 1;
        host.seq_in = seq;
        if self.settling.is_some_and(|(settling, _)| settling == id) {
            self.settling = None;
        }
        for what in seen {
            self.observe(now, id, what);
        }
        self.send_commands(now);
        Ok(())
    }

    /// One thing that a host has seen.
    fn observe(&mut self, now: Time, id: HostId, what: Observation) {
        if let Observation::Stopped(container) = what {
            return self.stopped(now, id, container);
        }
        let Some(host) = self.hosts.get_mut(&id) else {
            return;
        };
        let what = match what {
            Observation::HostReport(report) if host.has_half => {
                host.share = report.share.0;
                what
            }
            Observation::HostReport(_) => return,
            // What a half has commanded itself is its own affair.
            Observation::CpuApplied { .. }
            | Observation::Period(_)
            | Observation::Throttled { .. }
                if host.has_half =>
            {
                return;
            }
            _ => {
                let Some(member) = what.container().and_then(|id| host.members.get_mut(&id)) else {
                    return;
                };
                // The policy knows since it has admitted it.
                if matches!(what, Observation::Started(_)) && !std::mem::take(&mut member.evicted) {
                    return;
                }
                member.told(what, self.settings.period)
            }
        };
        self.policy.observe(now, &what, &mut self.commands);
    }

    /// Sends what the policy has commanded: one message to each host it concerns.
    fn send_commands(&mut self, now: Time) {
        self.settling = self.settling.filter(|&(_, until)| until > now);
        let mut wanted: BTreeMap<HostId, Vec<Command>> = BTreeMap::new();
        for command in self.commands.drain(..) {
            let host = match command {
                Command::Lend(share) => Some(share.host),
                Command::Report(_) => None,
                _ => command
                    .container()
                    .and_then(|id| self.homes.get(id.0 as usize).copied().flatten()),
            };
            let Some((id, host)) = host.and_then(|id| Some((id, self.hosts.get_mut(&id)?))) else {
                continue;
            };
            let settles = self.settling.is_some_and(|(settling, _)| settling != id);
            let member = command.container().and_then(|id| host.members.get_mut(&id));
            let command = member.map_or(command, |member| member.tell(command));
            if host.stream.is_none() || settles {
                self.counts.undelivered += 1;
                continue;
            }
            self.counts.commands += 1;
            wanted.entry(id).or_default().push(command);
        }
        for (id, wanted) in wanted {
            let Some(host) = self.hosts.get_mut(&id) else {
                continue;
            };
            let Some(stream) = host.stream else {
                continue;
            };
            host.seq_out += 1;
            host.sent = now;
            self.counts.sent += 1;
            let seq = host.seq_out;
            self.outputs
                .push(Output::Send(stream, id, Down::Orders { seq, wanted }));
        }
    }

    /// What was counted so far.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// What the policy promises.
    pub fn bounds(&self) -> Bounds {
        self.policy.bounds()
    }

    /// The application's containers.
    pub fn roster(&self) -> &Roster {
        &self.roster
    }

    /// Whether hosts are still waited for.
    pub fn is_gathering(&self) -> bool {
        self.gathering.is_some()
    }

    /// The hosts with a session: whether they are connected, and what their half of the
    /// policy can hand out, in billionths of a core.
    pub fn hosts(&self) -> impl Iterator<Item = (HostId, bool, u64)> + '_ {
        let hosts = self.hosts.iter();
        hosts.map(|(id, host)| (*id, host.stream.is_some(), host.share))
    }

    /// The containers that are admitted: their limits as last commanded, and what was
    /// seen of them.
    pub fn containers(&self) -> impl Iterator<Item = (ContainerId, HostId, Limits, Seen)> + '_ {
        self.hosts.iter().flat_map(|(&home, host)| {
            let members = host.members.iter();
            members.map(move |(&id, member)| (id, home, member.limits(), member.seen))
        })
    }
}

#[cfg(test)]
mod tests;
