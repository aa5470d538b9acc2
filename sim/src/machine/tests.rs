//! The machine against queueing theory and against cases worked out by hand.

use std::path::Path;

use proptest::prelude::*;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Exp1, LogNormal};
use tidegate_core::Span;
use tidegate_workloads::file;
use tidegate_workloads::random::stream;

use super::*;
use crate::engine::Queue;

const OLD: Kernel = Kernel {
    major: 4,
    minor: 20,
};
const NEW: Kernel = Kernel { major: 6, minor: 8 };
const MS: u64 = 1_000_000;

fn ms(n: f64) -> Time {
    Time((n * 1e6).round() as u64)
}

/// One host of one socket.
fn testbed(cores: u32, threads_per_core: u32, kernel: Kernel) -> Testbed {
    let text = "hosts = 1\nsockets = 1\ncores_per_socket = 1\nthreads_per_core = 1\n\
        smt_gain = 0.3\nkernel = \"6.8\"\n";
    let testbed: Testbed = file::parse(Path::new("testbed.toml"), text).unwrap();
    Testbed {
        cores_per_socket: cores,
        threads_per_core,
        kernel,
        ..testbed
    }
}

#[derive(Clone, Copy, Debug)]
enum Event {
    Machine(Timer),
    Start(Start),
    Write {
        group: u32,
        limit: Cores,
    },
    Kill {
        group: u32,
    },
    /// Ends [`Rig::run`].
    Stop,
}

/// A thread gets work; when that is done it sleeps for a while and gets more.
#[derive(Clone, Copy, Debug)]
struct Start {
    group: u32,
    task: Task,
    /// Moves the thread here first, if given.
    cpu: Option<u16>,
    work: u64,
    /// Sleep and rounds left after this one.
    sleep: u64,
    more: u32,
}

impl Timers for Queue<Event> {
    fn set(&mut self, time: Time, timer: Timer) {
        self.at(time, Event::Machine(timer));
    }
}

/// A machine, a queue for its timers, and a record of what it said.
struct Rig {
    queue: Queue<Event>,
    machine: Machine,
    /// CPU each task ran on last, and what its thread does.
    threads: Vec<(u16, Option<Start>)>,
    finished: Vec<(Task, Time)>,
    ended: Vec<(u32, Time, u64)>,
}

impl Rig {
    fn new(testbed: &Testbed) -> Rig {
        Rig {
            queue: Queue::new(),
            machine: Machine::new(testbed),
            threads: Vec::new(),
            finished: Vec::new(),
            ended: Vec::new(),
        }
    }

    /// A rig with one group whose quota is this many ms of each 100.
    fn limited(cpus: u32, kernel: Kernel, quota_ms: f64) -> Rig {
        Rig::limited_by(Cfs::default(), cpus, kernel, quota_ms)
    }

    fn limited_by(cfs: Cfs, cpus: u32, kernel: Kernel, quota_ms: f64) -> Rig {
        let mut rig = Rig::new(&Testbed {
            cfs,
            ..testbed(cpus, 1, kernel)
        });
        rig.machine.add(0, 0, Some(quota(quota_ms)));
        rig
    }

    /// Group 0 gets `work_ms` as `task` at `at_ms`.
    fn burst(&mut self, at_ms: f64, task: Task, work_ms: f64) {
        self.wave(at_ms, task, work_ms, 0.0, 1);
    }

    /// A thread of group 0 that works and sleeps in turn, `rounds` times.
    fn wave(&mut self, at_ms: f64, task: Task, work_ms: f64, sleep_ms: f64, rounds: u32) {
        let start = Start {
            group: 0,
            task,
            cpu: None,
            work: ms(work_ms).0,
            sleep: ms(sleep_ms).0,
            more: rounds - 1,
        };
        self.queue.at(ms(at_ms), Event::Start(start));
    }

    /// A burst of a thread that ran on `cpu` last.
    fn burst_on(&mut self, cpu: u16, at_ms: f64, task: Task, work_ms: f64) {
        let start = Start {
            group: 0,
            task,
            cpu: Some(cpu),
            work: ms(work_ms).0,
            sleep: 0,
            more: 0,
        };
        self.queue.at(ms(at_ms), Event::Start(start));
    }

    fn run(&mut self, until: Time) {
        self.queue.at(until, Event::Stop);
        let mut signals = Vec::new();
        while let Some(event) = self.queue.pop() {
            let now = self.queue.now();
            match event {
                Event::Machine(timer) => {
                    self.machine.fire(now, timer, &mut self.queue, &mut signals);
                }
                Event::Start(start) => self.start(start),
                Event::Write { group, limit } => {
                    self.machine.write(now, group, limit, &mut self.queue);
                }
                Event::Kill { group } => self.machine.kill(now, group, &mut self.queue),
                Event::Stop => return,
            }
            for signal in signals.drain(..) {
                match signal {
                    Signal::Finished { group, cpu, task } => {
                        self.finished.push((task, now));
                        self.machine.idle(now, group, cpu, &mut self.queue);
                        let next = self.threads[task as usize].1.take();
                        if let Some(start) = next.filter(|start| start.more > 0) {
                            let start = Start {
                                more: start.more - 1,
                                ..start
                            };
                            self.queue.after(Span(start.sleep), Event::Start(start));
                        }
                    }
                    Signal::PeriodEnded { group, unused } => self.ended.push((group, now, unused)),
                }
            }
        }
    }

    fn start(&mut self, start: Start) {
        let index = start.task as usize;
        if index >= self.threads.len() {
            self.threads.resize(index + 1, (0, None));
        }
        let (cpu, state) = &mut self.threads[index];
        assert!(state.is_none(), "task {index} is started while it runs");
        *state = Some(start);
        if let Some(wanted) = start.cpu {
            *cpu = wanted;
        }
        self.machine.start(
            self.queue.now(),
            start.group,
            cpu,
            start.task,
            start.work,
            &mut self.queue,
        );
    }

    fn write(&mut self, at_ms: f64, quota_ms: f64) {
        let limit = quota(quota_ms);
        self.queue.at(ms(at_ms), Event::Write { group: 0, limit });
    }

    fn used_ms(&self) -> f64 {
        self.machine.used(0, self.queue.now()) as f64 * 1e-6
    }

    /// When each task finished, in ms, in the order of finishing.
    fn finish_ms(&self) -> Vec<(Task, f64)> {
        let to_ms = |&(task, time): &(Task, Time)| (task, time.0 as f64 * 1e-6);
        self.finished.iter().map(to_ms).collect()
    }

    /// Periods and throttled periods of group 0.
    fn counts(&self) -> (u64, u64) {
        let group = self.machine.group(0);
        (group.nr_periods(), group.nr_throttled())
    }
}

/// The limit that gives this many ms of each 100.
fn quota(ms: f64) -> Cores {
    Cores::from_f64(ms / 100.0)
}

/// Finish times agree to within the nanoseconds that rounding leaves; tasks
/// that finish at the same time may do so in any order.
#[track_caller]
fn assert_finished(rig: &Rig, expected: &[(Task, f64)]) {
    let (mut actual, mut expected) = (rig.finish_ms(), expected.to_vec());
    actual.sort_by_key(|finish| finish.0);
    expected.sort_by_key(|finish| finish.0);
    let close = actual.len() == expected.len()
        && actual
            .iter()
            .zip(&expected)
            .all(|(a, e)| a.0 == e.0 && (a.1 - e.1).abs() < 1e-5);
    assert!(close, "finished {actual:?}, not {expected:?}");
}

// Queueing theory: Poisson arrivals at `cores` cores without a limit, where all
// tasks in service share the cores equally.

/// Mean sojourn time and the half-width of its 99 % confidence interval, by
/// batch means over `tasks` completions after a warm-up of a tenth of them. Times in
/// units of the mean work.
fn sojourn(
    cores: u32,
    load: f64,
    tasks: usize,
    seed: u64,
    mut work: impl FnMut(&mut ChaCha8Rng) -> f64,
) -> (f64, f64) {
    const UNIT: f64 = 1e6;
    const BATCHES: usize = 25;
    let mut queue: Queue<Option<Timer>> = Queue::new();
    struct Only<'a>(&'a mut Queue<Option<Timer>>);
    impl Timers for Only<'_> {
        fn set(&mut self, time: Time, timer: Timer) {
            self.0.at(time, Some(timer));
        }
    }
    let mut machine = Machine::new(&testbed(cores, 1, NEW));
    let group = machine.add(0, 0, None);
    let mut arrivals = stream(seed, "arrivals", 0);
    let mut works = stream(seed, "work", 0);
    let mut began: Vec<Time> = Vec::new();
    let mut free: Vec<Task> = Vec::new();
    let mut signals = Vec::new();
    let (mut done, mut total, mut charged) = (0usize, 0.0, 0.0);
    let warm_up = tasks / 10;
    let batch = tasks / BATCHES;
    let mut means = Vec::new();
    let rate = load * f64::from(cores);
    queue.after(Span(0), None);
    while means.len() < BATCHES {
        let Some(event) = queue.pop() else {
            panic!("arrivals never end")
        };
        let now = queue.now();
        let Some(timer) = event else {
            let wait: f64 = Exp1.sample(&mut arrivals);
            queue.after(Span((wait / rate * UNIT) as u64), None);
            let task = free.pop().unwrap_or_else(|| {
                began.push(now);
                (began.len() - 1) as Task
            });
            began[task as usize] = now;
            let work = (work(&mut works) * UNIT).ceil() as u64;
            charged += work as f64;
            let mut timers = Only(&mut queue);
            machine.start(now, group, &mut 0, task, work, &mut timers);
            continue;
        };
        machine.fire(now, timer, &mut Only(&mut queue), &mut signals);
        for signal in signals.drain(..) {
            if let Signal::Finished { group, cpu, task } = signal {
                machine.idle(now, group, cpu, &mut Only(&mut queue));
                free.push(task);
                done += 1;
                if done > warm_up {
                    total += now.since(began[task as usize]).0 as f64 / UNIT;
                    if (done - warm_up).is_multiple_of(batch) {
                        means.push(total / batch as f64);
                        total = 0.0;
                    }
                }
            }
        }
    }
    // Utilisation law: without a limit and without hyper-threads each unit of
    // work is charged once; what is still in service is charged in part.
    let used = machine.used(group, queue.now()) as f64;
    assert!((used / charged - 1.0).abs() < 1e-3, "{used} of {charged}");
    let n = BATCHES as f64;
    let mean = means.iter().sum::<f64>() / n;
    let variance = means.iter().map(|m| (m - mean).powi(2)).sum::<f64>() / (n - 1.0);
    // Student's t with 24 degrees of freedom, 99 %, two-sided.
    (mean, 2.797 * (variance / n).sqrt())
}

/// The theory lies in the interval, and the interval is narrow enough to say
/// something.
#[track_caller]
fn assert_sojourn((mean, half): (f64, f64), theory: f64, width: f64) {
    assert!(half < width * theory, "{mean} ± {half} is too wide");
    assert!(
        (mean - theory).abs() < half,
        "{mean} ± {half}, not {theory}"
    );
}

fn exponential(rng: &mut ChaCha8Rng) -> f64 {
    Exp1.sample(rng)
}

/// Mean sojourn of M/M/c with mean work 1: 1 + C(c, a) / (c - a), where C is
/// Erlang's waiting probability and a = c · load.
fn erlang_sojourn(c: u32, load: f64) -> f64 {
    let offered = f64::from(c) * load;
    // Erlang B by its recursion, then C from it.
    let blocking = (1..=c).fold(1.0, |b, n| offered * b / (f64::from(n) + offered * b));
    let waiting = blocking / (1.0 - load * (1.0 - blocking));
    1.0 + waiting / (f64::from(c) - offered)
}

#[test]
fn erlangs_formula_is_written_down_correctly() {
    // One server: 1 / (1 - ρ). Two: 1 / (1 - ρ²).
    assert!((erlang_sojourn(1, 0.8) - 5.0).abs() < 1e-12);
    assert!((erlang_sojourn(2, 0.6) - 1.0 / 0.64).abs() < 1e-12);
}

#[test]
fn one_core_is_an_mm1_queue_with_processor_sharing() {
    assert_sojourn(sojourn(1, 0.5, 400_000, 1, exponential), 2.0, 0.02);
    assert_sojourn(sojourn(1, 0.8, 800_000, 2, exponential), 5.0, 0.03);
}

#[test]
fn the_mean_sojourn_does_not_depend_on_the_distribution_of_the_work() {
    let lognormal = LogNormal::new(-0.5, 1.0).unwrap();
    let draw = |rng: &mut ChaCha8Rng| lognormal.sample(rng);
    assert_sojourn(sojourn(1, 0.5, 200_000, 3, draw), 2.0, 0.03);
    assert_sojourn(sojourn(1, 0.8, 800_000, 4, draw), 5.0, 0.05);
    assert_sojourn(sojourn(1, 0.8, 400_000, 5, |_| 1.0), 5.0, 0.04);
}

#[test]
fn four_cores_are_an_mmc_queue() {
    for (seed, load) in [(6, 0.5), (7, 0.8)] {
        let theory = erlang_sojourn(4, load);
        assert_sojourn(sojourn(4, load, 400_000, seed, exponential), theory, 0.03);
    }
}

// Sharing, by hand.

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

// Bandwidth control, by hand. Periods end at 100, 200, … ms after the first
// slice.

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
    let mut rig = Rig::limited(8, NEW, 0.0);
    assert_eq!(rig.machine.limit(0), Cores::from_millis(10));
    rig.burst(0.0, 0, 3.0);
    rig.run(ms(10_000.0));
    assert_finished(&rig, &[(0, 201.0)]);
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

// What must hold whatever the load.

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
