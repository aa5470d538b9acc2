//! Processes that go through steps: they wait, work on shared stations, queue at
//! gates, branch and join.
//!
//! The models of platforms are written as such steps: a call, a Terraform run, a
//! pod's start. What slows down under concurrency does so because stations and
//! gates are shared. This module knows nothing of what the steps stand for.

mod station;

#[cfg(test)]
mod tests;

use std::collections::VecDeque;

use tidegate_core::{Span, Time};

use crate::engine::Queue;
use station::Station;

pub(crate) use station::Discipline;

/// A station, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StationId(usize);

/// A gate, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct GateId(usize);

/// A meter, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MeterId(usize);

/// A process, by its number.
type ProcessId = usize;

/// Which gate a step means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gate {
    /// This one.
    One(GateId),
    /// One of `count` gates from `first` on: the one that the permit held at `by`,
    /// counted from `offset`, falls on in turn.
    InTurn {
        first: GateId,
        count: usize,
        by: GateId,
        offset: usize,
    },
}

/// How much work a step is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Amount {
    /// So much, at one unit of capacity.
    Fixed(Span),
    /// `base`, and `each` for every pair of a process that waits at `gate` and a
    /// permit it has given out, as they are when the work begins.
    PerPair {
        gate: GateId,
        base: Span,
        each: Span,
    },
}

/// One step of a process.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Step {
    /// Time passes.
    Wait(Span),
    /// Work at a station, on at most `width` units of its capacity at a time.
    Work {
        station: StationId,
        amount: Amount,
        width: f64,
    },
    /// Takes a permit, first come, first served; goes through `fresh` if the
    /// permit was never taken before (a connection to open, an instance to start).
    Acquire { gate: Gate, fresh: Vec<Step> },
    /// Gives the permit back.
    Release { gate: Gate },
    /// All branches, at the same time; goes on when the last has ended.
    All(Vec<Vec<Step>>),
    /// Time passes in which the process counts at `meter`; if others did at its
    /// beginning or end, `late` passes too.
    Race {
        meter: MeterId,
        takes: Span,
        late: Span,
    },
    /// A meter goes up or down.
    Meter { meter: MeterId, change: f64 },
    /// Tells whoever drives the flow.
    Note(Mark),
}

/// What a note says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    /// The work done last was begun at that time.
    Began(u32),
    /// It is reached now.
    Now(u32),
}

/// A note, when it was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Note {
    /// The process, as its starter called it.
    pub(crate) tag: u64,
    /// What the step said.
    pub(crate) what: u32,
    /// When.
    pub(crate) time: Time,
}

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

#[derive(Debug)]
struct Permits {
    max: usize,
    given: usize,
    fresh: usize,
    /// Given back: the one given back last is taken first, as pools do.
    idle: Vec<usize>,
    waiting: VecDeque<(ProcessId, Vec<Step>)>,
}

/// A level over time.
#[derive(Clone, Copy, Debug, Default)]
struct Meter {
    level: f64,
    /// The level times nanoseconds until `since`.
    sum: f64,
    since: Time,
    max: f64,
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
        self.gates.push(Permits {
            max,
            given: 0,
            fresh: 0,
            idle: Vec::new(),
            waiting: VecDeque::new(),
        });
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
                let gate = &self.gates[gate.0];
                let pairs = gate.waiting.len() as u64 * gate.given as u64;
                Span(base.0 + each.0 * pairs)
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
        let permits = &mut self.gates[gate.0];
        if permits.given == permits.max || !permits.waiting.is_empty() {
            permits.waiting.push_back((id, fresh));
            return false;
        }
        self.grant(id, gate, fresh);
        true
    }

    /// Gives a permit; one that was used before if there is one.
    fn grant(&mut self, id: ProcessId, gate: GateId, fresh: Vec<Step>) {
        let permits = &mut self.gates[gate.0];
        permits.given += 1;
        let (permit, first) = match permits.idle.pop() {
            Some(permit) => (permit, false),
            None => {
                permits.fresh += 1;
                (permits.fresh - 1, true)
            }
        };
        if let Some(process) = self.processes[id].as_mut() {
            process.permits.push((gate, permit));
            if first {
                for step in fresh.into_iter().rev() {
                    process.steps.push_front(step);
                }
            }
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
        let permits = &mut self.gates[gate.0];
        permits.given -= 1;
        permits.idle.push(permit);
        if let Some((next, fresh)) = permits.waiting.pop_front() {
            self.grant(next, gate, fresh);
            let now = self.queue.now();
            self.queue.at(now, Event::Resume { process: next });
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

impl Meter {
    fn advance(&mut self, now: Time) {
        self.sum += self.level * now.since(self.since).0 as f64;
        self.since = now;
    }

    fn change(&mut self, now: Time, change: f64) {
        self.advance(now);
        self.level += change;
        self.max = self.max.max(self.level);
    }
}
