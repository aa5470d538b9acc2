//! The run itself: applications, clients and the control plane on the machine.
//!
//! - [`calls`]: a request's way through the services.
//! - [`instances`]: containers that come and go.
//! - [`functions`]: calls that a platform finds a pod for.
//! - [`lifecycle`]: memory, kills and restarts.
//! - [`control`]: telemetry to the allocator, commands back.
//! - [`faults`]: what goes wrong with both, and with hosts.
//! - [`watch`]: what must hold all the while.
//! - [`node`]: a run that is driven from outside.
//! - [`traffic`]: what both weigh on the network.

mod calls;

mod control;

mod faults;

mod functions;

mod instances;

mod lifecycle;

mod mail;

mod node;

mod traffic;

mod watch;

#[cfg(test)]
mod tests;

use std::collections::VecDeque;

use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Exp1};
use tidegate_core::{Allocator, Command, Span, Time};
use tidegate_workloads::Load;
use tidegate_workloads::application::{Deployment, Order, Service};
use tidegate_workloads::load::Arrivals;
use tidegate_workloads::plan::Plan;
use tidegate_workloads::random::stream;

use crate::engine::Queue;
use crate::experiment::Experiment;
use crate::machine::{Machine, Signal, Timer, Timers};
use crate::memory::Memory;
use crate::outcome::{ContainerUse, Metric, Outcome};
use crate::platform::openwhisk;
use crate::record::{Reading, Recorder, SAMPLE, Telemetry};

use calls::{Frame, Request};
use control::Control;
use faults::Party;
use functions::Functions;
pub(crate) use node::Node;
use traffic::Traffic;
use watch::Watcher;

/// Mean CPU time of a background job: a timer that fires, a heartbeat.
const BACKGROUND_JOB_NS: f64 = 1e6;

/// Everything that can happen.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Event {
    Machine(Timer),
    /// A call reaches its service.
    Arrive {
        frame: u32,
    },
    /// A reply reaches the caller.
    Reply {
        frame: u32,
        generation: u32,
        node: u32,
        failed: bool,
    },
    /// A call to an external service has taken its time.
    Outside {
        frame: u32,
    },
    /// Something happens on the platform that runs functions.
    Function(openwhisk::Timer),
    /// A service does something of its own.
    Background {
        container: u32,
    },
    Restart {
        container: u32,
    },
    /// An out-of-memory event may not have been answered.
    AskAgain {
        container: u32,
        event: u32,
    },
    Outage(Party),
    Recovery(Party),
    /// The platform notices that a host is gone.
    HostGone {
        host: u32,
    },
    /// What the platform tells reaches the controller.
    Platform {
        index: u32,
    },
    /// An observation reaches the controller.
    Observe {
        index: u32,
    },
    /// An observation reaches the half of the policy on a host.
    ObserveOnHost {
        index: u32,
    },
    /// A command takes effect on its host.
    Apply {
        index: u32,
    },
    /// The allocator asked to be woken.
    Wake,
    /// The half of the policy on a host did.
    WakeOnHost {
        host: u32,
    },
    /// Usage samples are taken.
    Usage,
    /// Slack is sampled.
    Sample,
    /// The client begins; from now on it counts.
    Begin,
    End,
}

impl Timers for Queue<Event> {
    fn set(&mut self, time: Time, timer: Timer) {
        self.at(time, Event::Machine(timer));
    }
}

/// A container and the service in it.
#[derive(Debug)]
struct Instance<'a> {
    service: &'a Service,
    memory: Memory,
    /// CPU each thread ran on last.
    threads: Vec<u16>,
    idle_threads: VecDeque<u16>,
    /// Calls that wait for a thread, or for the container to start.
    queue: VecDeque<u32>,
    /// Calls that wait for memory.
    stalled: Vec<u32>,
    /// Calls served since the start.
    served: u64,
    up: bool,
    /// It will never be up again.
    gone: bool,
    /// Which pod of the platform it is, if it is one.
    pod: Option<u32>,
    started: Time,
    restarts: u32,
    oom_kills: u64,
    /// Whether an out-of-memory event waits for its answer.
    oom_waiting: bool,
    /// Its number, and that of the first of this wait.
    oom_event: u64,
    oom_first: u64,
    oom_since: Time,
    /// While it is down: since when, and when it is to be up again.
    down_since: Time,
    up_at: Option<Time>,
    /// Of the last restart commanded.
    restart_version: u64,
    /// Down because it was evicted.
    evicted: bool,
    /// Whether it had to ask again.
    oom_asked_again: bool,
    /// The thread for work of the service's own: last CPU, whether it runs, and
    /// what waits for it.
    background_cpu: u16,
    background_runs: bool,
    background_work: u64,
    background_rng: ChaCha8Rng,
    /// Versions of the limits in force.
    cpu_version: u64,
    memory_version: u64,
    reports: u64,
    throttles: u64,
    usage_reports: u64,
    /// Throttled periods of the group before the container was last admitted.
    throttled_before: u64,
    used_at_report: u64,
    used_at_usage: u64,
    used_at_sample: u64,
    /// CPU used, and active and throttled periods, when measuring began.
    used_at_begin: u64,
    periods_at_begin: (u64, u64),
}

/// A connection of the client.
#[derive(Debug)]
struct Connection {
    arrivals: Arrivals,
    /// Intended send time of the request in service or waited for.
    intended: Time,
    requests: u64,
}

/// What is left of a batch.
#[derive(Clone, Copy, Debug)]
struct Tasks {
    untaken: u32,
    unanswered: u32,
    /// When the last answer was seen.
    done: Option<Time>,
}

/// One run in progress.
struct World<'a, 'b> {
    experiment: &'a Experiment<'a>,
    plan: Plan,
    queue: Queue<Event>,
    machine: Machine,
    instances: Vec<Instance<'a>>,
    /// The container of each service that has one from the beginning.
    homes: Vec<u32>,
    functions: Option<Functions>,
    connections: Vec<Connection>,
    /// Whether the client sends no more.
    closed: bool,
    /// Tasks of a batch that no connection has taken, and that are not answered.
    tasks: Option<Tasks>,
    retries: ChaCha8Rng,
    frames: Vec<Frame>,
    free_frames: Vec<u32>,
    requests: Vec<Request>,
    free_requests: Vec<u32>,
    control: Control<'b>,
    faults: faults::State,
    watch: Watcher,
    traffic: Traffic,
    recorder: Recorder,
    telemetry: Telemetry,
    /// When the client begins.
    origin: Time,
    signals: Vec<Signal>,
    done: bool,
}

/// Runs an experiment under a policy.
///
/// The allocator must be fresh: containers are admitted here, in the order of
/// the application's services.
pub fn run(experiment: &Experiment<'_>, allocator: &mut dyn Allocator) -> Outcome {
    let mut world = World::new(experiment, allocator);
    world.start();
    while !world.done {
        match world.queue.pop() {
            Some(event) => world.handle(event),
            None => break,
        }
    }
    world.finish()
}

impl<'a, 'b> World<'a, 'b> {
    fn new(experiment: &'a Experiment<'a>, allocator: &'b mut dyn Allocator) -> World<'a, 'b> {
        let testbed = experiment.testbed;
        let application = experiment.application;
        let telemetry = Telemetry::of(allocator);
        let bounds = allocator.bounds();
        let mut world = World {
            experiment,
            plan: Plan::new(application),
            queue: Queue::new(),
            machine: Machine::new(testbed),
            instances: Vec::new(),
            homes: vec![calls::NOWHERE; application.services.len()],
            functions: Functions::new(experiment),
            connections: Vec::new(),
            closed: false,
            tasks: match *experiment.load {
                Load::Batch { tasks } => Some(Tasks {
                    untaken: tasks,
                    unanswered: tasks,
                    done: None,
                }),
                _ => None,
            },
            retries: stream(experiment.seed, "retries", 0),
            frames: Vec::new(),
            free_frames: Vec::new(),
            requests: Vec::new(),
            free_requests: Vec::new(),
            control: Control::new(allocator, testbed.hosts),
            faults: faults::State::new(&testbed.faults, testbed.hosts, experiment.seed),
            watch: Watcher::new(experiment.watched, bounds, testbed.hosts),
            traffic: traffic(experiment, Time::ZERO),
            recorder: Recorder::new(experiment, telemetry),
            telemetry,
            origin: Time::ZERO + experiment.settle,
            signals: Vec::new(),
            done: false,
        };
        let services = &application.services;
        for (index, service) in services.iter().enumerate() {
            if service.deployment == Deployment::Container {
                let host = world.instances.len() as u32 % testbed.hosts;
                world.homes[index] = world.add_instance(service, host, None);
            }
        }
        world
    }

    /// Starts the containers.
    fn start(&mut self) {
        let experiment = self.experiment;
        for container in 0..self.instances.len() as u32 {
            self.launch(container);
        }
        self.start_functions();
        if let Some(interval) = self.control.sampling() {
            self.queue.after(interval, Event::Usage);
        }
        self.queue.at(self.origin, Event::Begin);
        self.queue.at(self.origin + experiment.duration, Event::End);
        self.schedule_wake();
        for host in 0..experiment.testbed.hosts {
            self.schedule_wake_on_host(host);
        }
        self.start_faults();
    }

    /// Starts the client and begins to measure.
    fn begin(&mut self) {
        let now = self.queue.now();
        for (index, instance) in self.instances.iter_mut().enumerate() {
            let used = self.machine.used(index as u32, now);
            let group = self.machine.group(index as u32);
            instance.used_at_sample = used;
            instance.used_at_begin = used;
            instance.periods_at_begin = (group.nr_periods(), group.nr_throttled());
            instance.memory.forget_maximum();
            instance.down_since = now;
            if self.experiment.settle > Span::ZERO {
                instance.oom_kills = 0;
            }
        }
        let experiment = self.experiment;
        if experiment.settle > Span::ZERO {
            self.recorder = Recorder::new(experiment, self.telemetry);
            self.instances.iter().for_each(|_| self.recorder.add());
            self.traffic = traffic(experiment, now);
        }
        let connections = experiment.load.connections(experiment.client.connections);
        for id in 0..connections {
            let rng = stream(experiment.seed, "arrivals", u64::from(id));
            let arrivals = experiment.load.arrivals(id, connections, rng);
            self.connections.push(Connection {
                arrivals,
                intended: Time::ZERO,
                requests: 0,
            });
            self.next_request(id, now);
        }
        self.track_limits();
        self.queue.after(SAMPLE, Event::Sample);
    }

    fn handle(&mut self, event: Event) {
        let now = self.queue.now();
        match event {
            Event::Machine(timer) => {
                let mut signals = std::mem::take(&mut self.signals);
                self.machine.fire(now, timer, &mut self.queue, &mut signals);
                for signal in signals.drain(..) {
                    match signal {
                        Signal::Finished { group, cpu, task } => {
                            self.task_finished(group, cpu, task);
                        }
                        Signal::PeriodEnded { group, unused } => self.period_ended(group, unused),
                    }
                }
                self.signals = signals;
            }
            Event::Arrive { frame } => self.arrive(frame),
            Event::Reply {
                frame,
                generation,
                node,
                failed,
            } => self.reply(frame, generation, node, failed),
            Event::Outside { frame } => self.outside_done(frame),
            Event::Function(timer) => self.platform_timer(timer),
            Event::Background { container } => {
                if self.instances[container as usize].gone {
                    return;
                }
                self.schedule_background(container);
                if self.instances[container as usize].up {
                    let rng = &mut self.instances[container as usize].background_rng;
                    let draw: f64 = Exp1.sample(rng);
                    self.add_background(container, (draw * BACKGROUND_JOB_NS) as u64);
                }
            }
            Event::Restart { container } => self.restart(container),
            Event::AskAgain { container, event } => self.ask_again(container, event),
            Event::Outage(who) => self.outage(who),
            Event::Recovery(who) => self.recovery(who),
            Event::HostGone { host } => self.host_gone(host),
            Event::Platform { index } => self.deliver_of_platform(index),
            Event::Observe { index } => self.deliver(index),
            Event::Apply { index } => self.carry_out(index),
            Event::ObserveOnHost { index } => self.observe_on_host(index),
            Event::Wake => self.wake(),
            Event::WakeOnHost { host } => self.wake_on_host(host),
            Event::Usage => self.sample_usage(),
            Event::Sample => self.sample_slack(),
            Event::Begin => self.begin(),
            Event::End => self.end(),
        }
        self.tell_throttles();
        if self.watch.is_on() {
            self.check();
        }
    }

    /// Schedules the next background job of a container.
    fn schedule_background(&mut self, container: u32) {
        let instance = &mut self.instances[container as usize];
        let idle = instance.service.idle.as_f64();
        if idle > 0.0 {
            let wait: f64 = Exp1.sample(&mut instance.background_rng);
            let delay = Span((wait * BACKGROUND_JOB_NS / idle) as u64);
            self.queue.after(delay, Event::Background { container });
        }
    }

    /// Gives work to a container's background thread.
    fn add_background(&mut self, container: u32, work: u64) {
        let now = self.queue.now();
        let instance = &mut self.instances[container as usize];
        if instance.background_runs {
            instance.background_work += work;
        } else if work > 0 {
            instance.background_runs = true;
            self.machine.start(
                now,
                container,
                &mut instance.background_cpu,
                calls::BACKGROUND | container,
                work,
                &mut self.queue,
            );
        }
    }

    /// The next request of a connection reaches the entry service, at the
    /// earliest at `earliest`: the server takes the next of the pipelined
    /// requests when it has answered the one before.
    fn next_request(&mut self, id: u32, earliest: Time) {
        if self.closed {
            // It waits for nothing any more.
            self.connections[id as usize].intended = Time(u64::MAX);
            return;
        }
        let connection = &mut self.connections[id as usize];
        let free = Time::ZERO + earliest.since(self.origin);
        // Draws belong to a request of a connection, but to a task of a batch,
        // whichever connection it comes to.
        let (sent, draws) = match &mut self.tasks {
            Some(tasks) if tasks.untaken == 0 => return,
            Some(tasks) => {
                tasks.untaken -= 1;
                (Time::ZERO, u64::from(tasks.untaken))
            }
            None => {
                let draws = u64::from(id) << 32 | connection.requests;
                // Streams of arrivals never end.
                let Some(sent) = connection.arrivals.next_after(free) else {
                    return;
                };
                (sent, draws)
            }
        };
        let intended = self.origin + sent.since(Time::ZERO);
        connection.intended = intended;
        connection.requests += 1;
        let arrival = intended + self.experiment.testbed.network.hop;
        let request = self.new_request(draws, id);
        self.start_request(request, arrival.max(earliest));
    }

    fn sample_slack(&mut self) {
        let now = self.queue.now();
        let here = |instance: &&Instance<'_>| instance.pod.is_some() && !instance.gone;
        let pods = self.instances.iter().filter(here).count();
        self.recorder.tick(pods as u32);
        for index in 0..self.instances.len() {
            if self.instances[index].gone {
                continue;
            }
            let reading = self.reading(index, now);
            self.recorder.sample(now, index, &reading);
        }
        self.queue.after(SAMPLE, Event::Sample);
    }

    /// Limits may have changed.
    fn track_limits(&mut self) {
        if self.recorder.tracks_limits() {
            let here = (0u32..).zip(&self.instances);
            let here = here.filter(|(_, instance)| !instance.gone);
            let limits = here.map(|(index, _)| self.machine.limit(index).as_f64());
            self.recorder.limits(self.queue.now(), limits.sum());
        }
    }

    /// The client ends, in time for a last row of the series but not for another
    /// sample of slack.
    fn end(&mut self) {
        let now = self.queue.now();
        self.done = true;
        if self.tasks.is_none() && self.experiment.duration.0.is_multiple_of(SAMPLE.0) {
            for index in 0..self.instances.len() {
                if self.instances[index].gone {
                    continue;
                }
                let reading = self.reading(index, now);
                self.recorder.sample_series(now, index, &reading);
            }
        }
    }

    /// A container's state at a sample.
    fn reading(&mut self, index: usize, now: Time) -> Reading {
        let used = self.machine.used(index as u32, now);
        let group = self.machine.group(index as u32);
        let instance = &mut self.instances[index];
        let cpu = (used - instance.used_at_sample) as f64 / SAMPLE.0 as f64;
        instance.used_at_sample = used;
        Reading {
            cpu_limit: self.machine.limit(index as u32).as_f64(),
            cpu,
            memory_limit: instance.memory.limit(),
            memory: instance.memory.used(),
            periods: group.nr_periods() - instance.periods_at_begin.0,
            throttled_periods: group.nr_throttled() - instance.periods_at_begin.1,
            up: instance.up,
        }
    }

    fn finish(mut self) -> Outcome {
        let end = self.queue.now();
        // A batch can end before its time is over.
        let duration = end.since(self.origin);
        self.recorder.ended(duration);
        for connection in &mut self.connections {
            // Requests that were due but never got their turn.
            let due = |time: &Time| *time < Time::ZERO + duration;
            let waiting = connection.arrivals.by_ref().take_while(due).count() as u64;
            let turn = u64::from(connection.intended < self.origin + duration);
            let before = connection.requests.checked_sub(1);
            self.recorder.sent += before.map_or(0, |before| before + turn) + waiting;
        }
        let untaken = self.tasks.map_or(0, |tasks| tasks.untaken);
        self.recorder.sent += u64::from(untaken);
        let mut used = 0.0;
        let mut periods = (0, 0);
        let mut containers = Vec::new();
        for (index, instance) in self.instances.iter().enumerate() {
            if !instance.up && !instance.gone {
                self.recorder.memory.down += end.since(instance.down_since);
            }
            let cpu = self.machine.used(index as u32, end) - instance.used_at_begin;
            let cpu = cpu as f64 * 1e-9;
            let group = self.machine.group(index as u32);
            let active = group.nr_periods() - instance.periods_at_begin.0;
            let throttled = group.nr_throttled() - instance.periods_at_begin.1;
            used += cpu;
            periods.0 += active;
            periods.1 += throttled;
            containers.push(ContainerUse {
                service: instance.service.name.clone(),
                cpu_mean_cores: cpu / duration.as_secs_f64(),
                cpu_limit_mean_cores: self.recorder.cpu_limit_mean(index),
                memory_max_mib: instance.memory.max() as f64 / 1_048_576.0,
                periods: active,
                throttled_periods: throttled,
                oom_kills: instance.oom_kills,
            });
        }
        let distributions = self.recorder.distributions();
        let mut metrics = self.recorder.metrics(&distributions, used, periods);
        metrics.extend(self.more_metrics());
        if self.watch.is_on() {
            metrics.extend(self.watch.watch.metrics());
        }
        metrics.extend(self.traffic.metrics(duration));
        Outcome {
            metrics,
            containers,
            series: self.recorder.take_series(),
            cdfs: if self.experiment.recording.cdf {
                distributions.cdfs()
            } else {
                Vec::new()
            },
            events: self.queue.scheduled() - self.queue.len() as u64,
        }
    }
}

fn traffic(experiment: &Experiment<'_>, start: Time) -> Traffic {
    let testbed = experiment.testbed;
    Traffic::new(start, testbed.cfs.period, testbed.hosts)
}

/// Takes an idle thread as the service's runtime would.
fn take_thread(instance: &mut Instance<'_>) -> Option<u16> {
    match instance.service.runtime.order {
        Order::Fifo => instance.idle_threads.pop_front(),
        Order::Lifo => instance.idle_threads.pop_back(),
    }
}

/// Commands as the allocator gave them.
type Commands = Vec<Command>;
