//! `tidegate verify`: runs a run again from its manifest and compares byte for byte.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Instant, SystemTime};

use crate::cli::VerifyArgs;
use crate::commands::finish::{Course, finish};
use crate::commands::{print, report};
use crate::error::Error;
use crate::exit::Exit;
use crate::results::manifest::{self, Code};
use crate::results::read;
use crate::results::recorded::Recorded;
use crate::results::store::Store;
use crate::run::{self, Interrupt, Options, Shared};
use crate::scenario::format::World;

/// Files of a run that differ from repetition to repetition, or say nothing else.
const ITS_OWN: [&str; 2] = ["run.json", "id"];

/// Repeats the run in `args.run`.
pub fn run(args: &VerifyArgs) -> Exit {
    match verify(args) {
        Ok(exit) => exit,
        Err(error) => report(&error),
    }
}

fn verify(args: &VerifyArgs) -> Result<Exit, Error> {
    let folder = &args.run;
    read::whole(folder)?;
    let recorded = Recorded::read(folder)?;
    let scenario = recorded.scenario(&args.files)?;
    if scenario.file.run.world == World::Live {
        return Err(Error::Usage(format!(
            "{}: a run on a host never repeats byte for byte\n  \
             help: `tidegate compare` says whether two of them differ by more than chance",
            folder.display()
        )));
    }
    let ours = recorded.is_ours();
    if !ours {
        eprintln!(
            "{}: made by other code (version {}, sources {}; this is {}, {}): its tables are \
             compared, its manifest is not",
            folder.display(),
            recorded.tidegate.version,
            recorded.tidegate.sources,
            Code::of(recorded.world).version,
            Code::of(recorded.world).sources
        );
    }
    let temporary = tempfile::tempdir()
        .map_err(|error| Error::Internal(format!("cannot make a temporary folder: {error}")))?;
    let (began, clock) = (SystemTime::now(), Instant::now());
    let jobs = args.jobs.map_or_else(
        || thread::available_parallelism().map_or(1, usize::from),
        usize::from,
    );
    let options = Options {
        jobs,
        resume: false,
        quiet: args.quiet,
        sets: Vec::new(),
        stop_after: None,
        shard: None,
    };
    let store = Store::open(temporary.path(), &manifest::id(&scenario))?;
    store.put("manifest.json", &manifest::manifest(&scenario)?)?;
    let interrupt = Interrupt::new();
    interrupt.listen();
    let shared = Shared::new([&scenario]);
    let results = run::pool::run(&scenario, &store, &options, &interrupt, &shared)?;
    if !results.complete() {
        return Ok(Exit::Partial);
    }
    let course = Course {
        jobs,
        began,
        took: clock.elapsed(),
    };
    finish(&scenario, &results, &store, course)?;
    let mut exit = Exit::Fine;
    let mut equal = 0;
    for name in tables(temporary.path())? {
        if ITS_OWN.contains(&name.as_str()) || !ours && name == "manifest.json" {
            continue;
        }
        match difference(folder, temporary.path(), &name)? {
            None => equal += 1,
            Some(text) => {
                eprintln!("{}: {text}", folder.join(&name).display());
                exit = Exit::NotReproduced;
            }
        }
    }
    if exit == Exit::Fine {
        print(&format!(
            "{}: {} runs repeated, {equal} files equal byte for byte",
            folder.display(),
            results.finished()
        ));
    }
    Ok(exit)
}

/// The files of a run, in the order of their names.
fn tables(folder: &Path) -> Result<Vec<String>, Error> {
    let refused = |error| Error::io("read", folder, &error);
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(refused)? {
        let path: PathBuf = entry.map_err(refused)?.path();
        if path.is_file()
            && let Some(name) = path.file_name()
        {
            names.push(name.to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}

/// The first line in which the file `name` differs, in words.
fn difference(there: &Path, again: &Path, name: &str) -> Result<Option<String>, Error> {
    let path = again.join(name);
    let new = fs::read(&path).map_err(|error| Error::io("read", &path, &error))?;
    let Ok(old) = fs::read(there.join(name)) else {
        return Ok(Some("the file is missing".to_owned()));
    };
    Ok(first_difference(&old, &new))
}

/// Where two texts first differ, in words.
pub(crate) fn first_difference(old: &[u8], new: &[u8]) -> Option<String> {
    if old == new {
        return None;
    }
    let mut lines = old.split_inclusive(|&byte| byte == b'\n');
    let mut again = new.split_inclusive(|&byte| byte == b'\n');
    let text = |line: Option<&[u8]>| match line {
        None => "the end of the file".to_owned(),
        Some(line) => format!("`{}`", String::from_utf8_lossy(line).trim_end_matches('\n')),
    };
    let mut number = 1;
    loop {
        let (was, is) = (lines.next(), again.next());
        if was != is {
            return Some(format!(
                "line {number} was {} and is now {}",
                text(was),
                text(is)
            ));
        }
        number += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_difference_is_told() {
        let found = |a: &str, b: &str| first_difference(a.as_bytes(), b.as_bytes());
        assert_eq!(found("a\nb\n", "a\nb\n"), None);
        let text = found("a\nb\nc\n", "a\nx\ny\n").unwrap();
        assert_eq!(text, "line 2 was `b` and is now `x`");
        let text = found("a\n", "a\nb\n").unwrap();
        assert_eq!(text, "line 2 was the end of the file and is now `b`");
        assert!(found("a", "a\n").is_some());
    }
}
