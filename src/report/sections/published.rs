//! Published figures beside measured ones, and what came of them.

use maud::{Markup, html};

use super::{Context, Section, scrolling};
use crate::compare::Verdict;
use crate::report::number::{fixed, short, tick, unit};
use crate::results::read::Compared;

/// How many figures there are of each verdict.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::report) struct Tally {
    counts: [usize; VERDICTS.len()],
}

/// Verdicts in the order in which they are told, and how they look: a sign, as not
/// everybody sees colours, and a name that the style sheet knows.
const VERDICTS: [(Verdict, &str, &str, &str); 4] = [
    (Verdict::Within, "✓", "within tolerance", "good"),
    (Verdict::DirectionOnly, "≈", "direction only", "fair"),
    (Verdict::Contradicts, "✗", "contradicts", "poor"),
    (Verdict::NotMeasured, "–", "not measured", "none"),
];

fn place(verdict: &str) -> usize {
    let same = |(known, ..): &(Verdict, &str, &str, &str)| known.to_string() == verdict;
    VERDICTS.iter().position(same).unwrap_or(VERDICTS.len() - 1)
}

impl Tally {
    /// Counts the verdicts of `compared`.
    pub(in crate::report) fn of(compared: &[Compared]) -> Tally {
        let mut tally = Tally::default();
        for figure in compared {
            tally.counts[place(&figure.verdict)] += 1;
        }
        tally
    }

    /// A bar and the counts in words.
    pub(in crate::report) fn markup(&self) -> Markup {
        let all: usize = self.counts.iter().sum();
        let told = || {
            VERDICTS
                .iter()
                .zip(self.counts)
                .filter(|&(_, count)| count > 0)
        };
        html! {
            @if all > 0 {
                div.tally {
                    div.bar aria-hidden="true" {
                        @for ((.., class), count) in told() {
                            span class=(class) style=(format!("flex-grow:{count}")) {}
                        }
                    }
                    p {
                        @for (index, ((_, sign, name, class), count)) in told().enumerate() {
                            @if index > 0 { " · " }
                            span class=(class) { (sign) " " b { (count) } " " (name) }
                        }
                        " of " (all) " published figures"
                    }
                }
            }
        }
    }
}

/// A verdict as a badge.
fn badge(verdict: &str) -> Markup {
    let (_, sign, name, class) = VERDICTS[place(verdict)];
    html! { span class={ "badge " (class) } { (sign) " " (name) } }
}

/// The comparison; nothing if the scenario compares with nothing.
pub(super) fn section(context: &Context<'_>) -> Option<Section> {
    let compared = &context.run.comparison;
    if compared.is_empty() {
        return None;
    }
    let intervals = compared.iter().any(|figure| figure.ci_low.is_some());
    let table = html! {
        table.published {
            thead {
                tr {
                    th scope="col" { "figure" }
                    th.number scope="col" { "published" }
                    th.number scope="col" { "measured" }
                    @if intervals { th.number scope="col" { "95 % interval" } }
                    th scope="col" { "○ published ● measured" }
                    th.number scope="col" { "off by" }
                    th scope="col" { "role" }
                    th scope="col" { "verdict" }
                }
            }
            tbody {
                @for figure in compared {
                    tr {
                        th scope="row" { (name(&figure.source)) }
                        td.number { (published(figure)) (unit(&figure.unit)) }
                        td.number {
                            (measured(figure, figure.measured.unwrap_or(f64::NAN)))
                            @if figure.measured.is_some() { (unit(&figure.unit)) }
                        }
                        @if intervals {
                            td.number {
                                @if let (Some(low), Some(high)) = (figure.ci_low, figure.ci_high) {
                                    (measured(figure, low)) " to " (measured(figure, high))
                                } @else { "–" }
                            }
                        }
                        td { (strip(figure)) }
                        td.number { (off(figure)) }
                        td { (figure.role) }
                        td { (badge(&figure.verdict)) }
                    }
                }
            }
        }
    };
    let body = html! {
        p.note {
            "Calibrated: the model, or one side of the change, was fitted on the data the figure \
             is made from; predicted: it was not. Changes may be off by points, values by a share \
             of the published one; the scenario says by how much."
        }
        (scrolling("Published and measured figures", table))
    };
    Some(Section {
        id: "published",
        title: "Published against measured",
        body,
    })
}

/// The published value as it was printed, or with four digits if it was computed from
/// raw data.
fn published(figure: &Compared) -> String {
    let printed = tick(figure.published);
    if printed.chars().filter(char::is_ascii_digit).count() > 4 {
        return short(figure.published);
    }
    printed
}

/// A measured value: changes in percent have one digit after the point, counts none
/// if they are whole.
fn measured(figure: &Compared, value: f64) -> String {
    match figure.unit.as_str() {
        "percent" => fixed(value, 1),
        "count" if value.fract() == 0.0 => fixed(value, 0),
        _ => short(value),
    }
}

/// A figure's name, with places to break it.
fn name(source: &str) -> Markup {
    html! {
        @for (index, part) in source.split('/').enumerate() {
            @if index > 0 { "/" wbr; }
            (part)
        }
    }
}

/// How far off: in points for changes in percent, else as a share of what was
/// published.
fn off(figure: &Compared) -> String {
    let Some(measured) = figure.measured else {
        return "–".to_owned();
    };
    let difference = measured - figure.published;
    let signed = |value: f64, digits: usize, unit: &str| {
        let text = fixed(value, digits);
        let plus = if value > 0.0 { "+" } else { "" };
        format!("{plus}{text}{unit}")
    };
    if figure.unit == "percent" {
        signed(difference, 1, " pt")
    } else if figure.published == 0.0 {
        format!("{}{}", signed(difference, 1, ""), unit(&figure.unit))
    } else {
        signed(100.0 * difference / figure.published.abs(), 1, " %")
    }
}

/// Both values on a line from zero, or the least of them, to the greatest.
fn strip(figure: &Compared) -> Markup {
    let values = [
        Some(figure.published),
        figure.measured,
        figure.ci_low,
        figure.ci_high,
    ];
    let values = values
        .into_iter()
        .flatten()
        .filter(|value| value.is_finite());
    let (low, high) = values.fold((0.0_f64, 0.0_f64), |(low, high), value| {
        (low.min(value), high.max(value))
    });
    let across = |value: f64| format!("{:.1}", 6.0 + 108.0 * (value - low) / (high - low));
    html! {
        @if high > low {
            svg.strip aria-hidden="true" viewBox="0 0 120 16" width="120" height="16" {
                path.axis d="M6 8H114" {}
                path.axis d=(format!("M{} 4V12", across(0.0))) {}
                @if let Some(measured) = figure.measured {
                    @if let (Some(low), Some(high)) = (figure.ci_low, figure.ci_high) {
                        path.interval d=(format!("M{} 8H{}", across(low), across(high))) {}
                    }
                    circle.measured cx=(across(measured)) cy="8" r="4" {}
                }
                circle.published cx=(across(figure.published)) cy="8" r="4.5" {}
            }
        }
    }
}
