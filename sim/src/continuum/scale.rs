//! Many resources and many deployments: what the manager decides, and how long it takes
//! in simulated time until all serve, and until those on resources that fail serve
//! elsewhere. Every platform takes as long as `testbed` says, without Terraform and
//! without limit to how much it does at a time: only the manager is under test. How long
//! its own work takes on a CPU, `benches/manager.rs` measures.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use tidegate_core::deployment::spec::{PartSpec, Target};
use tidegate_core::deployment::{Action, DeploymentSpec, Outcome as Answer, Reply, Verb};
use tidegate_core::manager::{Event as Told, ManagerCommand, ManagerObservation, Measured, Sample};
use tidegate_core::placement::{Capacity, Demand, PartKind};
use tidegate_core::slo::{AlertState, Metric as Slo, Objective};
use tidegate_core::{AlertId, Cores, DeploymentId, ResourceId, Span, Time};
use tidegate_workloads::random::stream;

use super::Experiment;
use super::desk::{Desk, described};
use super::testbed::{Platform, Resource, count, share};
use crate::engine::Queue;
use crate::outcome::{Metric, Outcome};

/// More are not what the figures are for.
const MAX: u32 = 100_000;

/// As many functions as devices, and some of the devices fail.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Scale {
    /// Devices.
    pub resources: u32,
    /// Deployments of one function each, asked for at the same time; as many as
    /// devices if not given.
    #[serde(default)]
    pub deployments: Option<u32>,
    /// How many functions a device has room for.
    pub room: u32,
    /// Share of the devices that fail together.
    pub failing: f64,
    /// When they do.
    pub fail: Span,
    /// When the run ends.
    pub duration: Span,
    /// What must hold where a function is.
    pub objectives: Vec<Objective>,
}

impl Scale {
    fn functions(&self) -> u32 {
        self.deployments.unwrap_or(self.resources)
    }

    pub(super) fn check(&self) -> Result<(), String> {
        count("resources", self.resources)?;
        count("deployments", self.functions())?;
        count("room", self.room)?;
        share("failing", self.failing)?;
        if self.resources > MAX || self.functions() > MAX {
            return Err(format!(
                "`resources` and `deployments` must be at most {MAX}"
            ));
        }
        if self.fail >= self.duration {
            return Err("`fail` must be before the end, `duration`".to_owned());
        }
        Ok(())
    }
}

#[derive(Clone, Copy, Debug)]
enum Event {
    Due,
    Wake,
    /// A device is measured.
    Scrape {
        device: u32,
    },
    Answered(Reply),
    /// The route of a function is switched.
    Routed(Reply, u32, bool),
    Alert(AlertId, AlertState),
    Fail,
    End,
}

struct World<'a> {
    experiment: &'a Experiment<'a>,
    task: &'a Scale,
    desk: Desk,
    queue: Queue<Event>,
    rng: ChaCha8Rng,
    round_trips: Vec<Span>,
    failed: Vec<bool>,
    /// Where each function's calls go.
    serving: Vec<Option<u32>>,
    /// When the last function served first, and when the last was moved.
    placed: Option<Time>,
    moved: Option<Time>,
    samples: u64,
    operations: u64,
    placements: u64,
    moves: u64,
    alerts: u64,
    resolves: u64,
}

/// Deploys all, lets some fail, and counts.
pub(super) fn run(experiment: &Experiment<'_>, task: &Scale) -> Result<Outcome, String> {
    let mut rng = stream(experiment.seed, "scale", 0);
    let round_trip = |rng: &mut ChaCha8Rng| Span::from_micros(rng.random_range(500..50_000));
    let mut world = World {
        experiment,
        task,
        desk: Desk::new(experiment.manager.config())?,
        queue: Queue::new(),
        round_trips: (0..task.resources).map(|_| round_trip(&mut rng)).collect(),
        serving: vec![None; task.functions() as usize],
        placed: None,
        moved: None,
        samples: 0,
        operations: 0,
        placements: 0,
        moves: 0,
        alerts: 0,
        resolves: 0,
        failed: vec![false; task.resources as usize],
        rng,
    };
    world.begin();
    while let Some(event) = world.queue.pop() {
        if matches!(event, Event::End) {
            break;
        }
        world.handle(event);
    }
    Ok(world.outcome())
}

impl World<'_> {
    fn begin(&mut self) {
        let interval = self.experiment.manager.watching.sampling;
        for device in 0..self.task.resources {
            let resource = Resource {
                platform: Platform::Openfaas,
                round_trip: self.round_trips[device as usize],
                region: 0,
                cpus: f64::from(self.task.room),
                speed: 1.0,
                price_hour: 0.0,
                price_call: 0.0,
            };
            let mut joined = described(device as usize, "device", &resource);
            joined.cost = Some(0.0);
            joined.capacity = Capacity {
                cpu: Some(Cores::new(u64::from(self.task.room))),
                ..Capacity::default()
            };
            self.observe(&ManagerObservation::ResourceJoined(joined));
            self.measure(device);
            let phase = Span((interval.0 as f64 * self.rng.random::<f64>()) as u64);
            self.queue.after(phase, Event::Scrape { device });
        }
        for deployment in 0..self.task.functions() {
            let part = PartSpec {
                artifact: "function".to_owned(),
                kind: PartKind::Function,
                demand: Demand {
                    cpu: Cores::new(1),
                    ..Demand::default()
                },
                target: Target::Any,
                exclusive: false,
                start: false,
                objectives: Vec::new(),
            };
            let spec = DeploymentSpec {
                parts: vec![part],
                objectives: self.task.objectives.clone(),
                ..DeploymentSpec::default()
            };
            let deployment = DeploymentId(deployment);
            self.observe(&ManagerObservation::Deploy { deployment, spec });
        }
        self.act();
        self.queue.after(self.task.fail, Event::Fail);
        self.queue.after(self.task.duration, Event::End);
    }

    fn observe(&mut self, what: &ManagerObservation) {
        self.desk.observe(self.queue.now(), what);
    }

    fn handle(&mut self, event: Event) {
        let (now, watching) = (self.queue.now(), self.experiment.manager.watching);
        match event {
            Event::Due => {
                if self.desk.rings(now) {
                    self.queue.after(watching.cycle, Event::Wake);
                }
            }
            Event::Wake => self.desk.wake(now),
            Event::Scrape { device } => {
                self.measure(device);
                self.queue
                    .after(watching.sampling, Event::Scrape { device });
            }
            Event::Answered(reply) => self.observe(&ManagerObservation::Reply(reply)),
            Event::Routed(reply, device, to) => {
                let function = reply.key.part.deployment.0 as usize;
                self.serving[function] = to.then_some(device);
                self.observe(&ManagerObservation::Reply(reply));
                self.note_state(now);
            }
            Event::Alert(alert, state) => {
                self.observe(&ManagerObservation::AlertDelivered { alert, state });
            }
            Event::Fail => {
                let count = (self.task.failing * f64::from(self.task.resources)).round() as u32;
                // Evenly spread over the devices.
                for n in 0..count {
                    let device = u64::from(n) * u64::from(self.task.resources) / u64::from(count);
                    self.failed[device as usize] = true;
                }
            }
            Event::End => {}
        }
        self.act();
    }

    /// A function serves elsewhere than before.
    fn note_state(&mut self, now: Time) {
        let fails = now >= Time::ZERO + self.task.fail;
        let last = if fails {
            &mut self.moved
        } else {
            &mut self.placed
        };
        *last = Some(now);
    }

    fn measure(&mut self, device: u32) {
        let at = self.queue.now();
        let failed = self.failed[device as usize];
        let latency = self.round_trips[device as usize].as_secs_f64();
        let up = (Slo::Up, if failed { 0.0 } else { 1.0 });
        let latency = (!failed).then_some((Slo::Latency, latency));
        for (metric, value) in std::iter::once(up).chain(latency) {
            self.samples += 1;
            let of = Measured::Resource(ResourceId(device));
            self.observe(&ManagerObservation::Sample(Sample {
                of,
                metric,
                value,
                at,
            }));
        }
    }

    fn act(&mut self) {
        loop {
            let commands = self.desk.take();
            if commands.is_empty() {
                break;
            }
            for command in commands {
                match command {
                    ManagerCommand::Operate(operation) => {
                        self.operations += 1;
                        self.operate(operation.action, |outcome| Reply {
                            key: operation.key,
                            attempt: operation.attempt,
                            outcome,
                        });
                    }
                    ManagerCommand::Notify(alert) => {
                        match alert.state {
                            AlertState::Firing => self.alerts += 1,
                            AlertState::Resolved(_) => self.resolves += 1,
                        }
                        let post = self.experiment.manager.watching.post;
                        self.queue.after(post, Event::Alert(alert.id, alert.state));
                    }
                    ManagerCommand::Tell(Told::Placed(..)) => self.placements += 1,
                    ManagerCommand::Tell(Told::Moving(..)) => self.moves += 1,
                    ManagerCommand::Tell(_) => {}
                }
            }
        }
        if let Some(at) = self.desk.alarm() {
            self.queue.at(at, Event::Due);
        }
    }

    /// A device takes its time; one that has failed does nothing.
    fn operate(&mut self, action: Action, reply: impl Fn(Answer) -> Reply) {
        match action {
            Action::Route { to } => {
                let write = self.experiment.manager.database.create_part;
                let device = to.and_then(|id| self.desk.resource_of(id));
                let switched = Event::Routed(
                    reply(Answer::Done),
                    device.map_or(0, |device| device.0),
                    device.is_some(),
                );
                self.queue.after(write, switched);
            }
            Action::Instance { verb, resource, .. } => {
                let openfaas = &self.experiment.continuum.openfaas;
                let takes = match verb {
                    Verb::Deploy => openfaas.deploy.draw(&mut self.rng),
                    Verb::Terminate => openfaas.remove.draw(&mut self.rng),
                    Verb::Drain | Verb::Start | Verb::Stop => Span::ZERO,
                };
                let device = resource.0 as usize;
                let round_trip = self.round_trips[device];
                let answer = match verb {
                    Verb::Drain => Answer::Done,
                    _ if self.failed[device] => Answer::Failed,
                    _ => Answer::Done,
                };
                let takes = match answer {
                    Answer::Done => takes,
                    Answer::Failed | Answer::Refused => Span::ZERO,
                };
                self.queue
                    .after(takes + round_trip, Event::Answered(reply(answer)));
            }
        }
    }

    fn outcome(&self) -> Outcome {
        let served = self.serving.iter().flatten();
        let well = served
            .filter(|&&device| !self.failed[device as usize])
            .count();
        let fail = Time::ZERO + self.task.fail;
        let seconds = |time: Option<Time>, since: Time| {
            time.map_or(f64::NAN, |time| time.since(since).as_secs_f64())
        };
        let metrics = [
            ("placed_s", "s", seconds(self.placed, Time::ZERO)),
            ("moved_s", "s", seconds(self.moved, fail)),
            ("placements", "placements", self.placements as f64),
            ("moves", "moves", self.moves as f64),
            ("operations", "operations", self.operations as f64),
            ("samples", "samples", self.samples as f64),
            ("alerts", "alerts", self.alerts as f64),
            ("alerts_resolved", "alerts", self.resolves as f64),
            ("end_met", "functions", well as f64),
            (
                "end_missed",
                "functions",
                f64::from(self.task.functions()) - well as f64,
            ),
        ];
        let metric = |(name, unit, value)| Metric { name, unit, value };
        Outcome::of_numbers(
            metrics.map(metric).into(),
            self.queue.scheduled() - self.queue.len() as u64,
        )
    }
}

#[cfg(test)]
mod tests {
    use tidegate_core::manager::{Config, Monitoring, Reallocation};

    use super::*;
    use crate::continuum::client::Via;
    use crate::continuum::testing::{always, client, continuum, manager};
    use crate::continuum::{Manager, Task};

    #[test]
    fn all_serve_after_a_deployment_and_those_that_fail_a_scrape_later_elsewhere() {
        let mut continuum = continuum();
        continuum.openfaas.deploy = always(Span::from_secs(3));
        let manager = Manager {
            monitoring: Monitoring::default(),
            placing: Config::default().placing,
            retry: Config::default().retry,
            reallocation: Some(Reallocation::default()),
            ..manager()
        };
        let scale = Scale {
            resources: 50,
            deployments: Some(100),
            room: 3,
            failing: 0.2,
            fail: Span::from_secs(20),
            duration: Span::from_secs(60),
            objectives: vec!["up = true".parse().unwrap()],
        };
        let task = Task::Scale(scale);
        let experiment = Experiment {
            continuum: &continuum,
            manager: &manager,
            client: &client(Via::Manager),
            task: &task,
            seed: 1,
        };
        let outcome = crate::continuum::run(&experiment).unwrap();
        let value = |name: &str| {
            let metric = outcome.metrics.iter().find(|one| one.name == name);
            metric.unwrap().value
        };
        // A deployment of 3 s, up to 50 ms away.
        assert!((3.0..3.06).contains(&value("placed_s")));
        // Scrapes are a second apart, and a target may have failed unnoticed too: then
        // there is another scrape, a wait, and another deployment.
        let moved = value("moved_s");
        assert!((3.0..9.0).contains(&moved), "{moved}");
        assert_eq!(value("end_met"), 100.0);
        assert_eq!(value("end_missed"), 0.0);
        assert!(value("moves") > 0.0);
        assert_eq!(value("alerts"), value("alerts_resolved"));
    }
}
