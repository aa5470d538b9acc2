use std::cell::RefCell;
use std::fs;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use tidegate_core::escra::{self, Escra};
use tidegate_core::fixed::Fixed;
use tidegate_core::tide::{self, Tide};
use tidegate_core::{
    Allocator, Bytes, Container, ContainerId, Cores, Delivery, HostId, Limits, Span, Time,
};

use super::format::{Header, VERSION};
use super::reader::{ReadError, Reader};
use super::recorder::{Recorder, Recording};
use crate::controller::hub::{Hub, Output, Settings, StreamId};
use crate::controller::roster::Roster;
use crate::replay::{ReplayError, same, shadow};
use crate::testing::PretendedHost;

const PERIOD: Span = Span::from_millis(100);
const N: usize = 3;

fn policy(name: &str, upsilon: f64) -> Box<dyn Allocator> {
    let (cpu, memory) = (Cores::new(6), Bytes::from_mib(600));
    Box::new(Delivery::new(match name {
        "tide" => Box::new(Tide::new(tide::Config::default(), cpu, memory, N, 1)),
        "fixed" => Box::new(Fixed::new(vec![
            Limits {
                cpu: Cores::new(2),
                memory: Bytes::from_mib(200),
            };
            N
        ])),
        _ => {
            let config = escra::Config {
                upsilon,
                ..escra::Config::default()
            };
            Box::new(Escra::new(config, cpu, memory, N))
        }
    }))
}

/// Ten seconds of a controller with one host whose need goes up and down.
fn record(path: &Path, name: &str) -> Header {
    let names: Vec<String> = (0..N).map(|n| format!("s{n}")).collect();
    let header = Header {
        version: VERSION,
        containers: names.clone(),
        period: PERIOD.0,
        hash: "abc".to_owned(),
        ..Header::default()
    };
    let recording = Recording::create(path, &header).unwrap();
    let recorder = Recorder::new(policy(name, 20.0), recording.clone());
    let roster = Roster::new(names.clone(), 1, policy(name, 20.0)).unwrap();
    let mut hub = Hub::new(
        Box::new(recorder),
        roster,
        Settings::default(),
        1,
        Time::ZERO,
    );
    let mut host = PretendedHost::new(0, 1, &names);
    let stream = StreamId(1);
    let mut now = Time::ZERO;
    hub.receive(now, stream, host.connect()).unwrap();
    for step in 0..100u64 {
        host.containers[0].demand = Cores::from_millis(200 + 2_000 * (step / 20 % 2));
        host.containers[1].memory = Bytes::from_mib(20 + 4 * step);
        now = now + PERIOD;
        hub.wake(now);
        loop {
            let outputs = hub.take_outputs();
            if outputs.is_empty() {
                break;
            }
            for output in outputs {
                let Output::Send(_, _, message) = output else {
                    panic!("{output:?}");
                };
                host.receive(now, message);
            }
            if let Some(told) = host.tell() {
                hub.receive(now, stream, told).unwrap();
            }
        }
        if let Some(told) = host.period(now, PERIOD) {
            hub.receive(now, stream, told).unwrap();
        }
        recording.keep().unwrap();
    }
    header
}

fn recorded(name: &str) -> (tempfile::TempDir, PathBuf, Header) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.rec");
    let header = record(&path, name);
    (folder, path, header)
}

#[test]
fn the_same_policy_answers_the_same_and_a_little_other_one_does_not() {
    for name in ["escra", "tide"] {
        let (_folder, path, header) = recorded(name);
        let mut reader = Reader::open(&path).unwrap();
        assert_eq!(*reader.header(), header);
        let played = same(&mut reader, &mut *policy(name, 20.0)).unwrap();
        assert!(played.calls > 100 && played.commands > 10, "{played:?}");
        assert_eq!((played.until, played.torn), (Time(10_000_000_000), None));
    }
    let (_folder, path, _) = recorded("escra");
    let mut reader = Reader::open(&path).unwrap();
    let differs = same(&mut reader, &mut *policy("escra", 19.0)).unwrap_err();
    assert!(matches!(differs, ReplayError::Differs(..)), "{differs}");
}

#[test]
fn a_recording_that_was_cut_off_is_whole_up_to_there() {
    let (_folder, path, _) = recorded("escra");
    let bytes = fs::read(&path).unwrap();
    let whole = same(
        &mut Reader::open(&path).unwrap(),
        &mut *policy("escra", 20.0),
    )
    .unwrap();
    // Cut anywhere in the last frames.
    for cut in 1..200 {
        let bytes = &bytes[..bytes.len() - cut];
        let mut reader = Reader::new(bytes, bytes.len() as u64).unwrap();
        let played = same(&mut reader, &mut *policy("escra", 20.0)).unwrap();
        assert!(played.calls < whole.calls && played.calls + 20 > whole.calls);
    }
    // At frames' ends nothing is torn; elsewhere it is, and said to be.
    let cut = &bytes[..bytes.len() - 1];
    let mut reader = Reader::new(cut, cut.len() as u64).unwrap();
    let played = same(&mut reader, &mut *policy("escra", 20.0)).unwrap();
    assert!(played.torn.is_some_and(|at| at < cut.len() as u64));
}

#[test]
fn damage_is_found_wherever_it_is() {
    let (_folder, path, _) = recorded("escra");
    let bytes = fs::read(&path).unwrap();
    for at in (0..bytes.len()).step_by(bytes.len() / 97) {
        let mut bytes = bytes.clone();
        bytes[at] ^= 0x10;
        let read = Reader::new(&bytes[..], bytes.len() as u64).and_then(|mut reader| {
            while reader.next_entry()?.is_some() {}
            Ok(reader.torn())
        });
        match read {
            Ok(torn) => assert!(torn.is_some(), "byte {at}"),
            Err(ReadError::Damaged(found)) => assert!(found <= at as u64),
            Err(ReadError::NotOne) => assert!(at < 8 || at < 100),
            Err(error) => panic!("byte {at}: {error}"),
        }
    }
}

#[test]
fn nothing_is_written_over() {
    let (_folder, path, header) = recorded("escra");
    assert!(Recording::create(&path, &header).is_err());
}

#[test]
fn the_same_policy_in_the_shadow_does_what_it_did() {
    let (_folder, path, _) = recorded("escra");
    let mut reader = Reader::open(&path).unwrap();
    let comparison =
        shadow::play(&mut reader, &mut *policy("escra", 20.0), Span::from_secs(1)).unwrap();
    assert!(
        comparison.rows.len() >= 10 && comparison.periods == 300,
        "{}",
        comparison.periods
    );
    let [recorded, shadow] = comparison.cpu_mean;
    assert!(
        (recorded - shadow).abs() / recorded < 0.02,
        "{recorded} {shadow}"
    );
    let last = comparison.rows.last().unwrap();
    assert!(last.shadow.kills == 0 && last.recorded.waits > 0 && last.shadow.waits > 0);
}

#[test]
fn static_limits_in_the_shadow_kill_what_was_rescued() {
    let (_folder, path, _) = recorded("escra");
    let mut reader = Reader::open(&path).unwrap();
    let comparison =
        shadow::play(&mut reader, &mut *policy("fixed", 0.0), Span::from_secs(1)).unwrap();
    assert_eq!(comparison.cpu_mean[1], 6.0);
    let last = comparison.rows.last().unwrap();
    assert_eq!((last.shadow.commands, last.recorded.kills), (0, 0));
    assert!(last.shadow.kills > 0, "{last:?}");
}

/// The recorder passes everything on as it is.
#[test]
fn a_recorder_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let header = Header {
        version: VERSION,
        ..Header::default()
    };
    let recording = Recording::create(&folder.path().join("x"), &header).unwrap();
    let bare = Rc::new(RefCell::new(policy("escra", 20.0)));
    let mut taped = Recorder::new(policy("escra", 20.0), recording);
    let container = Container {
        id: ContainerId(0),
        host: HostId(0),
        requested: None,
    };
    let given = bare.borrow_mut().admit(Time::ZERO, container);
    assert_eq!(taped.admit(Time::ZERO, container), given);
    assert_eq!(taped.next_wake(), bare.borrow().next_wake());
    assert_eq!(taped.bounds(), bare.borrow().bounds());
    assert_eq!(taped.sampling(), bare.borrow().sampling());
    assert!(taped.wants_periods() && taped.traps_out_of_memory());
}
