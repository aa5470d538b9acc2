mod invariants;

mod room;

use super::*;
use crate::observation::{CpuPeriod, HostId};

const MS: u64 = 10_000_000; // one millisecond per 100 ms, in billionths of a core

fn admitted(config: Config, cores: u64, containers: u32) -> Escra {
    let mut escra = Escra::new(
        config,
        Cores::new(cores),
        Bytes::from_mib(1000),
        containers as usize,
    );
    for id in 0..containers {
        escra.admit(
            Time::ZERO,
            Container {
                id: ContainerId(id),
                host: HostId(0),
                requested: None,
            },
        );
    }
    escra
}

/// Plays the host: reports periods and confirms what is commanded.
struct Host {
    escra: Escra,
    seq: u64,
    throttled: u64,
    quota: u64,
}

impl Host {
    fn new(config: Config, cores: u64, containers: u32) -> Host {
        let escra = admitted(config, cores, containers);
        let quota = cores * 1_000_000_000 / u64::from(containers);
        Host {
            escra,
            seq: 0,
            throttled: 0,
            quota,
        }
    }

    /// One period of container 0; returns the quota after it, in ms per period.
    fn period(&mut self, unused_ms: f64, throttled: bool) -> f64 {
        self.seq += 1;
        self.throttled += u64::from(throttled);
        let mut out = Vec::new();
        let report = CpuPeriod {
            container: ContainerId(0),
            seq: self.seq,
            quota: Cores(self.quota),
            unused: Span((unused_ms * 1e6) as u64),
            usage: Span(0),
            nr_throttled: self.throttled,
        };
        self.escra
            .observe(Time::ZERO, &Observation::Period(report), &mut out);
        for command in out {
            if let Command::SetCpu {
                container,
                version,
                limit,
            } = command
            {
                self.quota = limit.0;
                let applied = Observation::CpuApplied { container, version };
                self.escra.observe(Time::ZERO, &applied, &mut Vec::new());
            }
        }
        self.quota as f64 / MS as f64
    }
}

#[test]
fn initial_limits_are_the_fair_share_and_withhold_memory() {
    let mut escra = Escra::new(Config::default(), Cores::new(32), Bytes::from_mib(1000), 4);
    let container = Container {
        id: ContainerId(0),
        host: HostId(0),
        requested: None,
    };
    let limits = escra.admit(Time::ZERO, container);
    assert_eq!(limits.cpu, Cores::new(8));
    assert_eq!(limits.memory, Bytes::from_mib(175));
}

/// A pod that asks for a core and 256 MiB.
fn pod(id: u32) -> Container {
    Container {
        id: ContainerId(id),
        host: HostId(0),
        requested: Some(Limits {
            cpu: Cores::new(1),
            memory: Bytes::from_mib(256),
        }),
    }
}

#[test]
fn a_new_pod_gets_what_it_asks_for_or_what_is_left() {
    let mut escra = Escra::new(Config::default(), Cores::new(2), Bytes::from_mib(600), 9);
    let whole = escra.admit(Time::ZERO, pod(0));
    assert_eq!(Some(whole), pod(0).requested);
    escra.admit(Time::ZERO, pod(1));
    let rest = escra.admit(Time::ZERO, pod(2));
    assert_eq!(rest.cpu, Cores::ZERO);
    assert_eq!(rest.memory, Bytes::from_mib(600 - 512));
    // One that goes makes room for the next.
    let gone = Observation::Stopped(ContainerId(0));
    escra.observe(Time::ZERO, &gone, &mut Vec::new());
    assert_eq!(escra.admit(Time::ZERO, pod(3)), whole);
}

/// The kernel makes 1 ms of any smaller quota: a crumb of the pool is not to be
/// handed out, or limits would add up to more than Ω.
#[test]
fn less_than_the_kernel_takes_is_not_granted() {
    let omega = Cores(1_005_000_000);
    let mut escra = Escra::new(Config::default(), omega, Bytes::from_mib(600), 2);
    escra.admit(Time::ZERO, pod(0));
    assert_eq!(escra.admit(Time::ZERO, pod(1)).cpu, Cores::ZERO);
    let mut out = Vec::new();
    for seq in 1..=20 {
        let standing = CpuPeriod {
            container: ContainerId(1),
            seq,
            quota: Cores::ZERO,
            unused: Span::ZERO,
            usage: Span::ZERO,
            nr_throttled: seq,
        };
        escra.observe(Time::ZERO, &Observation::Period(standing), &mut out);
    }
    assert!(out.is_empty(), "{out:?}");
}

#[test]
fn a_pod_that_found_nothing_is_given_by_those_above_the_fair_share() {
    let mut escra = Escra::new(Config::default(), Cores::new(2), Bytes::from_mib(900), 3);
    let mut quotas: Vec<u64> = (0..3)
        .map(|id| escra.admit(Time::ZERO, pod(id)).cpu.0)
        .collect();
    assert_eq!(quotas[2], 0);
    // All use all they have: the third stands still and is throttled.
    for seq in 1..=20 {
        for id in 0..3usize {
            let container = ContainerId(id as u32);
            let report = CpuPeriod {
                container,
                seq,
                quota: Cores(quotas[id]),
                unused: Span(0),
                usage: Span(0),
                nr_throttled: seq,
            };
            let mut out = Vec::new();
            escra.observe(Time::ZERO, &Observation::Period(report), &mut out);
            for command in out {
                let Command::SetCpu { version, limit, .. } = command else {
                    panic!("{command:?}");
                };
                quotas[id] = limit.0;
                let applied = Observation::CpuApplied { container, version };
                escra.observe(Time::ZERO, &applied, &mut Vec::new());
                assert!(quotas.iter().sum::<u64>() <= Cores::new(2).0);
            }
        }
    }
    // A third of two cores each.
    for quota in &quotas {
        assert!(quota.abs_diff(666_666_660) < 20_000_000, "{quotas:?}");
    }
}

#[test]
fn unused_runtime_shrinks_the_quota_to_kappa_times_itself_down_to_a_slice() {
    let mut host = Host::new(Config::default(), 4, 4);
    assert_eq!(host.period(50.0, false), 80.0);
    assert_eq!(host.period(50.0, false), 64.0);
    for _ in 0..10 {
        host.period(29.0, false);
    }
    assert_eq!(host.period(29.0, false), 30.0);
}

#[test]
fn a_small_rest_that_stays_shrinks_the_quota_by_5_ms() {
    let mut host = Host::new(Config::default(), 4, 4);
    // 6 ms of 100: below gamma, but the mean is above 5 ms at once.
    assert_eq!(host.period(6.0, false), 95.0);
    // The windows were emptied and divide by one report more each time.
    assert_eq!(host.period(6.0, false), 95.0);
}

#[test]
fn the_first_throttled_report_takes_twenty_slices_and_later_ones_two() {
    let mut first = Host::new(Config::default(), 40, 8);
    first.period(200.0, false); // 5 cores -> 4 cores: 1 core becomes free
    assert_eq!(first.period(0.0, true), 500.0); // mean 0.5 asks 3 cores, 1 is free

    let mut steady = Host::new(Config::default(), 40, 8);
    for _ in 0..12 {
        steady.period(250.0, false);
    }
    let before = steady.quota;
    steady.period(0.0, true);
    assert_eq!(steady.quota, before + 60 * MS);
}

#[test]
fn a_fair_share_the_kernel_cannot_hold_exactly_does_not_stop_growth() {
    // 40 cores / 11 is no whole number of nanoseconds per period.
    let mut escra = admitted(Config::default(), 40, 11);
    let quota = Cores(3_636_363_630);
    let mut out = Vec::new();
    for seq in 1..=3 {
        let report = CpuPeriod {
            container: ContainerId(0),
            seq,
            quota,
            unused: Span(0),
            usage: Span(0),
            nr_throttled: seq,
        };
        // The others have shrunk, so that the pool has something.
        let shrink = CpuPeriod {
            container: ContainerId(1),
            unused: Span::from_millis(300),
            nr_throttled: 0,
            ..report
        };
        escra.observe(Time::ZERO, &Observation::Period(shrink), &mut Vec::new());
        let applied = Observation::CpuApplied {
            container: ContainerId(1),
            version: 1,
        };
        escra.observe(Time::ZERO, &applied, &mut Vec::new());
        escra.observe(Time::ZERO, &Observation::Period(report), &mut out);
    }
    assert!(
        matches!(out[0], Command::SetCpu { limit, .. } if limit > quota),
        "{out:?}"
    );
}

#[test]
fn the_printed_law_moves_by_shares_of_the_pool_and_of_the_unused_runtime() {
    let config = Config {
        law: Law::Paper,
        floor: Cores::from_millis(10),
        ..Config::default()
    };
    let mut host = Host::new(config, 4, 4);
    // Down by 0.8 x 50 ms.
    assert_eq!(host.period(50.0, false), 60.0);
    // Up by mean 1/2 x 40 ms free x 20 %.
    assert_eq!(host.period(0.0, true), 64.0);
}

#[test]
fn a_report_acts_once_and_only_for_the_quota_it_ran_under() {
    let mut host = Host::new(Config::default(), 4, 4);
    host.period(50.0, false);
    host.seq -= 1; // the same sequence number again
    assert_eq!(host.period(50.0, false), 80.0);
    host.quota = 100 * MS; // a period that still ran under the old quota
    host.period(50.0, false);
    assert_eq!(host.quota, 100 * MS);
}

#[test]
fn a_quota_the_host_never_got_is_commanded_again() {
    let mut escra = admitted(Config::default(), 4, 4);
    let mut report = |seq| {
        let mut out = Vec::new();
        let report = CpuPeriod {
            container: ContainerId(0),
            seq,
            quota: Cores::new(1),
            unused: Span::from_millis(50),
            usage: Span(0),
            nr_throttled: 0,
        };
        escra.observe(Time::ZERO, &Observation::Period(report), &mut out);
        out
    };
    assert_eq!(
        report(1).len(),
        1,
        "shrinks to 0.8 cores; the host never hears of it"
    );
    assert!(report(2).is_empty() && report(3).is_empty());
    assert_eq!(
        report(4),
        [Command::SetCpu {
            container: ContainerId(0),
            version: 2,
            limit: Cores::new(1),
        }]
    );
}

#[test]
fn a_starved_container_is_paid_by_those_above_their_fair_share() {
    let mut escra = admitted(Config::default(), 2, 2);
    let mut seq = [0u64; 2];
    let mut throttled = [0u64; 2];
    let mut quota = [1_000_000_000u64; 2];
    let mut step = |escra: &mut Escra, id: usize, unused_ms: u64, hit: bool| {
        seq[id] += 1;
        throttled[id] += u64::from(hit);
        let mut out = Vec::new();
        let report = CpuPeriod {
            container: ContainerId(id as u32),
            seq: seq[id],
            quota: Cores(quota[id]),
            unused: Span::from_millis(unused_ms),
            usage: Span(0),
            nr_throttled: throttled[id],
        };
        escra.observe(Time::ZERO, &Observation::Period(report), &mut out);
        for command in out {
            if let Command::SetCpu {
                container,
                version,
                limit,
            } = command
            {
                quota[id] = limit.0;
                let applied = Observation::CpuApplied { container, version };
                escra.observe(Time::ZERO, &applied, &mut Vec::new());
            }
        }
        assert!(quota[0] + quota[1] <= 2_000_000_000);
        quota[id]
    };
    // 0 idles down to the floor; 1 takes all that became free.
    for _ in 0..12 {
        step(&mut escra, 0, 90, false);
    }
    for _ in 0..4 {
        step(&mut escra, 1, 0, true);
    }
    // Now 0 needs CPU while the pool is empty.
    let mut last = 0;
    for _ in 0..200 {
        last = step(&mut escra, 0, 0, true);
        step(&mut escra, 1, 0, true);
    }
    assert!(last > 900_000_000, "{last}");
    // Once 0 needs nothing any more, 1 keeps what it has.
    for _ in 0..20 {
        step(&mut escra, 0, 0, false);
    }
    let before = step(&mut escra, 1, 0, false);
    assert_eq!(step(&mut escra, 1, 0, false), before);
}

/// At the limit last commanded, whatever it is.
fn oom(container: u32, event: u64) -> Observation {
    oom_at(container, event, Bytes(u64::MAX))
}

fn oom_at(container: u32, event: u64, limit: Bytes) -> Observation {
    Observation::OutOfMemory {
        container: ContainerId(container),
        event,
        first: event,
        limit,
    }
}

#[test]
fn an_out_of_memory_event_gets_5000_pages_once() {
    let mut escra = admitted(Config::default(), 4, 4);
    let mut out = Vec::new();
    escra.observe(Time::ZERO, &oom(1, 1), &mut out);
    escra.observe(Time::ZERO, &oom(1, 1), &mut out);
    assert_eq!(
        out,
        [Command::SetMemory {
            container: ContainerId(1),
            version: 1,
            limit: Bytes(Bytes::from_mib(175).0 + 5000 * 4096),
        }]
    );
}

#[test]
fn who_asks_again_while_a_grant_is_on_its_way_gets_no_second_one() {
    let mut escra = admitted(Config::default(), 4, 4);
    let before = Bytes::from_mib(175);
    let mut out = Vec::new();
    escra.observe(Time::ZERO, &oom_at(1, 1, before), &mut out);
    escra.observe(Time::ZERO, &oom_at(1, 2, before), &mut out);
    assert_eq!(out.len(), 1);
    let granted = Bytes(before.0 + 5000 * 4096);
    escra.observe(Time::ZERO, &oom_at(1, 3, granted), &mut out);
    assert_eq!(out.len(), 2, "it ran into the limit granted: {out:?}");
}

#[test]
fn an_empty_pool_reclaims_from_all_before_it_denies() {
    let config = Config {
        withheld: 0.0,
        ..Config::default()
    };
    let mut escra = admitted(config, 2, 2);
    let mut out = Vec::new();
    escra.observe(Time::ZERO, &oom(0, 1), &mut out);
    let asked = |container, version| Command::Reclaim {
        container: ContainerId(container),
        version,
        margin: Bytes::from_mib(50),
    };
    assert_eq!(out, [asked(0, 1), asked(1, 1)]);
    out.clear();
    let answer = |container, version, mib| Observation::MemoryApplied {
        container: ContainerId(container),
        version,
        limit: Bytes::from_mib(mib),
    };
    // 1 can spare 15 MiB: that is the grant, although 0 has not answered.
    escra.observe(Time::ZERO, &answer(1, 1, 485), &mut out);
    let granted = Command::SetMemory {
        container: ContainerId(0),
        version: 2,
        limit: Bytes::from_mib(515),
    };
    assert_eq!(out, [granted]);
    out.clear();
    // It is not enough, and nobody has more to spare: denied, once all have said so.
    escra.observe(Time::ZERO, &oom(0, 2), &mut out);
    assert_eq!(out, [asked(0, 3), asked(1, 2)]);
    out.clear();
    escra.observe(Time::ZERO, &answer(0, 2, 515), &mut out);
    escra.observe(Time::ZERO, &answer(1, 2, 485), &mut out);
    assert_eq!(out, []);
    escra.observe(Time::ZERO, &answer(0, 3, 515), &mut out);
    let denied = Command::DenyMemory {
        container: ContainerId(0),
        event: 2,
    };
    assert_eq!(out, [denied]);
}

#[test]
fn memory_is_reclaimed_every_five_seconds_from_30_s_on() {
    let mut escra = admitted(Config::default(), 4, 4);
    let first = escra.next_wake();
    assert_eq!(first, Some(Time::ZERO + Span::from_secs(30)));
    let mut out = Vec::new();
    escra.wake(Time::ZERO + Span::from_secs(30), &mut out);
    assert_eq!(out.len(), 4);
    assert_eq!(escra.next_wake(), Some(Time::ZERO + Span::from_secs(35)));
}

#[test]
fn a_periodic_reclaim_in_between_does_not_make_it_deny() {
    let config = Config {
        withheld: 0.0,
        ..Config::default()
    };
    let mut escra = admitted(config, 2, 2);
    let mut out = Vec::new();
    escra.observe(Time::ZERO, &oom(0, 1), &mut out); // reclaims from 1: version 1
    escra.wake(Time::ZERO + Span::from_secs(30), &mut out); // and again: version 2
    out.clear();
    let answer = |version, mib| Observation::MemoryApplied {
        container: ContainerId(1),
        version,
        limit: Bytes::from_mib(mib),
    };
    // Only the answer to the newest can free anything, so it is waited for.
    escra.observe(Time::ZERO, &answer(1, 400), &mut out);
    assert_eq!(out, []);
    escra.observe(Time::ZERO, &answer(2, 400), &mut out);
    assert!(matches!(out[..], [Command::SetMemory { .. }]), "{out:?}");
}

#[test]
fn a_silent_claim_takes_nothing_while_the_pool_can_pay_it() {
    // Container 1 starves and falls silent; the pool is refilled by the others.
    let mut escra = admitted(Config::default(), 4, 4);
    let mut report = |container: u32, seq, quota: u64, unused_ms, nr_throttled| {
        let mut out = Vec::new();
        let report = CpuPeriod {
            container: ContainerId(container),
            seq,
            quota: Cores(quota),
            unused: Span::from_millis(unused_ms),
            usage: Span(0),
            nr_throttled,
        };
        escra.observe(Time::ZERO, &Observation::Period(report), &mut out);
        for command in &out {
            if let Command::SetCpu {
                container, version, ..
            } = *command
            {
                let applied = Observation::CpuApplied { container, version };
                escra.observe(Time::ZERO, &applied, &mut Vec::new());
            }
        }
        match out[..] {
            [Command::SetCpu { limit, .. }] => limit.0,
            _ => quota,
        }
    };
    const ONE: u64 = 1_000_000_000;
    let small = report(1, 1, ONE, 90, 0); // 1 shrinks,
    let mut large = report(0, 1, ONE, 0, 1); // 0 takes what it left,
    for seq in 2..9 {
        report(1, seq, small, 0, seq); // and 1 asks in vain.
    }
    report(2, 1, ONE, 90, 0);
    report(3, 1, ONE, 90, 0); // 0.4 cores are free: more than 1 is owed.
    let before = large;
    for seq in 2..12 {
        large = report(0, seq, large, 0, 1);
        assert!(large >= before, "{large}");
    }
}
