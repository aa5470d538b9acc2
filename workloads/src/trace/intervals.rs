//! What was seen in each interval of a trace, in whatever order rows come.

use std::collections::VecDeque;

use tidegate_core::Span;

use super::layout::Measure;
use super::series::Series;

/// Intervals from the first row to any other; v2018 has 69,120, two weeks of calls
/// by the second 1,209,600.
const MAX_INTERVALS: u64 = 1_500_000;

/// What becomes of several values of one interval, or of one step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aggregate {
    /// Their mean.
    Mean,
    /// Their sum.
    Sum,
    /// The highest.
    Max,
}

/// Values of one interval or step.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Values {
    sum: f64,
    most: f64,
    pub(crate) count: u64,
}

impl Values {
    pub(crate) fn add(&mut self, value: f64) {
        self.sum += value;
        self.most = self.most.max(value);
        self.count += 1;
    }

    /// What they come to, if there are any.
    pub(crate) fn come_to(&self, aggregate: Aggregate) -> Option<f64> {
        let value = match aggregate {
            Aggregate::Mean => self.sum / self.count as f64,
            Aggregate::Sum => self.sum,
            Aggregate::Max => self.most,
        };
        (self.count > 0).then_some(value)
    }
}

/// What was seen in each interval.
#[derive(Clone, Debug)]
pub(crate) struct Intervals {
    length: Span,
    /// The number of the first row's interval.
    first: u64,
    /// The number of the interval that stands first.
    base: u64,
    seen: VecDeque<Values>,
}

impl Intervals {
    pub(crate) fn new(length: Span) -> Intervals {
        Intervals {
            length,
            first: 0,
            base: 0,
            seen: VecDeque::new(),
        }
    }

    /// Adds a value at a time in nanoseconds.
    ///
    /// # Errors
    /// When the time is too far from the first one: what is wrong with it.
    pub(crate) fn add(&mut self, time: u64, value: f64) -> Result<(), String> {
        let interval = time / self.length.0;
        if self.seen.is_empty() {
            (self.first, self.base) = (interval, interval);
        }
        if interval.abs_diff(self.first) > MAX_INTERVALS {
            let limit = self.length * MAX_INTERVALS;
            return Err(format!("lies more than {limit} from the first row's time"));
        }
        while interval < self.base {
            self.base -= 1;
            self.seen.push_front(Values::default());
        }
        let place = (interval - self.base) as usize;
        if place >= self.seen.len() {
            self.seen.resize(place + 1, Values::default());
        }
        self.seen[place].add(value);
        Ok(())
    }

    /// How many intervals have no value, and how many of these stand in a row at
    /// most.
    pub(crate) fn silent(&self) -> (u64, u64) {
        let (mut silent, mut run, mut longest) = (0, 0, 0);
        for values in &self.seen {
            run = if values.count == 0 { run + 1 } else { 0 };
            silent += u64::from(values.count == 0);
            longest = longest.max(run);
        }
        (silent, longest)
    }

    /// From the beginning of the first to the end of the last interval; none
    /// without a value.
    pub(crate) fn span(&self) -> Option<(Span, Span)> {
        let end = self.base + self.seen.len() as u64;
        (!self.seen.is_empty()).then(|| (self.length * self.base, self.length * end))
    }

    /// One value per `step`, at least an interval; none without a value.
    ///
    /// A step's value is the mean over the intervals seen in it, or the highest of
    /// them. Steps without any repeat the one before; but where rows are calls,
    /// none means that there were none.
    pub(crate) fn series(
        &self,
        step: Span,
        measure: Measure,
        aggregate: Aggregate,
    ) -> Option<Series> {
        let step = step.max(self.length);
        let is_count = matches!(measure, Measure::Minutes | Measure::Calls);
        // Calls of a step are counted over all of it, also of the last, which the
        // trace may not fill.
        // Divided, a minute is 60 and no bit more.
        let seconds = |span: Span| span.0 as f64 / 1e9;
        let (over_steps, seconds) = match (aggregate, is_count) {
            (Aggregate::Max, false) => (Aggregate::Max, 1.0),
            (Aggregate::Max, true) => (Aggregate::Max, seconds(self.length)),
            (_, false) => (Aggregate::Mean, 1.0),
            (_, true) => (Aggregate::Sum, seconds(step)),
        };
        let index = |place: usize| {
            let time = u128::from(self.base + place as u64) * u128::from(self.length.0);
            (time / u128::from(step.0)) as u64
        };
        let mut values: Vec<f64> = Vec::new();
        let mut current: Option<(u64, Values)> = None;
        let finish = |values: &mut Vec<f64>, of_step: &Values| {
            let held = values.last().copied();
            values.extend(
                of_step
                    .come_to(over_steps)
                    .map(|value| value / seconds)
                    .or(held),
            );
        };
        for (place, interval) in self.seen.iter().enumerate() {
            let step = index(place);
            match &mut current {
                Some((number, _)) if *number == step => {}
                Some((_, of_step)) => {
                    finish(&mut values, of_step);
                    current = Some((step, Values::default()));
                }
                None => current = Some((step, Values::default())),
            }
            let none = is_count.then_some(0.0);
            if let Some(value) = interval.come_to(aggregate).or(none)
                && let Some((_, of_step)) = &mut current
            {
                of_step.add(value);
            }
        }
        if let Some((_, of_step)) = &current {
            finish(&mut values, of_step);
        }
        (!values.is_empty()).then_some(Series { step, values })
    }
}
