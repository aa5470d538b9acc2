use proptest::prelude::*;

use super::host::HostHalf;
use super::*;
use crate::observation::CpuPeriod;
use crate::share::HostReport;
use crate::units::Span;

const MS: u64 = 10_000_000; // one millisecond per 100 ms, in billionths of a core
const A: ContainerId = ContainerId(0);
const B: ContainerId = ContainerId(1);

fn half(share_ms: u64, initial_ms: u64) -> HostHalf {
    let initial = Limits {
        cpu: Cores(initial_ms * MS),
        memory: Bytes::ZERO,
    };
    let mut half = HostHalf::new(HostId(0), Config::default(), share_ms * MS, initial);
    for id in [A, B] {
        let container = Container {
            id,
            host: HostId(0),
            requested: None,
        };
        half.admit(Time::ZERO, container);
    }
    half
}

/// Tells the half, and confirms what it commands; returns the limits commanded, in
/// ms per period.
fn tell(half: &mut HostHalf, what: &Observation) -> Vec<u64> {
    let mut out = Vec::new();
    half.observe(Time::ZERO, what, &mut out);
    let mut limits = Vec::new();
    for command in out {
        if let Command::SetCpu {
            container,
            version,
            limit,
        } = command
        {
            limits.push(limit.0 / MS);
            let applied = Observation::CpuApplied { container, version };
            half.observe(Time::ZERO, &applied, &mut Vec::new());
        }
    }
    limits
}

fn throttle(half: &mut HostHalf, container: ContainerId, seq: u64, used_ms: u64) -> Vec<u64> {
    let what = Observation::Throttled {
        container,
        seq,
        used: Span::from_millis(used_ms),
    };
    tell(half, &what)
}

fn period(half: &mut HostHalf, container: ContainerId, seq: u64, used_ms: u64) -> Vec<u64> {
    let report = CpuPeriod {
        container,
        seq,
        quota: Cores::ZERO,
        unused: Span::ZERO,
        usage: Span::from_millis(used_ms),
        nr_throttled: 0,
    };
    tell(half, &Observation::Period(report))
}

fn lend(half: &mut HostHalf, version: u64, ms: u64) -> Vec<u64> {
    let share = Share {
        host: HostId(0),
        version,
        cpu: Cores(ms * MS),
    };
    tell(half, &Observation::Share(share))
}

fn report(half: &mut HostHalf, now: Time) -> HostReport {
    let mut out = Vec::new();
    half.wake(now, &mut out);
    match out.last() {
        Some(Command::Report(report)) => *report,
        _ => panic!("{out:?}"),
    }
}

#[test]
fn a_throttle_is_answered_at_once_with_what_the_share_has_room_for() {
    let mut half = half(200, 40);
    // 45 for the rest of the period: with the 40 that are used, 85.
    assert_eq!(throttle(&mut half, A, 1, 40), [45]);
    assert_eq!(throttle(&mut half, A, 2, 85), [50]);
    // The same event again grants nothing.
    assert_eq!(throttle(&mut half, A, 2, 85), [0; 0]);
    // 160 are not B's. 135 and a whole quota of 55 would be more: the raise alone.
    assert_eq!(throttle(&mut half, A, 3, 135), [5]);
    // When the period is over the whole quota is written again, ...
    assert_eq!(period(&mut half, A, 1, 140), [55]);
    // ... which is not needed where it is in force.
    assert_eq!(throttle(&mut half, A, 4, 55), [60]);
    assert_eq!(period(&mut half, A, 2, 70), [0; 0]);
}

#[test]
fn a_grant_takes_no_more_than_the_share_has() {
    let mut half = half(85, 40);
    assert_eq!(throttle(&mut half, A, 1, 40), [5]);
    assert_eq!(throttle(&mut half, B, 1, 40), [0; 0]);
    let said = report(&mut half, Time::ZERO);
    assert_eq!(said.share.0, 85 * MS);
    // What is held, and what B was denied; as long as it waits.
    assert_eq!(said.wanted.0, (85 + 5) * MS);
    assert_eq!(report(&mut half, Time::ZERO).wanted.0, (85 + 5) * MS);
    period(&mut half, B, 1, 40);
    report(&mut half, Time::ZERO);
    assert_eq!(report(&mut half, Time::ZERO).wanted.0, 85 * MS);
}

#[test]
fn who_is_denied_is_told_of_soon_and_served_when_there_is_something() {
    let mut half = half(80, 40);
    report(&mut half, Time::ZERO);
    assert_eq!(half.next_wake(), Some(Time::ZERO + Span::from_millis(100)));
    assert_eq!(throttle(&mut half, A, 1, 40), [0; 0]);
    assert_eq!(half.next_wake(), Some(Time::ZERO + Span::from_millis(10)));
    assert_eq!(lend(&mut half, 1, 100), [5]);
    // Once.
    assert_eq!(lend(&mut half, 2, 120), [0; 0]);
}

#[test]
fn those_under_an_equal_part_are_served_first() {
    let mut half = half(100, 40);
    for (seq, used) in (1..).zip([40, 45, 50, 55]) {
        throttle(&mut half, A, seq, used);
    }
    assert_eq!(half.lease.quota(A), Some(60 * MS));
    assert_eq!(throttle(&mut half, A, 5, 60), [0; 0]);
    assert_eq!(throttle(&mut half, B, 1, 40), [0; 0]);
    assert_eq!(lend(&mut half, 1, 105), [5]);
    assert_eq!(half.lease.quota(B), Some(45 * MS));
}

/// Both always want more. One has nearly everything; they end with the same, but for
/// what is not worth a write.
#[test]
fn nobody_starves() {
    let mut half = half(100, 10);
    for seq in 1..40 {
        let quota = half.lease.quota(A).unwrap() / MS;
        throttle(&mut half, A, seq, quota);
    }
    assert_eq!(half.lease.quota(A), Some(90 * MS));
    for seq in 40..80 {
        for id in [A, B] {
            let quota = half.lease.quota(id).unwrap() / MS;
            throttle(&mut half, id, seq, quota);
        }
        for id in [A, B] {
            let quota = half.lease.quota(id).unwrap() / MS;
            period(&mut half, id, seq, quota);
        }
    }
    let share = half.lease.quota(B).unwrap() / MS;
    assert!((43..=57).contains(&share), "{share}");
}

#[test]
fn a_throttle_of_which_the_news_was_lost_raises_the_quota_when_the_period_is_over() {
    let mut half = half(200, 40);
    let told = |seq, nr_throttled| {
        Observation::Period(CpuPeriod {
            container: A,
            seq,
            quota: Cores::ZERO,
            unused: Span::ZERO,
            usage: Span::from_millis(40),
            nr_throttled,
        })
    };
    assert_eq!(tell(&mut half, &told(1, 1)), [45]);
    // One that was told of has had its grant.
    assert_eq!(throttle(&mut half, A, 1, 45), [50]);
    assert_eq!(tell(&mut half, &told(2, 2)), [0; 0]);
}

#[test]
fn a_quota_falls_to_its_mean_use_and_a_part_of_its_deviation() {
    let mut half = half(200, 40);
    let mut last = 40;
    for seq in 1..80 {
        if let [limit] = period(&mut half, A, seq, 20)[..] {
            last = limit;
        }
    }
    assert!((20..=22).contains(&last), "{last}");
}

#[test]
fn a_quota_does_not_fall_in_the_period_after_a_raise() {
    let mut half = half(200, 40);
    for seq in 1..80 {
        period(&mut half, A, seq, 20);
    }
    let before = half.lease.quota(A);
    throttle(&mut half, A, 1, 21);
    assert_eq!(period(&mut half, A, 80, 25), [0; 0]);
    assert!(half.lease.quota(A) > before);
    assert_eq!(period(&mut half, A, 81, 20).len(), 1);
}

#[test]
fn use_counts_per_period_of_the_hosts() {
    let mut half = half(200, 40);
    half.config.period = Span::from_millis(20);
    // 8 of each 20 ms are 0.4 cores: what it has.
    for seq in 1..20 {
        assert_eq!(period(&mut half, A, seq, 8), [0; 0]);
    }
}

#[test]
fn who_falls_silent_keeps_the_floor() {
    let mut half = half(200, 40);
    let mut out = Vec::new();
    for look in 0..10 {
        half.wake(Time::ZERO + Span::from_millis(990 + look), &mut out);
    }
    assert_eq!(half.lease.quota(A), Some(40 * MS));
    for look in 0..10 {
        half.wake(Time::ZERO + Span::from_millis(1000 + look), &mut out);
    }
    let floor = Config::default().floor.0;
    assert_eq!(half.lease.quota(A), Some(floor));
    assert_eq!(half.lease.quota(B), Some(floor));
    let written = |command: &&Command| matches!(command, Command::SetCpu { .. });
    assert_eq!(out.iter().filter(written).count(), 2);
}

#[test]
fn a_recalled_share_falls_with_the_quotas_and_never_below_them() {
    let mut half = half(200, 40);
    lend(&mut half, 1, 50);
    let said = report(&mut half, Time::ZERO);
    assert_eq!((said.share.0 / MS, said.version), (80, 1));
    // Nothing is granted out of what is to be given back.
    assert_eq!(throttle(&mut half, A, 1, 40), [0; 0]);
    for seq in 1..30 {
        for id in [A, B] {
            period(&mut half, id, seq, 10);
        }
    }
    let said = report(&mut half, Time::ZERO);
    assert_eq!((said.share.0 / MS, said.version), (50, 1));
}

#[test]
fn shares_are_fair_where_there_is_too_little() {
    assert_eq!(fair(&[10, 20, 30], &[1, 1, 1], 100), [10, 20, 30]);
    assert_eq!(fair(&[10, 80, 80], &[1, 1, 1], 100), [10, 45, 45]);
    // Three containers want no more than one: they get three times as much.
    assert_eq!(fair(&[90, 90], &[1, 3], 100), [25, 75]);
    assert_eq!(fair(&[0, 0], &[0, 0], 7), [0, 0]);
}

#[test]
fn a_host_that_was_denied_is_lent_more_before_its_turn() {
    let omega = Cores(300 * MS);
    let mut tide = Tide::new(Config::default(), omega, Bytes::ZERO, 6, 3);
    let start = Time::ZERO + Span::from_millis(100);
    let mut out = Vec::new();
    tide.wake(start, &mut out);
    let mut tell = |tide: &mut Tide, seq, wanted_ms, at| {
        let report = HostReport {
            host: HostId(0),
            seq,
            version: 0,
            share: Cores(100 * MS),
            wanted: Cores(wanted_ms * MS),
        };
        tide.observe(at, &Observation::HostReport(report), &mut out);
    };
    let later = start + Span::from_millis(5);
    tell(&mut tide, 1, 90, later);
    assert_eq!(tide.next_wake(), Some(start + Span::from_millis(100)));
    tell(&mut tide, 2, 110, later);
    assert_eq!(tide.next_wake(), Some(start + Span::from_millis(10)));
}

/// What can happen between a controller and its hosts.
#[derive(Clone, Debug)]
enum Step {
    Throttle(usize, u64),
    Period(usize, u64),
    Report(usize),
    Rebalance,
    /// A message arrives; any of those on their way.
    Deliver(usize),
    /// A limit written on a host is confirmed to its half.
    Confirm(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0usize..6, 0u64..100).prop_map(|(c, u)| Step::Throttle(c, u)),
        4 => (0usize..6, 0u64..100).prop_map(|(c, u)| Step::Period(c, u)),
        2 => (0usize..3).prop_map(Step::Report),
        2 => Just(Step::Rebalance),
        6 => any::<usize>().prop_map(Step::Deliver),
        6 => any::<usize>().prop_map(Step::Confirm),
    ]
}

proptest! {
    /// Shares and reports arrive late and in any order; what the hosts have in
    /// force never passes Ω; nor does what their containers can use in a period,
    /// with the refills that come with writes; nor do the shares they were lent.
    #[test]
    fn quotas_and_what_can_be_used_never_pass_omega(
        steps in proptest::collection::vec(step(), 1..300),
    ) {
        let omega = Cores::new(3);
        let mut tide = Tide::new(Config::default(), omega, Bytes::from_mib(100), 6, 3);
        let mut halves: Vec<Box<dyn Allocator>> =
            (0..3).map(|h| tide.host_half(HostId(h)).unwrap().start()).collect();
        // Versions and limits in force; containers 0, 3 are on host 0, and so on.
        let mut in_force = [(0u64, 0u64); 6];
        for (id, state) in (0u32..).zip(&mut in_force) {
            let container = Container { id: ContainerId(id), host: HostId(id % 3), requested: None };
            state.1 = halves[id as usize % 3].admit(Time::ZERO, container).cpu.0;
        }
        // CPU used in this period, and the most that can be, as the kernel has it:
        // each write gives all it says, beside what is used already.
        let mut used = [0u64; 6];
        let mut most = in_force.map(|(_, limit)| limit);
        let mut heard = [Time::ZERO; 6];
        let mut now = Time::ZERO;
        let mut lent: Vec<Share> = Vec::new();
        let mut reports: Vec<HostReport> = Vec::new();
        let mut written: Vec<(usize, u64)> = Vec::new();
        for (seq, step) in (1u64..).zip(steps) {
            let mut out = Vec::new();
            now = now + Span::from_millis(15);
            for c in 0..6 {
                // No news in ten periods: it runs nothing.
                if now.since(heard[c]) >= Span::from_millis(1000) {
                    (used[c], most[c]) = (0, in_force[c].1);
                }
            }
            match step {
                Step::Throttle(c, percent) => {
                    // The kernel counts in nanoseconds, ten of our units.
                    used[c] = used[c].max(most[c] * percent / 1000 * 10);
                    heard[c] = now;
                    let what = Observation::Throttled {
                        container: ContainerId(c as u32),
                        seq,
                        used: Cores(used[c]).over(Span::from_millis(100)),
                    };
                    halves[c % 3].observe(now, &what, &mut out);
                }
                Step::Period(c, percent) => {
                    let usage = most[c] * percent / 100;
                    (used[c], most[c]) = (0, in_force[c].1);
                    heard[c] = now;
                    let report = CpuPeriod {
                        container: ContainerId(c as u32),
                        seq,
                        quota: Cores(in_force[c].1),
                        unused: Span::ZERO,
                        usage: Cores(usage).over(Span::from_millis(100)),
                        nr_throttled: seq * (percent % 2),
                    };
                    halves[c % 3].observe(Time::ZERO, &Observation::Period(report), &mut out);
                }
                Step::Report(host) => halves[host].wake(now, &mut out),
                Step::Rebalance => tide.rebalance(&mut out),
                Step::Deliver(which) if !lent.is_empty() || !reports.is_empty() => {
                    let which = which % (lent.len() + reports.len());
                    if which < lent.len() {
                        let share = lent.swap_remove(which);
                        let host = share.host.0 as usize;
                        halves[host].observe(now, &Observation::Share(share), &mut out);
                    } else {
                        let report = reports.swap_remove(which - lent.len());
                        tide.observe(now, &Observation::HostReport(report), &mut out);
                    }
                }
                Step::Confirm(which) if !written.is_empty() => {
                    let (c, version) = written.swap_remove(which % written.len());
                    let container = ContainerId(c as u32);
                    let applied = Observation::CpuApplied { container, version };
                    halves[c % 3].observe(now, &applied, &mut out);
                }
                Step::Deliver(_) | Step::Confirm(_) => {}
            }
            for command in out {
                match command {
                    Command::SetCpu { container, version, limit } => {
                        let c = container.0 as usize;
                        prop_assert!(version > in_force[c].0);
                        in_force[c] = (version, limit.0);
                        most[c] = used[c] + limit.0;
                        written.push((c, version));
                    }
                    Command::Lend(share) => lent.push(share),
                    Command::Report(report) => reports.push(report),
                    _ => {}
                }
            }
            prop_assert!(in_force.iter().map(|state| state.1).sum::<u64>() <= omega.0);
            let most: u64 = most.iter().sum();
            prop_assert!(most <= omega.0, "{most} could be used in a period");
            prop_assert!(tide.shares.held() <= omega.0);
        }
    }
}
