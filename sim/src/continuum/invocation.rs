//! Function calls: from the client, directly or through the manager's proxy, to a
//! function on a resource and back.

mod path;

use tidegate_core::Time;

use super::samples::{Samples, names};
use super::task::Invocations;
use super::testbed::Platform;
use super::{Experiment, Via};
use crate::outcome::{Metric, Outcome};
use path::Path;

/// Calls of one batch at most: the cost of the client's pool grows with their
/// square.
const MAX_CONCURRENT: u32 = 10_000;

/// Says what does not fit together, if anything.
pub(super) fn check(experiment: &Experiment<'_>, task: &Invocations) -> Result<(), String> {
    if task.concurrent > MAX_CONCURRENT {
        return Err(format!(
            "`concurrent` must be at most {MAX_CONCURRENT}, not {}",
            task.concurrent
        ));
    }
    if experiment.client.via == Via::K8sApi {
        return Err("`resource` cannot be called through the API of Kubernetes".to_owned());
    }
    let resource = experiment.continuum.resource(&task.resource, "resource")?;
    if resource.platform == Platform::Kubernetes {
        return Err(format!("`resource` {:?} runs no functions", task.resource));
    }
    Ok(())
}

/// Batch after batch of calls that begin together.
pub(super) fn run(experiment: &Experiment<'_>, task: &Invocations) -> Result<Outcome, String> {
    let resource = experiment.continuum.resource(&task.resource, "resource")?;
    let mut path = Path::new(experiment, *resource, task.execution);
    let mut samples = Samples::default();
    let mut failed = 0;
    for _ in 0..task.runs {
        // A call counts from when the client's one thread gets to it.
        let mut began = vec![Time::ZERO; task.concurrent as usize];
        for note in path.batch(task.concurrent) {
            match note.what {
                path::BEGAN => began[note.tag as usize] = note.time,
                path::FAILED => failed += 1,
                _ => samples.push(note.time.since(began[note.tag as usize])),
            }
        }
    }
    let mut metrics = samples.metrics(names!("round_trip", "ms", 1e6));
    metrics.push(Metric {
        name: "calls",
        unit: "calls",
        value: f64::from(task.runs) * f64::from(task.concurrent),
    });
    metrics.push(Metric {
        name: "calls_failed",
        unit: "calls",
        value: f64::from(failed),
    });
    Ok(Outcome::of_numbers(metrics, path.events()))
}
