//! `tidegate list`: the scenarios in a folder.

mod markdown;

use std::path::{Path, PathBuf};

use comfy_table::presets::NOTHING;
use comfy_table::{ContentArrangement, Table};

use crate::commands::{print, report};
use crate::error::Error;
use crate::exit::Exit;
use crate::scenario::{Filter, Scenario, find};

/// Lists the scenarios in and below `folder`, or prints the page about them.
pub fn run(folder: &Path, page: bool) -> Exit {
    let done = if page {
        markdown::page(folder).map(|page| {
            print(page.trim_end());
            Exit::Fine
        })
    } else {
        list(&[folder.to_owned()])
    };
    match done {
        Ok(exit) => exit,
        Err(error) => report(&error),
    }
}

fn list(paths: &[PathBuf]) -> Result<Exit, Error> {
    let mut table = Table::new();
    table
        .load_style(NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled)
        .set_header(["scenario", "cells", "seeds", "title"]);
    let mut exit = Exit::Fine;
    for path in find::scenarios(paths)? {
        match Scenario::load(&path, &[], &Filter::default()) {
            Ok(scenario) => {
                table.add_row([
                    path.display().to_string(),
                    scenario.cells.len().to_string(),
                    scenario.seeds.len().to_string(),
                    scenario.file.title.clone(),
                ]);
            }
            Err(error) => exit = exit.and(report(&error)),
        }
    }
    for line in table.to_string().lines() {
        print(line.trim_end());
    }
    Ok(exit)
}
