//! Watches over one resource, whose samples and silence are played by hand.

use super::*;
use crate::id::PartId;
use crate::manager::config::Placing;
use crate::placement::{Capacity, Inventory, Platform};

const HERE: ResourceId = ResourceId(0);

fn at(s: f64) -> Time {
    Time::ZERO + Span::from_secs_f64(s)
}

fn instance(deployment: u32, index: u32) -> InstanceId {
    InstanceId {
        part: PartId {
            deployment: DeploymentId(deployment),
            index,
        },
        generation: 0,
    }
}

/// A monitor with one resource.
struct Bench {
    monitor: Monitor,
    inventory: Inventory,
}

impl Bench {
    fn new(config: Monitoring) -> Bench {
        let mut inventory = Inventory::new(Placing::default(), config.stale_after);
        inventory.insert(Resource {
            id: HERE,
            name: "r0".to_owned(),
            platform: Platform::OpenFaas,
            provider: "own".to_owned(),
            region: "here".to_owned(),
            environment: "edge".to_owned(),
            instance_type: None,
            cost: Some(0.0),
            capacity: Capacity::default(),
            lockable: true,
        });
        Bench {
            monitor: Monitor::new(config, Time::ZERO),
            inventory,
        }
    }

    fn watch(&mut self, now: f64, who: InstanceId, objectives: &[&str]) -> Vec<Finding> {
        let objectives: Vec<Objective> = objectives.iter().map(|o| o.parse().unwrap()).collect();
        let mut found = Vec::new();
        let now = at(now);
        self.monitor
            .begin(now, who, HERE, objectives.iter(), |_| None);
        self.monitor
            .first_look(now, who, &self.inventory, &mut found);
        found
    }

    /// A sample that was measured when it arrives.
    fn sample(&mut self, now: f64, metric: Metric, value: f64) -> Vec<(String, Edge)> {
        self.late_sample(now, now, metric, value)
    }

    fn late_sample(
        &mut self,
        now: f64,
        measured: f64,
        metric: Metric,
        value: f64,
    ) -> Vec<(String, Edge)> {
        let mut found = Vec::new();
        let entry = self.inventory.take(HERE, metric, value, at(measured));
        let source = entry.expect("a sample of use").source();
        self.monitor.sampled(at(now), metric, source, &mut found);
        self.told(found)
    }

    /// Wakes the monitor at the time it wants, which must be this one.
    fn wake(&mut self, now: f64) -> Vec<(String, Edge)> {
        let mut found = Vec::new();
        let wanted = self.monitor.next_wake().expect("something is awaited");
        let off = wanted.since(at(now)).max(at(now).since(wanted));
        assert!(off <= Span(1), "{wanted:?} is not {now} s");
        self.monitor.wake(wanted, &self.inventory, &mut found);
        self.told(found)
    }

    fn told(&self, found: Vec<Finding>) -> Vec<(String, Edge)> {
        let text = |id| self.monitor.get(id).unwrap().objective.to_string();
        found.into_iter().map(|f| (text(f.watch), f.edge)).collect()
    }
}

fn fire(objective: &str, since: f64) -> Vec<(String, Edge)> {
    let since = at(since);
    vec![(objective.to_owned(), Edge::Fire { since })]
}

fn resolve(objective: &str, since: f64) -> Vec<(String, Edge)> {
    let since = at(since);
    vec![(objective.to_owned(), Edge::Resolve { since })]
}

#[test]
fn a_value_that_is_not_renewed_goes_missing_at_its_age() {
    let mut bench = Bench::new(Monitoring::default());
    bench.watch(4.0, instance(0, 0), &["cpu < 80%"]);
    // The sample is older than the watch, and so is due before what was awaited.
    assert_eq!(bench.late_sample(5.0, 1.0, Metric::Cpu, 50.0), []);
    assert_eq!(bench.wake(16.0), fire("cpu < 80%", 16.0));
    assert_eq!(
        bench.sample(20.0, Metric::Cpu, 50.0),
        resolve("cpu < 80%", 16.0)
    );
    // A wake-up that a sample has overtaken only moves on.
    assert_eq!(bench.sample(30.0, Metric::Cpu, 50.0), []);
    assert_eq!(bench.wake(35.0), []);
    assert_eq!(bench.wake(45.0), fire("cpu < 80%", 45.0));
    assert_eq!(bench.monitor.next_wake(), None);
}

#[test]
fn what_was_never_measured_has_its_time_to_arrive() {
    let mut bench = Bench::new(Monitoring::default());
    assert_eq!(bench.watch(3.0, instance(0, 0), &["cpu < 80%"]), []);
    assert_eq!(bench.wake(18.0), fire("cpu < 80%", 18.0));
}

#[test]
fn the_age_of_the_newest_sample_is_watched_as_it_grows() {
    let mut bench = Bench::new(Monitoring::default());
    bench.watch(0.0, instance(0, 0), &["staleness < 7s"]);
    assert_eq!(bench.sample(1.0, Metric::Cpu, 50.0), []);
    assert_eq!(bench.sample(5.0, Metric::Up, 1.0), []);
    // It was to be looked at a second after the first; any sample renews it.
    assert_eq!(bench.wake(8.0), []);
    let told = bench.wake(12.0);
    assert!(matches!(told[..], [(_, Edge::Fire { .. })]), "{told:?}");
    let told = bench.sample(20.0, Metric::Latency, 0.01);
    assert!(matches!(told[..], [(_, Edge::Resolve { .. })]), "{told:?}");
    assert_eq!(bench.wake(27.0).len(), 1);
}

#[test]
fn a_sample_is_judged_by_all_watches_of_its_metric_and_no_other() {
    let mut bench = Bench::new(Monitoring::default());
    bench.watch(0.0, instance(0, 0), &["cpu < 80%", "memory < 50%"]);
    bench.watch(0.0, instance(1, 0), &["cpu < 60%", "cpu > 10%"]);
    // A second part of a deployment adds a user, not a watch.
    bench.watch(0.0, instance(1, 1), &["cpu < 60%", "cpu > 10%"]);
    assert_eq!(bench.sample(1.0, Metric::Memory, 20.0), []);
    let mut told = bench.sample(2.0, Metric::Cpu, 90.0);
    told.sort_by(|a, b| a.0.cmp(&b.0));
    let expected = [fire("cpu < 60%", 2.0), fire("cpu < 80%", 2.0)].concat();
    assert_eq!(told, expected);
    // It ends with the last of its users, and the others stay.
    assert!(bench.monitor.end(instance(1, 0)).is_empty());
    assert_eq!(bench.monitor.end(instance(1, 1)).len(), 2);
    assert_eq!(
        bench.sample(3.0, Metric::Cpu, 50.0),
        resolve("cpu < 80%", 2.0)
    );
    assert_eq!(bench.monitor.end(instance(0, 0)).len(), 2);
    assert_eq!(bench.monitor.next_wake(), None, "nothing is left to watch");
    assert_eq!(bench.sample(4.0, Metric::Cpu, 90.0), []);
}

#[test]
fn a_violation_ends_when_it_is_met_by_the_margin_for_long_enough() {
    let objective = "cpu < 80% clear 10s margin 5%";
    let mut bench = Bench::new(Monitoring {
        stale_after: Span::from_secs(1000),
        ..Monitoring::default()
    });
    bench.watch(0.0, instance(0, 0), &[objective]);
    assert_eq!(bench.sample(1.0, Metric::Cpu, 85.0), fire(objective, 1.0));
    let still = |told: Vec<(String, Edge)>| matches!(told[..], [(_, Edge::Still { .. })]);
    assert!(still(bench.sample(2.0, Metric::Cpu, 78.0)), "no margin");
    assert_eq!(bench.sample(3.0, Metric::Cpu, 70.0), []);
    assert!(still(bench.sample(9.0, Metric::Cpu, 78.0)), "too short");
    // From here on no sample is needed: the time does it.
    assert_eq!(bench.sample(20.0, Metric::Cpu, 70.0), []);
    assert_eq!(bench.wake(30.0), resolve(objective, 1.0));
    assert_eq!(bench.sample(31.0, Metric::Cpu, 78.0), [], "met again");
}

#[test]
fn a_failure_that_lasts_fires_without_another_sample() {
    let objective = "cpu < 80% for 5s";
    let mut bench = Bench::new(Monitoring::default());
    bench.watch(0.0, instance(0, 0), &[objective]);
    assert_eq!(bench.sample(1.0, Metric::Cpu, 85.0), []);
    assert_eq!(bench.wake(6.0), fire(objective, 1.0));
}

#[test]
fn without_push_only_the_period_judges() {
    let mut bench = Bench::new(Monitoring::original());
    bench.watch(0.0, instance(0, 0), &["cpu < 80%"]);
    assert_eq!(bench.sample(1.0, Metric::Cpu, 85.0), []);
    assert_eq!(bench.wake(5.0), fire("cpu < 80%", 5.0));
    let told = bench.wake(10.0);
    assert!(matches!(told[..], [(_, Edge::Still { .. })]), "{told:?}");
}
