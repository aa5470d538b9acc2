//! A world for the manager: providers, a router, a receiver of alerts and durable
//! storage, with messages that are delivered when the test says so.

mod checks;

use std::collections::{BTreeMap, BTreeSet};

use crate::deployment::{
    Action, DeploymentSpec, Operation, OperationKey, Outcome, PartSpec, Reply, Target, Verb,
};
use crate::id::{AlertId, DeploymentId, EnsembleId, InstanceId, PartId, ResourceId};
use crate::manager::{
    Config, Event, Manager, ManagerCommand, ManagerObservation, Measured, Record, Sample,
};
use crate::placement::{Capacity, Demand, PartKind, Platform, Resource};
use crate::slo::{Alert, AlertState, Metric};
use crate::units::{Span, Time};

pub(super) fn resource(id: u32, platform: Platform) -> Resource {
    Resource {
        id: ResourceId(id),
        name: format!("r{id}"),
        platform,
        provider: "own".to_owned(),
        region: "here".to_owned(),
        environment: "edge".to_owned(),
        instance_type: None,
        cost: Some(0.0),
        capacity: Capacity::default(),
        lockable: true,
    }
}

pub(super) fn part(kind: PartKind) -> PartSpec {
    PartSpec {
        artifact: format!("{kind:?}"),
        kind,
        demand: Demand::default(),
        target: Target::Any,
        exclusive: false,
        start: true,
        objectives: Vec::new(),
    }
}

pub(super) fn deployment(parts: Vec<PartSpec>) -> DeploymentSpec {
    DeploymentSpec {
        parts,
        objectives: vec!["latency < 100ms".parse().unwrap()],
        ..DeploymentSpec::default()
    }
}

/// What a provider has of an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Nothing.
    Absent,
    /// Something that is of no use.
    Broken,
    Deployed,
    Running,
}

/// What a provider knows of an instance.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) resource: ResourceId,
    pub(super) state: State,
    pub(super) deployed: u32,
    /// The newest operation accepted, with the attempt and what it came to.
    last: (u32, u32, Outcome),
}

/// Everything outside of the manager.
pub(super) struct World {
    pub(super) config: Config,
    pub(super) now: Time,
    pub(super) manager: Manager,
    /// What was written down.
    disk: BTreeMap<String, String>,
    pub(super) commands: Vec<Operation>,
    pub(super) replies: Vec<Reply>,
    pub(super) posts: Vec<Alert>,
    pub(super) events: Vec<(Time, Event)>,
    pub(super) instances: BTreeMap<InstanceId, Known>,
    pub(super) routes: BTreeMap<PartId, (OperationKey, Option<InstanceId>)>,
    /// Instances that came to harm without the manager's doing.
    pub(super) harmed: BTreeSet<InstanceId>,
    pub(super) resources: BTreeSet<ResourceId>,
    pub(super) slow: BTreeSet<ResourceId>,
    /// Resources of which nothing is measured any more.
    pub(super) silent: BTreeSet<ResourceId>,
    /// When all others were last measured.
    measured: Time,
    /// The resources of the ensembles.
    pub(super) members: BTreeMap<EnsembleId, BTreeSet<ResourceId>>,
    /// Services that are to be deployed but not to run.
    pub(super) stopped: BTreeSet<PartId>,
    /// When the calls of a part were switched from one sound instance to another.
    pub(super) switches: BTreeMap<PartId, Vec<Time>>,
    /// What the receiver of alerts has got, and how often.
    pub(super) received: BTreeMap<(AlertId, AlertState), u32>,
    pub(super) asked: BTreeMap<DeploymentId, DeploymentSpec>,
    /// When each attempt of an operation was last sent.
    attempts: BTreeMap<(OperationKey, u32), Time>,
    /// Those of which the manager was told that they came to nothing.
    failed: BTreeSet<(OperationKey, u32)>,
    pub(super) ending: BTreeSet<DeploymentId>,
}

impl World {
    /// A world of these resources, each measured once.
    pub(super) fn new(config: Config, resources: impl IntoIterator<Item = Resource>) -> World {
        let mut world = World {
            manager: Manager::new(config, Time::ZERO).unwrap(),
            config,
            now: Time::ZERO,
            disk: BTreeMap::new(),
            commands: Vec::new(),
            replies: Vec::new(),
            posts: Vec::new(),
            events: Vec::new(),
            instances: BTreeMap::new(),
            routes: BTreeMap::new(),
            harmed: BTreeSet::new(),
            resources: BTreeSet::new(),
            slow: BTreeSet::new(),
            silent: BTreeSet::new(),
            measured: Time::ZERO,
            members: BTreeMap::new(),
            stopped: BTreeSet::new(),
            switches: BTreeMap::new(),
            received: BTreeMap::new(),
            asked: BTreeMap::new(),
            attempts: BTreeMap::new(),
            failed: BTreeSet::new(),
            ending: BTreeSet::new(),
        };
        for resource in resources {
            world.resources.insert(resource.id);
            world.tell(ManagerObservation::ResourceJoined(resource));
        }
        world.measure();
        world
    }

    /// Tells the manager something, writes down, sends what it commands.
    pub(super) fn tell(&mut self, what: ManagerObservation) {
        match &what {
            ManagerObservation::CreateEnsemble {
                ensemble,
                resources,
                ..
            } => {
                let members = resources.iter().copied().collect();
                self.members.insert(*ensemble, members);
            }
            ManagerObservation::SetMember {
                ensemble,
                resource,
                member,
            } => {
                let members = self.members.entry(*ensemble).or_default();
                if *member {
                    members.insert(*resource);
                } else {
                    members.remove(resource);
                }
            }
            ManagerObservation::Reply(reply) if reply.outcome != Outcome::Done => {
                self.failed.insert((reply.key, reply.attempt));
            }
            _ => {}
        }
        let mut out = Vec::new();
        self.manager.observe(self.now, &what, &mut out);
        self.write_down(usize::MAX);
        self.send(out);
    }

    /// As [`tell`](World::tell), but the manager crashes before anything is sent,
    /// with only the first records written down.
    pub(super) fn tell_and_crash(&mut self, what: ManagerObservation, records: usize) {
        if let ManagerObservation::Reply(reply) = &what
            && reply.outcome != Outcome::Done
        {
            self.failed.insert((reply.key, reply.attempt));
        }
        self.manager.observe(self.now, &what, &mut Vec::new());
        self.write_down(records);
        self.crash();
    }

    /// The manager is lost and comes back with what was written down.
    pub(super) fn crash(&mut self) {
        let records = self
            .disk
            .values()
            .map(|line| serde_json::from_str(line).unwrap());
        let records: Vec<Record> = records.collect();
        let mut out = Vec::new();
        self.manager = Manager::restore(self.config, records, self.now, &mut out).unwrap();
        self.write_down(usize::MAX);
        self.check_disk();
        self.check_resumed(&out);
        self.send(out);
        self.measure();
    }

    /// Wakes the manager if its time has come.
    pub(super) fn wake(&mut self) {
        if self.manager.next_wake().is_some_and(|at| at <= self.now) {
            let mut out = Vec::new();
            self.manager.wake(self.now, &mut out);
            self.write_down(usize::MAX);
            self.send(out);
        }
    }

    /// Time passes until the manager wants to be woken; then it crashes as in
    /// [`tell_and_crash`](World::tell_and_crash).
    pub(super) fn wake_and_crash(&mut self, records: usize) {
        if let Some(at) = self.manager.next_wake() {
            self.now = self.now.max(at);
            self.manager.wake(self.now, &mut Vec::new());
            self.write_down(records);
            self.crash();
        }
    }

    fn write_down(&mut self, records: usize) {
        for record in self.manager.journal().into_iter().take(records) {
            let line = serde_json::to_string(&record).unwrap();
            self.disk.insert(subject(&record), line);
        }
    }

    fn send(&mut self, out: Vec<ManagerCommand>) {
        for command in out {
            match command {
                ManagerCommand::Operate(operation) => {
                    self.check_attempt(&operation);
                    let Operation { key, attempt, .. } = operation;
                    self.attempts.insert((key, attempt), self.now);
                    self.commands.push(operation);
                }
                ManagerCommand::Notify(alert) => self.posts.push(alert),
                ManagerCommand::Tell(event) => {
                    if let Event::Refused(id, _) = event {
                        self.asked.remove(&id);
                    }
                    self.check_placed(&event);
                    self.check_route_is_known(&event);
                    self.events.push((self.now, event));
                }
            }
        }
        self.note_ends();
    }

    /// Measures the latency of all resources that are not silent.
    pub(super) fn measure(&mut self) {
        self.measured = self.now;
        for resource in self.resources.clone() {
            if self.silent.contains(&resource) {
                continue;
            }
            let value = if self.slow.contains(&resource) {
                1.0
            } else {
                0.01
            };
            self.tell(ManagerObservation::Sample(Sample {
                of: Measured::Resource(resource),
                metric: Metric::Latency,
                value,
                at: self.now,
            }));
        }
    }

    /// Asks for a deployment.
    pub(super) fn deploy(&mut self, id: u32, spec: DeploymentSpec) {
        let deployment = DeploymentId(id);
        self.asked.insert(deployment, spec.clone());
        self.tell(ManagerObservation::Deploy { deployment, spec });
    }

    /// A resource vanishes with all that is on it.
    pub(super) fn leave(&mut self, resource: ResourceId) {
        self.resources.remove(&resource);
        for (&id, known) in &mut self.instances {
            if known.resource == resource {
                known.state = State::Absent;
                self.harmed.insert(id);
            }
        }
        self.tell(ManagerObservation::ResourceLeft(resource));
    }

    /// An operation arrives, and would come to `outcome` if it is carried out.
    pub(super) fn carry_out(&mut self, operation: Operation, outcome: Outcome) {
        let Operation {
            key,
            attempt,
            action,
        } = operation;
        let outcome = match action {
            Action::Route { to } => self.carry_out_route(key, to, outcome),
            Action::Instance {
                verb,
                instance,
                resource,
            } => {
                let gone = !self.resources.contains(&resource);
                let known = self.instances.entry(instance).or_insert(Known {
                    resource,
                    state: State::Absent,
                    deployed: 0,
                    last: (0, 0, Outcome::Done),
                });
                assert_eq!(known.resource, resource, "an instance stays where it is");
                let (step, tried, came_to) = known.last;
                if key.step < step {
                    Outcome::Refused
                } else if key.step == step && (came_to == Outcome::Done || attempt <= tried) {
                    came_to
                } else if gone && verb != Verb::Terminate {
                    Outcome::Refused
                } else {
                    known.last = (key.step, attempt, outcome);
                    known.act(verb, outcome);
                    outcome
                }
            }
        };
        self.replies.push(Reply {
            key,
            attempt,
            outcome,
        });
    }

    fn carry_out_route(
        &mut self,
        key: OperationKey,
        to: Option<InstanceId>,
        outcome: Outcome,
    ) -> Outcome {
        let before = self.routes.get(&key.part).copied();
        match before {
            Some((last, _)) if key < last => return Outcome::Refused,
            Some((last, _)) if key == last => return Outcome::Done,
            _ if outcome != Outcome::Done => return outcome,
            _ => {}
        }
        if let Some((_, Some(from))) = before
            && to.is_some_and(|to| to != from)
            && !self.harmed.contains(&from)
        {
            self.switches.entry(key.part).or_default().push(self.now);
        }
        self.routes.insert(key.part, (key, to));
        Outcome::Done
    }

    /// The receiver of alerts gets a message and confirms it.
    pub(super) fn receive(&mut self, alert: &Alert) {
        let AlertState::Resolved(_) = alert.state else {
            *self.received.entry((alert.id, alert.state)).or_default() += 1;
            return self.confirm(alert);
        };
        assert!(
            self.received.contains_key(&(alert.id, AlertState::Firing)),
            "its end is told after its beginning"
        );
        *self.received.entry((alert.id, alert.state)).or_default() += 1;
        self.confirm(alert);
    }

    fn confirm(&mut self, alert: &Alert) {
        self.tell(ManagerObservation::AlertDelivered {
            alert: alert.id,
            state: alert.state,
        });
    }

    /// Delivers all that is on its way; everything works.
    pub(super) fn deliver_all(&mut self) {
        loop {
            if let Some(operation) = pop(&mut self.commands) {
                self.carry_out(operation, Outcome::Done);
            } else if let Some(reply) = pop(&mut self.replies) {
                self.tell(ManagerObservation::Reply(reply));
            } else if let Some(alert) = pop(&mut self.posts) {
                self.receive(&alert);
            } else {
                return;
            }
            self.check();
        }
    }

    /// Lets `span` pass in a world where everything works, with a measurement each
    /// 5 s.
    pub(super) fn pass(&mut self, span: Span) {
        self.deliver_all();
        self.wait(span, World::deliver_all);
    }

    /// Lets `span` pass with a measurement each 5 s, and does something whenever
    /// the manager may have done something.
    pub(super) fn wait(&mut self, span: Span, what: impl Fn(&mut World)) {
        let end = self.now + span;
        while self.now < end {
            let measure = self.measured + Span::from_secs(5);
            let wake = self.manager.next_wake().unwrap_or(end);
            self.now = measure.min(wake).min(end).max(self.now);
            if self.now >= measure {
                self.measure();
            }
            self.wake();
            what(self);
        }
    }
}

impl Known {
    fn act(&mut self, verb: Verb, outcome: Outcome) {
        let done = outcome == Outcome::Done;
        match verb {
            Verb::Deploy => {
                self.deployed += u32::from(done);
                self.state = if done { State::Deployed } else { State::Broken };
            }
            Verb::Start if done => self.state = State::Running,
            Verb::Stop if done => self.state = State::Deployed,
            Verb::Terminate if done => self.state = State::Absent,
            Verb::Start | Verb::Stop | Verb::Terminate | Verb::Drain => {}
        }
    }
}

fn pop<T>(queue: &mut Vec<T>) -> Option<T> {
    (!queue.is_empty()).then(|| queue.remove(0))
}

pub(super) fn subject(record: &Record) -> String {
    match record {
        Record::Resource(id, _) => format!("resource {}", id.0),
        Record::Ensemble(id, _) => format!("ensemble {}", id.0),
        Record::Deployment(id, _) => format!("deployment {}", id.0),
    }
}
