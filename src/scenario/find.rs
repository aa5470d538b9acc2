//! Finds scenario files in folders.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::scenario::pieces::Kind;

/// The scenario files that `paths` name: files as they are, folders with all
/// TOML files in and below them, in the order of their names, but the folders
/// of pieces.
///
/// # Errors
/// When there is no such file or folder, or a folder holds no scenario.
pub fn scenarios(paths: &[PathBuf]) -> Result<Vec<PathBuf>, Error> {
    let mut found = Vec::new();
    for path in paths {
        if path.is_dir() {
            let before = found.len();
            walk(path, &mut found)?;
            if found.len() == before {
                return Err(Error::Usage(format!(
                    "{}: there is no scenario file in this folder",
                    path.display()
                )));
            }
        } else if path.exists() {
            found.push(path.clone());
        } else {
            return Err(Error::Usage(format!(
                "{}: there is no such file or folder",
                path.display()
            )));
        }
    }
    Ok(found)
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) -> Result<(), Error> {
    let refused = |error| Error::io("read", folder, &error);
    let mut entries = Vec::new();
    for entry in fs::read_dir(folder).map_err(refused)? {
        entries.push(entry.map_err(refused)?.path());
    }
    entries.sort();
    for path in entries {
        let name = path.file_name().and_then(|name| name.to_str());
        if path.is_dir() {
            if name.is_none_or(|name| Kind::from_folder(name).is_none()) {
                walk(&path, found)?;
            }
        } else if path
            .extension()
            .is_some_and(|extension| extension == "toml")
        {
            found.push(path);
        }
    }
    Ok(())
}

/// What the pieces in the folder of `path` are, if it is a folder of pieces.
pub fn kind_of(path: &Path) -> Option<Kind> {
    Kind::from_folder(path.parent()?.file_name()?.to_str()?)
}
