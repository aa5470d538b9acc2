//! Services whose images are there: start and stop, through the manager and by the
//! API of Kubernetes.

use tidegate_core::{Span, Time};

use super::samples::{Samples, names};
use super::site::{Site, Touched, work};
use super::task::Services;
use super::testbed::{Platform, Resource};
use super::{Experiment, Via};
use crate::flow::{Discipline, Mark, StationId, Step};
use crate::outcome::Outcome;

const BEGAN: u32 = 0;
const ENDED: u32 = 1;
const FAILED: u32 = 2;

/// More than this take longer than a simulated day.
const MAX_SERVICES: u32 = 1_000;

/// Says what does not fit together, if anything.
pub(super) fn check(experiment: &Experiment<'_>, task: &Services) -> Result<(), String> {
    if task.services > MAX_SERVICES {
        return Err(format!(
            "`services` must be at most {MAX_SERVICES}, not {}",
            task.services
        ));
    }
    if experiment.client.via == Via::Direct {
        return Err("`services` needs a client that asks the manager or `k8s-api`".to_owned());
    }
    Ok(())
}

/// Starts all services together and stops them together, again and again.
pub(super) fn run(experiment: &Experiment<'_>, task: &Services) -> Outcome {
    let mut site = Site::new(experiment, "services");
    let kubelet = site.flow.station(Discipline::Serial);
    let (mut starts, mut stops) = (Samples::default(), Samples::default());
    for _ in 0..task.runs {
        let steps = match experiment.client.via {
            Via::K8sApi => by_api(&mut site, task.services, kubelet, true),
            _ => by_manager(&mut site, task.services, kubelet, true),
        };
        starts.extend(measure(&mut site, steps));
        let steps = match experiment.client.via {
            Via::K8sApi => by_api(&mut site, task.services, kubelet, false),
            _ => by_manager(&mut site, task.services, kubelet, false),
        };
        stops.extend(measure(&mut site, steps));
    }
    let mut metrics = starts.metrics(names!("service_start", "s", 1e9));
    metrics.extend(stops.metrics(names!("service_stop", "s", 1e9)));
    Outcome::of_numbers(metrics, site.flow.events())
}

/// How long it takes; nothing if it is given up.
fn measure(site: &mut Site<'_>, steps: Vec<Step>) -> Option<Span> {
    let now = site.flow.now();
    site.flow.start(now, 0, steps);
    let mut began = Time::ZERO;
    let mut ended = None;
    while let Some(note) = site.flow.next() {
        match note.what {
            BEGAN => began = note.time,
            ENDED => ended = Some(note.time),
            _ => {}
        }
    }
    ended.map(|ended| ended.since(began))
}

/// A pod: its own time, and its turn with the kubelet of its node.
fn pod(site: &mut Site<'_>, kubelet: StationId) -> Vec<Step> {
    let kubernetes = &site.experiment.continuum.kubernetes;
    let turn = kubernetes.kubelet.draw(&mut site.rng);
    let own = kubernetes.pod.draw(&mut site.rng);
    vec![work(kubelet, turn, 1.0), Step::Wait(own)]
}

/// One request of the manager, answered when Terraform has done it.
fn by_manager(site: &mut Site<'_>, count: u32, kubelet: StationId, start: bool) -> Vec<Step> {
    let manager = site.experiment.manager;
    let kubernetes = &site.experiment.continuum.kubernetes;
    let node = Resource {
        platform: Platform::Kubernetes,
        round_trip: site.experiment.continuum.cluster.round_trip,
        region: 0,
        cpus: 0.0,
        speed: 1.0,
        price_hour: 0.0,
        price_call: 0.0,
    };
    let providers = site.providers(&vec![node; count as usize]);
    let parallelism = site.flow.gate(manager.terraform.parallelism as usize);
    let mut resources = Vec::new();
    for _ in 0..count {
        let mut steps = vec![Step::Wait(kubernetes.request)];
        if start {
            steps.extend(pod(site, kubelet));
        }
        resources.push(steps);
    }
    let resources = Site::limited(parallelism, resources);
    // It marks the deployment as being changed.
    let amount = manager.database.create.draw(&mut site.rng);
    let touched = Touched {
        updated: 1,
        ..Touched::default()
    };
    let given_up = site.answer(FAILED);
    let transaction = site.transaction(work(site.database, amount, 1.0), touched, given_up);
    let mut served = vec![transaction];
    served.extend(site.command(site.parts(count), &providers, resources));
    if start {
        let command = manager.terraform.command;
        served.extend(site.command(command, &providers, Vec::new()));
        served.extend(site.output());
    }
    site.request(BEGAN, served, ENDED, Vec::new())
}

/// One request of the API after the other. A start ends when all pods are ready, a
/// stop with its last request.
fn by_api(site: &mut Site<'_>, count: u32, kubelet: StationId, start: bool) -> Vec<Step> {
    let kubernetes = &site.experiment.continuum.kubernetes;
    let mut pods = Vec::new();
    for index in 1..=u64::from(count) {
        let mut steps = vec![Step::Wait(Span(kubernetes.request.0 * index))];
        if start {
            steps.extend(pod(site, kubelet));
        }
        pods.push(steps);
    }
    vec![
        work(site.client, Span::ZERO, 1.0),
        Step::Note(Mark::Began(BEGAN)),
        Step::Wait(kubernetes.connect),
        Step::All(pods),
        Step::Note(Mark::Now(ENDED)),
    ]
}
