//! Somebody who means harm, at the end of a real connection: what comes out of a random
//! generator in place of a host. The controller refuses it, goes on, and serves others.
//!
//! `TIDEGATE_HOSTILE_SECONDS` says for how long; a few seconds if not set.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use prost::Message;
use tidegate_core::Cores;
use tidegate_live::controller::running::Running;
use tidegate_live::wire::link::{self, Hello, Standing, UpKind};
use tidegate_live::wire::message::{Applied, Event, OutOfMemory, Period, Telemetry, What};

use super::{Far, host, hub, plain, until};

fn number() -> impl Strategy<Value = u64> {
    prop_oneof![
        4 => 0u64..20,
        1 => any::<u64>(),
        1 => Just(u64::MAX),
        1 => Just(1u64 << 52),
    ]
}

fn small() -> impl Strategy<Value = u32> {
    prop_oneof![8 => 0u32..6, 1 => any::<u32>()]
}

fn event() -> impl Strategy<Value = Event> {
    let what = prop_oneof![
        (small(), number(), number(), number()).prop_map(|(container, seq, quota, usage)| {
            What::Period(Period {
                container,
                seq,
                quota,
                unused: quota,
                usage,
                nr_throttled: seq,
            })
        }),
        (small(), number()).prop_map(|(container, version)| What::CpuApplied(Applied {
            container,
            version,
            limit: 0
        })),
        (small(), number(), number()).prop_map(|(container, version, limit)| {
            What::MemoryApplied(Applied {
                container,
                version,
                limit,
            })
        }),
        (small(), number(), number(), number()).prop_map(|(container, event, limit, first)| {
            What::OutOfMemory(OutOfMemory {
                container,
                event,
                limit,
                first,
            })
        }),
        small().prop_map(What::Started),
        small().prop_map(What::Stopped),
        small().prop_map(What::Killed),
        small().prop_map(What::Lost),
    ];
    proptest::option::weighted(0.97, what).prop_map(|what| Event { what })
}

fn standing() -> impl Strategy<Value = Standing> {
    let name = prop_oneof![
        9 => (0usize..6).prop_map(|n| format!("service-{n}")),
        1 => ".{0,300}",
    ];
    let limit = || proptest::option::of(number());
    (name, limit(), limit(), number()).prop_map(|(name, cpu, memory, kills)| Standing {
        name,
        cpu,
        memory,
        kills,
    })
}

fn message() -> impl Strategy<Value = link::Up> {
    let hello = (
        prop_oneof![9 => Just(1u32), 1 => any::<u32>()],
        prop_oneof![6 => Just(1u32), 1 => small()],
        any::<u64>(),
        number(),
        proptest::collection::vec(standing(), 0..6),
    );
    let hello = hello.prop_map(|(protocol, host, agent, session, containers)| {
        UpKind::Hello(Hello {
            protocol,
            host,
            agent,
            session,
            containers,
        })
    });
    let telemetry = (
        prop_oneof![6 => Just(1u32), 1 => small()],
        number(),
        proptest::collection::vec(event(), 0..8),
    );
    let telemetry = telemetry
        .prop_map(|(host, seq, events)| UpKind::Telemetry(Telemetry { host, seq, events }));
    let kind = prop_oneof![1 => hello, 3 => telemetry];
    proptest::option::weighted(0.98, kind).prop_map(|kind| link::Up { kind })
}

/// What is written to a connection.
#[derive(Clone, Debug)]
enum Attack {
    /// Bytes that are not HTTP/2.
    Bytes(Vec<u8>),
    /// Messages of a stream, as gRPC frames them; some damaged.
    Messages(Vec<(link::Up, Option<(prop::sample::Index, u8)>)>),
    /// A frame that says it is so long, and what follows.
    Length(u32, Vec<u8>),
    /// The same message, over and over.
    Flood(link::Up, usize),
}

fn attack() -> impl Strategy<Value = Attack> {
    let damage = proptest::option::weighted(0.2, (any::<prop::sample::Index>(), any::<u8>()));
    let messages = proptest::collection::vec((message(), damage), 1..20);
    prop_oneof![
        2 => proptest::collection::vec(any::<u8>(), 0..400).prop_map(Attack::Bytes),
        10 => messages.prop_map(Attack::Messages),
        1 => (any::<u32>(), proptest::collection::vec(any::<u8>(), 0..100))
            .prop_map(|(length, bytes)| Attack::Length(length, bytes)),
        1 => (message(), 100usize..2_000).prop_map(|(message, n)| Attack::Flood(message, n)),
    ]
}

/// A message as gRPC frames it.
fn framed(bytes: &[u8]) -> Vec<u8> {
    let mut frame = vec![0];
    frame.extend((bytes.len() as u32).to_be_bytes());
    frame.extend(bytes);
    frame
}

/// An HTTP/2 frame.
fn frame(kind: u8, flags: u8, stream: u32, content: &[u8]) -> Vec<u8> {
    let mut frame = (content.len() as u32).to_be_bytes()[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(content);
    frame
}

/// The beginning of a call, written by hand: preface, settings, headers without any
/// compression.
fn opening() -> Vec<u8> {
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    bytes.extend(frame(4, 0, 0, &[]));
    let mut headers = Vec::new();
    let fields = [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", "/tidegate.v1.Control/Attach"),
        (":authority", "x"),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
    ];
    for (name, value) in fields {
        headers.push(0);
        for text in [name, value] {
            headers.push(text.len() as u8);
            headers.extend(text.as_bytes());
        }
    }
    bytes.extend(frame(1, 4, 1, &headers));
    bytes
}

fn launch(running: &Running, attack: Attack) {
    let Ok(mut stream) = TcpStream::connect(running.address) else {
        return;
    };
    let _ = stream.set_read_timeout(Some(Duration::from_millis(20)));
    let _ = stream.set_write_timeout(Some(Duration::from_millis(200)));
    let mut bytes = Vec::new();
    match attack {
        Attack::Bytes(random) => bytes = random,
        Attack::Messages(messages) => {
            bytes.extend(opening());
            for (message, damage) in messages {
                let mut content = message.encode_to_vec();
                if let Some((at, value)) = damage
                    && !content.is_empty()
                {
                    let at = at.index(content.len());
                    content[at] = value;
                }
                bytes.extend(frame(0, 0, 1, &framed(&content)));
            }
        }
        Attack::Length(length, rest) => {
            bytes.extend(opening());
            let mut content = vec![0];
            content.extend(length.to_be_bytes());
            content.extend(rest);
            bytes.extend(frame(0, 0, 1, &content));
        }
        Attack::Flood(message, count) => {
            bytes.extend(opening());
            let one = frame(0, 0, 1, &framed(&message.encode_to_vec()));
            (0..count).for_each(|_| bytes.extend(&one));
        }
    }
    // Whether it takes all of that is the controller's affair.
    let _ = stream.write_all(&bytes);
    let _ = stream.read(&mut [0; 4096]);
}

#[test]
fn harm_is_refused_and_others_are_served() {
    let seconds = std::env::var("TIDEGATE_HOSTILE_SECONDS");
    let seconds = seconds.ok().and_then(|text| text.parse().ok()).unwrap_or(4);
    let running = Running::start(None, None, hub(6, 2, 1)).unwrap();
    let honest = Far::new(plain(&running), host(0, 7, 2));
    // The hostile host's containers are not there: the controller stops waiting.
    until("taken in", || honest.limits().len() == 2);

    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let strategy = attack();
    let end = Instant::now() + Duration::from_secs(seconds);
    let mut attacks = 0u64;
    while Instant::now() < end {
        let attack = strategy.new_tree(&mut runner).unwrap().current();
        launch(&running, attack);
        attacks += 1;
        if attacks.is_multiple_of(16) {
            honest.period();
        }
        assert!(
            running.is_there(),
            "the controller is gone after {attacks} attacks"
        );
    }
    let refused: f64 = running
        .metrics()
        .unwrap()
        .lines()
        .filter(|line| line.starts_with("tidegate_refused_total{"))
        .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
        .sum();
    println!("{attacks} attacks in {seconds} s, {refused} messages refused");
    assert!(
        attacks > 20 && refused > 10.0,
        "{attacks} attacks, {refused} refused"
    );
    // The honest host is still heard, and answered.
    honest.host.borrow_mut().containers[0].demand = Cores::from_millis(70);
    until("heard", || {
        honest.period();
        let use_of = "tidegate_cpu_usage_cores{container=\"service-0\",host=\"0\"}";
        running.metric(use_of) == Some(0.07)
    });
    assert_eq!(
        running.metric("tidegate_host_connected{host=\"0\"}"),
        Some(1.0)
    );
}
