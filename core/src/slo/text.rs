//! The text form of an objective: what scenario files and journals hold.
//!
//! ```text
//! METRIC OPERATOR VALUE [| VALUE]... [for SPAN] [clear SPAN] [margin VALUE]
//! METRIC in LOW..HIGH [| LOW..HIGH]... [for SPAN] [clear SPAN] [margin VALUE]
//! ```

use std::fmt;
use std::str::FromStr;

use super::metric::{Kind, Metric};
use super::objective::{Condition, Objective, Operator, ParseObjectiveError, Written};
use crate::units::Span;

impl FromStr for Objective {
    type Err = ParseObjectiveError;

    fn from_str(text: &str) -> Result<Objective, ParseObjectiveError> {
        let text = text.trim();
        let split = text
            .find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
            .unwrap_or(text.len());
        let metric: Metric = text[..split].parse()?;
        let mut rest = text[split..].trim();
        // What follows the values, last first.
        let margin = take_clause(&mut rest, " margin ")
            .map(|value| number(value, metric.kind()))
            .transpose()?
            .unwrap_or(0.0);
        if margin < 0.0 {
            return Err(ParseObjectiveError::new(text, "a margin of at least 0"));
        }
        let clear = span(take_clause(&mut rest, " clear "))?;
        let hold = span(take_clause(&mut rest, " for "))?;
        Ok(Objective {
            metric,
            condition: condition(metric, rest)?,
            hold,
            clear,
            margin,
        })
    }
}

/// Cuts "KEYWORD WHAT" off the end of `rest`.
fn take_clause<'a>(rest: &mut &'a str, keyword: &str) -> Option<&'a str> {
    let at = rest.rfind(keyword)?;
    let clause = rest[at + keyword.len()..].trim();
    *rest = &rest[..at];
    Some(clause)
}

fn span(text: Option<&str>) -> Result<Span, ParseObjectiveError> {
    let Some(text) = text else {
        return Ok(Span::ZERO);
    };
    let wrong = |_| ParseObjectiveError::new(text, "a duration such as \"10s\"");
    text.parse().map_err(wrong)
}

fn condition(metric: Metric, text: &str) -> Result<Condition, ParseObjectiveError> {
    let kind = metric.kind();
    if let Some(ranges) = text.strip_prefix("in ") {
        if matches!(kind, Kind::Name | Kind::Flag) {
            return Err(ParseObjectiveError::new(
                text,
                format!("what {metric} can be: it has no ranges"),
            ));
        }
        let ranges: Result<_, _> = ranges.split('|').map(|one| range(one, kind)).collect();
        return Ok(Condition::Within(ranges?));
    }
    let (sign, operator) = Operator::ALL
        .into_iter()
        .find(|(sign, _)| text.starts_with(sign))
        .ok_or_else(|| {
            ParseObjectiveError::new(
                text,
                "a comparison: <, <=, >, >=, =, != or \"in LOW..HIGH\"",
            )
        })?;
    let values = text[sign.len()..].split('|').map(str::trim);
    let ordered = !matches!(operator, Operator::Equal | Operator::NotEqual);
    match kind {
        Kind::Name | Kind::Flag if ordered => Err(ParseObjectiveError::new(
            text,
            format!("what {metric} can be: it is = or != only"),
        )),
        Kind::Name => {
            let names: Vec<String> = values.map(str::to_owned).collect();
            if names.iter().any(String::is_empty) {
                return Err(ParseObjectiveError::new(text, "a list of names"));
            }
            Ok(match operator {
                Operator::NotEqual => Condition::NotNamed(names),
                _ => Condition::Named(names),
            })
        }
        _ => {
            let numbers: Result<_, _> = values.map(|value| number(value, kind)).collect();
            Ok(Condition::Compare(operator, numbers?))
        }
    }
}

fn range(text: &str, kind: Kind) -> Result<(f64, f64), ParseObjectiveError> {
    let wrong = || ParseObjectiveError::new(text, "a range LOW..HIGH");
    let (low, high) = text.split_once("..").ok_or_else(wrong)?;
    let (low, high) = (number(low, kind)?, number(high, kind)?);
    if low <= high {
        Ok((low, high))
    } else {
        Err(wrong())
    }
}

/// A number with the unit of `kind`.
fn number(text: &str, kind: Kind) -> Result<f64, ParseObjectiveError> {
    let text = text.trim();
    let (units, expected): (&[(&str, f64)], _) = match kind {
        Kind::Seconds => (
            &[("us", 1e-6), ("ms", 1e-3), ("min", 60.0), ("s", 1.0)],
            "a duration such as \"50ms\"",
        ),
        Kind::Percent => (&[("%", 1.0), ("", 1.0)], "a percentage such as \"80 %\""),
        Kind::Bytes => (
            &[
                ("KiB", 1024.0),
                ("MiB", 1_048_576.0),
                ("GiB", 1_073_741_824.0),
                ("KB", 1e3),
                ("MB", 1e6),
                ("GB", 1e9),
                ("B", 1.0),
            ],
            "an amount such as \"2 GiB\"",
        ),
        Kind::Number => (&[("", 1.0)], "a number"),
        Kind::Flag => {
            return match text {
                "true" => Ok(1.0),
                "false" => Ok(0.0),
                _ => Err(ParseObjectiveError::new(text, "true or false")),
            };
        }
        Kind::Name => (&[], "a number"),
    };
    units
        .iter()
        .find_map(|(unit, factor)| {
            let digits = text.strip_suffix(unit)?.trim_end();
            let value: f64 = digits.parse().ok()?;
            value.is_finite().then_some(value * factor)
        })
        .ok_or_else(|| ParseObjectiveError::new(text, expected))
}

impl fmt::Display for Objective {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = self.metric.kind();
        write!(f, "{} ", self.metric)?;
        match &self.condition {
            Condition::Compare(operator, values) => {
                write!(f, "{operator} ")?;
                list(f, values, |f, value| write!(f, "{}", Written(*value, kind)))?;
            }
            Condition::Within(ranges) => {
                f.write_str("in ")?;
                list(f, ranges, |f, (low, high)| {
                    write!(f, "{}..{}", Written(*low, kind), Written(*high, kind))
                })?;
            }
            Condition::Named(names) => write!(f, "= {}", names.join(" | "))?,
            Condition::NotNamed(names) => write!(f, "!= {}", names.join(" | "))?,
        }
        if self.hold > Span::ZERO {
            write!(f, " for {}", self.hold)?;
        }
        if self.clear > Span::ZERO {
            write!(f, " clear {}", self.clear)?;
        }
        if self.margin > 0.0 {
            write!(f, " margin {}", Written(self.margin, kind))?;
        }
        Ok(())
    }
}

fn list<T>(
    f: &mut fmt::Formatter<'_>,
    items: &[T],
    mut one: impl FnMut(&mut fmt::Formatter<'_>, &T) -> fmt::Result,
) -> fmt::Result {
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            f.write_str(" | ")?;
        }
        one(f, item)?;
    }
    Ok(())
}

impl TryFrom<String> for Objective {
    type Error = ParseObjectiveError;
    fn try_from(text: String) -> Result<Objective, ParseObjectiveError> {
        text.parse()
    }
}

impl From<Objective> for String {
    fn from(objective: Objective) -> String {
        objective.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_parts_of_a_text_are_read() {
        let text = "latency < 50ms for 10s clear 30s margin 5ms";
        let objective: Objective = text.parse().unwrap();
        assert_eq!(objective.metric, Metric::Latency);
        assert_eq!(
            objective.condition,
            Condition::Compare(Operator::Less, vec![0.05])
        );
        assert_eq!(objective.hold, Span::from_secs(10));
        assert_eq!(objective.clear, Span::from_secs(30));
        assert_eq!(objective.margin, 0.005);
        let region: Objective = "region = us-east-1 | us-west-2".parse().unwrap();
        assert!(region.met_by_name("us-west-2"));
        let memory: Objective = "memory_total >= 2 GiB".parse().unwrap();
        assert!(memory.met_by(2_147_483_648.0) && !memory.met_by(2_147_483_647.0));
        let up: Objective = "up=true".parse().unwrap();
        assert!(up.met_by(1.0) && !up.met_by(0.0));
        let cost: Objective = "cost in 0..0.5|2..3".parse().unwrap();
        assert!(cost.met_by(0.2) && !cost.met_by(1.0));
        for same in ["cpu ≤ 80", "cpu <= 80 %", "cpu<=80%"] {
            assert_eq!(same.parse(), "cpu <= 80%".parse::<Objective>());
        }
    }

    #[test]
    fn a_wrong_text_says_what_would_be_right() {
        let message = |text: &str| text.parse::<Objective>().unwrap_err().to_string();
        assert_eq!(
            message("latency < 50"),
            "\"50\" is not a duration such as \"50ms\""
        );
        assert!(message("delay < 5s").contains("is not a metric: latency, availability"));
        for wrong in [
            "",
            "latency",
            "latency ~ 5s",
            "region < us-east-1",
            "region =",
            "up in 0..1",
            "up = 1",
            "cpu in 80..20",
            "cpu < NaN",
            "cpu < 80 for ever",
            "cpu < 80 margin -5",
        ] {
            assert!(wrong.parse::<Objective>().is_err(), "{wrong:?}");
        }
    }

    fn objective() -> impl Strategy<Value = Objective> {
        let metric = proptest::sample::select(&Metric::ALL[..]);
        let operator = proptest::sample::select(&Operator::ALL[..]);
        let numbers = proptest::collection::vec((0f64..1e12, 0f64..1e12), 1..4);
        let names = proptest::collection::vec("[a-z][a-z0-9.-]{0,9}", 1..4);
        let spans = (0u64..1 << 50, 0u64..1 << 50);
        (metric, operator, numbers, names, spans, 0f64..100.0).prop_map(
            |(metric, (_, operator), numbers, names, (hold, clear), margin)| {
                let condition = match metric.kind() {
                    Kind::Name if hold % 2 == 0 => Condition::NotNamed(names),
                    Kind::Name => Condition::Named(names),
                    Kind::Flag => Condition::Compare(Operator::Equal, vec![1.0]),
                    _ if hold % 2 == 0 => Condition::Within(
                        numbers
                            .into_iter()
                            .map(|(a, b)| (a.min(b), a.max(b)))
                            .collect(),
                    ),
                    _ => Condition::Compare(operator, numbers.into_iter().map(|n| n.0).collect()),
                };
                let margin = match metric.kind() {
                    Kind::Name | Kind::Flag => 0.0,
                    _ => margin,
                };
                Objective {
                    metric,
                    condition,
                    hold: Span(hold),
                    clear: Span(clear),
                    margin,
                }
            },
        )
    }

    proptest! {
        #[test]
        fn display_is_read_back(objective in objective()) {
            prop_assert_eq!(objective.to_string().parse(), Ok(objective));
        }
    }
}
