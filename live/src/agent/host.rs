//! The agent's thread: waits for the kernel, for requests and for the next time that
//! something is due, whichever comes first.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use rustix::event::{EventfdFlags, Timespec, epoll, eventfd};
use rustix::io::Errno;
use tidegate_core::{
    Allocator, Bytes, Command, Container, ContainerId, HostId, Observation, Span, Time,
};

use super::agenda::Agenda;
use super::clock::Clock;
use super::lease::Lease;
use super::link::{Notice, Registration, Request, Session, Wants};
use super::member::Member;
use super::step::READ_AFTER;
use super::throttle::cpus;
use super::urgency::Urgency;
use crate::bpf::ThrottleEvents;
use crate::cgroup::{CgroupError, Group, PERIOD};

/// How an agent works.
#[derive(Clone, Debug)]
pub struct Config {
    /// The name of this host.
    pub host: HostId,
    /// The time that observations and the host's half are given.
    pub clock: Clock,
    /// Before the first session: how long containers are left as they were found.
    pub lease: Span,
    /// A container that waits for memory asks again after this.
    pub ask_again: Span,
    /// On cgroup version 2: how far above its limit a container is killed while the
    /// limit is trapped.
    pub headroom: Bytes,
    /// The compiled BPF program that tells of throttles (`live/bpf`), if there is one to
    /// be tried.
    pub throttle_program: Option<PathBuf>,
    /// How the agent stands to what else runs on the host.
    pub urgency: Urgency,
}

impl Config {
    /// The defaults for a host.
    pub fn new(host: HostId) -> Config {
        Config {
            host,
            clock: Clock::start(),
            // As a controller has it.
            lease: Span::from_secs(3),
            // As the simulated testbeds have it.
            ask_again: Span::from_millis(100),
            headroom: Bytes::from_mib(32),
            throttle_program: None,
            urgency: Urgency::First,
        }
    }
}

enum Message {
    Request(Request),
    Stop,
}

/// Talks to a running agent. When the last clone is dropped the agent ends.
#[derive(Clone)]
pub struct Handle(Arc<Remote>);

struct Remote {
    sender: Sender<Message>,
    wake: Arc<OwnedFd>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Handle {
    /// Tells the agent something. Never blocks; after the agent's end it does nothing
    /// and returns false.
    pub fn send(&self, request: Request) -> bool {
        self.0.send(Message::Request(request))
    }

    /// Ends the agent and waits until it has put everything back.
    pub fn stop(&self) {
        self.0.stop();
    }
}

impl Remote {
    fn send(&self, message: Message) -> bool {
        let sent = self.sender.send(message).is_ok();
        // Full only if 2^64 wake-ups are unread.
        let _ = rustix::io::write(&*self.wake, &1u64.to_ne_bytes());
        sent
    }

    fn stop(&self) {
        self.send(Message::Stop);
        let thread = match self.thread.lock() {
            Ok(mut thread) => thread.take(),
            Err(poisoned) => poisoned.into_inner().take(),
        };
        if let Some(thread) = thread
            && thread.thread().id() != std::thread::current().id()
        {
            // If it panicked it has put everything back all the same.
            let _ = thread.join();
        }
    }
}

impl Drop for Remote {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The token of the wake-up; containers have their number plus one.
const WAKE: u64 = 0;
/// The token of the kernel's throttle events.
const THROTTLES: u64 = u64::MAX;

/// The agent itself, on its thread.
pub struct Host {
    pub(super) config: Config,
    pub(super) members: BTreeMap<ContainerId, Member>,
    pub(super) wants: Wants,
    pub(super) half: Option<Box<dyn Allocator>>,
    pub(super) in_session: bool,
    pub(super) lease: Lease,
    /// Groups that an agent before this one has left with the kernel's killer off.
    pub(super) found: Vec<Group>,
    pub(super) epoll: OwnedFd,
    /// Commands of the half that are to be carried out.
    pub(super) todo: VecDeque<Command>,
    /// Containers whose memory is to be looked at.
    pub(super) looks: Agenda,
    /// The kernel's throttle events, where it tells them.
    pub(super) events: Option<ThrottleEvents>,
    /// Containers by the kernel's number of their group.
    pub(super) groups: BTreeMap<u64, ContainerId>,
    /// Containers whose quota may run out.
    pub(super) throttles: Agenda,
    /// CPUs of the host.
    pub(super) cpus: u64,
    seen: Vec<Observation>,
    sink: Box<dyn FnMut(Notice) + Send>,
    inbox: Receiver<Message>,
    wake: Arc<OwnedFd>,
    pub(super) next_period: Time,
    /// Whose period had not ended at its end, and when to read them again.
    pub(super) late: Vec<ContainerId>,
    pub(super) next_late: Option<Time>,
    pub(super) next_sample: Option<Time>,
    /// When groups that are out of step are to begin a period, if there are any.
    pub(super) next_step: Option<Time>,
}

impl Host {
    /// Starts an agent; its notices go to `sink`, on its thread.
    ///
    /// # Errors
    /// When the kernel gives no descriptors or no thread.
    pub fn start(config: Config, sink: impl FnMut(Notice) + Send + 'static) -> io::Result<Handle> {
        let flags = EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK;
        let wake = Arc::new(eventfd(0, flags)?);
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let data = epoll::EventData::new_u64(WAKE);
        epoll::add(&epoll, &*wake, data, epoll::EventFlags::IN)?;
        let (sender, inbox) = channel();
        let remote_wake = Arc::clone(&wake);
        let name = format!("agent-{}", config.host.0);
        let thread = std::thread::Builder::new().name(name).spawn(move || {
            config.urgency.apply();
            let now = config.clock.now();
            let mut host = Host {
                next_period: config.clock.next_multiple(now, PERIOD, READ_AFTER),
                late: Vec::new(),
                next_late: None,
                next_sample: None,
                next_step: None,
                config,
                members: BTreeMap::new(),
                wants: Wants::default(),
                half: None,
                in_session: false,
                lease: Lease::default(),
                found: Vec::new(),
                epoll,
                todo: VecDeque::new(),
                looks: Agenda::default(),
                events: None,
                groups: BTreeMap::new(),
                throttles: Agenda::default(),
                cpus: cpus(),
                seen: Vec::new(),
                sink: Box::new(sink),
                inbox,
                wake,
            };
            host.listen_for_throttles();
            host.run();
        })?;
        Ok(Handle(Arc::new(Remote {
            sender,
            wake: remote_wake,
            thread: Mutex::new(Some(thread)),
        })))
    }

    pub(super) fn now(&self) -> Time {
        self.config.clock.now()
    }

    pub(super) fn see(&mut self, observation: Observation) {
        self.seen.push(observation);
    }

    pub(super) fn tell(&mut self, notice: Notice) {
        // What was seen before is told before.
        self.flush();
        (self.sink)(notice);
    }

    fn flush(&mut self) {
        if !self.seen.is_empty() {
            let seen = std::mem::take(&mut self.seen);
            (self.sink)(Notice::Seen(seen));
        }
    }

    /// Has the kernel tell of throttles, if it does.
    fn listen_for_throttles(&mut self) {
        let Some(path) = &self.config.throttle_program else {
            return;
        };
        match ThrottleEvents::load(path) {
            Ok(events) => {
                let data = epoll::EventData::new_u64(THROTTLES);
                // There is a descriptor for it, as there was for the wake-up.
                let added = epoll::add(&self.epoll, &events, data, epoll::EventFlags::IN);
                self.events = added.is_ok().then_some(events);
            }
            Err(error) => self.tell(Notice::Sampling(error)),
        }
    }

    fn run(&mut self) {
        let mut events = Vec::with_capacity(256);
        loop {
            events.clear();
            let timeout = self.next_due().since(self.now());
            let timeout = Timespec {
                tv_sec: (timeout.0 / 1_000_000_000) as i64,
                tv_nsec: (timeout.0 % 1_000_000_000) as i64,
            };
            let spare = rustix::buffer::spare_capacity(&mut events);
            match epoll::wait(&self.epoll, spare, Some(&timeout)) {
                Ok(_) | Err(Errno::INTR) => {}
                // Nothing that the program could do about it.
                Err(error) => panic!("epoll: {error}"),
            }
            let mut woken = false;
            for event in &events {
                match event.data.u64() {
                    WAKE => woken = true,
                    THROTTLES => self.throttle_events(),
                    token => self.memory_event(ContainerId((token - 1) as u32)),
                }
            }
            if woken && self.requests() {
                self.flush();
                return;
            }
            self.due();
            self.flush();
        }
    }

    /// Takes in what has been sent; true if it is to end.
    fn requests(&mut self) -> bool {
        // Before the messages: one that comes after them wakes again.
        let _ = rustix::io::read(&*self.wake, &mut [0; 8]);
        while let Ok(message) = self.inbox.try_recv() {
            match message {
                Message::Request(request) => self.request(request),
                Message::Stop => return true,
            }
            // Answers do not wait for the requests behind them.
            self.flush();
        }
        false
    }

    fn request(&mut self, request: Request) {
        match request {
            Request::Add(registration) => self.add(*registration),
            Request::Found(group) => self.find(*group),
            Request::Remove(container) => self.remove(container),
            Request::Restarted(container) => self.restarted(container),
            Request::Session(session) => self.begin(session),
            Request::Admitted(container, limits) => {
                self.heard();
                self.admitted(container, limits);
            }
            Request::Commands(commands) => {
                self.heard();
                for command in commands {
                    self.carry_out(command);
                }
            }
            Request::Heard => self.heard(),
        }
    }

    /// When something is due next.
    fn next_due(&self) -> Time {
        let half = self.half.as_ref().filter(|_| !self.lease.is_alone());
        let half = half.and_then(|half| half.next_wake());
        let throttles = self.throttles.next().filter(|_| !self.lease.is_alone());
        let others = [
            half,
            throttles,
            self.next_late,
            self.next_sample,
            self.lease.next(),
            self.looks.next(),
            self.next_step,
        ];
        let others = others.into_iter().flatten();
        others.fold(self.next_period, Time::min)
    }

    fn due(&mut self) {
        let now = self.now();
        self.check_lease(now);
        if self.next_step.is_some_and(|time| time <= now) {
            self.step();
        }
        self.look_for_throttles(now);
        if self.next_period <= now {
            self.periods();
            self.next_period = self
                .config
                .clock
                .next_multiple(Time(now.0 + 1), PERIOD, Span::ZERO);
        }
        if self.next_late.is_some_and(|time| time <= now) {
            self.late_periods();
        }
        if self.next_sample.is_some_and(|time| time <= now) {
            self.samples(now);
        }
        self.look(now);
        if !self.lease.is_alone()
            && let Some(half) = &mut self.half
            && half.next_wake().is_some_and(|time| time <= now)
        {
            let mut out = Vec::new();
            half.wake(now, &mut out);
            self.todo.extend(out);
            self.work_off();
        }
    }

    fn add(&mut self, registration: Registration) {
        let (id, member) = Member::new(registration);
        match member.group.id() {
            Ok(number) => self.groups.insert(number, id),
            Err(error) => return self.tell(Notice::Trouble(id, error)),
        };
        if let Some(old) = self.members.insert(id, member) {
            // The caller gives each container a number of its own.
            drop(old);
        }
        self.bring_in_step(id);
        self.lease.wait(self.now(), self.config.lease);
        self.begin_safe(id);
        if self.in_session {
            self.ask_to_admit(id);
        }
    }

    /// Somebody may be waiting in a group that a controller will name.
    fn find(&mut self, group: Group) {
        self.lease.wait(self.now(), self.config.lease);
        if !self.in_session {
            self.found.push(group);
        }
    }

    fn begin(&mut self, session: Session) {
        self.found.clear();
        self.wants = session.wants;
        self.half = session.half.and_then(|make| make());
        self.in_session = true;
        self.lease.begin(self.now(), session.lease);
        let interval = self.wants.sampling;
        self.next_sample = interval.map(|interval| self.now() + interval);
        let ids: Vec<ContainerId> = self.members.keys().copied().collect();
        for id in ids {
            if let Some(member) = self.members.get_mut(&id) {
                member.forget();
            }
            self.ask_to_admit(id);
        }
    }

    fn ask_to_admit(&mut self, id: ContainerId) {
        let Some(member) = self.members.get(&id) else {
            return;
        };
        let container = Container {
            id,
            host: self.config.host,
            requested: member.limits.or(member.requested),
        };
        self.tell(Notice::Admit(container));
    }

    fn restarted(&mut self, id: ContainerId) {
        if let Some(member) = self.members.get_mut(&id)
            && std::mem::take(&mut member.evicted)
            && member.admitted
        {
            self.see(Observation::Started(id));
        }
    }

    /// Gives a container up.
    pub(super) fn remove(&mut self, id: ContainerId) {
        let Some(member) = self.members.remove(&id) else {
            return;
        };
        self.looks.set(id, None);
        self.throttles.set(id, None);
        self.groups.retain(|_, container| *container != id);
        let admitted = member.admitted;
        if let Err(error) = put_back(member) {
            self.tell(Notice::Trouble(id, error));
        }
        if admitted {
            let stopped = Observation::Stopped(id);
            if self.half.is_some() {
                self.tell_half(&stopped);
                self.work_off();
            }
            self.see(stopped);
        }
    }

    /// A container's group failed. One that is not there any more is given up.
    pub(super) fn trouble(&mut self, id: ContainerId, error: CgroupError) {
        let gone = error.is_gone();
        self.tell(Notice::Trouble(id, error));
        if gone {
            self.remove(id);
        }
    }
}

/// Leaves a container as if there had been no agent: removed if it was the agent's,
/// else with its safe limits and the kernel's killer.
fn put_back(mut member: Member) -> Result<(), CgroupError> {
    if member.owned {
        member.memory.release(&mut member.group)?;
        return member.group.remove();
    }
    let result = member.leave();
    member.memory.release(&mut member.group)?;
    match result {
        Err(error) if error.is_gone() => Ok(()),
        result => result,
    }
}

/// Also when the thread panics.
impl Drop for Host {
    fn drop(&mut self) {
        for (_, member) in std::mem::take(&mut self.members) {
            // The last words; nobody is left to hear of errors.
            let _ = put_back(member);
        }
    }
}
