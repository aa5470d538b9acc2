//! The machine against queueing theory and against cases worked out by hand.

mod queueing;

mod sharing;

mod bandwidth;

mod invariants;

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
