//! What surrounds the recommenders: samples, the schedule, kills, and the
//! application-wide limit.

mod closed_loop;

use proptest::prelude::*;

use super::*;
use crate::observation::HostId;

const A: ContainerId = ContainerId(0);
const B: ContainerId = ContainerId(1);

fn container(id: u32) -> Container {
    Container {
        id: ContainerId(id),
        host: HostId(0),
        requested: None,
    }
}

/// Carries commands out at once and reports that; returns them.
fn apply(autopilot: &mut Autopilot, now: Time, commands: &[Command]) -> Vec<Command> {
    for command in commands {
        let answer = match *command {
            Command::SetCpu {
                container, version, ..
            } => Observation::CpuApplied { container, version },
            Command::SetMemory {
                container,
                version,
                limit,
            } => Observation::MemoryApplied {
                container,
                version,
                limit,
            },
            other => panic!("Autopilot does not send {other:?}"),
        };
        autopilot.observe(now, &answer, &mut Vec::new());
    }
    commands.to_vec()
}

fn at(ms: u64) -> Time {
    Time::ZERO + Span::from_millis(ms)
}

fn usage(container: ContainerId, seq: u64, cpu_millis: u64, mib: u64) -> Observation {
    Observation::Usage {
        container,
        seq,
        cpu: Cores::from_millis(cpu_millis),
        memory: Bytes::from_mib(mib),
    }
}

/// Round buckets: 0.1 cores and 100 MiB wide, no margins, limits that follow
/// the highest sample of the last window.
fn config() -> Config {
    Config {
        decays: vec![1.0],
        cpu_margins: vec![Cores::ZERO],
        memory_margins: vec![Bytes::ZERO],
        w_dl: 0.0,
        cpu_buckets: 40,
        cpu_max: Cores::new(4),
        memory_buckets: 40,
        memory_max: Bytes::from_mib(4_000),
        ..Config::default()
    }
}

fn uncapped(config: Config) -> Autopilot {
    Autopilot::new(config, None, None).unwrap()
}

fn wake(autopilot: &mut Autopilot, now: Time) -> Vec<Command> {
    let mut out = Vec::new();
    autopilot.wake(now, &mut out);
    out
}

fn observe(autopilot: &mut Autopilot, now: Time, what: &Observation) {
    let mut out = Vec::new();
    autopilot.observe(now, what, &mut out);
    assert!(out.is_empty(), "limits change at updates only");
}

#[test]
fn a_container_starts_with_the_initial_limits_and_is_sampled() {
    let mut autopilot = uncapped(Config::default());
    let limits = autopilot.admit(Time::ZERO, container(0));
    assert_eq!(limits.cpu, Cores::from_millis(10));
    assert_eq!(limits.memory, Bytes::from_mib(1024));
    assert_eq!(autopilot.sampling(), Some(Span::from_millis(100)));
    assert!(!autopilot.traps_out_of_memory() && !autopilot.wants_periods());
}

#[test]
fn updates_keep_to_their_grid() {
    let mut autopilot = uncapped(config());
    assert_eq!(autopilot.next_wake(), None);
    autopilot.admit(at(250), container(0));
    autopilot.admit(at(300), container(1));
    assert_eq!(autopilot.next_wake(), Some(at(1_250)));
    observe(&mut autopilot, at(400), &usage(A, 1, 250, 250));
    assert_eq!(wake(&mut autopilot, at(1_249)), []);
    assert_eq!(wake(&mut autopilot, at(1_250)).len(), 2);
    assert_eq!(autopilot.next_wake(), Some(at(2_250)));
    wake(&mut autopilot, at(4_300));
    assert_eq!(autopilot.next_wake(), Some(at(5_250)));
    observe(&mut autopilot, at(4_400), &Observation::Stopped(A));
    assert_eq!(autopilot.next_wake(), Some(at(5_250)));
    observe(&mut autopilot, at(4_500), &Observation::Stopped(B));
    assert_eq!(autopilot.next_wake(), None);
}

#[test]
fn only_limits_that_change_are_sent() {
    let mut autopilot = uncapped(config());
    autopilot.admit(Time::ZERO, container(0));
    autopilot.admit(Time::ZERO, container(1));
    observe(&mut autopilot, at(100), &usage(A, 1, 250, 250));
    let set_cpu = |version, tenths| Command::SetCpu {
        container: A,
        version,
        limit: Cores::from_millis(100) * tenths,
    };
    let set_memory = |version, mib| Command::SetMemory {
        container: A,
        version,
        limit: Bytes::from_mib(mib),
    };
    assert_eq!(
        wake(&mut autopilot, at(1_000)),
        [set_cpu(1, 3), set_memory(1, 300)]
    );
    observe(&mut autopilot, at(1_100), &usage(A, 2, 250, 350));
    assert_eq!(wake(&mut autopilot, at(2_000)), [set_memory(2, 400)]);
    // No sample, nothing learnt.
    assert_eq!(wake(&mut autopilot, at(3_000)), []);
}

/// Updates from `settle` on, and before that containers that idle: nothing of
/// it is in the first window.
#[test]
fn a_settled_run_is_told_the_same_as_an_unsettled_one() {
    let commands = |recommender, settle_ms: u64| {
        let mut autopilot = uncapped(Config {
            cpu_recommender: recommender,
            memory_recommender: recommender,
            first_update: (settle_ms > 0).then(|| Span::from_millis(settle_ms + 1_000)),
            w_u: 0.5,
            ..config()
        });
        autopilot.admit(Time::ZERO, container(0));
        let idle = settle_ms / 100;
        let mut all = Vec::new();
        for sample in 1..=idle + 30 {
            // Reports take a hair to arrive.
            let arrival = at(sample * 100) + Span::from_micros(100);
            if let Some(now) = autopilot.next_wake().filter(|&due| due < arrival) {
                let out = wake(&mut autopilot, now);
                all.push(apply(&mut autopilot, now, &out));
            }
            let (cpu, mib) = match sample.checked_sub(idle + 1) {
                None => (3_900, 3_900),
                Some(n) => (150 + 300 * (n % 3), 250 + 10 * n),
            };
            observe(&mut autopilot, arrival, &usage(A, sample, cpu, mib));
        }
        assert!(!all.is_empty());
        all
    };
    for recommender in [
        Recommender::Ml,
        Recommender::Max,
        Recommender::Average,
        Recommender::Percentile(95.0),
    ] {
        assert_eq!(
            commands(recommender, 60_000),
            commands(recommender, 0),
            "{recommender:?}"
        );
    }
}

/// A sample from before the window stays a sample seen.
#[test]
fn a_sample_from_before_the_first_window_does_not_count_when_it_comes_again() {
    let mut autopilot = uncapped(Config {
        first_update: Some(Span::from_secs(5)),
        ..config()
    });
    autopilot.admit(Time::ZERO, container(0));
    observe(&mut autopilot, at(3_000), &usage(A, 30, 950, 950));
    observe(&mut autopilot, at(4_500), &usage(A, 30, 950, 950));
    assert_eq!(wake(&mut autopilot, at(5_000)), []);
}

#[test]
fn memory_is_judged_by_the_peak_of_the_window() {
    // Ten samples of which one is high would not be worth a limit above it if
    // each counted.
    let mut autopilot = uncapped(Config {
        w_u: 0.5,
        ..config()
    });
    autopilot.admit(Time::ZERO, container(0));
    for seq in 1..=10 {
        let high = if seq == 5 { 850 } else { 150 };
        observe(&mut autopilot, at(seq * 100), &usage(A, seq, high, high));
    }
    wake(&mut autopilot, at(1_000));
    assert_eq!(autopilot.cpu.target(A), Some(Cores::from_millis(200).0));
    assert_eq!(autopilot.memory.target(A), Some(Bytes::from_mib(900).0));
}

#[test]
fn cpu_samples_are_scaled() {
    let mut autopilot = uncapped(Config {
        usage_scale: 10.0,
        ..config()
    });
    autopilot.admit(Time::ZERO, container(0));
    observe(&mut autopilot, at(100), &usage(A, 1, 25, 250));
    wake(&mut autopilot, at(1_000));
    assert_eq!(autopilot.cpu.target(A), Some(Cores::from_millis(300).0));
    assert_eq!(autopilot.memory.target(A), Some(Bytes::from_mib(300).0));
}

#[test]
fn a_kill_raises_the_memory_limit_for_a_while() {
    let mut autopilot = uncapped(Config {
        oom_hold: Span::from_secs(3),
        ..config()
    });
    autopilot.admit(Time::ZERO, container(0));
    let mut limits = Vec::new();
    for second in 1..=6 {
        let now = at(second * 1_000 - 500);
        // It grows to its limit of 1000 MiB, dies, and starts again small.
        let mib = if second == 1 { 950 } else { 50 };
        observe(&mut autopilot, now, &usage(A, second, 50, mib));
        if second == 2 {
            observe(&mut autopilot, now, &Observation::Killed(A));
        }
        let out = wake(&mut autopilot, at(second * 1_000));
        apply(&mut autopilot, now, &out);
        limits.push(Bytes(autopilot.memory.target(A).unwrap()).as_mib_f64());
    }
    // 1.2 x 1000 MiB is at the lower end of the bucket that ends at 1300; it
    // counts at seconds 2, 3 and 4, until 4.5.
    assert_eq!(limits, [1000.0, 1300.0, 1300.0, 1300.0, 100.0, 100.0]);
}

#[test]
fn kills_in_a_row_raise_the_limit_until_it_is_enough() {
    for recommender in [Recommender::Ml, Recommender::Percentile(98.0)] {
        let mut autopilot = uncapped(Config {
            memory_recommender: recommender,
            ..Config::default()
        });
        autopilot.admit(Time::ZERO, container(0));
        let needed = Bytes::from_mib(3_000).0;
        let mut kills = 0;
        for second in 1..=60 {
            observe(&mut autopilot, at(second * 1_000), &usage(A, second, 5, 60));
            let enough = autopilot.memory.target(A).unwrap() >= needed;
            if !enough && second > 1 {
                observe(&mut autopilot, at(second * 1_000), &Observation::Killed(A));
                kills += 1;
            }
            let out = wake(&mut autopilot, at(second * 1_000));
            apply(&mut autopilot, at(second * 1_000), &out);
        }
        assert!(autopilot.memory.target(A).unwrap() >= needed);
        assert!((1..30).contains(&kills), "{recommender:?}: {kills} kills");
    }
}

#[test]
fn messages_about_strangers_are_ignored() {
    let mut autopilot = uncapped(config());
    autopilot.admit(Time::ZERO, container(1));
    let stranger = ContainerId(7);
    for id in [A, stranger] {
        for what in [
            usage(id, 1, 500, 500),
            Observation::Killed(id),
            Observation::Stopped(id),
            Observation::CpuApplied {
                container: id,
                version: 1,
            },
        ] {
            observe(&mut autopilot, at(100), &what);
        }
    }
    assert_eq!(wake(&mut autopilot, at(1_000)), []);
}

#[test]
fn what_passes_omega_is_cut_in_proportion() {
    let ids = [A, B, ContainerId(2)];
    let wanted = |limits: [u64; 3]| ids.into_iter().zip(limits).collect::<Vec<_>>();
    let shared = |limits, floor, omega| {
        let mut wanted = wanted(limits);
        share(&mut wanted, floor, omega);
        wanted
            .into_iter()
            .map(|(_, limit)| limit)
            .collect::<Vec<_>>()
    };
    assert_eq!(shared([10, 40, 50], 10, 100), [10, 40, 50]);
    // 65 - 30 to share among 0, 30 and 40.
    assert_eq!(shared([10, 40, 50], 10, 65), [10, 25, 30]);
    // Even the floors do not fit.
    assert_eq!(shared([10, 10, 20], 10, 20), [5, 5, 10]);
}

#[test]
fn under_omega_a_need_is_met_when_others_have_confirmed_that_they_gave() {
    let mut autopilot = Autopilot::new(
        Config {
            cpu_initial: Cores::from_millis(1_000),
            ..config()
        },
        Some(Cores::from_millis(2_000)),
        None,
    )
    .unwrap();
    autopilot.admit(Time::ZERO, container(0));
    autopilot.admit(Time::ZERO, container(1));
    let second = |autopilot: &mut Autopilot, n: u64| {
        observe(autopilot, at(n * 1_000 - 500), &usage(A, n, 150, 50));
        observe(autopilot, at(n * 1_000 - 500), &usage(B, n, 1_450, 50));
        wake(autopilot, at(n * 1_000))
    };
    let cpu =
        |autopilot: &Autopilot| [A, B].map(|id| Cores(autopilot.cpu.target(id).unwrap()).as_f64());
    let out = second(&mut autopilot, 1);
    assert_eq!(cpu(&autopilot), [0.2, 1.0]);
    apply(&mut autopilot, at(1_100), &out);
    second(&mut autopilot, 2);
    assert_eq!(cpu(&autopilot), [0.2, 1.5]);
}

#[test]
fn scenario_text_is_read() {
    // Through the same deserialiser interface a TOML file goes through.
    use serde::Deserialize;
    use serde::de::value::{Error, MapDeserializer, StrDeserializer};
    let read = |fields: &[(&'static str, &'static str)]| {
        let fields = fields.iter().copied();
        Config::deserialize(MapDeserializer::<_, Error>::new(
            fields.map(|(key, value)| (key, StrDeserializer::new(value))),
        ))
    };
    let config = read(&[
        ("update_period", "10s"),
        ("cpu_max", "20 cores"),
        ("memory_max", "25 GB"),
        ("cpu_recommender", "intermediate"),
    ])
    .unwrap();
    assert_eq!(config.update_period, Span::from_secs(10));
    assert_eq!(config.memory_max, Bytes(25_000_000_000));
    assert_eq!(config.cpu_recommender, Recommender::Intermediate);
    assert_eq!(config.w_o, Config::default().w_o);
    assert!(read(&[("update_perod", "10s")]).is_err());
}

/// One message or update of a random history.
#[derive(Clone, Copy, Debug)]
enum Step {
    Sample(u32, u64, u64),
    Again(usize),
    Kill(u32),
    Update,
    Confirm(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (0u32..4, 0u64..6_000, 0u64..6_000)
            .prop_map(|(id, cpu, mib)| Step::Sample(id, cpu, mib)),
        2 => any::<usize>().prop_map(Step::Again),
        1 => (0u32..4).prop_map(Step::Kill),
        2 => Just(Step::Update),
        2 => any::<usize>().prop_map(Step::Confirm),
    ]
}

fn recommender() -> impl Strategy<Value = Recommender> {
    prop_oneof![
        Just(Recommender::Ml),
        Just(Recommender::Max),
        Just(Recommender::Average),
        (1.0..100.0).prop_map(Recommender::Percentile),
        Just(Recommender::Intermediate),
    ]
}

/// Runs a history; returns all commands. `doubled` also delivers messages a
/// second time, late. Checks what must hold after each step.
fn replay(config: &Config, omega: Option<u64>, steps: &[Step], doubled: bool) -> Vec<Command> {
    let cap = omega.map_or(u64::MAX, |omega| omega * 1_000_000);
    let mut autopilot =
        Autopilot::new(config.clone(), omega.map(Cores::from_millis), None).unwrap();
    let mut host = [0u64; 4];
    for id in 0..4 {
        host[id as usize] = autopilot.admit(Time::ZERO, container(id)).cpu.0;
    }
    let (mut seqs, mut now) = ([0u64; 4], at(100));
    let (mut sent, mut seen, mut applied) = (Vec::new(), Vec::new(), [0u64; 4]);
    for step in steps {
        match *step {
            Step::Sample(id, cpu, mib) => {
                seqs[id as usize] += 1;
                let what = usage(ContainerId(id), seqs[id as usize], cpu, mib);
                observe(&mut autopilot, now, &what);
                seen.push(what);
            }
            Step::Again(which) if doubled && !seen.is_empty() => {
                observe(&mut autopilot, now, &seen[which % seen.len()]);
            }
            Step::Kill(id) => observe(&mut autopilot, now, &Observation::Killed(ContainerId(id))),
            Step::Update => {
                now = now + config.update_period;
                sent.extend(wake(&mut autopilot, now));
            }
            Step::Confirm(which) if !sent.is_empty() => {
                if let Command::SetCpu {
                    container,
                    version,
                    limit,
                } = sent[which % sent.len()]
                {
                    let id = container.0 as usize;
                    if version > applied[id] {
                        applied[id] = version;
                        host[id] = limit.0;
                        apply(&mut autopilot, now, &[sent[which % sent.len()]]);
                    }
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
    fn limits_stay_between_floor_and_maximum(
        steps in proptest::collection::vec(step(), 1..100),
        cpu in recommender(),
        memory in recommender(),
    ) {
        let config = Config {
            cpu_recommender: cpu,
            memory_recommender: memory,
            cpu_floor: Cores::from_millis(30),
            cpu_initial: Cores::from_millis(30),
            ..config()
        };
        for command in replay(&config, None, &steps, false) {
            match command {
                Command::SetCpu { limit, .. } => {
                    prop_assert!(config.cpu_floor <= limit && limit <= config.cpu_max);
                }
                Command::SetMemory { limit, .. } => {
                    prop_assert!(config.memory_floor <= limit && limit <= config.memory_max);
                }
                other => prop_assert!(false, "{:?}", other),
            }
        }
    }

    #[test]
    fn doubled_and_late_samples_change_nothing(
        steps in proptest::collection::vec(step(), 1..100),
        cpu in recommender(),
    ) {
        let config = Config { cpu_recommender: cpu, ..config() };
        let clean = replay(&config, None, &steps, false);
        prop_assert_eq!(&clean, &replay(&config, None, &steps, true));
        prop_assert_eq!(&clean, &replay(&config, None, &steps, false));
    }

    #[test]
    fn the_limits_on_the_hosts_never_pass_omega(
        steps in proptest::collection::vec(step(), 1..200),
        omega in 10u64..8_000,
    ) {
        replay(&config(), Some(omega), &steps, true);
    }

    #[test]
    fn shares_fit_and_keep_the_floor(
        limits in proptest::collection::vec(10u64..1_000, 1..20),
        omega in 0u64..10_000,
    ) {
        let mut wanted: Vec<_> = (0u32..).map(ContainerId).zip(limits.iter().copied()).collect();
        share(&mut wanted, 10, omega);
        prop_assert!(wanted.iter().map(|w| w.1).sum::<u64>() <= omega);
        for (&limit, (_, given)) in limits.iter().zip(&wanted) {
            prop_assert!(*given <= limit);
            prop_assert!(*given >= 10 || omega < 10 * limits.len() as u64);
        }
    }
}
