//! `tidegate coverage`: every published figure, the scenario that compares with it
//! and what that measured, as a Markdown table.

use std::collections::BTreeMap;
use std::path::Path;

use crate::cli::CoverageArgs;
use crate::commands::{print, report};
use crate::compare::coverage::{self, Row};
use crate::compare::published::Published;
use crate::error::Error;
use crate::exit::Exit;
use crate::results::read::{self, Compared};
use crate::scenario::{Filter, Scenario, find};

/// Prints the table.
pub fn run(args: &CoverageArgs) -> Exit {
    match table(args) {
        Ok(()) => Exit::Fine,
        Err(error) => report(&error),
    }
}

fn table(args: &CoverageArgs) -> Result<(), Error> {
    let paths = find::scenarios(&args.paths)?;
    let mut scenarios = Vec::new();
    for path in &paths {
        scenarios.push(Scenario::load(path, &[], &Filter::default())?);
    }
    let mut results = BTreeMap::new();
    if let Some(folder) = &args.results {
        results = read_results(folder, &scenarios)?;
    }
    let near = paths.first().map_or(Path::new("."), |path| path);
    let mut papers = Published::all(near)?;
    if let Some(name) = &args.paper {
        papers.retain(|paper| paper.paper() == name);
        if papers.is_empty() {
            return Err(Error::Usage(format!("no published figures of `{name}`")));
        }
    }
    print("| figure | published | scenario | measured | verdict |");
    print("|---|---|---|---|---|");
    let (mut compared, mut explained, mut open) = (0, 0, 0);
    for paper in &papers {
        for row in coverage::rows(paper, &scenarios)? {
            match (row.scenarios.is_empty(), row.covered()) {
                (false, _) => compared += 1,
                (true, true) => explained += 1,
                (true, false) => open += 1,
            }
            lines(&row, &results).iter().for_each(|line| print(line));
        }
    }
    print(&format!(
        "\n{compared} figures compared, {explained} not to be compared, {open} open"
    ));
    Ok(())
}

/// What scenarios measured, by scenario and figure.
type Results = BTreeMap<(String, String), Vec<Compared>>;

/// Reads the results of those scenarios that have some in `folder`.
fn read_results(folder: &Path, scenarios: &[Scenario]) -> Result<Results, Error> {
    let mut results = Results::new();
    for scenario in scenarios {
        let path = folder.join(&scenario.name).join("comparison.csv");
        if path.exists() {
            for measured in read::compared(&path)? {
                let key = (measured.experiment.clone(), measured.source.clone());
                results.entry(key).or_default().push(measured);
            }
        }
    }
    if results.is_empty() {
        return Err(Error::Usage(format!(
            "{}: no results of these scenarios that compare with anything\n  help: give the \
             folder that `tidegate run scenarios --out DIR` wrote",
            folder.display()
        )));
    }
    Ok(results)
}

/// A figure's lines: one for each comparison with it.
fn lines(row: &Row<'_>, results: &Results) -> Vec<String> {
    let head = format!(
        "| {} | {} {} |",
        row.name, row.figure.value, row.figure.unit
    );
    if row.scenarios.is_empty() {
        let purpose = if row.covered() {
            &row.figure.purpose
        } else {
            "nobody compares with it"
        };
        return vec![format!("{head} | | {purpose} |")];
    }
    let mut lines = Vec::new();
    for scenario in &row.scenarios {
        match results.get(&(scenario.clone(), row.name.clone())) {
            None => lines.push(format!("{head} {scenario} | | |")),
            Some(all) => lines.extend(all.iter().map(|measured| {
                let number = number(measured);
                format!("{head} {scenario} | {number} | {} |", measured.verdict)
            })),
        }
    }
    lines
}

/// A measured number with its interval.
fn number(measured: &Compared) -> String {
    let Some(value) = measured.measured else {
        return String::new();
    };
    let digits = match value.abs() {
        size if size >= 1000.0 => 0,
        size if size >= 10.0 => 1,
        _ => 3,
    };
    match (measured.ci_low, measured.ci_high) {
        (Some(low), Some(high)) => {
            format!("{value:.digits$} ± {:.digits$}", (high - low) / 2.0)
        }
        _ => format!("{value:.digits$}"),
    }
}
