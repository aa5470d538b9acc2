//! `tidegate report`: a run's folder in, a page for people out.

use std::fs;
use std::path::{Path, PathBuf};

use crate::cli::ReportArgs;
use crate::commands::{print, report};
use crate::error::Error;
use crate::exit::Exit;
use crate::report::{index, page};
use crate::results::read::{Run, is_run};
use crate::results::store;

/// The file that holds a run's page.
const PAGE: &str = "report.html";

/// Writes the page, or the pages.
pub fn run(args: &ReportArgs) -> Exit {
    let written = match below(&args.folder) {
        Ok(folders) if folders.is_empty() => one(args),
        Ok(folders) => several(args, &folders),
        Err(error) => Err(error),
    };
    match written {
        Ok(path) => {
            print(&format!("report: {}", path.display()));
            Exit::Fine
        }
        Err(error) => report(&error),
    }
}

fn one(args: &ReportArgs) -> Result<PathBuf, Error> {
    let run = Run::read(&args.folder)?;
    let path = args.out.clone();
    write(path.unwrap_or_else(|| args.folder.join(PAGE)), &page(&run)?)
}

/// A page in each folder, and one that leads to them.
fn several(args: &ReportArgs, folders: &[PathBuf]) -> Result<PathBuf, Error> {
    if args.out.is_some() {
        return Err(Error::Usage(format!(
            "{} holds {} runs, and --out names one file\n  help: leave it out, or give the folder \
             of one run",
            args.folder.display(),
            folders.len()
        )));
    }
    let mut runs = Vec::new();
    for folder in folders {
        let run = Run::read(folder)?;
        write(folder.join(PAGE), &page(&run)?)?;
        let name = folder.file_name().unwrap_or_default().to_string_lossy();
        runs.push((format!("{}/{PAGE}", escaped(&name)), run));
    }
    write(args.folder.join("index.html"), &index(&runs))
}

/// The folders of runs in `folder`, in the order of their names; none if it is one
/// itself or there is no such folder.
fn below(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let mut found = Vec::new();
    if is_run(folder) || !folder.is_dir() {
        return Ok(found);
    }
    let refused = |error| Error::io("read", folder, &error);
    for entry in fs::read_dir(folder).map_err(refused)? {
        let path = entry.map_err(refused)?.path();
        if is_run(&path) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

fn write(path: PathBuf, text: &str) -> Result<PathBuf, Error> {
    store::put(&path, text.as_bytes())?;
    Ok(path)
}

/// A folder's name within a link.
fn escaped(name: &str) -> String {
    let mut link = String::new();
    for byte in name.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' => {
                link.push(char::from(byte));
            }
            _ => link.push_str(&format!("%{byte:02X}")),
        }
    }
    link
}
