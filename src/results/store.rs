//! The folder of one run.
//!
//! Every file is written beside its place and then renamed into it, so a file
//! that is there is whole. Each finished cell and seed has a file of its own
//! under `cells/`; the tables are written when all are there.

use std::fs;
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::run::cell::Finished;
use crate::scenario::Cell;

/// The folder of one run.
#[derive(Clone, Debug)]
pub struct Store {
    folder: PathBuf,
    /// What the results depend on; cells of another run are not ours.
    id: String,
}

/// A cell as it is stored.
#[derive(Deserialize, Serialize)]
struct Stored {
    id: String,
    cell: String,
    seed: u64,
    finished: Finished,
}

/// The file that names the run a folder belongs to.
const ID_FILE: &str = "id";

impl Store {
    /// Opens the folder for the run `id`, making it if need be.
    ///
    /// # Errors
    /// When it holds another run, or anything else, or cannot be made.
    pub fn open(folder: &Path, id: &str) -> Result<Store, Error> {
        fs::create_dir_all(folder.join("cells"))
            .map_err(|error| Error::io("make", &folder.join("cells"), &error))?;
        let store = Store {
            folder: folder.to_owned(),
            id: id.to_owned(),
        };
        match fs::read_to_string(folder.join(ID_FILE)) {
            Ok(found) if found.trim() == id => Ok(store),
            Ok(found) => Err(Error::Usage(format!(
                "{} holds another run ({}, this one is {id}: the scenario or the code differs)\n  \
                 help: give another --out, or remove that folder",
                folder.display(),
                found.trim()
            ))),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                store.put(ID_FILE, format!("{id}\n").as_bytes())?;
                Ok(store)
            }
            Err(error) => Err(Error::io("read", &folder.join(ID_FILE), &error)),
        }
    }

    /// The folder as it is, for reading; there may be none.
    pub fn look(folder: &Path, id: &str) -> Store {
        Store {
            folder: folder.to_owned(),
            id: id.to_owned(),
        }
    }

    /// Whether a cell is there, without a look into it.
    pub fn has(&self, cell: &Cell, seed: u64) -> bool {
        self.folder.join(file_name(cell, seed)).is_file()
    }

    /// Writes the file `name`, whole or not at all.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn put(&self, name: &str, content: &[u8]) -> Result<(), Error> {
        put(&self.folder.join(name), content)
    }

    /// A finished cell of this very run, if it is there.
    pub fn cell(&self, cell: &Cell, seed: u64) -> Option<Finished> {
        let text = fs::read_to_string(self.folder.join(file_name(cell, seed))).ok()?;
        let stored: Stored = serde_json::from_str(&text).ok()?;
        (stored.id == self.id && stored.cell == cell.hash && stored.seed == seed)
            .then_some(stored.finished)
    }

    /// Stores a finished cell.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn put_cell(&self, cell: &Cell, seed: u64, finished: &Finished) -> Result<(), Error> {
        let stored = Stored {
            id: self.id.clone(),
            cell: cell.hash.clone(),
            seed,
            finished: finished.clone(),
        };
        let text = serde_json::to_string(&stored)
            .map_err(|error| Error::Internal(format!("a cell cannot be stored: {error}")))?;
        self.put(&file_name(cell, seed), text.as_bytes())
    }
}

/// Writes the file at `path`, whole or not at all.
///
/// # Errors
/// When the system refuses.
pub fn put(path: &Path, content: &[u8]) -> Result<(), Error> {
    put_with(path, |file| file.write_all(content))
}

/// Writes the file at `path` through `write`, whole or not at all.
///
/// # Errors
/// When the system refuses.
pub fn put_with(
    path: &Path,
    write: impl FnOnce(&mut fs::File) -> io::Result<()>,
) -> Result<(), Error> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".{}.new", std::process::id()));
    let written = || {
        let mut file = fs::File::create(&beside)?;
        write(&mut file)?;
        // Renaming before the content is on disk could leave an empty file
        // after a power cut.
        file.sync_all()?;
        drop(file);
        fs::rename(&beside, path)
    };
    written().map_err(|error| {
        let _ = fs::remove_file(&beside);
        Error::io("write", path, &error)
    })
}

/// A name a person recognises, and the hash that makes it the cell's own.
fn file_name(cell: &Cell, seed: u64) -> String {
    let readable: String = cell
        .labels
        .join("_")
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || "._-".contains(c) {
                c
            } else {
                '-'
            }
        })
        .take(80)
        .collect();
    let hash: String = cell.hash.chars().take(8).collect();
    format!("cells/{readable}_{hash}_seed{seed}.json")
}
