//! How closely limits follow a demand that is known: that of a closed loop, each
//! of whose active threads uses one core. Grows with the changes of limits, not
//! with the work done.

use tidegate_core::Span;
use tidegate_workloads::load::Concurrency;

use crate::outcome::Metric;

/// A limit covers a demand from this share of it on.
const COVERS: f64 = 0.99;
/// A limit has come down to a demand when it is at most this many times as high:
/// four fifths of it are used.
const BAND: f64 = 1.25;

/// The sum of all CPU limits over time.
#[derive(Debug)]
pub(super) struct Tracking {
    demand: Concurrency,
    /// CFS period of the hosts.
    period: Span,
    /// When, since the client began, and cores from then on.
    changes: Vec<(Span, f64)>,
}

/// One whole step of the demand.
struct Step<'a> {
    tracking: &'a Tracking,
    begin: Span,
    end: Span,
    before: f64,
    demand: f64,
}

impl Tracking {
    pub(super) fn new(demand: Concurrency, period: Span) -> Tracking {
        Tracking {
            demand,
            period,
            changes: Vec::new(),
        }
    }

    /// From `time` on the limits come to `cores`.
    pub(super) fn limit(&mut self, time: Span, cores: f64) {
        match self.changes.last_mut() {
            Some((last, value)) if *last == time => *value = cores,
            _ => self.changes.push((time, cores)),
        }
    }

    /// The limit in force at `time`.
    fn at(&self, time: Span) -> f64 {
        let next = self.changes.partition_point(|change| change.0 <= time);
        self.changes[..next].last().map_or(0.0, |change| change.1)
    }

    /// The times from `begin` to `end` at which the limit is written, the limit
    /// from then on, and until when it holds; `begin` itself comes first.
    fn pieces(&self, begin: Span, end: Span) -> impl Iterator<Item = (Span, f64, Span)> + '_ {
        let first = self.changes.partition_point(|change| change.0 <= begin);
        let later = self.changes[first..].iter().copied();
        let starts = std::iter::once((begin, self.at(begin)))
            .chain(later)
            .take_while(move |&(time, _)| time < end);
        let ends = self.changes[first..]
            .iter()
            .map(|change| change.0)
            .chain(std::iter::repeat(end));
        starts
            .zip(ends)
            .map(move |((time, limit), until)| (time, limit, until.min(end)))
    }

    /// All whole steps of `duration`.
    fn steps(&self, duration: Span) -> impl Iterator<Item = Step<'_>> {
        let length = self.demand.step().0;
        (0..duration.0 / length).map(move |index| Step {
            tracking: self,
            begin: Span(index * length),
            end: Span((index + 1) * length),
            before: f64::from(self.demand.during(index.saturating_sub(1))),
            demand: f64::from(self.demand.during(index)),
        })
    }

    /// The numbers of a run of `duration`. The first step is no change of demand;
    /// the last one counts only if it is whole.
    pub(super) fn metrics(&self, duration: Span) -> Vec<Metric> {
        let (mut up, mut down, mut missed) = (Vec::new(), Vec::new(), 0);
        let mut overshoot = f64::NAN;
        let (mut short, mut over, mut time) = (0.0, 0.0, 0.0);
        let (mut changes, mut range) = (Vec::new(), f64::NAN);
        for step in self.steps(duration) {
            let follows = match step.demand.total_cmp(&step.before) {
                std::cmp::Ordering::Equal => None,
                std::cmp::Ordering::Greater => Some((&mut up, step.covered())),
                std::cmp::Ordering::Less => Some((&mut down, step.come_down())),
            };
            if let Some((kind, followed)) = follows {
                missed += u64::from(followed.is_none());
                let taken = followed.unwrap_or(step.end).0 - step.begin.0;
                kind.push(taken as f64 / self.period.0 as f64);
                if step.demand > step.before
                    && let Some(from) = followed
                {
                    overshoot = step.highest(from).max(overshoot);
                }
            }
            for (from, limit, until) in self.pieces(step.begin, step.end) {
                let seconds = Span(until.0 - from.0).as_secs_f64();
                short += (step.demand - limit).max(0.0) * seconds;
                over += (limit - step.demand).max(0.0) * seconds;
                time += seconds;
            }
            let swing = step.steady(&mut changes);
            range = swing.max(range);
        }
        changes.sort_by(f64::total_cmp);
        let p99 = changes
            .len()
            .saturating_mul(99)
            .div_ceil(100)
            .checked_sub(1);
        let p99 = p99.and_then(|index| changes.get(index)).copied();
        let metric = |name, unit, value| Metric { name, unit, value };
        vec![
            metric("tracking_up_mean_periods", "periods", mean(&up)),
            metric("tracking_up_max_periods", "periods", highest(&up)),
            metric("tracking_down_mean_periods", "periods", mean(&down)),
            metric("tracking_down_max_periods", "periods", highest(&down)),
            metric("tracking_missed_steps", "steps", missed as f64),
            metric("tracking_overshoot_max_cores", "cores", overshoot),
            metric("tracking_shortfall_mean_cores", "cores", short / time),
            metric("tracking_excess_mean_cores", "cores", over / time),
            metric(
                "tracking_steady_change_p99_cores",
                "cores",
                p99.unwrap_or(f64::NAN),
            ),
            metric("tracking_steady_range_max_cores", "cores", range),
        ]
    }
}

impl Step<'_> {
    /// When the limit first covers the demand.
    fn covered(&self) -> Option<Span> {
        self.first(|limit| limit >= self.demand * COVERS)
    }

    /// When the limit has first come down to the demand.
    fn come_down(&self) -> Option<Span> {
        self.first(|limit| limit <= self.demand * BAND)
    }

    fn first(&self, holds: impl Fn(f64) -> bool) -> Option<Span> {
        let mut pieces = self.tracking.pieces(self.begin, self.end);
        pieces
            .find(|&(_, limit, _)| holds(limit))
            .map(|(time, ..)| time)
    }

    /// How far above the demand the limit comes from `from` on.
    fn highest(&self, from: Span) -> f64 {
        let limits = self.tracking.pieces(from, self.end);
        let highest = limits.map(|(_, limit, _)| limit).fold(0.0, f64::max);
        (highest - self.demand).max(0.0)
    }

    /// How far apart limits are in the second half of the step; adds how much they
    /// change from period to period there.
    fn steady(&self, changes: &mut Vec<f64>) -> f64 {
        let begin = Span((self.begin.0 + self.end.0) / 2);
        let period = self.tracking.period;
        let mut time = begin;
        while time + period <= self.end {
            let (before, after) = (self.tracking.at(time), self.tracking.at(time + period));
            changes.push((after - before).abs());
            time += period;
        }
        let limits = self.tracking.pieces(begin, self.end);
        let (low, high) = limits.fold((f64::INFINITY, 0.0_f64), |(low, high), (_, limit, _)| {
            (low.min(limit), high.max(limit))
        });
        high - low
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Not a number of none.
fn highest(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::NAN, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PERIOD: Span = Span::from_millis(100);

    fn tracking(threads: &[u32], changes: &[(u64, f64)]) -> Tracking {
        let demand = Concurrency::new(threads, Span::from_secs(1)).unwrap();
        let mut tracking = Tracking::new(demand, PERIOD);
        for &(ms, cores) in changes {
            tracking.limit(Span::from_millis(ms), cores);
        }
        tracking
    }

    #[track_caller]
    fn assert_metrics(tracking: &Tracking, seconds: u64, expected: &[(&str, f64)]) {
        let metrics = tracking.metrics(Span::from_secs(seconds));
        for &(name, value) in expected {
            let name = format!("tracking_{name}");
            let found = metrics.iter().find(|metric| metric.name == name);
            let found = found.unwrap_or_else(|| panic!("no {name}")).value;
            let same = (found - value).abs() < 1e-9 || found.is_nan() && value.is_nan();
            assert!(same, "{name} is {found}, not {value}");
        }
    }

    #[test]
    fn steps_are_timed_from_the_change_of_demand() {
        // Up from 1 to 4 at 1 s, down to 1 at 2 s.
        let changes = [
            (0, 1.2),
            (1_100, 2.0),
            (1_250, 5.0),
            (1_900, 4.5),
            (2_400, 1.26),
            (2_650, 1.2),
        ];
        assert_metrics(
            &tracking(&[1, 4], &changes),
            3,
            &[
                ("up_mean_periods", 2.5),
                ("up_max_periods", 2.5),
                ("down_max_periods", 6.5),
                ("missed_steps", 0.0),
                ("overshoot_max_cores", 1.0),
                // 2.8 for 100 ms, then 2 for 150 ms, of three seconds.
                ("shortfall_mean_cores", 0.58 / 3.0),
                // 0.2, then 1 and 0.5, then 3.5, 0.26 and 0.2.
                (
                    "excess_mean_cores",
                    (0.2 + 0.65 + 0.05 + 1.4 + 0.065 + 0.07) / 3.0,
                ),
                ("steady_range_max_cores", 0.5),
            ],
        );
    }

    #[test]
    fn a_step_never_followed_counts_as_long_as_it_lasts() {
        let expected = [
            ("up_max_periods", 10.0),
            ("down_max_periods", 0.0),
            ("missed_steps", 1.0),
            ("overshoot_max_cores", f64::NAN),
            ("steady_change_p99_cores", 0.0),
            ("steady_range_max_cores", 0.0),
        ];
        assert_metrics(&tracking(&[1, 4], &[(0, 1.0)]), 3, &expected);
        // A step that is not whole is left out.
        let up = [("up_mean_periods", f64::NAN), ("missed_steps", 0.0)];
        assert_metrics(&tracking(&[1, 4], &[(0, 1.0)]), 1, &up);
    }

    #[test]
    fn changes_in_steady_load_are_by_period() {
        // Half a core up and down again, each 200 ms, all the time.
        let changes: Vec<(u64, f64)> = (0..20)
            .map(|index| (index * 100 + 50, 1.0 + 0.25 * (index % 2) as f64))
            .collect();
        let expected = [
            ("steady_change_p99_cores", 0.25),
            ("steady_range_max_cores", 0.25),
        ];
        assert_metrics(&tracking(&[1], &changes), 2, &expected);
    }

    proptest! {
        #[test]
        fn shortfall_and_excess_are_the_distance_between_limit_and_demand(
            changes in proptest::collection::vec((0_u64..6_000, 0.0_f64..8.0), 1..40),
        ) {
            let mut changes = changes;
            changes.push((0, 2.0));
            changes.sort_by_key(|change| change.0);
            let tracking = tracking(&[1, 3, 2], &changes);
            let metrics = tracking.metrics(Span::from_secs(6));
            let value = |name: &str| {
                metrics.iter().find(|metric| metric.name == name).map(|metric| metric.value)
            };
            let mean = |pick: fn(f64) -> f64| -> f64 {
                let total: f64 = (0..6_000_u64)
                    .map(|ms| {
                        let demand = f64::from(tracking.demand.during(ms / 1_000));
                        pick(tracking.at(Span::from_millis(ms)) - demand)
                    })
                    .sum();
                total / 6_000.0
            };
            let near = |found: Option<f64>, expected: f64| {
                found.is_some_and(|found| (found - expected).abs() < 1e-6)
            };
            prop_assert!(near(
                value("tracking_shortfall_mean_cores"),
                mean(|over| (-over).max(0.0)),
            ));
            prop_assert!(near(value("tracking_excess_mean_cores"), mean(|over| over.max(0.0))));
        }
    }
}
