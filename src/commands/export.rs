//! `tidegate export`: a run's folder in, the files that others' scripts read out.

use clap::ValueEnum;

use crate::cli::{ExportArgs, ExportFormat};
use crate::commands::{print, report};
use crate::error::Error;
use crate::exit::Exit;
use crate::export::{Target, escra};
use crate::results::read::Run;

/// Writes the files.
pub fn run(args: &ExportArgs) -> Exit {
    match export(args) {
        Ok(told) => {
            print(&told);
            Exit::Fine
        }
        Err(error) => report(&error),
    }
}

fn export(args: &ExportArgs) -> Result<String, Error> {
    let run = Run::read(&args.run)?;
    let name = args.format.to_possible_value();
    let name = name.as_ref().map_or("", |value| value.get_name());
    let folder = args.out.clone().unwrap_or_else(|| args.run.join(name));
    let mut target = Target::new(&folder);
    match args.format {
        ExportFormat::Escra => escra::write(&run, &mut target)?,
    }
    let count = target.written().len();
    Ok(format!(
        "{}: {count} files in the layout {name}",
        folder.display()
    ))
}
