//! Faults: what messages suffer on their way, and outages of agents, the controller
//! and whole hosts.
//!
//! Who is down does nothing and hears nothing; what that means for a message is
//! decided where it is sent and delivered, in [`control`](super::control).

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Exp1};
use tidegate_core::{Container, ContainerId, HostId, Observation, Span};
use tidegate_workloads::random::stream;

use crate::faults::{Faults, NODE_GRACE, Outages};
use crate::watch::Rare;

use super::{Event, World};

/// Who can be down.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Party {
    Agent(u32),
    Controller,
    Host(u32),
}

/// One direction between a host and the controller.
#[derive(Debug)]
pub(super) struct Link {
    rng: ChaCha8Rng,
    loss: f64,
    delay: Span,
    duplicates: f64,
}

impl Link {
    fn new(seed: u64, name: &str, host: u32, loss: f64, delay: Span, duplicates: f64) -> Link {
        Link {
            rng: stream(seed, name, u64::from(host)),
            loss,
            delay,
            duplicates,
        }
    }

    /// The extra delays of the copies of one message that arrive: of none, of one or
    /// of two.
    pub(super) fn copies(&mut self) -> [Option<Span>; 2] {
        if self.hits(self.loss) {
            return [None, None];
        }
        let first = Some(self.extra());
        let twice = self.hits(self.duplicates);
        [first, twice.then(|| self.extra())]
    }

    fn hits(&mut self, share: f64) -> bool {
        share > 0.0 && self.rng.random::<f64>() < share
    }

    fn extra(&mut self) -> Span {
        exponential(&mut self.rng, self.delay)
    }
}

/// Drawn from nothing where the mean is zero.
fn exponential(rng: &mut ChaCha8Rng, mean: Span) -> Span {
    if mean == Span::ZERO {
        return Span::ZERO;
    }
    let draw: f64 = Exp1.sample(rng);
    Span((draw * mean.0 as f64) as u64)
}

/// One host's links and what is wrong with it.
#[derive(Debug)]
pub(super) struct HostState {
    /// To the controller, from it, and from the kernel to the agent.
    pub(super) telemetry: Link,
    pub(super) commands: Link,
    local: Link,
    /// Counts how often it was lost and came back. Messages bear the number they
    /// were sent under, as a pod bears its UID: those of a former life find nobody.
    pub(super) life: u32,
    agent_down: bool,
    pub(super) down: bool,
    /// The share last lent to it, once one was.
    pub(super) lent: u64,
    agent_outages: ChaCha8Rng,
    outages: ChaCha8Rng,
}

impl HostState {
    pub(super) fn unreachable(&self) -> bool {
        self.down || self.agent_down
    }

    /// Whether the kernel's telemetry is lost before the agent has it.
    pub(super) fn loses_telemetry(&mut self) -> bool {
        self.local.hits(self.local.loss)
    }
}

/// Everything that is wrong now.
#[derive(Debug)]
pub(super) struct State {
    faults: Faults,
    pub(super) hosts: Vec<HostState>,
    pub(super) controller_down: bool,
    controller_outages: ChaCha8Rng,
    /// Hosts that are back but wait for the controller to admit their containers.
    returning: Vec<u32>,
}

impl State {
    pub(super) fn new(faults: &Faults, hosts: u32, seed: u64) -> State {
        let host = |host: u32| HostState {
            telemetry: Link::new(
                seed,
                "faults of telemetry",
                host,
                faults.telemetry_loss,
                faults.telemetry_delay,
                faults.telemetry_duplicates,
            ),
            commands: Link::new(
                seed,
                "faults of commands",
                host,
                faults.command_loss,
                faults.command_delay,
                faults.command_duplicates,
            ),
            local: Link::new(
                seed,
                "faults within a host",
                host,
                faults.telemetry_loss,
                Span::ZERO,
                0.0,
            ),
            life: 0,
            agent_down: false,
            down: false,
            lent: 0,
            agent_outages: stream(seed, "outages of agents", u64::from(host)),
            outages: stream(seed, "outages of hosts", u64::from(host)),
        };
        State {
            faults: *faults,
            hosts: (0..hosts).map(host).collect(),
            controller_down: false,
            controller_outages: stream(seed, "outages of the controller", 0),
            returning: Vec::new(),
        }
    }

    /// When `who` goes down, and for how long.
    fn outages(&mut self, who: Party) -> (Outages, &mut ChaCha8Rng) {
        match who {
            Party::Agent(host) => (
                self.faults.agent,
                &mut self.hosts[host as usize].agent_outages,
            ),
            Party::Controller => (self.faults.controller, &mut self.controller_outages),
            Party::Host(host) => (self.faults.host, &mut self.hosts[host as usize].outages),
        }
    }
}

impl World<'_, '_> {
    /// Schedules the first outage of everybody.
    pub(super) fn start_faults(&mut self) {
        for host in 0..self.experiment.testbed.hosts {
            self.schedule_outage(Party::Agent(host));
            self.schedule_outage(Party::Host(host));
        }
        self.schedule_outage(Party::Controller);
    }

    fn schedule_outage(&mut self, who: Party) {
        let (outages, rng) = self.faults.outages(who);
        if outages.every > Span::ZERO {
            let wait = exponential(rng, outages.every);
            self.queue.after(wait, Event::Outage(who));
        }
    }

    /// Somebody goes down.
    pub(super) fn outage(&mut self, who: Party) {
        match who {
            Party::Agent(host) => {
                self.faults.hosts[host as usize].agent_down = true;
                self.watch.count(Rare::AgentDown);
            }
            Party::Controller => {
                self.faults.controller_down = true;
                self.watch.count(Rare::ControllerDown);
            }
            Party::Host(host) => {
                self.lose_host(host);
                self.queue.after(NODE_GRACE, Event::HostGone { host });
                return;
            }
        }
        self.schedule_recovery(who, Span::ZERO);
    }

    fn schedule_recovery(&mut self, who: Party, at_least: Span) {
        let (outages, rng) = self.faults.outages(who);
        let length = exponential(rng, outages.length);
        self.queue.after(at_least + length, Event::Recovery(who));
    }

    /// Somebody is back.
    pub(super) fn recovery(&mut self, who: Party) {
        match who {
            Party::Agent(host) => {
                self.schedule_outage(who);
                let state = &mut self.faults.hosts[host as usize];
                state.agent_down = false;
                if !state.down {
                    self.report_limits(host);
                    self.schedule_wake_on_host(host);
                }
            }
            Party::Controller => {
                self.schedule_outage(who);
                self.faults.controller_down = false;
                self.tell_held();
                for host in std::mem::take(&mut self.faults.returning) {
                    self.return_host(host);
                }
                self.schedule_wake();
            }
            Party::Host(host) if self.faults.controller_down => {
                self.faults.returning.push(host);
            }
            Party::Host(host) => self.return_host(host),
        }
    }

    pub(super) fn containers_on(&self, host: u32) -> Vec<u32> {
        let here = (0u32..).zip(&self.instances);
        here.filter(|(id, instance)| !instance.gone && self.machine.host(*id) == host)
            .map(|(id, _)| id)
            .collect()
    }

    /// A host is gone: its containers' requests fail, nobody restarts them.
    fn lose_host(&mut self, host: u32) {
        self.faults.hosts[host as usize].down = true;
        self.watch.count(Rare::HostLost);
        if self.control.has_half(host) {
            self.watch.count(Rare::HostLostWithShare);
        }
        for container in self.containers_on(host) {
            self.stop_processes(container);
            let instance = &mut self.instances[container as usize];
            instance.up_at = None;
            let waiting = std::mem::take(&mut instance.queue);
            for frame in waiting {
                self.fail_call(frame);
            }
        }
    }

    /// The platform has noticed. The host is not back before that is told.
    pub(super) fn host_gone(&mut self, host: u32) {
        for container in self.containers_on(host) {
            self.tell_of_platform(Observation::Lost(ContainerId(container)));
        }
        let told = self.experiment.testbed.network.control;
        self.schedule_recovery(Party::Host(host), told);
    }

    /// A host is back, empty: its half of the policy is a new one, its containers
    /// are admitted and start.
    fn return_host(&mut self, host: u32) {
        let now = self.queue.now();
        let state = &mut self.faults.hosts[host as usize];
        state.life += 1;
        state.down = false;
        state.agent_down = false;
        state.lent = 0;
        self.watch.count(Rare::HostBack);
        self.watch.forget_host(host);
        self.control.new_half(host);
        for container in self.containers_on(host) {
            let id = ContainerId(container);
            let limits = self.control.admit(
                now,
                Container {
                    id,
                    host: HostId(host),
                    requested: None,
                },
            );
            self.machine
                .write(now, container, limits.cpu, &mut self.queue);
            self.watch.admitted(container, limits);
            let throttled = self.machine.group(container).nr_throttled();
            let instance = &mut self.instances[container as usize];
            instance.memory.readmit(limits.memory);
            instance.cpu_version = 0;
            instance.memory_version = 0;
            instance.throttled_before = throttled;
            instance.restart_version = 0;
            instance.evicted = false;
            instance.restarts = 0;
            self.schedule_restart(container, Span::ZERO);
            self.observe_now(&Observation::Started(id));
        }
        self.schedule_wake_on_host(host);
        self.schedule_outage(Party::Host(host));
    }
}
