//! TOML laid over TOML, with the place of every key kept.
//!
//! A scenario is its file with `--set` on top; a piece is a shared file with
//! what the scenario changes on top. A message about a value must name the line
//! it was written in, whichever layer that is in, so each layer remembers where
//! its keys stand and a [`Document`] translates the places of messages about
//! the whole.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use tidegate_workloads::FileError;
use tidegate_workloads::file;
use toml::de::{DeTable, DeValue};
use toml::{Spanned, Table, Value};

/// A place in a file, or on the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    /// The file, or the argument.
    pub path: PathBuf,
    /// Line and column, both from 1; nothing for an argument.
    pub position: Option<(usize, usize)>,
}

impl Location {
    /// A place without lines.
    pub fn whole(path: impl Into<PathBuf>) -> Location {
        Location {
            path: path.into(),
            position: None,
        }
    }

    /// An error here.
    pub fn error(&self, message: impl Into<String>) -> FileError {
        FileError {
            path: self.path.clone(),
            line: self.position.map(|(line, _)| line),
            column: self.position.map(|(_, column)| column),
            message: message.into(),
            help: None,
        }
    }
}

/// Where a key and its value stand.
#[derive(Clone, Debug)]
struct Place {
    key: Location,
    value: Location,
}

/// A path of keys from the top of a document; elements of arrays by number.
pub type KeyPath = Vec<String>;

/// Spells a path of keys as a message has it.
pub fn spell(path: &[String]) -> String {
    path.join(".")
}

/// A table, and where each of its keys stands.
#[derive(Clone, Debug)]
pub struct Layer {
    table: Table,
    /// Holds a place for every key below the table; the empty path is the
    /// table itself.
    places: BTreeMap<KeyPath, Place>,
}

impl Layer {
    /// Reads TOML `text`; `path` is only named in messages.
    ///
    /// # Errors
    /// When `text` is no TOML.
    pub fn parse(path: &Path, text: &str) -> Result<Layer, FileError> {
        let table: Table = file::parse(path, text)?;
        let mut layer = Layer {
            table,
            places: BTreeMap::new(),
        };
        let lines = file::Lines::new(text);
        for (keys, spans) in spans(text) {
            let start = |range: Range<usize>| Location {
                path: path.to_owned(),
                position: Some(lines.position(range.start)),
            };
            let place = Place {
                key: start(spans.key),
                value: start(spans.value),
            };
            layer.places.insert(keys, place);
        }
        Ok(layer)
    }

    /// The value `value` at `keys`, written at `location`.
    pub fn single(keys: &[String], value: Value, location: &Location) -> Layer {
        let mut places = BTreeMap::new();
        for depth in 0..=keys.len() {
            let place = Place {
                key: location.clone(),
                value: location.clone(),
            };
            places.insert(keys[..depth].to_vec(), place);
        }
        let mut table = Table::new();
        if let Some((last, first)) = keys.split_last() {
            let mut innermost = &mut table;
            for key in first {
                let entry = innermost
                    .entry(key.clone())
                    .or_insert_with(|| Value::Table(Table::new()));
                match entry {
                    Value::Table(next) => innermost = next,
                    _ => unreachable!("the table was just made"),
                }
            }
            innermost.insert(last.clone(), value);
        }
        Layer { table, places }
    }

    /// The table at `keys` as a layer of its own.
    fn below(&self, keys: &[String]) -> Option<Layer> {
        let mut table = &self.table;
        for key in keys {
            table = table.get(key)?.as_table()?;
        }
        let places = self
            .places
            .iter()
            .filter(|(path, _)| path.starts_with(keys))
            .map(|(path, place)| (path[keys.len()..].to_vec(), place.clone()))
            .collect();
        Some(Layer {
            table: table.clone(),
            places,
        })
    }
}

/// Layers as one: upper ones change keys of lower ones.
#[derive(Clone, Debug)]
pub struct Document {
    /// What messages about the whole name.
    path: PathBuf,
    /// From the lowest to the highest.
    layers: Vec<Layer>,
    table: Table,
    /// The text as written, while there is only one layer and nothing was
    /// taken out.
    text: Option<String>,
}

impl Document {
    /// Whether there is a key at `keys`.
    pub fn has(&self, keys: &[String]) -> bool {
        let Some((first, rest)) = keys.split_first() else {
            return true;
        };
        let value = self.table.get(first);
        rest.iter()
            .try_fold(value, |value, key| Some(value?.get(key)))
            .flatten()
            .is_some()
    }

    /// Reads the file at `path`.
    ///
    /// # Errors
    /// When it cannot be read or is no TOML.
    pub fn read(path: &Path) -> Result<Document, FileError> {
        Document::parse(path, &file::read_text(path)?)
    }

    /// Reads TOML `text`; `path` is only named in messages.
    ///
    /// # Errors
    /// When `text` is no TOML.
    pub fn parse(path: &Path, text: &str) -> Result<Document, FileError> {
        let layer = Layer::parse(path, text)?;
        Ok(Document {
            path: path.to_owned(),
            table: layer.table.clone(),
            layers: vec![layer],
            text: Some(text.to_owned()),
        })
    }

    /// A document that was written nowhere; `path` is only named in messages. Keys keep
    /// the order of `table`.
    pub fn made(path: &Path, table: Table) -> Document {
        let layer = Layer {
            table: table.clone(),
            places: BTreeMap::new(),
        };
        Document {
            path: path.to_owned(),
            layers: vec![layer],
            table,
            text: None,
        }
    }

    /// The table at `keys` as a document of its own.
    pub fn below(&self, keys: &[String]) -> Option<Document> {
        let layers: Vec<Layer> = self
            .layers
            .iter()
            .filter_map(|layer| layer.below(keys))
            .collect();
        let (first, rest) = layers.split_first()?;
        let mut document = Document {
            path: self.path.clone(),
            table: first.table.clone(),
            layers: vec![first.clone()],
            text: None,
        };
        for layer in rest {
            document.put(layer.clone());
        }
        Some(document)
    }

    /// Lays `layer` on top.
    pub fn put(&mut self, layer: Layer) {
        merge(&mut self.table, &layer.table);
        self.layers.push(layer);
        self.text = None;
    }

    /// Lays all layers of `other` on top.
    pub fn put_all(&mut self, other: Document) {
        for layer in other.layers {
            self.put(layer);
        }
    }

    /// Takes the key `key` out of the top table.
    pub fn take(&mut self, key: &str) -> Option<Value> {
        let value = self.table.remove(key)?;
        // Its place stays known, for messages.
        for layer in &mut self.layers {
            layer.table.remove(key);
        }
        self.text = None;
        Some(value)
    }

    /// Reads the document into `T`; places in messages are those of the layers.
    ///
    /// # Errors
    /// When the document does not hold a `T`.
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T, FileError> {
        self.read_with(file::parse)
    }

    /// Gives the document's text to `reader`, with a path to name in messages;
    /// places in messages are those of the layers.
    ///
    /// # Errors
    /// Those of `reader`.
    pub fn read_with<T>(
        &self,
        reader: impl FnOnce(&Path, &str) -> Result<T, FileError>,
    ) -> Result<T, FileError> {
        if let Some(text) = &self.text {
            return reader(&self.path, text);
        }
        let text = toml::to_string(&Value::Table(self.table.clone()))
            .map_err(|error| FileError::new(&self.path, error.to_string()))?;
        reader(&self.path, &text).map_err(|error| self.translate(&text, error))
    }

    /// Turns a place in the merged `text` into the place in the layer that the
    /// key came from.
    fn translate(&self, text: &str, error: FileError) -> FileError {
        // Errors about other files (a trace the piece refers to) stand.
        let (true, Some(line)) = (error.path == self.path, error.line) else {
            return error;
        };
        let offset = offset(text, line, error.column.unwrap_or(1));
        let innermost = spans(text)
            .into_iter()
            .flat_map(|(keys, spans)| [(keys.clone(), spans.key, true), (keys, spans.value, false)])
            .filter(|(_, range, _)| range.contains(&offset))
            .min_by_key(|(keys, range, _)| (range.len(), usize::MAX - keys.len()));
        let location = match &innermost {
            Some((keys, _, true)) => self.key_at(keys),
            Some((keys, _, false)) => self.value_at(keys),
            None => self.value_at(&[]),
        };
        FileError {
            path: location.path,
            line: location.position.map(|(line, _)| line),
            column: location.position.map(|(_, column)| column),
            ..error
        }
    }

    /// Where the value at `keys` stands, or what is nearest above it.
    pub fn value_at(&self, keys: &[String]) -> Location {
        self.find(keys).map_or_else(
            || Location::whole(&self.path),
            |(place, exact)| if exact { place.value } else { place.key },
        )
    }

    /// Where the key at `keys` stands, or what is nearest above it.
    pub fn key_at(&self, keys: &[String]) -> Location {
        self.find(keys)
            .map_or_else(|| Location::whole(&self.path), |(place, _)| place.key)
    }

    fn find(&self, keys: &[String]) -> Option<(Place, bool)> {
        (0..=keys.len()).rev().find_map(|depth| {
            let place = self
                .layers
                .iter()
                .rev()
                .find_map(|layer| layer.places.get(&keys[..depth]))?;
            Some((place.clone(), depth == keys.len()))
        })
    }

    /// An error about the value at `keys`.
    pub fn error(&self, keys: &[&str], message: impl Into<String>) -> FileError {
        let keys: KeyPath = keys.iter().map(|&key| key.to_owned()).collect();
        self.value_at(&keys).error(message)
    }

    /// An error about the key at `keys`.
    pub fn key_error(&self, keys: &[&str], message: impl Into<String>) -> FileError {
        let keys: KeyPath = keys.iter().map(|&key| key.to_owned()).collect();
        self.key_at(&keys).error(message)
    }

    /// The keys of the table at `keys`: those of the lowest layer first, each
    /// layer's in the order in which they are written.
    pub fn order(&self, keys: &[&str]) -> Vec<String> {
        let mut table = &self.table;
        for key in keys {
            match table.get(*key).and_then(Value::as_table) {
                Some(next) => table = next,
                None => return Vec::new(),
            }
        }
        table.keys().cloned().collect()
    }

    /// The merged content.
    pub fn table(&self) -> &Table {
        &self.table
    }

    /// What messages about the whole name.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Changes `lower` to what `upper` says: tables key by key, all else as a whole.
fn merge(lower: &mut Table, upper: &Table) {
    for (key, value) in upper {
        match (lower.get_mut(key), value) {
            (Some(Value::Table(below)), Value::Table(above)) => merge(below, above),
            _ => {
                lower.insert(key.clone(), value.clone());
            }
        }
    }
}

/// The bytes of a key and of its value.
struct Spans {
    key: Range<usize>,
    value: Range<usize>,
}

/// The spans of all keys of `text`, which is TOML.
fn spans(text: &str) -> Vec<(KeyPath, Spans)> {
    let mut found = Vec::new();
    let (document, _) = DeTable::parse_recoverable(text);
    found.push((
        Vec::new(),
        Spans {
            key: 0..0,
            value: 0..text.len() + 1,
        },
    ));
    collect(document.get_ref(), &mut Vec::new(), &mut found);
    found
}

fn collect(table: &DeTable<'_>, path: &mut KeyPath, found: &mut Vec<(KeyPath, Spans)>) {
    for (key, value) in table {
        path.push(key.get_ref().to_string());
        found.push((
            path.clone(),
            Spans {
                key: key.span(),
                value: value.span(),
            },
        ));
        collect_value(value, path, found);
        path.pop();
    }
}

fn collect_value(
    value: &Spanned<DeValue<'_>>,
    path: &mut KeyPath,
    found: &mut Vec<(KeyPath, Spans)>,
) {
    match value.get_ref() {
        DeValue::Table(table) => collect(table, path, found),
        DeValue::Array(array) => {
            for (index, element) in array.iter().enumerate() {
                path.push(index.to_string());
                found.push((
                    path.clone(),
                    Spans {
                        key: element.span(),
                        value: element.span(),
                    },
                ));
                collect_value(element, path, found);
                path.pop();
            }
        }
        _ => {}
    }
}

/// The byte at a line and column, both from 1.
fn offset(text: &str, line: usize, column: usize) -> usize {
    let mut start = 0;
    for (number, content) in text.split_inclusive('\n').enumerate() {
        if number + 1 == line {
            let within: usize = content.chars().take(column - 1).map(char::len_utf8).sum();
            return start + within;
        }
        start += content.len();
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Sample {
        a: u32,
        inner: Inner,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Inner {
        b: u32,
        #[serde(default)]
        c: u32,
    }

    const LOWER: &str = "a = 1\n[inner]\nb = 2\n";

    fn laid(upper: &str) -> Document {
        let mut document = Document::parse(Path::new("lower.toml"), LOWER).unwrap();
        document.put(Layer::parse(Path::new("upper.toml"), upper).unwrap());
        document
    }

    #[test]
    fn an_upper_layer_changes_single_keys() {
        let sample: Sample = laid("inner.c = 7").decode().unwrap();
        assert_eq!((sample.a, sample.inner.b, sample.inner.c), (1, 2, 7));
    }

    #[test]
    fn a_message_names_the_layer_the_key_came_from() {
        let message = |upper: &str| laid(upper).decode::<Sample>().unwrap_err().to_string();
        assert_eq!(
            message("\n inner.c = \"x\""),
            "upper.toml:2:12: expected a whole number, found string \"x\""
        );
        assert_eq!(
            message("inner.bb = 3"),
            "upper.toml:1:7: unknown key `bb`\n  help: did you mean `b`?"
        );
        let mut document = laid("a = 2");
        document.take("a");
        let error = document.decode::<Sample>().unwrap_err();
        assert_eq!(error.message, "missing key `a`");
    }

    #[test]
    fn a_part_keeps_its_places() {
        let document = laid("inner.b = -1");
        let part = document.below(&["inner".to_owned()]).unwrap();
        let error = part.decode::<Inner>().unwrap_err();
        assert_eq!((error.line, error.column), (Some(1), Some(11)));
    }

    #[test]
    fn keys_keep_the_order_of_the_file() {
        let mut document = Document::parse(Path::new("x"), "[m]\nz = 1\nb = 2\n").unwrap();
        let here = Location::whole("--set m.z=3");
        let keys = ["m".to_owned(), "z".to_owned()];
        document.put(Layer::single(&keys, Value::Integer(3), &here));
        assert_eq!(document.order(&["m"]), ["z", "b"]);
    }
}
