//! Telemetry to the controller and commands back.

use super::*;

#[test]
fn period_reports_arrive_after_the_control_delay_and_count_from_one() {
    // Periods begin with the first call; each holds one of 10 ms.
    let setup = Setup::new(single("", "10 ms")).fixed(9.5, 1).lasting(1.0);
    let mut script = Script::new(0.4, mib(100)).with_periods();
    setup.run(&mut script);
    let reports = script.reports();
    assert_eq!(reports.len(), 9);
    for (n, (time, report)) in (1u64..).zip(&reports) {
        assert_times(&[*time], &[n as f64 * 100.0 + HOP_MS + CONTROL_MS]);
        let expected = CpuPeriod {
            container: A,
            seq: n,
            quota: Cores::from_millis(400),
            unused: Span::from_millis(30),
            usage: Span::from_millis(10),
            nr_throttled: 0,
        };
        assert_eq!(*report, expected);
    }
}

#[test]
fn a_report_says_that_its_period_was_throttled() {
    let setup = Setup::new(single("", "100 ms")).fixed(0.1, 1);
    let mut script = Script::new(0.4, mib(100)).with_periods();
    let outcome = setup.run(&mut script);
    let seen: Vec<_> = script
        .reports()
        .iter()
        .map(|(_, r)| {
            (
                r.unused.0 / 1_000_000,
                r.usage.0 / 1_000_000,
                r.nr_throttled,
            )
        })
        .collect();
    // 40, 40 and 20 ms of work, and the idle period that ends the timer.
    assert_eq!(seen, [(0, 40, 1), (0, 40, 2), (20, 20, 2), (40, 0, 2)]);
    assert_value(&outcome, "latency_mean_ms", 220.0 + 2.0 * HOP_MS);
    assert_value(&outcome, "throttled_periods_ratio", 0.5);
}

#[test]
fn nobody_is_told_of_periods_who_does_not_want_to_be() {
    let mut script = Script::new(0.4, mib(100));
    Setup::new(single("", "10 ms")).run(&mut script);
    assert!(script.reports().is_empty());
}

#[test]
fn usage_samples_arrive_at_their_interval() {
    let setup = Setup::new(single("", "10 ms")).fixed(20.0, 1).lasting(1.0);
    let mut script = Script::new(1.0, mib(100));
    script.sampling = Some(Span::from_millis(100));
    setup.run(&mut script);
    let samples = script.seen(|what| match what {
        Observation::Usage {
            seq, cpu, memory, ..
        } => Some((*seq, *cpu, *memory)),
        _ => None,
    });
    assert_eq!(samples.len(), 9);
    for (n, (time, sample)) in (1u64..).zip(&samples) {
        assert_times(&[*time], &[n as f64 * 100.0 + CONTROL_MS]);
        assert_eq!(*sample, (n, Cores::from_millis(200), mib(10)));
    }
}

#[test]
fn a_command_takes_effect_after_its_way_and_its_application() {
    let setup = Setup::new(single("", "10 ms")).fixed(9.5, 1).lasting(1.0);
    let mut script = Script::new(0.4, mib(100))
        .with_periods()
        .then(250.0, set_cpu(1, 0.6))
        // Comes into force 0.1 ms before and after periods end.
        .then(499.7, set_cpu(2, 0.7))
        .then(599.9, set_cpu(3, 0.8));
    let outcome = setup.run(&mut script);
    let delay = 2.0 * CONTROL_MS + APPLY_MS;
    let times: Vec<f64> = script.cpu_applied().iter().map(|seen| seen.0).collect();
    assert_times(&times, &[250.0 + delay, 499.7 + delay, 599.9 + delay]);
    let quotas: Vec<u64> = script
        .reports()
        .iter()
        .map(|(_, report)| report.quota.0 / 1_000_000)
        .collect();
    assert_eq!(quotas, [400, 400, 600, 600, 700, 700, 800, 800, 800]);
    assert_value(&outcome, "limit_updates", 3.0);
}

#[test]
fn a_raised_limit_ends_a_throttle_at_once() {
    // 10 ms of the first period, the rest from the command on.
    let setup = Setup::new(single("", "100 ms")).fixed(0.1, 1);
    let mut script = Script::new(0.1, mib(100)).then(20.0, set_cpu(1, 2.0));
    let outcome = setup.run(&mut script);
    let resumed = 20.0 + CONTROL_MS + APPLY_MS;
    assert_value(&outcome, "latency_mean_ms", resumed + 90.0 + HOP_MS);
}

#[test]
fn an_older_command_is_ignored_and_a_doubled_one_acts_once() {
    let setup = Setup::new(single("", "10 ms")).fixed(9.5, 1).lasting(1.0);
    let mut script = Script::new(0.4, mib(100))
        .with_periods()
        .then(110.0, set_cpu(5, 0.6))
        .then(210.0, set_cpu(4, 0.1))
        .then(211.0, set_cpu(5, 0.2))
        .then(310.0, set_memory(3, mib(70)))
        .then(410.0, set_memory(2, mib(60)))
        .then(411.0, set_memory(3, mib(50)));
    let outcome = setup.run(&mut script);
    let versions: Vec<u64> = script.cpu_applied().iter().map(|seen| seen.1).collect();
    // Each is answered with what is in force: the first answer may be lost.
    assert_eq!(versions, [5; 3]);
    let memory: Vec<_> = script.memory_applied().iter().map(|seen| seen.1).collect();
    assert_eq!(memory, [(3, mib(70)); 3]);
    let reports = script.reports();
    assert_eq!(reports[8].1.quota, Cores::from_millis(600));
    assert_value(&outcome, "limit_updates", 2.0);
}

#[test]
fn each_container_is_announced_before_anything_else() {
    let mut script = Script::new(8.0, mib(100)).with_periods();
    Setup::new(fan_out("")).run(&mut script);
    let expected = [ContainerId(0), ContainerId(1)].map(Observation::Started);
    assert_eq!(
        script.seen[..2],
        expected.map(|started| (Time::ZERO, started))
    );
}

/// Wakes each second, and each time it hears of a period asks to be woken 10 ms
/// later, which is sooner.
struct Restless {
    next: Time,
    woken: u64,
}

impl Allocator for Restless {
    fn admit(&mut self, _now: Time, _container: Container) -> Limits {
        Limits {
            cpu: Cores::new(1),
            memory: mib(100),
        }
    }

    fn observe(&mut self, now: Time, _what: &Observation, _out: &mut Vec<Command>) {
        self.next = self.next.min(now + Span::from_millis(10));
    }

    fn next_wake(&self) -> Option<Time> {
        Some(self.next)
    }

    fn wake(&mut self, now: Time, _out: &mut Vec<Command>) {
        self.next = now + Span::from_secs(1);
        self.woken += 1;
    }

    fn wants_periods(&self) -> bool {
        true
    }
}

#[test]
fn a_wake_moved_forward_leaves_nothing_behind() {
    let run = |seconds: f64| {
        let mut restless = Restless {
            next: Time::ZERO,
            woken: 0,
        };
        let setup = Setup::new(single("", "10 ms"));
        let outcome = setup.lasting(seconds).run(&mut restless);
        // Each of about ten reports a second moves it.
        assert_near(restless.woken as f64, 10.0 * seconds, 0.05);
        outcome.events as f64 / seconds
    };
    let (short, long) = (run(20.0), run(200.0));
    assert!((long / short - 1.0).abs() < 0.02, "{short} and {long}");
}
