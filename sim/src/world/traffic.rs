//! What the messages between hosts and the controller weigh, in our form and in Escra's
//! (see [`wire`]). Counted beside the run: it changes nothing in it.
//!
//! Our form gathers all that a host has for the controller in a period, and all that the
//! controller has for it, in one message each way.

use tidegate_core::{Command, Observation, Span, Time};

use crate::outcome::Metric;
use crate::wire;

/// The length over which a peak is taken.
const SECOND: Span = Span::from_secs(1);

/// Bytes, and the most of them in a second.
#[derive(Debug, Default)]
struct Meter {
    total: u64,
    second: u64,
    peak: u64,
}

impl Meter {
    fn add(&mut self, bytes: u64) {
        self.total += bytes;
        self.second += bytes;
        self.peak = self.peak.max(self.second);
    }
}

/// What waits for its message: bytes of parts, and messages before it.
#[derive(Clone, Copy, Debug, Default)]
struct Outbox {
    parts: u64,
    sent: u64,
}

/// The traffic of the control plane.
#[derive(Debug)]
pub(super) struct Traffic {
    period: Span,
    /// From and to each host.
    hosts: Vec<[Outbox; 2]>,
    period_ends: Time,
    second_ends: Time,
    messages: u64,
    ours: Meter,
    escra: Meter,
}

impl Traffic {
    /// Counts from `start` on, one message each way per host and `period`.
    pub(super) fn new(start: Time, period: Span, hosts: u32) -> Traffic {
        Traffic {
            period,
            hosts: vec![[Outbox::default(); 2]; hosts as usize],
            period_ends: start + period,
            second_ends: start + SECOND,
            messages: 0,
            ours: Meter::default(),
            escra: Meter::default(),
        }
    }

    /// An observation leaves `host` for the controller.
    pub(super) fn observation(&mut self, now: Time, host: u32, observation: &Observation) {
        self.advance(now);
        self.hosts[host as usize][0].parts += wire::event(observation);
        match observation {
            Observation::Period(_) => self.escra.add(wire::ESCRA_REPORT),
            // An out-of-memory event is a request whose answer is the command. Escra
            // sends nothing else: confirmations are the responses of calls.
            Observation::OutOfMemory { .. } => self.escra.add(wire::ESCRA_CALL),
            _ => {}
        }
    }

    /// A command leaves the controller for `host`.
    pub(super) fn command(&mut self, now: Time, host: u32, command: &Command) {
        self.advance(now);
        self.hosts[host as usize][1].parts += wire::order(command);
        match command {
            Command::SetCpu { .. } | Command::SetMemory { .. } | Command::Reclaim { .. } => {
                self.escra.add(wire::ESCRA_CALL);
            }
            _ => {}
        }
    }

    /// Ends the periods and seconds that are over.
    fn advance(&mut self, now: Time) {
        while self.period_ends <= now {
            self.send();
            self.period_ends = self.period_ends + self.period;
        }
        while self.second_ends <= now {
            self.ours.second = 0;
            self.escra.second = 0;
            self.second_ends = self.second_ends + SECOND;
        }
    }

    fn send(&mut self) {
        for (host, outboxes) in (0u32..).zip(&mut self.hosts) {
            for outbox in outboxes.iter_mut().filter(|outbox| outbox.parts > 0) {
                outbox.sent += 1;
                let message = wire::message(host, outbox.sent, outbox.parts);
                outbox.parts = 0;
                self.messages += 1;
                self.ours.add(wire::ours(message));
            }
        }
    }

    /// The numbers of a run of `duration`.
    pub(super) fn metrics(mut self, duration: Span) -> [Metric; 5] {
        self.send();
        let mbps = |bytes: u64, time: Span| bytes as f64 * 8e-6 / time.as_secs_f64();
        let metric = |name, unit, value| Metric { name, unit, value };
        let rate = |name, bytes, time| metric(name, "Mbit/s", mbps(bytes, time));
        [
            metric("control_messages", "messages", self.messages as f64),
            rate("control_traffic_mbps", self.ours.total, duration),
            rate("control_traffic_peak_mbps", self.ours.peak, SECOND),
            rate("control_traffic_escra_mbps", self.escra.total, duration),
            rate("control_traffic_escra_peak_mbps", self.escra.peak, SECOND),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidegate_core::{ContainerId, Cores, CpuPeriod};

    fn report(container: u32) -> Observation {
        Observation::Period(CpuPeriod {
            container: ContainerId(container),
            seq: 1,
            quota: Cores::new(1),
            unused: Span::from_millis(10),
            usage: Span::from_millis(90),
            nr_throttled: 0,
        })
    }

    fn value(metrics: &[Metric; 5], name: &str) -> f64 {
        let metric = metrics.iter().find(|metric| metric.name == name);
        metric.unwrap().value
    }

    #[test]
    fn reports_of_a_host_share_a_message_and_escras_do_not() {
        let period = Span::from_millis(100);
        let mut traffic = Traffic::new(Time::ZERO, period, 2);
        for container in 1..=3 {
            traffic.observation(Time::ZERO, 1, &report(container));
        }
        let set = Command::SetCpu {
            container: ContainerId(1),
            version: 1,
            limit: Cores::new(2),
        };
        traffic.command(Time::ZERO + period, 1, &set);
        let metrics = traffic.metrics(SECOND);

        assert_eq!(value(&metrics, "control_messages"), 2.0);
        let part = wire::event(&report(1));
        let ours = wire::ours(wire::message(1, 1, 3 * part))
            + wire::ours(wire::message(1, 1, wire::order(&set)));
        assert_eq!(value(&metrics, "control_traffic_mbps"), ours as f64 * 8e-6);
        let escra = 3 * wire::ESCRA_REPORT + wire::ESCRA_CALL;
        let measured = value(&metrics, "control_traffic_escra_mbps");
        assert_eq!(measured, escra as f64 * 8e-6);
    }

    #[test]
    fn the_peak_is_that_of_the_busiest_second() {
        let mut traffic = Traffic::new(Time::ZERO, Span::from_millis(100), 1);
        for (millis, reports) in [(0, 1), (1_500, 5), (3_000, 2)] {
            for _ in 0..reports {
                traffic.observation(Time::ZERO + Span::from_millis(millis), 0, &report(1));
            }
        }
        let metrics = traffic.metrics(Span::from_secs(4));
        let peak = 5.0 * wire::ESCRA_REPORT as f64 * 8e-6;
        assert_eq!(value(&metrics, "control_traffic_escra_peak_mbps"), peak);
    }
}
