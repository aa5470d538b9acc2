//! One fault at a time, on resources where nothing else costs anything.

use std::collections::BTreeMap;

use tidegate_core::manager::{Config, Monitoring, Reallocation};
use tidegate_core::{Bytes, Span};

use super::task::{Calls, Containers, Fault, Faults, Measuring, Sizing, What};
use crate::continuum::testing::{always, client, continuum, manager};
use crate::continuum::{Continuum, Experiment, Manager, Task, Via, run};
use crate::outcome::Outcome;

const DEPLOY: Span = Span::from_secs(7);

/// The resources of `testing`, and a second device farther away, dearer.
fn edge() -> Continuum {
    let mut continuum = continuum();
    continuum.openfaas.deploy = always(DEPLOY);
    let mut other = continuum.resources["device"];
    other.round_trip = Span::from_millis(10);
    other.price_hour = 0.072;
    continuum.resources.insert("other".to_owned(), other);
    if let Some(device) = continuum.resources.get_mut("device") {
        device.price_hour = 0.036;
    }
    if let Some(lambda) = continuum.resources.get_mut("lambda") {
        lambda.round_trip = Span::from_millis(50);
    }
    continuum
}

/// The core's own settings, and each sample judged when it comes.
fn moving() -> Manager {
    Manager {
        monitoring: Monitoring::default(),
        placing: Config::default().placing,
        retry: Config::default().retry,
        reallocation: Some(Reallocation::default()),
        ..manager()
    }
}

fn fault(resource: &str, what: What, begin: u64) -> Fault {
    Fault {
        resource: resource.to_owned(),
        what,
        begin: Span::from_secs(begin),
        deploying: None,
        lasts: None,
        factor: 10.0,
    }
}

fn task(course: Vec<Fault>) -> Faults {
    let objectives = ["up = true", "latency < 100ms", "round_trip_p95 < 400ms"];
    Faults {
        duration: Span::from_secs(200),
        deployments: 1,
        resources: vec!["device".to_owned(), "other".to_owned()],
        objectives: objectives.map(|text| text.parse().unwrap()).into(),
        demand: Default::default(),
        calls: Calls {
            rate: 20.0,
            cpu: Span::from_millis(20),
            execution: Span::from_millis(30),
            deadline: Span::from_millis(400),
            timeout: Span::from_secs(3),
        },
        measuring: Measuring::default(),
        containers: None,
        fault: "it".to_owned(),
        faults: BTreeMap::from([("it".to_owned(), course)]),
    }
}

fn outcome(manager: &Manager, task: Faults, seed: u64) -> Outcome {
    let (continuum, client, task) = (edge(), client(Via::Manager), Task::Faults(Box::new(task)));
    let experiment = Experiment {
        continuum: &continuum,
        manager,
        client: &client,
        task: &task,
        seed,
    };
    run(&experiment).unwrap()
}

fn value(outcome: &Outcome, name: &str) -> f64 {
    let metric = outcome.metrics.iter().find(|one| one.name == name);
    metric.unwrap().value
}

#[test]
fn a_move_takes_a_scrape_and_a_deployment() {
    let course = vec![fault("device", What::Fails, 60)];
    let outcome = outcome(&moving(), task(course), 1);
    let violation = value(&outcome, "violation_s");
    // Scrapes are a second apart.
    assert!((7.0..8.1).contains(&violation), "{violation}");
    assert_eq!(value(&outcome, "moves"), 1.0);
    assert_eq!(value(&outcome, "end_met"), 1.0);
    let failed = value(&outcome, "requests_failed");
    assert!((failed - 20.0 * violation).abs() < 60.0, "{failed}");
    // Each alert begins once; all end, as the function has left.
    assert!(value(&outcome, "alerts") >= 1.0);
    assert_eq!(value(&outcome, "alerts_repeated"), 0.0);
    assert_eq!(value(&outcome, "alerts_open"), 0.0);
    let resolved = value(&outcome, "alerts_resolved");
    assert_eq!(resolved, value(&outcome, "alerts"));
    let reaction = value(&outcome, "reaction_s");
    assert!((0.0..1.01).contains(&reaction), "{reaction}");
}

#[test]
fn without_moves_a_violation_lasts_as_long_as_its_fault() {
    let mut short = fault("device", What::Fails, 60);
    short.lasts = Some(Span::from_secs(40));
    for (course, lasts, met) in [
        (vec![fault("device", What::Fails, 60)], 140.0, 0.0),
        (vec![short], 40.0, 1.0),
    ] {
        let outcome = outcome(&manager(), task(course), 1);
        let violation = value(&outcome, "violation_s");
        // The router's last look may show what came just before the end.
        assert!((lasts..lasts + 1.1).contains(&violation), "{violation}");
        assert_eq!(value(&outcome, "end_met"), met);
        assert_eq!(value(&outcome, "end_missed"), 1.0 - met);
        assert_eq!(value(&outcome, "moves"), 0.0);
        // It posts at each look, every five seconds.
        assert!(value(&outcome, "alerts_repeated") > lasts / 5.0 - 3.0);
    }
}

#[test]
fn silence_is_heard_only_by_who_listens_for_it() {
    let course = || vec![fault("device", What::LosesNetwork, 60)];
    let deaf = outcome(&manager(), task(course()), 1);
    assert_eq!(value(&deaf, "alerts"), 0.0);
    let mut timed = task(course());
    timed.measuring.timeout = Some(Span::from_secs(2));
    assert!(value(&outcome(&manager(), timed, 1), "alerts") > 0.0);
    let moved = outcome(&moving(), task(course()), 1);
    assert_eq!(value(&moved, "moves"), 1.0);
    // Three scrapes of 5 s are missed; then a deployment.
    let violation = value(&moved, "violation_s");
    assert!((21.0..23.1).contains(&violation), "{violation}");
    assert!(value(&moved, "requests_lost") > 0.0);
    assert_eq!(value(&moved, "requests_failed"), 0.0);
}

#[test]
fn what_is_slow_but_answers_is_drained() {
    let mut slow = fault("device", What::SlowsDown, 60);
    slow.factor = 20.0;
    let mut task = task(vec![slow]);
    task.calls.rate = 8.0;
    let outcome = outcome(&moving(), task, 1);
    assert_eq!(value(&outcome, "moves"), 1.0);
    assert!(value(&outcome, "requests_switched") > 0.0);
    assert_eq!(value(&outcome, "requests_switched_cut"), 0.0);
    assert_eq!(value(&outcome, "requests_failed"), 0.0);
    assert_eq!(value(&outcome, "requests_lost"), 0.0);
    assert!(value(&outcome, "requests_late") > 0.0);
}

#[test]
fn two_are_paid_for_while_a_function_moves() {
    let calm = outcome(&moving(), task(Vec::new()), 1);
    // A device of 0.036 $ an hour for 200 s.
    assert!((value(&calm, "cost_cents") - 0.2).abs() < 1e-9);
    let mut slow = fault("device", What::SlowsDown, 100);
    slow.factor = 20.0;
    let mut task = task(vec![slow]);
    task.calls.rate = 8.0;
    let moved = outcome(&moving(), task, 1);
    // The first until the violation is over and it is drained, which takes two
    // seconds; the other, at twice the price, for that long less than the rest and for
    // its deployment. The router noticed within a second.
    let violation = value(&moved, "violation_s");
    let (first, other) = (100.0 + violation, 100.0 - violation + DEPLOY.as_secs_f64());
    let cost = value(&moved, "cost_cents") * 1e3;
    let expected = first + 2.0 * other;
    assert!((cost - expected).abs() < 4.0, "{cost} {expected}");
}

#[test]
fn a_target_that_fails_during_the_move_is_left_too() {
    let mut second = fault("other", What::Fails, 60);
    second.deploying = Some(Span::from_secs(3));
    let mut course = vec![fault("device", What::Fails, 60), second];
    let mut both = task(course.clone());
    both.resources.push("lambda".to_owned());
    let outcome1 = outcome(&moving(), both, 1);
    assert_eq!(value(&outcome1, "end_met"), 1.0);
    assert!(value(&outcome1, "placements") >= 3.0);
    // With nowhere to go nothing is missed; with a way back it is found.
    let outcome2 = outcome(&moving(), task(course.clone()), 1);
    assert_eq!(value(&outcome2, "end_possible"), 0.0);
    course[1].lasts = Some(Span::from_secs(20));
    let outcome3 = outcome(&moving(), task(course), 1);
    assert_eq!(value(&outcome3, "end_met"), 1.0);
}

#[test]
fn what_crashes_again_and_again_is_not_started_again_and_again() {
    let mut task = task(vec![fault("device", What::CrashLoops, 60)]);
    task.resources.truncate(1);
    let outcome = outcome(&moving(), task, 1);
    // One at first, one at once, then one a minute.
    let placements = value(&outcome, "placements");
    assert!((3.0..=5.0).contains(&placements), "{placements}");
}

#[test]
fn every_call_has_one_fate() {
    let mut back = fault("device", What::Fails, 30);
    back.lasts = Some(Span::from_secs(45));
    let mut cut = fault("other", What::LosesNetwork, 40);
    cut.lasts = Some(Span::from_secs(60));
    let slow = fault("device", What::SlowsDown, 120);
    let loops = fault("other", What::CrashLoops, 150);
    for (manager, seed) in [(moving(), 1), (moving(), 2), (manager(), 3)] {
        let course = vec![back.clone(), cut.clone(), slow.clone(), loops.clone()];
        let outcome = outcome(&manager, task(course), seed);
        let fates = ["answered", "late", "failed", "lost"];
        let sum: f64 = fates
            .map(|fate| value(&outcome, &format!("requests_{fate}")))
            .iter()
            .sum();
        assert_eq!(value(&outcome, "requests_sent"), sum);
        let switched = value(&outcome, "requests_switched_answered")
            + value(&outcome, "requests_switched_cut");
        assert_eq!(value(&outcome, "requests_switched"), switched);
    }
}

#[test]
fn the_same_again_is_the_same() {
    let course = || vec![fault("device", What::Fails, 60)];
    let one = outcome(&moving(), task(course()), 5);
    let again = outcome(&moving(), task(course()), 5);
    assert_eq!(format!("{one:?}"), format!("{again:?}"));
}

#[test]
fn what_does_not_fit_is_named() {
    let mut wrong = task(Vec::new());
    wrong.fault = "flood".to_owned();
    assert!(wrong.check().unwrap_err().contains("there are it"));
    let wrong = task(vec![fault("moon", What::Fails, 1)]);
    assert!(wrong.check().unwrap_err().contains("\"moon\""));
    let mut wrong = task(Vec::new());
    wrong.resources.push("node".to_owned());
    let (continuum, manager, client) = (edge(), manager(), client(Via::Manager));
    let task = Task::Faults(Box::new(wrong));
    let experiment = Experiment {
        continuum: &continuum,
        manager: &manager,
        client: &client,
        task: &task,
        seed: 1,
    };
    assert!(experiment.check().unwrap_err().contains("no functions"));
}

/// Containers on a device of four CPUs whose load passes the first one's part of them.
fn rising(limits: Sizing, rates: [f64; 2]) -> Faults {
    let mut task = task(Vec::new());
    task.objectives = vec!["round_trip_p95 < 400ms for 5s".parse().unwrap()];
    task.duration = Span::from_secs(120);
    task.containers = Some(Containers {
        limits,
        pool: 1.0,
        count: 4,
        threads: 16,
        memory: Bytes::from_mib(1024),
        elsewhere: 0.05,
        connections: 32,
        rates: rates.into(),
        step: Span::from_secs(40),
        start: Span::from_secs(1),
    });
    task
}

#[test]
fn a_container_grows_before_anything_moves() {
    // A core each; then two are asked for.
    let grown = outcome(&moving(), rising(Sizing::Escra, [20.0, 100.0]), 1);
    assert_eq!(value(&grown, "moves"), 0.0);
    assert_eq!(value(&grown, "end_met"), 1.0);
    let growth = value(&grown, "growth_ms");
    assert!((0.0..1000.0).contains(&growth), "{growth}");
    // Nobody grows: the same load is moved, if somebody moves it.
    let moved = outcome(&moving(), rising(Sizing::Static, [20.0, 100.0]), 1);
    assert!(value(&moved, "moves") >= 1.0);
    assert!(value(&moved, "violation_s") > value(&grown, "violation_s") + 10.0);
    let stays = outcome(&manager(), rising(Sizing::Static, [20.0, 100.0]), 1);
    assert_eq!(value(&stays, "moves"), 0.0);
    assert_eq!(value(&stays, "end_met"), 0.0);
}

#[test]
fn every_request_to_containers_has_one_fate() {
    for limits in [Sizing::Static, Sizing::Escra] {
        let outcome = outcome(&moving(), rising(limits, [20.0, 150.0]), 1);
        let fates = ["answered", "late", "failed", "lost"];
        let sum: f64 = fates
            .map(|fate| value(&outcome, &format!("requests_{fate}")))
            .iter()
            .sum();
        let sent = value(&outcome, "requests_sent");
        assert_eq!(sent, sum);
        // 40 s at 20 a second, the rest at 150, as a Poisson process makes them.
        let expected = 40.0 * 20.0 + 70.0 * 150.0;
        assert!((sent - expected).abs() < 0.1 * expected, "{sent}");
    }
}
