//! What host and controller tell each other when they meet, checked: a
//! [`Hello`] and its [`Welcome`].

use tidegate_core::{
    Bytes, Container, ContainerId, Cores, Half, HostId, Limits, Observation, Span, tide,
};

use super::WireError;
use super::convert::{count, cpu, memory};
use super::link::{self, DownKind, PROTOCOL, UpKind};
use super::message::{Event, Order, Orders, Telemetry};
use crate::agent::Wants;

/// The longest name of a container, in bytes.
pub const MAX_NAME: usize = 253;
/// The longest lease, beat, period or sampling interval: an hour.
const MAX_SPAN: Span = Span::from_secs(3600);
/// The longest text of a half's parameters.
const MAX_CONFIG: usize = 16 << 10;

/// From a host to the controller.
#[derive(Clone, Debug, PartialEq)]
pub enum Up {
    /// The host says who it is.
    Hello(Hello),
    /// What it saw, as its message number `seq` of this session.
    Telemetry {
        /// Counts the messages of the session from 1.
        seq: u64,
        /// What it saw, in order.
        seen: Vec<Observation>,
    },
}

/// A host says who it is and what stands on it.
#[derive(Clone, Debug, PartialEq)]
pub struct Hello {
    /// Its number.
    pub host: HostId,
    /// Drawn by the agent when it starts. Another number is another process, which
    /// has forgotten what the one before it knew.
    pub agent: u64,
    /// The session it was last welcomed to; 0 if none.
    pub session: u64,
    /// The containers that stand on it.
    pub containers: Vec<Standing>,
}

/// A container as a host finds it.
#[derive(Clone, Debug, PartialEq)]
pub struct Standing {
    /// Its name: the service it runs.
    pub name: String,
    /// The CPU limit in force; nothing where there is none.
    pub cpu: Option<Cores>,
    /// The memory limit in force; nothing where there is none.
    pub memory: Option<Bytes>,
    /// Kills for memory that this agent has seen.
    pub kills: u64,
}

/// From the controller to a host.
#[derive(Clone, Debug, PartialEq)]
pub enum Down {
    /// The answer to a hello.
    Welcome(Welcome),
    /// What is to change, as message number `seq` of this session.
    Orders {
        /// Counts the messages of the session from 1.
        seq: u64,
        /// What is to change, in order.
        wanted: Vec<tidegate_core::Command>,
    },
}

/// The controller takes a host in.
#[derive(Clone, Debug, PartialEq)]
pub struct Welcome {
    /// The session, never 0, that the host is now in. If that is another than the
    /// agent was in, versions and sequence numbers count from 1 anew, and the half of
    /// the policy that ran on the host, if any, ends.
    pub session: u64,
    /// When nothing has been heard of the controller for so long, it is gone, and
    /// safe limits apply.
    pub lease: Span,
    /// At least so often each side sends something.
    pub beat: Span,
    /// The length of CPU periods.
    pub period: Span,
    /// What the controller wants to be told.
    pub wants: Wants,
    /// The half of the policy that decides on this host: given where a session begins
    /// and the policy has halves.
    pub half: Option<Box<Half>>,
    /// The containers, in the order of the hello.
    pub containers: Vec<Admitted>,
}

/// A container that the controller has taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Admitted {
    /// Its number.
    pub id: ContainerId,
    /// The limits that it has when its host's session begins. Where a half of the
    /// policy decides on CPU, its limit counts instead.
    pub limits: Limits,
    /// What is kept for it in any case: the limits to fall back to when the
    /// controller is gone.
    pub safe: Limits,
}

impl Standing {
    /// The container as it asks a policy to be admitted: with what it has.
    pub fn container(&self, id: ContainerId, host: HostId, else_: Limits) -> Container {
        let requested = (self.cpu.is_some() || self.memory.is_some()).then(|| Limits {
            cpu: self.cpu.unwrap_or(else_.cpu),
            memory: self.memory.unwrap_or(else_.memory),
        });
        Container {
            id,
            host,
            requested,
        }
    }
}

impl Up {
    /// The message of `host`.
    ///
    /// # Errors
    /// When an observation is none that goes to the controller.
    pub fn message(&self, host: HostId) -> Result<link::Up, WireError> {
        let kind = match self {
            Up::Hello(hello) => UpKind::Hello(link::Hello {
                protocol: PROTOCOL,
                host: hello.host.0,
                agent: hello.agent,
                session: hello.session,
                containers: hello.containers.iter().map(Standing::message).collect(),
            }),
            Up::Telemetry { seq, seen } => UpKind::Telemetry(Telemetry {
                host: host.0,
                seq: *seq,
                events: seen.iter().map(Event::new).collect::<Result<_, _>>()?,
            }),
        };
        Ok(link::Up { kind: Some(kind) })
    }

    /// What a message of `host` says; of any host where that is not known yet.
    ///
    /// # Errors
    /// When it names another host, or says what no host could mean.
    pub fn read(message: link::Up, host: Option<HostId>) -> Result<Up, WireError> {
        let of = |named: u32| match host {
            Some(host) if host.0 != named => Err(WireError::WrongHost(HostId(named))),
            _ => Ok(HostId(named)),
        };
        match message.kind.ok_or(WireError::Missing("content"))? {
            UpKind::Hello(hello) => {
                if hello.protocol != PROTOCOL {
                    let protocol = u64::from(hello.protocol);
                    return Err(WireError::OutOfRange("protocol", protocol));
                }
                let containers = hello.containers.into_iter().map(Standing::read);
                Ok(Up::Hello(Hello {
                    host: of(hello.host)?,
                    agent: hello.agent,
                    session: hello.session,
                    containers: containers.collect::<Result<_, _>>()?,
                }))
            }
            UpKind::Telemetry(telemetry) => {
                let host = of(telemetry.host)?;
                let seen = telemetry.events.into_iter().map(|e| e.observation(host));
                Ok(Up::Telemetry {
                    seq: count("seq", telemetry.seq)?,
                    seen: seen.collect::<Result<_, _>>()?,
                })
            }
        }
    }
}

impl Standing {
    fn message(&self) -> link::Standing {
        link::Standing {
            name: self.name.clone(),
            cpu: self.cpu.map(|cpu| cpu.0),
            memory: self.memory.map(|memory| memory.0),
            kills: self.kills,
        }
    }

    fn read(message: link::Standing) -> Result<Standing, WireError> {
        if message.name.is_empty() || message.name.len() > MAX_NAME {
            return Err(WireError::OutOfRange("name", message.name.len() as u64));
        }
        Ok(Standing {
            name: message.name,
            cpu: message.cpu.map(|amount| cpu("cpu", amount)).transpose()?,
            memory: message
                .memory
                .map(|amount| memory("memory", amount))
                .transpose()?,
            kills: count("kills", message.kills)?,
        })
    }
}

impl Down {
    /// The message for `host`.
    ///
    /// # Errors
    /// When a command is none that goes to a host.
    pub fn message(&self, host: HostId) -> Result<link::Down, WireError> {
        let kind = match self {
            Down::Welcome(welcome) => DownKind::Welcome(welcome.message()?),
            Down::Orders { seq, wanted } => DownKind::Orders(Orders {
                host: host.0,
                seq: *seq,
                orders: wanted.iter().map(Order::new).collect::<Result<_, _>>()?,
            }),
        };
        Ok(link::Down { kind: Some(kind) })
    }

    /// What a message for `host` says.
    ///
    /// # Errors
    /// When it is for another host, or says what no controller could mean.
    pub fn read(message: link::Down, host: HostId) -> Result<Down, WireError> {
        match message.kind.ok_or(WireError::Missing("content"))? {
            DownKind::Welcome(welcome) => Welcome::read(welcome, host).map(Down::Welcome),
            DownKind::Orders(orders) => {
                super::addressed(host, orders.host)?;
                let wanted = orders.orders.into_iter().map(|order| order.command(host));
                Ok(Down::Orders {
                    seq: count("seq", orders.seq)?,
                    wanted: wanted.collect::<Result<_, _>>()?,
                })
            }
        }
    }
}

fn span(field: &'static str, value: u64) -> Result<Span, WireError> {
    if value > MAX_SPAN.0 {
        return Err(WireError::OutOfRange(field, value));
    }
    Ok(Span(value))
}

impl Welcome {
    fn message(&self) -> Result<link::Welcome, WireError> {
        Ok(link::Welcome {
            session: self.session,
            lease: self.lease.0,
            beat: self.beat.0,
            period: self.period.0,
            periods: self.wants.periods,
            throttles: self.wants.throttles,
            sampling: self.wants.sampling.map_or(0, |every| every.0),
            traps: self.wants.traps_out_of_memory,
            half: self.half.as_deref().map(seed).transpose()?,
            containers: self.containers.iter().map(Admitted::message).collect(),
        })
    }

    fn read(message: link::Welcome, host: HostId) -> Result<Welcome, WireError> {
        if message.session == 0 {
            return Err(WireError::Missing("session"));
        }
        let period = span("period", message.period)?;
        let sampling = span("sampling", message.sampling)?;
        let containers = message.containers.into_iter().map(Admitted::read);
        let half = message
            .half
            .map(|half| grow(half, host, period).map(Box::new));
        Ok(Welcome {
            session: message.session,
            lease: span("lease", message.lease)?,
            beat: span("beat", message.beat)?,
            period,
            wants: Wants {
                periods: message.periods,
                throttles: message.throttles,
                sampling: (sampling > Span::ZERO).then_some(sampling),
                traps_out_of_memory: message.traps,
            },
            half: half.transpose()?,
            containers: containers.collect::<Result<_, _>>()?,
        })
    }
}

impl Admitted {
    fn message(&self) -> link::Admitted {
        link::Admitted {
            container: self.id.0,
            cpu: self.limits.cpu.0,
            memory: self.limits.memory.0,
            safe_cpu: self.safe.cpu.0,
            safe_memory: self.safe.memory.0,
        }
    }

    fn read(message: link::Admitted) -> Result<Admitted, WireError> {
        Ok(Admitted {
            id: ContainerId(message.container),
            limits: Limits {
                cpu: cpu("cpu", message.cpu)?,
                memory: memory("memory", message.memory)?,
            },
            safe: Limits {
                cpu: cpu("safe_cpu", message.safe_cpu)?,
                memory: memory("safe_memory", message.safe_memory)?,
            },
        })
    }
}

/// A half as it is sent. Its host and the length of its periods are the connection's.
fn seed(half: &Half) -> Result<link::HalfSeed, WireError> {
    let Half::Tide(half) = half;
    let config = serde_json::to_string(&half.config);
    Ok(link::HalfSeed {
        policy: "tide".to_owned(),
        config: config.map_err(|_| WireError::Local("a half that has no text"))?,
        share: half.share.0,
        cpu: half.initial.cpu.0,
        memory: half.initial.memory.0,
    })
}

fn grow(seed: link::HalfSeed, host: HostId, period: Span) -> Result<Half, WireError> {
    if seed.policy != "tide" {
        return Err(WireError::Unknown("policy"));
    }
    if seed.config.len() > MAX_CONFIG {
        return Err(WireError::TooLong(seed.config.len()));
    }
    let config: tide::Config =
        serde_json::from_str(&seed.config).map_err(|_| WireError::Unknown("half"))?;
    config.check().map_err(|_| WireError::Unknown("half"))?;
    if period == Span::ZERO {
        return Err(WireError::OutOfRange("period", 0));
    }
    Ok(Half::Tide(tide::Half {
        host,
        config: tide::Config { period, ..config },
        share: cpu("share", seed.share)?,
        initial: Limits {
            cpu: cpu("cpu", seed.cpu)?,
            memory: memory("memory", seed.memory)?,
        },
    }))
}
