//! How a decision reaches a container that runs: in place, by eviction, or in place
//! until that takes too long.

use super::*;

/// When a day of samples has made the range so narrow that 4 cores and 4000 MiB are
/// too much for 0.5 and 290.
const DAY_AND_MORE: u64 = 1_500;

fn too_large(mode: Mode, min_replicas: u32) -> Vpa {
    let config = Config {
        mode,
        min_replicas,
        ..Config::default()
    };
    let mut vpa = one(config, limits(4_000, 4_000), None);
    for minute in 1..=DAY_AND_MORE {
        observe(&mut vpa, at(minute), &usage(A, minute, 500, 290));
    }
    vpa
}

fn refuse_memory(vpa: &mut Vpa, now: Time, commands: &[Command]) {
    for command in commands {
        match *command {
            Command::SetMemory { version, .. } => {
                let refused = Observation::MemoryApplied {
                    container: A,
                    version,
                    limit: Bytes::from_mib(4_000),
                };
                observe(vpa, now, &refused);
            }
            other => confirm(vpa, now, &[other]),
        }
    }
}

#[test]
fn in_place_tries_a_refused_decrease_again_and_again() {
    let mut vpa = too_large(Mode::InPlace, 1);
    for minute in 0..120 {
        let now = at(DAY_AND_MORE + minute);
        let out = wake(&mut vpa, now);
        let last = out.last();
        assert!(matches!(last, Some(Command::SetMemory { .. })), "{out:?}");
        refuse_memory(&mut vpa, now, &out);
    }
}

#[test]
fn a_resize_that_is_stuck_for_an_hour_ends_in_an_eviction() {
    let mut vpa = too_large(Mode::InPlaceOrRecreate, 1);
    for minute in 0..60 {
        let now = at(DAY_AND_MORE + minute);
        let out = wake(&mut vpa, now);
        assert!(!out.iter().any(|c| matches!(c, Command::Restart { .. })));
        refuse_memory(&mut vpa, now, &out);
    }
    let now = at(DAY_AND_MORE + 60);
    let out = wake(&mut vpa, now);
    assert!(
        matches!(
            out[..],
            [
                Command::Restart { version: 1, .. },
                Command::SetMemory { .. }
            ]
        ),
        "{out:?}"
    );
    confirm(&mut vpa, now, &out);
    assert_eq!(wake(&mut vpa, now + MINUTE), []);
}

#[test]
fn recreate_evicts_once_and_not_again_while_the_pod_is_down() {
    let mut vpa = too_large(Mode::Recreate, 1);
    let now = at(DAY_AND_MORE);
    let out = wake(&mut vpa, now);
    let restart = Command::Restart {
        container: A,
        version: 1,
    };
    assert_eq!((out[0], out.len()), (restart, 3));
    // The limits did not arrive: the pod is back with the old ones.
    assert_eq!(wake(&mut vpa, now + MINUTE), []);
    observe(&mut vpa, now + MINUTE, &Observation::Started(A));
    confirm(&mut vpa, now + MINUTE, &out);
    assert_eq!(targets(&vpa).0, Cores::from_millis(587));
    // Killed soon after its start, it is given more, by another eviction.
    observe(&mut vpa, now + MINUTE * 2, &Observation::Killed(A));
    let out = wake(&mut vpa, now + MINUTE * 2);
    assert!(
        matches!(out[0], Command::Restart { version: 2, .. }),
        "{out:?}"
    );
}

#[test]
fn a_service_of_one_replica_is_left_alone_by_default() {
    let mut vpa = too_large(Mode::Recreate, Config::default().min_replicas);
    assert_eq!(wake(&mut vpa, at(DAY_AND_MORE)), []);
}
