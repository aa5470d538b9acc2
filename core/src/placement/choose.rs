//! Choosing one resource for a part, and explaining all of them.

use std::cmp::Ordering;

use super::choice::{Choice, Rejection, Verdict};
use super::filter::{Query, Why};
use super::inventory::{Entry, Inventory};
use super::score::{rank, score};
use crate::id::ResourceId;
use crate::manager::config::Strategy;
use crate::slo::readings::Known;
use crate::slo::{Condition, Kind, Objective, Operator};
use crate::units::Time;

impl Inventory {
    /// The best resource that fits, if any does.
    ///
    /// Scored resources are looked at from the best on, so that most placements
    /// look at few. Filter-and-sort orders by the part's own objectives and has
    /// to look at all.
    pub fn choose(&mut self, query: &Query<'_>, now: Time) -> Option<Choice> {
        if let Some(target) = query.target {
            let entry = self.entry(target)?;
            let fits = self.reject(entry, query, now).is_none();
            return fits.then(|| self.chosen(entry, Passed::default(), query, now));
        }
        match self.placing.strategy {
            // A ranking of thousands is no help where the ensemble names a few.
            Strategy::Scored if query.ensemble.is_none() => self.first_ranked(query, now),
            Strategy::Scored | Strategy::FilterAndSort => self.first_sorted(query, now),
        }
    }

    /// Every resource with its verdict, the best first: why a choice was made, why
    /// the others were not. Agrees with [`choose`](Inventory::choose), which is
    /// much cheaper.
    pub fn explain(&self, query: &Query<'_>, now: Time) -> Vec<(ResourceId, Verdict)> {
        let mut all: Vec<&Entry> = self.slots.iter().collect();
        all.sort_by(|a, b| self.order(a, b, query, now));
        all.into_iter()
            .map(|entry| {
                let verdict = match self.reject(entry, query, now) {
                    None => Verdict::Fits(score(entry, &self.placing)),
                    Some(why) => Verdict::Rejected(self.tell(why, entry, query, now)),
                };
                (entry.resource.id, verdict)
            })
            .collect()
    }

    /// The paper's selection (`POST /resources/slo`): all resources that meet the
    /// objectives, sorted. Knows nothing of capacity, locks or kinds.
    pub fn select(&self, objectives: &[&Objective], now: Time) -> Vec<ResourceId> {
        let mut found: Vec<&Entry> = self
            .slots
            .iter()
            .filter(|entry| objectives.iter().all(|o| self.meets(entry, o, now)))
            .collect();
        found.sort_by(|a, b| self.by_objectives(a, b, objectives, now));
        found.iter().map(|entry| entry.resource.id).collect()
    }

    /// Why a resource that the owner names cannot have a part; nothing if it can.
    pub fn check(&self, id: ResourceId, query: &Query<'_>, now: Time) -> Option<Rejection> {
        let entry = self.entry(id)?;
        let why = self.reject(entry, query, now)?;
        Some(self.tell(why, entry, query, now))
    }

    /// Whether a resource can have a part.
    pub(crate) fn can_have(&self, id: ResourceId, query: &Query<'_>, now: Time) -> bool {
        self.entry(id)
            .is_some_and(|entry| self.reject(entry, query, now).is_none())
    }

    fn first_ranked(&mut self, query: &Query<'_>, now: Time) -> Option<Choice> {
        self.rerank();
        let mut passed = Passed::default();
        for (slot, free) in self.ranked(query.kind) {
            // Of the first that is passed over the reason is told, so that it is
            // judged in full.
            if passed.count > 0 && self.placing.aware && !free.fits(&query.demand) {
                passed.count += 1;
                continue;
            }
            let entry = &self.slots[slot as usize];
            match self.reject(entry, query, now) {
                None => return Some(self.chosen(entry, passed, query, now)),
                Some(why) => {
                    passed.count += 1;
                    passed.first.get_or_insert((entry, why));
                }
            }
        }
        None
    }

    fn first_sorted(&self, query: &Query<'_>, now: Time) -> Option<Choice> {
        let listed: Vec<&Entry> = match query.ensemble {
            Some(ensemble) => ensemble.iter().filter_map(|&id| self.entry(id)).collect(),
            None => self.slots.iter().collect(),
        };
        let mut best: Option<&Entry> = None;
        let mut rejected = Vec::new();
        for entry in listed {
            match self.reject(entry, query, now) {
                None => {
                    let better = |best| self.order(entry, best, query, now).is_lt();
                    if best.is_none_or(better) {
                        best = Some(entry);
                    }
                }
                Some(Why::Platform) => {}
                Some(why) => rejected.push((entry, why)),
            }
        }
        let entry = best?;
        rejected.retain(|(other, _)| self.order(other, entry, query, now).is_lt());
        let passed = Passed {
            count: rejected.len() as u32,
            first: rejected
                .into_iter()
                .min_by(|(a, _), (b, _)| self.order(a, b, query, now)),
        };
        Some(self.chosen(entry, passed, query, now))
    }

    fn chosen(&self, entry: &Entry, passed: Passed<'_>, query: &Query<'_>, now: Time) -> Choice {
        Choice {
            resource: entry.resource.id,
            score: score(entry, &self.placing),
            passed_over: passed.count,
            best_passed_over: passed
                .first
                .map(|(other, why)| (other.resource.id, self.tell(why, other, query, now))),
        }
    }

    /// The order in which resources are preferred. Never equal.
    fn order(&self, a: &Entry, b: &Entry, query: &Query<'_>, now: Time) -> Ordering {
        match self.placing.strategy {
            Strategy::Scored => {
                let key = |entry: &Entry| (rank(entry, &self.placing), entry.resource.id);
                key(a).cmp(&key(b))
            }
            Strategy::FilterAndSort => self.by_objectives(a, b, query.objectives, now),
        }
    }

    /// By the objectives with a number, in their order: those with an upper limit
    /// upwards, all others downwards, what is missing last; then by name.
    fn by_objectives(
        &self,
        a: &Entry,
        b: &Entry,
        objectives: &[&Objective],
        now: Time,
    ) -> Ordering {
        for objective in objectives {
            if objective.metric.kind() == Kind::Name {
                continue;
            }
            let upwards = matches!(
                objective.condition,
                Condition::Compare(Operator::Less | Operator::AtMost, _)
            );
            let key = |entry| match self.known(entry, objective.metric, now) {
                Known::Number(value) if upwards => value,
                Known::Number(value) => -value,
                Known::Name(_) | Known::Missing => f64::INFINITY,
            };
            match key(a).total_cmp(&key(b)) {
                Ordering::Equal => {}
                order => return order,
            }
        }
        a.resource.id.cmp(&b.resource.id)
    }
}

/// Resources that would have been better.
#[derive(Default)]
struct Passed<'a> {
    count: u32,
    first: Option<(&'a Entry, Why)>,
}
