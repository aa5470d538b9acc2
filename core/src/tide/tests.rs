use proptest::prelude::*;

use super::*;
use crate::observation::CpuPeriod;
use crate::share::HostReport;

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

#[test]
fn a_throttle_is_answered_at_once_with_what_it_adds() {
    let mut half = half(200, 40);
    // All 40 ms are used: a quarter more is 10.
    assert_eq!(throttle(&mut half, A, 1, 40), [10]);
    // 4 ms were still held by CPUs when it was throttled: they come back with it.
    // Quota and grant are now 50; the next grant adds a quarter of that.
    assert_eq!(throttle(&mut half, A, 2, 46), [16]);
    // The same event again grants nothing.
    assert_eq!(throttle(&mut half, A, 2, 46), [0; 0]);
    // When the period is over the whole quota is written again.
    assert_eq!(period(&mut half, A, 1, 60), [62]);
}

#[test]
fn a_grant_takes_no_more_than_the_share_has() {
    let mut half = half(86, 40);
    assert_eq!(throttle(&mut half, A, 1, 40), [6]);
    assert_eq!(throttle(&mut half, B, 1, 40), [0; 0]);
    let mut out = Vec::new();
    half.wake(Time::ZERO, &mut out);
    let report = match out[..] {
        [Command::Report(report)] => report,
        _ => panic!("{out:?}"),
    };
    assert_eq!(report.share.0, 86 * MS);
    // What is held, and what both were denied.
    assert_eq!(report.wanted.0, (86 + 4 + 10) * MS);
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
    assert!((20..22).contains(&last), "{last}");
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
fn a_recalled_share_falls_with_the_quotas_and_never_below_them() {
    let mut half = half(200, 40);
    let recall = Share {
        host: HostId(0),
        version: 1,
        cpu: Cores(50 * MS),
    };
    half.observe(Time::ZERO, &Observation::Share(recall), &mut Vec::new());
    let share = |half: &mut HostHalf| {
        let mut out = Vec::new();
        half.wake(Time::ZERO, &mut out);
        match out[..] {
            [Command::Report(HostReport { share, version, .. })] => (share.0 / MS, version),
            _ => panic!("{out:?}"),
        }
    };
    assert_eq!(share(&mut half), (80, 1));
    // Nothing is granted out of what is to be given back.
    assert_eq!(throttle(&mut half, A, 1, 40), [0; 0]);
    for seq in 1..30 {
        for id in [A, B] {
            period(&mut half, id, seq, 10);
        }
    }
    assert_eq!(share(&mut half), (50, 1));
}

#[test]
fn shares_are_fair_where_there_is_too_little() {
    assert_eq!(fair(&[10, 20, 30], 100), [10, 20, 30]);
    assert_eq!(fair(&[10, 80, 80], 100), [10, 45, 45]);
    assert_eq!(fair(&[0, 0], 7), [0, 0]);
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
    /// force never passes Ω, and neither do the shares they were lent.
    #[test]
    fn the_quotas_of_all_hosts_never_pass_omega(
        steps in proptest::collection::vec(step(), 1..300),
    ) {
        let omega = Cores::new(3);
        let mut tide = Tide::new(Config::default(), omega, Bytes::from_mib(100), 6, 3);
        let mut halves: Vec<Box<dyn Allocator>> =
            (0..3).map(|h| tide.host_half(HostId(h)).unwrap()).collect();
        // Versions and limits in force; containers 0, 3 are on host 0, and so on.
        let mut in_force = [(0u64, 0u64); 6];
        for (id, state) in (0u32..).zip(&mut in_force) {
            let container = Container { id: ContainerId(id), host: HostId(id % 3) };
            state.1 = halves[id as usize % 3].admit(Time::ZERO, container).cpu.0;
        }
        let mut lent: Vec<Share> = Vec::new();
        let mut reports: Vec<HostReport> = Vec::new();
        let mut written: Vec<(usize, u64)> = Vec::new();
        for (seq, step) in (1u64..).zip(steps) {
            let mut out = Vec::new();
            match step {
                Step::Throttle(c, used) => {
                    let what = Observation::Throttled {
                        container: ContainerId(c as u32),
                        seq,
                        used: Span::from_millis(used),
                    };
                    halves[c % 3].observe(Time::ZERO, &what, &mut out);
                }
                Step::Period(c, used) => {
                    let report = CpuPeriod {
                        container: ContainerId(c as u32),
                        seq,
                        quota: Cores(in_force[c].1),
                        unused: Span::ZERO,
                        usage: Span::from_millis(used),
                        nr_throttled: 0,
                    };
                    halves[c % 3].observe(Time::ZERO, &Observation::Period(report), &mut out);
                }
                Step::Report(host) => halves[host].wake(Time::ZERO, &mut out),
                Step::Rebalance => tide.rebalance(&mut out),
                Step::Deliver(which) if !lent.is_empty() || !reports.is_empty() => {
                    let which = which % (lent.len() + reports.len());
                    if which < lent.len() {
                        let share = lent.swap_remove(which);
                        let host = share.host.0 as usize;
                        halves[host].observe(Time::ZERO, &Observation::Share(share), &mut out);
                    } else {
                        let report = reports.swap_remove(which - lent.len());
                        tide.observe(Time::ZERO, &Observation::HostReport(report), &mut out);
                    }
                }
                Step::Confirm(which) if !written.is_empty() => {
                    let (c, version) = written.swap_remove(which % written.len());
                    let container = ContainerId(c as u32);
                    let applied = Observation::CpuApplied { container, version };
                    halves[c % 3].observe(Time::ZERO, &applied, &mut out);
                }
                Step::Deliver(_) | Step::Confirm(_) => {}
            }
            for command in out {
                match command {
                    Command::SetCpu { container, version, limit } => {
                        let c = container.0 as usize;
                        prop_assert!(version > in_force[c].0);
                        in_force[c] = (version, limit.0);
                        written.push((c, version));
                    }
                    Command::Lend(share) => lent.push(share),
                    Command::Report(report) => reports.push(report),
                    _ => {}
                }
            }
            prop_assert!(in_force.iter().map(|state| state.1).sum::<u64>() <= omega.0);
            prop_assert!(tide.shares.held() <= omega.0);
        }
    }
}
