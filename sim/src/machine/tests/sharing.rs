//! How tasks share cores, by hand.

use super::*;

#[test]
fn tasks_share_a_core_equally() {
    let mut rig = Rig::new(&testbed(1, 1, NEW));
    rig.machine.add(0, 0, None);
    for (task, work) in [(0, 10.0), (1, 20.0), (2, 30.0)] {
        rig.burst(0.0, task, work);
    }
    rig.run(ms(15.0));
    assert!((rig.used_ms() - 15.0).abs() < 1e-5);
    rig.run(ms(1000.0));
    assert_finished(&rig, &[(0, 30.0), (1, 50.0), (2, 60.0)]);
    assert!((rig.used_ms() - 60.0).abs() < 1e-5);
}

#[test]
fn a_task_that_comes_later_slows_those_in_service_from_then_on() {
    let mut rig = Rig::new(&testbed(1, 1, NEW));
    rig.machine.add(0, 0, None);
    rig.burst(0.0, 0, 10.0);
    rig.burst(4.0, 1, 2.0);
    rig.run(ms(1000.0));
    // From 4 ms both run at half speed: the second needs 4 ms.
    assert_finished(&rig, &[(1, 8.0), (0, 12.0)]);
}

#[test]
fn the_second_thread_of_a_core_adds_only_its_gain() {
    // Two cores, four threads; n tasks of 10 ms do (2 + (n - 2) · 0.3) ms of
    // work in a ms, and each is charged all the time it occupies a thread.
    for (n, finish, used) in [
        (1, 10.0, 10.0),
        (2, 10.0, 20.0),
        (3, 30.0 / 2.3, 90.0 / 2.3),
        (4, 40.0 / 2.6, 160.0 / 2.6),
        // Eight on four threads: each is on a thread half of the time.
        (8, 80.0 / 2.6, 320.0 / 2.6),
    ] {
        let mut rig = Rig::new(&testbed(2, 2, NEW));
        rig.machine.add(0, 0, None);
        for task in 0..n {
            rig.burst(0.0, task, 10.0);
        }
        rig.run(ms(1000.0));
        let expected: Vec<_> = (0..n).map(|task| (task, finish)).collect();
        assert_finished(&rig, &expected);
        assert!(
            (rig.used_ms() - used).abs() < 1e-4,
            "{n}: {}",
            rig.used_ms()
        );
    }
}

#[test]
fn speed_changes_when_a_sibling_thread_goes_idle() {
    let mut rig = Rig::new(&testbed(2, 2, NEW));
    rig.machine.add(0, 0, None);
    for (task, work) in [(0, 10.0), (1, 20.0), (2, 20.0)] {
        rig.burst(0.0, task, work);
    }
    rig.run(ms(1000.0));
    let first = 30.0 / 2.3;
    assert_finished(&rig, &[(0, first), (1, first + 10.0), (2, first + 10.0)]);
}

#[test]
fn groups_of_one_host_share_it_and_those_of_another_do_not() {
    let mut rig = Rig::new(&Testbed {
        hosts: 2,
        ..testbed(1, 1, NEW)
    });
    for host in [0, 0, 1] {
        rig.machine.add(host, 0, None);
    }
    for group in 0..3 {
        let start = Start {
            group,
            task: group,
            cpu: None,
            work: 10 * MS,
            sleep: 0,
            more: 0,
        };
        rig.queue.at(Time::ZERO, Event::Start(start));
    }
    rig.run(ms(1000.0));
    assert_finished(&rig, &[(2, 10.0), (0, 20.0), (1, 20.0)]);
    for group in 0..3 {
        let used = rig.machine.used(group, ms(1000.0));
        assert!(used.abs_diff(10 * MS) < 10, "{used}");
    }
}

#[test]
fn a_thread_goes_back_to_its_cpu_and_else_to_an_idle_one_of_its_socket() {
    let mut rig = Rig::new(&Testbed {
        sockets: 2,
        ..testbed(2, 1, NEW)
    });
    rig.machine.add(0, 1, None);
    for (task, at, wanted) in [(0, 0.0, 3), (1, 1.0, 3), (2, 2.0, 3), (3, 3.0, 3)] {
        rig.burst_on(wanted, at, task, 10.0);
    }
    rig.run(ms(1000.0));
    let cpus: Vec<u16> = rig.threads.iter().map(|(cpu, _)| *cpu).collect();
    assert_eq!(cpus, [3, 2, 0, 1]);
}
