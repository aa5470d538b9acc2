//! Deployments that begin together, and their termination, as the manager does it:
//! a request to its API, then Terraform in the background.

use tidegate_core::{Span, Time};

use super::Experiment;
use super::samples::{Samples, names};
use super::site::{Site, Touched, work};
use super::task::Deployments;
use super::testbed::{Ec2, Platform, Resource};
use crate::flow::{Mark, Step};
use crate::outcome::{Metric, Outcome};

const BEGAN: u32 = 0;
const ANSWERED: u32 = 1;
const DONE: u32 = 2;
const FAILED: u32 = 3;

/// A response that takes longer was tried again.
const LATE: Span = Span::from_secs(1);

/// Deployments that begin together at most.
const MAX_CONCURRENT: u32 = 10_000;

/// Says what does not fit together, if anything.
pub(super) fn check(experiment: &Experiment<'_>, task: &Deployments) -> Result<(), String> {
    if task.concurrent > MAX_CONCURRENT {
        return Err(format!(
            "`concurrent` must be at most {MAX_CONCURRENT}, not {}",
            task.concurrent
        ));
    }
    resources(experiment, task).map(|_| ())
}

/// The resources that each deployment uses.
fn resources(experiment: &Experiment<'_>, task: &Deployments) -> Result<Vec<Resource>, String> {
    let Some(names) = task.compositions.get(&task.composition) else {
        let known: Vec<&str> = task.compositions.keys().map(String::as_str).collect();
        return Err(format!(
            "`composition` {:?} is not among the `compositions`: there are {}",
            task.composition,
            known.join(", ")
        ));
    };
    if names.is_empty() {
        return Err(format!(
            "`compositions.{}` names no resource",
            task.composition
        ));
    }
    let found = |name: &String| experiment.continuum.resource(name, "compositions");
    names.iter().map(|name| found(name).copied()).collect()
}

/// What one side of the experiment measures.
#[derive(Default)]
struct Sides {
    done: Samples,
    answered: Samples,
    failed: u32,
}

/// Deploys and terminates, again and again.
pub(super) fn run(experiment: &Experiment<'_>, task: &Deployments) -> Result<Outcome, String> {
    let resources = resources(experiment, task)?;
    let mut site = Site::new(experiment, "deployment");
    let (mut create, mut cancel) = (Sides::default(), Sides::default());
    for _ in 0..task.runs {
        for (deploy, sides) in [(true, &mut create), (false, &mut cancel)] {
            let requests: Vec<Vec<Step>> = (0..task.concurrent)
                .map(|_| request(&mut site, &resources, deploy))
                .collect();
            together(&mut site, requests, sides);
            site.flow.pass(task.pause);
        }
    }
    let mut metrics = create.done.metrics(names!("deployment", "s", 1e9));
    metrics.extend(cancel.done.metrics(names!("termination", "s", 1e9)));
    metrics.extend(
        create
            .answered
            .metrics(names!("create_response", "ms", 1e6)),
    );
    metrics.extend(
        cancel
            .answered
            .metrics(names!("cancel_response", "ms", 1e6)),
    );
    let (mean, max) = site.memory_mib();
    let cores = site.mean_cores();
    let late = |sides: &Sides| 100.0 * sides.answered.above(LATE);
    let failed = f64::from(create.failed + cancel.failed);
    for (name, unit, value) in [
        ("create_response_late_percent", "percent", late(&create)),
        ("cancel_response_late_percent", "percent", late(&cancel)),
        ("requests_failed", "requests", failed),
        ("manager_cpu_cores", "cores", cores),
        ("manager_mem_mib", "MiB", mean),
        ("manager_mem_max_mib", "MiB", max),
    ] {
        metrics.push(Metric { name, unit, value });
    }
    Ok(Outcome::of_numbers(metrics, site.flow.events()))
}

/// All requests begin together; ends when all are done.
fn together(site: &mut Site<'_>, requests: Vec<Vec<Step>>, sides: &mut Sides) {
    let now = site.flow.now();
    let mut began = vec![Time::ZERO; requests.len()];
    for (tag, steps) in requests.into_iter().enumerate() {
        site.flow.start(now, tag as u64, steps);
    }
    while let Some(note) = site.flow.next() {
        let began = &mut began[note.tag as usize];
        match note.what {
            BEGAN => *began = note.time,
            ANSWERED => sides.answered.push(note.time.since(*began)),
            FAILED => sides.failed += 1,
            _ => sides.done.push(note.time.since(*began)),
        }
    }
}

fn request(site: &mut Site<'_>, resources: &[Resource], deploy: bool) -> Vec<Step> {
    let database = site.experiment.manager.database;
    let parts = resources.len() as u32;
    // The deployment and each part of it are rows. For new ones their resources are
    // looked up; a termination changes them.
    let rows = 1 + parts;
    let (whole, each, touched) = if deploy {
        let touched = Touched {
            read: 1,
            inserted: rows,
            ..Touched::default()
        };
        (database.create, database.create_part, touched)
    } else {
        let touched = Touched {
            updated: rows,
            ..Touched::default()
        };
        (database.cancel, database.cancel_part, touched)
    };
    let whole = whole.draw(&mut site.rng);
    let amount = Span(whole.0 + each.0 * u64::from(parts));
    let given_up = site.answer(FAILED);
    let transaction = site.transaction(work(site.database, amount, 1.0), touched, given_up);
    let mut after = if deploy {
        deployment(site, resources)
    } else {
        termination(site, resources)
    };
    after.push(Step::Note(Mark::Now(DONE)));
    site.request(BEGAN, vec![transaction], ANSWERED, after)
}

/// From the answer until all parts can be used.
fn deployment(site: &mut Site<'_>, resources: &[Resource]) -> Vec<Step> {
    let mut steps = prepare(site, resources);
    steps.extend(apply(site, resources));
    steps.extend(look_up(site, resources));
    steps
}

/// What needs no resource yet: images, `init`.
pub(super) fn prepare(site: &mut Site<'_>, resources: &[Resource]) -> Vec<Step> {
    let terraform = &site.experiment.manager.terraform;
    let providers = site.providers(resources);
    let mut steps = Vec::new();
    let has_images = [Platform::Openfaas, Platform::Ec2];
    if resources
        .iter()
        .any(|one| has_images.contains(&one.platform))
    {
        steps.push(site.lookup());
        steps.push(Step::Wait(terraform.images.draw(&mut site.rng)));
    }
    steps.extend(site.init(&providers));
    steps
}

/// `apply`: the parts are made.
pub(super) fn apply(site: &mut Site<'_>, resources: &[Resource]) -> Vec<Step> {
    let parts = resources.iter().map(|one| deploy(site, one)).collect();
    let count = resources.len() as u32;
    site.command(site.parts(count), &site.providers(resources), parts)
}

/// `apply -refresh-only` and `output`: where they are.
pub(super) fn look_up(site: &Site<'_>, resources: &[Resource]) -> Vec<Step> {
    let command = site.experiment.manager.terraform.command;
    let mut steps = site.command(command, &site.providers(resources), Vec::new());
    steps.extend(site.output());
    steps
}

/// `destroy`.
pub(super) fn termination(site: &mut Site<'_>, resources: &[Resource]) -> Vec<Step> {
    let providers = site.providers(resources);
    let parts = resources.iter().map(|one| remove(site, one)).collect();
    site.command(site.experiment.manager.terraform.command, &providers, parts)
}

/// What a part takes on its platform until it can be used.
fn deploy(site: &mut Site<'_>, resource: &Resource) -> Vec<Step> {
    let continuum = site.experiment.continuum;
    let rng = &mut site.rng;
    let spans = match resource.platform {
        Platform::Openfaas => vec![resource.takes(continuum.openfaas.deploy.draw(rng))],
        Platform::Lambda => vec![continuum.lambda.deploy.draw(rng)],
        Platform::Kubernetes => vec![continuum.kubernetes.prepull.draw(rng)],
        Platform::Ec2 => {
            let Ec2 { poll, .. } = continuum.ec2;
            let install = continuum.ec2.install.draw(rng);
            // Noticed by the first question after it is there.
            let noticed = Span(install.0.div_ceil(poll.0) * poll.0);
            vec![
                continuum.ec2.prepare.draw(rng),
                continuum.ec2.launch.draw(rng),
                continuum.ec2.address.draw(rng),
                noticed,
                continuum.ec2.deploy.draw(rng),
            ]
        }
    };
    spans.into_iter().map(Step::Wait).collect()
}

/// What a part takes on its platform until it is gone.
fn remove(site: &mut Site<'_>, resource: &Resource) -> Vec<Step> {
    let continuum = site.experiment.continuum;
    let span = match resource.platform {
        Platform::Openfaas => continuum.openfaas.remove,
        Platform::Lambda => continuum.lambda.remove,
        Platform::Kubernetes => continuum.kubernetes.remove,
        Platform::Ec2 => continuum.ec2.remove,
    };
    vec![Step::Wait(span.draw(&mut site.rng))]
}
