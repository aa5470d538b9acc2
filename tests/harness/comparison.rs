//! Comparisons with published figures, on results computed by hand.

use std::path::Path;

use tidegate::compare::{Verdict, entries, front};
use tidegate::run::Results;
use tidegate::run::cell::{Finished, Metric};
use tidegate::scenario::layer::Document;
use tidegate::scenario::{Filter, Scenario};
use tidegate::table;

const SCENARIO: &str = r#"
title = "Made up"
published = "escra/table-1"

[run]
duration = "3s"
seeds = 2
testbed = "small"

[matrix]
application = ["pair", "single"]
workload = ["steady"]
allocator = ["static", "escra", "autopilot"]

[[compare]]
published = "static/latency-reduction"      # 38.0
metric = "latency_p999_ms"
of = { allocator = "escra" }
against = { allocator = "static" }
as = "reduction_percent"

[[compare]]
published = "escra/table-1/static/throughput-increase"      # 25.4
metric = "throughput_rps"
of = { allocator = "escra" }
against = { allocator = "static" }
as = "increase_percent"
where = { application = "single" }
tolerance = "1 points"

[[compare]]
published = "autopilot/throughput-increase"      # 54.5
metric = "throughput_rps"
of = { allocator = "escra" }
against = { allocator = "autopilot" }
as = "increase_percent"
role = "calibrated"

[[compare]]
published = "autopilot/mem-slack-p50-reduction"      # 26.7
metric = "mem_slack_p50_mib"
of = { allocator = "autopilot" }
"#;

/// Throughput, p99.9 and memory slack of each cell, in the order of the matrix.
fn results(values: &[[f64; 3]], shift: f64) -> Results {
    let finished = |values: &[f64; 3], shift: f64| {
        let names = ["throughput_rps", "latency_p999_ms", "mem_slack_p50_mib"];
        let metric = |(name, value): (&str, &f64)| Metric {
            name: name.to_owned(),
            unit: "1".to_owned(),
            value: value * shift,
        };
        Some(Finished {
            metrics: names.into_iter().zip(values).map(metric).collect(),
            containers: Vec::new(),
            series: Vec::new(),
            cdfs: Vec::new(),
            events: 0,
        })
    };
    Results {
        cells: values
            .iter()
            .enumerate()
            .map(|(index, values)| {
                // The second seed shifts Escra only, so that changes differ.
                let second = if index % 3 == 1 { shift } else { 1.0 };
                vec![finished(values, 1.0), finished(values, second)]
            })
            .collect(),
        reused: 0,
        shared: 0,
    }
}

fn scenario() -> Scenario {
    resolve(SCENARIO)
}

fn resolve(text: &str) -> Scenario {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/made-up.toml");
    let document = Document::parse(&path, text).unwrap();
    Scenario::resolve(document, &Filter::default()).unwrap_or_else(|error| panic!("{error}"))
}

const VALUES: [[f64; 3]; 6] = [
    // static, escra and autopilot for pair, then for single
    [100.0, 80.0, 10.0],
    [110.0, 60.0, 4.0],
    [100.0, 90.0, 26.0],
    [200.0, 40.0, 10.0],
    [250.0, 20.0, 2.0],
    [500.0, 10.0, f64::NAN],
];

#[test]
fn changes_are_paired_averaged_and_judged() {
    let scenario = scenario();
    let comparisons = entries::evaluate(&scenario, &results(&VALUES, 1.0)).unwrap();
    let [latency, throughput, autopilot, slack] = comparisons.entries.as_slice() else {
        panic!("{comparisons:?}");
    };
    // (25 % + 50 %) / 2
    assert_eq!(latency.measured, 37.5);
    assert_eq!(latency.verdict, Verdict::Within);
    assert_eq!(latency.half_width, Some(0.0));
    assert_eq!(latency.cells, (2, 2));
    // Only single: 25 %.
    assert_eq!((throughput.measured, throughput.cells), (25.0, (1, 1)));
    assert_eq!(throughput.verdict, Verdict::Within);
    // (10 % - 50 %) / 2
    assert_eq!(autopilot.measured, -20.0);
    assert_eq!(autopilot.verdict, Verdict::Contradicts);
    // The cell that measured nothing is left out, and counted.
    assert_eq!((slack.measured, slack.cells), (26.0, (1, 2)));
    assert_eq!(slack.verdict, Verdict::Within);
    assert_eq!(comparisons.left_out.len(), 8);
}

#[test]
fn the_interval_is_over_seeds() {
    let scenario = scenario();
    let comparisons = entries::evaluate(&scenario, &results(&VALUES, 1.2)).unwrap();
    let latency = &comparisons.entries[0];
    // 37.5 % and, with Escra's latency a fifth higher, (10 % + 40 %) / 2.
    assert!((latency.measured - 31.25).abs() < 1e-9);
    let half = 12.706 * (12.5 / 2f64.sqrt()) / 2f64.sqrt();
    assert!((latency.half_width.unwrap() - half).abs() < 1e-9);
}

#[test]
fn tables_are_made_for_reading() {
    let scenario = scenario();
    let results = results(&VALUES, 1.01);
    let comparisons = entries::evaluate(&scenario, &results).unwrap();
    insta::assert_snapshot!(format!(
        "{}\n{}",
        table::cells(&scenario, &results),
        table::comparison(&comparisons)
    ));
    let csv = entries::table(&scenario, &comparisons).unwrap();
    insta::assert_snapshot!(String::from_utf8(csv).unwrap());
}

/// "Up to 3.2x" and "over 10 cores" are claims of their own kinds.
#[test]
fn the_highest_cell_and_a_claim_to_be_passed_are_judged_as_such() {
    let entries = r#"
[[compare]]
published = "escra/abstract/throughput-increase-max"      # 3.2
metric = "throughput_rps"
of = { allocator = "escra" }
against = { allocator = "static" }
as = "increase_ratio"
take = "max"

[[compare]]
published = "escra/section-i/mem-slack-p50-reduction"     # over 2.5
metric = "mem_slack_p50_mib"
of = { allocator = "escra" }
against = { allocator = "static" }
as = "reduction_ratio"
claim = "over"

[[compare]]
published = "escra/section-vi-g/image-process/cpu-limit-saving"     # 5
metric = "mem_slack_p50_mib"
of = { allocator = "escra" }
against = { allocator = "static" }
as = "reduction"
take = "min"
"#;
    let head = SCENARIO.split("[[compare]]").next().unwrap_or_default();
    let head = head.replace(
        "published = \"escra/table-1\"",
        "show = [\"mem_slack_p50_mib\"]",
    );
    let scenario = resolve(&format!("{head}{entries}"));
    let results = results(&VALUES, 1.0);
    let comparisons = entries::evaluate(&scenario, &results).unwrap();
    let measured: Vec<(f64, Verdict)> = comparisons
        .entries
        .iter()
        .map(|entry| (entry.measured, entry.verdict))
        .collect();
    assert_eq!(
        measured,
        [
            (1.25, Verdict::DirectionOnly),
            // (10 / 4 + 10 / 2) / 2
            (3.75, Verdict::Within),
            (6.0, Verdict::DirectionOnly),
        ]
    );
    insta::assert_snapshot!(format!(
        "{}\n{}",
        table::cells(&scenario, &results),
        table::comparison(&comparisons)
    ));
}

#[test]
fn the_front_is_whom_nobody_dominates() {
    let front = r#"
[front]
column = "allocator"
metric = [
    { name = "throughput_rps", best = "highest" },
    { name = "latency_p999_ms", best = "lowest", over = "geometric-mean" },
    { name = "mem_slack_p50_mib", over = "sum" },
]
"#;
    let head = SCENARIO.split("[[compare]]").next().unwrap_or_default();
    let scenario = resolve(&format!("{head}{front}"));
    let results = results(&VALUES, 1.0);
    let rivals = front::rivals(&scenario, &results);
    let [fixed, escra, autopilot] = rivals.as_slice() else {
        panic!("{rivals:?}");
    };
    // Mean, geometric mean and sum of pair and single.
    assert_eq!(fixed.values[0], 150.0);
    assert!((fixed.values[1] - 3200f64.sqrt()).abs() < 1e-9);
    assert_eq!(fixed.values[2], 20.0);
    // Escra serves more with a shorter tail; Autopilot serves yet more, and its tail
    // of sqrt(90 x 10) is shorter still.
    assert_eq!(fixed.dominated_by, ["escra", "autopilot"]);
    assert_eq!(escra.dominated_by, ["autopilot"]);
    assert_eq!(autopilot.dominated_by, [""; 0]);
    let front = scenario.file.front.as_ref().unwrap();
    insta::assert_snapshot!(table::front(front, &rivals, &results));
    insta::assert_snapshot!(String::from_utf8(front::table(front, &rivals).unwrap()).unwrap());
}
