//! From a run's tables to the layouts that others' scripts read.
//!
//! - [`escra`]: the authors of Escra: wrk2's reports, tables of containers.
//! - [`wrk2`]: what wrk2 prints when it is done.
//!
//! What a run did not measure stays empty or not a number there: nothing is made up
//! to fill a column.

pub mod escra;

pub mod wrk2;

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::results::read::{Line, Manifest, Tidy};
use crate::results::store;

/// Where an export goes, and what it has written so far.
#[derive(Debug)]
pub struct Target {
    folder: PathBuf,
    written: Vec<PathBuf>,
}

impl Target {
    /// Writes into `folder`, which need not be there.
    pub fn new(folder: &Path) -> Target {
        Target {
            folder: folder.to_owned(),
            written: Vec::new(),
        }
    }

    /// Writes the file called `name`, which may be in folders of its own.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn put(&mut self, name: &Path, content: &[u8]) -> Result<(), Error> {
        let path = self.folder.join(name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(|error| Error::io("make", parent, &error))?;
        }
        store::put(&path, content)?;
        self.written.push(path);
        Ok(())
    }

    /// The files written, in their order.
    pub fn written(&self) -> &[PathBuf] {
        &self.written
    }
}

/// The lines of one cell and seed, which follow each other in every table.
fn groups(table: &Tidy) -> impl Iterator<Item = &[Line]> {
    table
        .lines
        .chunk_by(|one, other| one.seed == other.seed && one.labels == other.labels)
}

/// Who a cell's `column` is, a kind of piece such as `allocator`: its label, or the
/// only piece of that kind where all cells share it.
fn label<'a>(
    manifest: &'a Manifest,
    columns: &[String],
    labels: &'a [String],
    column: &str,
) -> Option<&'a str> {
    let place = columns.iter().position(|name| name == column);
    match place {
        Some(place) => labels.get(place).map(String::as_str),
        None => {
            let mut pieces = manifest.pieces.get(column)?.keys();
            pieces
                .next()
                .filter(|_| pieces.next().is_none())
                .map(String::as_str)
        }
    }
}

/// A label within the name of a file.
fn in_name(label: &str) -> String {
    label
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || "._-=,".contains(c) {
                c
            } else {
                '-'
            }
        })
        .collect()
}
