//! One run of an application on this host, from its control groups to what was seen.

use std::ffi::OsString;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use tidegate_core::Span;
use tidegate_workloads::application::Deployment;
use tidegate_workloads::{Application, Load};

use super::books::Managed;
use super::error::LocalError;
use super::load::{self, Asked, Plan, Sent, Target};
use super::manager::Manager;
use super::process::Process;
use super::sampler::{self, Counts, Watched};
use super::service::{Account, Ports, Spec};
use super::site::{self, Site, Swept};
use crate::cgroup::{Group, Hierarchies};

/// How often the processes are looked at, and whether somebody asks to stop.
const LOOK: Duration = Duration::from_millis(20);

/// What is run, and how.
#[derive(Clone, Copy)]
pub struct Experiment<'a> {
    /// What is under test.
    pub application: &'a Application,
    /// When requests are sent.
    pub load: &'a Load,
    /// Connections of the client, unless the load has its own number.
    pub connections: u32,
    /// Of all draws.
    pub seed: u64,
    /// How long the containers run before the client begins.
    pub settle: Span,
    /// How long the client sends.
    pub duration: Span,
    /// Arguments of the controller that say what decides.
    pub deciding: &'a [OsString],
    /// The program that has the service in it.
    pub program: &'a Path,
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Seen {
    /// What the client saw.
    pub sent: Sent,
    /// What was seen of the containers meanwhile.
    pub watched: Watched,
    /// What the kernel counted of each container meanwhile.
    pub counts: Vec<Counts>,
    /// What each service says of itself, where it lived to say it.
    pub accounts: Vec<Option<Account>>,
    /// What agent and controller did meanwhile.
    pub managed: Managed,
    /// CPU time that took them.
    pub managing: Span,
    /// For how long services were down, summed over them.
    pub down: Span,
    /// What dead runs had left and is gone now.
    pub swept: Swept,
}

/// Runs an experiment. All it makes is gone when it returns, or when the thread panics.
///
/// # Errors
/// When something cannot be started, made or read, or somebody asked to `stop`.
pub fn run(experiment: &Experiment<'_>, stop: &AtomicBool) -> Result<Seen, LocalError> {
    let application = experiment.application;
    let services = &application.services;
    if let Some(other) = services
        .iter()
        .find(|service| service.deployment != Deployment::Container)
    {
        return Err(LocalError::Unsupported(format!(
            "`{}` is no container: functions and external services have no live world",
            other.name
        )));
    }
    let front = application.requests[0].root.service;
    if application
        .requests
        .iter()
        .any(|request| request.root.service != front)
    {
        return Err(LocalError::Unsupported(
            "its requests enter through several services; a live client has one server".to_owned(),
        ));
    }
    let hierarchies = Hierarchies::detect()?;
    let (site, swept) = Site::open(&site::home(), &hierarchies)?;
    let mut groups = Vec::new();
    for service in services {
        groups.push(Group::create(&hierarchies, &site.group(&service.name))?);
    }
    let named: Vec<(&str, &Group)> = services
        .iter()
        .map(|service| service.name.as_str())
        .zip(&groups)
        .collect();
    let manager = Manager::start(
        experiment.program,
        experiment.deciding,
        &site,
        &hierarchies,
        &named,
        stop,
    )?;
    let fleet = Fleet::start(experiment, &hierarchies, &groups)?;
    let target = Target {
        address: SocketAddr::from((Ipv4Addr::LOCALHOST, fleet.ports.ports[front])),
        request: Asked::Calls,
    };
    let plan = Plan {
        load: experiment.load,
        connections: experiment.connections,
        seed: experiment.seed,
        duration: experiment.duration,
    };
    let follow = matches!(experiment.load, Load::Closed(_));

    let done = AtomicBool::new(false);
    let seen = thread::scope(|scope| {
        let keeper = scope.spawn(|| fleet.keep(&done, stop));
        // The others end also where this one panics.
        let _ended = Ended(&done);
        let result = (|| {
            let until = Instant::now() + Duration::from_nanos(experiment.settle.0);
            while Instant::now() < until {
                if stop.load(Relaxed) {
                    return Err(LocalError::Interrupted);
                }
                thread::sleep(LOOK.min(until.saturating_duration_since(Instant::now())));
            }
            let before = all_counts(&groups)?;
            let origin = Instant::now();
            let managing = manager.cpu()?;
            let (groups, done) = (&groups, &done);
            let watcher = scope.spawn(move || sampler::watch(groups, origin, follow, done));
            let sent = load::run(&target, &plan, stop).map_err(LocalError::io("send the load"));
            let after = all_counts(groups);
            done.store(true, Relaxed);
            let watched = joined(watcher)?;
            Ok((sent?, watched, before, after?, origin, managing))
        })();
        done.store(true, Relaxed);
        joined(keeper)?;
        result
    });
    let (sent, watched, before, after, origin, managing) = seen?;
    if stop.load(Relaxed) {
        return Err(LocalError::Interrupted);
    }
    let down = *fleet.down.lock().unwrap_or_else(|error| error.into_inner());
    let accounts = fleet.end();
    let managing = manager.cpu()?.saturating_sub(managing);
    let managed = manager.end(origin)?;
    drop(groups);
    site.close()?;
    let counts = before.iter().zip(&after).map(|(before, after)| Counts {
        cpu: after.cpu.saturating_sub(before.cpu),
        periods: after.periods - before.periods,
        throttled: after.throttled - before.throttled,
        oom_kills: after.oom_kills - before.oom_kills,
    });
    Ok(Seen {
        counts: counts.collect(),
        sent,
        watched,
        accounts,
        managed,
        managing,
        down,
        swept,
    })
}

/// Says that it is over when it goes.
struct Ended<'a>(&'a AtomicBool);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}

fn all_counts(groups: &[Group]) -> Result<Vec<Counts>, LocalError> {
    groups.iter().map(sampler::counts).collect()
}

fn joined<T>(handle: thread::ScopedJoinHandle<'_, Result<T, LocalError>>) -> Result<T, LocalError> {
    match handle.join() {
        Ok(result) => result,
        Err(cause) => std::panic::resume_unwind(cause),
    }
}

/// All services of an application.
struct Fleet<'a> {
    experiment: &'a Experiment<'a>,
    hierarchies: &'a Hierarchies,
    groups: &'a [Group],
    ports: Ports,
    processes: Mutex<Vec<Option<Process>>>,
    down: Mutex<Span>,
}

impl<'a> Fleet<'a> {
    fn start(
        experiment: &'a Experiment<'a>,
        hierarchies: &'a Hierarchies,
        groups: &'a [Group],
    ) -> Result<Fleet<'a>, LocalError> {
        let mut fleet = Fleet {
            experiment,
            hierarchies,
            groups,
            ports: Ports { ports: Vec::new() },
            processes: Mutex::default(),
            down: Mutex::new(Span::ZERO),
        };
        let mut processes = Vec::new();
        for service in 0..groups.len() {
            let process = fleet.start_one(service, 0)?;
            fleet.ports.ports.push(process.port);
            processes.push(process);
        }
        for process in &mut processes {
            process.connect(&fleet.ports)?;
        }
        fleet.processes = Mutex::new(processes.into_iter().map(Some).collect());
        Ok(fleet)
    }

    fn start_one(&self, service: usize, port: u16) -> Result<Process, LocalError> {
        let group = &self.groups[service];
        let memory = self.hierarchies.memory(group.path());
        let spec = Spec {
            application: self.experiment.application.clone(),
            service,
            seed: self.experiment.seed,
            limit: group.read_limits()?.1.unwrap_or_default(),
            port,
            usage: ["memory.usage_in_bytes", "memory.current"]
                .iter()
                .map(|file| memory.join(file))
                .find(|file| file.exists()),
        };
        Process::start(self.experiment.program, &spec, group)
    }

    /// Starts again what was killed, after the start time of its service, until `done`.
    fn keep(&self, done: &AtomicBool, stop: &AtomicBool) -> Result<(), LocalError> {
        let services = &self.experiment.application.services;
        let mut down: Vec<Option<Instant>> = vec![None; services.len()];
        while !done.load(Relaxed) && !stop.load(Relaxed) {
            let now = Instant::now();
            for (index, service) in services.iter().enumerate() {
                let mut processes = self
                    .processes
                    .lock()
                    .unwrap_or_else(|error| error.into_inner());
                let process = &mut processes[index];
                match (
                    down[index],
                    process.as_mut().is_some_and(Process::has_ended),
                ) {
                    (None, true) => down[index] = Some(now),
                    (Some(since), _)
                        if now - since >= Duration::from_nanos(service.runtime.start_time.0) =>
                    {
                        *process = None;
                        let mut fresh = self.start_one(index, self.ports.ports[index])?;
                        fresh.connect(&self.ports)?;
                        *process = Some(fresh);
                        down[index] = None;
                        self.was_down(since);
                    }
                    _ => {}
                }
            }
            thread::sleep(LOOK);
        }
        down.into_iter()
            .flatten()
            .for_each(|since| self.was_down(since));
        Ok(())
    }

    fn was_down(&self, since: Instant) {
        let mut down = self.down.lock().unwrap_or_else(|error| error.into_inner());
        *down += Span(since.elapsed().as_nanos() as u64);
    }

    /// Ends all processes.
    fn end(self) -> Vec<Option<Account>> {
        let processes = self
            .processes
            .into_inner()
            .unwrap_or_else(|error| error.into_inner());
        processes
            .into_iter()
            .map(|process| process.and_then(Process::end))
            .collect()
    }
}
