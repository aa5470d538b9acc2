//! Allocator pieces: from their table to the policy of the core.

use serde::de::IntoDeserializer;
use serde::{Deserialize, Serialize};
use tidegate_core::autopilot::{self, Autopilot};
use tidegate_core::captain::{self, Captain};
use tidegate_core::escra::{self, Escra};
use tidegate_core::fixed::Fixed;
use tidegate_core::k8s_cpu::{self, K8sCpu};
use tidegate_core::tide::{self, Tide};
use tidegate_core::vpa::{self, Vpa};
use tidegate_core::{Allocator, Bytes, Cores, Delivery, Limits, Span};
use tidegate_sim::Testbed;
use tidegate_workloads::application::read::{MAX_CPU, MAX_ENTRIES, MAX_MEMORY};
use tidegate_workloads::application::{Deployment, Service};
use tidegate_workloads::{Application, FileError, file};
use toml::Value;

use crate::scenario::format::{Level, Limit, Share};
use crate::scenario::layer::Document;

/// No container's limit is set below these, unless the scenario says otherwise, when limits are computed from a
/// profile (source code: the floors in the deployer's configurations).
const FLOOR: Limits = Limits {
    cpu: Cores::from_millis(300),
    memory: Bytes::from_mib(25),
};

/// Limits at the highest level summed over the largest application, in the
/// smallest unit, are less than half of what u64 counts: no Ω wraps.
const _: () = {
    let most = MAX_ENTRIES as u128 * (Level::MAX / 1.5 + 1.0) as u128;
    assert!(most * (MAX_CPU.0 as u128) < u64::MAX as u128 / 2);
    assert!(most * (MAX_MEMORY.0 as u128) < u64::MAX as u128 / 2);
};

/// A policy with its parameters.
#[derive(Clone, Debug)]
pub enum Policy {
    /// Static limits at a multiple of the profiled maximum.
    Fixed(FixedPiece),
    /// Escra.
    /// The length of its periods is the testbed's, whatever stands here.
    Escra(escra::Config),
    /// Tide.
    Tide(tide::Config),
    /// Autothrottle's controller of one service.
    Captain(captain::Config),
    /// A utilisation target on CPU, as Kubernetes' autoscaler has it.
    K8sCpu(k8s_cpu::Config),
    /// The Kubernetes vertical pod autoscaler.
    Vpa {
        /// Its parameters.
        config: vpa::Config,
        /// Whether it starts with a history of use at the static 1x limits.
        history: bool,
    },
    /// Autopilot, under Ω or not.
    Autopilot {
        /// Its parameters.
        config: autopilot::Config,
        /// Whether Ω applies.
        capped: bool,
        /// Whether its clock starts with the client, after the containers have
        /// settled, instead of with the containers.
        starts_with_client: bool,
    },
}

/// The keys of an allocator of kind "fixed".
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct FixedPiece {
    /// Multiple of the profiled maximum.
    pub level: FixedLevel,
}

/// Where static limits are.
#[derive(Clone, Copy, Debug)]
pub enum FixedLevel {
    /// At the level that Ω is given by (`limit.level`). Text form: "limit".
    Limit,
    /// At this one.
    At(Level),
}

impl<'de> Deserialize<'de> for FixedLevel {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<FixedLevel, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text == "limit" {
            return Ok(FixedLevel::Limit);
        }
        Level::deserialize(text.into_deserializer()).map(FixedLevel::At)
    }
}

impl Serialize for FixedLevel {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            FixedLevel::Limit => serializer.serialize_str("limit"),
            FixedLevel::At(level) => level.serialize(serializer),
        }
    }
}

impl FixedPiece {
    /// The level under Ω as `limit` says.
    fn level(self, limit: &Limit) -> Level {
        match self.level {
            FixedLevel::Limit => limit.level,
            FixedLevel::At(level) => level,
        }
    }
}

/// The kinds of allocators.
const KINDS: [&str; 7] = [
    "fixed",
    "escra",
    "autopilot",
    "tide",
    "captain",
    "k8s-cpu",
    "vpa",
];

/// Baselines that need limits to start from get the profiled maximum.
const INITIAL: Level = Level(1.0);

impl Policy {
    /// Reads an allocator piece.
    ///
    /// # Errors
    /// When it has no `kind`, or the keys or values are not those of its kind.
    pub fn read(mut piece: Document) -> Result<Policy, FileError> {
        let kind_at = piece.value_at(&["kind".to_owned()]);
        let kind = match piece.take("kind") {
            Some(Value::String(kind)) => kind,
            Some(other) => {
                return Err(kind_at.error(format!(
                    "`kind` must be text in quotes, not {}",
                    other.type_str()
                )));
            }
            None => {
                return Err(piece
                    .error(&[], "missing key `kind`: which allocator is it?")
                    .with_help(format!("expected one of `{}`", KINDS.join("`, `"))));
            }
        };
        match kind.as_str() {
            "fixed" => piece.decode().map(Policy::Fixed),
            "escra" => {
                if piece.table().contains_key("period") {
                    let message = "`period` is no key of an allocator: Escra is told of the \
                                   periods of the hosts";
                    return Err(piece
                        .key_error(&["period"], message)
                        .with_help("`cfs.period` of the testbed sets their length"));
                }
                let config: escra::Config = piece.decode()?;
                checked(&piece, config.check())?;
                Ok(Policy::Escra(config))
            }
            "tide" => {
                let config: tide::Config = piece.decode()?;
                checked(&piece, config.check())?;
                Ok(Policy::Tide(config))
            }
            "captain" => {
                let config: captain::Config = piece.decode()?;
                checked(&piece, config.validate())?;
                Ok(Policy::Captain(config))
            }
            "k8s-cpu" => {
                let config: k8s_cpu::Config = piece.decode()?;
                checked(&piece, config.validate())?;
                Ok(Policy::K8sCpu(config))
            }
            "vpa" => {
                let history = flag(&mut piece, "history")?;
                let config: vpa::Config = piece.decode()?;
                checked(&piece, config.validate())?;
                Ok(Policy::Vpa { config, history })
            }
            "autopilot" => {
                let capped = flag(&mut piece, "capped")?;
                let starts_with_client = flag(&mut piece, "starts_with_client")?;
                let config: autopilot::Config = piece.decode()?;
                checked(&piece, config.validate())?;
                Ok(Policy::Autopilot {
                    config,
                    capped,
                    starts_with_client,
                })
            }
            other => {
                let error = kind_at.error(format!("there is no kind of allocator `{other}`"));
                Err(match file::suggestion(other, KINDS) {
                    Some(help) => error.with_help(help),
                    None => error,
                })
            }
        }
    }

    /// All that decides what it does under Ω as `limit` says, as text: equal for
    /// two policies that do the same.
    pub fn identity(&self, limit: &Limit) -> String {
        match self {
            // Static limits do not depend on Ω.
            Policy::Fixed(piece) => format!("fixed {:?} {:?}", piece.level(limit), limit.floor),
            other => format!("{other:?} {limit:?}"),
        }
    }

    /// The policy, its commands delivered, for a run of `application` on `testbed`
    /// under Ω as `limit`
    /// says, whose client begins after `settle`.
    ///
    /// # Errors
    /// When the parameters make no sense together; [`read`](Policy::read) has
    /// made sure that they do.
    pub fn build(
        &self,
        application: &Application,
        testbed: &Testbed,
        limit: &Limit,
        settle: Span,
    ) -> Result<Box<dyn Allocator>, String> {
        let omega = omega(application, testbed, limit);
        let policy: Box<dyn Allocator> = match self {
            Policy::Fixed(piece) => {
                Box::new(Fixed::new(profiled(application, piece.level(limit), limit)))
            }
            Policy::Escra(config) => Box::new(Escra::new(
                escra::Config {
                    period: testbed.cfs.period,
                    ..config.clone()
                },
                omega.cpu,
                omega.memory,
                containers(application).count(),
            )),
            Policy::Tide(config) => Box::new(Tide::new(
                tide::Config {
                    period: testbed.cfs.period,
                    ..config.clone()
                },
                omega.cpu,
                omega.memory,
                containers(application).count(),
                testbed.hosts as usize,
            )),
            Policy::Captain(config) => {
                let initial = profiled(application, INITIAL, limit);
                let captain = Captain::new(config.clone(), initial, Some(omega.cpu));
                Box::new(captain.map_err(|error| error.to_string())?)
            }
            Policy::K8sCpu(config) => {
                let initial = profiled(application, INITIAL, limit);
                let policy = K8sCpu::new(config.clone(), initial, Some(omega.cpu));
                Box::new(policy.map_err(|error| error.to_string())?)
            }
            Policy::Vpa { config, history } => {
                let initial = profiled(application, INITIAL, limit);
                // Use at the profiled maximum, two thirds of the limits at 1.5 times
                // it: what the archive of a cluster that runs the load would hold.
                let past = initial.iter().map(|limits| (limits.cpu, limits.memory));
                let past = if *history { past.collect() } else { Vec::new() };
                let vpa = Vpa::new(
                    config.clone(),
                    initial,
                    past,
                    Some(omega.cpu),
                    Some(omega.memory),
                );
                Box::new(vpa.map_err(|error| error.to_string())?)
            }
            Policy::Autopilot {
                config,
                capped,
                starts_with_client,
            } => {
                let mut config = config.clone();
                if *starts_with_client {
                    let first = config.first_update.unwrap_or(config.update_period);
                    config.first_update = Some(settle + first);
                }
                let cpu = capped.then_some(omega.cpu);
                let memory = capped.then_some(omega.memory);
                let autopilot = Autopilot::new(config, cpu, memory);
                Box::new(autopilot.map_err(|error| error.to_string())?)
            }
        };
        Ok(Box::new(Delivery::new(policy)))
    }
}

/// Takes a key that is true or false; false if it is not there.
fn flag(piece: &mut Document, key: &str) -> Result<bool, FileError> {
    let at = piece.value_at(&[key.to_owned()]);
    match piece.take(key) {
        None => Ok(false),
        Some(Value::Boolean(value)) => Ok(value),
        Some(other) => Err(at.error(format!(
            "`{key}` must be true or false, not {}",
            other.type_str()
        ))),
    }
}

/// The containers that stand from the beginning: pods that a platform starts say
/// themselves what they ask for.
fn containers(application: &Application) -> impl Iterator<Item = &Service> {
    let standing = |service: &&Service| service.deployment == Deployment::Container;
    application.services.iter().filter(standing)
}

/// The static limits of every container of `application` at `level`, none below the
/// floor of `limit`.
fn profiled(application: &Application, level: Level, limit: &Limit) -> Vec<Limits> {
    let floor = limit.floor.unwrap_or(FLOOR.cpu);
    containers(application)
        .map(|service| service.limits.at(level.0, floor, FLOOR.memory))
        .collect()
}

/// The application-wide limit Ω: what all its containers get at the level of
/// `limit`, and all pods that its platform can have.
pub fn omega(application: &Application, testbed: &Testbed, limit: &Limit) -> Limits {
    let mut limits = profiled(application, limit.level, limit);
    let mut services = application.services.iter();
    if services.any(|service| service.deployment == Deployment::Function) {
        limits.extend(testbed.platform.iter().map(|platform| platform.capacity()));
    }
    let all = Limits {
        cpu: limit
            .cpu
            .unwrap_or_else(|| limits.iter().map(|limits| limits.cpu).sum()),
        memory: limit
            .memory
            .unwrap_or_else(|| limits.iter().map(|limits| limits.memory).sum()),
    };
    match limit.share {
        Share(1.0) => all,
        Share(share) => Limits {
            cpu: all.cpu.scale(share),
            memory: all.memory.scale(share),
        },
    }
}

/// Places what a check of the core says: its messages name the key in
/// backticks.
pub fn checked(
    piece: &Document,
    result: Result<(), impl std::fmt::Display>,
) -> Result<(), FileError> {
    result.map_err(|error| {
        let message = error.to_string();
        let key = message.split('`').nth(1).unwrap_or_default();
        let keys: Vec<&str> = key.split('.').collect();
        piece.error(&keys, message.clone())
    })
}

#[cfg(test)]
mod tests;
