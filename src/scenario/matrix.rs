//! From a scenario file to its cells: every combination of its columns, with
//! all pieces found, read and checked.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use serde::Serialize;
use tidegate_core::Span;
use tidegate_sim::{Client, Experiment, Recording, Testbed};
use tidegate_workloads::{Application, FileError, Load};
use toml::{Table, Value};

use crate::error::Error;
use crate::scenario::check;
use crate::scenario::column::{self, Target};
use crate::scenario::continuum::{ContinuumCell, Reader as ContinuumReader};
use crate::scenario::filter::Filter;
use crate::scenario::format::{
    ExperimentKind, Labels, Limit, Run, ScenarioFile, Seeds, World, label,
};
use crate::scenario::hash::{content_hash, digest, files, json};
use crate::scenario::layer::{Document, KeyPath, Layer, Location};
use crate::scenario::live::Live;
use crate::scenario::pieces::{Kind, Library};
use crate::scenario::policy::{self, Policy};
use crate::scenario::recording;

/// A scenario, ready to run.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// The file's name without its extension.
    pub name: String,
    /// The file as it was asked for.
    pub document: Document,
    /// The file's content.
    pub file: ScenarioFile,
    /// The matrix columns, in the order of the file.
    pub columns: Vec<String>,
    /// The seeds, in the order of the file.
    pub seeds: Vec<u64>,
    /// The cells, the last column varying fastest.
    pub cells: Vec<Cell>,
    /// All pieces that cells use, by kind and name, before `[columns]`.
    pub pieces: BTreeMap<(Kind, String), Piece>,
}

/// A piece as the manifest keeps it.
#[derive(Clone, Debug)]
pub struct Piece {
    /// SHA-256 of its content and of the files it names itself.
    pub hash: String,
    /// Its content.
    pub table: Table,
    /// What else it is read from, with the content's SHA-256: trace files, those
    /// that `[columns]` name included.
    pub files: BTreeMap<String, String>,
}

/// One combination of the columns.
#[derive(Clone, Debug)]
pub struct Cell {
    /// Its value in each column, in the order of
    /// [`Scenario::columns`].
    pub labels: Vec<String>,
    /// What is run.
    pub subject: Subject,
    /// What is written down besides the numbers.
    pub recording: Recording,
    /// SHA-256 of what decides what happens in its runs, but the seed. Two cells that
    /// agree in it may differ in what they are called and in what they record.
    pub simulation: String,
    /// SHA-256 of everything above.
    pub hash: String,
    /// What it is made of, with the SHA-256 of each: its pieces, `[limit]` and
    /// `[run]`. Says why two cells differ.
    pub parts: BTreeMap<String, String>,
}

/// What a cell runs, by the kind of its experiment.
#[derive(Clone, Debug)]
pub enum Subject {
    /// An application under a load.
    Application(Box<ApplicationCell>),
    /// A manager on a continuum.
    Continuum(Box<ContinuumCell>),
}

/// An application under a load.
#[derive(Clone, Debug)]
pub struct ApplicationCell {
    /// Which world runs it.
    pub world: World,
    /// The application under test.
    pub application: Arc<Application>,
    /// When requests are sent, for each of the scenario's seeds.
    pub loads: Vec<Arc<Load>>,
    /// Where it runs.
    pub testbed: Arc<Testbed>,
    /// Who sends the requests.
    pub client: Client,
    /// Who sets limits.
    pub policy: Policy,
    /// The application-wide limit Ω.
    pub limit: Limit,
    /// How long the containers run before the client begins.
    pub settle: Span,
    /// How long the client sends.
    pub duration: Span,
    /// Whether invariants are checked and rare states counted.
    pub watched: bool,
}

impl ApplicationCell {
    /// The load of the seed number `seed_index`.
    ///
    /// # Errors
    /// When there is no such seed.
    pub fn load(&self, seed_index: usize) -> Result<&Load, String> {
        let load = self.loads.get(seed_index);
        load.map(Arc::as_ref)
            .ok_or_else(|| "the cell has no load for this seed".to_owned())
    }

    /// What the simulator is told of it, under one of its loads.
    pub fn experiment<'a>(
        &'a self,
        load: &'a Load,
        seed: u64,
        recording: Recording,
    ) -> Experiment<'a> {
        Experiment {
            application: &self.application,
            load,
            testbed: &self.testbed,
            client: self.client,
            settle: self.settle,
            duration: self.duration,
            seed,
            recording,
            watched: self.watched,
        }
    }
}

impl Cell {
    /// The application and all about it, if that is what is run.
    pub fn application(&self) -> Option<&ApplicationCell> {
        match &self.subject {
            Subject::Application(cell) => Some(cell),
            Subject::Continuum(_) => None,
        }
    }
}

impl Scenario {
    /// Reads the scenario at `path`, with the `--set` arguments `changes` on
    /// top, and the cells that `filter` admits.
    ///
    /// # Errors
    /// When the file, a change or a piece is wrong, or no cell is left.
    pub fn load(path: &Path, changes: &[Layer], filter: &Filter) -> Result<Scenario, Error> {
        let mut document = Document::read(path)?;
        for change in changes {
            document.put(change.clone());
        }
        Scenario::resolve(document, filter)
    }

    /// Resolves a scenario document.
    ///
    /// # Errors
    /// As [`load`](Scenario::load).
    pub fn resolve(document: Document, filter: &Filter) -> Result<Scenario, Error> {
        Scenario::build(document, filter, |document| Library::new(document))
    }

    /// Resolves a scenario document that holds all its pieces itself, as a manifest
    /// keeps it: no file of pieces is read.
    ///
    /// # Errors
    /// As [`load`](Scenario::load).
    pub fn restore(document: Document) -> Result<Scenario, Error> {
        Scenario::build(document, &Filter::default(), |document| {
            Library::closed(document)
        })
    }

    fn build(
        document: Document,
        filter: &Filter,
        library: fn(&Document) -> Library<'_>,
    ) -> Result<Scenario, Error> {
        let file: ScenarioFile = document.decode()?;
        let columns = document.order(&["matrix"]);
        check::shape(&document, &file)?;
        filter.check(&file, &columns)?;
        let seeds = file.run.seeds.list();
        let name = document
            .path()
            .file_stem()
            .map_or_else(String::new, |stem| stem.to_string_lossy().into_owned());

        let mut resolver = Resolver {
            document: &document,
            file: &file,
            seeds: &seeds,
            library: library(&document),
            documents: BTreeMap::new(),
            pieces: BTreeMap::new(),
            applications: BTreeMap::new(),
            loads: BTreeMap::new(),
            testbeds: BTreeMap::new(),
        };
        let mut cells = Vec::new();
        for choice in combinations(&file, &columns) {
            let labels: Vec<String> = choice.iter().map(|(_, value)| label(value)).collect();
            if filter.admits(&columns, &labels) {
                cells.push(resolver.cell(&columns, &choice, labels)?);
            }
        }
        let pieces = resolver.pieces;
        if cells.is_empty() {
            return Err(Error::Usage(
                "the filters together leave no cell of the scenario".to_owned(),
            ));
        }
        Ok(Scenario {
            name,
            file,
            columns,
            seeds,
            cells,
            pieces,
            document,
        })
    }

    /// How many runs there are: cells times seeds.
    pub fn runs(&self) -> usize {
        self.cells.len() * self.seeds.len()
    }

    /// SHA-256 of everything that decides the results, but the code.
    pub fn hash(&self) -> String {
        let seeds: Vec<String> = self.seeds.iter().map(u64::to_string).collect();
        let mut texts = vec![self.name.as_str()];
        texts.extend(self.columns.iter().map(String::as_str));
        texts.extend(seeds.iter().map(String::as_str));
        texts.extend(self.cells.iter().map(|cell| cell.hash.as_str()));
        digest(&texts)
    }
}

/// Every combination of the columns' values, with the number of each in its
/// column; the last column varies fastest.
fn combinations<'a>(file: &'a ScenarioFile, columns: &[String]) -> Vec<Vec<(usize, &'a Value)>> {
    let mut all = vec![Vec::new()];
    for column in columns {
        let Some(Labels(values)) = file.matrix.get(column) else {
            continue;
        };
        all = all
            .into_iter()
            .flat_map(|first: Vec<(usize, &Value)>| {
                values.iter().enumerate().map(move |value| {
                    let mut next = first.clone();
                    next.push(value);
                    next
                })
            })
            .collect();
    }
    all
}

/// Reads pieces for cells; the same piece only once.
struct Resolver<'a> {
    document: &'a Document,
    file: &'a ScenarioFile,
    seeds: &'a [u64],
    library: Library<'a>,
    /// With the hash of each.
    documents: BTreeMap<(Kind, String), (Arc<Document>, String)>,
    pieces: BTreeMap<(Kind, String), Piece>,
    /// By hash of their content.
    applications: BTreeMap<String, Arc<Application>>,
    loads: BTreeMap<String, Vec<Arc<Load>>>,
    testbeds: BTreeMap<String, Arc<Testbed>>,
}

/// What decides one cell's results, as it is hashed.
#[derive(Serialize)]
struct Content<'a> {
    run: &'a Run,
    duration: Span,
    limit: &'a Limit,
    #[serde(skip_serializing_if = "Option::is_none")]
    live: Option<Live>,
    pieces: Vec<String>,
}

impl Resolver<'_> {
    fn cell(
        &mut self,
        columns: &[String],
        choice: &[(usize, &Value)],
        labels: Vec<String>,
    ) -> Result<Cell, FileError> {
        let mut changes: BTreeMap<Kind, Vec<Layer>> = BTreeMap::new();
        let mut duration = self.file.run.duration;
        let mut limit = self.file.limit.clone();
        for (column, (index, value)) in columns.iter().zip(choice) {
            let Some(path) = self.file.columns.get(column) else {
                continue;
            };
            let index = index.to_string();
            let at = self.at(&["matrix", column, &index]);
            let layer = |keys: &[String]| Layer::single(keys, (*value).clone(), &at);
            match column::target(path).map_err(|message| at.error(message))? {
                Target::Piece(kind, keys) => changes.entry(kind).or_default().push(layer(&keys)),
                Target::Limit(keys) => {
                    let mut document = self
                        .document
                        .below(&["limit".to_owned()])
                        .map_or_else(|| Document::parse(self.document.path(), ""), Ok)?;
                    // An earlier column may have set another key of it.
                    let text =
                        toml::to_string(&limit).map_err(|error| at.error(error.to_string()))?;
                    document.put(Layer::parse(self.document.path(), &text)?);
                    document.put(layer(&keys));
                    limit = document.decode()?;
                }
                Target::Duration => {
                    duration = label(value)
                        .parse()
                        .map_err(|error| at.error(format!("{error}")))?;
                    check::duration(duration)
                        .and_then(|()| recording::check(self.file.run.series, duration))
                        .map_err(|message| at.error(message))?;
                }
            }
        }

        let mut hashes = Vec::new();
        let mut parts = BTreeMap::new();
        let mut piece = |this: &mut Self, kind: Kind| -> Result<Arc<Document>, FileError> {
            let (name, at) = this.named(kind, columns, choice);
            let (mut document, mut hash) = this.piece(kind, &name, &at)?;
            let part = format!("{} {name}", kind.name());
            if let Some(layers) = changes.remove(&kind) {
                let changed = Arc::make_mut(&mut document);
                layers.into_iter().for_each(|layer| changed.put(layer));
                // A column may name files too.
                let files = files(&document);
                hash = content_hash(kind, document.table(), &files);
                if let Some(piece) = this.pieces.get_mut(&(kind, name)) {
                    piece.files.extend(files);
                }
            }
            parts.insert(part, hash.clone());
            hashes.push(hash);
            Ok(document)
        };
        if self.file.experiment == ExperimentKind::Continuum {
            let mut cell = ContinuumReader::default();
            for kind in self.file.experiment.pieces() {
                let document = piece(self, *kind)?;
                cell.read(*kind, Arc::unwrap_or_clone(document))?;
            }
            let mut texts = vec!["continuum"];
            texts.extend(hashes.iter().map(String::as_str));
            let hash = digest(&texts);
            return Ok(Cell {
                labels,
                subject: Subject::Continuum(Box::new(cell.finish()?)),
                recording: Recording::default(),
                simulation: hash.clone(),
                hash,
                parts,
            });
        }
        let application = piece(self, Kind::Application)?;
        let workload = piece(self, Kind::Workload)?;
        let allocator = piece(self, Kind::Allocator)?;
        let testbed = piece(self, Kind::Testbed)?;
        let client = piece(self, Kind::Client)?;
        let named = self.named(Kind::Application, columns, choice).1;

        let run = Run {
            seeds: Seeds::Count(1),
            duration,
            testbed: None,
            client: None,
            ..self.file.run.clone()
        };
        // Unscaled it is what it always was.
        let live = Some(self.file.live).filter(|live| *live != Live::default());
        let content = Content {
            run: &run,
            duration,
            limit: &limit,
            live,
            pieces: hashes.clone(),
        };
        let hash = digest(&[&json(&content)]);
        parts.insert("[limit]".to_owned(), digest(&[&json(&limit)]));
        parts.insert("[run]".to_owned(), digest(&[&json(&run)]));

        let policy = Policy::read(Arc::unwrap_or_clone(allocator))?;
        // The allocator as it was understood: two files may say the same.
        hashes.remove(2);
        let simulation = digest(&[
            &policy.identity(&limit),
            &json(&Content {
                run: &Run {
                    series: None,
                    cdf: false,
                    ..run.clone()
                },
                duration,
                limit: &Limit::default(),
                live,
                pieces: hashes.clone(),
            }),
        ]);
        let application = self.application(&hashes[0], &application)?;
        let testbed = self.testbed(&hashes[2], &testbed)?;
        check::platform(&application, &testbed).map_err(|message| named.error(message))?;
        let cell = ApplicationCell {
            world: self.file.run.world,
            application,
            loads: self.loads(&hashes[1], &workload)?,
            testbed,
            client: read_client(&client)?,
            policy,
            limit,
            settle: self.file.run.settle,
            duration,
            watched: self.file.run.watch,
        };
        Ok(Cell {
            labels,
            subject: Subject::Application(Box::new(cell)),
            recording: recording::recording(&self.file.run),
            simulation,
            hash,
            parts,
        })
    }

    fn at(&self, keys: &[&str]) -> Location {
        let keys: KeyPath = keys.iter().map(|&key| key.to_owned()).collect();
        self.document.value_at(&keys)
    }

    /// The name of a cell's piece of `kind`, and where it is asked for.
    fn named(
        &self,
        kind: Kind,
        columns: &[String],
        choice: &[(usize, &Value)],
    ) -> (String, Location) {
        let column = columns.iter().position(|column| column == kind.name());
        if let Some((index, value)) = column.and_then(|column| choice.get(column)) {
            let at = self.at(&["matrix", kind.name(), &index.to_string()]);
            return (label(value), at);
        }
        let default = match (kind, self.file.experiment) {
            (Kind::Client, ExperimentKind::Application) => "wrk2",
            (Kind::Client, ExperimentKind::Continuum) => "manager",
            _ => "",
        };
        let name = self.file.run.piece(kind).unwrap_or(default);
        (name.to_owned(), self.at(&["run", kind.name()]))
    }

    fn piece(
        &mut self,
        kind: Kind,
        name: &str,
        at: &Location,
    ) -> Result<(Arc<Document>, String), FileError> {
        let key = (kind, name.to_owned());
        if let Some(found) = self.documents.get(&key) {
            return Ok(found.clone());
        }
        let document = Arc::new(self.library.find(kind, name, at)?);
        let files = files(&document);
        let hash = content_hash(kind, document.table(), &files);
        let piece = Piece {
            hash: hash.clone(),
            table: document.table().clone(),
            files,
        };
        self.pieces.insert(key.clone(), piece);
        self.documents.insert(key, (document.clone(), hash.clone()));
        Ok((document, hash))
    }

    fn application(
        &mut self,
        hash: &str,
        document: &Document,
    ) -> Result<Arc<Application>, FileError> {
        if let Some(application) = self.applications.get(hash) {
            return Ok(application.clone());
        }
        let application = document.read_with(Application::parse)?;
        let application = Arc::new(self.file.live.application(application));
        self.applications
            .insert(hash.to_owned(), application.clone());
        Ok(application)
    }

    fn loads(&mut self, hash: &str, document: &Document) -> Result<Vec<Arc<Load>>, FileError> {
        if let Some(loads) = self.loads.get(hash) {
            return Ok(loads.clone());
        }
        let mut loads: Vec<Arc<Load>> = Vec::new();
        for seed in self.seeds {
            let load = document.read_with(|path, text| Load::parse(path, text, *seed))?;
            let load = self.file.live.load(load);
            // Most loads do not depend on the seed.
            match loads.last() {
                Some(last) if **last == load => loads.push(last.clone()),
                _ => loads.push(Arc::new(load)),
            }
        }
        self.loads.insert(hash.to_owned(), loads.clone());
        Ok(loads)
    }

    fn testbed(&mut self, hash: &str, document: &Document) -> Result<Arc<Testbed>, FileError> {
        if let Some(testbed) = self.testbeds.get(hash) {
            return Ok(testbed.clone());
        }
        let testbed = Arc::new(read_testbed(document)?);
        self.testbeds.insert(hash.to_owned(), testbed.clone());
        Ok(testbed)
    }
}

/// Reads a testbed piece.
///
/// # Errors
/// When keys or values are wrong.
pub fn read_testbed(document: &Document) -> Result<Testbed, FileError> {
    let testbed: Testbed = document.decode()?;
    policy::checked(document, testbed.check())?;
    Ok(testbed)
}

/// Reads a client piece.
///
/// # Errors
/// When keys or values are wrong.
pub fn read_client(document: &Document) -> Result<Client, FileError> {
    let client: Client = document.decode()?;
    if client.connections == 0 || client.connections > 1_000_000 {
        return Err(document.error(
            &["connections"],
            format!(
                "`connections` must be between 1 and 1000000, not {}",
                client.connections
            ),
        ));
    }
    let poll = client.poll.unwrap_or(Span::from_secs(1));
    if poll < Span::from_millis(1) {
        let message = format!("`poll` must be at least 1ms, not {poll}");
        return Err(document.error(&["poll"], message));
    }
    Ok(client)
}
