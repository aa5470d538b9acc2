use super::*;
use proptest::prelude::*;

const S: u64 = 1_000_000_000;

fn work(station: StationId, seconds: u64, width: f64) -> Step {
    Step::Work {
        station,
        amount: Amount::Fixed(Span::from_secs(seconds)),
        width,
    }
}

fn note(what: u32) -> Step {
    Step::Note(Mark::Now(what))
}

fn ends(flow: &mut Flow) -> Vec<(u64, f64)> {
    std::iter::from_fn(|| flow.next())
        .map(|note| (note.tag, note.time.0 as f64 / S as f64))
        .collect()
}

#[test]
fn a_shared_station_shares_by_width() {
    let mut flow = Flow::new();
    let cpus = flow.station(Discipline::Shared(2.0));
    // Wanted are four of two units: each gets half of its width until the narrow
    // ones are done.
    flow.start(Time::ZERO, 0, vec![work(cpus, 2, 2.0), note(0)]);
    flow.start(Time::ZERO, 1, vec![work(cpus, 1, 1.0), note(0)]);
    flow.start(Time::ZERO, 2, vec![work(cpus, 1, 1.0), note(0)]);
    assert_eq!(ends(&mut flow), [(0, 2.0), (1, 2.0), (2, 2.0)]);
    assert_eq!(flow.work_done(cpus), 4.0 * S as f64);
}

#[test]
fn a_serial_station_takes_turns_and_says_when_it_began() {
    let mut flow = Flow::new();
    let thread = flow.station(Discipline::Serial);
    for tag in 0..3 {
        let steps = vec![work(thread, 2, 1.0), Step::Note(Mark::Began(0)), note(1)];
        flow.start(Time::ZERO, tag, steps);
    }
    let times = ends(&mut flow);
    let begun = [(0, 0.0), (0, 2.0), (1, 2.0), (1, 4.0), (2, 4.0), (2, 6.0)];
    assert_eq!(times, begun);
}

/// Busy from 2 to 5 s, from 12 to 15 s, and so on.
fn busy() -> Busy {
    Busy {
        phase: Span::from_secs(8),
        lasting: Span::from_secs(3),
        every: Span::from_secs(10),
    }
}

#[test]
fn what_meets_a_busy_time_is_done_again_or_given_up() {
    let run = |begin, each: &[bool]| {
        let mut flow = Flow::new();
        let attempt = |clashes: &bool| (vec![Step::Wait(Span::from_secs(1))], *clashes);
        let attempts = Attempts {
            each: each.iter().map(attempt).collect(),
            busy: busy(),
            pause: Span::from_secs(1),
            given_up: vec![note(1)],
        };
        flow.start(Time(begin * S), 0, vec![Step::Try(attempts), note(0)]);
        let note = flow.next().unwrap();
        assert_eq!(flow.next(), None);
        (note.what, note.time.0 / S)
    };
    // It is over before, it lets itself not be disturbed, or the first try after it
    // is well.
    assert_eq!(run(0, &[true, true]), (0, 1));
    assert_eq!(run(3, &[false]), (0, 4));
    assert_eq!(run(3, &[true, true, true]), (0, 6));
    assert_eq!(run(2, &[true, false]), (0, 5));
    assert_eq!(run(12, &[true, true]), (1, 15));
}

proptest! {
    /// Against a look at each second.
    #[test]
    fn busy_times_are_met_by_what_overlaps_them(since in 0u64..40, span in 0u64..25) {
        let on = |second: u64| (second + 8) % 10 < 3;
        let busy = busy().meets(Time(since * S), Time((since + span) * S));
        prop_assert_eq!(busy, (since..=since + span).any(on));
    }
}

#[test]
fn a_gate_serves_in_waves() {
    let mut flow = Flow::new();
    let gate = Gate::One(flow.gate(4));
    for tag in 0..10 {
        let fresh = vec![Step::Wait(Span::from_secs(1))];
        let steps = vec![
            Step::Acquire { gate, fresh },
            Step::Wait(Span::from_secs(10)),
            Step::Release { gate },
            note(0),
        ];
        flow.start(Time::ZERO, tag, steps);
    }
    let times: Vec<f64> = ends(&mut flow).into_iter().map(|(_, time)| time).collect();
    // The first four permits are fresh, no other is.
    assert_eq!(times[..4], [11.0; 4]);
    assert_eq!(times[4..8], [21.0; 4]);
    assert_eq!(times[8..], [31.0; 2]);
}

#[test]
fn gates_are_taken_in_turn_by_the_permit_that_is_held() {
    let mut flow = Flow::new();
    let by = flow.gate(6);
    let first = flow.gates(3, 1);
    let gate = Gate::InTurn {
        first,
        count: 3,
        by,
        offset: 1,
    };
    let connection = Gate::One(by);
    for tag in 0..6 {
        let acquire = |gate| Step::Acquire {
            gate,
            fresh: Vec::new(),
        };
        let steps = vec![
            acquire(connection),
            acquire(gate),
            Step::Wait(Span::from_secs(1)),
            note(0),
            Step::Release { gate },
            Step::Release { gate: connection },
        ];
        flow.start(Time::ZERO, tag, steps);
    }
    // Two of them fall on each gate.
    let times: Vec<f64> = ends(&mut flow).into_iter().map(|(_, time)| time).collect();
    assert_eq!(times, [1.0, 1.0, 1.0, 2.0, 2.0, 2.0]);
}

#[test]
fn branches_join_at_the_last_one() {
    let mut flow = Flow::new();
    let wait = |seconds| vec![Step::Wait(Span::from_secs(seconds))];
    let steps = vec![Step::All(vec![wait(1), wait(5), vec![]]), note(0)];
    flow.start(Time::ZERO, 7, steps);
    assert_eq!(ends(&mut flow), [(7, 5.0)]);
}

#[test]
fn only_those_who_meet_are_late() {
    let mut flow = Flow::new();
    let meter = flow.meter();
    let race = Step::Race {
        meter,
        takes: Span::from_secs(1),
        late: Span::from_secs(5),
    };
    for (tag, at) in [(0, 0), (1, 10 * S), (2, 10 * S + S / 2)] {
        flow.start(Time(at), tag, vec![race.clone(), note(0)]);
    }
    assert_eq!(ends(&mut flow), [(0, 1.0), (1, 16.0), (2, 16.5)]);
}

#[test]
fn a_meter_sums_its_level() {
    let mut flow = Flow::new();
    let meter = flow.meter();
    let change = |change| Step::Meter { meter, change };
    let steps = vec![
        change(3.0),
        Step::Wait(Span::from_secs(2)),
        change(-1.0),
        Step::Wait(Span::from_secs(1)),
    ];
    flow.start(Time::ZERO, 0, steps);
    assert_eq!(flow.next(), None);
    assert_eq!(flow.meter_sum(meter), 8.0 * S as f64);
    assert_eq!(flow.meter_max(meter), 3.0);
}

#[test]
fn work_can_grow_with_those_who_wait() {
    let mut flow = Flow::new();
    let thread = flow.station(Discipline::Serial);
    let pool = flow.gate(1);
    let gate = Gate::One(pool);
    for tag in 0..4 {
        let amount = Amount::PerPair {
            gate: pool,
            base: Span::from_secs(1),
            each: Span::from_secs(10),
        };
        let steps = vec![
            Step::Work {
                station: thread,
                amount,
                width: 1.0,
            },
            note(0),
            Step::Acquire {
                gate,
                fresh: vec![Step::Wait(Span::from_secs(100))],
            },
            Step::Release { gate },
        ];
        flow.start(Time::ZERO, tag, steps);
    }
    // When the fourth begins one holds the permit, one waits for it, and the third
    // has not come to the gate yet.
    let times = ends(&mut flow);
    assert_eq!(times, [(0, 1.0), (1, 2.0), (2, 3.0), (3, 14.0)]);
}

proptest! {
    /// Whatever the widths and times: no work is lost, nothing ends before it
    /// could, and the capacity is never exceeded.
    #[test]
    fn a_shared_station_conserves_work(
        capacity in 1u32..6,
        jobs in prop::collection::vec((0u64..20, 1u64..10, 1u32..4), 1..30),
    ) {
        let mut flow = Flow::new();
        let station = flow.station(Discipline::Shared(f64::from(capacity)));
        let mut total = 0;
        for (tag, (at, seconds, width)) in jobs.iter().enumerate() {
            let steps = vec![work(station, *seconds, f64::from(*width)), note(0)];
            flow.start(Time(at * S), tag as u64, steps);
            total += seconds;
        }
        let ends = ends(&mut flow);
        prop_assert_eq!(ends.len(), jobs.len());
        for (tag, time) in &ends {
            let (at, seconds, width) = jobs[*tag as usize];
            let alone = seconds as f64 / f64::from(width.min(capacity));
            prop_assert!(*time >= at as f64 + alone - 1e-6);
        }
        let done = flow.work_done(station) / S as f64;
        prop_assert!((done - total as f64).abs() < 1e-6 * total as f64);
        let last = ends.iter().map(|(_, time)| *time).fold(0.0, f64::max);
        prop_assert!(last * f64::from(capacity) >= total as f64 - 1e-6);
    }
}
