//! One objective: a metric, what must hold of it, for how long it may fail, and
//! what ends a violation. Text form: "latency < 50ms for 10s clear 30s margin 5ms".
//!
//! This file judges one value; the text form is read in [`text`](super::text).

use std::fmt;

use serde::{Deserialize, Serialize};

use super::metric::{Kind, Metric};
use crate::units::Span;

/// How a value is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operator {
    /// `<`
    Less,
    /// `<=`
    AtMost,
    /// `>`
    Greater,
    /// `>=`
    AtLeast,
    /// `=`
    Equal,
    /// `!=`
    NotEqual,
}

/// What must hold of a metric. Several values are alternatives: one that holds is
/// enough; with [`NotEqual`](Operator::NotEqual), where one would always hold, the
/// value must be none of them.
#[derive(Clone, Debug, PartialEq)]
pub enum Condition {
    /// A number compared with numbers in the unit of the metric.
    Compare(Operator, Vec<f64>),
    /// A number inside one of these ranges, their ends included: (lowest,
    /// highest).
    Within(Vec<(f64, f64)>),
    /// A name among these.
    Named(Vec<String>),
    /// A name not among these.
    NotNamed(Vec<String>),
}

/// What is known of a metric.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Value {
    /// A number in the unit of the metric.
    Number(f64),
    /// A name.
    Name(String),
    /// Nothing, or nothing new for too long.
    Missing,
}

/// An objective over one metric.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Objective {
    /// The metric.
    pub metric: Metric,
    /// What must hold of it.
    pub condition: Condition,
    /// How long it must fail without a break before it counts as violated ("for").
    pub hold: Span,
    /// How long it must be met without a break before a violation is over
    /// ("clear").
    pub clear: Span,
    /// By how much more than needed it must be met to end a violation
    /// (hysteresis), in the unit of the metric.
    pub margin: f64,
}

impl Objective {
    /// An objective without delay and hysteresis, as the original has them.
    pub fn new(metric: Metric, condition: Condition) -> Objective {
        Objective {
            metric,
            condition,
            hold: Span::ZERO,
            clear: Span::ZERO,
            margin: 0.0,
        }
    }

    /// Whether a number meets it. NaN never does.
    pub fn met_by(&self, value: f64) -> bool {
        self.condition.holds(value, 0.0)
    }

    /// Whether a number meets it by the margin that ends a violation.
    pub fn cleared_by(&self, value: f64) -> bool {
        self.condition.holds(value, self.margin)
    }

    /// Whether a name meets it.
    pub fn met_by_name(&self, name: &str) -> bool {
        match &self.condition {
            Condition::Named(names) => names.iter().any(|one| one == name),
            Condition::NotNamed(names) => names.iter().all(|one| one != name),
            Condition::Compare(..) | Condition::Within(_) => false,
        }
    }
}

impl Condition {
    /// The numbers from (lowest, highest) that fulfil it, if they are one span and
    /// no others do.
    pub(super) fn span(&self) -> Option<(f64, f64)> {
        match self {
            Condition::Compare(operator, limits) => {
                let &[limit] = &limits[..] else {
                    return None;
                };
                match operator {
                    Operator::Less => Some((f64::NEG_INFINITY, limit.next_down())),
                    Operator::AtMost => Some((f64::NEG_INFINITY, limit)),
                    Operator::Greater => Some((limit.next_up(), f64::INFINITY)),
                    Operator::AtLeast => Some((limit, f64::INFINITY)),
                    Operator::Equal => Some((limit, limit)),
                    Operator::NotEqual => None,
                }
            }
            Condition::Within(ranges) => match ranges[..] {
                [range] => Some(range),
                _ => None,
            },
            Condition::Named(_) | Condition::NotNamed(_) => None,
        }
    }

    /// The numbers at which it begins or ceases to hold.
    pub(super) fn limits(&self) -> impl Iterator<Item = f64> {
        let (numbers, ranges) = match self {
            Condition::Compare(_, limits) => (&limits[..], &[][..]),
            Condition::Within(ranges) => (&[][..], &ranges[..]),
            Condition::Named(_) | Condition::NotNamed(_) => (&[][..], &[][..]),
        };
        let ends = ranges.iter().flat_map(|&(low, high)| [low, high]);
        numbers.iter().copied().chain(ends)
    }

    /// Whether `value` fulfils it with `margin` to spare. Equality has none.
    fn holds(&self, value: f64, margin: f64) -> bool {
        match self {
            Condition::Compare(Operator::NotEqual, limits) => {
                !value.is_nan() && limits.iter().all(|&limit| value != limit)
            }
            Condition::Compare(operator, limits) => limits.iter().any(|&limit| match operator {
                Operator::Less => value < limit - margin,
                Operator::AtMost => value <= limit - margin,
                Operator::Greater => value > limit + margin,
                Operator::AtLeast => value >= limit + margin,
                Operator::Equal => value == limit,
                Operator::NotEqual => unreachable!("matched above"),
            }),
            Condition::Within(ranges) => ranges
                .iter()
                .any(|&(low, high)| value >= low + margin && value <= high - margin),
            Condition::Named(_) | Condition::NotNamed(_) => false,
        }
    }
}

impl Operator {
    /// All operators, the longer texts first.
    pub(super) const ALL: [(&'static str, Operator); 10] = [
        ("<=", Operator::AtMost),
        ("≤", Operator::AtMost),
        (">=", Operator::AtLeast),
        ("≥", Operator::AtLeast),
        ("!=", Operator::NotEqual),
        ("≠", Operator::NotEqual),
        ("==", Operator::Equal),
        ("=", Operator::Equal),
        ("<", Operator::Less),
        (">", Operator::Greater),
    ];
}

impl fmt::Display for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Operator::Less => "<",
            Operator::AtMost => "<=",
            Operator::Greater => ">",
            Operator::AtLeast => ">=",
            Operator::Equal => "=",
            Operator::NotEqual => "!=",
        })
    }
}

/// A text that is not what it should be: what was read, and what would be right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseObjectiveError {
    text: String,
    expected: String,
}

impl ParseObjectiveError {
    pub(super) fn new(text: &str, expected: impl Into<String>) -> ParseObjectiveError {
        ParseObjectiveError {
            text: text.to_owned(),
            expected: expected.into(),
        }
    }
}

impl fmt::Display for ParseObjectiveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is not {}", self.text, self.expected)
    }
}

impl std::error::Error for ParseObjectiveError {}

/// A number of `kind` with its unit, so that it is read back exactly.
pub(super) struct Written(pub(super) f64, pub(super) Kind);

impl fmt::Display for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Written(value, kind) = self;
        match kind {
            Kind::Seconds => write!(f, "{value}s"),
            Kind::Percent => write!(f, "{value}%"),
            Kind::Bytes => write!(f, "{value}B"),
            Kind::Flag => f.write_str(if *value == 0.0 { "false" } else { "true" }),
            Kind::Number | Kind::Name => write!(f, "{value}"),
        }
    }
}

impl Value {
    /// The value as text with the unit of `metric`.
    pub fn written(&self, metric: Metric) -> String {
        match self {
            Value::Number(value) => Written(*value, metric.kind()).to_string(),
            Value::Name(name) => name.clone(),
            Value::Missing => "missing".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compare(operator: Operator, limits: &[f64]) -> Objective {
        Objective::new(Metric::Cpu, Condition::Compare(operator, limits.to_vec()))
    }

    #[test]
    fn each_operator_judges_below_at_and_above() {
        let cases = [
            (Operator::Less, [true, false, false]),
            (Operator::AtMost, [true, true, false]),
            (Operator::Greater, [false, false, true]),
            (Operator::AtLeast, [false, true, true]),
            (Operator::Equal, [false, true, false]),
            (Operator::NotEqual, [true, false, true]),
        ];
        for (operator, expected) in cases {
            let objective = compare(operator, &[10.0]);
            assert_eq!([9.0, 10.0, 11.0].map(|v| objective.met_by(v)), expected);
            assert!(!objective.met_by(f64::NAN), "{operator}");
        }
    }

    #[test]
    fn a_span_holds_what_meets_and_nothing_else() {
        let texts = [
            "cpu < 10%",
            "cpu <= 10%",
            "cpu > 10%",
            "cpu >= 10%",
            "cpu = 10%",
            "cpu in 5..10",
        ];
        let values = [-1.0, 4.0, 5.0, 9.0, 10.0f64.next_down(), 10.0];
        for text in texts {
            let objective: Objective = text.parse().unwrap();
            let (lowest, highest) = objective.condition.span().unwrap();
            for value in values.into_iter().chain([10.0f64.next_up(), 11.0]) {
                let inside = lowest <= value && value <= highest;
                assert_eq!(inside, objective.met_by(value), "{text}: {value}");
            }
        }
        for several in ["cpu != 10%", "cpu < 10% | 20%", "region = here"] {
            let objective: Objective = several.parse().unwrap();
            assert_eq!(objective.condition.span(), None, "{several}");
        }
    }

    #[test]
    fn several_values_are_alternatives() {
        assert!(compare(Operator::Equal, &[1.0, 3.0]).met_by(3.0));
        assert!(compare(Operator::Less, &[1.0, 3.0]).met_by(2.0));
        assert!(!compare(Operator::NotEqual, &[1.0, 3.0]).met_by(3.0));
        let ranges = Condition::Within(vec![(1.0, 2.0), (5.0, 6.0)]);
        let within = Objective::new(Metric::Cost, ranges);
        assert_eq!(
            [1.0, 2.0, 3.0, 5.5].map(|v| within.met_by(v)),
            [true, true, false, true]
        );
    }

    #[test]
    fn a_margin_counts_only_for_the_end_of_a_violation() {
        let mut objective = compare(Operator::Less, &[80.0]);
        objective.margin = 10.0;
        assert!(objective.met_by(75.0) && !objective.cleared_by(75.0));
        assert!(objective.cleared_by(69.0));
        let mut range = Objective::new(Metric::Cpu, Condition::Within(vec![(10.0, 20.0)]));
        range.margin = 2.0;
        assert!(range.met_by(11.0) && !range.cleared_by(11.0) && range.cleared_by(12.0));
    }

    #[test]
    fn names_are_one_of_or_none_of() {
        let names = vec!["a".to_owned(), "b".to_owned()];
        let one = Objective::new(Metric::Region, Condition::Named(names.clone()));
        let none = Objective::new(Metric::Region, Condition::NotNamed(names));
        assert!(one.met_by_name("b") && !one.met_by_name("c"));
        assert!(none.met_by_name("c") && !none.met_by_name("b"));
        assert!(!one.met_by(1.0) && !none.met_by(1.0));
    }
}
