//! Processes that go through steps: they wait, work on shared stations, queue at
//! gates, branch and join.
//!
//! The models of platforms are written as such steps: a call, a Terraform run, a
//! pod's start. What slows down under concurrency does so because stations and
//! gates are shared. This module knows nothing of what the steps stand for.

mod step;

mod station;

mod gate;

mod meter;

#[cfg(test)]
mod tests;

use std::collections::VecDeque;

use tidegate_core::{Span, Time};

use crate::engine::Queue;
use gate::Permits;
use meter::Meter;
use station::Station;

pub(crate) use station::Discipline;
pub(crate) use step::{Amount, Attempts, Busy, Gate, GateId, Mark, MeterId, Note, StationId, Step};

/// A process, by its number.
type ProcessId = usize;

#[derive(Clone, Copy, Debug)]
enum Event {
    Resume { process: ProcessId },
    Station { station: usize, generation: u64 },
}

#[derive(Debug)]
struct Process {
    tag: u64,
    steps: VecDeque<Step>,
    began: Time,
    parent: Option<ProcessId>,
    /// Branches that have not ended.
    branches: usize,
    /// Permits held.
    permits: Vec<(GateId, usize)>,
    /// The race it is in, whether it has met others, and what that costs.
    race: Option<(MeterId, bool, Span)>,
}

impl Process {
    /// Puts steps before those that are left.
    fn prepend(&mut self, steps: impl DoubleEndedIterator<Item = Step>) {
        for step in steps.rev() {
            self.steps.push_front(step);
        }
    }

    /// An attempt has failed: the next one, or something else than all that is left.
    fn failed(&mut self, attempts: Attempts) {
        if attempts.each.is_empty() {
            self.steps = attempts.given_up.into();
        } else {
            let pause = Step::Wait(attempts.pause);
            self.prepend([pause, Step::Try(attempts)].into_iter());
        }
    }
}

/// Stations, gates, meters and the processes among them.
#[derive(Debug, Default)]
pub(crate) struct Flow {
    queue: Queue<Event>,
    stations: Vec<Station>,
    gates: Vec<Permits>,
    meters: Vec<Meter>,
    processes: Vec<Option<Process>>,
    free: Vec<ProcessId>,
    notes: VecDeque<Note>,
}

impl Flow {
    pub(crate) fn new() -> Flow {
        Flow::default()
    }

    /// A station of `discipline`.
    pub(crate) fn station(&mut self, discipline: Discipline) -> StationId {
        self.stations.push(Station::new(discipline));
        StationId(self.stations.len() - 1)
    }

    /// A gate with `max` permits.
    pub(crate) fn gate(&mut self, max: usize) -> GateId {
        self.gates.push(Permits::new(max));
        GateId(self.gates.len() - 1)
    }

    /// `count` gates with `max` permits each; the first of them.
    pub(crate) fn gates(&mut self, count: usize, max: usize) -> GateId {
        let first = GateId(self.gates.len());
        for _ in 0..count {
            self.gate(max);
        }
        first
    }

    /// A meter at zero.
    pub(crate) fn meter(&mut self) -> MeterId {
        self.meters.push(Meter::default());
        MeterId(self.meters.len() - 1)
    }

    /// The present.
    pub(crate) fn now(&self) -> Time {
        self.queue.now()
    }

    /// Events scheduled so far.
    pub(crate) fn events(&self) -> u64 {
        self.queue.scheduled()
    }

    /// Starts a process at `at`; its notes carry `tag`.
    pub(crate) fn start(&mut self, at: Time, tag: u64, steps: Vec<Step>) {
        let process = self.process(tag, steps, None);
        self.queue.at(at, Event::Resume { process });
    }

    /// A meter's level summed over time so far, in nanoseconds.
    pub(crate) fn meter_sum(&mut self, meter: MeterId) -> f64 {
        let now = self.queue.now();
        let meter = &mut self.meters[meter.0];
        meter.advance(now);
        meter.sum
    }

    /// The highest level of a meter.
    pub(crate) fn meter_max(&self, meter: MeterId) -> f64 {
        self.meters[meter.0].max
    }

    /// Work done at a station so far, in nanoseconds of one unit of capacity.
    pub(crate) fn work_done(&mut self, station: StationId) -> f64 {
        let now = self.queue.now();
        let station = &mut self.stations[station.0];
        station.advance(now);
        station.done()
    }

    /// Lets time pass in which nothing happens; to be called when nothing is left to
    /// happen.
    pub(crate) fn pass(&mut self, span: Span) {
        self.start(self.now() + span, 0, Vec::new());
        let note = self.next();
        debug_assert_eq!(note, None, "something was left to happen");
    }

    /// Goes on until the next note; none when nothing is left to happen.
    pub(crate) fn next(&mut self) -> Option<Note> {
        loop {
            if let Some(note) = self.notes.pop_front() {
                return Some(note);
            }
            match self.queue.pop()? {
                Event::Resume { process } => self.go_on(process),
                Event::Station {
                    station,
                    generation,
                } => self.station_event(station, generation),
            }
        }
    }

    fn process(&mut self, tag: u64, steps: Vec<Step>, parent: Option<ProcessId>) -> ProcessId {
        let process = Some(Process {
            tag,
            steps: steps.into(),
            began: self.queue.now(),
            parent,
            branches: 0,
            permits: Vec::new(),
            race: None,
        });
        match self.free.pop() {
            Some(id) => {
                self.processes[id] = process;
                id
            }
            None => {
                self.processes.push(process);
                self.processes.len() - 1
            }
        }
    }

    fn station_event(&mut self, station: usize, generation: u64) {
        let now = self.queue.now();
        if self.stations[station].generation() != generation {
            return;
        }
        for process in self.stations[station].finished(now) {
            self.queue.at(now, Event::Resume { process });
        }
        self.rearm(station);
    }

    /// Lets a station begin what waits, and schedules its next end of work.
    fn rearm(&mut self, station: usize) {
        let now = self.queue.now();
        if let Some((process, amount)) = self.stations[station].next_in_line() {
            if let Some(process) = self.processes[process].as_mut() {
                process.began = now;
            }
            let amount = self.amount(amount);
            self.stations[station].begin(now, process, amount, 1.0);
        }
        if let Some((time, generation)) = self.stations[station].next_end(now) {
            let event = Event::Station {
                station,
                generation,
            };
            self.queue.at(time, event);
        }
    }

    fn amount(&self, amount: Amount) -> Span {
        match amount {
            Amount::Fixed(span) => span,
            Amount::PerPair { gate, base, each } => {
                Span(base.0 + each.0 * self.gates[gate.0].pairs())
            }
        }
    }

    /// The gate a process means; the first one if it holds no permit to tell by.
    fn resolve(&self, process: ProcessId, gate: Gate) -> GateId {
        match gate {
            Gate::One(gate) => gate,
            Gate::InTurn {
                first,
                count,
                by,
                offset,
            } => {
                let held = self.processes[process].as_ref().and_then(|process| {
                    let mut permits = process.permits.iter();
                    permits.find(|(gate, _)| *gate == by)
                });
                let permit = held.map_or(0, |(_, permit)| *permit);
                GateId(first.0 + (offset + permit) % count.max(1))
            }
        }
    }

    /// Takes a process through its steps until it has to wait.
    fn go_on(&mut self, id: ProcessId) {
        let now = self.queue.now();
        if let Some(process) = self.processes[id].as_mut()
            && let Some((race, met, late)) = process.race.take()
        {
            let race = &mut self.meters[race.0];
            race.change(now, -1.0);
            if met || race.level > 0.5 {
                process.steps.push_front(Step::Wait(late));
            }
        }
        while let Some(step) = self.processes[id]
            .as_mut()
            .and_then(|process| process.steps.pop_front())
        {
            match step {
                Step::Wait(span) => {
                    self.queue.after(span, Event::Resume { process: id });
                    return;
                }
                Step::Work {
                    station,
                    amount,
                    width,
                } => {
                    self.work(id, station.0, amount, width);
                    return;
                }
                Step::Acquire { gate, fresh } => {
                    let gate = self.resolve(id, gate);
                    if !self.acquire(id, gate, fresh) {
                        return;
                    }
                }
                Step::Release { gate } => {
                    let gate = self.resolve(id, gate);
                    self.release(id, gate);
                }
                Step::Try(mut attempts) => {
                    if let Some((steps, clashes)) = attempts.each.pop_front() {
                        let since = now;
                        let judge = clashes.then_some(Step::Tried { attempts, since });
                        if let Some(process) = self.processes[id].as_mut() {
                            process.prepend(steps.into_iter().chain(judge));
                        }
                    }
                }
                Step::Tried { attempts, since } => {
                    if let Some(process) = self.processes[id].as_mut()
                        && attempts.busy.meets(since, now)
                    {
                        process.failed(attempts);
                    }
                }
                Step::All(branches) => {
                    let branches: Vec<_> = branches.into_iter().filter(|b| !b.is_empty()).collect();
                    if branches.is_empty() {
                        continue;
                    }
                    let tag = self.processes[id].as_ref().map_or(0, |process| process.tag);
                    if let Some(process) = self.processes[id].as_mut() {
                        process.branches = branches.len();
                    }
                    for steps in branches {
                        let child = self.process(tag, steps, Some(id));
                        self.queue.at(now, Event::Resume { process: child });
                    }
                    return;
                }
                Step::Race { meter, takes, late } => {
                    let met = self.meters[meter.0].level > 0.5;
                    self.meters[meter.0].change(now, 1.0);
                    if let Some(process) = self.processes[id].as_mut() {
                        process.race = Some((meter, met, late));
                    }
                    self.queue.after(takes, Event::Resume { process: id });
                    return;
                }
                Step::Meter { meter, change } => self.meters[meter.0].change(now, change),
                Step::Note(mark) => {
                    if let Some(process) = self.processes[id].as_ref() {
                        let (what, time) = match mark {
                            Mark::Began(what) => (what, process.began),
                            Mark::Now(what) => (what, now),
                        };
                        let tag = process.tag;
                        self.notes.push_back(Note { tag, what, time });
                    }
                }
            }
        }
        self.end(id);
    }

    fn work(&mut self, id: ProcessId, station: usize, amount: Amount, width: f64) {
        let now = self.queue.now();
        self.stations[station].advance(now);
        if self.stations[station].is_serial() {
            self.stations[station].enqueue(id, amount);
        } else {
            let amount = self.amount(amount);
            if let Some(process) = self.processes[id].as_mut() {
                process.began = now;
            }
            self.stations[station].begin(now, id, amount, width);
        }
        self.rearm(station);
    }

    /// Whether the process has its permit now; otherwise it waits for one.
    fn acquire(&mut self, id: ProcessId, gate: GateId, fresh: Vec<Step>) -> bool {
        let Some((permit, first)) = self.gates[gate.0].take(id, &fresh) else {
            return false;
        };
        self.hold(id, gate, permit, first.then_some(fresh));
        true
    }

    /// Notes a permit that a process has got, and what comes with a fresh one.
    fn hold(&mut self, id: ProcessId, gate: GateId, permit: usize, fresh: Option<Vec<Step>>) {
        if let Some(process) = self.processes[id].as_mut() {
            process.permits.push((gate, permit));
            process.prepend(fresh.into_iter().flatten());
        }
    }

    fn release(&mut self, id: ProcessId, gate: GateId) {
        let Some(process) = self.processes[id].as_mut() else {
            return;
        };
        let held = process.permits.iter().position(|(held, _)| *held == gate);
        let Some(place) = held else {
            debug_assert!(false, "a permit is given back that was not taken");
            return;
        };
        let (_, permit) = process.permits.remove(place);
        if let Some(next) = self.gates[gate.0].give_back(permit) {
            self.hold(next.process, gate, next.permit, next.fresh);
            let now = self.queue.now();
            self.queue.at(
                now,
                Event::Resume {
                    process: next.process,
                },
            );
        }
    }

    fn end(&mut self, id: ProcessId) {
        let Some(process) = self.processes[id].take() else {
            return;
        };
        debug_assert!(process.permits.is_empty(), "a process ends with a permit");
        self.free.push(id);
        if let Some(parent) = process.parent
            && let Some(waiting) = self.processes[parent].as_mut()
        {
            waiting.branches -= 1;
            if waiting.branches == 0 {
                let now = self.queue.now();
                self.queue.at(now, Event::Resume { process: parent });
            }
        }
    }
}
