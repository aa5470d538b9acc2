//! Nobody is killed while the pool or a reclaim has room: over arbitrary sequences
//! of starts, stops, growth and out-of-memory events, on hosts that hear of commands
//! late, in any order and some twice, and are heard of in the same way. Tide, which
//! decides memory with the same machine but reclaims at other times, is held to it too.

use proptest::prelude::*;

use super::*;
use crate::tide::{self, Tide};

/// Everything is counted in MiB here.
const OMEGA: u64 = 400;
/// What a container starts with, as far as it is free: Ω/N.
const INITIAL: u64 = OMEGA / 4;

#[derive(Clone, Debug)]
enum Step {
    /// A container more.
    Start,
    /// A container goes for good.
    Stop(usize),
    /// A container's processes want this much from now on.
    Want(usize, u64),
    /// The allocator wakes. Of minutes, one is long enough for Escra's next reclaim;
    /// Tide asks those whose rest is over.
    Wake,
    /// One of the commands on their way arrives, once or twice.
    Deliver(usize, bool),
    /// So does one of the observations.
    Hear(usize, bool),
}

fn step() -> impl Strategy<Value = Step> {
    let which = any::<usize>;
    prop_oneof![
        2 => Just(Step::Start),
        1 => which().prop_map(Step::Stop),
        8 => (which(), 0u64..300).prop_map(|(c, mib)| Step::Want(c, mib)),
        1 => Just(Step::Wake),
        12 => (which(), prop::bool::weighted(0.1)).prop_map(|(n, twice)| Step::Deliver(n, twice)),
        12 => (which(), prop::bool::weighted(0.1)).prop_map(|(n, twice)| Step::Hear(n, twice)),
    ]
}

/// A container on its host.
#[derive(Clone, Copy, Debug)]
struct OnHost {
    /// Gone; the controller may not know it yet.
    stopped: bool,
    /// The controller has been told that it stopped.
    forgotten: bool,
    version: u64,
    limit: u64,
    /// What its processes want; what they use is that or the limit.
    wanted: u64,
    events: u64,
    /// The first of them since it waits under its present limit.
    first_event: u64,
    /// When it began to wait for memory, while it does.
    waits_since: Option<u64>,
    /// When it last carried out a reclaim, and its version.
    reclaimed: (u64, u64),
    /// The newest answer that the controller has.
    heard: u64,
}

struct Hosts {
    allocator: Box<dyn Allocator>,
    margin: u64,
    containers: Vec<OnHost>,
    commands: Vec<Command>,
    observations: Vec<Observation>,
    /// Counts what happened, which takes as many minutes.
    now: u64,
    denials: u64,
}

impl Hosts {
    fn index(&self, which: usize) -> Option<usize> {
        which.checked_rem(self.containers.len())
    }

    fn time(&self) -> Time {
        Time::ZERO + Span::from_secs(60 * self.now)
    }

    fn start(&mut self) {
        let id = ContainerId(self.containers.len() as u32);
        let host = HostId(0);
        let limits = self.allocator.admit(
            self.time(),
            Container {
                id,
                host,
                requested: None,
            },
        );
        self.containers.push(OnHost {
            stopped: false,
            forgotten: false,
            version: 0,
            limit: limits.memory.0 >> 20,
            wanted: 0,
            events: 0,
            first_event: 0,
            waits_since: None,
            reclaimed: (0, 0),
            heard: 0,
        });
    }

    /// Asks for memory if more is wanted than the limit allows; what has stopped asks
    /// no more.
    fn check(&mut self, index: usize, again: bool) {
        let now = self.now;
        let container = &mut self.containers[index];
        if container.stopped || container.wanted <= container.limit {
            container.waits_since = None;
            return;
        }
        container.events += 1;
        if !again {
            container.waits_since = Some(now);
            container.first_event = container.events;
        }
        self.observations.push(Observation::OutOfMemory {
            container: ContainerId(index as u32),
            event: container.events,
            first: container.first_event,
            limit: Bytes::from_mib(container.limit),
        });
    }

    fn step(&mut self, step: Step) {
        self.now += 1;
        match step {
            Step::Start if self.containers.len() < 8 => self.start(),
            Step::Start => {}
            Step::Stop(which) => {
                if let Some(index) = self.index(which)
                    && !self.containers[index].stopped
                {
                    self.containers[index].stopped = true;
                    self.containers[index].waits_since = None;
                    let stopped = Observation::Stopped(ContainerId(index as u32));
                    self.observations.push(stopped);
                }
            }
            // Who waits stands still.
            Step::Want(which, mib) => {
                if let Some(index) = self.index(which)
                    && self.containers[index].waits_since.is_none()
                {
                    self.containers[index].wanted = mib;
                    self.check(index, false);
                }
            }
            Step::Wake => {
                let mut out = Vec::new();
                self.allocator.wake(self.time(), &mut out);
                self.take(out);
            }
            Step::Deliver(which, twice) if !self.commands.is_empty() => {
                let which = which % self.commands.len();
                let command = self.commands[which];
                if !twice {
                    self.commands.swap_remove(which);
                }
                self.carry_out(command);
            }
            Step::Hear(which, twice) if !self.observations.is_empty() => {
                let which = which % self.observations.len();
                let what = self.observations[which];
                if !twice {
                    self.observations.swap_remove(which);
                }
                self.hear(&what);
            }
            Step::Deliver(..) | Step::Hear(..) => {}
        }
    }

    fn hear(&mut self, what: &Observation) {
        match *what {
            Observation::Stopped(container) => {
                self.containers[container.0 as usize].forgotten = true;
            }
            Observation::MemoryApplied {
                container, version, ..
            } => {
                let heard = &mut self.containers[container.0 as usize].heard;
                *heard = version.max(*heard);
            }
            _ => {}
        }
        let mut out = Vec::new();
        self.allocator.observe(self.time(), what, &mut out);
        self.take(out);
    }

    /// Takes what the controller sends; a denial must be due.
    fn take(&mut self, out: Vec<Command>) {
        for command in &out {
            if let Command::DenyMemory { container, event } = *command {
                let denied = self.containers[container.0 as usize];
                // An old event is answered too; the host takes no notice.
                if let Some(since) = denied.waits_since
                    && event >= denied.first_event
                {
                    self.denials += 1;
                    self.assert_no_room(since);
                }
            }
        }
        self.commands.extend(out);
    }

    /// All of Ω is somebody's limit, nothing is on its way to change that, and
    /// everybody has been told to shrink since `since`.
    fn assert_no_room(&self, since: u64) {
        let known = || self.containers.iter().filter(|c| !c.forgotten);
        let limits: u64 = known().map(|c| c.limit).sum();
        assert_eq!(limits, OMEGA, "there is something in the pool");
        for container in known() {
            assert_eq!(container.heard, container.version, "an answer is missing");
            let (when, version) = container.reclaimed;
            assert!(when > since, "was not reclaimed from");
            assert_eq!(version, container.version, "may have grown since");
        }
    }

    /// A host keeps the newest version of a limit, and answers it.
    fn carry_out(&mut self, command: Command) {
        match command {
            Command::SetMemory {
                container,
                version,
                limit,
            } => self.write(container, version, |_| limit.0 >> 20, false),
            Command::Reclaim {
                container, version, ..
            } => {
                let margin = self.margin;
                let shrunk = |c: &OnHost| c.limit.min(c.wanted.saturating_add(margin));
                self.write(container, version, shrunk, true);
            }
            Command::DenyMemory { container, event } => {
                let state = &mut self.containers[container.0 as usize];
                if state.waits_since.is_some() && event >= state.first_event {
                    // Killed, and back with an empty process.
                    state.wanted = 0;
                    state.waits_since = None;
                    self.hear_later(Observation::Killed(container));
                }
            }
            _ => {}
        }
    }

    fn write(
        &mut self,
        id: ContainerId,
        version: u64,
        limit: impl Fn(&OnHost) -> u64,
        reclaim: bool,
    ) {
        let now = self.now;
        let container = &mut self.containers[id.0 as usize];
        if container.stopped || version <= container.version {
            return;
        }
        container.version = version;
        container.limit = limit(container);
        if reclaim {
            container.reclaimed = (now, version);
        }
        let (limit, waits) = (container.limit, container.waits_since.is_some());
        self.hear_later(Observation::MemoryApplied {
            container: id,
            version,
            limit: Bytes::from_mib(limit),
        });
        // Who waits goes on, or asks again: a reclaim may have overtaken a grant.
        if waits {
            self.check(id.0 as usize, reclaim);
        }
    }

    /// Everything on its way arrives, in the order in which it was sent.
    fn deliver_all(&mut self) {
        for _ in 0..1_000 {
            if self.commands.is_empty() && self.observations.is_empty() {
                return;
            }
            self.now += 1;
            for command in std::mem::take(&mut self.commands) {
                self.carry_out(command);
            }
            for what in std::mem::take(&mut self.observations) {
                self.hear(&what);
            }
        }
        panic!("there is no end to commands and answers");
    }

    fn hear_later(&mut self, what: Observation) {
        self.observations.push(what);
    }
}

/// Who decides.
#[derive(Clone, Copy, Debug)]
enum Who {
    Escra,
    Tide,
}

fn hosts(who: Who, grant: u64, margin: u64) -> Hosts {
    let containers = (OMEGA / INITIAL) as usize;
    let (cpu, memory) = (Cores::new(4), Bytes::from_mib(OMEGA));
    let (grant, kept) = (Bytes::from_mib(grant), Bytes::from_mib(margin));
    let allocator: Box<dyn Allocator> = match who {
        Who::Escra => {
            let config = Config {
                withheld: 0.0,
                grant,
                margin: kept,
                ..Config::default()
            };
            Box::new(Escra::new(config, cpu, memory, containers))
        }
        Who::Tide => {
            let config = tide::Config {
                memory_grant: grant,
                memory_margin: kept,
                ..tide::Config::default()
            };
            Box::new(Tide::new(config, cpu, memory, containers, 1))
        }
    };
    Hosts {
        allocator,
        margin,
        containers: Vec::new(),
        commands: Vec::new(),
        observations: Vec::new(),
        now: 0,
        denials: 0,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn a_kill_only_where_neither_the_pool_nor_a_reclaim_has_room(
        who in prop::sample::select(vec![Who::Escra, Who::Tide]),
        // Small and large grants; one is wider than the margin, so that a grant
        // can be reclaimed from.
        grant in prop::sample::select(vec![1u64, 20, 120]),
        margin in prop::sample::select(vec![0u64, 50]),
        steps in prop::collection::vec(step(), 1..200),
    ) {
        let mut hosts = hosts(who, grant, margin);
        for step in steps {
            hosts.step(step);
            let limits: u64 = hosts.containers.iter().filter(|c| !c.forgotten).map(|c| c.limit).sum();
            prop_assert!(limits <= OMEGA);
        }
        // Once everything has arrived, nobody waits.
        hosts.deliver_all();
        for container in &hosts.containers {
            prop_assert_eq!(container.waits_since, None);
        }
    }
}

/// The property above is not about sequences in which nobody is ever denied.
#[test]
fn what_cannot_be_had_is_denied_in_the_end() {
    for who in [Who::Escra, Who::Tide] {
        let mut hosts = hosts(who, 20, 50);
        for _ in 0..4 {
            hosts.step(Step::Start);
        }
        for which in 0..4 {
            hosts.step(Step::Want(which, 250));
        }
        hosts.deliver_all();
        assert!(hosts.denials > 0, "{who:?}");
    }
}
