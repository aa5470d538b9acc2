//! `manifest.json`: what makes a run repeatable. `run.json`: when, where and how
//! long it was.
//!
//! They are apart because the first is the same for each repetition and the
//! second never is.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime};

use serde::Serialize;
use sha2::{Digest, Sha256};
use toml::{Table, Value};

use crate::error::Error;
use crate::run::Results;
use crate::scenario::Scenario;
use crate::scenario::format::{World, label};
use crate::scenario::hex;
use crate::scenario::live::Live;
use crate::scenario::pieces::Kind;
use crate::scenario::recording::Series;

/// Which code this is.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Code {
    /// The package's version.
    pub version: &'static str,
    /// The git commit it was built from, if known.
    pub commit: Option<&'static str>,
    /// A hash of the sources that decide results, committed or not.
    pub sources: &'static str,
}

impl Code {
    /// The code this was built from, as far as it decides results of `world`.
    pub const fn of(world: World) -> Code {
        Code {
            version: env!("CARGO_PKG_VERSION"),
            commit: option_env!("TIDEGATE_COMMIT"),
            sources: match world {
                World::Sim => env!("TIDEGATE_SOURCES"),
                World::Live => env!("TIDEGATE_LIVE_SOURCES"),
            },
        }
    }
}

/// The name of a run: a hash of the resolved scenario and of the code.
pub fn id(scenario: &Scenario) -> String {
    let mut hash = Sha256::new();
    hash.update(scenario.hash());
    let code = Code::of(scenario.file.run.world);
    hash.update(code.version);
    hash.update(code.sources);
    hex(&hash.finalize()[..6])
}

#[derive(Serialize)]
struct Manifest<'a> {
    id: String,
    tidegate: Code,
    scenario: &'a str,
    title: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    scenario_sha256: String,
    world: World,
    duration: tidegate_core::Span,
    seeds: &'a [u64],
    #[serde(skip_serializing_if = "Option::is_none")]
    series: Option<Series>,
    cdf: bool,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    show: &'a [String],
    limit: &'a crate::scenario::format::Limit,
    #[serde(skip_serializing_if = "Option::is_none")]
    live: Option<Live>,
    matrix: BTreeMap<&'a str, Vec<String>>,
    columns: &'a BTreeMap<String, String>,
    workloads: BTreeMap<String, String>,
    pieces: BTreeMap<&'static str, BTreeMap<&'a str, Parameters<'a>>>,
    scenario_file: Table,
}

/// One piece: all it says, before `columns`, and the files it is read from.
#[derive(Serialize)]
struct Parameters<'a> {
    sha256: &'a str,
    parameters: &'a toml::Table,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    files: &'a BTreeMap<String, String>,
}

/// The content of `manifest.json`.
///
/// # Errors
/// When it cannot be written as JSON.
pub fn manifest(scenario: &Scenario) -> Result<Vec<u8>, Error> {
    let mut pieces: BTreeMap<&'static str, BTreeMap<&str, Parameters<'_>>> = BTreeMap::new();
    for ((kind, name), piece) in &scenario.pieces {
        let parameters = Parameters {
            sha256: &piece.hash,
            parameters: &piece.table,
            files: &piece.files,
        };
        pieces
            .entry(kind.name())
            .or_default()
            .insert(name, parameters);
    }
    let column = |name: &str| {
        let index = scenario.columns.iter().position(|column| column == name);
        move |labels: &[String]| index.and_then(|index| labels.get(index).cloned())
    };
    let workload = column(Kind::Workload.name());
    let mut workloads: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    for cell in &scenario.cells {
        let load = cell.application().and_then(|cell| cell.loads.first());
        if let (Some(name), Some(load)) = (workload(&cell.labels), load) {
            workloads.entry(name).or_default().insert(load.provenance());
        }
    }
    let joined = |sources: BTreeSet<&str>| Vec::from_iter(sources).join(", ");
    let workloads = workloads
        .into_iter()
        .map(|(name, sources)| (name, joined(sources)))
        .collect();
    let mut matrix: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (index, name) in scenario.columns.iter().enumerate() {
        let values = matrix.entry(name).or_default();
        for cell in &scenario.cells {
            if !values.contains(&cell.labels[index]) {
                values.push(cell.labels[index].clone());
            }
        }
    }
    json(&Manifest {
        id: id(scenario),
        tidegate: Code::of(scenario.file.run.world),
        scenario: &scenario.name,
        title: &scenario.file.title,
        description: scenario.file.description.as_deref(),
        scenario_sha256: scenario.hash(),
        world: scenario.file.run.world,
        duration: scenario.file.run.duration,
        seeds: &scenario.seeds,
        series: scenario.file.run.series,
        cdf: scenario.file.run.cdf,
        show: &scenario.file.show,
        limit: &scenario.file.limit,
        live: Some(scenario.file.live).filter(|live| *live != Live::default()),
        matrix,
        columns: &scenario.file.columns,
        workloads,
        pieces,
        scenario_file: scenario_file(scenario),
    })
}

/// The scenario file as it was run: with `--set` and `--filter` applied, without the
/// pieces in it, which stand by themselves.
fn scenario_file(scenario: &Scenario) -> Table {
    let mut file = scenario.document.table().clone();
    for kind in Kind::ALL {
        file.remove(kind.name());
    }
    if let Some(Value::Table(matrix)) = file.get_mut("matrix") {
        for (index, name) in scenario.columns.iter().enumerate() {
            let kept: BTreeSet<&String> = scenario
                .cells
                .iter()
                .map(|cell| &cell.labels[index])
                .collect();
            let values = scenario.file.matrix.get(name).into_iter();
            let values = values.flat_map(|labels| labels.0.iter().cloned());
            let values = values.filter(|value| kept.contains(&label(value)));
            matrix.insert(name.clone(), Value::Array(values.collect()));
        }
    }
    file
}

#[derive(Serialize)]
struct RunJson {
    began_unix_s: u64,
    took_s: f64,
    jobs: usize,
    runs: usize,
    reused: usize,
    shared: usize,
    events: u64,
    os: &'static str,
    architecture: &'static str,
    /// Of Linux, where it is that.
    #[serde(skip_serializing_if = "Option::is_none")]
    kernel: Option<String>,
    cpus: usize,
}

/// The content of `run.json`.
///
/// # Errors
/// When it cannot be written as JSON.
pub fn run(
    results: &Results,
    jobs: usize,
    began: SystemTime,
    took: Duration,
) -> Result<Vec<u8>, Error> {
    let finished = results.cells.iter().flatten().flatten();
    json(&RunJson {
        began_unix_s: began
            .duration_since(SystemTime::UNIX_EPOCH)
            .map_or(0, |since| since.as_secs()),
        took_s: took.as_secs_f64(),
        jobs,
        runs: results.finished(),
        reused: results.reused,
        shared: results.shared,
        events: finished.map(|finished| finished.events).sum(),
        os: std::env::consts::OS,
        architecture: std::env::consts::ARCH,
        kernel: std::fs::read_to_string("/proc/sys/kernel/osrelease")
            .ok()
            .map(|text| text.trim().to_owned()),
        cpus: std::thread::available_parallelism().map_or(1, usize::from),
    })
}

fn json(value: &impl Serialize) -> Result<Vec<u8>, Error> {
    let mut text = serde_json::to_vec_pretty(value)
        .map_err(|error| Error::Internal(format!("a manifest cannot be written: {error}")))?;
    text.push(b'\n');
    Ok(text)
}
