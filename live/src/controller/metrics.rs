//! `/metrics`: what the controller knows, in the text form of OpenMetrics, which
//! Prometheus reads.

use std::fmt;
use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};
use tidegate_core::{Bytes, Limits};

use super::hub::Hub;

/// What the driver measures itself, over its whole life.
#[derive(Clone, Debug)]
pub struct Timings {
    /// From a message of a host, decoded, to the commands that answer it, in seconds.
    pub decisions: Histogram,
    /// Connections that were not let in: no or a wrong certificate, or too many.
    pub turned_away: Counter,
}

impl Default for Timings {
    fn default() -> Timings {
        Timings {
            // 1 us to 0.26 s.
            decisions: Histogram::new(exponential_buckets(1e-6, 4.0, 10)),
            turned_away: Counter::default(),
        }
    }
}

type Number = Gauge<f64, AtomicU64>;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfContainer {
    container: String,
    host: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfHost {
    host: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfResource {
    resource: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfReason {
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfDirection {
    direction: &'static str,
}

fn gauge(value: f64) -> Number {
    let gauge = Number::default();
    gauge.set(value);
    gauge
}

fn counter(value: u64) -> Counter {
    let counter: Counter = Counter::default();
    counter.inc_by(value);
    counter
}

/// Everything of a hub as text.
///
/// # Errors
/// Never, as text always takes more.
pub fn render(hub: &Hub, timings: &Timings) -> Result<String, fmt::Error> {
    let mut registry = Registry::with_prefix("tidegate");
    containers(&mut registry, hub);
    pool(&mut registry, hub);
    hosts(&mut registry, hub);
    messages(&mut registry, hub, timings);
    let mut text = String::new();
    text::encode(&mut text, &registry)?;
    Ok(text)
}

fn containers(registry: &mut Registry, hub: &Hub) {
    let [cpu_limit, memory_limit, cpu, memory]: [Family<OfContainer, Number>; 4] =
        Default::default();
    let [throttled, waits, rescues, kills]: [Family<OfContainer, Counter>; 4] = Default::default();
    for (id, host, limits, seen) in hub.containers() {
        let label = OfContainer {
            container: hub.roster().name(id).to_owned(),
            host: host.0,
        };
        let Limits { cpu: c, memory: m } = limits;
        cpu_limit.get_or_create(&label).set(c.as_f64());
        memory_limit.get_or_create(&label).set(m.0 as f64);
        cpu.get_or_create(&label).set(seen.cpu.as_f64());
        memory.get_or_create(&label).set(seen.memory.0 as f64);
        throttled.get_or_create(&label).inc_by(seen.throttled);
        waits.get_or_create(&label).inc_by(seen.waits);
        rescues.get_or_create(&label).inc_by(seen.rescues);
        kills.get_or_create(&label).inc_by(seen.kills);
    }
    let cores = || Unit::Other("cores".to_owned());
    registry.register_with_unit("cpu_limit", "CPU limit last commanded", cores(), cpu_limit);
    registry.register_with_unit("cpu_usage", "Mean CPU use when last told", cores(), cpu);
    let help = "Memory limit last commanded or found in force";
    registry.register_with_unit("memory_limit", help, Unit::Bytes, memory_limit);
    let help = "Memory in use when last told";
    registry.register_with_unit("memory_usage", help, Unit::Bytes, memory);
    let help = "Periods that ended throttled since the container was admitted";
    registry.register("throttled_periods", help, throttled);
    registry.register("oom_waits", "Times a container waited for memory", waits);
    let help = "Waits for memory answered with a larger limit";
    registry.register("oom_rescues", help, rescues);
    registry.register("oom_kills", "Kills for memory", kills);
}

fn pool(registry: &mut Registry, hub: &Hub) {
    let bounds = hub.bounds();
    let held = hub.containers().map(|(.., limits, _)| limits);
    let held = held.fold((0.0, Bytes::ZERO), |(cpu, memory), limits| {
        (cpu + limits.cpu.as_f64(), memory + limits.memory)
    });
    let omega: Family<OfResource, Number> = Family::default();
    let sum: Family<OfResource, Number> = Family::default();
    let of = |resource| OfResource { resource };
    if let Some(cpu) = bounds.cpu {
        omega.get_or_create(&of("cpu_cores")).set(cpu.as_f64());
    }
    if let Some(memory) = bounds.memory {
        omega
            .get_or_create(&of("memory_bytes"))
            .set(memory.0 as f64);
    }
    // Where hosts have halves of the policy, what they are lent is what is held.
    let shares: u64 = hub.hosts().map(|(.., share)| share).sum();
    let cpu = if shares > 0 {
        shares as f64 * 1e-9
    } else {
        held.0
    };
    sum.get_or_create(&of("cpu_cores")).set(cpu);
    sum.get_or_create(&of("memory_bytes")).set(held.1.0 as f64);
    let help = "The application-wide limit, where the policy keeps one";
    registry.register("pool_limit", help, omega);
    registry.register("pool_held", "Sum of the limits commanded", sum);
}

fn hosts(registry: &mut Registry, hub: &Hub) {
    let connected: Family<OfHost, Number> = Family::default();
    for (host, there, _) in hub.hosts() {
        let label = OfHost { host: host.0 };
        connected
            .get_or_create(&label)
            .set(f64::from(u8::from(there)));
    }
    let help = "Whether a host with a session is connected";
    registry.register("host_connected", help, connected);
    let count = hub.hosts().filter(|(_, there, _)| *there).count();
    registry.register("hosts", "Connected hosts", gauge(count as f64));
    let gathering = f64::from(u8::from(hub.is_gathering()));
    let help = "Whether the controller, just started, still waits for its hosts";
    registry.register("gathering", help, gauge(gathering));
}

fn messages(registry: &mut Registry, hub: &Hub, timings: &Timings) {
    let counts = hub.counts();
    let messages: Family<OfDirection, Counter> = Family::default();
    for (direction, count) in [("received", counts.received), ("sent", counts.sent)] {
        let label = OfDirection { direction };
        messages.get_or_create(&label).inc_by(count);
    }
    registry.register("messages", "Messages from and to hosts", messages);
    let refused: Family<OfReason, Counter> = Family::default();
    for (&reason, &count) in &counts.refused {
        refused.get_or_create(&OfReason { reason }).inc_by(count);
    }
    let help = "Messages not accepted, and connections cut, by reason";
    registry.register("refused", help, refused);
    let numbers = [
        (
            "messages_doubled",
            "Messages that had come before",
            counts.doubled,
        ),
        ("messages_missed", "Messages that never came", counts.missed),
        ("commands", "Commands sent", counts.commands),
        (
            "commands_undelivered",
            "Commands whose host was away; they are repeated",
            counts.undelivered,
        ),
        ("sessions_begun", "Sessions that began", counts.begun),
        (
            "sessions_resumed",
            "Sessions that went on over another connection",
            counts.resumed,
        ),
        ("hosts_lost", "Hosts that were lost", counts.lost),
    ];
    for (name, help, count) in numbers {
        registry.register(name, help, counter(count));
    }
    let help = "Connections not let in: no or a wrong certificate, or too many";
    registry.register("turned_away", help, timings.turned_away.clone());
    let help = "From a host's message, decoded, to the commands that answer it";
    let decisions = timings.decisions.clone();
    registry.register_with_unit("decision", help, Unit::Seconds, decisions);
}
