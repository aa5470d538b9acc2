//! The resources there are: what they are, what was measured of them, and which
//! instances hold a part of them.
//!
//! Locks and used capacity are not kept: they follow from the instances that may
//! be there. An instance is there from the moment its deployment is decided until
//! its provider has said that nothing is left, so no lock outlives what it guards
//! and none ends before it. (The original frees a lock on any error, with the
//! machine still running.)

use std::collections::{BTreeSet, HashMap};

use super::resource::{Capacity, Demand, PartKind, Resource};
use super::score::{Rank, rank};
use crate::id::{DeploymentId, InstanceId, ResourceId};
use crate::manager::config::Placing;
use crate::slo::Metric;
use crate::slo::monitor::{Lookup, Source};
use crate::slo::readings::{Known, Readings};
use crate::units::{Span, Time};

/// An instance that is, or may be, on a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Occupant {
    pub(crate) instance: InstanceId,
    /// Whether it has the resource for its deployment alone.
    pub(crate) exclusive: bool,
    pub(crate) demand: Demand,
}

/// One resource with what is known of it.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) resource: Resource,
    pub(crate) readings: Readings,
    pub(crate) occupants: Vec<Occupant>,
    pub(crate) used: Demand,
    /// Its place among those of its kind; none while it is out of date.
    ranked: Option<Rank>,
}

/// The resources there are.
#[derive(Clone, Debug)]
pub struct Inventory {
    pub(super) placing: Placing,
    pub(super) stale_after: Span,
    entries: HashMap<ResourceId, u32>,
    pub(super) slots: Vec<Entry>,
    /// What is free on each slot: most of those that a placement passes over are
    /// full, and are recognised here without a look at all the rest.
    free: Vec<Free>,
    /// The best first, for functions and for services.
    ranks: [BTreeSet<(Rank, ResourceId, u32)>; 2],
    /// Those whose rank is out of date.
    moved: Vec<u32>,
}

impl Inventory {
    /// No resources. A sampled value older than `stale_after` is missing.
    pub fn new(placing: Placing, stale_after: Span) -> Inventory {
        Inventory {
            placing,
            stale_after,
            entries: HashMap::new(),
            slots: Vec::new(),
            free: Vec::new(),
            ranks: [BTreeSet::new(), BTreeSet::new()],
            moved: Vec::new(),
        }
    }

    /// How many resources there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The resources in the order of their names.
    pub fn ids(&self) -> impl Iterator<Item = ResourceId> + use<> {
        let mut ids: Vec<ResourceId> = self.slots.iter().map(|e| e.resource.id).collect();
        ids.sort_unstable();
        ids.into_iter()
    }

    /// What a resource is, if it exists.
    pub fn resource(&self, id: ResourceId) -> Option<&Resource> {
        Some(&self.entry(id)?.resource)
    }

    /// The deployment that has a resource for itself.
    pub fn locked_by(&self, id: ResourceId) -> Option<DeploymentId> {
        self.entry(id)?.locked_by()
    }

    /// The instances that are or may be on a resource.
    pub fn occupants(&self, id: ResourceId) -> impl Iterator<Item = InstanceId> {
        let occupants = self.entry(id).map_or(&[][..], |entry| &entry.occupants);
        occupants.iter().map(|occupant| occupant.instance)
    }

    /// Adds a resource or changes its description.
    pub fn insert(&mut self, resource: Resource) {
        let id = resource.id;
        if let Some(&slot) = self.entries.get(&id) {
            self.unrank(slot);
            self.slots[slot as usize].resource = resource;
            self.recount(slot);
        } else {
            let slot = self.slots.len() as u32;
            self.entries.insert(id, slot);
            self.free.push(Free::default());
            self.slots.push(Entry {
                resource,
                readings: Readings::default(),
                occupants: Vec::new(),
                used: Demand::default(),
                ranked: None,
            });
            self.moved.push(slot);
            self.recount(slot);
        }
    }

    /// Forgets a resource and what is on it.
    pub fn remove(&mut self, id: ResourceId) {
        let Some(slot) = self.entries.remove(&id) else {
            return;
        };
        self.unrank(slot);
        // The last slot takes the free place.
        let last = self.slots.len() as u32 - 1;
        if slot != last {
            self.unrank(last);
        }
        self.slots.swap_remove(slot as usize);
        self.free.swap_remove(slot as usize);
        self.moved.retain(|&other| other != slot && other != last);
        if slot != last {
            let moved = self.slots[slot as usize].resource.id;
            self.entries.insert(moved, slot);
            self.moved.push(slot);
        }
    }

    /// Takes a sample; false if it is of no use.
    pub fn record(&mut self, id: ResourceId, metric: Metric, value: f64, at: Time) -> bool {
        self.take(id, metric, value, at).is_some()
    }

    /// Takes a sample. Returns the resource, unless the sample is of no use.
    pub(crate) fn take(
        &mut self,
        id: ResourceId,
        metric: Metric,
        value: f64,
        at: Time,
    ) -> Option<&Entry> {
        let slot = *self.entries.get(&id)?;
        if !self.slots[slot as usize].readings.record(metric, value, at) {
            return None;
        }
        if metric == Metric::Latency {
            self.unrank(slot);
        }
        self.slots.get(slot as usize)
    }

    /// An instance is to be deployed on a resource.
    pub(crate) fn occupy(&mut self, id: ResourceId, occupant: Occupant) {
        let Some(&slot) = self.entries.get(&id) else {
            return;
        };
        let entry = &mut self.slots[slot as usize];
        entry.occupants.push(occupant);
        entry.used.cpu += occupant.demand.cpu;
        entry.used.memory += occupant.demand.memory;
        entry.used.storage += occupant.demand.storage;
        self.recount(slot);
        self.unrank(slot);
    }

    /// Nothing of an instance is left on a resource.
    pub(crate) fn release(&mut self, id: ResourceId, instance: InstanceId) {
        let Some(&slot) = self.entries.get(&id) else {
            return;
        };
        let entry = &mut self.slots[slot as usize];
        let Some(at) = entry.occupants.iter().position(|o| o.instance == instance) else {
            return;
        };
        let demand = entry.occupants.remove(at).demand;
        entry.used.cpu -= demand.cpu;
        entry.used.memory -= demand.memory;
        entry.used.storage -= demand.storage;
        self.recount(slot);
        self.unrank(slot);
    }

    pub(crate) fn entry(&self, id: ResourceId) -> Option<&Entry> {
        self.slots.get(*self.entries.get(&id)? as usize)
    }

    /// Ranks again what has changed.
    pub(super) fn rerank(&mut self) {
        for slot in std::mem::take(&mut self.moved) {
            let entry = &mut self.slots[slot as usize];
            if entry.ranked.is_none() {
                let new = rank(entry, &self.placing);
                entry.ranked = Some(new);
                let kind = place(entry.resource.platform.runs());
                self.ranks[kind].insert((new, entry.resource.id, slot));
            }
        }
    }

    /// Resources of a kind, the best first, as of the last
    /// [`rerank`](Inventory::rerank), with what is free on each.
    pub(super) fn ranked(&self, kind: PartKind) -> impl Iterator<Item = (u32, &Free)> {
        let ranks = &self.ranks[place(kind)];
        ranks
            .iter()
            .map(|&(_, _, slot)| (slot, &self.free[slot as usize]))
    }

    fn recount(&mut self, slot: u32) {
        self.free[slot as usize] = self.slots[slot as usize].free();
    }

    /// What counts for a resource's rank is about to be or has been changed; but
    /// not yet its name and platform.
    fn unrank(&mut self, slot: u32) {
        let entry = &mut self.slots[slot as usize];
        if let Some(old) = entry.ranked.take() {
            let kind = place(entry.resource.platform.runs());
            self.ranks[kind].remove(&(old, entry.resource.id, slot));
            self.moved.push(slot);
        }
    }

    pub(super) fn known<'a>(&self, entry: &'a Entry, metric: Metric, now: Time) -> Known<'a> {
        if metric.index() < Metric::SAMPLED {
            let value = entry.readings.get(metric, now, self.stale_after);
            return value.map_or(Known::Missing, Known::Number);
        }
        if metric == Metric::Staleness {
            let newest = entry.readings.newest();
            return newest.map_or(Known::Missing, |at| {
                Known::Number(now.since(at).as_secs_f64())
            });
        }
        entry.resource.described(metric)
    }
}

/// What is free on a resource, in the smallest units; without limit, the largest
/// number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Free {
    pub(super) cpu: u64,
    pub(super) memory: u64,
    pub(super) storage: u64,
}

impl Free {
    pub(super) fn fits(&self, demand: &Demand) -> bool {
        demand.cpu.0 <= self.cpu
            && demand.memory.0 <= self.memory
            && demand.storage.0 <= self.storage
    }
}

impl Entry {
    /// As the monitor sees it.
    pub(crate) fn source(&self) -> Source<'_> {
        Source {
            readings: &self.readings,
            resource: &self.resource,
        }
    }

    pub(super) fn free(&self) -> Free {
        let Capacity {
            cpu,
            memory,
            storage,
        } = self.resource.capacity;
        let free = |of: Option<u64>, used: u64| of.map_or(u64::MAX, |of| of.saturating_sub(used));
        Free {
            cpu: free(cpu.map(|c| c.0), self.used.cpu.0),
            memory: free(memory.map(|m| m.0), self.used.memory.0),
            storage: free(storage.map(|s| s.0), self.used.storage.0),
        }
    }

    pub(crate) fn locked_by(&self) -> Option<DeploymentId> {
        let exclusive = self.occupants.iter().find(|occupant| occupant.exclusive);
        exclusive.map(|occupant| occupant.instance.part.deployment)
    }

    /// The share of its scarcest capacity that is taken; 0 without limits.
    pub(super) fn load(&self) -> f64 {
        let Capacity {
            cpu,
            memory,
            storage,
        } = self.resource.capacity;
        let share = |used: u64, of: Option<u64>| match of {
            None => 0.0,
            Some(0) => 1.0,
            Some(of) => used as f64 / of as f64,
        };
        share(self.used.cpu.0, cpu.map(|c| c.0))
            .max(share(self.used.memory.0, memory.map(|m| m.0)))
            .max(share(self.used.storage.0, storage.map(|s| s.0)))
    }
}

impl Lookup for Inventory {
    fn source(&self, resource: ResourceId) -> Option<Source<'_>> {
        self.entry(resource).map(Entry::source)
    }
}

fn place(kind: PartKind) -> usize {
    match kind {
        PartKind::Function => 0,
        PartKind::Service => 1,
    }
}
