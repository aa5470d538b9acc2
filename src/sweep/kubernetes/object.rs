//! The Job that is submitted.

use std::collections::BTreeMap;

use k8s_openapi::api::batch::v1::{Job, JobSpec};
use k8s_openapi::api::core::v1::{
    Container, PersistentVolumeClaimVolumeSource, PodSpec, PodTemplateSpec, ResourceRequirements,
    Volume, VolumeMount,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::error::Error;
use crate::scenario::digest;
use crate::sweep::kubernetes::Kubernetes;
use crate::sweep::plan::{Sweep, quoted};

/// The label by which the pods of a Job are found.
pub const LABEL: &str = "batch.kubernetes.io/job-name";

/// A program's arguments have a limit (Linux: 128 KiB for one), and so has an object.
const MOST: usize = 10_000;

/// The Job of these shards: its indexes 0, 1, ... are the shards in their order.
///
/// Its name follows from all it says: the same is never created twice.
///
/// # Errors
/// When there are too many shards, or the folder is not UTF-8.
pub fn job(kubernetes: &Kubernetes, sweep: &Sweep, shards: &[u64]) -> Result<Job, Error> {
    if shards.len() > MOST {
        return Err(Error::Usage(format!(
            "{} shards are more than one Job takes here\n  help: --shards {MOST} at most, with \
             more --cpus each",
            shards.len()
        )));
    }
    let script = script(sweep, shards);
    let out = sweep.out.to_string_lossy().into_owned();
    let parts = [
        &script,
        &out,
        &kubernetes.image,
        &kubernetes.claim,
        &kubernetes.folder,
    ];
    let name: String = digest(&parts.map(String::as_str)).chars().take(8).collect();
    let cpus = Quantity(sweep.cpus.to_string());
    let count = i32::try_from(shards.len()).unwrap_or(i32::MAX);
    let folder = &kubernetes.folder;
    let container = Container {
        name: "tidegate".to_owned(),
        image: Some(kubernetes.image.clone()),
        command: Some(vec!["/bin/sh".to_owned(), "-c".to_owned(), script]),
        resources: Some(ResourceRequirements {
            requests: Some(BTreeMap::from([("cpu".to_owned(), cpus)])),
            ..ResourceRequirements::default()
        }),
        volume_mounts: Some(vec![VolumeMount {
            name: "results".to_owned(),
            mount_path: out,
            sub_path: (!folder.is_empty()).then(|| folder.clone()),
            ..VolumeMount::default()
        }]),
        ..Container::default()
    };
    let volume = Volume {
        name: "results".to_owned(),
        persistent_volume_claim: Some(PersistentVolumeClaimVolumeSource {
            claim_name: kubernetes.claim.clone(),
            read_only: None,
        }),
        ..Volume::default()
    };
    Ok(Job {
        metadata: ObjectMeta {
            name: Some(format!("tidegate-{}-{name}", sweep.id())),
            namespace: kubernetes.namespace.clone(),
            ..ObjectMeta::default()
        },
        spec: Some(JobSpec {
            completion_mode: Some("Indexed".to_owned()),
            completions: Some(count),
            parallelism: Some(count),
            // One that fails does not keep others from ending, and is not tried again
            // unasked: runs are deterministic.
            backoff_limit_per_index: Some(0),
            template: PodTemplateSpec {
                metadata: None,
                spec: Some(PodSpec {
                    restart_policy: Some("Never".to_owned()),
                    containers: vec![container],
                    volumes: Some(vec![volume]),
                    ..PodSpec::default()
                }),
            },
            ..JobSpec::default()
        }),
        status: None,
    })
}

/// What the shell of each pod does.
fn script(sweep: &Sweep, shards: &[u64]) -> String {
    let shards: Vec<String> = shards.iter().map(u64::to_string).collect();
    let logs = quoted(&format!("{}/", sweep.logs().to_string_lossy()));
    format!(
        "set -- {}\nshift \"$JOB_COMPLETION_INDEX\"\nshard=$1\nexec {} >{logs}\"$shard.log\" 2>&1\n",
        shards.join(" "),
        sweep.line("tidegate")
    )
}
