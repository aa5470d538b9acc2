//! Closed forms: with one cost at a time, what comes out can be said in advance.

use std::collections::BTreeMap;

use proptest::prelude::*;
use tidegate_core::Span;

use super::task::{Deployments, Invocations, Services, Violations};
use super::testing::{always, client, continuum, manager};
use super::*;

fn metric(outcome: &Outcome, name: &str) -> f64 {
    let found = outcome.metrics.iter().find(|metric| metric.name == name);
    found.unwrap_or_else(|| panic!("no {name}")).value
}

fn go(continuum: &Continuum, manager: &Manager, client: &Client, task: Task) -> Outcome {
    run(&Experiment {
        continuum,
        manager,
        client,
        task: &task,
        seed: 1,
    })
    .unwrap()
}

/// So long that a sampling is always going on.
const ALWAYS: Span = Span::from_secs(3_600);

fn calls(resource: &str, concurrent: u32) -> Task {
    Task::Invocations(Invocations {
        resource: resource.to_owned(),
        concurrent,
        runs: 2,
        execution: Span::from_secs(1),
    })
}

fn deployments(composition: &[&str], concurrent: u32) -> Task {
    let names = composition.iter().map(|&name| name.to_owned()).collect();
    Task::Deployments(Deployments {
        composition: "this".to_owned(),
        compositions: BTreeMap::from([("this".to_owned(), names)]),
        concurrent,
        runs: 1,
        pause: Span::ZERO,
    })
}

/// The mean of `count` calls of a second, of which `width` are served at a time.
fn waves(count: u32, width: u32) -> f64 {
    let turn = |call: u32| f64::from(call / width + 1);
    1e3 * (0..count).map(turn).sum::<f64>() / f64::from(count)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// Four threads serve calls in waves of four, whoever sends them.
    #[test]
    fn a_function_serves_four_calls_at_a_time(count in 1u32..300, direct: bool) {
        let via = if direct { Via::Direct } else { Via::Manager };
        let outcome = go(&continuum(), &manager(), &client(via), calls("device", count));
        let mean = metric(&outcome, "round_trip_ms");
        prop_assert!((mean - waves(count, 4)).abs() < 1e-3, "{mean}");
        let last = f64::from(count.div_ceil(4)) * 1e3;
        prop_assert_eq!(metric(&outcome, "round_trip_max_ms"), last);
    }

    /// Eight event loops with five connections each let forty calls through, in
    /// turn: with no more than five for each loop none waits.
    #[test]
    fn the_proxy_lets_forty_calls_through_at_a_time(count in 1u32..100) {
        let outcome = go(&continuum(), &manager(), &client(Via::Manager), calls("lambda", count));
        let mean = metric(&outcome, "round_trip_ms");
        prop_assert!((mean - waves(count, 40)).abs() < 1e-3, "{mean}");
    }

    /// The client lets a hundred requests out at a time.
    #[test]
    fn the_client_has_a_hundred_connections(count in 1u32..450) {
        let outcome = go(&continuum(), &manager(), &client(Via::Direct), calls("lambda", count));
        let mean = metric(&outcome, "round_trip_ms");
        prop_assert!((mean - waves(count, 100)).abs() < 1e-3, "{mean}");
    }
}

#[test]
fn a_kept_connection_saves_a_round_trip() {
    let mut continuum = continuum();
    let distance = Span::from_millis(100);
    for resource in continuum.resources.values_mut() {
        resource.round_trip = distance;
    }
    let round_trip = |resource, via| {
        let outcome = go(&continuum, &manager(), &client(via), calls(resource, 1));
        metric(&outcome, "round_trip_min_ms")
    };
    assert_eq!(round_trip("machine", Via::Direct), 1_200.0);
    assert_eq!(round_trip("lambda", Via::Direct), 1_300.0);
    // The manager has one connection for each event loop, and each batch of one
    // call goes to the next of them.
    assert_eq!(round_trip("machine", Via::Manager), 1_200.0);
    let ninth = Task::Invocations(Invocations {
        resource: "machine".to_owned(),
        concurrent: 1,
        runs: 9,
        execution: Span::from_secs(1),
    });
    let outcome = go(&continuum, &manager(), &client(Via::Manager), ninth);
    assert_eq!(metric(&outcome, "round_trip_p50_ms"), 1_200.0);
    assert_eq!(metric(&outcome, "round_trip_min_ms"), 1_100.0);
}

#[test]
fn a_new_instance_starts_cold_once() {
    let mut continuum = continuum();
    continuum.lambda.cold_start = Span::from_millis(250);
    let outcome = go(
        &continuum,
        &manager(),
        &client(Via::Direct),
        calls("lambda", 10),
    );
    assert_eq!(metric(&outcome, "round_trip_max_ms"), 1_250.0);
    assert_eq!(metric(&outcome, "round_trip_ms"), 1_125.0);
}

#[test]
fn a_call_whose_reads_all_fail_is_not_answered_by_the_function() {
    let mut manager = manager();
    manager.database.read_clash = 1.0;
    manager.watching.open = ALWAYS;
    let outcome = go(
        &continuum(),
        &manager,
        &client(Via::Manager),
        calls("device", 3),
    );
    assert_eq!(metric(&outcome, "calls_failed"), 6.0);
    assert!(metric(&outcome, "round_trip_ms").is_nan());
}

#[test]
fn a_deployment_takes_its_slowest_part() {
    let mut continuum = continuum();
    continuum.lambda.deploy = always(Span::from_secs(7));
    continuum.openfaas.deploy = always(Span::from_secs(2));
    continuum.ec2.launch = always(Span::from_secs(20));
    continuum.ec2.install = always(Span::from_secs(91));
    continuum.ec2.remove = always(Span::from_secs(33));
    let time = |composition: &[&str], name| {
        let task = deployments(composition, 1);
        metric(
            &go(&continuum, &manager(), &client(Via::Manager), task),
            name,
        )
    };
    assert_eq!(time(&["device"], "deployment_s"), 2.0);
    assert_eq!(time(&["device", "lambda"], "deployment_s"), 7.0);
    // Asked every ten seconds whether it is installed.
    assert_eq!(time(&["lambda", "machine"], "deployment_s"), 120.0);
    assert_eq!(time(&["lambda", "machine"], "termination_s"), 33.0);
}

#[test]
fn deployments_share_cpus_and_link() {
    let mut manager = manager();
    manager.terraform.providers.aws.download_mib = 10.0;
    manager.terraform.providers.aws.mib = 100.0;
    manager.terraform.command = Span::from_secs(3);
    let go = |concurrent| {
        let task = deployments(&["lambda"], concurrent);
        go(&continuum(), &manager, &client(Via::Manager), task)
    };
    // Ten seconds of the link, two commands of a second thread each.
    assert_eq!(metric(&go(1), "deployment_s"), 10.0 + 2.0 * 3.0);
    // The link is shared by all, the eight CPUs only by the ninth and later.
    assert_eq!(metric(&go(8), "deployment_s"), 80.0 + 2.0 * 3.0);
    assert_eq!(metric(&go(16), "deployment_s"), 160.0 + 2.0 * 6.0);
    assert_eq!(metric(&go(16), "termination_s"), 6.0);
    assert_eq!(metric(&go(16), "manager_mem_max_mib"), 1_600.0);
}

#[test]
fn the_regions_of_a_cloud_have_a_provider_each() {
    let mut manager = manager();
    manager.terraform.providers.aws.mib = 100.0;
    let mut continuum = continuum();
    let memory = |continuum: &Continuum| {
        let task = deployments(&["lambda", "machine"], 1);
        let outcome = go(continuum, &manager, &client(Via::Manager), task);
        metric(&outcome, "manager_mem_max_mib")
    };
    assert_eq!(memory(&continuum), 100.0);
    continuum.resources.get_mut("lambda").unwrap().region = 1;
    assert_eq!(memory(&continuum), 200.0);
}

#[test]
fn what_clashes_with_a_sampling_is_tried_again_a_second_later() {
    let mut manager = manager();
    manager.database.update_clash = 1.0;
    manager.watching.open = ALWAYS;
    let go = |manager: &Manager| {
        let task = deployments(&["device"], 1);
        go(&continuum(), manager, &client(Via::Manager), task)
    };
    // A termination changes rows, a creation does not; after five retries it is
    // given up.
    let outcome = go(&manager);
    assert_eq!(metric(&outcome, "requests_failed"), 1.0);
    assert!(metric(&outcome, "termination_s").is_nan());
    assert_eq!(metric(&outcome, "create_response_ms"), 0.0);
    // Nothing fails that meets no sampling.
    manager.watching.open = Span::ZERO;
    let outcome = go(&manager);
    assert_eq!(metric(&outcome, "requests_failed"), 0.0);
    assert_eq!(metric(&outcome, "cancel_response_ms"), 0.0);
}

#[test]
fn the_manager_s_lost_messages_are_sent_again() {
    let mut continuum = continuum();
    continuum.cluster.lost = 1.0;
    continuum.cluster.retransmission = Span::from_millis(200);
    let took = |via| {
        let outcome = go(&continuum, &manager(), &client(via), calls("device", 1));
        metric(&outcome, "round_trip_ms")
    };
    // Two each with the client, the function and the time series database, and two
    // for each of the transaction's three statements.
    assert_eq!(took(Via::Manager), 1_000.0 + 12.0 * 200.0);
    assert_eq!(took(Via::Direct), 1_000.0);
}

#[test]
fn a_client_notes_answers_as_far_apart_as_it_makes_clients() {
    let mut client = client(Via::Manager);
    client.make = Span::from_millis(50);
    let mut manager = manager();
    manager.database.width = 4.0;
    manager.database.create = always(Span::from_millis(100));
    let go = |concurrent| {
        let task = deployments(&["device"], concurrent);
        let outcome = go(&continuum(), &manager, &client, task);
        metric(&outcome, "create_response_ms")
    };
    assert_eq!(go(1), 150.0);
    // Four clients are made before the first asks: all four are answered at 300 ms,
    // and noted at 300, 350, 400 and 450; they began at 0, 50, 100 and 150.
    assert_eq!(go(4), 300.0);
}

#[test]
fn a_provider_s_process_ends_with_its_last_resource() {
    let mut manager = manager();
    manager.terraform.providers.aws.mib = 100.0;
    let mut continuum = continuum();
    continuum.lambda.remove = always(Span::from_secs(10));
    continuum.ec2.remove = always(Span::from_secs(30));
    continuum.resources.get_mut("lambda").unwrap().region = 1;
    let task = deployments(&["lambda", "machine"], 1);
    let outcome = go(&continuum, &manager, &client(Via::Manager), task);
    // A termination of 30 s, two processes for 10 s of it.
    let mean = metric(&outcome, "manager_mem_mib");
    assert_eq!(metric(&outcome, "termination_s"), 30.0);
    assert!(
        (mean - (200.0 * 10.0 + 100.0 * 20.0) / 30.0).abs() < 1e-6,
        "{mean}"
    );
    assert_eq!(metric(&outcome, "manager_mem_max_mib"), 200.0);
}

#[test]
fn pods_wait_for_the_kubelet_and_commands_for_their_graph() {
    let mut continuum = continuum();
    continuum.kubernetes.kubelet = always(Span::from_secs(1));
    continuum.kubernetes.pod = always(Span::from_secs(5));
    let mut manager = manager();
    manager.terraform.part = Span::from_secs(2);
    manager.terraform.pair = Span::from_millis(100);
    let go = |via| {
        let task = Task::Services(Services {
            services: 10,
            runs: 1,
        });
        go(&continuum, &manager, &client(via), task)
    };
    let api = go(Via::K8sApi);
    assert_eq!(metric(&api, "service_start_s"), 10.0 + 5.0);
    assert_eq!(metric(&api, "service_stop_s"), 0.0);
    let terraform = go(Via::Manager);
    assert_eq!(metric(&terraform, "service_start_s"), 30.0 + 15.0);
    assert_eq!(metric(&terraform, "service_stop_s"), 20.0 + 10.0);
}

fn violations(deployments: u32) -> Task {
    Task::Violations(Violations {
        deployments,
        resources: vec!["device".to_owned(), "lambda".to_owned()],
        violations: 40,
        lasting: Span::from_secs(10),
        pause: Span::from_secs(15),
        pause_more: Span::from_secs(6),
    })
}

#[test]
fn the_original_tells_at_its_next_look_and_at_each_one_after() {
    let outcome = go(
        &continuum(),
        &manager(),
        &client(Via::Manager),
        violations(3),
    );
    let (min, max) = (
        metric(&outcome, "reaction_min_s"),
        metric(&outcome, "reaction_max_s"),
    );
    assert!((0.0..1.0).contains(&min), "{min}");
    assert!((4.0..=5.0).contains(&max), "{max}");
    // Two looks fall into ten seconds: one post for each resource and deployment.
    let posts = metric(&outcome, "alerts");
    assert_eq!(posts, 40.0 * 2.0 * 2.0 * 3.0);
    assert_eq!(metric(&outcome, "violations"), 40.0);
}

#[test]
fn pushed_samples_are_told_once_and_at_once() {
    let mut manager = manager();
    manager.monitoring = tidegate_core::manager::Monitoring::default();
    manager.watching.post = Span::from_millis(3);
    let outcome = go(&continuum(), &manager, &client(Via::Manager), violations(3));
    assert_eq!(metric(&outcome, "reaction_max_s"), 0.003);
    assert_eq!(metric(&outcome, "alerts"), 40.0 * 2.0 * 3.0);
}

#[test]
fn the_same_seed_gives_the_same_numbers() {
    let mut continuum = continuum();
    continuum.lambda.deploy.spread = 0.3;
    continuum.lambda.deploy.mean = Span::from_secs(10);
    let (manager, client) = (manager(), client(Via::Manager));
    let task = deployments(&["lambda"], 3);
    let go = |seed| {
        let experiment = Experiment {
            continuum: &continuum,
            manager: &manager,
            client: &client,
            task: &task,
            seed,
        };
        run(&experiment).unwrap()
    };
    assert_eq!(go(1), go(1));
    assert_ne!(go(1).metrics, go(2).metrics);
}

#[test]
fn what_does_not_fit_together_is_named() {
    let refuse = |via, task| {
        let experiment = Experiment {
            continuum: &continuum(),
            manager: &manager(),
            client: &client(via),
            task: &task,
            seed: 1,
        };
        run(&experiment).unwrap_err()
    };
    for (via, task, key) in [
        (Via::Direct, calls("moon", 1), "`resource`"),
        (Via::Direct, calls("node", 1), "`resource`"),
        (Via::K8sApi, calls("device", 1), "`resource`"),
        (Via::Direct, calls("device", 20_000), "`concurrent`"),
        (Via::Manager, deployments(&["moon"], 1), "`compositions`"),
        (Via::Manager, deployments(&[], 1), "`compositions.this`"),
    ] {
        let message = refuse(via, task);
        assert!(message.contains(key), "{message}");
    }
}
