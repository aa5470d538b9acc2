//! `tidegate man`: manual pages, one for the command and one for each verb.

use std::fs;
use std::io;
use std::path::Path;

use clap::{Command, CommandFactory};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, roman};

use crate::cli::{Cli, ManArgs, examples};
use crate::commands::{print, report};
use crate::error::Error;
use crate::exit::Exit;

/// Prints one page, or writes all of them.
pub fn run(args: &ManArgs) -> Exit {
    let made = match &args.out {
        Some(folder) => write(folder),
        None => one(&args.verb).map(|page| print(page.trim_end())),
    };
    match made {
        Ok(()) => Exit::Fine,
        Err(error) => report(&error),
    }
}

/// The command with the full name of each verb filled in.
fn whole() -> Command {
    let mut command = Cli::command().disable_help_subcommand(true);
    command.build();
    command
}

fn one(verb: &[String]) -> Result<String, Error> {
    let mut command = &whole();
    for name in verb {
        command = command.find_subcommand(name).ok_or_else(|| {
            Error::Usage(format!(
                "there is no verb `{}`\n  help: `tidegate --help` lists them",
                verb.join(" ")
            ))
        })?;
    }
    page(command).map_err(|error| Error::Internal(error.to_string()))
}

fn write(folder: &Path) -> Result<(), Error> {
    fs::create_dir_all(folder).map_err(|error| Error::io("make", folder, &error))?;
    fn below(command: &Command, folder: &Path) -> Result<(), Error> {
        let path = folder.join(Man::new(command.clone()).get_filename());
        page(command)
            .and_then(|page| fs::write(&path, page))
            .map_err(|error| Error::io("write", &path, &error))?;
        let mut shown = command.get_subcommands().filter(|verb| !verb.is_hide_set());
        shown.try_for_each(|verb| below(verb, folder))
    }
    below(&whole(), folder)
}

/// A page in roff: sections of clap's, and examples as they stand in the help, line by
/// line.
fn page(command: &Command) -> io::Result<String> {
    let man = Man::new(command.clone())
        .source(concat!("tidegate ", env!("CARGO_PKG_VERSION")))
        .manual("Tidegate");
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    if command.has_subcommands() {
        man.render_subcommands_section(&mut page)?;
    }
    let (notes, examples) = examples::split(command);
    let mut rest = Roff::new();
    if !notes.is_empty() {
        rest.control("SH", ["NOTES"]).text([roman(notes)]);
    }
    if !examples.is_empty() {
        rest.control("SH", ["EXAMPLES"]).control("nf", []);
        examples.into_iter().for_each(|line| {
            rest.text([roman(line)]);
        });
        rest.control("fi", []);
    }
    rest.to_writer(&mut page)?;
    man.render_version_section(&mut page)?;
    Ok(String::from_utf8_lossy(&page).into_owned())
}
