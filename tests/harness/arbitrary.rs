//! Whatever is in a scenario file, it is read or refused: never a panic.

use std::path::Path;

use proptest::prelude::*;
use tidegate::scenario::layer::Document;
use tidegate::scenario::{Filter, Scenario, set};

/// Resolves `text` as a scenario beside the good fixtures.
fn resolve(text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/arbitrary.toml");
    let Ok(document) = Document::parse(&path, text) else {
        return;
    };
    // The message is built too: it must find its place in the text.
    if let Err(error) = Scenario::resolve(document, &Filter::default()) {
        assert!(!error.to_string().is_empty());
    }
}

const SMALL: &str = include_str!("../fixtures/small.toml");
const INLINE: &str = include_str!("../fixtures/inline.toml");

/// A TOML value as text.
fn value() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        any::<i64>().prop_map(|n| n.to_string()),
        any::<f64>().prop_map(|x| format!("{x:?}").replace("NaN", "nan")),
        any::<bool>().prop_map(|b| b.to_string()),
        "[a-zé0-9 .%]{0,8}".prop_map(|text| format!("{text:?}")),
        prop_oneof![
            Just("\"escra\""),
            Just("\"pair\""),
            Just("\"steady\""),
            Just("\"static\""),
            Just("\"small\""),
            Just("\"3s\""),
            Just("\"1.5x\""),
            Just("\"value\""),
            Just("1979-05-27T07:32:00Z"),
        ]
        .prop_map(str::to_owned),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..3)
                .prop_map(|items| format!("[{}]", items.join(", "))),
            (key(), inner).prop_map(|(key, value)| format!("{{ {key} = {value} }}")),
        ]
    })
}

fn key() -> impl Strategy<Value = &'static str> {
    proptest::sample::select(vec![
        "title",
        "published",
        "run",
        "matrix",
        "columns",
        "limit",
        "allocator",
        "workload",
        "application",
        "testbed",
        "client",
        "expect",
        "compare",
        "duration",
        "seeds",
        "metric",
        "where",
        "of",
        "against",
        "as",
        "min",
        "max",
        "base",
        "kind",
        "level",
        "escra",
        "\"\"",
        "rate",
        "services",
        "tolerance",
    ])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,200}|[a-z\\[\\]{}=\"',.\n#]{0,200}") {
        resolve(&text);
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bytes.toml");
        std::fs::write(&path, &bytes).unwrap();
        let result = Scenario::load(&path, &[], &Filter::default());
        prop_assert!(result.is_err());
    }

    /// A sound scenario with one stretch of its text replaced.
    #[test]
    fn a_scenario_with_a_slip_is_read_or_refused(
        inline in any::<bool>(),
        from in 0usize..700,
        length in 0usize..30,
        slip in "[a-z0-9\\[\\]{}=\"',.\n -]{0,12}",
    ) {
        let mut text: Vec<char> = (if inline { INLINE } else { SMALL }).chars().collect();
        let from = from.min(text.len());
        let to = (from + length).min(text.len());
        text.splice(from..to, slip.chars());
        resolve(&text.into_iter().collect::<String>());
    }

    /// A sound scenario with a known key set to anything.
    #[test]
    fn a_scenario_with_a_wrong_value_is_read_or_refused(
        path in proptest::collection::vec(key(), 1..4),
        value in value(),
        inline in any::<bool>(),
    ) {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/arbitrary.toml");
        let text = if inline { INLINE } else { SMALL };
        let mut document = Document::parse(&file, text).unwrap();
        if let Ok(change) = set::parse(&format!("{}={value}", path.join("."))) {
            document.put(change);
            // Thousands of cells are allowed, but not here.
            if let Ok(scenario) = Scenario::resolve(document, &Filter::default()) {
                prop_assert!(!scenario.cells.is_empty());
            }
        }
    }
}
