//! Kubernetes as an engine: an Indexed Job, one index for each shard.
//!
//! - [`object`]: the Job that is submitted.
//! - [`status`]: what a Job and its pods say.
//!
//! Results are in a volume that pods claim and that this machine has mounted too.

pub mod object;

pub mod status;

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::api::batch::v1::Job as KubeJob;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{DeleteParams, ListParams, PostParams};
use kube::{Api, Client, Config};
use tokio::runtime::Runtime;

use crate::error::Error;
use crate::sweep::engine::{Engine, Job, Seen};
use crate::sweep::plan::Sweep;

/// How often a Job is created anew while one of its name is being removed.
const TRIES: u32 = 60;

/// What pods are made of.
#[derive(Clone, Debug)]
pub struct Kubernetes {
    /// The image, which has `tidegate` on its path and the scenarios in its folder.
    pub image: String,
    /// The claim for the volume of results.
    pub claim: String,
    /// The folder of the volume that is `--out`; empty: its root.
    pub folder: String,
    /// The namespace; none: the one that is configured.
    pub namespace: Option<String>,
}

impl Engine for Kubernetes {
    fn name(&self) -> &'static str {
        "kubernetes"
    }

    fn text(&self, sweep: &Sweep, shards: &[u64]) -> Result<String, Error> {
        let job = object::job(self, sweep, shards)?;
        serde_saphyr::to_string(&job)
            .map_err(|error| Error::Internal(format!("the Job cannot be written: {error}")))
    }

    fn submit(&self, sweep: &Sweep, shards: &[u64]) -> Result<Job, Error> {
        let job = object::job(self, sweep, shards)?;
        let cluster = Cluster::reach(self.namespace.as_deref())?;
        let name = job.metadata.name.clone().unwrap_or_default();
        cluster.runtime.block_on(cluster.create(&name, &job))?;
        Ok(Job {
            engine: self.name().to_owned(),
            id: name,
            shards: shards.to_vec(),
        })
    }

    fn look(&self, job: &Job) -> Result<Seen, Error> {
        let cluster = Cluster::reach(self.namespace.as_deref())?;
        cluster.runtime.block_on(cluster.look(job))
    }
}

/// A cluster that is configured, and may answer.
struct Cluster {
    jobs: Api<KubeJob>,
    pods: Api<Pod>,
    namespace: String,
    url: String,
    runtime: Runtime,
}

impl Cluster {
    /// The cluster of `KUBECONFIG`, `~/.kube/config`, or of the pod that this is.
    fn reach(namespace: Option<&str>) -> Result<Cluster, Error> {
        let fault = |error: &dyn std::fmt::Display| {
            Error::Usage(format!(
                "no cluster is configured that can be used: {error}\n  help: sweep where `kubectl \
                 get jobs` works, or add --emit to see what would be submitted"
            ))
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| Error::Internal(format!("no runtime: {error}")))?;
        let mut config = runtime
            .block_on(Config::infer())
            .map_err(|error| fault(&error))?;
        config.connect_timeout = Some(Duration::from_secs(10));
        config.read_timeout = Some(Duration::from_secs(30));
        let url = config.cluster_url.to_string();
        let namespace = namespace.unwrap_or(&config.default_namespace).to_owned();
        // The client's queue is a task of the runtime.
        let inside = runtime.enter();
        let client = Client::try_from(config).map_err(|error| fault(&error))?;
        drop(inside);
        Ok(Cluster {
            jobs: Api::namespaced(client.clone(), &namespace),
            pods: Api::namespaced(client, &namespace),
            namespace,
            url,
            runtime,
        })
    }

    /// Creates `job`. If it is there already and not over, that is the one: its name
    /// follows from all it says. If it is over, it is removed before.
    async fn create(&self, name: &str, job: &KubeJob) -> Result<(), Error> {
        for _ in 0..TRIES {
            match self.jobs.create(&PostParams::default(), job).await {
                Ok(_) => return Ok(()),
                Err(kube::Error::Api(status)) if status.code == 409 => {}
                Err(error) => return Err(self.refused("create a Job", &error)),
            }
            let found = self.jobs.get_opt(name).await;
            let found = found.map_err(|error| self.refused("look at a Job", &error))?;
            let Some(found) = found else { continue };
            if found.metadata.deletion_timestamp.is_none() {
                if status::end(&found).is_none() {
                    return Ok(());
                }
                let removed = self.jobs.delete(name, &DeleteParams::background()).await;
                removed.map_err(|error| self.refused("remove a Job that is over", &error))?;
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        Err(Error::Internal(format!(
            "Job {name} in namespace {} is over, was removed, and does not go away",
            self.namespace
        )))
    }

    /// How the tasks of `job` are.
    async fn look(&self, job: &Job) -> Result<Seen, Error> {
        let found = match self.jobs.get_opt(&job.id).await {
            Ok(Some(found)) => found,
            // Somebody removed it, or it was over long ago.
            Ok(None) => return Ok(Seen::Tasks(BTreeMap::new())),
            Err(error) if may_pass(&error) => return Ok(Seen::Silent(self.silence(&error))),
            Err(error) => return Err(self.refused("look at a Job", &error)),
        };
        let mut codes = BTreeMap::new();
        if status::end(&found).is_some() {
            // Who may not see pods does not learn how they ended, but that they did.
            let label = ListParams::default().labels(&format!("{}={}", object::LABEL, job.id));
            if let Ok(pods) = self.pods.list(&label).await {
                codes = pods.iter().filter_map(status::ending).collect();
            }
        }
        status::tasks(&found, &job.shards, &codes).map(Seen::Tasks)
    }

    fn refused(&self, what: &str, error: &kube::Error) -> Error {
        let namespace = &self.namespace;
        match error {
            kube::Error::Api(status) if status.code == 403 => Error::Internal(format!(
                "Kubernetes forbids to {what} in namespace {namespace}: {}\n  help: it takes the \
                 rights to create, get and delete `jobs` of `batch`, and to list `pods`",
                status.message
            )),
            kube::Error::Api(status) => Error::Internal(format!(
                "Kubernetes refused to {what} in namespace {namespace}: {} ({})",
                status.message, status.code
            )),
            _ => Error::Internal(self.silence(error)),
        }
    }

    fn silence(&self, error: &kube::Error) -> String {
        let mut text = error.to_string();
        let mut cause = std::error::Error::source(error);
        while let Some(error) = cause {
            let said = error.to_string();
            if !text.contains(&said) {
                text = format!("{text}: {said}");
            }
            cause = error.source();
        }
        format!("no answer from {}: {text}", self.url)
    }
}

/// Whether an error may be another one, or none, in a moment.
fn may_pass(error: &kube::Error) -> bool {
    match error {
        kube::Error::Api(status) => status.code == 429 || status.code >= 500,
        kube::Error::HyperError(_) | kube::Error::Service(_) => true,
        _ => false,
    }
}
