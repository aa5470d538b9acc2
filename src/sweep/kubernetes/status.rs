//! What a Job and its pods say.

use std::collections::BTreeMap;

use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;

use crate::error::Error;
use crate::sweep::engine::Task;
use crate::sweep::ranges;

/// How a Job ended, if it has: its condition and the reason.
pub fn end(job: &Job) -> Option<String> {
    let conditions = job.status.as_ref()?.conditions.as_ref()?;
    let over = |kind: &str| kind == "Complete" || kind == "Failed";
    let found = conditions
        .iter()
        .find(|condition| over(&condition.type_) && condition.status == "True")?;
    Some(match &found.reason {
        Some(reason) => format!("{}, {reason}", found.type_),
        None => found.type_.clone(),
    })
}

/// How the pod of an index ended, by index.
pub fn ending(pod: &Pod) -> Option<(u64, String)> {
    let annotations = pod.metadata.annotations.as_ref()?;
    let index = annotations.get("batch.kubernetes.io/job-completion-index")?;
    let status = pod.status.as_ref()?;
    let containers = status.container_statuses.iter().flatten();
    let ended = containers
        .filter_map(|container| container.state.as_ref()?.terminated.as_ref())
        .next();
    let how = match (ended, &status.reason) {
        (Some(ended), _) => {
            let reason = ended.reason.as_deref().unwrap_or("ended");
            format!("{reason}, exit code {}", ended.exit_code)
        }
        (None, Some(reason)) => reason.clone(),
        (None, None) => return None,
    };
    Some((index.parse().ok()?, how))
}

/// The tasks of a Job whose indexes are `shards` in their order. `endings` has what
/// pods say, by index.
///
/// # Errors
/// When the Job's status cannot be read.
pub fn tasks(
    job: &Job,
    shards: &[u64],
    endings: &BTreeMap<u64, String>,
) -> Result<BTreeMap<u64, Task>, Error> {
    let status = job.status.clone().unwrap_or_default();
    let indexes = |text: &Option<String>| -> Result<Vec<u64>, Error> {
        let text = text.as_deref().unwrap_or_default();
        ranges::numbers(text).ok_or_else(|| {
            Error::Internal(format!(
                "a Job lists `{text}` where indexes such as 0-3,5 were expected"
            ))
        })
    };
    let completed = indexes(&status.completed_indexes)?;
    let failed = indexes(&status.failed_indexes)?;
    let over = end(job);
    // A Job tells how many pods are active, not which: the first of those that are not
    // over stand for them.
    let mut active = status.active.unwrap_or(0);
    let tasks = shards.iter().zip(0..).map(|(&shard, index)| {
        let task = if completed.contains(&index) {
            Task::Ended("Completed".to_owned())
        } else if failed.contains(&index) {
            let how = endings.get(&index).cloned();
            Task::Ended(how.unwrap_or_else(|| "failed".to_owned()))
        } else if let Some(over) = &over {
            Task::Ended(format!("not run: the Job is over ({over})"))
        } else if active > 0 {
            active -= 1;
            Task::Running
        } else {
            Task::Waiting
        };
        (shard, task)
    });
    Ok(tasks.collect())
}
