//! Faults: what messages suffer, who is down, and what is seen of both.

use proptest::prelude::*;
use tidegate_core::escra::{self, Escra};
use tidegate_core::tide::{self, Tide};
use tidegate_core::{Bounds, Delivery};

use super::*;
use crate::faults::{Faults, Outages};
use crate::watch::Violation;

const OMEGA: (Cores, Bytes) = (Cores::from_millis(1600), mib(330));

/// Three services on two hosts, one that grows, with some load.
fn setup(faults: Faults) -> Setup {
    let keys = "memory = { start = \"20 MiB\", per_call = \"200 KiB\" }\n";
    let requests = "call = { to = \"a\", op = \"\", cpu = \"20 ms\", stages = [
        [{ to = \"b\", op = \"\", cpu = \"40 ms\" }, { to = \"c\", op = \"\", cpu = \"9 ms\" }],
    ] }";
    let mut setup = Setup::new(application(&[keys, "", keys], requests)).fixed(5.0, 4);
    setup.testbed.hosts = 2;
    setup.testbed.faults = faults;
    setup
}

/// Runs with everything checked; the first violation ends it.
fn watched(setup: &Setup, policy: &mut dyn Allocator) -> Result<Outcome, Violation> {
    let mut experiment = setup.experiment();
    experiment.watched = true;
    let mut world = World::new(&experiment, policy);
    world.start();
    while !world.done {
        let event = world.queue.pop().expect("the run has an end");
        world.handle(event);
        if let Some(violation) = world.watch.watch.first() {
            return Err(violation);
        }
    }
    Ok(world.finish())
}

fn policy(which: usize) -> Delivery {
    let (cpu, memory) = OMEGA;
    let config = tidegate_core::escra::Config::default();
    Delivery::new(match which {
        0 => Box::new(Escra::new(config, cpu, memory, 3)),
        1 => {
            let law = escra::Law::Paper;
            Box::new(Escra::new(escra::Config { law, ..config }, cpu, memory, 3))
        }
        _ => Box::new(Tide::new(tide::Config::default(), cpu, memory, 3, 2)),
    })
}

fn outages() -> impl Strategy<Value = Outages> {
    (0u64..3, 1u64..60).prop_map(|(often, length)| Outages {
        every: Span::from_secs(often * 60),
        length: Span::from_secs(if often == 0 { 0 } else { length }),
    })
}

fn faults() -> impl Strategy<Value = Faults> {
    let link = || (0.0..0.6f64, 0u64..20_000, 0.0..0.5f64);
    let parties = (outages(), outages(), outages());
    (link(), link(), parties).prop_map(|(up, down, (agent, controller, host))| Faults {
        telemetry_loss: up.0,
        telemetry_delay: Span::from_millis(up.1),
        telemetry_duplicates: up.2,
        command_loss: down.0,
        command_delay: Span::from_millis(down.1),
        command_duplicates: down.2,
        agent,
        controller,
        host,
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn no_mix_of_faults_breaks_what_must_hold(
        faults in faults(),
        which in 0usize..3,
        seed in 0u64..1000,
    ) {
        prop_assert_eq!(faults.check(), Ok(()));
        let mut setup = setup(faults).lasting(300.0);
        setup.seed = seed;
        let result = watched(&setup, &mut policy(which));
        prop_assert!(result.is_ok(), "{:?}", result.err());
    }
}

/// Breaks what it promises, in one way.
struct Rogue {
    script: Script,
    bounds: Bounds,
}

impl Allocator for Rogue {
    fn admit(&mut self, now: Time, container: Container) -> Limits {
        self.script.admit(now, container)
    }
    fn observe(&mut self, now: Time, what: &Observation, out: &mut Vec<Command>) {
        self.script.observe(now, what, out);
    }
    fn next_wake(&self) -> Option<Time> {
        self.script.next_wake()
    }
    fn wake(&mut self, now: Time, out: &mut Vec<Command>) {
        self.script.wake(now, out);
    }
    fn wants_periods(&self) -> bool {
        self.script.wants_periods()
    }
    fn bounds(&self) -> Bounds {
        self.bounds
    }
}

#[test]
fn a_policy_that_breaks_its_promise_is_caught() {
    let bounds = Bounds {
        cpu: Some(Cores::new(3)),
        memory: Some(mib(300)),
        floor: Cores::from_millis(500),
    };
    let caught = |faults: Faults, script: Script| {
        let mut rogue = Rogue { script, bounds };
        watched(&setup(faults).lasting(3.0), &mut rogue).err()
    };
    let script = || Script::new(1.0, mib(100));
    let fine = Faults::default();
    assert_eq!(caught(fine, script()), None);
    let cases = [
        (set_cpu(1, 1.01), Violation::CpuSum),
        (set_memory(1, mib(101)), Violation::MemorySum),
        (set_cpu(1, 0.49), Violation::Floor),
    ];
    for (command, violation) in cases {
        assert_eq!(caught(fine, script().then(50.0, command)), Some(violation));
    }
    // It answers each report, also the second copy of one.
    let twice = Faults {
        telemetry_duplicates: 0.99,
        ..fine
    };
    let mut eager = script().with_periods();
    eager.answer = |what| match what {
        Observation::Period(report) => Some(set_cpu(report.seq, 0.9)),
        _ => None,
    };
    assert_eq!(caught(twice, eager), Some(Violation::StaleReportActed));
}

/// What no policy can bring about, done to the world by hand.
#[test]
fn a_world_that_breaks_its_own_rules_is_caught() {
    type Breach = fn(&mut World<'_, '_>);
    let cases: [(Breach, Option<Violation>); 5] = [
        (|_| {}, None),
        (
            // A limit that no command has set.
            |world| {
                let now = world.queue.now();
                let limit = Cores::from_millis(900);
                world.machine.write(now, 1, limit, &mut world.queue);
            },
            Some(Violation::StaleCommandActed),
        ),
        (
            |world| {
                world.instances[1].oom_waiting = true;
                world.instances[1].oom_since = Time::ZERO;
            },
            Some(Violation::Hang),
        ),
        (
            // Calls that nobody has looked at.
            |world| (0..2000).for_each(|_| world.instances[0].memory.enter()),
            Some(Violation::MemoryUse),
        ),
        (
            |world| world.check_reclaim(100, 50, 20, 69),
            Some(Violation::Reclaim),
        ),
    ];
    for (breach, violation) in cases {
        let setup = setup(Faults::default()).lasting(30.0);
        let mut experiment = setup.experiment();
        experiment.watched = true;
        let mut script = Script::new(1.0, mib(100));
        let mut world = World::new(&experiment, &mut script);
        world.start();
        while world.queue.now() < at(12_000.0) {
            let event = world.queue.pop().expect("the run has an end");
            world.handle(event);
        }
        assert_eq!(world.watch.watch.first(), None);
        breach(&mut world);
        world.check();
        assert_eq!(world.watch.watch.first(), violation);
    }
}

#[test]
fn telemetry_is_lost_doubled_and_overtaken_as_asked() {
    let run = |faults: Faults| -> Vec<u64> {
        let mut setup = Setup::new(single("", "10 ms")).fixed(9.5, 1).lasting(200.0);
        setup.testbed.faults = faults;
        let mut script = Script::new(0.4, mib(100)).with_periods();
        setup.run(&mut script);
        script.reports().iter().map(|report| report.1.seq).collect()
    };
    let fine = Faults::default();
    let all: Vec<u64> = run(fine);
    assert_eq!(all.len() as u64, *all.last().unwrap());
    let share = |seen: usize| seen as f64 / all.len() as f64;

    let lost = run(Faults {
        telemetry_loss: 0.3,
        ..fine
    });
    assert!(lost.is_sorted() && (share(lost.len()) - 0.7).abs() < 0.05);

    let doubled = run(Faults {
        telemetry_duplicates: 0.2,
        ..fine
    });
    assert!((share(doubled.len()) - 1.2).abs() < 0.05);

    let telemetry_delay = Span::from_millis(100);
    let late = run(Faults {
        telemetry_delay,
        ..fine
    });
    assert!(!late.is_sorted());
    // Of two reports 100 ms apart the second is first if its extra delay is so much
    // less: P = exp(-1) / 2.
    let overtaken = late.windows(2).filter(|pair| pair[1] < pair[0]).count();
    assert!(
        (share(overtaken) - 0.18).abs() < 0.06,
        "{}",
        share(overtaken)
    );
}

#[test]
fn a_lost_command_is_sent_again_until_it_is_answered() {
    let mut setup = Setup::new(single("", "10 ms")).lasting(60.0);
    setup.testbed.faults.command_loss = 0.7;
    setup.testbed.faults.telemetry_loss = 0.7;
    let script = Script::new(0.4, mib(100)).then(50.0, set_cpu(1, 0.8));
    let mut policy = Delivery::new(Box::new(script));
    let outcome = watched(&setup, &mut policy).unwrap();
    assert!(value(&outcome, "commands_lost") > 0.0);
    assert_value(&outcome, "limit_updates", 1.0);
    // Answered at last: nothing is left to send.
    assert_eq!(policy.next_wake(), None);
}

#[test]
fn a_lost_host_comes_back_empty_and_is_admitted_anew() {
    let faults = Faults {
        host: Outages {
            every: Span::from_secs(30),
            length: Span::from_secs(5),
        },
        ..Faults::default()
    };
    let mut script = Script::new(0.5, mib(300)).with_periods();
    let outcome = setup(faults).lasting(600.0).run(&mut script);
    assert!(value(&outcome, "requests_failed") > 0.0);
    let mut up = [false; 3];
    let mut lost_at = [None; 3];
    let mut back = 0;
    for (time, what) in &script.seen {
        match *what {
            Observation::Started(container) => {
                let index = container.0 as usize;
                assert!(!std::mem::replace(&mut up[index], true));
                back += u32::from(lost_at[index].is_some());
            }
            Observation::Lost(container) => {
                let index = container.0 as usize;
                assert!(std::mem::replace(&mut up[index], false));
                lost_at[index] = Some(*time);
            }
            // The kernel's counter begins anew with the container.
            Observation::Period(report) => {
                let index = report.container.0 as usize;
                assert!(up[index], "a report of a container that is gone");
                assert!(report.nr_throttled <= report.seq);
            }
            _ => {}
        }
    }
    assert!(back >= 6, "{back}");
}

/// With a controller that is hardly ever up, memory is not granted in time.
#[test]
fn without_a_controller_nobody_waits_for_ever_and_the_platform_is_heard_later() {
    let faults = Faults {
        controller: Outages {
            every: Span::from_secs(5),
            length: Span::from_secs(120),
        },
        ..Faults::default()
    };
    let mut setup = setup(faults).lasting(600.0);
    setup.load = Load::Fixed { rate: 2.0 };
    let outcome = watched(&setup, &mut policy(0)).unwrap();
    assert!(value(&outcome, "oom_timed_out") > 0.0);
    assert!(value(&outcome, "oom_while_controller_down") > 0.0);
}

/// An agent that was down says what is in force: a half whose confirmations were
/// lost goes on, and with it the service.
#[test]
fn after_an_agent_was_down_its_half_goes_on() {
    let faults = Faults {
        agent: Outages {
            every: Span::from_secs(20),
            length: Span::from_secs(5),
        },
        ..Faults::default()
    };
    let mut setup = Setup::new(single("", "50 ms")).fixed(5.0, 4).lasting(600.0);
    setup.testbed.hosts = 1;
    setup.testbed.faults = faults;
    let (cpu, memory) = OMEGA;
    let tide = Tide::new(tide::Config::default(), cpu, memory, 1, 1);
    let outcome = watched(&setup, &mut Delivery::new(Box::new(tide))).unwrap();
    assert_value(&outcome, "oom_kills", 0.0);
    assert!(value(&outcome, "agent_outages") > 20.0);
    let unserved = value(&outcome, "requests_sent") - value(&outcome, "requests_completed");
    assert!(unserved < 50.0, "{unserved}");
}
