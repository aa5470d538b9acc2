//! The sizes of messages that the simulator counts are those of the real encoder.

use proptest::prelude::*;
use tidegate_core::{
    Bytes, Command, ContainerId, Cores, CpuPeriod, HostId, HostReport, Observation, Share, Span,
};
use tidegate_live::wire::{encode_orders, encode_telemetry};
use tidegate_sim::wire;

/// Numbers of every length, zero among them.
fn number() -> impl Strategy<Value = u64> {
    (0u64..1 << 49, 0u32..50).prop_map(|(value, shift)| value >> shift)
}

/// Every kind of event about `container`, with these numbers.
fn events(container: u32, host: HostId, n: [u64; 5]) -> Vec<Observation> {
    let container = ContainerId(container);
    vec![
        Observation::Started(container),
        Observation::Stopped(container),
        Observation::Killed(container),
        Observation::Lost(container),
        Observation::Period(CpuPeriod {
            container,
            seq: n[0],
            quota: Cores(n[1]),
            unused: Span(n[2]),
            usage: Span(n[3]),
            nr_throttled: n[4],
        }),
        Observation::Throttled {
            container,
            seq: n[0],
            used: Span(n[1]),
        },
        Observation::Usage {
            container,
            seq: n[0],
            cpu: Cores(n[1]),
            memory: Bytes(n[2]),
        },
        Observation::OutOfMemory {
            container,
            event: n[0],
            first: n[2],
            limit: Bytes(n[1]),
        },
        Observation::CpuApplied {
            container,
            version: n[0],
        },
        Observation::MemoryApplied {
            container,
            version: n[0],
            limit: Bytes(n[1]),
        },
        Observation::HostReport(HostReport {
            host,
            seq: n[0],
            version: n[1],
            share: Cores(n[2]),
            wanted: Cores(n[3]),
        }),
    ]
}

/// Every kind of order about `container`, with these numbers.
fn orders(container: u32, host: HostId, n: [u64; 5]) -> Vec<Command> {
    let container = ContainerId(container);
    let version = n[0];
    vec![
        Command::SetCpu {
            container,
            version,
            limit: Cores(n[1]),
        },
        Command::SetMemory {
            container,
            version,
            limit: Bytes(n[1]),
        },
        Command::Reclaim {
            container,
            version,
            margin: Bytes(n[1]),
        },
        Command::DenyMemory {
            container,
            event: version,
        },
        Command::Restart { container, version },
        Command::Lend(Share {
            host,
            version,
            cpu: Cores(n[1]),
        }),
    ]
}

proptest! {
    #[test]
    fn sizes_are_those_of_the_encoder(
        host in number(),
        seq in number(),
        container in number(),
        n in [number(), number(), number(), number(), number()],
    ) {
        let (host, container) = (HostId(host as u32), container as u32);
        for event in events(container, host, n) {
            let bytes = encode_telemetry(host, seq, &[event]).unwrap();
            let size = wire::message(host.0, seq, wire::event(&event));
            prop_assert_eq!(bytes.len() as u64, size, "{:?}", event);
        }
        for order in orders(container, host, n) {
            let bytes = encode_orders(host, seq, &[order]).unwrap();
            let size = wire::message(host.0, seq, wire::order(&order));
            prop_assert_eq!(bytes.len() as u64, size, "{:?}", order);
        }
    }
}
