//! The scenarios of a folder as a page in Markdown: `scenarios/README.md`.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use crate::compare::verdict::default_tolerance;
use crate::error::Error;
use crate::scenario::catalogue::{self, Experiment};
use crate::scenario::format::{Expect, Judged, ScenarioFile};
use crate::scenario::{Filter, Scenario, find};

const HEAD: &str = "\
# Scenarios

Made by `tidegate list --markdown scenarios` from the scenario files and `experiments.csv`
beside this page, which has the times: in the simulator, on two cores. Results go to
`results/runs/SCENARIO/ID/` (results/README.md says what is in each file). Every run also
writes `summary.csv`, `manifest.json`, `run.json` and `datapackage.json`. A published figure is
met within its tolerance (`--strict-published`: exit code 13 if not), an expectation must
hold (exit code 10). Folders beside those below hold the pieces scenarios are made of.
";

/// The page for the scenarios in and below `folder`.
///
/// # Errors
/// When a scenario or `experiments.csv` is wrong, or one has what the other lacks.
pub(super) fn page(folder: &Path) -> Result<String, Error> {
    let mut about = catalogue::read(folder)?;
    let mut sections: BTreeMap<String, String> = BTreeMap::new();
    for path in find::scenarios(&[folder.to_owned()])? {
        let below = path.strip_prefix(folder).unwrap_or(&path);
        let name = below.to_string_lossy().replace('\\', "/");
        let experiment = about
            .remove(&name)
            .ok_or_else(|| Error::Results(format!("{}: no line for {name}", catalogue::NAME)))?;
        let scenario = Scenario::load(&path, &[], &Filter::default())?;
        let section = name.rsplit_once('/').map_or("", |(section, _)| section);
        let rows = sections.entry(section.to_owned()).or_default();
        rows.push_str(&row(&path, &experiment, &scenario.file));
    }
    if let Some(name) = about.keys().next() {
        let message = format!("{}: there is no scenario {name}", catalogue::NAME);
        return Err(Error::Results(message));
    }
    let mut page = HEAD.to_owned();
    for (section, rows) in sections {
        if !section.is_empty() {
            let _ = write!(page, "\n## {section}\n");
        }
        page.push_str(
            "\n| figure or table | scenario | command | minutes | output | tolerance, expectations |\n\
             |---|---|---|---|---|---|\n",
        );
        page.push_str(&rows);
    }
    Ok(page)
}

fn row(path: &Path, experiment: &Experiment, file: &ScenarioFile) -> String {
    let mut command = format!("tidegate run {}", path.display());
    if !experiment.options.is_empty() {
        command = format!("{command} {}", experiment.options);
    }
    format!(
        "| {} | [{}]({}): {} | `{command}` | {} | {} | {} |\n",
        experiment.figure,
        path.file_stem().unwrap_or_default().to_string_lossy(),
        experiment.scenario,
        cell(&file.title),
        minutes(experiment.seconds),
        output(file),
        held(file),
    )
}

/// Minutes to the tenth.
fn minutes(seconds: f64) -> String {
    let tenths = (seconds / 6.0).round();
    if tenths < 1.0 {
        "< 0.1".to_owned()
    } else {
        format!("{:.1}", tenths / 10.0)
    }
}

/// The tables that this scenario asks for, or its kind has.
fn output(file: &ScenarioFile) -> String {
    let tables = [
        ("containers.csv", true),
        ("series.csv", file.run.series.is_some()),
        ("cdf.csv", file.run.cdf),
        ("comparison.csv", !file.compare.is_empty()),
        ("front.csv", file.front.is_some()),
    ];
    let there: Vec<String> = tables
        .iter()
        .filter(|(_, there)| *there)
        .map(|(name, _)| format!("`{name}`"))
        .collect();
    there.join(", ")
}

/// What of the results is held against a paper, and what against a threshold.
fn held(file: &ScenarioFile) -> String {
    let mut tolerances: BTreeMap<String, usize> = BTreeMap::new();
    for entry in &file.compare {
        let tolerance = entry.tolerance.unwrap_or(default_tolerance(entry.form));
        *tolerances.entry(tolerance.to_string()).or_default() += 1;
    }
    let figures = tolerances.into_iter().map(|(tolerance, n)| match n {
        1 => format!("1 figure within {tolerance}"),
        n => format!("{n} figures within {tolerance}"),
    });
    let all: Vec<String> = figures.chain(file.expect.iter().map(expectation)).collect();
    if all.is_empty() {
        "nothing to hold".to_owned()
    } else {
        all.join("; ")
    }
}

fn expectation(expect: &Expect) -> String {
    let mut text = format!("`{}`", expect.metric);
    if expect.over == Judged::Sum {
        text.push_str(" in all");
    }
    let bounds: Vec<String> = [("at least", expect.min), ("at most", expect.max)]
        .iter()
        .filter_map(|(word, bound)| bound.map(|bound| format!("{word} {bound}")))
        .collect();
    let _ = write!(text, " {}", bounds.join(" and "));
    let cells: Vec<String> = expect
        .cells
        .iter()
        .map(|(column, labels)| {
            let labels: Vec<String> = labels.texts().collect();
            format!("{column} {}", labels.join(" or "))
        })
        .collect();
    if !cells.is_empty() {
        let _ = write!(text, " ({})", cells.join(", "));
    }
    cell(&text)
}

/// Text that does not end its cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minutes_have_one_decimal() {
        assert_eq!(minutes(2.9), "< 0.1");
        assert_eq!(minutes(3.0), "0.1");
        assert_eq!(minutes(20.0), "0.3");
        assert_eq!(minutes(240.0), "4.0");
    }
}
