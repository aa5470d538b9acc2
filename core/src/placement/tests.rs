//! Choices against a plain search, and each reason once.

use proptest::prelude::*;

use super::inventory::Occupant;
use super::*;
use crate::id::{DeploymentId, InstanceId, PartId, ResourceId};
use crate::manager::config::{Placing, Strategy as Choosing};
use crate::slo::{Metric, Objective};
use crate::units::{Bytes, Cores, Span, Time};

const STALE: Span = Span::from_secs(15);

fn resource(id: u32, platform: Platform) -> Resource {
    Resource {
        id: ResourceId(id),
        name: format!("r{id}"),
        platform,
        provider: "own".to_owned(),
        region: ["here", "there"][id as usize % 2].to_owned(),
        environment: "edge".to_owned(),
        instance_type: None,
        cost: Some(f64::from(id % 3)),
        capacity: Capacity {
            cpu: Some(Cores::new(2)),
            memory: Some(Bytes::from_mib(1024)),
            storage: None,
        },
        lockable: id != 0,
    }
}

fn query<'a>(deployment: u32, objectives: &'a [&'a Objective]) -> Query<'a> {
    Query {
        deployment: DeploymentId(deployment),
        kind: PartKind::Function,
        demand: Demand {
            cpu: Cores::new(1),
            memory: Bytes::from_mib(256),
            storage: Bytes::ZERO,
        },
        exclusive: false,
        target: None,
        ensemble: None,
        apart: &[],
        avoid: &[],
        objectives,
    }
}

fn occupant(deployment: u32, exclusive: bool, demand: Demand) -> Occupant {
    Occupant {
        instance: InstanceId {
            part: PartId {
                deployment: DeploymentId(deployment),
                index: 0,
            },
            generation: 0,
        },
        exclusive,
        demand,
    }
}

/// Ten functions' resources and two of services, the better the lower its number.
fn inventory(strategy: Choosing) -> Inventory {
    let placing = Placing {
        strategy,
        ..Placing::default()
    };
    let mut inventory = Inventory::new(placing, STALE);
    for id in 0..12 {
        let platform = match id {
            10.. => Platform::Kubernetes,
            _ => Platform::OpenFaas,
        };
        inventory.insert(resource(id, platform));
        let latency = 0.01 * f64::from(id + 1);
        inventory.record(ResourceId(id), Metric::Latency, latency, Time::ZERO);
    }
    inventory
}

#[test]
fn each_reason_is_named() {
    let mut inventory = inventory(Choosing::Scored);
    let objective: Objective = "latency < 65ms".parse().unwrap();
    let objectives = [&objective];
    let all = Demand {
        cpu: Cores::new(2),
        ..Demand::default()
    };
    inventory.occupy(ResourceId(1), occupant(8, true, Demand::default()));
    inventory.occupy(ResourceId(2), occupant(9, false, Demand::default()));
    inventory.occupy(ResourceId(3), occupant(1, false, all));
    inventory.record(ResourceId(4), Metric::Up, 0.0, Time::ZERO);
    let until = Time::ZERO + STALE;
    let mut query = query(1, &objectives);
    query.exclusive = true;
    query.apart = &[ResourceId(5)];
    let avoid = [(ResourceId(9), until)];
    query.avoid = &avoid;
    let reason = |id| inventory.check(ResourceId(id), &query, Time::ZERO);
    assert_eq!(reason(0), Some(Rejection::NotLockable));
    let by = DeploymentId(8);
    assert_eq!(reason(1), Some(Rejection::Locked { by }));
    let by = DeploymentId(9);
    assert_eq!(reason(2), Some(Rejection::InUse { by }));
    assert_eq!(reason(3), Some(Rejection::Full(Short::Cpu)));
    assert_eq!(reason(4), Some(Rejection::Down));
    assert_eq!(reason(5), Some(Rejection::SameArtifact));
    assert!(matches!(reason(6), Some(Rejection::Objective { .. })));
    assert_eq!(reason(9), Some(Rejection::Avoided { until }));
    assert_eq!(reason(10), Some(Rejection::Platform));
}

#[test]
fn the_paper_sorts_by_its_objectives_in_their_order() {
    let mut inventory = inventory(Choosing::FilterAndSort);
    let objectives: Vec<Objective> = ["cpu < 90%", "latency > 20ms", "region = here"]
        .iter()
        .map(|text| text.parse().unwrap())
        .collect();
    let objectives: Vec<&Objective> = objectives.iter().collect();
    for (id, cpu) in [
        (0, 10.0),
        (2, 50.0),
        (3, 10.0),
        (4, 20.0),
        (6, 20.0),
        (8, 95.0),
    ] {
        inventory.record(ResourceId(id), Metric::Cpu, cpu, Time::ZERO);
    }
    // 0 is too near, 3 is there, 8 is busy; of 4 and 6 the farther comes first.
    let expected = [6, 4, 2].map(ResourceId);
    assert_eq!(inventory.select(&objectives, Time::ZERO), expected);
    let choice = inventory
        .choose(&query(1, &objectives), Time::ZERO)
        .unwrap();
    assert_eq!(choice.resource, ResourceId(6));
    // What was measured too long ago is not known.
    assert!(inventory.select(&objectives, Time::ZERO + STALE).is_empty());
}

#[test]
fn a_load_moves_parts_apart() {
    let placing = Placing {
        latency: 0.0,
        cost: 0.0,
        ..Placing::default()
    };
    let mut inventory = Inventory::new(placing, STALE);
    for id in 0..4 {
        inventory.insert(resource(id, Platform::OpenFaas));
    }
    let mut chosen = Vec::new();
    for part in 0..9 {
        let query = query(part, &[]);
        let choice = inventory.choose(&query, Time::ZERO);
        if let Some(choice) = &choice {
            inventory.occupy(choice.resource, occupant(part, false, query.demand));
        }
        chosen.push(choice.map(|choice| choice.resource.0));
    }
    let expected = [0, 1, 2, 3, 0, 1, 2, 3].map(Some);
    assert_eq!(chosen[..8], expected);
    assert_eq!(chosen[8], None, "all are full");
}

proptest! {
    /// The quick choice is the first that fits in the full list, whatever was
    /// measured, placed, removed and brought back before.
    #[test]
    fn a_choice_is_the_best_that_fits(
        steps in proptest::collection::vec((0u32..12, 0u32..6, 0f64..0.2), 0..60),
        strategy in prop_oneof![Just(Choosing::Scored), Just(Choosing::FilterAndSort)],
        limit in 0.0f64..0.2,
        ensemble in proptest::option::of(Just([1, 3, 4, 8].map(ResourceId))),
    ) {
        let mut inventory = inventory(strategy);
        for (deployment, (id, what, latency)) in (0u32..).zip(steps) {
            let resource = resource(id, Platform::ALL[(what as usize + id as usize) % 4]);
            let at = Time::ZERO + Span(u64::from(deployment));
            match what {
                0 => inventory.remove(ResourceId(id)),
                1 => inventory.insert(resource),
                2 => {
                    let demand = query(0, &[]).demand;
                    inventory.occupy(ResourceId(id), occupant(deployment, id == 7, demand));
                }
                3 => {
                    let first = inventory.occupants(ResourceId(id)).next();
                    if let Some(instance) = first {
                        inventory.release(ResourceId(id), instance);
                    }
                }
                _ => {
                    inventory.record(ResourceId(id), Metric::Latency, latency, at);
                }
            }
            let text = format!("latency < {limit}s");
            let objective: Objective = text.parse().unwrap();
            let objectives = [&objective];
            let mut query = query(1000, &objectives);
            query.ensemble = ensemble.as_ref().map(|ids| &ids[..]);
            let now = at;
            let full = inventory.explain(&query, now);
            prop_assert_eq!(full.len(), inventory.len());
            let first = full.iter().position(|(_, v)| matches!(v, Verdict::Fits(_)));
            let choice = inventory.choose(&query, now);
            prop_assert_eq!(
                choice.as_ref().map(|choice| choice.resource),
                first.map(|first| full[first].0)
            );
            if let (Some(choice), Some(first)) = (choice, first) {
                let passed: Vec<_> = full[..first]
                    .iter()
                    .filter(|(_, v)| *v != Verdict::Rejected(Rejection::Platform))
                    .filter(|(id, _)| query.ensemble.is_none_or(|e| e.contains(id)))
                    .collect();
                prop_assert_eq!(choice.passed_over as usize, passed.len());
                prop_assert_eq!(
                    choice.best_passed_over.map(|(id, why)| (id, Verdict::Rejected(why))),
                    passed.first().map(|one| (*one).clone())
                );
            }
        }
    }
}
