//! The resource manager: what it costs and where it is capped.

use serde::{Deserialize, Serialize};
use tidegate_core::Span;
use tidegate_core::deployment::Retry;
use tidegate_core::manager::{Config, Monitoring, Placing, Reallocation, Timeouts};

use super::testbed::{Duration, count, not_negative, positive, share, span};

/// Read from `scenarios/managers/*.toml`.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Manager {
    /// Its proxy for calls.
    pub proxy: Proxy,
    /// Its database.
    pub database: Database,
    /// How it deploys.
    pub terraform: Terraform,
    /// When it judges objectives, and what it tells: for the core's manager.
    pub monitoring: Monitoring,
    /// How it chooses resources; as in the original if not given.
    #[serde(default = "original_placing")]
    pub placing: Placing,
    /// When it moves what violates an objective; without, it only tells.
    #[serde(default)]
    pub reallocation: Option<Reallocation>,
    /// How it tries again what failed; as in the original if not given.
    #[serde(default = "original_retry")]
    pub retry: Retry,
    /// How long it waits for answers.
    #[serde(default)]
    pub timeouts: Timeouts,
    /// What that costs.
    pub watching: Watching,
    /// CPU it uses when nothing is asked of it, in cores.
    pub idle_cores: f64,
    /// Memory it uses then.
    pub idle_mib: f64,
}

/// Terraform: a directory and a few processes for each deployment.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Terraform {
    /// CPU of a command that concerns resources (`apply`, `destroy`), without its
    /// providers'.
    pub command: Span,
    /// CPU of `output`.
    pub output: Span,
    /// CPU of a command for each part or service that it starts or stops.
    pub part: Span,
    /// CPU of a command for each pair of them: what its graph costs.
    pub pair: Span,
    /// What a command does at the same time at most (`-parallelism`).
    pub parallelism: u32,
    /// Memory of a command, without its providers'.
    pub mib: f64,
    /// Names that `init` looks up for each provider.
    pub lookups: u32,
    /// What `init` takes beside its work: registry and releases.
    pub registry: Duration,
    /// Asking the image registry whether images are newer.
    pub images: Duration,
    /// The plug-ins it fetches and runs.
    pub providers: Providers,
}

/// The plug-ins of Terraform that the manager uses.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Providers {
    /// For Lambda and EC2.
    pub aws: Provider,
    /// For Kubernetes.
    pub kubernetes: Provider,
    /// For functions on OpenFaaS.
    pub openfaas: Provider,
}

/// A plug-in of Terraform.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Provider {
    /// What is fetched for each deployment.
    pub download_mib: f64,
    /// CPU to check and unpack it.
    pub unpack: Span,
    /// CPU to start it and load its schema, in each command.
    pub start: Span,
    /// CPUs it uses for that at a time.
    pub width: f64,
    /// Memory while it runs.
    pub mib: f64,
}

/// How calls are forwarded.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Proxy {
    /// Event loops that serve the API; connections are given to them in turn.
    pub verticles: u32,
    /// Connections of one event loop to one target, kept alive.
    pub connections: u32,
    /// CPU for a call on its way to the function.
    pub forward: Span,
    /// CPU for the answer.
    pub answer: Span,
    /// CPU for a secure connection to a target.
    pub secure: Span,
    /// The execution time is pushed to the time series database before the answer:
    /// how long that takes.
    pub push: Span,
}

/// What watching costs.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Watching {
    /// How often resources are sampled: from the end of one time to the next.
    pub sampling: Span,
    /// How long the transactions of a sampling stay open.
    pub open: Span,
    /// How long an evaluation takes, without its deployments.
    pub cycle: Span,
    /// How long the queries for a deployment take.
    pub query: Span,
    /// How long the post of an alert takes.
    pub post: Span,
}

/// A database whose transactions are all serializable.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Database {
    /// How long the read of a call's target takes.
    pub read: Span,
    /// How likely a query of a transaction makes it fail, if it meets those of a
    /// sampling.
    pub read_clash: f64,
    /// How likely a row that it changes does.
    pub update_clash: f64,
    /// Work to validate and write a deployment, without its parts.
    pub create: Duration,
    /// Work for each part of it.
    pub create_part: Span,
    /// Work to begin a termination, without its parts.
    pub cancel: Duration,
    /// Work for each part of it.
    pub cancel_part: Span,
    /// Work that it does at a time.
    pub width: f64,
    /// When a transaction that failed is tried again.
    pub retry: Span,
    /// How often at most.
    pub retries: u32,
}

fn original_placing() -> Placing {
    Config::original().placing
}

fn original_retry() -> Retry {
    Config::original().retry
}

impl Manager {
    /// The parameters of the core's manager.
    pub(super) fn config(&self) -> Config {
        Config {
            monitoring: self.monitoring,
            placing: self.placing,
            retry: self.retry,
            timeouts: self.timeouts,
            reallocation: self.reallocation,
            ..Config::original()
        }
    }

    /// Says what is wrong with the numbers, if anything.
    ///
    /// # Errors
    /// With the key in backticks.
    pub fn check(&self) -> Result<(), String> {
        let (proxy, database) = (&self.proxy, &self.database);
        count("proxy.verticles", proxy.verticles)?;
        count("proxy.connections", proxy.connections)?;
        share("database.read_clash", database.read_clash)?;
        share("database.update_clash", database.update_clash)?;
        database.create.check("database.create")?;
        database.cancel.check("database.cancel")?;
        positive("database.width", database.width)?;
        not_negative("idle_cores", self.idle_cores)?;
        not_negative("idle_mib", self.idle_mib)?;
        self.terraform.check()?;
        if self.watching.sampling == Span::ZERO {
            return Err("`watching.sampling` must be above zero".to_owned());
        }
        self.config()
            .validate()
            .map_err(|error| error.to_string())?;
        let spans = [
            ("proxy.forward", proxy.forward),
            ("proxy.answer", proxy.answer),
            ("proxy.secure", proxy.secure),
            ("proxy.push", proxy.push),
            ("watching.sampling", self.watching.sampling),
            ("watching.open", self.watching.open),
            ("watching.cycle", self.watching.cycle),
            ("watching.query", self.watching.query),
            ("watching.post", self.watching.post),
            ("database.read", database.read),
            ("database.create_part", database.create_part),
            ("database.cancel_part", database.cancel_part),
            ("database.retry", database.retry),
        ];
        spans
            .into_iter()
            .try_for_each(|(key, value)| span(key, value))
    }
}

impl Terraform {
    fn check(&self) -> Result<(), String> {
        count("terraform.parallelism", self.parallelism)?;
        not_negative("terraform.mib", self.mib)?;
        if self.lookups > 1_000 {
            return Err(format!(
                "`terraform.lookups` must be at most 1000, not {}",
                self.lookups
            ));
        }
        let spans = [
            ("terraform.command", self.command),
            ("terraform.output", self.output),
            ("terraform.part", self.part),
            ("terraform.pair", self.pair),
        ];
        spans
            .into_iter()
            .try_for_each(|(key, value)| span(key, value))?;
        self.registry.check("terraform.registry")?;
        self.images.check("terraform.images")?;
        let providers = [
            ("aws", self.providers.aws),
            ("kubernetes", self.providers.kubernetes),
            ("openfaas", self.providers.openfaas),
        ];
        for (name, provider) in providers {
            let key = |key: &str| format!("terraform.providers.{name}.{key}");
            not_negative(&key("download_mib"), provider.download_mib)?;
            not_negative(&key("mib"), provider.mib)?;
            positive(&key("width"), provider.width)?;
            span(&key("unpack"), provider.unpack)?;
            span(&key("start"), provider.start)?;
        }
        Ok(())
    }
}
