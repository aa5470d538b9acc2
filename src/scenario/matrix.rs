//! From a scenario file to its cells: every combination of its columns, with
//! all pieces found, read and checked.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use serde::Serialize;
use sha2::{Digest, Sha256};
use tidegate_core::Span;
use tidegate_sim::{Client, Testbed};
use tidegate_workloads::{Application, FileError, Load, file};
use toml::{Table, Value};

use crate::error::Error;
use crate::scenario::format::{
    Compare, Expect, Form, Labels, Limit, Run, ScenarioFile, Seeds, Where, World, label,
};
use crate::scenario::layer::{Document, KeyPath, Layer, Location, spell};
use crate::scenario::pieces::{Kind, Library};
use crate::scenario::policy::{self, Policy};
use crate::scenario::set;

/// More cells times seeds than this are taken for a slip of the pen.
const MAX_RUNS: usize = 100_000;
/// The longest a cell may run: a simulated day.
const MAX_DURATION: Span = Span::from_secs(24 * 3_600);
/// Columns of `summary.csv` that are not the matrix's.
const RESERVED: [&str; 5] = ["scenario", "seed", "metric", "unit", "value"];

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
    /// Cells before `--filter`.
    pub cells_in_file: usize,
}

/// A piece as the manifest keeps it.
#[derive(Clone, Debug)]
pub struct Piece {
    /// Its content.
    pub table: Table,
    /// What else it was read from, with the content's SHA-256: trace files.
    pub files: BTreeMap<String, String>,
}

/// One combination of the columns.
#[derive(Clone, Debug)]
pub struct Cell {
    /// Its value in each column, in the order of
    /// [`Scenario::columns`].
    pub labels: Vec<String>,
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
    /// How long the client sends.
    pub duration: Span,
    /// SHA-256 of everything above.
    pub hash: String,
}

/// Which cells of a scenario to run: `--filter`.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// The values allowed in each column named.
    columns: BTreeMap<String, BTreeSet<String>>,
}

impl Filter {
    /// Reads `column=value` arguments. Several values of one column are
    /// alternatives.
    ///
    /// # Errors
    /// When an argument has no `=`.
    pub fn parse(arguments: &[String]) -> Result<Filter, Error> {
        let mut columns: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for argument in arguments {
            let Some((column, value)) = argument.split_once('=') else {
                return Err(Error::Usage(format!(
                    "--filter {argument}: there is no `=`; expected column=value, such as \
                     allocator=escra"
                )));
            };
            columns
                .entry(column.to_owned())
                .or_default()
                .insert(value.to_owned());
        }
        Ok(Filter { columns })
    }

    /// Refuses columns and values that the matrix does not have.
    fn check(&self, file: &ScenarioFile, columns: &[String]) -> Result<(), Error> {
        for (column, values) in &self.columns {
            let names = columns.iter().map(String::as_str);
            let Some(labels) = file.matrix.get(column) else {
                let help = file::suggestion(column, names);
                return Err(unknown_filter("column", column, column, values, help));
            };
            let labels: Vec<String> = labels.texts().collect();
            for value in values {
                if !labels.contains(value) {
                    let help = file::suggestion(value, labels.iter().map(String::as_str));
                    return Err(unknown_filter(
                        &format!("value of `{column}`"),
                        value,
                        column,
                        values,
                        help,
                    ));
                }
            }
        }
        Ok(())
    }

    fn admits(&self, columns: &[String], labels: &[String]) -> bool {
        columns.iter().zip(labels).all(|(column, label)| {
            self.columns
                .get(column)
                .is_none_or(|values| values.contains(label))
        })
    }
}

fn unknown_filter(
    what: &str,
    name: &str,
    column: &str,
    values: &BTreeSet<String>,
    help: Option<String>,
) -> Error {
    let values: Vec<&str> = values.iter().map(String::as_str).collect();
    let mut message = format!(
        "--filter {column}={}: the scenario has no {what} `{name}`",
        values.join("|")
    );
    if let Some(help) = help {
        message.push_str("\n  help: ");
        message.push_str(&help);
    }
    Error::Usage(message)
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
        let file: ScenarioFile = document.decode()?;
        let columns = document.order(&["matrix"]);
        check_shape(&document, &file)?;
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
            library: Library::new(&document),
            documents: BTreeMap::new(),
            pieces: BTreeMap::new(),
            applications: BTreeMap::new(),
            loads: BTreeMap::new(),
            testbeds: BTreeMap::new(),
        };
        let mut cells = Vec::new();
        let mut cells_in_file = 0;
        for choice in combinations(&file, &columns) {
            cells_in_file += 1;
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
            cells_in_file,
            document,
        })
    }

    /// How many runs there are: cells times seeds.
    pub fn runs(&self) -> usize {
        self.cells.len() * self.seeds.len()
    }

    /// SHA-256 of everything that decides the results, but the code.
    pub fn hash(&self) -> String {
        let mut hash = Sha256::new();
        field(&mut hash, &self.name);
        for column in &self.columns {
            field(&mut hash, column);
        }
        for seed in &self.seeds {
            field(&mut hash, &seed.to_string());
        }
        for cell in &self.cells {
            field(&mut hash, &cell.hash);
        }
        hex(&hash.finalize())
    }
}

/// Adds a text to a hash such that its end is marked.
fn field(hash: &mut Sha256, text: &str) {
    hash.update((text.len() as u64).to_le_bytes());
    hash.update(text);
}

/// Bytes as hexadecimal text.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Checks what the types cannot say.
fn check_shape(document: &Document, file: &ScenarioFile) -> Result<(), FileError> {
    if file.run.world == World::Live {
        return Err(document
            .error(&["run", "world"], "the live world is not built yet")
            .with_help("`world = \"sim\"` runs the scenario in the simulator"));
    }
    if file.run.duration == Span::ZERO || file.run.duration > MAX_DURATION {
        return Err(document.error(
            &["run", "duration"],
            format!(
                "`duration` must be above zero and at most 24h, not {}",
                file.run.duration
            ),
        ));
    }
    let at_seeds = |message: String| Err(document.error(&["run", "seeds"], message));
    match &file.run.seeds {
        Seeds::Count(0) => {
            return at_seeds("a scenario needs at least one seed".to_owned());
        }
        Seeds::Count(n) if *n > MAX_RUNS as u64 => {
            return at_seeds(format!("at most {MAX_RUNS} seeds, not {n}"));
        }
        Seeds::List(list) => {
            if list.is_empty() {
                return at_seeds("a scenario needs at least one seed".to_owned());
            }
            let mut seen = BTreeSet::new();
            if let Some(twice) = list.iter().find(|seed| !seen.insert(**seed)) {
                return at_seeds(format!("seed {twice} is there twice"));
            }
        }
        Seeds::Count(_) => {}
    }
    if file.title.trim().is_empty() {
        return Err(document.error(&["title"], "the title says nothing"));
    }
    check_columns(document, file)?;
    for (index, expect) in file.expect.iter().enumerate() {
        let index = index.to_string();
        check_where(document, file, &["expect", &index, "where"], &expect.cells)?;
        check_expect(document, &index, expect)?;
    }
    for (index, compare) in file.compare.iter().enumerate() {
        check_compare(document, file, &index.to_string(), compare)?;
    }
    Ok(())
}

fn check_columns(document: &Document, file: &ScenarioFile) -> Result<(), FileError> {
    for (column, path) in &file.columns {
        if Kind::from_name(column).is_some() || RESERVED.contains(&column.as_str()) {
            return Err(document.key_error(
                &["columns", column],
                format!("a column cannot be called `{column}`: the name has a meaning"),
            ));
        }
        if !file.matrix.contains_key(column) {
            return Err(document.key_error(
                &["columns", column],
                format!("the matrix has no values for the column `{column}`"),
            ));
        }
        column_target(path).map_err(|message| document.error(&["columns", column], message))?;
    }
    let known: Vec<&str> = Kind::ALL
        .iter()
        .map(|kind| kind.name())
        .chain(file.columns.keys().map(String::as_str))
        .collect();
    for column in file.matrix.keys() {
        if known.contains(&column.as_str()) {
            continue;
        }
        let error = document.key_error(&["matrix", column], format!("unknown column `{column}`"));
        let help = match file::nearest(column, known.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!(
                "say in [columns] what it sets, such as {column} = \"allocator.update_period\""
            ),
        };
        return Err(error.with_help(help));
    }
    for kind in [Kind::Application, Kind::Workload, Kind::Allocator] {
        if !file.matrix.contains_key(kind.name()) {
            return Err(document.key_error(
                &["matrix"],
                format!(
                    "missing key `{0}`: the matrix needs a column `{0}`",
                    kind.name()
                ),
            ));
        }
    }
    let mut runs = file.run.seeds.list().len();
    for (column, labels) in &file.matrix {
        if labels.0.is_empty() {
            return Err(document.error(
                &["matrix", column],
                format!("the column `{column}` has no values"),
            ));
        }
        let mut seen = BTreeSet::new();
        for (index, value) in labels.0.iter().enumerate() {
            let index = index.to_string();
            let text = label(value);
            if Kind::from_name(column).is_some() && !value.is_str() {
                return Err(document.error(
                    &["matrix", column, &index],
                    format!(
                        "expected the name of a piece in quotes, found {}",
                        value.type_str()
                    ),
                ));
            }
            if !seen.insert(text.clone()) {
                return Err(document.error(
                    &["matrix", column, &index],
                    format!("`{text}` is twice in the column `{column}`"),
                ));
            }
        }
        runs = runs.saturating_mul(labels.0.len());
        if runs > MAX_RUNS {
            return Err(document.key_error(
                &["matrix"],
                format!("cells times seeds come to more than {MAX_RUNS} runs"),
            ));
        }
    }
    for (name, given) in [("testbed", &file.run.testbed), ("client", &file.run.client)] {
        if given.is_some() && file.matrix.contains_key(name) {
            return Err(document.key_error(
                &["run", name],
                format!("`{name}` is a column of the matrix too: which one counts?"),
            ));
        }
    }
    if file.run.testbed.is_none() && !file.matrix.contains_key("testbed") {
        return Err(document.key_error(
            &["run"],
            "missing key `testbed`: on which machines does it run?",
        ));
    }
    Ok(())
}

fn check_expect(document: &Document, index: &str, expect: &Expect) -> Result<(), FileError> {
    match (expect.min, expect.max) {
        (None, None) => Err(document.error(
            &["expect", index],
            "an [[expect]] needs `min`, `max` or both",
        )),
        (Some(min), Some(max)) if min > max => Err(document.error(
            &["expect", index, "min"],
            format!("nothing is at least {min} and at most {max}"),
        )),
        _ => Ok(()),
    }
}

fn check_compare(
    document: &Document,
    file: &ScenarioFile,
    index: &str,
    compare: &Compare,
) -> Result<(), FileError> {
    check_where(document, file, &["compare", index, "of"], &compare.of)?;
    check_where(document, file, &["compare", index, "where"], &compare.cells)?;
    let value = compare.form == Form::Value;
    match &compare.against {
        Some(_) if value => Err(document.error(
            &["compare", index, "against"],
            "`against` needs `as = \"reduction_percent\"` or `as = \"increase_percent\"`",
        )),
        None if !value => Err(document.error(
            &["compare", index, "as"],
            "a change in percent needs `against`: the cells it is a change from",
        )),
        None => Ok(()),
        Some(against) => {
            check_where(document, file, &["compare", index, "against"], against)?;
            if !compare.of.keys().eq(against.keys()) {
                return Err(document.error(
                    &["compare", index, "against"],
                    "`of` and `against` must name the same columns: cells are paired over the \
                     others",
                ));
            }
            for (name, side) in [("of", &compare.of), ("against", against)] {
                if let Some(column) = side.keys().find(|column| side[*column].0.len() != 1) {
                    return Err(document.error(
                        &["compare", index, name, column],
                        "cells are paired one to one: a single value is needed here",
                    ));
                }
            }
            Ok(())
        }
    }
}

/// Refuses columns and values that the matrix does not have.
fn check_where(
    document: &Document,
    file: &ScenarioFile,
    at: &[&str],
    selection: &Where,
) -> Result<(), FileError> {
    for (column, values) in selection {
        let here: Vec<&str> = at.iter().copied().chain([column.as_str()]).collect();
        let Some(labels) = file.matrix.get(column) else {
            let error = document.key_error(&here, format!("the matrix has no column `{column}`"));
            return Err(suggest(
                error,
                column,
                file.matrix.keys().map(String::as_str),
            ));
        };
        for value in values.texts() {
            if !labels.contains(&value) {
                let labels: Vec<String> = labels.texts().collect();
                let error = document.error(
                    &here,
                    format!("the column `{column}` has no value `{value}`"),
                );
                return Err(suggest(error, &value, labels.iter().map(String::as_str)));
            }
        }
    }
    Ok(())
}

fn suggest<'a>(
    error: FileError,
    name: &str,
    candidates: impl IntoIterator<Item = &'a str, IntoIter: Clone>,
) -> FileError {
    match file::suggestion(name, candidates) {
        Some(help) => error.with_help(help),
        None => error,
    }
}

/// What a column of `[columns]` sets.
enum Target {
    /// A key inside pieces of a kind.
    Piece(Kind, KeyPath),
    /// A key of `[limit]`.
    Limit(KeyPath),
    /// `run.duration`.
    Duration,
}

fn column_target(path: &str) -> Result<Target, String> {
    let wrong = || {
        format!(
            "`{path}` is no key that a column can set: expected `allocator.`, `workload.`, \
             `application.`, `testbed.`, `client.` or `limit.` and a key, or `run.duration`"
        )
    };
    let keys = set::keys(path).ok_or_else(wrong)?;
    match keys.split_first() {
        Some((root, rest)) if !rest.is_empty() => match (root.as_str(), Kind::from_name(root)) {
            (_, Some(kind)) => Ok(Target::Piece(kind, rest.to_vec())),
            ("limit", _) => Ok(Target::Limit(rest.to_vec())),
            ("run", _) if spell(rest) == "duration" => Ok(Target::Duration),
            _ => Err(wrong()),
        },
        _ => Err(wrong()),
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
            match column_target(path).map_err(|message| at.error(message))? {
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
                    if duration == Span::ZERO || duration > MAX_DURATION {
                        return Err(at.error(format!(
                            "`duration` must be above zero and at most 24h, not {duration}"
                        )));
                    }
                }
            }
        }

        let mut hashes = Vec::new();
        let mut piece = |this: &mut Self, kind: Kind| -> Result<Arc<Document>, FileError> {
            let (name, at) = this.named(kind, columns, choice);
            let (mut document, mut hash) = this.piece(kind, &name, &at)?;
            if let Some(layers) = changes.remove(&kind) {
                let changed = Arc::make_mut(&mut document);
                layers.into_iter().for_each(|layer| changed.put(layer));
                let files = this.pieces.get(&(kind, name)).map(|piece| &piece.files);
                hash = content_hash(document.table(), files);
            }
            hashes.push(hash);
            Ok(document)
        };
        let application = piece(self, Kind::Application)?;
        let workload = piece(self, Kind::Workload)?;
        let allocator = piece(self, Kind::Allocator)?;
        let testbed = piece(self, Kind::Testbed)?;
        let client = piece(self, Kind::Client)?;

        let content = Content {
            run: &Run {
                seeds: Seeds::Count(1),
                duration,
                testbed: None,
                client: None,
                ..self.file.run.clone()
            },
            duration,
            limit: &limit,
            pieces: hashes.clone(),
        };
        let mut hash = Sha256::new();
        field(&mut hash, &json(&content));

        Ok(Cell {
            labels,
            application: self.application(&hashes[0], &application)?,
            loads: self.loads(&hashes[1], &workload)?,
            testbed: self.testbed(&hashes[3], &testbed)?,
            client: read_client(&client)?,
            policy: Policy::read(Arc::unwrap_or_clone(allocator))?,
            limit,
            duration,
            hash: hex(&hash.finalize()),
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
        let run = &self.file.run;
        let name = match kind {
            Kind::Testbed => run.testbed.clone().unwrap_or_default(),
            _ => run.client.clone().unwrap_or_else(|| "wrk2".to_owned()),
        };
        (name, self.at(&["run", kind.name()]))
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
        let piece = Piece {
            table: document.table().clone(),
            files: files(&document),
        };
        let hash = content_hash(&piece.table, Some(&piece.files));
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
        let application = Arc::new(document.read_with(Application::parse)?);
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
    Ok(client)
}

/// SHA-256 of a piece's content and of the files it was read from.
fn content_hash(table: &Table, files: Option<&BTreeMap<String, String>>) -> String {
    let mut hash = Sha256::new();
    field(&mut hash, &json(table));
    for (name, content) in files.into_iter().flatten() {
        field(&mut hash, name);
        field(&mut hash, content);
    }
    hex(&hash.finalize())
}

/// The files beside a piece that its texts name, with the SHA-256 of each.
fn files(document: &Document) -> BTreeMap<String, String> {
    fn texts(value: &Value, found: &mut BTreeSet<String>) {
        match value {
            Value::String(text) => {
                found.insert(text.clone());
            }
            Value::Array(array) => array.iter().for_each(|value| texts(value, found)),
            Value::Table(table) => table.values().for_each(|value| texts(value, found)),
            _ => {}
        }
    }
    let mut named = BTreeSet::new();
    // Only keys called so name files; any other text could be a file by chance.
    if let Some(value) = document.table().get("file") {
        texts(value, &mut named);
    }
    let folder = document.path().parent().unwrap_or(Path::new(""));
    named
        .into_iter()
        .filter_map(|name| {
            let content = std::fs::read(folder.join(&name)).ok()?;
            Some((name, hex(&Sha256::digest(content))))
        })
        .collect()
}

/// Anything as JSON with sorted keys.
fn json(value: &impl Serialize) -> String {
    // Keys are text and numbers finite or written as null: this cannot fail.
    serde_json::to_string(value).unwrap_or_default()
}
