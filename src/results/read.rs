//! A run read back from its folder: its tables and what its manifest says.
//!
//! The scenario file is not needed for it, nor the code that ran: a folder can be
//! moved, archived and sent. Only whole runs are read.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tidegate_workloads::FileError;

use crate::error::Error;
use crate::results::manifest;
use crate::scenario::format::World;

/// What of `manifest.json` is needed to describe a run.
#[derive(Clone, Debug, Deserialize)]
pub struct Manifest {
    /// The run's ID.
    pub id: String,
    /// The code that ran.
    pub tidegate: Code,
    /// The scenario's name.
    pub scenario: String,
    /// What it asks.
    pub title: String,
    /// More about it.
    #[serde(default)]
    pub description: Option<String>,
    /// A hash of all that the scenario says.
    pub scenario_sha256: String,
    /// `sim` or `live`.
    pub world: String,
    /// How long the client sent, such as `180s`; `0s` where the experiment ends by
    /// itself.
    pub duration: String,
    /// The seeds, in their order.
    pub seeds: Vec<u64>,
    /// The metrics that the scenario wants to see; none: the usual ones.
    #[serde(default)]
    pub show: Vec<String>,
    /// The application-wide limit, where there is one.
    #[serde(default)]
    pub limit: Limit,
    /// The values of each column.
    pub matrix: BTreeMap<String, Vec<String>>,
    /// Where each load comes from.
    #[serde(default)]
    pub workloads: BTreeMap<String, String>,
    /// What the cells are made of, by kind and name.
    pub pieces: BTreeMap<String, BTreeMap<String, Piece>>,
}

/// What a manifest says about the application-wide limit.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Limit {
    /// The multiple of the profiled maximum, such as `1.5x`.
    #[serde(default)]
    pub level: Option<String>,
}

/// Which code ran.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Code {
    /// The package's version.
    pub version: String,
    /// The git commit, if known.
    pub commit: Option<String>,
    /// A hash of the sources that decide results.
    pub sources: String,
}

impl Code {
    /// Whether it is the code of this process, as far as it decides results of `world`.
    pub fn is_ours(&self, world: World) -> bool {
        let ours = manifest::Code::of(world);
        self.version == ours.version && self.sources == ours.sources
    }

    /// The code of this process, as far as it decides results of `world`.
    pub fn ours(world: World) -> Code {
        let ours = manifest::Code::of(world);
        Code {
            version: ours.version.to_owned(),
            commit: ours.commit.map(str::to_owned),
            sources: ours.sources.to_owned(),
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "version {}, sources {}", self.version, self.sources)?;
        match &self.commit {
            Some(commit) => write!(f, ", commit {}", commit.get(..10).unwrap_or(commit)),
            None => Ok(()),
        }
    }
}

/// One piece of a scenario.
#[derive(Clone, Debug, Deserialize)]
pub struct Piece {
    /// All it says.
    pub parameters: serde_json::Map<String, serde_json::Value>,
}

impl Piece {
    /// Its `kind`, if it has one: which of several models it sets up.
    pub fn kind(&self) -> Option<&str> {
        self.parameters.get("kind")?.as_str()
    }
}

/// `run.json`: when and where the run was, and how long it took.
#[derive(Clone, Debug, Deserialize)]
pub struct Occasion {
    /// When it began, in seconds since 1970.
    pub began_unix_s: u64,
    /// How long it took, in seconds.
    pub took_s: f64,
    /// On how many threads.
    pub jobs: usize,
    /// Cells times seeds.
    pub runs: usize,
    /// Events simulated.
    pub events: u64,
    /// The operating system.
    pub os: String,
    /// The processor's architecture.
    pub architecture: String,
}

/// What a scenario measured beside a published figure: a line of `comparison.csv`.
#[derive(Clone, Debug, Deserialize)]
pub struct Compared {
    /// The scenario.
    pub experiment: String,
    /// The figure's full name.
    pub source: String,
    /// The unit.
    pub unit: String,
    /// The published value.
    pub published: f64,
    /// Ours; nothing if no cell measures it.
    pub measured: Option<f64>,
    /// Lower end of the 95 % interval over seeds.
    pub ci_low: Option<f64>,
    /// Its upper end.
    pub ci_high: Option<f64>,
    /// `calibrated` or `predicted`.
    pub role: String,
    /// What it says.
    pub verdict: String,
}

/// A tidy table: some of its columns say of which cell and seed a line is.
#[derive(Clone, Debug, Default)]
pub struct Tidy {
    /// The scenario.
    pub scenario: String,
    /// The matrix columns.
    pub columns: Vec<String>,
    /// The columns after the seed.
    pub fields: Vec<String>,
    /// The lines in their order.
    pub lines: Vec<Line>,
}

/// One line of a tidy table.
#[derive(Clone, Debug)]
pub struct Line {
    /// The cell: a label for each matrix column.
    pub labels: Vec<String>,
    /// The seed.
    pub seed: u64,
    /// What the line says, a value for each field.
    pub values: Vec<String>,
}

impl Line {
    /// The value of field number `index` as a number; not a number where the
    /// table is empty.
    pub fn number(&self, index: usize) -> f64 {
        let text = self.values.get(index).map_or("", String::as_str);
        text.parse().unwrap_or(f64::NAN)
    }
}

impl Tidy {
    /// The place of the field `name`.
    ///
    /// # Errors
    /// When the table has none.
    pub fn field(&self, name: &str) -> Result<usize, Error> {
        let found = self.fields.iter().position(|field| field == name);
        found.ok_or_else(|| Error::Usage(format!("a table of results has no column `{name}`")))
    }

    /// The places of several fields.
    ///
    /// # Errors
    /// When the table lacks one.
    pub fn fields<const N: usize>(&self, names: [&str; N]) -> Result<[usize; N], Error> {
        let mut places = [0; N];
        for (place, name) in places.iter_mut().zip(names) {
            *place = self.field(name)?;
        }
        Ok(places)
    }
}

/// A run and where it is.
#[derive(Clone, Debug)]
pub struct Run {
    /// Its folder.
    pub folder: PathBuf,
    /// What makes it repeatable.
    pub manifest: Manifest,
    /// When and where it was.
    pub occasion: Occasion,
    /// Its numbers: fields `metric`, `unit`, `value`.
    pub summary: Tidy,
    /// What it has beside published figures.
    pub comparison: Vec<Compared>,
}

impl Run {
    /// Reads the run in `folder`.
    ///
    /// # Errors
    /// When there is none, it is not whole, or a file of it is broken.
    pub fn read(folder: &Path) -> Result<Run, Error> {
        whole(folder)?;
        Ok(Run {
            folder: folder.to_owned(),
            manifest: json(&folder.join("manifest.json"))?,
            occasion: json(&folder.join("run.json"))?,
            summary: tidy(&folder.join("summary.csv"))?,
            comparison: compared(&folder.join("comparison.csv"))?,
        })
    }

    /// Reads its table `name`, which it need not have.
    ///
    /// # Errors
    /// When the table is broken.
    pub fn table(&self, name: &str) -> Result<Option<Tidy>, Error> {
        let path = self.folder.join(name);
        path.is_file().then(|| tidy(&path)).transpose()
    }
}

/// Whether `folder` looks like that of a run, whole or not.
pub fn is_run(folder: &Path) -> bool {
    folder.join("id").is_file() || folder.join("summary.csv").is_file()
}

/// Refuses what is not the folder of a whole run.
///
/// # Errors
/// When it is none.
pub fn whole(folder: &Path) -> Result<(), Error> {
    let shown = folder.display();
    if !folder.is_dir() {
        return Err(Error::Usage(format!("{shown}: there is no such folder")));
    }
    if folder.join("summary.csv").is_file() {
        return Ok(());
    }
    if !is_run(folder) {
        return Err(Error::Usage(format!(
            "{shown} is no folder of a run: it has no summary.csv\n  help: give the folder that \
             `tidegate run` names in its last line, or one that holds such folders"
        )));
    }
    let cells = fs::read_dir(folder.join("cells")).map_or(0, Iterator::count);
    Err(Error::Partial(format!(
        "{shown} holds a run that was interrupted: {cells} of its runs (cells times seeds) are \
         finished, its tables are not written\n  help: finish it with the same `tidegate run` \
         command and --resume"
    )))
}

/// Reads what a run compared: its `comparison.csv`.
///
/// # Errors
/// When the file cannot be read or is no such table.
pub fn compared(path: &Path) -> Result<Vec<Compared>, Error> {
    csv::Reader::from_reader(text(path)?.as_bytes())
        .deserialize()
        .map(|row| row.map_err(|error| broken(path, error)))
        .collect()
}

/// Reads a JSON file.
///
/// # Errors
/// When it cannot be read, or does not hold a `T`.
pub fn json<T: DeserializeOwned>(path: &Path) -> Result<T, Error> {
    serde_json::from_str(&text(path)?).map_err(|error| broken(path, error))
}

/// A table may be larger than any file that a person writes.
fn text(path: &Path) -> Result<String, Error> {
    fs::read_to_string(path).map_err(|error| Error::io("read", path, &error))
}

fn broken(path: &Path, error: impl std::fmt::Display) -> Error {
    Error::Results(FileError::new(path, error.to_string()).to_string())
}

/// Reads a tidy table.
///
/// # Errors
/// When it cannot be read, or is none.
pub fn tidy(path: &Path) -> Result<Tidy, Error> {
    let mut lines = Vec::new();
    let table = each_line(path, |_, line| {
        lines.push(line);
        Ok(())
    })?;
    Ok(Tidy { lines, ..table })
}

/// Calls `each` with every line of a tidy table, which may be larger than the memory,
/// and with the table as far as it is known: its columns and fields, and no lines.
///
/// # Errors
/// When the table cannot be read, or is none, and what `each` finds.
pub fn each_line(
    path: &Path,
    mut each: impl FnMut(&Tidy, Line) -> Result<(), Error>,
) -> Result<Tidy, Error> {
    let file = fs::File::open(path).map_err(|error| Error::io("read", path, &error))?;
    let mut reader = csv::Reader::from_reader(file);
    let head = reader.headers().map_err(|error| broken(path, error))?;
    let head: Vec<String> = head.iter().map(str::to_owned).collect();
    let seed = head.iter().position(|column| column == "seed");
    let Some(seed) = seed.filter(|_| head.first().is_some_and(|first| first == "scenario")) else {
        return Err(broken(
            path,
            "line 1: expected `scenario`, the matrix columns, `seed`, and what is measured",
        ));
    };
    let mut table = Tidy {
        scenario: String::new(),
        columns: head[1..seed].to_vec(),
        fields: head[seed + 1..].to_vec(),
        lines: Vec::new(),
    };
    for record in reader.records() {
        let record = record.map_err(|error| broken(path, error))?;
        if table.scenario.is_empty() {
            table.scenario = record.get(0).unwrap_or_default().to_owned();
        }
        let owned = |range: std::ops::Range<usize>| {
            let fields = range.filter_map(|index| record.get(index));
            fields.map(str::to_owned).collect()
        };
        let number = record.get(seed).unwrap_or_default();
        let line = record.position().map_or(0, csv::Position::line);
        let wrong = |_| {
            let place = FileError {
                line: usize::try_from(line).ok(),
                ..FileError::new(path, format!("`{number}` is no seed"))
            };
            Error::Results(place.to_string())
        };
        let line = Line {
            labels: owned(1..seed),
            seed: number.parse().map_err(wrong)?,
            values: owned(seed + 1..record.len()),
        };
        each(&table, line)?;
    }
    Ok(table)
}
