//! What surrounds the samples: decisions, rollbacks, idle containers and the
//! application-wide limit.

mod closed_loop;

use proptest::prelude::*;

use super::*;
use crate::observation::HostId;
use crate::units::Bytes;

const A: ContainerId = ContainerId(0);
const PERIOD: Span = Span::from_millis(100);

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

fn period(id: ContainerId, seq: u64, used_ms: u64, nr_throttled: u64) -> Observation {
    Observation::Period(CpuPeriod {
        container: id,
        seq,
        quota: Cores::ZERO,
        unused: Span::ZERO,
        usage: Span::from_millis(used_ms),
        nr_throttled,
    })
}

fn round(number: f64) -> f64 {
    (number * 1e9).round() / 1e9
}

/// Carries commands out at once.
fn confirm(captain: &mut Captain, commands: &[Command]) {
    for command in commands {
        let Command::SetCpu {
            container, version, ..
        } = *command
        else {
            panic!("Captain does not send {command:?}");
        };
        let answer = Observation::CpuApplied { container, version };
        captain.observe(Time::ZERO, &answer, &mut Vec::new());
    }
}

/// A Captain with one container, and the host it reports from.
struct Host {
    captain: Captain,
    now: Time,
    seq: u64,
    nr_throttled: u64,
}

impl Host {
    /// With an initial limit in thousandths of a core.
    fn new(config: Config, millis: u64) -> Host {
        let mut captain = Captain::new(config, vec![limits(millis)], None).unwrap();
        captain.admit(Time::ZERO, container(0));
        Host {
            captain,
            now: Time::ZERO,
            seq: 0,
            nr_throttled: 0,
        }
    }

    fn report(&mut self, used_ms: u64, throttled: bool) {
        self.seq += 1;
        self.nr_throttled += u64::from(throttled);
        let report = period(A, self.seq, used_ms, self.nr_throttled);
        self.captain.observe(self.now, &report, &mut Vec::new());
    }

    /// The next sample is taken; returns the limit after it.
    fn wake(&mut self) -> f64 {
        self.now = self.now + PERIOD;
        let mut out = Vec::new();
        self.captain.wake(self.now, &mut out);
        confirm(&mut self.captain, &out);
        self.limit()
    }

    fn period(&mut self, used_ms: u64, throttled: bool) -> f64 {
        self.report(used_ms, throttled);
        self.wake()
    }

    fn limit(&self) -> f64 {
        round(Cores(self.captain.pool.target(A).unwrap()).as_f64())
    }

    fn service(&self) -> &Service {
        self.captain.services[0].as_ref().unwrap()
    }

    fn history(&self) -> Vec<f64> {
        let samples = self.service().history.iter();
        samples.map(|sample| round(sample.usage)).collect()
    }

    fn margin(&self) -> f64 {
        round(self.service().margin)
    }
}

#[test]
fn a_container_starts_with_its_limits_and_reports_its_periods() {
    let initial = vec![limits(700), limits(300)];
    let mut captain = Captain::new(Config::default(), initial, None).unwrap();
    assert_eq!(captain.next_wake(), None);
    assert_eq!(captain.admit(Time::ZERO, container(1)), limits(300));
    assert_eq!(captain.admit(Time::ZERO, container(0)), limits(700));
    assert_eq!(captain.next_wake(), Some(Time::ZERO + PERIOD));
    assert!(captain.wants_periods() && !captain.traps_out_of_memory());
    assert_eq!(captain.sampling(), None);
}

#[test]
#[should_panic(expected = "container 1 has no limits to start with")]
fn a_container_without_limits_is_a_mistake() {
    let captain = Captain::new(Config::default(), vec![limits(1)], None);
    captain.unwrap().admit(Time::ZERO, container(1));
}

#[test]
fn limits_change_every_ten_periods() {
    let mut host = Host::new(Config::default(), 1_000);
    for _ in 1..10 {
        assert_eq!(host.period(100, true), 1.0);
    }
    // All ten throttled: 1 + 1 - 3 · 0.1.
    assert_eq!(host.period(100, true), 1.7);
    assert_eq!(host.margin(), 3.9);
}

#[test]
fn what_is_tolerated_does_not_raise_a_limit() {
    for (throttled, limit) in [(3, 1.0), (4, 1.1), (7, 1.4)] {
        let mut host = Host::new(Config::default(), 1_000);
        for n in 0..10 {
            host.period(100, n < throttled);
        }
        assert_eq!(host.limit(), limit, "{throttled} of 10");
    }
}

#[test]
fn a_limit_falls_to_the_highest_usage_and_some_deviations() {
    // Usage in ms of 100 ms, alternately, and the limit after ten periods. The
    // margin is then 3 - 0.1.
    for (low, high, limit) in [
        (50, 50, 0.5),
        (20, 40, 0.69), // 0.4 + 2.9 · 0.1
        (40, 60, 0.89),
        (45, 65, 1.0), // 0.94 is more than 0.9
        (5, 5, 0.5),   // not by more than half
    ] {
        let mut host = Host::new(Config::default(), 1_000);
        for n in 0..10 {
            host.period(if n % 2 == 0 { low } else { high }, false);
        }
        assert_eq!(host.limit(), limit, "{low} {high}");
        assert_eq!(host.margin(), 2.9);
    }
}

#[test]
fn the_margin_ends_at_zero() {
    let mut host = Host::new(Config::default(), 1_000);
    for n in 0..400 {
        host.period(if n % 2 == 0 { 20 } else { 40 }, false);
    }
    // 0.4 + 0.1 · margin, each time it is a tenth less: at 2.9, 2.2, 1.5, 0.9
    // and 0.4, and 0.4 itself is no tenth less than 0.44.
    assert_eq!((host.margin(), host.limit()), (0.0, 0.44));
}

#[test]
fn a_limit_that_fell_too_low_is_rolled_back_at_once() {
    let mut host = Host::new(Config::default(), 1_000);
    for _ in 0..10 {
        host.period(50, false);
    }
    assert_eq!(host.limit(), 0.5);
    let limits: Vec<f64> = (0..10).map(|_| host.period(50, true)).collect();
    // The fourth of ten is too much: 1 + (1 - 0.5). Then nothing until the tenth,
    // when it is 1.5 · (1 + 1 - 0.3).
    assert_eq!(limits[..3], [0.5; 3]);
    assert_eq!(limits[3..9], [1.5; 6]);
    assert_eq!(limits[9], 2.55);
    // 2.9 + (0.4 - 0.1) + (1 - 0.1).
    assert_eq!(host.margin(), 4.1);
}

#[test]
fn only_a_limit_that_fell_is_rolled_back() {
    let mut host = Host::new(Config::default(), 500);
    for _ in 0..10 {
        host.period(48, false);
    }
    for _ in 0..9 {
        assert_eq!(host.period(50, true), 0.5);
    }
}

#[test]
fn an_idle_container_falls_by_halves_to_the_floor() {
    let mut host = Host::new(Config::default(), 100);
    let after = |host: &mut Host| (0..10).map(|_| host.wake()).last().unwrap();
    let limits: Vec<f64> = (0..6).map(|_| after(&mut host)).collect();
    assert_eq!(limits, [0.05, 0.025, 0.0125, 0.01, 0.01, 0.01]);
}

#[test]
fn a_late_report_takes_the_place_of_the_silence_before() {
    let mut host = Host::new(Config::default(), 1_000);
    host.period(10, false);
    host.wake();
    assert_eq!(host.history(), [0.1, 0.0]);
    host.report(20, false);
    host.period(30, false);
    assert_eq!(host.history(), [0.1, 0.2, 0.3]);
    // One that was not missed is one more.
    host.report(40, false);
    host.period(50, false);
    assert_eq!(host.history(), [0.1, 0.2, 0.3, 0.4, 0.5]);
}

#[test]
fn the_history_has_an_end() {
    let config = Config {
        history: 3,
        ..Config::default()
    };
    let mut host = Host::new(config, 1_000);
    for used in [90, 10, 20, 30] {
        host.period(used, false);
    }
    assert_eq!(host.history(), [0.1, 0.2, 0.3]);
}

#[test]
fn a_counter_that_jumps_counts_no_more_than_all_periods() {
    let mut host = Host::new(Config::default(), 1_000);
    host.nr_throttled = 5_000;
    for _ in 0..10 {
        host.period(50, false);
    }
    assert_eq!(host.limit(), 1.7);
    // The container is restarted: 2 of 10, and not less than none.
    host.nr_throttled = 2;
    for _ in 0..10 {
        host.period(50, false);
    }
    assert_eq!(host.margin(), 4.0);
}

#[test]
fn samples_keep_to_their_grid_until_nobody_is_left() {
    let mut host = Host::new(Config::default(), 1_000);
    let at = |ms| Time::ZERO + Span::from_millis(ms);
    let mut out = Vec::new();
    host.captain.wake(at(99), &mut out);
    assert!(host.history().is_empty());
    host.captain.wake(at(350), &mut out);
    assert_eq!((host.history().len(), out.len()), (1, 0));
    assert_eq!(host.captain.next_wake(), Some(at(400)));
    let stopped = Observation::Stopped(A);
    host.captain.observe(at(360), &stopped, &mut out);
    assert_eq!(host.captain.next_wake(), None);
}

#[test]
fn messages_about_strangers_are_ignored() {
    let mut captain = Captain::new(Config::default(), vec![limits(1); 8], None).unwrap();
    captain.admit(Time::ZERO, container(1));
    for id in [A, ContainerId(7)] {
        for what in [
            period(id, 1, 100, 1),
            Observation::Killed(id),
            Observation::Stopped(id),
            Observation::CpuApplied {
                container: id,
                version: 1,
            },
        ] {
            captain.observe(Time::ZERO, &what, &mut Vec::new());
        }
    }
    assert_eq!(captain.pool.members(), 1);
}

#[test]
fn under_omega_an_increase_gets_what_is_left() {
    let omega = Some(Cores::from_millis(2_500));
    let initial = vec![limits(1_000); 2];
    let mut captain = Captain::new(Config::default(), initial, omega).unwrap();
    for id in 0..2 {
        captain.admit(Time::ZERO, container(id));
    }
    let mut out = Vec::new();
    for n in 1..=10 {
        for id in [A, ContainerId(1)] {
            captain.observe(Time::ZERO, &period(id, n, 100, n), &mut out);
        }
        captain.wake(Time::ZERO + PERIOD * n, &mut out);
    }
    // The first wants 1.7 cores, and takes all of the half that is free.
    let grown = Command::SetCpu {
        container: A,
        version: 1,
        limit: Cores::from_millis(1_500),
    };
    assert_eq!(out, [grown]);
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
    let config = read(&[("floor", "0.1 cores")]).unwrap();
    assert_eq!(config.floor, Cores::from_millis(100));
    assert_eq!(config.throttle_target, 0.1);
    assert!(read(&[("throttle_targets", "0.1")]).is_err());
}

/// One message or sample of a random history.
#[derive(Clone, Copy, Debug)]
enum Step {
    Report(u32, u64, bool),
    Again(usize),
    Sample,
    Deliver(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (0u32..4, 0u64..300, any::<bool>())
            .prop_map(|(id, used, throttled)| Step::Report(id, used, throttled)),
        2 => any::<usize>().prop_map(Step::Again),
        4 => Just(Step::Sample),
        3 => any::<usize>().prop_map(Step::Deliver),
    ]
}

/// Runs a history on hosts that get commands late and in any order; returns all
/// commands. `doubled` also delivers reports a second time, late.
fn replay(omega: Option<u64>, steps: &[Step], doubled: bool) -> Vec<Command> {
    let cap = omega.map_or(u64::MAX, |omega| omega * 1_000_000);
    let initial = vec![limits(500); 4];
    let omega = omega.map(Cores::from_millis);
    let mut captain = Captain::new(Config::default(), initial, omega).unwrap();
    let mut host = [0u64; 4];
    for id in 0..4 {
        host[id as usize] = captain.admit(Time::ZERO, container(id)).cpu.0;
    }
    let (mut now, mut seqs, mut counters) = (Time::ZERO, [0u64; 4], [0u64; 4]);
    let (mut sent, mut seen, mut applied) = (Vec::new(), Vec::new(), [0u64; 4]);
    for step in steps {
        let mut out = Vec::new();
        match *step {
            Step::Report(id, used, throttled) => {
                let index = id as usize;
                seqs[index] += 1;
                counters[index] += u64::from(throttled);
                let what = period(ContainerId(id), seqs[index], used, counters[index]);
                captain.observe(now, &what, &mut out);
                seen.push(what);
                assert!(out.is_empty(), "limits change at samples only");
            }
            Step::Again(which) if doubled && !seen.is_empty() => {
                captain.observe(now, &seen[which % seen.len()], &mut out);
            }
            Step::Sample => {
                now = now + PERIOD;
                captain.wake(now, &mut sent);
            }
            Step::Deliver(which) if !sent.is_empty() => {
                let command = sent[which % sent.len()];
                if let Command::SetCpu {
                    container,
                    version,
                    limit,
                } = command
                    && version > applied[container.0 as usize]
                {
                    applied[container.0 as usize] = version;
                    host[container.0 as usize] = limit.0;
                    confirm(&mut captain, &[command]);
                }
            }
            _ => {}
        }
        assert!(host.iter().map(|&limit| u128::from(limit)).sum::<u128>() <= u128::from(cap));
    }
    sent
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn limits_stay_above_the_floor_and_change_by_bounded_factors(
        steps in proptest::collection::vec(step(), 1..300),
    ) {
        let mut last = [Cores::from_millis(500); 4];
        for command in replay(None, &steps, false) {
            let Command::SetCpu { container, limit, .. } = command else {
                panic!("{command:?}");
            };
            let before = last[container.0 as usize];
            prop_assert!(limit >= Config::default().floor);
            prop_assert!(limit != before);
            // Down to a half at most; up by 1.7, or by a rollback of the last
            // half (2 · 1 - 0.5 of 0.5), or both.
            prop_assert!(limit.0 + 1 >= before.0 / 2);
            prop_assert!(limit.as_f64() <= before.as_f64() * 3.0 * 1.7 + 1e-9);
            last[container.0 as usize] = limit;
        }
    }

    #[test]
    fn doubled_and_late_reports_change_nothing(
        steps in proptest::collection::vec(step(), 1..300),
        omega in proptest::option::of(100u64..4_000),
    ) {
        let clean = replay(omega, &steps, false);
        prop_assert_eq!(&clean, &replay(omega, &steps, true));
    }

    #[test]
    fn the_limits_on_the_hosts_never_pass_omega(
        steps in proptest::collection::vec(step(), 1..300),
        omega in 10u64..4_000,
    ) {
        replay(Some(omega), &steps, true);
    }
}
