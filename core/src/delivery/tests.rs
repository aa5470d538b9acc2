mod hosts;

use super::*;
use crate::share::{HostReport, Share};
use crate::units::{Bytes, Cores};

const A: ContainerId = ContainerId(0);

/// Gives each command it is told to, once.
#[derive(Default)]
struct Told(Vec<(Time, Command)>);

impl Allocator for Told {
    fn admit(&mut self, _now: Time, _container: Container) -> Limits {
        Limits::NONE
    }
    fn observe(&mut self, _now: Time, _what: &Observation, _out: &mut Vec<Command>) {}
    fn next_wake(&self) -> Option<Time> {
        self.0.first().map(|first| first.0)
    }
    fn wake(&mut self, now: Time, out: &mut Vec<Command>) {
        while self.0.first().is_some_and(|first| first.0 <= now) {
            out.push(self.0.remove(0).1);
        }
    }
}

fn at(ms: u64) -> Time {
    Time::ZERO + Span::from_millis(ms)
}

fn cpu(version: u64) -> Command {
    Command::SetCpu {
        container: A,
        version,
        limit: Cores::new(version),
    }
}

fn lend(version: u64) -> Command {
    Command::Lend(Share {
        host: HostId(0),
        version,
        cpu: Cores::new(1),
    })
}

fn report(version: u64) -> Observation {
    Observation::HostReport(HostReport {
        host: HostId(0),
        seq: version,
        version,
        share: Cores::new(1),
        wanted: Cores::new(1),
    })
}

/// What is sent until `until`, with the times in ms; `answers` come in between.
fn run(told: &[(u64, Command)], answers: &[(u64, Observation)], until: u64) -> Vec<(u64, Command)> {
    let told = told
        .iter()
        .map(|&(ms, command)| (at(ms), command))
        .collect();
    let mut delivery = Delivery::new(Box::new(Told(told)));
    let mut answers = answers.iter().peekable();
    let mut sent = Vec::new();
    loop {
        let mut out = Vec::new();
        let next = delivery.next_wake().filter(|&next| next <= at(until));
        let now = match (answers.peek(), next) {
            (Some(&&(ms, answer)), next) if next.is_none_or(|next| at(ms) <= next) => {
                delivery.observe(at(ms), &answer, &mut out);
                answers.next();
                at(ms)
            }
            (_, Some(next)) => {
                delivery.wake(next, &mut out);
                next
            }
            _ => return sent,
        };
        sent.extend(out.into_iter().map(|command| (now.0 / 1_000_000, command)));
    }
}

#[test]
fn a_command_is_repeated_at_growing_intervals_until_it_is_answered() {
    let answer = Observation::CpuApplied {
        container: A,
        version: 1,
    };
    let sent = run(&[(100, cpu(1))], &[], 40_000);
    let times: Vec<u64> = sent.iter().map(|sent| sent.0).collect();
    let expected = [
        100, 300, 700, 1500, 3100, 6300, 12_700, 19_100, 25_500, 31_900, 38_300,
    ];
    assert_eq!(times, expected);
    assert!(sent.iter().all(|sent| sent.1 == cpu(1)));
    let sent = run(&[(100, cpu(1))], &[(800, answer)], 40_000);
    assert_eq!(sent.len(), 3);
}

#[test]
fn only_the_newest_command_is_repeated_and_only_its_answer_counts() {
    let answer = |version| Observation::CpuApplied {
        container: A,
        version,
    };
    let told = [(0, cpu(1)), (100, cpu(2))];
    let sent = run(&told, &[(150, answer(1))], 400);
    assert_eq!(sent, [(0, cpu(1)), (100, cpu(2)), (300, cpu(2))]);
    assert_eq!(run(&told, &[(150, answer(2))], 400).len(), 2);
}

#[test]
fn shares_are_answered_by_reports_and_denials_by_nobody() {
    let deny = Command::DenyMemory {
        container: A,
        event: 1,
    };
    let told = [(0, lend(3)), (0, deny)];
    let sent = run(&told, &[(100, report(2)), (250, report(3))], 1000);
    assert_eq!(sent, [(0, lend(3)), (0, deny), (200, lend(3))]);
}

#[test]
fn nothing_is_sent_to_what_is_gone() {
    let reclaim = Command::Reclaim {
        container: A,
        version: 1,
        margin: Bytes::ZERO,
    };
    let told = [(0, cpu(1)), (0, reclaim)];
    for gone in [Observation::Stopped(A), Observation::Lost(A)] {
        assert_eq!(run(&told, &[(100, gone)], 1000).len(), 2);
    }
    let mut delivery = Delivery::new(Box::new(Told(vec![(at(0), lend(1))])));
    delivery.wake(at(0), &mut Vec::new());
    assert_eq!(delivery.next_wake(), Some(at(200)));
    delivery.host_half(HostId(0));
    let mut out = Vec::new();
    delivery.wake(at(200), &mut out);
    assert_eq!((out.len(), delivery.next_wake()), (0, None));
}
