use proptest::prelude::*;
use prost::Message;
use tidegate_core::{
    Bytes, Command, ContainerId, Cores, CpuPeriod, HostId, HostReport, Observation, Share, Span,
};

use super::message::{Event, Period, Telemetry, What};
use super::*;

const HOST: HostId = HostId(7);

fn id() -> impl Strategy<Value = ContainerId> {
    any::<u32>().prop_map(ContainerId)
}

fn count() -> impl Strategy<Value = u64> {
    0..=1u64 << 52
}

fn cpu() -> impl Strategy<Value = Cores> {
    (0..=1_000_000_000_000_000u64).prop_map(Cores)
}

fn runtime() -> impl Strategy<Value = Span> {
    (0..=3_600_000_000_000_000u64).prop_map(Span)
}

fn memory() -> impl Strategy<Value = Bytes> {
    (0..=1u64 << 50).prop_map(Bytes)
}

fn observation() -> impl Strategy<Value = Observation> {
    prop_oneof![
        id().prop_map(Observation::Started),
        id().prop_map(Observation::Stopped),
        id().prop_map(Observation::Killed),
        id().prop_map(Observation::Lost),
        (id(), count(), cpu(), runtime(), runtime(), count()).prop_map(
            |(container, seq, quota, unused, usage, nr_throttled)| {
                Observation::Period(CpuPeriod {
                    container,
                    seq,
                    quota,
                    unused,
                    usage,
                    nr_throttled,
                })
            }
        ),
        (id(), count(), runtime()).prop_map(|(container, seq, used)| Observation::Throttled {
            container,
            seq,
            used
        }),
        (id(), count(), cpu(), memory()).prop_map(|(container, seq, cpu, memory)| {
            Observation::Usage {
                container,
                seq,
                cpu,
                memory,
            }
        }),
        (id(), count(), count(), memory()).prop_map(|(container, event, first, limit)| {
            Observation::OutOfMemory {
                container,
                event,
                first,
                limit,
            }
        }),
        (id(), count())
            .prop_map(|(container, version)| Observation::CpuApplied { container, version }),
        (id(), count(), memory()).prop_map(|(container, version, limit)| {
            Observation::MemoryApplied {
                container,
                version,
                limit,
            }
        }),
        (count(), count(), cpu(), cpu()).prop_map(|(seq, version, share, wanted)| {
            Observation::HostReport(HostReport {
                host: HOST,
                seq,
                version,
                share,
                wanted,
            })
        }),
    ]
}

fn command() -> impl Strategy<Value = Command> {
    prop_oneof![
        (id(), count(), cpu()).prop_map(|(container, version, limit)| Command::SetCpu {
            container,
            version,
            limit
        }),
        (id(), count(), memory()).prop_map(|(container, version, limit)| Command::SetMemory {
            container,
            version,
            limit
        }),
        (id(), count(), memory()).prop_map(|(container, version, margin)| Command::Reclaim {
            container,
            version,
            margin
        }),
        (id(), count()).prop_map(|(container, event)| Command::DenyMemory { container, event }),
        (id(), count()).prop_map(|(container, version)| Command::Restart { container, version }),
        (count(), cpu()).prop_map(|(version, cpu)| Command::Lend(Share {
            host: HOST,
            version,
            cpu
        })),
    ]
}

proptest! {
    #[test]
    fn telemetry_comes_back_as_it_was(
        seq: u64,
        seen in proptest::collection::vec(observation(), 0..40),
    ) {
        let bytes = encode_telemetry(HOST, seq, &seen).unwrap();
        prop_assert_eq!(decode_telemetry(HOST, &bytes), Ok((seq, seen)));
    }

    #[test]
    fn orders_come_back_as_they_were(
        seq: u64,
        wanted in proptest::collection::vec(command(), 0..40),
    ) {
        let bytes = encode_orders(HOST, seq, &wanted).unwrap();
        prop_assert_eq!(decode_orders(HOST, &bytes), Ok((seq, wanted)));
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = decode_telemetry(HOST, &bytes);
        let _ = decode_orders(HOST, &bytes);
    }

    /// Bytes close to a message get further into the decoder than any do.
    #[test]
    fn a_damaged_message_is_read_or_refused(
        seen in proptest::collection::vec(observation(), 1..10),
        at: prop::sample::Index,
        value: u8,
        cut: prop::sample::Index,
    ) {
        let mut bytes = encode_telemetry(HOST, 1, &seen).unwrap();
        let place = at.index(bytes.len());
        bytes[place] = value;
        let _ = decode_telemetry(HOST, &bytes[..cut.index(bytes.len() + 1)]);
        let _ = decode_orders(HOST, &bytes);
    }
}

#[test]
fn what_no_host_can_mean_is_refused() {
    let event = |what| Telemetry {
        host: HOST.0,
        seq: 1,
        events: vec![Event { what }],
    };
    let bytes = event(Some(What::Period(Period {
        container: 1,
        quota: u64::MAX,
        ..Period::default()
    })))
    .encode_to_vec();
    assert_eq!(
        decode_telemetry(HOST, &bytes),
        Err(WireError::OutOfRange("quota", u64::MAX))
    );
    let empty = event(None).encode_to_vec();
    assert_eq!(
        decode_telemetry(HOST, &empty),
        Err(WireError::Missing("event"))
    );
}

#[test]
fn a_message_of_another_host_is_refused() {
    let bytes = encode_telemetry(HostId(3), 1, &[]).unwrap();
    let error = decode_telemetry(HOST, &bytes).unwrap_err();
    assert_eq!(error, WireError::WrongHost(HostId(3)));
    assert_eq!(error.to_string(), "a message names host 3");
}

#[test]
fn a_message_too_long_is_refused_unread() {
    let bytes = vec![0; MAX_BYTES + 1];
    assert_eq!(
        decode_orders(HOST, &bytes),
        Err(WireError::TooLong(MAX_BYTES + 1))
    );
}

#[test]
fn what_stays_on_a_host_is_not_sent() {
    let share = Share {
        host: HOST,
        version: 1,
        cpu: Cores::new(1),
    };
    assert!(encode_telemetry(HOST, 1, &[Observation::Share(share)]).is_err());
}
