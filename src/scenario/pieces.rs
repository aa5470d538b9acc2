//! Finds and reads the pieces a scenario names: applications, workloads,
//! testbeds, allocators, clients, managers.
//!
//! A piece is a TOML file in a folder shared by scenarios (`apps/media.toml`),
//! looked for from the scenario's folder upward; or a table in the scenario,
//! alone or as changes to another piece.

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use tidegate_workloads::FileError;
use tidegate_workloads::file;
use toml::Value;

use crate::scenario::layer::{Document, Location};

/// What a piece is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Services and the calls between them.
    Application,
    /// When requests are sent.
    Workload,
    /// Hosts, kernel and network.
    Testbed,
    /// The policy that sets limits.
    Allocator,
    /// Who sends requests.
    Client,
    /// The resource manager of a continuum.
    Manager,
}

impl Kind {
    /// All kinds, in the order of their columns.
    pub const ALL: [Kind; 6] = [
        Kind::Application,
        Kind::Workload,
        Kind::Allocator,
        Kind::Testbed,
        Kind::Client,
        Kind::Manager,
    ];

    /// The name of its column and of its tables in a scenario.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Application => "application",
            Kind::Workload => "workload",
            Kind::Testbed => "testbed",
            Kind::Allocator => "allocator",
            Kind::Client => "client",
            Kind::Manager => "manager",
        }
    }

    /// The name of the folder its files are in.
    pub fn folder(self) -> &'static str {
        match self {
            Kind::Application => "apps",
            Kind::Workload => "workloads",
            Kind::Testbed => "testbeds",
            Kind::Allocator => "allocators",
            Kind::Client => "clients",
            Kind::Manager => "managers",
        }
    }

    /// The kind called `name`.
    pub fn from_name(name: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// The kind whose files are in a folder called `name`.
    pub fn from_folder(name: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.folder() == name)
    }
}

/// Finds pieces for one scenario.
#[derive(Debug)]
pub struct Library<'a> {
    scenario: &'a Document,
    /// Whether the scenario holds all its pieces itself, whole.
    closed: bool,
}

impl<'a> Library<'a> {
    /// Pieces as `scenario` sees them.
    pub fn new(scenario: &'a Document) -> Library<'a> {
        Library {
            scenario,
            closed: false,
        }
    }

    /// Pieces that are all in `scenario` itself: no file is looked for.
    pub fn closed(scenario: &'a Document) -> Library<'a> {
        Library {
            scenario,
            closed: true,
        }
    }

    /// The piece of `kind` called `name`; `asked` is where it was asked for.
    ///
    /// # Errors
    /// When there is none, its file cannot be read, or pieces build on each
    /// other in a circle.
    pub fn find(&self, kind: Kind, name: &str, asked: &Location) -> Result<Document, FileError> {
        self.find_below(kind, name, asked, &mut Vec::new())
    }

    fn find_below(
        &self,
        kind: Kind,
        name: &str,
        asked: &Location,
        chain: &mut Vec<String>,
    ) -> Result<Document, FileError> {
        if chain.iter().any(|link| link == name) {
            let circle = chain.join("` builds on `");
            return Err(asked.error(format!(
                "{} `{circle}` builds on `{name}`: that is a circle",
                kind.name()
            )));
        }
        let keys = [kind.name().to_owned(), name.to_owned()];
        let Some(mut changes) = self.scenario.below(&keys) else {
            return self.read(kind, name, asked);
        };
        let base_at = changes.value_at(&["base".to_owned()]);
        match changes.take("base") {
            None => match self.file(kind, name) {
                Some(path) => {
                    let mut piece = Document::read(&path)?;
                    piece.put_all(changes);
                    Ok(piece)
                }
                None => Ok(changes),
            },
            Some(Value::String(base)) => {
                // A piece may change the shared one of its own name.
                let mut piece = if base == name {
                    self.read(kind, &base, &base_at)?
                } else {
                    chain.push(name.to_owned());
                    self.find_below(kind, &base, &base_at, chain)?
                };
                piece.put_all(changes);
                Ok(piece)
            }
            Some(other) => Err(base_at.error(format!(
                "`base` must be the name of a piece in quotes, not {}",
                other.type_str()
            ))),
        }
    }

    fn read(&self, kind: Kind, name: &str, asked: &Location) -> Result<Document, FileError> {
        match self.file(kind, name) {
            Some(path) => Document::read(&path),
            None => Err(self.missing(kind, name, asked)),
        }
    }

    fn file(&self, kind: Kind, name: &str) -> Option<PathBuf> {
        // A name, not a path: what a scenario can read is in its folders.
        if self.closed
            || name.is_empty()
            || name.starts_with('.')
            || name.contains(['/', '\\', '\0'])
        {
            return None;
        }
        self.folders(kind)
            .into_iter()
            .map(|folder| folder.join(format!("{name}.toml")))
            .find(|path| path.is_file())
    }

    /// The folders of `kind` that exist, nearest first.
    fn folders(&self, kind: Kind) -> Vec<PathBuf> {
        upward(self.scenario.path())
            .into_iter()
            .map(|folder| folder.join(kind.folder()))
            // A Rust package that happens to have the name holds no pieces.
            .filter(|folder| folder.is_dir() && !folder.join("Cargo.toml").exists())
            .collect()
    }

    fn missing(&self, kind: Kind, name: &str, asked: &Location) -> FileError {
        let folders = self.folders(kind);
        let mut known = BTreeSet::new();
        if let Some(Value::Table(inline)) = self.scenario.table().get(kind.name()) {
            known.extend(inline.keys().cloned());
        }
        for folder in &folders {
            for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
                let path = entry.path();
                if path
                    .extension()
                    .is_some_and(|extension| extension == "toml")
                    && let Some(stem) = path.file_stem().and_then(|stem| stem.to_str())
                {
                    known.insert(stem.to_owned());
                }
            }
        }
        let looked = if folders.is_empty() {
            format!(
                "there is no folder `{}` beside the scenario or above it",
                kind.folder()
            )
        } else {
            let folders: Vec<String> = folders
                .iter()
                .map(|folder| folder.display().to_string())
                .collect();
            format!("looked in {}", folders.join(", "))
        };
        let error = asked.error(format!("there is no {} `{name}`", kind.name()));
        match file::suggestion(name, known.iter().map(String::as_str)) {
            Some(suggestion) => error.with_help(format!("{suggestion} ({looked})")),
            None => error.with_help(looked),
        }
    }
}

/// The folder of `path` and all above it, nearest first.
pub fn upward(path: &Path) -> Vec<PathBuf> {
    let near = path.parent().into_iter().flat_map(Path::ancestors);
    let mut folders: Vec<PathBuf> = near
        .map(|folder| {
            if folder.as_os_str().is_empty() {
                PathBuf::from(".")
            } else {
                folder.to_owned()
            }
        })
        .collect();
    // A relative path ends where the command runs, but folders go on above.
    if path.is_relative()
        && let Ok(here) = env::current_dir()
    {
        folders.extend(here.ancestors().skip(1).map(Path::to_owned));
    }
    folders
}
