//! Decisions at samples, the window, and the application-wide limit.

mod closed_loop;

use proptest::prelude::*;

use super::*;
use crate::observation::HostId;
use crate::units::Bytes;

const A: ContainerId = ContainerId(0);

fn container(id: u32) -> Container {
    Container {
        id: ContainerId(id),
        host: HostId(0),
        requested: None,
    }
}

fn limits(millis: u64) -> Limits {
    Limits {
        cpu: Cores::from_millis(millis),
        memory: Bytes::from_mib(64),
    }
}

fn usage(container: ContainerId, seq: u64, millis: u64) -> Observation {
    Observation::Usage {
        container,
        seq,
        cpu: Cores::from_millis(millis),
        memory: Bytes::from_mib(40),
    }
}

fn set(container: ContainerId, version: u64, millis: u64) -> Command {
    Command::SetCpu {
        container,
        version,
        limit: Cores::from_millis(millis),
    }
}

fn at(seconds: u64) -> Time {
    Time::ZERO + Span::from_secs(seconds)
}

/// With containers of one core each.
fn admitted(config: Config, containers: u32, omega: Option<Cores>) -> K8sCpu {
    let initial = vec![limits(1_000); containers as usize];
    let mut policy = K8sCpu::new(config, initial, omega).unwrap();
    for id in 0..containers {
        policy.admit(Time::ZERO, container(id));
    }
    policy
}

fn observe(policy: &mut K8sCpu, now: Time, what: &Observation) -> Vec<Command> {
    let mut out = Vec::new();
    policy.observe(now, what, &mut out);
    out
}

#[test]
fn a_container_starts_with_its_limits_and_is_sampled() {
    let mut policy = K8sCpu::new(Config::default(), vec![limits(700)], None).unwrap();
    assert_eq!(policy.admit(Time::ZERO, container(0)), limits(700));
    assert_eq!(policy.sampling(), Some(Span::from_secs(15)));
    assert_eq!(policy.next_wake(), None);
    assert!(!policy.wants_periods() && !policy.traps_out_of_memory());
}

#[test]
#[should_panic(expected = "container 1 has no limits to start with")]
fn a_container_without_limits_is_a_mistake() {
    let policy = K8sCpu::new(Config::default(), vec![limits(1)], None);
    policy.unwrap().admit(Time::ZERO, container(1));
}

#[test]
fn the_limit_is_the_usage_over_the_target() {
    for (target_utilisation, millis) in [(0.4, 750), (0.5, 600), (0.6, 500), (1.0, 300)] {
        let config = Config {
            target_utilisation,
            ..Config::default()
        };
        let mut policy = admitted(config, 1, None);
        let out = observe(&mut policy, at(15), &usage(A, 1, 300));
        assert_eq!(out, [set(A, 1, millis)]);
    }
}

#[test]
fn a_limit_comes_down_when_the_window_has_passed() {
    for (config, last) in [(Config::default(), 20), (Config::fast(), 20)] {
        let period = config.period;
        let mut policy = admitted(config, 1, None);
        let mut sample = |n: u64, millis| {
            let now = Time::ZERO + period * n;
            observe(&mut policy, now, &usage(A, n, millis))
        };
        assert_eq!(sample(1, 800), [set(A, 1, 1_600)]);
        assert_eq!(sample(2, 300), []);
        assert_eq!(sample(3, 200), []);
        for n in 4..=last {
            assert_eq!(sample(n, 100), [], "{n}");
        }
        assert_eq!(sample(21, 100), [set(A, 2, 600)]);
        assert_eq!(sample(22, 100), [set(A, 3, 400)]);
        assert_eq!(sample(23, 100), [set(A, 4, 200)]);
        assert_eq!(sample(24, 300), [set(A, 5, 600)]);
    }
}

#[test]
fn an_idle_container_keeps_the_floor() {
    let mut policy = admitted(Config::fast(), 1, None);
    assert_eq!(
        observe(&mut policy, at(1), &usage(A, 1, 0)),
        [set(A, 1, 10)]
    );
}

#[test]
fn messages_about_strangers_are_ignored() {
    let mut policy = admitted(Config::fast(), 1, None);
    for id in [ContainerId(1), ContainerId(7)] {
        for what in [
            usage(id, 1, 500),
            Observation::Killed(id),
            Observation::Stopped(id),
            Observation::CpuApplied {
                container: id,
                version: 1,
            },
        ] {
            assert_eq!(observe(&mut policy, at(1), &what), []);
        }
    }
    observe(&mut policy, at(1), &Observation::Stopped(A));
    assert_eq!(observe(&mut policy, at(1), &usage(A, 1, 500)), []);
}

#[test]
fn under_omega_an_increase_waits_for_what_others_give_back() {
    let b = ContainerId(1);
    let mut policy = admitted(Config::fast(), 2, Some(Cores::new(2)));
    assert_eq!(observe(&mut policy, at(1), &usage(A, 1, 900)), []);
    assert_eq!(
        observe(&mut policy, at(1), &usage(b, 1, 100)),
        [set(b, 1, 200)]
    );
    // Sent is not done.
    assert_eq!(observe(&mut policy, at(2), &usage(A, 2, 900)), []);
    let applied = Observation::CpuApplied {
        container: b,
        version: 1,
    };
    observe(&mut policy, at(2), &applied);
    let out = observe(&mut policy, at(3), &usage(A, 3, 950));
    assert_eq!(out, [set(A, 1, 1_800)]);
}

#[test]
fn scenario_text_is_read() {
    use serde::Deserialize;
    use serde::de::value::{Error, MapDeserializer, StrDeserializer};
    let read = |fields: &[(&'static str, &'static str)]| {
        let fields = fields.iter().copied();
        Config::deserialize(MapDeserializer::<_, Error>::new(
            fields.map(|(key, value)| (key, StrDeserializer::new(value))),
        ))
    };
    let fast = read(&[("period", "1s"), ("stabilisation", "20s")]).unwrap();
    assert_eq!(fast, Config::fast());
    assert!(read(&[("stabilization", "20s")]).is_err());
}

/// One message of a random history, some seconds after the one before.
#[derive(Clone, Copy, Debug)]
enum Step {
    Sample(u32, u64),
    Again(usize),
    Pass(u64),
    Deliver(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (0u32..4, 0u64..3_000).prop_map(|(id, millis)| Step::Sample(id, millis)),
        2 => any::<usize>().prop_map(Step::Again),
        3 => (0u64..8).prop_map(Step::Pass),
        4 => any::<usize>().prop_map(Step::Deliver),
    ]
}

/// Runs a history on hosts that get commands late and in any order; returns all
/// commands. `doubled` also delivers samples a second time, late. Limits are
/// compared with a slow reading of the definition where there is no Ω.
fn replay(omega: Option<u64>, steps: &[Step], doubled: bool) -> Vec<Command> {
    let cap = omega.map_or(u64::MAX, |omega| omega * 1_000_000);
    let config = Config::fast();
    let mut policy = admitted(config.clone(), 4, omega.map(Cores::from_millis));
    let mut host = [0u64; 4];
    for id in 0..4 {
        host[id as usize] = policy.admit(Time::ZERO, container(id)).cpu.0;
    }
    let (mut now, mut seqs) = (Time::ZERO, [0u64; 4]);
    let mut samples: [Vec<(Time, u64)>; 4] = Default::default();
    let (mut sent, mut seen, mut applied) = (Vec::new(), Vec::new(), [0u64; 4]);
    for step in steps {
        match *step {
            Step::Sample(id, millis) => {
                let index = id as usize;
                seqs[index] += 1;
                samples[index].push((now, millis));
                let what = usage(ContainerId(id), seqs[index], millis);
                sent.extend(observe(&mut policy, now, &what));
                seen.push(what);
                let window = samples[index]
                    .iter()
                    .filter(|(time, _)| now.since(*time) < config.stabilisation);
                let highest = window.map(|&(_, millis)| millis * 2).max().unwrap();
                let limit = Cores::from_millis(highest.max(10));
                if omega.is_none() {
                    assert_eq!(policy.pool.target(ContainerId(id)), Some(limit.0));
                }
            }
            Step::Again(which) if doubled && !seen.is_empty() => {
                let again = seen[which % seen.len()];
                assert_eq!(observe(&mut policy, now, &again), []);
            }
            Step::Pass(seconds) => now = now + Span::from_secs(seconds),
            Step::Deliver(which) if !sent.is_empty() => {
                if let Command::SetCpu {
                    container,
                    version,
                    limit,
                } = sent[which % sent.len()]
                    && version > applied[container.0 as usize]
                {
                    applied[container.0 as usize] = version;
                    host[container.0 as usize] = limit.0;
                    let answer = Observation::CpuApplied { container, version };
                    observe(&mut policy, now, &answer);
                }
            }
            _ => {}
        }
        assert!(host.iter().sum::<u64>() <= cap);
    }
    sent
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn limits_are_the_highest_of_the_window_and_never_under_the_floor(
        steps in proptest::collection::vec(step(), 1..200),
    ) {
        for command in replay(None, &steps, false) {
            let Command::SetCpu { limit, .. } = command else {
                panic!("{command:?}");
            };
            prop_assert!(limit >= Cores::from_millis(10) && limit <= Cores::new(6));
        }
    }

    #[test]
    fn doubled_and_late_samples_change_nothing(
        steps in proptest::collection::vec(step(), 1..200),
        omega in proptest::option::of(100u64..8_000),
    ) {
        let clean = replay(omega, &steps, false);
        prop_assert_eq!(&clean, &replay(omega, &steps, true));
    }

    #[test]
    fn the_limits_on_the_hosts_never_pass_omega(
        steps in proptest::collection::vec(step(), 1..200),
        omega in 10u64..8_000,
    ) {
        replay(Some(omega), &steps, true);
    }
}
