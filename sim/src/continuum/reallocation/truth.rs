//! What the manager cannot know: whether the objectives of a function are met where
//! its calls go, at this moment, and whether any resource could meet them.

use tidegate_core::manager::Placing;
use tidegate_core::placement::{Inventory, Resource as Described};
use tidegate_core::slo::{Metric, Objective, Origin};
use tidegate_core::{ResourceId, Span, Time};

use super::World;
use super::task::Faults;
use crate::continuum::testbed::Platform;

/// An inventory that is told everything at once, and what routers last saw.
#[derive(Debug)]
pub(super) struct Truth {
    inventory: Inventory,
    objectives: Vec<Objective>,
    /// Whether the calls of each function showed what objectives ask of instances.
    calls_fine: Vec<bool>,
}

impl Truth {
    pub(super) fn new(resources: &[Described], task: &Faults) -> Truth {
        let mut inventory = Inventory::new(Placing::default(), Span(u64::MAX));
        for resource in resources {
            inventory.insert(resource.clone());
        }
        Truth {
            inventory,
            objectives: task.objectives.clone(),
            calls_fine: vec![true; task.deployments as usize],
        }
    }

    /// The resources as they are described.
    pub(super) fn resources(&self) -> Vec<Described> {
        let ids = self.inventory.ids();
        ids.filter_map(|id| self.inventory.resource(id).cloned())
            .collect()
    }

    /// What the calls of a function showed, as metrics of its instance. What could
    /// not be measured because no call came back is not met.
    pub(super) fn router_says(&mut self, function: usize, window: &[(Metric, f64)]) {
        let value = |metric| {
            let one = window.iter().find(|(one, _)| *one == metric);
            one.map_or(f64::NAN, |(_, value)| *value)
        };
        self.calls_fine[function] = self
            .objectives
            .iter()
            .filter(|objective| objective.metric.origin() == Origin::Instance)
            .all(|objective| objective.met_by(value(objective.metric)));
    }

    /// Calls go elsewhere: nothing is known of them yet.
    pub(super) fn switched(&mut self, function: usize) {
        self.calls_fine[function] = true;
    }

    fn record(&mut self, place: usize, metric: Metric, value: f64, now: Time) {
        let id = ResourceId(place as u32);
        self.inventory.record(id, metric, value, now);
    }

    fn meets(&self, place: usize, now: Time) -> bool {
        let objectives: Vec<&Objective> = self.objectives.iter().collect();
        let able = self.inventory.select(&objectives, now);
        able.contains(&ResourceId(place as u32))
    }
}

impl World<'_> {
    /// Whether the objectives of a function are met where its calls go.
    pub(super) fn is_met(&mut self, function: usize) -> bool {
        let to = self.routes[function].to;
        let Some(one) = to.and_then(|id| self.instances.get(&id)) else {
            return false;
        };
        let place = one.place;
        one.serving && self.truth.calls_fine[function] && self.objectives_hold(place)
    }

    /// Whether a resource works as it should and meets the objectives.
    pub(super) fn could_have(&mut self, place: usize) -> bool {
        self.places[place].is_sound() && self.carries(place) && self.objectives_hold(place)
    }

    /// Whether a resource has CPU enough for the calls there are now.
    fn carries(&self, place: usize) -> bool {
        let resource = &self.places[place].resource;
        if resource.platform == Platform::Lambda {
            return true;
        }
        let (rate, share) = match &self.task.containers {
            Some(containers) => {
                let began = self.ledger.called(0).unwrap_or(self.now());
                (containers.rate(self.now().since(began)), containers.pool)
            }
            None => (self.task.calls.rate, 1.0),
        };
        let needs = rate * resource.takes(self.task.calls.cpu).as_secs_f64();
        needs < share * resource.cpus
    }

    fn objectives_hold(&mut self, place: usize) -> bool {
        let now = self.now();
        let it = &self.places[place];
        if it.down > 0 || it.cut > 0 {
            return false;
        }
        let round_trip = it.resource.round_trip.as_secs_f64();
        self.truth.record(place, Metric::Up, 1.0, now);
        self.truth.record(place, Metric::Latency, round_trip, now);
        self.truth.meets(place, now)
    }

    /// The CPU of a resource was measured.
    pub(super) fn cpu_is(&mut self, place: usize, percent: f64) {
        let now = self.now();
        self.truth.record(place, Metric::Cpu, percent, now);
    }

    /// Looks whether objectives are met, after something that may have changed it.
    pub(super) fn judge(&mut self) {
        let now = self.now();
        for function in 0..self.routes.len() {
            let met = self.is_met(function);
            self.ledger.judged(now, function, met);
        }
    }
}
