//! `datapackage.json`: what each table of a run is and what its columns hold, for
//! programs that never heard of us.
//!
//! A [Frictionless](https://datapackage.org) data package, so that any tool which
//! reads those checks and loads a run with its types. The unit of a column stands in
//! its field, as the standard lets one add keys.

use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::error::Error;
use crate::scenario::{Scenario, hex};

/// What a column holds: its name, type, unit (none for text and pure numbers) and
/// meaning.
const COLUMNS: [(&str, &str, &str, &str); 30] = [
    ("scenario", "string", "", "the scenario's name"),
    ("seed", "integer", "", "the seed of the run"),
    ("metric", "string", "", "what is measured"),
    ("unit", "string", "", "the unit of the value"),
    (
        "value",
        "number",
        "",
        "the value; empty if nothing was measured",
    ),
    (
        "service",
        "string",
        "",
        "the container: a service's or a function's pod",
    ),
    ("cpu_mean_cores", "number", "cores", "mean CPU use"),
    ("cpu_limit_mean_cores", "number", "cores", "mean CPU limit"),
    ("memory_max_mib", "number", "MiB", "highest memory use"),
    (
        "periods",
        "integer",
        "periods",
        "CFS periods in which it had work",
    ),
    (
        "throttled_periods",
        "integer",
        "periods",
        "those in which it was throttled",
    ),
    ("oom_kills", "integer", "events", "kills for want of memory"),
    ("time_s", "number", "s", "time since the client began"),
    (
        "container",
        "string",
        "",
        "the container, or `all` for the sum",
    ),
    (
        "cpu_limit_cores",
        "number",
        "cores",
        "CPU limit at that moment",
    ),
    (
        "cpu_used_cores",
        "number",
        "cores",
        "mean CPU use since the row before",
    ),
    (
        "mem_limit_mib",
        "number",
        "MiB",
        "memory limit at that moment",
    ),
    ("mem_used_mib", "number", "MiB", "memory use at that moment"),
    (
        "containers_up",
        "integer",
        "containers",
        "containers that run",
    ),
    ("quantile", "number", "", "the share at or below the value"),
    ("experiment", "string", "", "the scenario's name"),
    (
        "source",
        "string",
        "",
        "the published figure: paper and row of results/published",
    ),
    ("published", "number", "", "the published value"),
    (
        "measured",
        "number",
        "",
        "ours; empty if no cell measures it",
    ),
    (
        "ci_low",
        "number",
        "",
        "lower end of the 95 % interval over seeds",
    ),
    ("ci_high", "number", "", "its upper end"),
    (
        "relative_error",
        "number",
        "",
        "measured over published, less one",
    ),
    ("role", "string", "", "`calibrated` or `predicted`"),
    ("verdict", "string", "", "what the comparison says"),
    (
        "dominated_by",
        "string",
        "",
        "who is at least as good in everything",
    ),
];

/// What the tables are.
const TABLES: [(&str, &str); 6] = [
    ("summary.csv", "One number per line"),
    ("containers.csv", "What each container used and was allowed"),
    ("series.csv", "Limits and use over time"),
    ("cdf.csv", "Whole distributions"),
    ("front.csv", "Who is dominated by whom over all cells"),
    ("comparison.csv", "Published figures beside measured ones"),
];

#[derive(Serialize)]
struct Package<'a> {
    name: String,
    title: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    profile: &'static str,
    resources: Vec<Resource<'a>>,
}

#[derive(Serialize)]
struct Resource<'a> {
    name: &'a str,
    path: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    title: &'static str,
    profile: &'static str,
    format: &'static str,
    mediatype: &'static str,
    encoding: &'static str,
    bytes: usize,
    hash: String,
    schema: Schema,
}

#[derive(Serialize)]
struct Schema {
    fields: Vec<Field>,
    #[serde(rename = "missingValues")]
    missing: [&'static str; 1],
}

#[derive(Serialize)]
struct Field {
    name: String,
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "str::is_empty")]
    unit: &'static str,
    description: String,
}

/// The content of `datapackage.json` for a run whose tables are `tables`: their names
/// and contents.
///
/// # Errors
/// When it cannot be written as JSON.
pub fn package(scenario: &Scenario, tables: &[(&str, Vec<u8>)]) -> Result<Vec<u8>, Error> {
    let package = Package {
        // The standard wants lower case without blanks.
        name: scenario.name.to_lowercase().replace(' ', "-"),
        title: &scenario.file.title,
        description: scenario.file.description.as_deref(),
        profile: "tabular-data-package",
        resources: tables
            .iter()
            .map(|(name, content)| resource(scenario, name, content))
            .collect(),
    };
    let mut text = serde_json::to_vec_pretty(&package)
        .map_err(|error| Error::Internal(format!("a data package cannot be written: {error}")))?;
    text.push(b'\n');
    Ok(text)
}

fn resource<'a>(scenario: &Scenario, path: &'a str, content: &[u8]) -> Resource<'a> {
    let head = content.split(|&byte| byte == b'\n').next().unwrap_or(&[]);
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .from_reader(head);
    let head = reader.records().flatten().next().unwrap_or_default();
    let title = TABLES.iter().find(|(name, _)| *name == path);
    Resource {
        name: path.strip_suffix(".csv").unwrap_or(path),
        path,
        title: title.map_or("", |(_, title)| title),
        profile: "tabular-data-resource",
        format: "csv",
        mediatype: "text/csv",
        encoding: "utf-8",
        bytes: content.len(),
        hash: format!("sha256:{}", hex(&Sha256::digest(content))),
        schema: Schema {
            fields: head.iter().map(|name| field(scenario, name)).collect(),
            missing: [""],
        },
    }
}

fn field(scenario: &Scenario, name: &str) -> Field {
    let (kind, unit, description) = if scenario.columns.iter().any(|column| column == name) {
        let sets = scenario.file.columns.get(name);
        let description = match sets {
            Some(path) => format!("matrix column: {path}"),
            None => format!("matrix column: the {name}"),
        };
        ("string", "", description)
    } else {
        let known = COLUMNS.iter().find(|(column, ..)| *column == name);
        // The other columns of front.csv are metrics.
        known.map_or(("number", "", format!("the metric {name}")), |known| {
            (known.1, known.2, known.3.to_owned())
        })
    };
    Field {
        name: name.to_owned(),
        kind,
        unit,
        description,
    }
}
