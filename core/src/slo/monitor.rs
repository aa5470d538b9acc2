//! All watches: which objectives are judged when a sample arrives, when time has
//! passed, and at the period.
//!
//! A watch is one objective of one deployment on one resource; parts of the
//! deployment that stand there share it, except for metrics of an instance. The
//! cost of a sample is the number of watches on that metric of that resource.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::metric::{Metric, Origin};
use super::objective::{Objective, Value};
use super::readings::{Known, Readings};
use super::watch::{Edge, State, Verdict};
use crate::id::{DeploymentId, InstanceId, ResourceId};
use crate::manager::config::Monitoring;
use crate::placement::Resource;
use crate::units::{Span, Time};

#[cfg(test)]
mod tests;

/// Names a watch as long as it lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct WatchId(u32);

/// One objective of one deployment on one resource.
#[derive(Clone, Debug)]
pub(crate) struct Watch {
    pub(crate) deployment: DeploymentId,
    pub(crate) resource: ResourceId,
    /// For metrics of an instance: whose.
    pub(crate) instance: Option<InstanceId>,
    pub(crate) objective: Objective,
    pub(crate) state: State,
    /// The number of the alert that fires.
    pub(crate) alert: Option<u32>,
    /// The instances that it is for.
    users: Vec<InstanceId>,
    /// A metric that was never seen is missing only some time after this.
    began: Time,
    /// When it is looked at without a sample. Never later than needed; but it may
    /// be too early, because a sample that puts it off does not move it and so
    /// stays cheap.
    due: Option<Time>,
}

impl Watch {
    /// The instances that it is for.
    pub(crate) fn users(&self) -> impl Iterator<Item = InstanceId> {
        self.users.iter().copied()
    }
}

/// What came of an evaluation.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Finding {
    pub(crate) watch: WatchId,
    pub(crate) edge: Edge,
    pub(crate) value: Value,
}

/// A resource as it is measured and described.
#[derive(Clone, Copy)]
pub(crate) struct Source<'a> {
    pub(crate) readings: &'a Readings,
    pub(crate) resource: &'a Resource,
}

/// Where the values of resources come from.
pub(crate) trait Lookup {
    /// A resource, if it exists.
    fn source(&self, resource: ResourceId) -> Option<Source<'_>>;
}

/// No values.
const NEVER: (f64, f64) = (f64::INFINITY, f64::NEG_INFINITY);

/// Everything that is watched.
#[derive(Debug)]
pub(crate) struct Monitor {
    watches: Watches,
    free: Vec<u32>,
    /// Sorted by metric and name.
    by_resource: HashMap<ResourceId, Vec<(Metric, WatchId)>>,
    instances: BTreeMap<InstanceId, Instance>,
    next_period: Option<Time>,
}

/// The watches themselves, and when time alone makes them due.
#[derive(Debug)]
struct Watches {
    config: Monitoring,
    slots: Vec<Option<Watch>>,
    /// For each slot the values from (lowest, highest) that leave its watch as it
    /// is. Most samples are such, and end here: a watch with all it has is in
    /// memory that a processor's caches do not hold for long.
    quiet: Vec<(f64, f64)>,
    /// Each watch that has one with its `due`.
    due: BTreeSet<(Time, WatchId)>,
}

/// An instance that is watched.
#[derive(Debug, Default)]
struct Instance {
    readings: Readings,
    watches: Vec<WatchId>,
}

impl Monitor {
    pub(crate) fn new(config: Monitoring, now: Time) -> Monitor {
        Monitor {
            next_period: config.period.map(|period| now + period),
            watches: Watches {
                config,
                slots: Vec::new(),
                quiet: Vec::new(),
                due: BTreeSet::new(),
            },
            free: Vec::new(),
            by_resource: HashMap::new(),
            instances: BTreeMap::new(),
        }
    }

    pub(crate) fn get(&self, id: WatchId) -> Option<&Watch> {
        self.watches.slots.get(id.0 as usize)?.as_ref()
    }

    pub(crate) fn get_mut(&mut self, id: WatchId) -> Option<&mut Watch> {
        self.watches.slots.get_mut(id.0 as usize)?.as_mut()
    }

    /// The watches of an instance.
    pub(crate) fn of(&self, instance: InstanceId) -> impl Iterator<Item = (WatchId, &Watch)> {
        let ids = self
            .instances
            .get(&instance)
            .map_or(&[][..], |i| &i.watches);
        ids.iter().filter_map(|&id| Some((id, self.get(id)?)))
    }

    /// Begins to watch an instance; nothing if it is watched. What is violated
    /// already has been since `now`, except where `firing` says that it was when
    /// the state was written down: (failing since, told when, number of the alert).
    pub(crate) fn begin<'a>(
        &mut self,
        now: Time,
        instance: InstanceId,
        resource: ResourceId,
        objectives: impl Iterator<Item = &'a Objective>,
        firing: impl Fn(&Objective) -> Option<(Time, Time, u32)>,
    ) {
        if self.instances.contains_key(&instance) {
            return;
        }
        let mut ids = Vec::new();
        for objective in objectives {
            let own = objective.metric.origin() == Origin::Instance;
            let shared = (!own).then(|| self.shared(instance.part.deployment, resource, objective));
            let id = match shared.flatten() {
                Some(id) => id,
                None => {
                    let open = firing(objective);
                    let state = open.map_or(State::Met, |(since, fired, _)| State::Firing {
                        since,
                        fired,
                    });
                    self.add(Watch {
                        deployment: instance.part.deployment,
                        resource,
                        instance: own.then_some(instance),
                        objective: objective.clone(),
                        state,
                        alert: open.map(|(.., number)| number),
                        users: Vec::new(),
                        began: now,
                        due: None,
                    })
                }
            };
            if let Some(watch) = self.get_mut(id)
                && !watch.users.contains(&instance)
            {
                watch.users.push(instance);
                ids.push(id);
            }
        }
        self.instances.entry(instance).or_default().watches = ids;
    }

    /// Judges the watches of an instance that has just come under watch.
    pub(crate) fn first_look(
        &mut self,
        now: Time,
        instance: InstanceId,
        lookup: &impl Lookup,
        found: &mut Vec<Finding>,
    ) {
        if !self.watches.config.push {
            return;
        }
        let ids = self.instances.get(&instance).map(|i| i.watches.clone());
        for id in ids.unwrap_or_default() {
            self.look(now, id, lookup, found);
        }
    }

    /// Stops watching an instance. Returns the watches that ended with it.
    pub(crate) fn end(&mut self, instance: InstanceId) -> Vec<(WatchId, Watch)> {
        let Some(entry) = self.instances.remove(&instance) else {
            return Vec::new();
        };
        let mut ended = Vec::new();
        for id in entry.watches {
            let Some(watch) = self.get_mut(id) else {
                continue;
            };
            watch.users.retain(|&user| user != instance);
            if watch.users.is_empty()
                && let Some(watch) = self.watches.slots[id.0 as usize].take()
            {
                self.free.push(id.0);
                if let Some(due) = watch.due {
                    self.watches.due.remove(&(due, id));
                }
                if let Some(list) = self.by_resource.get_mut(&watch.resource) {
                    list.retain(|&(_, other)| other != id);
                    if list.is_empty() {
                        self.by_resource.remove(&watch.resource);
                    }
                }
                ended.push((id, watch));
            }
        }
        ended
    }

    fn shared(
        &self,
        deployment: DeploymentId,
        resource: ResourceId,
        objective: &Objective,
    ) -> Option<WatchId> {
        let same = |watch: &Watch| {
            watch.deployment == deployment
                && watch.instance.is_none()
                && watch.objective == *objective
        };
        self.on(resource, objective.metric)
            .find(|&id| self.get(id).is_some_and(same))
    }

    fn add(&mut self, watch: Watch) -> WatchId {
        let place = (watch.resource, watch.objective.metric);
        let id = match self.free.pop() {
            Some(id) => {
                self.watches.slots[id as usize] = Some(watch);
                self.watches.quiet[id as usize] = NEVER;
                WatchId(id)
            }
            None => {
                self.watches.slots.push(Some(watch));
                self.watches.quiet.push(NEVER);
                WatchId(self.watches.slots.len() as u32 - 1)
            }
        };
        let list = self.by_resource.entry(place.0).or_default();
        let at = list.partition_point(|&other| other < (place.1, id));
        list.insert(at, (place.1, id));
        id
    }

    /// The watches of one metric of a resource and of its instances.
    fn on(&self, resource: ResourceId, metric: Metric) -> impl Iterator<Item = WatchId> {
        let list = self.by_resource.get(&resource);
        of_metric(list.map_or(&[], Vec::as_slice), metric)
    }

    /// A metric of a resource has a new value.
    pub(crate) fn sampled(
        &mut self,
        now: Time,
        metric: Metric,
        source: Source<'_>,
        found: &mut Vec<Finding>,
    ) {
        if !self.watches.config.push {
            return;
        }
        let Some(list) = self.by_resource.get(&source.resource.id) else {
            return;
        };
        let stale_after = self.watches.config.stale_after;
        let value = source.readings.get(metric, now, stale_after);
        for id in of_metric(list, metric) {
            if !value.is_some_and(|value| self.watches.is_quiet(id, value)) {
                self.watches.judge(now, id, Some(source), None, found);
            }
        }
        // The age of a resource's newest sample has changed as well.
        for id in of_metric(list, Metric::Staleness) {
            self.watches.judge(now, id, Some(source), None, found);
        }
    }

    /// A metric of an instance has a new value.
    pub(crate) fn sampled_instance(
        &mut self,
        now: Time,
        (instance, metric, value, at): (InstanceId, Metric, f64, Time),
        found: &mut Vec<Finding>,
    ) {
        let Some(entry) = self.instances.get_mut(&instance) else {
            return;
        };
        if metric.origin() != Origin::Instance || !entry.readings.record(metric, value, at) {
            return;
        }
        if !self.watches.config.push {
            return;
        }
        for &id in &entry.watches {
            let watch = self.watches.slots.get(id.0 as usize);
            if let Some(Some(watch)) = watch
                && watch.objective.metric == metric
            {
                let readings = Some(&entry.readings);
                self.watches.judge(now, id, None, readings, found);
            }
        }
    }

    /// The description of a resource has changed.
    pub(crate) fn described(
        &mut self,
        now: Time,
        resource: ResourceId,
        lookup: &impl Lookup,
        found: &mut Vec<Finding>,
    ) {
        if !self.watches.config.push {
            return;
        }
        let source = lookup.source(resource);
        let list = self.by_resource.get(&resource);
        for &(metric, id) in list.map_or(&[][..], Vec::as_slice) {
            if metric.origin() == Origin::Inventory {
                self.watches.judge(now, id, source, None, found);
            }
        }
    }

    /// Judges everything, as the original does at each period.
    fn evaluate(&mut self, now: Time, lookup: &impl Lookup, found: &mut Vec<Finding>) {
        for index in 0..self.watches.slots.len() {
            self.look(now, WatchId(index as u32), lookup, found);
        }
    }

    /// Judges one watch by what is known of whom it watches.
    fn look(&mut self, now: Time, id: WatchId, lookup: &impl Lookup, found: &mut Vec<Finding>) {
        let Some(watch) = self.get(id) else {
            return;
        };
        let source = lookup.source(watch.resource);
        let instance = watch.instance.and_then(|one| self.instances.get(&one));
        let own = instance.map(|one| &one.readings);
        self.watches.judge(now, id, source, own, found);
    }

    /// When [`wake`](Monitor::wake) must be called next.
    pub(crate) fn next_wake(&self) -> Option<Time> {
        let due = self.watches.due.first().map(|&(at, _)| at);
        [due, self.next_period].into_iter().flatten().min()
    }

    /// Judges what time alone may have changed, and everything if the period is
    /// over.
    pub(crate) fn wake(&mut self, now: Time, lookup: &impl Lookup, found: &mut Vec<Finding>) {
        while let Some(&(at, id)) = self.watches.due.first()
            && at <= now
        {
            self.watches.due.remove(&(at, id));
            if let Some(watch) = self.get_mut(id) {
                watch.due = None;
            }
            self.look(now, id, lookup, found);
        }
        if self.next_period.is_some_and(|at| at <= now) {
            self.evaluate(now, lookup, found);
            self.next_period = self.watches.config.period.map(|period| now + period);
        }
    }
}

impl Watches {
    /// Whether a fresh value leaves a watch as it is.
    fn is_quiet(&self, id: WatchId, value: f64) -> bool {
        let (lowest, highest) = self.quiet[id.0 as usize];
        lowest <= value && value <= highest
    }

    /// Judges one watch by its resource or, for metrics of an instance, by `own`.
    fn judge(
        &mut self,
        now: Time,
        id: WatchId,
        source: Option<Source<'_>>,
        own: Option<&Readings>,
        found: &mut Vec<Finding>,
    ) {
        let Some(Some(watch)) = self.slots.get_mut(id.0 as usize) else {
            return;
        };
        let metric = watch.objective.metric;
        let readings = own.or(source.map(|source| source.readings));
        let (known, last) = match metric.origin() {
            Origin::Inventory => {
                let described = source.map(|source| source.resource.described(metric));
                (described.unwrap_or(Known::Missing), None)
            }
            Origin::Age => {
                let newest = readings.and_then(Readings::newest);
                let age = newest.map(|at| now.since(at).as_secs_f64());
                (age.map_or(Known::Missing, Known::Number), newest)
            }
            Origin::Resource | Origin::Instance => {
                let value = readings.and_then(|r| r.get(metric, now, self.config.stale_after));
                let last = readings.and_then(|r| r.measured(metric));
                (value.map_or(Known::Missing, Known::Number), last)
            }
        };
        let missing = known == Known::Missing;
        // What was never seen may be on its way.
        let awaited = missing
            && metric.origin() != Origin::Inventory
            && last.is_none()
            && now.since(watch.began) < self.config.stale_after;
        let before = watch.state;
        if !(awaited || missing && !self.config.missing_violates) {
            let met = if watch.state.is_violated() {
                known.clears(&watch.objective)
            } else {
                known.meets(&watch.objective)
            };
            let verdict = if met { Verdict::Met } else { Verdict::Failed };
            if let Some(edge) = watch.state.judge(now, verdict, &watch.objective) {
                found.push(Finding {
                    watch: id,
                    edge,
                    value: known.to_value(),
                });
            }
        }
        if self.config.push {
            let fades = match metric.origin() {
                Origin::Inventory => None,
                Origin::Age => last.and_then(|newest| crossing(&watch.objective, newest, now)),
                Origin::Resource | Origin::Instance => last.map(|at| at + self.config.stale_after),
            };
            let fades = fades.or(awaited.then(|| watch.began + self.config.stale_after));
            let fades = fades.filter(|&at| at > now);
            let state = watch.state.due(&watch.objective).filter(|&at| at > now);
            let due = [fades, state].into_iter().flatten().min();
            let sooner = due.is_some_and(|new| watch.due.is_none_or(|old| new < old));
            if sooner || watch.state != before && watch.due != due {
                if let Some(old) = watch.due {
                    self.due.remove(&(old, id));
                }
                if let Some(new) = due {
                    self.due.insert((new, id));
                }
                watch.due = due;
            }
            // Without a wake-up, a value must be seen to plan one.
            let calm = watch.state == State::Met && watch.due.is_some();
            self.quiet[id.0 as usize] = if calm && metric.origin() == Origin::Resource && !missing {
                watch.objective.condition.span().unwrap_or(NEVER)
            } else {
                NEVER
            };
        }
    }
}

/// The watches of one metric in a list that is sorted by it.
fn of_metric(list: &[(Metric, WatchId)], metric: Metric) -> impl Iterator<Item = WatchId> {
    let from = list.partition_point(|&(other, _)| other < metric);
    list[from..]
        .iter()
        .take_while(move |&&(other, _)| other == metric)
        .map(|&(_, id)| id)
}

/// When the age of what was measured at `newest` next crosses a limit of
/// `objective`: just after, where `<` and `<=` agree.
fn crossing(objective: &Objective, newest: Time, now: Time) -> Option<Time> {
    let margins = [-objective.margin, 0.0, objective.margin];
    objective
        .condition
        .limits()
        .flat_map(|limit| margins.map(|margin| limit + margin))
        .filter(|limit| (0.0..1e9).contains(limit))
        .map(|limit| newest + Span::from_secs_f64(limit) + Span(1))
        .filter(|&at| at > now)
        .min()
}
