//! Calls to functions: a platform says in which pod each is served, and when pods
//! come and go; the world carries it out.

use rand::RngExt;
use tidegate_core::{Span, Time};
use tidegate_workloads::application::{Application, Deployment};

use super::{Event, Metric, World};
use crate::experiment::Experiment;
use crate::platform::openwhisk::{Effect, OpenWhisk, Timer};

/// The platform of a run and what its pods are in the world.
pub(super) struct Functions {
    platform: OpenWhisk,
    /// The container of each pod that was started.
    containers: Vec<Option<u32>>,
    effects: Vec<Effect>,
}

impl Functions {
    /// The platform of the testbed, if the application has functions.
    ///
    /// # Panics
    ///
    /// If it has functions and there is no platform: the caller has to make sure.
    pub(super) fn new(experiment: &Experiment<'_>) -> Option<Functions> {
        let functions = functions(experiment.application);
        if functions.is_empty() {
            return None;
        }
        let Some(config) = &experiment.testbed.platform else {
            panic!("the application has functions and the testbed no platform");
        };
        let testbed = experiment.testbed;
        let capacity = vec![testbed.cpus_per_host(); testbed.hosts as usize];
        Some(Functions {
            platform: OpenWhisk::new(config.clone(), functions, &capacity, experiment.seed),
            containers: Vec::new(),
            effects: Vec::new(),
        })
    }
}

/// The functions of an application: number of the service, and name.
fn functions(application: &Application) -> Vec<(u32, String)> {
    (0u32..)
        .zip(&application.services)
        .filter(|(_, service)| service.deployment == Deployment::Function)
        .map(|(index, service)| (index, service.name.clone()))
        .collect()
}

impl World<'_, '_> {
    pub(super) fn start_functions(&mut self) {
        self.with_platform(|platform, now, out| platform.start(now, out));
    }

    /// A call reaches the platform.
    pub(super) fn submit(&mut self, frame: u32) {
        let service = self.service(frame);
        self.with_platform(|platform, now, out| platform.submit(now, frame, service, out));
    }

    pub(super) fn platform_timer(&mut self, timer: Timer) {
        self.with_platform(|platform, now, out| platform.fire(now, timer, out));
    }

    /// A pod has answered its call.
    pub(super) fn pod_finished(&mut self, pod: u32) {
        self.with_platform(|platform, now, out| platform.finished(now, pod, out));
    }

    /// A pod was killed.
    pub(super) fn pod_lost(&mut self, pod: u32) {
        self.with_platform(|platform, now, out| platform.lost(now, pod, out));
    }

    /// Lets something happen on the platform, and does what follows from it.
    fn with_platform(&mut self, happen: impl FnOnce(&mut OpenWhisk, Time, &mut Vec<Effect>)) {
        let now = self.queue.now();
        let Some(functions) = &mut self.functions else {
            return;
        };
        // What follows can make further things happen on the platform.
        let mut effects = std::mem::take(&mut functions.effects);
        happen(&mut functions.platform, now, &mut effects);
        for effect in effects.drain(..) {
            self.follow(effect);
        }
        if let Some(functions) = &mut self.functions {
            functions.effects = effects;
        }
    }

    fn follow(&mut self, effect: Effect) {
        match effect {
            Effect::Timer(at, timer) => self.queue.at(at, Event::Function(timer)),
            Effect::Start {
                pod,
                host,
                function,
            } => self.start_pod(pod, host, function),
            Effect::Run {
                pod,
                activation,
                cold,
            } => {
                let Some(container) = self.pod(pod) else {
                    return;
                };
                let start = self.instances[container as usize]
                    .service
                    .runtime
                    .start_time;
                let init = if cold { start } else { Span::ZERO };
                self.run_in_pod(activation, container, init);
            }
            Effect::Stop { pod } => {
                if let Some(container) = self.pod(pod) {
                    self.remove_instance(container);
                }
            }
            Effect::Refuse { activation } => match self.experiment.client.retry {
                Some(longest) => {
                    let wait = longest.scale(self.retries.random::<f64>());
                    self.retry(activation, wait);
                }
                None => self.fail_call(activation),
            },
            Effect::Fail { activation } => self.fail_call(activation),
        }
    }

    fn start_pod(&mut self, pod: u32, host: u32, function: u32) {
        let service = &self.experiment.application.services[function as usize];
        let platform = self.experiment.testbed.platform.as_ref();
        let requested = platform.map(|config| config.pod.limits());
        let container = self.add_instance(service, host, requested);
        self.instances[container as usize].pod = Some(pod);
        if let Some(functions) = &mut self.functions {
            let pods = functions.containers.len().max(pod as usize + 1);
            functions.containers.resize(pods, None);
            functions.containers[pod as usize] = Some(container);
        }
        self.launch(container);
    }

    /// The container of a pod.
    fn pod(&self, pod: u32) -> Option<u32> {
        let containers = &self.functions.as_ref()?.containers;
        containers.get(pod as usize).copied().flatten()
    }

    /// A request was answered; with the last task of a batch the run is over.
    pub(super) fn task_answered(&mut self, seen: Time) {
        let Some(tasks) = &mut self.tasks else {
            return;
        };
        tasks.unanswered = tasks.unanswered.saturating_sub(1);
        if tasks.unanswered == 0 {
            tasks.done = Some(seen);
            self.queue.at(seen, Event::End);
        }
    }

    /// What functions and batches add to the numbers of a run.
    pub(super) fn more_metrics(&self) -> Vec<Metric> {
        let metric = |name, unit, value| Metric { name, unit, value };
        let mut metrics = Vec::new();
        if let Some(functions) = &self.functions {
            let counts = functions.platform.counts();
            let (mean, most) = self.recorder.pods();
            metrics.extend([
                metric("cold_starts", "starts", counts.cold as f64),
                metric("pods_created", "pods", counts.created as f64),
                metric("pods_mean", "pods", mean),
                metric("pods_max", "pods", f64::from(most)),
                metric("requests_refused", "requests", counts.refused as f64),
            ]);
        }
        if let Some(tasks) = &self.tasks {
            let done = tasks.done.map(|time| time.since(self.origin));
            let seconds = done.map_or(f64::NAN, Span::as_secs_f64);
            metrics.push(metric("job_completion_s", "s", seconds));
        }
        metrics
    }
}
