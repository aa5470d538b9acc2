use proptest::prelude::*;
use tidegate_core::escra::{self, Escra};
use tidegate_core::tide::{self, Tide};
use tidegate_core::{Bytes, Cores, Delivery};

use super::*;
use crate::testing::PretendedHost;

const PERIOD: Span = Span::from_millis(100);
const OMEGA: Limits = Limits {
    cpu: Cores::new(8),
    memory: Bytes::from_mib(800),
};

#[derive(Clone, Copy, Debug)]
enum Kind {
    Escra,
    Tide,
}

const KINDS: [Kind; 2] = [Kind::Escra, Kind::Tide];

fn policy(kind: Kind, containers: usize, hosts: usize) -> Box<dyn Allocator> {
    let Limits { cpu, memory } = OMEGA;
    Box::new(Delivery::new(match kind {
        Kind::Escra => Box::new(Escra::new(
            escra::Config::default(),
            cpu,
            memory,
            containers,
        )),
        Kind::Tide => Box::new(Tide::new(
            tide::Config::default(),
            cpu,
            memory,
            containers,
            hosts,
        )),
    }))
}

/// A controller and its hosts; container `c` stands on host `c % hosts`.
struct World {
    kind: Kind,
    now: Time,
    hub: Hub,
    hosts: Vec<PretendedHost>,
    /// The connection of each host.
    streams: Vec<Option<StreamId>>,
    next_stream: u64,
    next_agent: u64,
    /// How long each host has heard nothing.
    alone: Vec<Span>,
}

fn name(container: usize) -> String {
    format!("service-{container}")
}

fn hub(kind: Kind, containers: usize, hosts: usize, run: u64, now: Time) -> Hub {
    let names = (0..containers).map(name).collect();
    let roster = Roster::new(names, hosts as u32, policy(kind, containers, hosts)).unwrap();
    let settings = Settings::default();
    Hub::new(policy(kind, containers, hosts), roster, settings, run, now)
}

impl World {
    fn new(kind: Kind, containers: usize, hosts: usize) -> World {
        let of =
            |host: usize| -> Vec<String> { (host..containers).step_by(hosts).map(name).collect() };
        let mut world = World {
            kind,
            now: Time::ZERO,
            hub: hub(kind, containers, hosts, 1 << 32, Time::ZERO),
            hosts: (0..hosts)
                .map(|host| PretendedHost::new(host as u32, host as u64 + 1, &of(host)))
                .collect(),
            streams: vec![None; hosts],
            next_stream: 0,
            next_agent: 1000,
            alone: vec![Span::ZERO; hosts],
        };
        for host in 0..hosts {
            world.connect(host);
        }
        world
    }

    /// A host connects, anew or for the first time.
    fn connect(&mut self, host: usize) {
        self.disconnect(host);
        self.next_stream += 1;
        let stream = StreamId(self.next_stream);
        self.streams[host] = Some(stream);
        let hello = self.hosts[host].connect();
        self.hub.receive(self.now, stream, hello).unwrap();
        self.carry(&[]);
    }

    fn disconnect(&mut self, host: usize) {
        if let Some(stream) = self.streams[host].take() {
            self.hub.closed(self.now, stream);
        }
    }

    /// Carries messages to hosts, and their answers back, until there are none. What goes
    /// to hosts in `lose` does not arrive.
    fn carry(&mut self, lose: &[usize]) {
        loop {
            let outputs = self.hub.take_outputs();
            if outputs.is_empty() {
                return;
            }
            for output in outputs {
                match output {
                    Output::Send(stream, host, message) => {
                        let index = host.0 as usize;
                        // What is sent on a connection that has broken is lost too.
                        if lose.contains(&index) || self.streams[index] != Some(stream) {
                            continue;
                        }
                        self.alone[index] = Span::ZERO;
                        self.hosts[index].receive(self.now, message);
                        if !self.hosts[index].seen.is_empty()
                            && let Some(told) = self.hosts[index].tell()
                        {
                            self.hub.receive(self.now, stream, told).unwrap();
                        }
                    }
                    Output::Cut(stream, _) => {
                        let cut = self.streams.iter_mut();
                        cut.filter(|s| **s == Some(stream)).for_each(|s| *s = None);
                    }
                }
            }
        }
    }

    /// A period goes by. What the controller sends to hosts in `lose` is lost.
    fn period(&mut self, lose: &[usize]) {
        let end = self.now + PERIOD;
        while let Some(next) = self.hub.next_wake().filter(|&next| next <= end) {
            self.now = next.max(self.now);
            self.hub.wake(self.now);
            self.carry(lose);
        }
        self.now = end;
        for index in 0..self.hosts.len() {
            self.alone[index] += PERIOD;
            let host = &mut self.hosts[index];
            // Without a controller a host tells nothing, and its half rests.
            if let Some(stream) = self.streams[index]
                && let Some(told) = host.period(self.now, PERIOD)
            {
                self.hub.receive(self.now, stream, told).unwrap();
                self.carry(lose);
            }
        }
    }

    fn periods(&mut self, count: usize) {
        (0..count).for_each(|_| self.period(&[]));
    }

    /// The controller dies; another one takes its place.
    fn restart_controller(&mut self) {
        let containers = self.hub.roster().len();
        let run = self.now.0 + (1 << 40);
        self.hub = hub(self.kind, containers, self.hosts.len(), run, self.now);
        self.streams.fill(None);
    }

    fn restart_agent(&mut self, host: usize) {
        self.disconnect(host);
        self.next_agent += 1;
        self.hosts[host].restart_agent(self.next_agent);
    }

    fn limits(&self) -> Vec<Limits> {
        self.hosts.iter().flat_map(PretendedHost::limits).collect()
    }

    /// What is in force: a host that is alone has its safe limits.
    fn in_force(&self) -> Limits {
        let lease = Settings::default().lease;
        let mut sum = Limits::NONE;
        for (host, alone) in self.hosts.iter().zip(&self.alone) {
            for container in &host.containers {
                let Some(mut limits) = container.limits else {
                    continue;
                };
                if *alone > lease {
                    let id = self.hub.roster().number(&container.name).unwrap();
                    let safe = self.hub.roster().safe(id);
                    limits.cpu = limits.cpu.min(safe.cpu);
                    limits.memory = limits.memory.min(safe.memory);
                }
                sum.cpu += limits.cpu;
                sum.memory += limits.memory;
            }
        }
        sum
    }
}

#[test]
fn hosts_are_taken_in_and_limits_follow_need() {
    for kind in KINDS {
        let mut world = World::new(kind, 4, 2);
        assert!(!world.hub.is_gathering());
        world.hosts[0].containers[0].demand = Cores::new(3);
        world.hosts[1].containers[1].memory = Bytes::from_mib(200);
        world.periods(100);
        let first = world.hosts[0].containers[0].limits.unwrap();
        assert!(first.cpu > Cores::new(3), "{kind:?}: {first:?}");
        let last = world.hosts[1].containers[1].limits.unwrap();
        assert!(last.memory > Bytes::from_mib(200), "{kind:?}: {last:?}");
        assert_eq!(world.hosts[1].containers[1].kills, 0);
        let (.., seen) = world.hub.containers().find(|c| c.0.0 == 3).unwrap();
        assert!(seen.rescues > 0 && seen.kills == 0, "{kind:?}: {seen:?}");
        let force = world.in_force();
        assert!(force.cpu <= OMEGA.cpu && force.memory <= OMEGA.memory);
    }
}

/// A world in which limits have moved away from where they began.
fn moved(kind: Kind, hosts: usize) -> World {
    let mut world = World::new(kind, 4, hosts);
    world.hosts[0].containers[0].demand = Cores::new(3);
    world.hosts[0].containers[0].memory = Bytes::from_mib(200);
    world.periods(100);
    world
}

#[test]
fn a_controller_that_starts_anew_leaves_limits_as_they_are() {
    for (kind, hosts) in [(Kind::Escra, 1), (Kind::Escra, 2), (Kind::Tide, 1)] {
        let mut world = moved(kind, hosts);
        let before = world.limits();
        assert!(before[0].cpu > Cores::new(3));
        world.restart_controller();
        for host in 0..hosts {
            world.connect(host);
        }
        assert_eq!(world.limits(), before, "{kind:?}");
        // It goes on from there.
        world.hosts[0].containers[0].demand = Cores::new(5);
        world.periods(30);
        let limits = world.limits();
        assert!(limits[0].cpu > Cores::new(5), "{kind:?}: {limits:?}");
    }
}

#[test]
fn a_controller_that_starts_anew_admits_who_has_limits_first() {
    let mut world = moved(Kind::Escra, 2);
    let before = world.hosts[0].limits();
    world.restart_controller();
    // Host 1 has been replaced by an empty one, and is there first.
    let names: Vec<String> = world.hosts[1]
        .containers
        .iter()
        .map(|c| c.name.clone())
        .collect();
    world.hosts[1] = PretendedHost::new(1, 77, &names);
    world.connect(1);
    assert!(world.hub.is_gathering() && world.hosts[1].limits().is_empty());
    world.connect(0);
    assert!(!world.hub.is_gathering());
    assert_eq!(world.hosts[0].limits(), before);
    assert_eq!(world.hosts[1].limits().len(), 2);
}

#[test]
fn a_controller_waits_for_its_hosts_only_so_long() {
    let mut world = moved(Kind::Escra, 2);
    world.restart_controller();
    world.connect(0);
    world.periods(40);
    assert!(!world.hub.is_gathering());
    assert_eq!(world.hub.hosts().count(), 1);
}

#[test]
fn who_reconnects_goes_on_and_gets_what_was_lost() {
    let mut world = moved(Kind::Escra, 1);
    let before = world.limits();
    world.connect(0);
    assert_eq!(world.limits(), before);
    assert_eq!(
        (world.hub.counts().begun, world.hub.counts().resumed),
        (1, 1)
    );
    // Commands that never came are repeated.
    world.hosts[0].containers[1].demand = Cores::new(2);
    (0..10).for_each(|_| world.period(&[0]));
    assert_eq!(world.limits()[1], before[1]);
    world.connect(0);
    world.periods(10);
    assert!(world.limits()[1].cpu > before[1].cpu);
    let known: Vec<Limits> = world.hub.containers().map(|c| c.2).collect();
    assert_eq!(known, world.limits());
}

#[test]
fn an_agent_that_starts_anew_is_given_the_limits_that_are_due() {
    for kind in KINDS {
        let mut world = moved(kind, 1);
        let before = world.limits();
        world.restart_agent(0);
        world.connect(0);
        let after = world.limits();
        assert_eq!(after, before, "{kind:?}");
        // What it counts anew is news all the same.
        world.hosts[0].containers[1].memory = Bytes::from_mib(250);
        world.hosts[0].containers[1].demand = Cores::new(3);
        world.periods(50);
        let limits = world.limits();
        assert!(limits[1].cpu > before[1].cpu, "{kind:?}: {limits:?}");
        assert!(
            limits[1].memory > Bytes::from_mib(250),
            "{kind:?}: {limits:?}"
        );
    }
}

#[test]
fn kills_and_stops_that_nobody_told_are_told_at_the_next_hello() {
    let mut world = moved(Kind::Escra, 1);
    world.disconnect(0);
    world.hosts[0].containers[2].kills += 1;
    world.hosts[0].containers.remove(3);
    world.connect(0);
    let known: Vec<_> = world.hub.containers().collect();
    assert_eq!(known.len(), 3);
    assert_eq!(known[2].3.kills, 1);
}

#[test]
fn a_container_that_comes_later_is_admitted_and_others_are_left_alone() {
    let mut world = World::new(Kind::Escra, 4, 2);
    world.hosts[0].containers.truncate(1);
    world.connect(0);
    assert_eq!(world.hub.containers().count(), 3);
    let before = world.hosts[0].limits();
    let names = [name(0), name(2)];
    let both = PretendedHost::new(0, 1, &names);
    world.hosts[0].containers.push(both.containers[1].clone());
    let hello = world.hosts[0].hello();
    let stream = world.streams[0].unwrap();
    world.hub.receive(world.now, stream, hello).unwrap();
    world.carry(&[]);
    assert_eq!(world.hub.containers().count(), 4);
    assert_eq!(world.hosts[0].limits()[..1], before[..]);
}

#[test]
fn a_message_that_comes_twice_counts_once() {
    let mut world = moved(Kind::Escra, 1);
    let stream = world.streams[0].unwrap();
    let told = world.hosts[0].period(world.now, PERIOD).unwrap();
    world.hub.receive(world.now, stream, told.clone()).unwrap();
    world.carry(&[]);
    let before = world.hub.counts().clone();
    world.hub.receive(world.now, stream, told).unwrap();
    assert!(world.hub.take_outputs().is_empty());
    assert_eq!(world.hub.counts().doubled, before.doubled + 1);
}

#[test]
fn what_is_not_a_hosts_to_say_is_refused_whole() {
    let mut world = World::new(Kind::Escra, 4, 2);
    let (now, stream) = (world.now, world.streams[0].unwrap());
    let usage = |container: u32| Observation::Usage {
        container: ContainerId(container),
        seq: 1,
        cpu: Cores::new(1),
        memory: Bytes::from_mib(1),
    };
    for (seen, refusal) in [
        (
            vec![usage(0), usage(1)],
            Refusal::NotYours(Some(ContainerId(1))),
        ),
        (vec![usage(7)], Refusal::NotYours(Some(ContainerId(7)))),
        (
            vec![usage(0), Observation::Lost(ContainerId(0))],
            Refusal::NotYours(None),
        ),
    ] {
        let told = Up::Telemetry { seq: 9, seen };
        assert_eq!(world.hub.receive(now, stream, told), Err(refusal));
    }
    assert_eq!(world.hub.counts().refused["not_yours"], 3);
    assert_eq!(world.hub.containers().next().unwrap().3.cpu, Cores::ZERO);

    let mut hello = |host: u32, names: &[&str]| {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let hello = PretendedHost::new(host, 5, &names).connect();
        world.hub.receive(now, StreamId(99), hello).unwrap_err()
    };
    assert_eq!(hello(2, &[]), Refusal::NoSuchHost(HostId(2)));
    assert_eq!(hello(1, &["x"]), Refusal::NoSuchContainer("x".to_owned()));
    let twice = ["service-1", "service-1"];
    assert_eq!(hello(1, &twice), Refusal::Twice("service-1".to_owned()));
    let there = Refusal::Elsewhere("service-0".to_owned(), HostId(0));
    assert_eq!(hello(1, &["service-0"]), there);
    let early = Up::Telemetry {
        seq: 1,
        seen: Vec::new(),
    };
    let refused = world.hub.receive(now, StreamId(99), early);
    assert_eq!(refused, Err(Refusal::NoSession));
}

#[test]
fn a_second_connection_takes_the_place_of_the_first() {
    let mut world = World::new(Kind::Escra, 2, 1);
    let (first, now) = (world.streams[0].unwrap(), world.now);
    let hello = world.hosts[0].connect();
    world.hub.receive(now, StreamId(50), hello).unwrap();
    let outputs = world.hub.take_outputs();
    assert_eq!(outputs[0], Output::Cut(first, Refusal::Replaced));
    let late = Up::Telemetry {
        seq: 900,
        seen: Vec::new(),
    };
    let refused = world.hub.receive(now, first, late);
    assert_eq!(refused, Err(Refusal::NoSession));
}

#[test]
fn who_is_silent_is_cut_and_then_lost_and_what_it_held_is_free() {
    let mut world = moved(Kind::Escra, 2);
    let settings = Settings::default();
    world.streams[0] = None;
    world.periods((settings.silence.0 / PERIOD.0) as usize + 1);
    let host = world.hub.hosts().next().unwrap();
    assert_eq!((host.0, host.1), (HostId(0), false));
    world.periods((settings.grace.0 / PERIOD.0) as usize + 1);
    assert_eq!(world.hub.counts().lost, 1);
    world.hosts[1].containers[0].demand = Cores::new(7);
    world.periods(60);
    let limits = world.hosts[1].limits();
    assert!(limits[0].cpu > Cores::new(3), "{limits:?}");
    // It is back.
    world.connect(0);
    let force = world.in_force();
    assert!(
        force.cpu <= OMEGA.cpu && force.memory <= OMEGA.memory,
        "{force:?}"
    );
}

#[test]
fn each_side_hears_of_the_other_while_nothing_happens() {
    let mut world = World::new(Kind::Escra, 2, 1);
    // Nothing runs: no period ends.
    let stream = world.streams[0].unwrap();
    let beat = Settings::default().beat;
    let mut beats = 0;
    let end = world.now + Span::from_secs(2);
    while let Some(next) = world.hub.next_wake().filter(|&next| next <= end) {
        world.hub.wake(next);
        let outputs = world.hub.take_outputs();
        beats += outputs.len();
        let told = world.hosts[0].tell().unwrap();
        world.hub.receive(next, stream, told).unwrap();
    }
    assert_eq!(beats as u64, 2_000_000_000 / beat.0);
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Periods(usize),
    Demand(usize, u64),
    Memory(usize, u64),
    Connect(usize),
    Disconnect(usize),
    RestartAgent(usize),
    RestartController,
    Deaf(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        10 => (1usize..12).prop_map(Step::Periods),
        1 => (30usize..60).prop_map(Step::Periods),
        4 => (0usize..4, 0u64..6000).prop_map(|(c, m)| Step::Demand(c, m)),
        4 => (0usize..4, 0u64..400).prop_map(|(c, m)| Step::Memory(c, m)),
        3 => (0usize..2).prop_map(Step::Connect),
        2 => (0usize..2).prop_map(Step::Disconnect),
        2 => (0usize..2).prop_map(Step::RestartAgent),
        1 => Just(Step::RestartController),
        1 => (0usize..2).prop_map(Step::Deaf),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// Whatever happens to connections, agents and the controller: what is in force on
    /// the hosts, together, stays under Ω.
    #[test]
    fn limits_in_force_never_pass_omega(
        tide: bool,
        steps in proptest::collection::vec(step(), 1..60),
    ) {
        let kind = KINDS[usize::from(tide)];
        let mut world = World::new(kind, 4, 2);
        for step in steps {
            match step {
                Step::Periods(count) => {
                    for _ in 0..count {
                        world.period(&[]);
                        let force = world.in_force();
                        prop_assert!(force.cpu <= OMEGA.cpu, "{force:?}");
                        prop_assert!(force.memory <= OMEGA.memory, "{force:?}");
                    }
                }
                Step::Demand(c, millis) => {
                    world.hosts[c % 2].containers[c / 2].demand = Cores::from_millis(millis);
                }
                // Growth past the limit is what waits; it does not happen.
                Step::Memory(c, mib) => {
                    world.hosts[c % 2].containers[c / 2].memory = Bytes::from_mib(mib);
                }
                Step::Connect(host) => world.connect(host),
                Step::Disconnect(host) => world.disconnect(host),
                Step::RestartAgent(host) => world.restart_agent(host),
                Step::RestartController => world.restart_controller(),
                Step::Deaf(host) => {
                    for _ in 0..5 {
                        world.period(&[host]);
                    }
                }
            }
            let force = world.in_force();
            prop_assert!(force.cpu <= OMEGA.cpu, "{force:?}");
            prop_assert!(force.memory <= OMEGA.memory, "{force:?}");
        }
    }
}
