//! Functions that are called all the time on resources that fail, and a manager
//! that watches, tells and, if it is set so, moves them.
//!
//! The core's manager decides; what it wants done is done with the platform's steps.
//! No model asks how the manager is set.
//!
//! - [`task`]: what is asked and what goes wrong.
//! - `place`: resources and what is on them.
//! - `containers`: an application that an allocator sizes, instead of functions.
//! - `calls`: from the client through the router to an instance and back.
//! - `provider`: what becomes of the manager's operations.
//! - `measure`: what it is told of resources and instances.
//! - `truth`: what it cannot know: whether objectives are met.
//! - `ledger`: what is counted.
//! - `agenda`: what happens next.

pub(super) mod task;

mod agenda;

mod place;

mod containers;

mod calls;

mod provider;

mod measure;

mod truth;

mod ledger;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use rand_chacha::ChaCha8Rng;
use tidegate_core::deployment::DeploymentSpec;
use tidegate_core::deployment::spec::{PartSpec, Target};
use tidegate_core::manager::{ManagerCommand, ManagerObservation, Sample};
use tidegate_core::placement::{Capacity, PartKind, Resource as Described};
use tidegate_core::slo::AlertState;
use tidegate_core::{AlertId, Cores, DeploymentId, InstanceId, ResourceId, Span, Time};
use tidegate_workloads::random::stream;

use super::Experiment;
use super::desk::{Desk, described, platform};
use super::site::Site;
use super::testbed::{Platform, Resource};
use crate::outcome::Outcome;
use agenda::Agenda;
use calls::{Call, CallId, OfCall};
use containers::{Hosts, Running, Yard};
use ledger::Ledger;
use place::{Instance, Place};
use provider::OfOperation;
use task::Faults;
use truth::Truth;

/// What can happen.
#[derive(Clone, Debug)]
enum Event {
    /// The manager asked to be woken: it begins to query.
    Due,
    /// The queries are answered.
    Wake,
    /// The next call to a function.
    Arrival {
        function: usize,
    },
    /// Something happens to a call.
    Call {
        call: CallId,
        what: OfCall,
    },
    /// Something happens to an operation.
    Operation(OfOperation),
    /// A resource is measured.
    Scrape {
        place: usize,
    },
    /// The router looks at the calls of a function.
    Window {
        function: usize,
    },
    /// A measured value reaches the manager.
    Sampled(Sample),
    /// An alert is at its receiver.
    Alert {
        alert: AlertId,
        state: AlertState,
    },
    /// A fault waits for a deployment to its resource from now on.
    Armed {
        fault: usize,
    },
    /// A fault begins, or ends.
    Fault {
        fault: usize,
        begins: bool,
    },
    /// A container that has started ends again.
    Crash {
        instance: InstanceId,
    },
    /// Its platform says that it has.
    Lost {
        instance: InstanceId,
    },
    /// Its client may have all its answers.
    Drained {
        instance: InstanceId,
    },
    /// The load of containers changes, and then one looks at what they get.
    Step,
    Look,
    /// The time is over.
    End,
}

/// Where the router sends a function's calls.
#[derive(Clone, Copy, Debug, Default)]
struct Route {
    to: Option<InstanceId>,
    /// The step of the switch that was accepted last.
    step: u32,
}

struct World<'a> {
    task: &'a Faults,
    site: Site<'a>,
    agenda: Agenda<Event>,
    desk: Desk,
    places: Vec<Place>,
    instances: BTreeMap<InstanceId, Instance>,
    routes: Vec<Route>,
    calls: BTreeMap<CallId, Call>,
    arrivals: Vec<ChaCha8Rng>,
    /// Faults that wait for a deployment to their resource.
    armed: Vec<usize>,
    hosts: Hosts<'a>,
    running: BTreeMap<InstanceId, Running<'a>>,
    /// Since when the load is another, and what the first container's limit was then.
    grown: Option<(Time, f64)>,
    truth: Truth,
    ledger: Ledger,
}

/// Says what does not fit together, if anything.
pub(super) fn check(experiment: &Experiment<'_>, task: &Faults) -> Result<(), String> {
    task.check()?;
    for name in &task.resources {
        let resource = experiment.continuum.resource(name, "resources")?;
        if platform(resource.platform).runs() != PartKind::Function {
            return Err(format!("`resources` has {name:?}, which runs no functions"));
        }
    }
    Ok(())
}

/// Deploys, calls, lets resources fail, and counts.
pub(super) fn run(experiment: &Experiment<'_>, task: &Faults) -> Result<Outcome, String> {
    let found = |name: &String| experiment.continuum.resource(name, "resources").copied();
    let resources: Vec<Resource> = task.resources.iter().map(found).collect::<Result<_, _>>()?;
    let yard = Yard::new(task, &resources);
    let mut allocators = containers::allocators(task, &resources);
    let experiments = containers::experiments(task, resources.len());
    let hosts = Hosts {
        yard: &yard,
        experiments: &experiments,
        allocators: allocators.iter_mut().map(Some).collect(),
    };
    let mut world = World::new(experiment, task, &resources, hosts)?;
    world.begin();
    let end = Time::ZERO + task.duration;
    while let Some(event) = world.agenda.next(&mut world.site.flow) {
        world.handle(event);
        world.act();
        if world.site.flow.now() >= end && world.calls.is_empty() {
            break;
        }
    }
    let (cores, memory) = world.cost_of_manager();
    Ok(Outcome::of_numbers(
        world.ledger.metrics(cores, memory),
        world.site.flow.events(),
    ))
}

impl<'a> World<'a> {
    fn new(
        experiment: &Experiment<'a>,
        task: &'a Faults,
        resources: &[Resource],
        hosts: Hosts<'a>,
    ) -> Result<World<'a>, String> {
        let mut site = Site::new(experiment, "reallocation");
        let place = |&resource| Place::new(resource, &mut site.flow);
        let places: Vec<Place> = resources.iter().map(place).collect();
        let functions = task.deployments as usize;
        let arrivals = (0..u64::from(task.deployments))
            .map(|index| stream(experiment.seed, "arrivals", index))
            .collect();
        let names = task.resources.iter().zip(&places).enumerate();
        let inventory: Vec<Described> = names
            .map(|(index, (name, place))| inventory(index, name, &place.resource, task))
            .collect();
        Ok(World {
            task,
            site,
            agenda: Agenda::new(),
            desk: Desk::new(experiment.manager.config())?,
            instances: BTreeMap::new(),
            routes: vec![Route::default(); functions],
            calls: BTreeMap::new(),
            arrivals,
            armed: Vec::new(),
            hosts,
            running: BTreeMap::new(),
            grown: None,
            truth: Truth::new(&inventory, task),
            ledger: Ledger::new(functions),
            places,
        })
    }

    /// Resources join and are measured; functions are deployed, faults planned.
    fn begin(&mut self) {
        for resource in self.truth.resources() {
            self.observe(ManagerObservation::ResourceJoined(resource));
        }
        self.begin_measuring();
        let first = self.site.flow.now();
        for function in 0..self.routes.len() {
            let part = PartSpec {
                artifact: "function".to_owned(),
                kind: PartKind::Function,
                demand: self.task.demand,
                target: Target::First(ResourceId(0)),
                exclusive: false,
                start: false,
                objectives: Vec::new(),
            };
            let spec = DeploymentSpec {
                parts: vec![part],
                objectives: self.task.objectives.clone(),
                ..DeploymentSpec::default()
            };
            let deployment = DeploymentId(function as u32);
            self.observe(ManagerObservation::Deploy { deployment, spec });
        }
        self.act();
        let course = self.task.course().unwrap_or_default();
        for (fault, one) in course.iter().enumerate() {
            let event = match one.deploying {
                Some(_) => Event::Armed { fault },
                None => Event::Fault {
                    fault,
                    begins: true,
                },
            };
            self.at(first + one.begin, event);
        }
        self.at(first + self.task.duration, Event::End);
    }

    fn now(&self) -> Time {
        self.site.flow.now()
    }

    fn at(&mut self, time: Time, event: Event) {
        self.agenda.at(&mut self.site.flow, time, event);
    }

    fn wait(&mut self, span: Span, event: Event) {
        self.agenda.wait(&mut self.site.flow, span, event);
    }

    fn observe(&mut self, what: ManagerObservation) {
        self.desk.observe(self.site.flow.now(), &what);
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
                    ManagerCommand::Operate(operation) => self.operate(operation),
                    ManagerCommand::Notify(alert) => {
                        // One post after the other.
                        posts += 1;
                        self.ledger.posted(&alert);
                        let post = self.site.experiment.manager.watching.post;
                        let event = Event::Alert {
                            alert: alert.id,
                            state: alert.state,
                        };
                        self.wait(Span(post.0 * posts), event);
                    }
                    ManagerCommand::Tell(event) => self.ledger.told(&event),
                }
            }
        }
        if let Some(at) = self.desk.alarm() {
            self.at(at, Event::Due);
        }
    }

    fn handle(&mut self, event: Event) {
        let (now, watching) = (self.now(), self.site.experiment.manager.watching);
        match event {
            Event::Due => {
                if self.desk.rings(now) {
                    let queries = watching.query.0 * self.routes.len() as u64;
                    self.wait(Span(watching.cycle.0 + queries), Event::Wake);
                }
            }
            Event::Wake => self.desk.wake(now),
            Event::Arrival { function } => self.arrival(function),
            Event::Call { call, what } => self.call(call, what),
            Event::Operation(what) => self.operation(what),
            Event::Scrape { place } => self.scrape(place),
            Event::Window { function } => self.window(function),
            Event::Sampled(sample) => self.observe(ManagerObservation::Sample(sample)),
            Event::Alert { alert, state } => {
                self.observe(ManagerObservation::AlertDelivered { alert, state });
            }
            Event::Armed { fault } => self.armed.push(fault),
            Event::Fault { fault, begins } => self.fault(fault, begins),
            Event::Crash { instance } => self.crash(instance),
            Event::Lost { instance } => self.observe(ManagerObservation::Lost(instance)),
            Event::Drained { instance } => self.drained(instance),
            Event::Step => self.step(),
            Event::Look => self.look(),
            Event::End => self.end(),
        }
    }

    /// The state at the end, and what is left to pay.
    fn end(&mut self) {
        let now = self.now();
        self.judge();
        for function in 0..self.routes.len() {
            let met = self.is_met(function);
            let possible = met || (0..self.places.len()).any(|place| self.could_have(place));
            self.ledger.ended(now, function, met, possible);
        }
        let ids: Vec<InstanceId> = self.instances.keys().copied().collect();
        for id in ids {
            self.pay(id);
        }
        self.end_containers();
        self.ledger.close();
    }

    /// CPU and memory of the manager on average.
    fn cost_of_manager(&mut self) -> (f64, f64) {
        (self.site.mean_cores(), self.site.memory_mib().0)
    }
}

/// A resource as the manager's inventory has it. What is paid per call is in the
/// price for as many calls as there will be.
fn inventory(index: usize, name: &str, resource: &Resource, task: &Faults) -> Described {
    let calls_an_hour = task.calls.rate * 3_600.0;
    let shared = resource.platform == Platform::Openfaas;
    Described {
        cost: Some(resource.price_hour + resource.price_call * calls_an_hour),
        capacity: Capacity {
            cpu: shared.then(|| Cores::from_f64(resource.cpus)),
            ..Capacity::default()
        },
        ..described(index, name, resource)
    }
}
