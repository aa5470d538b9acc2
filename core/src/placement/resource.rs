//! What the inventory says of a resource, and what a part asks of one.

use serde::{Deserialize, Serialize};

use crate::id::ResourceId;
use crate::slo::Metric;
use crate::slo::readings::Known;
use crate::units::{Bytes, Cores};

/// What runs on a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Platform {
    /// AWS Lambda in one region.
    Lambda,
    /// AWS EC2 in one region: a virtual machine with OpenFaaS per deployment.
    Ec2,
    /// A device with OpenFaaS (faasd).
    #[serde(rename = "openfaas")]
    OpenFaas,
    /// A Kubernetes cluster or one node of it.
    Kubernetes,
}

/// What a part is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PartKind {
    /// Serves as soon as it is deployed.
    Function,
    /// Its image is pulled when it is deployed; it serves once it is started.
    Service,
}

impl Platform {
    /// All platforms.
    pub const ALL: [Platform; 4] = [
        Platform::Lambda,
        Platform::Ec2,
        Platform::OpenFaas,
        Platform::Kubernetes,
    ];

    /// The name in objectives and files.
    pub const fn name(self) -> &'static str {
        match self {
            Platform::Lambda => "lambda",
            Platform::Ec2 => "ec2",
            Platform::OpenFaas => "openfaas",
            Platform::Kubernetes => "kubernetes",
        }
    }

    /// What can be deployed there (the original's `faas` and `container`).
    pub const fn runs(self) -> PartKind {
        match self {
            Platform::Lambda | Platform::Ec2 | Platform::OpenFaas => PartKind::Function,
            Platform::Kubernetes => PartKind::Service,
        }
    }
}

/// What a resource has for parts; `None` is without limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Capacity {
    /// CPU.
    pub cpu: Option<Cores>,
    /// Memory.
    pub memory: Option<Bytes>,
    /// Storage.
    pub storage: Option<Bytes>,
}

/// What one instance of a part takes of a resource's capacity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Demand {
    /// CPU.
    pub cpu: Cores,
    /// Memory.
    pub memory: Bytes,
    /// Storage.
    pub storage: Bytes,
}

/// A resource as the inventory describes it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Resource {
    /// Its name.
    pub id: ResourceId,
    /// Its name for people.
    pub name: String,
    /// What runs on it.
    pub platform: Platform,
    /// Whose it is, such as "aws".
    pub provider: String,
    /// Where it is, such as "us-east-1".
    pub region: String,
    /// Edge, fog or cloud.
    pub environment: String,
    /// Its machine type, if it has one.
    pub instance_type: Option<String>,
    /// Its price, in any unit that is the same for all resources.
    pub cost: Option<f64>,
    /// What it has for parts.
    pub capacity: Capacity,
    /// Whether a deployment may have it for itself.
    pub lockable: bool,
}

impl Resource {
    /// What the description of a resource says of a metric; a capacity without limit
    /// is the largest number there is (not infinity, which journals cannot hold).
    pub(crate) fn described(&self, metric: Metric) -> Known<'_> {
        let capacity = &self.capacity;
        let bytes = |bytes: Option<Bytes>| Known::Number(bytes.map_or(f64::MAX, |b| b.0 as f64));
        match metric {
            Metric::Cost => self.cost.map_or(Known::Missing, Known::Number),
            Metric::CpuTotal => Known::Number(capacity.cpu.map_or(f64::MAX, Cores::as_f64)),
            Metric::MemoryTotal => bytes(capacity.memory),
            Metric::StorageTotal => bytes(capacity.storage),
            Metric::InstanceType => match &self.instance_type {
                Some(name) => Known::Name(name),
                None => Known::Missing,
            },
            Metric::Region => Known::Name(&self.region),
            Metric::Provider => Known::Name(&self.provider),
            Metric::Platform => Known::Name(self.platform.name()),
            Metric::Environment => Known::Name(&self.environment),
            _ => Known::Missing,
        }
    }
}
