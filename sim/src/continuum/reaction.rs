//! From a violation of an objective to the alert at its receiver.
//!
//! The core's manager decides what is violated, when it looks and what it tells;
//! here are only the samples that reach it, the time its evaluation takes, and the
//! way of its alerts.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use tidegate_core::deployment::operation::{Operation, Outcome as Answer};
use tidegate_core::deployment::spec::{PartSpec, Target};
use tidegate_core::deployment::{DeploymentSpec, Reply};
use tidegate_core::manager::{ManagerCommand, ManagerObservation, Measured, Sample};
use tidegate_core::placement::Demand;
use tidegate_core::slo::{AlertState, Condition, Metric, Objective, Operator};
use tidegate_core::{AlertId, DeploymentId, ResourceId, Span, Time};
use tidegate_workloads::random::stream;

use super::Experiment;
use super::desk::{Desk, described, platform};
use super::samples::{Samples, names};
use super::task::Violations;
use super::testbed::Resource;
use crate::engine::Queue;
use crate::outcome::{Metric as Number, Outcome};

/// The objective of the paper: latency under ten seconds, which all resources meet.
const OBJECTIVE_S: f64 = 10.0;
/// What a violating sample says.
const VIOLATING_S: f64 = 20.0;
/// Alerts carry the time of the day in whole seconds (source code).
const STAMP: Span = Span::from_secs(1);
/// Deployments watched at most.
const MAX_DEPLOYMENTS: u32 = 10_000;

#[derive(Clone, Copy, Debug)]
enum Event {
    /// The manager asked to be woken: it begins to query.
    Due,
    /// The queries are answered.
    Wake,
    /// All resources are sampled.
    Sample,
    Begin,
    End,
    /// An alert is at its receiver.
    Alert {
        alert: AlertId,
        state: AlertState,
    },
}

/// Says what does not fit together, if anything.
pub(super) fn check(experiment: &Experiment<'_>, task: &Violations) -> Result<(), String> {
    if task.deployments > MAX_DEPLOYMENTS {
        return Err(format!(
            "`deployments` must be at most {MAX_DEPLOYMENTS}, not {}",
            task.deployments
        ));
    }
    if task.resources.is_empty() {
        return Err("`resources` names no resource".to_owned());
    }
    for name in &task.resources {
        experiment.continuum.resource(name, "resources")?;
    }
    Ok(())
}

struct World<'a> {
    experiment: &'a Experiment<'a>,
    task: &'a Violations,
    resources: Vec<Resource>,
    desk: Desk,
    queue: Queue<Event>,
    rng: ChaCha8Rng,
    /// Since when the objective is violated.
    violated: Option<Time>,
    /// Whether this violation's first alert, and the first whose stamp is not
    /// before it, are at the receiver.
    seen: (bool, bool),
    begun: u32,
    alerts: u64,
    reactions: Samples,
    published: Samples,
}

/// Violates the objective again and again.
pub(super) fn run(experiment: &Experiment<'_>, task: &Violations) -> Result<Outcome, String> {
    let found = |name: &String| experiment.continuum.resource(name, "resources").copied();
    let mut world = World {
        experiment,
        task,
        resources: task.resources.iter().map(found).collect::<Result<_, _>>()?,
        desk: Desk::new(experiment.manager.config())?,
        queue: Queue::new(),
        rng: stream(experiment.seed, "reaction", 0),
        violated: None,
        seen: (false, false),
        begun: 0,
        alerts: 0,
        reactions: Samples::default(),
        published: Samples::default(),
    };
    // A resource that was never measured gets nothing.
    world.join();
    world.sample();
    world.deploy();
    world.pause();
    world
        .queue
        .after(experiment.manager.watching.sampling, Event::Sample);
    while let Some(event) = world.queue.pop() {
        world.handle(event);
        if world.begun == task.violations && world.violated.is_none() {
            break;
        }
    }
    let mut metrics = world.reactions.metrics(names!("reaction", "s", 1e9));
    metrics.extend(
        world
            .published
            .metrics(names!("reaction_published", "s", 1e9)),
    );
    for (name, quantile) in [
        ("reaction_published_p5_s", 0.05),
        ("reaction_published_p10_s", 0.1),
        ("reaction_published_p25_s", 0.25),
        ("reaction_published_p75_s", 0.75),
        ("reaction_published_p90_s", 0.9),
    ] {
        metrics.push(Number {
            name,
            unit: "s",
            value: world.published.quantile(quantile) / 1e9,
        });
    }
    // The distribution function, to lay beside a measured one.
    for (name, half_seconds) in [
        ("reaction_published_within_0_5s_percent", 1),
        ("reaction_published_within_1s_percent", 2),
        ("reaction_published_within_1_5s_percent", 3),
        ("reaction_published_within_2s_percent", 4),
        ("reaction_published_within_2_5s_percent", 5),
        ("reaction_published_within_3s_percent", 6),
        ("reaction_published_within_3_5s_percent", 7),
        ("reaction_published_within_4s_percent", 8),
        ("reaction_published_within_4_5s_percent", 9),
        ("reaction_published_within_5s_percent", 10),
    ] {
        let limit = Span::from_millis(500 * half_seconds);
        metrics.push(Number {
            name,
            unit: "percent",
            value: 100.0 * world.published.within(limit),
        });
    }
    metrics.push(Number {
        name: "alerts",
        unit: "alerts",
        value: world.alerts as f64,
    });
    metrics.push(Number {
        name: "violations",
        unit: "violations",
        value: f64::from(world.begun),
    });
    Ok(Outcome::of_numbers(metrics, world.queue.scheduled()))
}

impl World<'_> {
    /// The resources as the inventory has them.
    fn join(&mut self) {
        let task = self.task;
        for (index, name) in task.resources.iter().enumerate() {
            let resource = described(index, name, &self.resources[index]);
            self.observe(ManagerObservation::ResourceJoined(resource));
        }
    }

    /// The same on all resources, as often as asked; there at once.
    fn deploy(&mut self) {
        for deployment in 0..self.task.deployments {
            let part = |(index, resource): (usize, &Resource)| PartSpec {
                artifact: format!("part-{index}"),
                kind: platform(resource.platform).runs(),
                demand: Demand::default(),
                target: Target::Only(ResourceId(index as u32)),
                exclusive: false,
                start: false,
                objectives: Vec::new(),
            };
            let under = Condition::Compare(Operator::Less, vec![OBJECTIVE_S]);
            let spec = DeploymentSpec {
                parts: self.resources.iter().enumerate().map(part).collect(),
                objectives: vec![Objective::new(Metric::Latency, under)],
                ..DeploymentSpec::default()
            };
            let deployment = DeploymentId(deployment);
            self.observe(ManagerObservation::Deploy { deployment, spec });
        }
    }

    fn observe(&mut self, what: ManagerObservation) {
        let now = self.queue.now();
        self.desk.observe(now, &what);
        self.act();
    }

    /// Carries out what the manager wants, and has it woken when it asks for that.
    fn act(&mut self) {
        let mut posts = 0;
        loop {
            let commands = self.desk.take();
            if commands.is_empty() {
                break;
            }
            for command in commands {
                match command {
                    ManagerCommand::Operate(operation) => self.done(operation),
                    ManagerCommand::Notify(alert) => {
                        // One post after the other.
                        posts += 1;
                        let post = self.experiment.manager.watching.post;
                        let event = Event::Alert {
                            alert: alert.id,
                            state: alert.state,
                        };
                        self.queue.after(Span(post.0 * posts), event);
                    }
                    ManagerCommand::Tell(_) => {}
                }
            }
        }
        if let Some(at) = self.desk.alarm() {
            self.queue.at(at, Event::Due);
        }
    }

    fn done(&mut self, operation: Operation) {
        let reply = ManagerObservation::Reply(Reply {
            key: operation.key,
            attempt: operation.attempt,
            outcome: Answer::Done,
        });
        let now = self.queue.now();
        self.desk.observe(now, &reply);
    }

    fn handle(&mut self, event: Event) {
        let (now, watching) = (self.queue.now(), self.experiment.manager.watching);
        match event {
            // A wake-up that was moved since.
            Event::Due if !self.desk.rings(now) => {}
            Event::Due => {
                let queries = watching.query.0 * u64::from(self.task.deployments);
                self.queue
                    .after(Span(watching.cycle.0 + queries), Event::Wake);
            }
            Event::Wake => {
                self.desk.wake(now);
                self.act();
            }
            Event::Sample => {
                self.sample();
                self.queue.after(watching.sampling, Event::Sample);
            }
            Event::Begin => {
                self.violated = Some(now);
                self.seen = (false, false);
                self.begun += 1;
                self.sample();
                self.queue.after(self.task.lasting, Event::End);
            }
            Event::End => {
                self.violated = None;
                self.sample();
                if self.begun < self.task.violations {
                    self.pause();
                }
            }
            Event::Alert { alert, state } => {
                if state == AlertState::Firing {
                    self.alerts += 1;
                    self.received(now);
                }
                self.observe(ManagerObservation::AlertDelivered { alert, state });
            }
        }
    }

    /// The time of an alert, once exact and once as the original stamps it: whole
    /// seconds, of which its authors take the first that is not before the
    /// violation.
    fn received(&mut self, now: Time) {
        let Some(since) = self.violated else {
            return;
        };
        if !self.seen.0 {
            self.seen.0 = true;
            self.reactions.push(now.since(since));
        }
        let stamp = Time(now.0 / STAMP.0 * STAMP.0);
        if !self.seen.1 && stamp >= since {
            self.seen.1 = true;
            self.published.push(stamp.since(since));
        }
    }

    /// All resources are sampled: their network latency, or a violating one.
    fn sample(&mut self) {
        let at = self.queue.now();
        for index in 0..self.resources.len() {
            let value = match self.violated {
                Some(_) => VIOLATING_S,
                None => self.resources[index].round_trip.as_secs_f64(),
            };
            self.observe(ManagerObservation::Sample(Sample {
                of: Measured::Resource(ResourceId(index as u32)),
                metric: Metric::Latency,
                value,
                at,
            }));
        }
    }

    fn pause(&mut self) {
        let more = self.task.pause_more.0 as f64 * self.rng.random::<f64>();
        let pause = Span(self.task.pause.0 + more as u64);
        self.queue.after(pause, Event::Begin);
    }
}
