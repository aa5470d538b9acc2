//! Bandwidth control, by hand. Periods end at 100, 200, … ms after the first slice.

use super::*;

#[test]
fn a_thread_gets_its_quota_in_each_period() {
    for kernel in [OLD, NEW] {
        for offset in [0.0, 30.0] {
            let mut rig = Rig::limited(8, kernel, 50.0);
            rig.burst(offset, 0, 200.0);
            rig.run(ms(10_000.0));
            // 50 ms of each period; the fourth ends it.
            assert_finished(&rig, &[(0, offset + 350.0)]);
            // Three throttled, the last with work, and the idle one that stops
            // the timer.
            assert_eq!(rig.counts(), (5, 3));
            assert_eq!(rig.used_ms(), 200.0);
        }
    }
}

#[test]
fn two_threads_use_up_the_quota_twice_as_fast() {
    let mut rig = Rig::limited(8, NEW, 60.0);
    rig.burst(0.0, 0, 60.0);
    rig.burst(0.0, 1, 60.0);
    rig.run(ms(30.1));
    assert_eq!(rig.used_ms(), 60.0);
    rig.run(ms(10_000.0));
    assert_finished(&rig, &[(0, 130.0), (1, 130.0)]);
    assert_eq!(rig.counts(), (3, 1));
}

#[test]
fn the_last_slice_goes_to_one_thread_and_the_other_is_first_in_the_next_period() {
    // 65 ms are 13 slices: the first thread runs to 35 ms, the second to 30.
    let mut rig = Rig::limited(8, NEW, 65.0);
    rig.burst(0.0, 0, 60.0);
    rig.burst(0.0, 1, 60.0);
    rig.run(ms(10_000.0));
    assert_finished(&rig, &[(0, 125.0), (1, 130.0)]);
    assert_eq!(rig.counts(), (3, 1));
}

#[test]
fn a_wave_under_its_limit_is_never_throttled() {
    for kernel in [OLD, NEW] {
        let mut rig = Rig::limited(8, kernel, 30.0);
        rig.wave(0.0, 0, 20.0, 83.0, 50);
        rig.run(ms(10_000.0));
        let expected: Vec<_> = (0..50).map(|n| (0, 20.0 + 103.0 * f64::from(n))).collect();
        assert_finished(&rig, &expected);
        assert_eq!(rig.counts().1, 0);
    }
}

#[test]
fn a_wave_over_its_limit_repeats_with_the_beat_of_its_periods() {
    // 40 ms of work, 60 ms of sleep, 30 ms of quota: finishes at 110, 220
    // (20 left at 170, 20 more from 200), 330 (10 from 280, 30 from 300) and
    // 510 (nothing left at 390, 30 from 400, 10 from 500); then the same again
    // 400 ms later. All periods end throttled but the last two.
    let mut rig = Rig::limited(8, NEW, 30.0);
    rig.wave(0.0, 0, 40.0, 60.0, 12);
    rig.run(ms(10_000.0));
    let expected: Vec<_> = (0..12)
        .map(|n| {
            (
                0,
                400.0 * f64::from(n / 3) + [110.0, 220.0, 330.0][n as usize % 3],
            )
        })
        .collect();
    assert_finished(&rig, &expected);
    assert_eq!(rig.counts(), (17, 15));
}

#[test]
fn several_waves_share_a_quota() {
    // Three threads of 10 ms every 100 ms under 25 ms. Five slices: two threads
    // get a second one at 5 ms of which nothing is left; the third waits for
    // the rest of its work, 5 ms, until the next period.
    let mut rig = Rig::limited(8, NEW, 25.0);
    for task in 0..3 {
        rig.burst(0.0, task, 10.0);
    }
    rig.run(ms(10_000.0));
    assert_finished(&rig, &[(0, 10.0), (1, 10.0), (2, 105.0)]);
    assert_eq!(rig.counts(), (3, 1));
}

/// Half a ms, so that nothing happens at the very end of a period; but the
/// first task begins the first one.
fn after_boundary(task: Task) -> f64 {
    if task == 0 { 0.0 } else { 0.5 }
}

#[test]
fn an_old_kernel_throttles_a_group_at_half_its_quota() {
    // Ten CPUs with 1 ms of work each per period, one after the other, under
    // 18 ms. A CPU takes 5 ms, uses one, returns three and keeps one. On the old
    // kernel that is lost: nine CPUs use up the quota, the tenth waits, in each
    // period. The new kernel lets it be used in the next period, so that only
    // each second one begins with nothing kept.
    let rounds = 10;
    for (kernel, throttled) in [(OLD, rounds), (NEW, rounds / 2)] {
        let mut rig = Rig::limited(16, kernel, 18.0);
        for round in 0..rounds {
            for cpu in 0..10 {
                // Threads of their own, so that none is started while it waits.
                let task = (round * 10 + cpu) as Task;
                let at = 100.0 * round as f64 + 2.0 * cpu as f64;
                rig.burst_on(cpu as u16, at + after_boundary(task), task, 1.0);
            }
        }
        rig.run(ms(100.0));
        assert_eq!(rig.used_ms(), 9.0);
        rig.run(ms(10_000.0));
        assert_eq!(rig.finished.len(), 100);
        assert_eq!(rig.counts().1, throttled, "{kernel:?}");
        assert!((rig.used_ms() - 100.0).abs() < 1e-5);
    }
}

#[test]
fn ten_cpus_under_a_quota_that_covers_what_they_keep_are_not_throttled() {
    for kernel in [OLD, NEW] {
        let mut rig = Rig::limited(16, kernel, 30.0);
        for task in 0..100 {
            let at = 10.0 * f64::from(task) + after_boundary(task);
            rig.burst_on(task as u16 % 10, at, task, 1.0);
        }
        rig.run(ms(10_000.0));
        assert_eq!(rig.counts().1, 0);
        // The old kernel's pool has lost 20 ms in each period.
        let unused: Vec<u64> = rig.ended[..9].iter().map(|end| end.2 / MS).collect();
        if kernel == OLD {
            assert_eq!(unused, [10; 9]);
        } else {
            assert_eq!(unused, [10, 30, 10, 30, 10, 30, 10, 30, 10]);
        }
    }
}

#[test]
fn returned_runtime_reaches_a_throttled_thread_after_the_slack_delay() {
    // Two threads return 3.5 and 3 ms; at 1 ms the pool has more than a slice,
    // so at 6 ms the third gets one, and the rest at 11 ms.
    let mut rig = Rig::limited(8, NEW, 10.0);
    rig.burst(0.0, 0, 1.0);
    rig.burst(0.0, 1, 0.5);
    rig.burst(0.0, 2, 6.0);
    rig.run(ms(10_000.0));
    assert_finished(&rig, &[(1, 0.5), (0, 1.0), (2, 12.0)]);
    assert_eq!(rig.counts(), (2, 0));
}

#[test]
fn the_old_kernel_pushes_the_slack_timer_with_each_return() {
    // The pool has more than a slice from 3 ms on; the last return is at 3.5.
    for (kernel, begin) in [(OLD, 8.5), (NEW, 8.0)] {
        let mut rig = Rig::limited(8, kernel, 20.0);
        for (task, work) in [(0, 1.0), (1, 2.0), (2, 3.0), (3, 3.5)] {
            rig.burst(0.0, task, work);
        }
        rig.burst(0.0, 4, 2.0);
        rig.run(ms(10_000.0));
        let mut expected = vec![(0, 1.0), (1, 2.0), (2, 3.0), (3, 3.5)];
        expected.push((4, begin + 2.0));
        assert_finished(&rig, &expected);
    }
}

#[test]
fn a_write_unthrottles_at_once_where_it_refills() {
    for (refill_on_write, finish, throttled) in [(true, 420.0, 4), (false, 520.0, 5)] {
        let cfs = Cfs {
            refill_on_write,
            ..Cfs::default()
        };
        let mut rig = Rig::limited_by(cfs, 8, NEW, 20.0);
        // 20 ms until the write at 50; then 40 ms at once, or from 100 on.
        rig.burst(0.0, 0, 200.0);
        rig.write(50.0, 40.0);
        rig.run(ms(60.0));
        assert_eq!(rig.used_ms(), if refill_on_write { 30.0 } else { 20.0 });
        rig.run(ms(10_000.0));
        assert_finished(&rig, &[(0, finish)]);
        assert_eq!(rig.counts().1, throttled);
    }
}

#[test]
fn a_lower_quota_holds_from_the_write_where_it_refills_else_from_the_next_period() {
    for (refill_on_write, used) in [(true, 30.0), (false, 50.0)] {
        let cfs = Cfs {
            refill_on_write,
            ..Cfs::default()
        };
        let mut rig = Rig::limited_by(cfs, 8, NEW, 50.0);
        rig.burst(0.0, 0, 500.0);
        rig.write(10.0, 20.0);
        rig.run(ms(100.0));
        assert_eq!(rig.used_ms(), used);
        rig.run(ms(1100.0));
        assert_eq!(rig.used_ms(), used + 200.0);
    }
}

#[test]
fn a_limit_of_almost_nothing_is_a_millisecond() {
    let mut rig = Rig::limited(8, NEW, 0.2);
    assert_eq!(rig.machine.limit(0), Cores::from_millis(10));
    rig.burst(0.0, 0, 3.0);
    rig.run(ms(10_000.0));
    assert_finished(&rig, &[(0, 201.0)]);
}

#[test]
fn a_limit_of_nothing_freezes_until_there_is_one() {
    let mut rig = Rig::limited(8, NEW, 0.0);
    assert_eq!(rig.machine.limit(0), Cores::ZERO);
    rig.burst(0.0, 0, 3.0);
    rig.write(250.0, 20.0);
    rig.run(ms(10_000.0));
    // Still a period of its own grid: it was throttled all the time.
    assert_finished(&rig, &[(0, 253.0)]);
}

#[test]
fn an_idle_group_has_no_timer() {
    let mut rig = Rig::limited(8, NEW, 30.0);
    rig.burst(0.0, 0, 1.0);
    rig.burst(1_000_000.0, 1, 1.0);
    rig.run(ms(2_000_000.0));
    // Each burst: the period it ran in and one that was idle.
    let ends: Vec<u64> = rig.ended.iter().map(|end| end.1.0 / MS).collect();
    assert_eq!(ends[..2], [100, 200]);
    assert!(ends.len() <= 4, "{ends:?}");
    assert!(rig.queue.scheduled() < 20);
    assert!(rig.queue.is_empty());
}

#[test]
fn a_thread_that_works_past_its_quota_keeps_the_timer() {
    // All periods are active, throttled and end at the same distance.
    let mut rig = Rig::limited(8, OLD, 7.0);
    rig.burst(0.0, 0, 70.0);
    rig.run(ms(950.0));
    let ends: Vec<u64> = rig.ended.iter().map(|end| end.1.0 / MS).collect();
    assert_eq!(ends, [100, 200, 300, 400, 500, 600, 700, 800, 900]);
    assert!(rig.ended.iter().all(|end| end.2 == 0));
    assert_eq!(rig.counts(), (9, 9));
}

#[test]
fn a_killed_group_stops_and_can_start_again() {
    let mut rig = Rig::limited(2, NEW, 20.0);
    for task in 0..3 {
        rig.burst(0.0, task, 50.0);
    }
    // Throttled at 10 ms, running from 100 to 110, killed in between.
    rig.queue.at(ms(105.0), Event::Kill { group: 0 });
    rig.burst(150.0, 3, 5.0);
    rig.run(ms(140.0));
    let used = rig.used_ms();
    assert!((used - 30.0).abs() < 1e-5, "{used}");
    rig.run(ms(10_000.0));
    assert_finished(&rig, &[(3, 155.0)]);
    assert!((rig.used_ms() - used - 5.0).abs() < 1e-5);
    assert!(rig.queue.is_empty());
}

#[test]
fn a_finished_thread_goes_on_with_more_work_on_its_slice() {
    let mut rig = Rig::limited(2, NEW, 10.0);
    let mut cpu = 0;
    let mut signals = Vec::new();
    let Rig { machine, queue, .. } = &mut rig;
    machine.start(Time::ZERO, 0, &mut cpu, 7, 3 * MS, queue);
    let mut finished = Vec::new();
    while let Some(event) = queue.pop() {
        let Event::Machine(timer) = event else {
            continue;
        };
        let now = queue.now();
        machine.fire(now, timer, queue, &mut signals);
        for signal in signals.drain(..) {
            if let Signal::Finished { group, cpu, task } = signal {
                finished.push(now.0 / MS);
                if finished.len() == 1 {
                    machine.proceed(now, group, cpu, task, 9 * MS, queue);
                } else {
                    machine.idle(now, group, cpu, queue);
                }
            }
        }
    }
    // 3 ms, then 7 more to the end of the quota, then 2 in the next period.
    assert_eq!(finished, [3, 102]);
}

#[test]
fn a_thread_that_runs_on_what_its_cpu_kept_restarts_the_timer() {
    let mut rig = Rig::limited(4, NEW, 20.0);
    rig.burst(0.0, 0, 2.0);
    rig.burst(299.5, 1, 500.0);
    rig.run(ms(60_000.0));
    // 1 ms kept, 20 from 300.5, 20 of each period from 400 on.
    assert_finished(&rig, &[(0, 2.0), (1, 2719.0)]);
}

#[test]
fn a_limit_written_to_a_group_that_had_none_starts_its_timer() {
    let mut rig = Rig::new(&testbed(4, 1, NEW));
    rig.machine.add(0, 0, None);
    rig.burst(0.0, 0, 100.0);
    rig.write(10.0, 20.0);
    rig.run(ms(60_000.0));
    assert_finished(&rig, &[(0, 420.0)]);
}

#[test]
fn an_overloaded_core_keeps_the_timer() {
    let mut rig = Rig::limited(1, NEW, 400.0);
    for task in 0..60 {
        rig.burst(0.0, task, 20.0);
    }
    rig.run(ms(60_000.0));
    assert_eq!(rig.finished.len(), 60);
}
