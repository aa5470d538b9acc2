//! Hashes of pieces, cells and scenarios: equal where the content that decides
//! results is.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::Path;

use serde::Serialize;
use sha2::{Digest, Sha256};
use toml::{Table, Value};

use crate::scenario::layer::Document;
use crate::scenario::pieces::Kind;

/// SHA-256 of texts.
pub(crate) fn digest(texts: &[&str]) -> String {
    let mut hash = Sha256::new();
    texts.iter().for_each(|text| field(&mut hash, text));
    hex(&hash.finalize())
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

/// SHA-256 of the file at `path`, which may be larger than the memory.
///
/// # Errors
/// When it cannot be read.
pub fn file_hash(path: &Path) -> io::Result<String> {
    let (mut file, mut hash) = (File::open(path)?, Sha256::new());
    let mut block = vec![0; 64 << 10];
    loop {
        match file.read(&mut block) {
            Ok(0) => return Ok(hex(&hash.finalize())),
            Ok(count) => hash.update(&block[..count]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// SHA-256 of a piece's content and of the files it was read from. The order of
/// its keys is nothing, but where it decides results: containers are numbered,
/// and placed, in the order of the services.
pub(crate) fn content_hash(kind: Kind, table: &Table, files: &BTreeMap<String, String>) -> String {
    let mut hash = Sha256::new();
    field(&mut hash, &json(table));
    if kind == Kind::Application
        && let Some(Value::Table(services)) = table.get("services")
    {
        services.keys().for_each(|name| field(&mut hash, name));
    }
    for (name, content) in files {
        field(&mut hash, name);
        field(&mut hash, content);
    }
    hex(&hash.finalize())
}

/// The files beside a piece that its texts name, with the SHA-256 of each.
pub(crate) fn files(document: &Document) -> BTreeMap<String, String> {
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
            let hash = file_hash(&folder.join(&name)).ok()?;
            Some((name, hash))
        })
        .collect()
}

/// Anything as JSON with sorted keys.
pub(crate) fn json(value: &impl Serialize) -> String {
    // Keys are text and numbers finite or written as null: this cannot fail.
    let mut value = serde_json::to_value(value).unwrap_or_default();
    value.sort_all_objects();
    value.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_hashed_block_by_block_as_a_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("trace.csv");
        // Around the size of a block, and the empty file.
        for length in [0, 1, (64 << 10) - 1, 64 << 10, (64 << 10) + 1, 200_000] {
            let content: Vec<u8> = (0..length).map(|index| (index % 251) as u8).collect();
            std::fs::write(&path, &content).unwrap();
            assert_eq!(file_hash(&path).unwrap(), hex(&Sha256::digest(&content)));
        }
        assert!(file_hash(folder.path()).is_err(), "a folder has no content");
    }
}
