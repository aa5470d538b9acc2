//! The newest value of each sampled metric of one resource or instance.

use super::metric::Metric;
use super::objective::{Objective, Value};
use crate::units::{Span, Time};

/// What is known of a metric, borrowed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Known<'a> {
    Number(f64),
    Name(&'a str),
    Missing,
}

impl Known<'_> {
    pub(crate) fn to_value(self) -> Value {
        match self {
            Known::Number(value) => Value::Number(value),
            Known::Name(name) => Value::Name(name.to_owned()),
            Known::Missing => Value::Missing,
        }
    }

    /// Whether it meets `objective`. What is missing does not.
    pub(crate) fn meets(self, objective: &Objective) -> bool {
        match self {
            Known::Number(value) => objective.met_by(value),
            Known::Name(name) => objective.met_by_name(name),
            Known::Missing => false,
        }
    }

    /// Whether it meets `objective` by the margin that ends a violation.
    pub(crate) fn clears(self, objective: &Objective) -> bool {
        match self {
            Known::Number(value) => objective.cleared_by(value),
            known => known.meets(objective),
        }
    }
}

/// The newest readings. A value that is NaN was never measured, or its last
/// measurement failed.
#[derive(Clone, Debug)]
pub(crate) struct Readings {
    values: [f64; Metric::SAMPLED],
    at: [Time; Metric::SAMPLED],
    /// When the newest of all values was measured.
    newest: Option<Time>,
}

impl Default for Readings {
    fn default() -> Readings {
        Readings {
            values: [f64::NAN; Metric::SAMPLED],
            at: [Time::ZERO; Metric::SAMPLED],
            newest: None,
        }
    }
}

impl Readings {
    /// Takes a sample of a sampled metric. False if it is older than what is
    /// known, or the metric is not sampled.
    pub(crate) fn record(&mut self, metric: Metric, value: f64, at: Time) -> bool {
        let index = metric.index();
        if index >= Metric::SAMPLED || at < self.at[index] {
            return false;
        }
        // What is not a number, or endless, was not measured.
        let value = if value.is_finite() { value } else { f64::NAN };
        self.values[index] = value;
        self.at[index] = at;
        if !value.is_nan() {
            self.newest = self.newest.max(Some(at));
        }
        true
    }

    /// The value of a sampled metric, if it is younger than `stale_after`.
    pub(crate) fn get(&self, metric: Metric, now: Time, stale_after: Span) -> Option<f64> {
        let index = metric.index();
        let value = self.values[index];
        let fresh = now.since(self.at[index]) < stale_after;
        (fresh && !value.is_nan()).then_some(value)
    }

    /// When the value of a sampled metric was measured, if there is one.
    pub(crate) fn measured(&self, metric: Metric) -> Option<Time> {
        let index = metric.index();
        (!self.values[index].is_nan()).then(|| self.at[index])
    }

    /// When the newest value was measured.
    pub(crate) fn newest(&self) -> Option<Time> {
        self.newest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STALE: Span = Span::from_secs(15);

    fn at(s: u64) -> Time {
        Time::ZERO + Span::from_secs(s)
    }

    #[test]
    fn a_value_is_known_until_it_is_stale_or_fails() {
        let mut readings = Readings::default();
        assert_eq!(readings.get(Metric::Cpu, at(0), STALE), None);
        assert!(readings.record(Metric::Cpu, 50.0, at(10)));
        assert_eq!(readings.get(Metric::Cpu, at(24), STALE), Some(50.0));
        assert_eq!(readings.get(Metric::Cpu, at(25), STALE), None);
        for failed in [f64::NAN, f64::INFINITY] {
            assert!(readings.record(Metric::Cpu, failed, at(20)));
            assert_eq!(readings.get(Metric::Cpu, at(21), STALE), None);
        }
        assert_eq!(readings.newest(), Some(at(10)));
    }

    #[test]
    fn an_older_sample_and_one_that_cannot_be_are_ignored() {
        let mut readings = Readings::default();
        assert!(readings.record(Metric::Cpu, 50.0, at(10)));
        assert!(!readings.record(Metric::Cpu, 60.0, at(9)));
        assert!(!readings.record(Metric::Cost, 60.0, at(11)));
        assert_eq!(readings.get(Metric::Cpu, at(10), STALE), Some(50.0));
    }
}
