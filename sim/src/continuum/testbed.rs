//! The resources of a continuum, the cluster between them, and their platforms.

use std::collections::BTreeMap;

use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use serde::{Deserialize, Serialize};
use tidegate_core::Span;

/// Read from `scenarios/testbeds/*.toml` of kind "continuum".
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Continuum {
    /// Where client, manager and database run.
    pub cluster: Cluster,
    /// What functions cost on OpenFaaS.
    pub functions: Functions,
    /// AWS Lambda.
    pub lambda: Lambda,
    /// OpenFaaS on a device.
    pub openfaas: Openfaas,
    /// EC2 and what is installed on it.
    pub ec2: Ec2,
    /// Kubernetes.
    pub kubernetes: Kubernetes,
    /// What can be deployed on, by name.
    pub resources: BTreeMap<String, Resource>,
}

/// The cluster that client, manager and database run on.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Cluster {
    /// Round trip between two pods.
    pub round_trip: Span,
    /// CPUs of the manager's node.
    pub cpus: f64,
    /// What its link to the Internet carries, in MiB/s.
    pub link_mib_s: f64,
    /// Its name service.
    pub resolver: Resolver,
    /// Share of the messages to and from the manager that are lost.
    pub lost: f64,
    /// When TCP sends a lost one again, beside the round trip.
    pub retransmission: Span,
}

/// How names are resolved inside the cluster. Lookups at the same time can lose a
/// packet to each other; a lookup alone never does.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Resolver {
    /// How long a lookup takes.
    pub takes: Span,
    /// Share of the lookups beside others that lose a packet.
    pub lost: f64,
    /// When a lost packet is sent again.
    pub timeout: Span,
    /// Share of the lookups beside others that are answered late.
    pub late: f64,
    /// How late at most; as likely at any time before.
    pub late_max: Span,
}

/// A function on OpenFaaS, at the speed of the reference CPU.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Functions {
    /// Calls that one function serves at a time.
    pub threads: u32,
    /// CPU of gateway, provider and watchdog before a function sees its call.
    pub gateway: Duration,
    /// CPU of the function's server to read a call. One thread does it, going
    /// round all calls that have come.
    pub reading: Duration,
    /// CPU of the way back.
    pub reply: Duration,
}

/// AWS Lambda.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Lambda {
    /// What a call takes beside the function and the network.
    pub overhead: Span,
    /// What a call takes more when it needs a new instance.
    pub cold_start: Span,
    /// Instances of one function at most.
    pub concurrency: u32,
    /// From the first request for a layer, a function and its URL until it can be
    /// called.
    pub deploy: Duration,
    /// Until all of it is gone.
    pub remove: Duration,
}

/// OpenFaaS on a device.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Openfaas {
    /// From the request until the function serves: image pull and container start,
    /// at the speed of the reference CPU.
    pub deploy: Duration,
    /// Until it is gone.
    pub remove: Duration,
}

/// A virtual machine with OpenFaaS on it.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Ec2 {
    /// Image look-up and security group.
    pub prepare: Duration,
    /// From the request until the machine is said to run.
    pub launch: Duration,
    /// The fixed address.
    pub address: Duration,
    /// From then on until OpenFaaS answers: boot and installation.
    pub install: Duration,
    /// How often it is asked whether it does.
    pub poll: Span,
    /// From the request until the function serves.
    pub deploy: Duration,
    /// Until machine, address and group are gone.
    pub remove: Duration,
}

/// Kubernetes.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Kubernetes {
    /// From the request until a DaemonSet has pulled the images that nodes do not
    /// have.
    pub prepull: Duration,
    /// Until the DaemonSet is gone.
    pub remove: Duration,
    /// Opening a connection to the API.
    pub connect: Span,
    /// One request to it.
    pub request: Span,
    /// From a pod's request until it is ready, alone on its node, without the
    /// kubelet's turn.
    pub pod: Duration,
    /// The kubelet's turn: it starts pods one after the other.
    pub kubelet: Duration,
}

/// A time that is not the same each time: log-normal.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Duration {
    /// Its mean.
    pub mean: Span,
    /// Its standard deviation as a share of the mean.
    #[serde(default)]
    pub spread: f64,
}

impl Duration {
    /// Draws one.
    pub(super) fn draw(self, rng: &mut ChaCha8Rng) -> Span {
        let z: f64 = StandardNormal.sample(rng);
        // Of a log-normal with this mean and spread.
        let sigma = (1.0 + self.spread * self.spread).ln().sqrt();
        Span((self.mean.0 as f64 * (sigma * z - 0.5 * sigma * sigma).exp()) as u64)
    }

    pub(super) fn check(self, key: &str) -> Result<(), String> {
        span(&format!("{key}.mean"), self.mean)?;
        share(&format!("{key}.spread"), self.spread)
    }
}

/// What a resource is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Platform {
    /// A device that runs OpenFaaS (faasd).
    Openfaas,
    /// A virtual machine that the manager starts and puts OpenFaaS on.
    Ec2,
    /// Functions without servers.
    Lambda,
    /// A node of a Kubernetes cluster.
    Kubernetes,
}

/// A resource.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Resource {
    /// What it is.
    pub platform: Platform,
    /// Round trip from the cluster.
    pub round_trip: Span,
    /// Which region of a cloud it is in, by number.
    #[serde(default)]
    pub region: u32,
    /// CPUs; nothing where nobody knows.
    #[serde(default)]
    pub cpus: f64,
    /// Speed of one of them against the reference.
    #[serde(default = "one")]
    pub speed: f64,
    /// Price of an hour in which something is deployed on it, in dollars.
    #[serde(default)]
    pub price_hour: f64,
    /// Price of a call, in dollars.
    #[serde(default)]
    pub price_call: f64,
}

fn one() -> f64 {
    1.0
}

/// No CPU count, speed or cap is above this.
const MAX: f64 = 1e5;
/// No delay of a model is longer than this.
pub(super) const MAX_SPAN: Span = Span::from_secs(3_600);

impl Resource {
    /// How long CPU-bound work takes here that takes `span` on the reference.
    pub(super) fn takes(&self, span: Span) -> Span {
        Span((span.0 as f64 / self.speed) as u64)
    }
}

impl Continuum {
    /// The resource called `name`, which `key` asks for.
    ///
    /// # Errors
    /// When there is none.
    pub(super) fn resource(&self, name: &str, key: &str) -> Result<&Resource, String> {
        self.resources.get(name).ok_or_else(|| {
            let known: Vec<&str> = self.resources.keys().map(String::as_str).collect();
            format!(
                "`{key}` asks for {name:?}, which is not in the testbed: there are {}",
                known.join(", ")
            )
        })
    }

    /// Says what is wrong with the numbers, if anything.
    ///
    /// # Errors
    /// With the key in backticks.
    pub fn check(&self) -> Result<(), String> {
        positive("cluster.cpus", self.cluster.cpus)?;
        positive("cluster.link_mib_s", self.cluster.link_mib_s)?;
        let resolver = &self.cluster.resolver;
        share("cluster.resolver.lost", resolver.lost)?;
        share("cluster.resolver.late", resolver.late)?;
        if resolver.lost + resolver.late > 1.0 {
            return Err("`cluster.resolver.late` and `lost` come to more than 1".to_owned());
        }
        count("functions.threads", self.functions.threads)?;
        count("lambda.concurrency", self.lambda.concurrency)?;
        let spans = [
            ("cluster.round_trip", self.cluster.round_trip),
            ("cluster.resolver.takes", resolver.takes),
            ("cluster.resolver.timeout", resolver.timeout),
            ("cluster.resolver.late_max", resolver.late_max),
            ("cluster.retransmission", self.cluster.retransmission),
            ("lambda.overhead", self.lambda.overhead),
            ("lambda.cold_start", self.lambda.cold_start),
            ("ec2.poll", self.ec2.poll),
            ("kubernetes.connect", self.kubernetes.connect),
            ("kubernetes.request", self.kubernetes.request),
        ];
        spans
            .into_iter()
            .try_for_each(|(key, value)| span(key, value))?;
        let (ec2, kubernetes) = (&self.ec2, &self.kubernetes);
        share("cluster.lost", self.cluster.lost)?;
        let durations = [
            ("functions.gateway", self.functions.gateway),
            ("functions.reading", self.functions.reading),
            ("functions.reply", self.functions.reply),
            ("lambda.deploy", self.lambda.deploy),
            ("lambda.remove", self.lambda.remove),
            ("openfaas.deploy", self.openfaas.deploy),
            ("openfaas.remove", self.openfaas.remove),
            ("ec2.prepare", ec2.prepare),
            ("ec2.launch", ec2.launch),
            ("ec2.address", ec2.address),
            ("ec2.install", ec2.install),
            ("ec2.deploy", ec2.deploy),
            ("ec2.remove", ec2.remove),
            ("kubernetes.prepull", kubernetes.prepull),
            ("kubernetes.remove", kubernetes.remove),
            ("kubernetes.pod", kubernetes.pod),
            ("kubernetes.kubelet", kubernetes.kubelet),
        ];
        durations
            .into_iter()
            .try_for_each(|(key, value)| value.check(key))?;
        if ec2.poll == Span::ZERO {
            return Err("`ec2.poll` must be above zero".to_owned());
        }
        if self.resources.is_empty() {
            return Err("`resources` is empty: a continuum needs at least one".to_owned());
        }
        for (name, resource) in &self.resources {
            let key = |key: &str| format!("resources.{name}.{key}");
            span(&key("round_trip"), resource.round_trip)?;
            positive(&key("speed"), resource.speed)?;
            not_negative(&key("price_hour"), resource.price_hour)?;
            not_negative(&key("price_call"), resource.price_call)?;
            if matches!(resource.platform, Platform::Openfaas | Platform::Ec2) {
                positive(&key("cpus"), resource.cpus)?;
            }
        }
        Ok(())
    }
}

/// A number above zero.
pub(super) fn positive(key: &str, value: f64) -> Result<(), String> {
    if value > 0.0 && value <= MAX {
        Ok(())
    } else {
        Err(format!(
            "`{key}` must be above zero and at most {MAX}, not {value}"
        ))
    }
}

/// A number that may be zero.
pub(super) fn not_negative(key: &str, value: f64) -> Result<(), String> {
    if (0.0..=MAX).contains(&value) {
        Ok(())
    } else {
        Err(format!("`{key}` must be between 0 and {MAX}, not {value}"))
    }
}

/// A share of a whole.
pub(super) fn share(key: &str, value: f64) -> Result<(), String> {
    if (0.0..=1.0).contains(&value) {
        Ok(())
    } else {
        Err(format!("`{key}` must be between 0 and 1, not {value}"))
    }
}

/// A number of things.
pub(super) fn count(key: &str, value: u32) -> Result<(), String> {
    if value >= 1 && f64::from(value) <= MAX {
        Ok(())
    } else {
        Err(format!("`{key}` must be between 1 and {MAX}, not {value}"))
    }
}

/// A delay.
pub(super) fn span(key: &str, value: Span) -> Result<(), String> {
    if value <= MAX_SPAN {
        Ok(())
    } else {
        Err(format!("`{key}` must be at most {MAX_SPAN}, not {value}"))
    }
}
