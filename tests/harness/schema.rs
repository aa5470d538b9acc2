//! The JSON Schema of scenario files, by a validator that is not ours.

use std::path::Path;

use jsonschema::Validator;
use serde_json::Value;

use crate::{files, read, tidegate};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn validator() -> Validator {
    let schema: Value = serde_json::from_str(&read(root(), "scenarios/schema.json")).unwrap();
    jsonschema::validator_for(&schema).unwrap()
}

fn toml(path: &Path) -> Value {
    let text = std::fs::read_to_string(path).unwrap();
    serde_json::to_value(toml::from_str::<toml::Table>(&text).unwrap()).unwrap()
}

#[test]
fn the_committed_schema_is_the_one_printed() {
    let done = tidegate(&["schema"]);
    assert!(
        done.stdout == read(root(), "scenarios/schema.json"),
        "run: tidegate schema > scenarios/schema.json"
    );
}

#[test]
fn each_of_our_scenarios_passes() {
    let validator = validator();
    let scenarios = tidegate::scenario::find::scenarios(&[root().join("scenarios")]).unwrap();
    assert!(scenarios.len() > 40, "{}", scenarios.len());
    for path in scenarios {
        let errors: Vec<String> = validator
            .iter_errors(&toml(&path))
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert!(errors.is_empty(), "{}: {errors:#?}", path.display());
    }
}

/// The shape is the schema's matter; what names mean is found out by `check`.
#[test]
fn broken_shapes_are_refused() {
    let validator = validator();
    let broken = root().join("tests/fixtures/broken");
    for name in [
        "unknown-key",
        "unknown-key-in-run",
        "limit-unknown-key",
        "series-unknown-key",
        "no-title",
        "no-matrix",
        "empty",
        "cdf-as-text",
        "duration-as-number",
        "seeds-as-text",
        "seeds-empty",
        "seeds-negative",
        "seeds-zero",
        "expect-threshold-as-text",
        "world-unknown",
        "experiment-unknown",
        "compare-role",
        "compare-unknown-form",
        "front-unknown-end",
        "empty-column",
    ] {
        let path = broken.join(name).with_extension("toml");
        assert!(!validator.is_valid(&toml(&path)), "{name} passes");
    }
    assert!(files(&broken).len() > 100);
}
