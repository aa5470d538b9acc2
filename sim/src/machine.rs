//! Hosts, their CPUs and the bandwidth groups that run on them.
//!
//! A task is one burst of CPU work of one thread. A thread wakes on the CPU it
//! ran on last if that is idle, else on another idle one that shares its cache,
//! as the kernel's `select_idle_sibling` does; so the number of CPUs a group
//! touches in a period follows from how its work goes round its threads. With
//! more runnable threads than CPUs all share them equally.
//!
//! The machine knows nothing of applications: it says which tasks have finished
//! and which periods have ended.

use tidegate_core::{Cores, Time};

use crate::bandwidth::{Group, PeriodEnd, UNLIMITED};
use crate::testbed::{Cfs, Kernel, Testbed};

/// A burst of work, named by whoever started it.
pub type Task = u32;

/// An event of the machine's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timer {
    /// A running task finishes or has used up its slice.
    Run {
        /// The group.
        group: u32,
        /// The CPU, as the group counts them.
        cpu: u16,
        /// Which start of a task this belongs to.
        generation: u32,
    },
    /// A bandwidth period ends.
    Period {
        /// The group.
        group: u32,
    },
    /// Returned runtime is handed out.
    Slack {
        /// The group.
        group: u32,
        /// Which arming of the timer this belongs to.
        generation: u32,
    },
}

/// Takes the machine's timers; the world's event queue.
pub trait Timers {
    /// The timer must fire at `time`.
    fn set(&mut self, time: Time, timer: Timer);
}

/// What happened on the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// A task is done. Its CPU is held until [`Machine::proceed`] or
    /// [`Machine::idle`] is called.
    Finished {
        /// The group.
        group: u32,
        /// The CPU it ran on.
        cpu: u16,
        /// The task.
        task: Task,
    },
    /// A group's period has ended.
    PeriodEnded {
        /// The group.
        group: u32,
        /// Runtime left in the pool before it was refilled, in nanoseconds.
        unused: u64,
    },
}

/// A task bound to a CPU.
#[derive(Clone, Copy, Debug)]
struct Job {
    task: Task,
    /// Work left, in nanoseconds of a core that is not shared.
    work: u64,
}

/// A CPU as one group sees it (`cfs_rq`).
#[derive(Clone, Debug, Default)]
struct RunQueue {
    running: Option<Job>,
    since: Time,
    generation: u32,
    /// Place in the host's list of running tasks.
    place: u32,
    /// Tasks that woke here while the CPU was throttled.
    waiting: Vec<Job>,
}

/// A group and where it runs.
#[derive(Clone, Debug)]
struct Place {
    host: u32,
    /// First CPU of the socket it runs on.
    socket: u16,
    group: Group,
    queues: Vec<RunQueue>,
    used: u64,
    running: u32,
    slack_generation: u32,
}

/// A host's CPUs.
#[derive(Clone, Debug)]
struct Host {
    /// Tasks running on each CPU.
    busy: Vec<u16>,
    /// Who runs: group and CPU.
    running: Vec<(u32, u16)>,
    /// Progress and charge per nanosecond while this many run.
    rate: Rate,
}

/// How fast running tasks advance, and how fast their runtime is used up.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Rate {
    progress: f64,
    charge: f64,
}

const FULL: Rate = Rate {
    progress: 1.0,
    charge: 1.0,
};

/// All hosts and groups of a run.
#[derive(Clone, Debug)]
pub struct Machine {
    cfs: Cfs,
    kernel: Kernel,
    cpus: u16,
    cpus_per_socket: u16,
    wake_cpus: u16,
    cores: u32,
    smt_gain: f64,
    hosts: Vec<Host>,
    places: Vec<Place>,
    /// Groups of which a CPU was throttled since this was last taken.
    throttles: Vec<u32>,
}

impl Machine {
    /// The hosts of a testbed, without containers.
    pub fn new(testbed: &Testbed) -> Machine {
        let cpus = testbed.cpus_per_host();
        let host = Host {
            busy: vec![0; cpus as usize],
            running: Vec::new(),
            rate: FULL,
        };
        Machine {
            cfs: testbed.cfs,
            kernel: testbed.kernel,
            cpus: cpus as u16,
            cpus_per_socket: testbed.cpus_per_socket() as u16,
            wake_cpus: testbed.wake_cpus() as u16,
            cores: testbed.sockets * testbed.cores_per_socket,
            smt_gain: testbed.smt_gain,
            hosts: vec![host; testbed.hosts as usize],
            places: Vec::new(),
            throttles: Vec::new(),
        }
    }

    /// Takes the groups of which a CPU was throttled since the last call, once for
    /// each throttle, in order.
    pub fn take_throttles(&mut self, out: &mut Vec<u32>) {
        out.append(&mut self.throttles);
    }

    /// Adds a group on `host`, on socket number `socket` of it; no limit is no
    /// quota. Returns its number.
    pub fn add(&mut self, host: u32, socket: u32, limit: Option<Cores>) -> u32 {
        let quota = limit.map_or(UNLIMITED, |limit| self.quota(limit));
        let sockets = self.cpus / self.cpus_per_socket;
        self.places.push(Place {
            host,
            socket: (socket % u32::from(sockets)) as u16 * self.cpus_per_socket,
            group: Group::new(self.cfs, self.kernel, quota),
            queues: vec![RunQueue::default(); usize::from(self.cpus)],
            used: 0,
            running: 0,
            slack_generation: 0,
        });
        (self.places.len() - 1) as u32
    }

    /// A limit as a quota; the kernel takes none below 1 ms. A limit of nothing
    /// freezes the group.
    fn quota(&self, limit: Cores) -> u64 {
        match limit {
            Cores::ZERO => 0,
            limit => limit.over(self.cfs.period).0.max(1_000_000),
        }
    }

    /// The host a group is on.
    pub fn host(&self, group: u32) -> u32 {
        self.places[group as usize].host
    }

    /// The bandwidth group of a number.
    pub fn group(&self, group: u32) -> &Group {
        &self.places[group as usize].group
    }

    /// The limit in force; the largest there is where there is none.
    pub fn limit(&self, group: u32) -> Cores {
        let quota = self.places[group as usize].group.quota();
        if quota == UNLIMITED {
            return Cores(u64::MAX);
        }
        Cores::from_runtime(tidegate_core::Span(quota), self.cfs.period)
    }

    /// CPU time a group has used until `now`, in nanoseconds.
    pub fn used(&self, group: u32, now: Time) -> u64 {
        let place = &self.places[group as usize];
        let mut used = place.used;
        if place.running > 0 {
            let charge = self.hosts[place.host as usize].rate.charge;
            for queue in &place.queues {
                if queue.running.is_some() {
                    used += scale(now.since(queue.since).0, charge);
                }
            }
        }
        used
    }

    /// Starts `work` nanoseconds of work as `task`, for a thread that last ran
    /// on `cpu`, which is updated.
    pub fn start(
        &mut self,
        now: Time,
        group: u32,
        cpu: &mut u16,
        task: Task,
        work: u64,
        timers: &mut impl Timers,
    ) {
        *cpu = self.select(group, *cpu);
        self.enqueue(now, group, *cpu, Job { task, work }, timers);
    }

    /// The CPU a waking thread goes to.
    fn select(&mut self, group: u32, last: u16) -> u16 {
        let place = &mut self.places[group as usize];
        let busy = &self.hosts[place.host as usize].busy;
        let (size, cpus) = (self.wake_cpus, self.cpus);
        let first = place.socket;
        // CPUs are counted from the group's first one on, round the host.
        let offset = (last + cpus - first) % cpus;
        let start = if offset < size { offset } else { last % size };
        for step in 0..size {
            let mut at = start + step;
            if at >= size {
                at -= size;
            }
            let cpu = (first + at) % cpus;
            if busy[usize::from(cpu)] == 0 {
                return cpu;
            }
        }
        // All of those are busy: any idle CPU of the host, else a share of a busy
        // one, which the group keeps in a run queue of its own.
        if let Some(idle) = busy.iter().position(|&n| n == 0) {
            return idle as u16;
        }
        let own = usize::from(self.cpus);
        let spare = place.queues[own..]
            .iter()
            .position(|q| q.running.is_none() && q.waiting.is_empty());
        let queue = spare.map_or(place.queues.len(), |n| own + n);
        if queue == place.queues.len() {
            place.queues.push(RunQueue::default());
        }
        queue as u16
    }

    /// Runs a job on a CPU, or lets it wait there if the CPU is throttled.
    fn enqueue(&mut self, now: Time, group: u32, cpu: u16, job: Job, timers: &mut impl Timers) {
        let place = &mut self.places[group as usize];
        if place.group.is_throttled(cpu) {
            place.queues[usize::from(cpu)].waiting.push(job);
            return;
        }
        if self.acquire(now, group, cpu, timers) == 0 {
            let place = &mut self.places[group as usize];
            place.group.throttle(cpu);
            self.throttles.push(group);
            place.queues[usize::from(cpu)].waiting.push(job);
            return;
        }
        self.join(now, group, cpu, job, timers);
        self.arm(now, group, cpu, timers);
    }

    /// Runtime a CPU has after asking for a slice if it had none.
    fn acquire(&mut self, now: Time, group: u32, cpu: u16, timers: &mut impl Timers) -> u64 {
        let (runtime, period) = self.places[group as usize].group.acquire(cpu, now);
        if let Some(end) = period {
            timers.set(end, Timer::Period { group });
        }
        runtime
    }

    /// The job on a CPU runs on with the runtime it can get, or is throttled.
    fn go_on(&mut self, now: Time, group: u32, cpu: u16, timers: &mut impl Timers) {
        if self.acquire(now, group, cpu, timers) > 0 {
            self.arm(now, group, cpu, timers);
            return;
        }
        let place = &mut self.places[group as usize];
        let Some(job) = place.queues[usize::from(cpu)].running else {
            return;
        };
        place.group.throttle(cpu);
        self.throttles.push(group);
        self.leave(now, group, cpu, timers);
        self.places[group as usize].queues[usize::from(cpu)]
            .waiting
            .push(job);
    }

    /// Puts a job on a CPU.
    fn join(&mut self, now: Time, group: u32, cpu: u16, job: Job, timers: &mut impl Timers) {
        let place = &mut self.places[group as usize];
        let host = &mut self.hosts[place.host as usize];
        if let Some(busy) = host.busy.get_mut(usize::from(cpu)) {
            *busy += 1;
        }
        let queue = &mut place.queues[usize::from(cpu)];
        queue.running = Some(job);
        queue.since = now;
        queue.place = host.running.len() as u32;
        host.running.push((group, cpu));
        place.running += 1;
        let number = place.host;
        self.rerate(now, number, timers);
    }

    /// Takes the job off a CPU; it must have been settled.
    fn leave(&mut self, now: Time, group: u32, cpu: u16, timers: &mut impl Timers) {
        let place = &mut self.places[group as usize];
        let host = &mut self.hosts[place.host as usize];
        if let Some(busy) = host.busy.get_mut(usize::from(cpu)) {
            *busy -= 1;
        }
        let queue = &mut place.queues[usize::from(cpu)];
        queue.running = None;
        queue.generation = queue.generation.wrapping_add(1);
        let at = queue.place;
        host.running.swap_remove(at as usize);
        if let Some(&(moved_group, moved_cpu)) = host.running.get(at as usize) {
            self.places[moved_group as usize].queues[usize::from(moved_cpu)].place = at;
        }
        let place = &mut self.places[group as usize];
        place.running -= 1;
        let number = place.host;
        self.rerate(now, number, timers);
    }

    /// Sets when the job on a CPU must be looked at again.
    fn arm(&mut self, now: Time, group: u32, cpu: u16, timers: &mut impl Timers) {
        let place = &mut self.places[group as usize];
        let rate = self.hosts[place.host as usize].rate;
        let local = place.group.local(cpu);
        let queue = &mut place.queues[usize::from(cpu)];
        let Some(job) = queue.running else { return };
        queue.generation = queue.generation.wrapping_add(1);
        let work = until(job.work, rate.progress);
        let slice = if local == UNLIMITED {
            UNLIMITED
        } else {
            until(local, rate.charge)
        };
        timers.set(
            Time(now.0 + work.min(slice).max(1)),
            Timer::Run {
                group,
                cpu,
                generation: queue.generation,
            },
        );
    }

    /// Books what the job on a CPU has done until now.
    fn settle(&mut self, now: Time, group: u32, cpu: u16) {
        let place = &mut self.places[group as usize];
        let rate = self.hosts[place.host as usize].rate;
        let queue = &mut place.queues[usize::from(cpu)];
        let passed = now.since(queue.since).0;
        queue.since = now;
        let Some(job) = &mut queue.running else {
            return;
        };
        job.work = job.work.saturating_sub(scale(passed, rate.progress));
        let charged = scale(passed, rate.charge);
        place.used += charged;
        place.group.charge(cpu, charged);
    }

    /// Adapts the rate of a host to the number of tasks that run on it.
    fn rerate(&mut self, now: Time, host: u32, timers: &mut impl Timers) {
        let rate = self.rate(self.hosts[host as usize].running.len());
        if rate == self.hosts[host as usize].rate {
            return;
        }
        // All that ran at the old rate is booked before the new one holds.
        let running = std::mem::take(&mut self.hosts[host as usize].running);
        for &(group, cpu) in &running {
            self.settle(now, group, cpu);
        }
        self.hosts[host as usize].rate = rate;
        for &(group, cpu) in &running {
            self.arm(now, group, cpu, timers);
        }
        self.hosts[host as usize].running = running;
    }

    /// Rate while `n` tasks run: each on a core of its own; then two on a core,
    /// which gives `smt_gain` more than one; then sharing CPUs.
    fn rate(&self, n: usize) -> Rate {
        let n = n as f64;
        let cores = f64::from(self.cores);
        let cpus = f64::from(self.cpus);
        if n <= cores {
            return FULL;
        }
        let second = (n.min(cpus) - cores) * self.smt_gain;
        Rate {
            progress: (cores + second) / n,
            charge: (cpus / n).min(1.0),
        }
    }

    /// A timer fired.
    pub fn fire(
        &mut self,
        now: Time,
        timer: Timer,
        timers: &mut impl Timers,
        out: &mut Vec<Signal>,
    ) {
        match timer {
            Timer::Run {
                group,
                cpu,
                generation,
            } => {
                let queue = &self.places[group as usize].queues[usize::from(cpu)];
                if queue.generation == generation {
                    self.look(now, group, cpu, timers, out);
                }
            }
            Timer::Period { group } => {
                let place = &mut self.places[group as usize];
                let unused = place.group.pool();
                out.push(Signal::PeriodEnded { group, unused });
                if place.group.end_period(now) == PeriodEnd::Refilled {
                    let next = now + self.cfs.period;
                    timers.set(next, Timer::Period { group });
                    self.wake_throttled(now, group, timers);
                }
            }
            Timer::Slack { group, generation } => {
                let place = &mut self.places[group as usize];
                if place.slack_generation == generation && place.group.slack(now) {
                    self.wake_throttled(now, group, timers);
                }
            }
        }
    }

    /// A running job has finished or needs another slice.
    fn look(
        &mut self,
        now: Time,
        group: u32,
        cpu: u16,
        timers: &mut impl Timers,
        out: &mut Vec<Signal>,
    ) {
        self.settle(now, group, cpu);
        let place = &mut self.places[group as usize];
        let queue = &mut place.queues[usize::from(cpu)];
        let Some(job) = queue.running else { return };
        if job.work == 0 {
            out.push(Signal::Finished {
                group,
                cpu,
                task: job.task,
            });
            return;
        }
        self.go_on(now, group, cpu, timers);
    }

    /// The finished task's thread goes on with more work on the same CPU.
    pub fn proceed(
        &mut self,
        now: Time,
        group: u32,
        cpu: u16,
        task: Task,
        work: u64,
        timers: &mut impl Timers,
    ) {
        let place = &mut self.places[group as usize];
        let queue = &mut place.queues[usize::from(cpu)];
        queue.running = Some(Job { task, work });
        queue.since = now;
        self.go_on(now, group, cpu, timers);
    }

    /// The finished task's thread has nothing more to do: its CPU goes idle.
    pub fn idle(&mut self, now: Time, group: u32, cpu: u16, timers: &mut impl Timers) {
        self.leave(now, group, cpu, timers);
        self.release(now, group, cpu, timers);
    }

    /// A CPU that has gone idle returns what it holds.
    fn release(&mut self, now: Time, group: u32, cpu: u16, timers: &mut impl Timers) {
        let place = &mut self.places[group as usize];
        if let Some(at) = place.group.release(cpu, now) {
            place.slack_generation = place.slack_generation.wrapping_add(1);
            let generation = place.slack_generation;
            timers.set(at, Timer::Slack { group, generation });
        }
    }

    /// Lets throttled CPUs run while the pool has something for them. What
    /// queued behind the first job of a CPU moves to other CPUs, as load
    /// balancing would have it.
    fn wake_throttled(&mut self, now: Time, group: u32, timers: &mut impl Timers) {
        while let Some(cpu) = self.places[group as usize].group.next_runnable() {
            let queue = &mut self.places[group as usize].queues[usize::from(cpu)];
            let mut waiting = std::mem::take(&mut queue.waiting);
            let mut jobs = waiting.drain(..);
            if let Some(first) = jobs.next() {
                self.enqueue(now, group, cpu, first, timers);
            }
            for job in jobs {
                let other = self.select(group, cpu);
                self.enqueue(now, group, other, job, timers);
            }
        }
    }

    /// Writes a group's limit.
    pub fn write(&mut self, now: Time, group: u32, limit: Cores, timers: &mut impl Timers) {
        let quota = self.quota(limit);
        let cpus: Vec<u16> = self.running_cpus(group);
        for &cpu in &cpus {
            self.settle(now, group, cpu);
        }
        self.places[group as usize].group.write(quota);
        for &cpu in &cpus {
            self.go_on(now, group, cpu, timers);
        }
        if self.cfs.refill_on_write {
            self.wake_throttled(now, group, timers);
        }
    }

    /// Ends everything a group runs or has waiting: its container was killed.
    pub fn kill(&mut self, now: Time, group: u32, timers: &mut impl Timers) {
        for cpu in self.running_cpus(group) {
            self.settle(now, group, cpu);
            self.leave(now, group, cpu, timers);
            self.release(now, group, cpu, timers);
        }
        for queue in &mut self.places[group as usize].queues {
            queue.waiting.clear();
        }
    }

    fn running_cpus(&self, group: u32) -> Vec<u16> {
        let queues = &self.places[group as usize].queues;
        (0u16..)
            .zip(queues)
            .filter(|(_, queue)| queue.running.is_some())
            .map(|(cpu, _)| cpu)
            .collect()
    }
}

/// `time` at `rate`, exact where the rate is one.
fn scale(time: u64, rate: f64) -> u64 {
    if rate == 1.0 {
        time
    } else {
        (time as f64 * rate).round() as u64
    }
}

/// How long `amount` takes at `rate`.
fn until(amount: u64, rate: f64) -> u64 {
    if rate == 1.0 {
        amount
    } else {
        (amount as f64 / rate).ceil() as u64
    }
}

#[cfg(test)]
mod tests;
