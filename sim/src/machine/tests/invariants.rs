//! What must hold whatever the load.

use super::*;

#[derive(Clone, Debug)]
struct Case {
    cores: u32,
    threads_per_core: u32,
    kernel: Kernel,
    quota_ms: f64,
    /// Time of start, CPU and work of each task, in µs.
    tasks: Vec<(u64, u16, u64)>,
}

fn case() -> impl Strategy<Value = Case> {
    let task = (0u64..400_000, 0u16..8, 1u64..20_000);
    (
        1u32..5,
        1u32..3,
        prop_oneof![Just(OLD), Just(NEW)],
        2u32..60,
        prop::collection::vec(task, 1..60),
    )
        .prop_map(|(cores, threads_per_core, kernel, quota, tasks)| Case {
            cores,
            threads_per_core,
            kernel,
            quota_ms: f64::from(quota),
            tasks,
        })
}

impl Case {
    fn rig(&self) -> Rig {
        let mut rig = Rig::new(&testbed(self.cores, self.threads_per_core, self.kernel));
        rig.machine.add(0, 0, Some(quota(self.quota_ms)));
        for (task, &(at, cpu, work)) in (0u32..).zip(&self.tasks) {
            rig.burst_on(cpu, at as f64 * 1e-3, task, work as f64 * 1e-3);
        }
        rig
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 200,
        rng_seed: proptest::test_runner::RngSeed::Fixed(1),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn each_task_finishes_once_and_work_is_charged_once(case in case()) {
        let mut rig = case.rig();
        rig.run(ms(60_000.0));
        let mut finished: Vec<Task> = rig.finished.iter().map(|f| f.0).collect();
        finished.sort_unstable();
        prop_assert_eq!(finished, (0..case.tasks.len() as Task).collect::<Vec<_>>());
        prop_assert!(rig.queue.is_empty());
        let work: u64 = case.tasks.iter().map(|task| task.2).sum();
        let (work, used) = (work as f64 * 1e3, rig.machine.used(0, rig.queue.now()) as f64);
        // A ns for each change of speed of each task, at most.
        let rounding = (case.tasks.len() * case.tasks.len() * 4 + 1000) as f64;
        if case.threads_per_core == 1 {
            prop_assert!((used - work).abs() < rounding, "{} of {}", used, work);
        } else {
            // Threads on a shared core make 0.65 of the progress they are
            // charged for.
            prop_assert!(used > work - rounding && used < work / 0.65 + rounding);
        }
    }

    #[test]
    fn no_window_of_periods_passes_its_quota_and_what_cpus_held(case in case()) {
        let mut rig = case.rig();
        let quota = (case.quota_ms * 1e6) as u64;
        let mut at_end = vec![(0, 0)];
        let mut seen = 0;
        // Between two events at most one period ends: look once a ms.
        for n in 1..3000 {
            rig.run(ms(f64::from(n) * 1.0));
            let used = rig.machine.used(0, rig.queue.now());
            // From zero on, runtime enters through the pool only.
            prop_assert!(used <= quota * (rig.machine.group(0).nr_periods() + 1) + 1000);
            if rig.ended.len() > seen {
                seen = rig.ended.len();
                at_end.push((seen as u64, used));
            }
        }
        // Within a window also what CPUs held at its beginning: a slice each on
        // a new kernel. An old one drops it. Looking late by up to a ms adds
        // what all CPUs use meanwhile.
        let queues = case.tasks.len() as u64;
        let held = if case.kernel == OLD { 0 } else { queues * 5 * MS };
        let late = u64::from(case.cores * case.threads_per_core) * MS;
        for (index, &(first, before)) in at_end.iter().enumerate() {
            for &(last, after) in &at_end[index + 1..] {
                let bound = quota * (last - first + 1) + held + late + 1000;
                prop_assert!(after - before <= bound, "{} > {}", after - before, bound);
            }
        }
    }

    #[test]
    fn two_runs_of_the_same_machine_are_the_same(case in case()) {
        let (mut one, mut other) = (case.rig(), case.rig());
        one.run(ms(5_000.0));
        other.run(ms(5_000.0));
        prop_assert_eq!(&one.finished, &other.finished);
        prop_assert_eq!(&one.ended, &other.ended);
        prop_assert_eq!(one.queue.scheduled(), other.queue.scheduled());
    }
}

#[test]
fn a_long_run_has_as_many_events_per_second_as_a_short_one() {
    let scheduled = |seconds: u32| {
        let mut rig = Rig::limited(8, NEW, 40.0);
        for task in 0..6 {
            rig.wave(f64::from(task), task, 9.0, 50.0, seconds * 20);
        }
        rig.run(ms(f64::from(seconds) * 1000.0));
        assert!(rig.queue.len() < 100);
        rig.queue.scheduled() as f64 / f64::from(seconds)
    };
    let (short, long) = (scheduled(10), scheduled(100));
    assert!((long / short - 1.0).abs() < 0.03, "{short} and {long}");
}
