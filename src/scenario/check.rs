//! What the types of a scenario file cannot say: that its parts fit together.

use std::collections::BTreeSet;

use tidegate_core::Span;
use tidegate_sim::Testbed;
use tidegate_workloads::application::Deployment;
use tidegate_workloads::{Application, FileError, file};

use crate::scenario::column;
use crate::scenario::format::{
    Compare, Expect, ExperimentKind, Form, Front, ScenarioFile, Seeds, Where, World, label,
};
use crate::scenario::layer::Document;
use crate::scenario::pieces::Kind;
use crate::scenario::recording;

/// More cells times seeds than this are taken for a slip of the pen.
const MAX_RUNS: usize = 100_000;
/// The longest a cell may run: a simulated day.
const MAX_DURATION: Span = Span::from_secs(24 * 3_600);
/// Columns of the tables that name things and are not the matrix's.
const RESERVED: [&str; 9] = [
    "scenario",
    "seed",
    "metric",
    "unit",
    "value",
    "quantile",
    "time_s",
    "container",
    "service",
];

/// Says what is wrong with a duration, if anything.
///
/// # Errors
/// When it is zero or too long.
pub(crate) fn duration(duration: Span) -> Result<(), String> {
    if duration == Span::ZERO || duration > MAX_DURATION {
        return Err(format!(
            "`duration` must be above zero and at most 24h, not {duration}"
        ));
    }
    Ok(())
}

/// Functions need a platform that runs them.
///
/// # Errors
/// When the application has some and the testbed none.
pub(crate) fn platform(application: &Application, testbed: &Testbed) -> Result<(), String> {
    let mut services = application.services.iter();
    let function = services.find(|service| service.deployment == Deployment::Function);
    match function {
        Some(function) if testbed.platform.is_none() => Err(format!(
            "`{}` is a function, and the testbed has no [platform] to run it",
            function.name
        )),
        _ => Ok(()),
    }
}

/// Checks what the types cannot say.
///
/// # Errors
/// When something does not fit together.
pub(crate) fn shape(document: &Document, file: &ScenarioFile) -> Result<(), FileError> {
    if file.run.world == World::Live && file.experiment == ExperimentKind::Continuum {
        return Err(document
            .error(&["run", "world"], "a continuum has no live world")
            .with_help("`world = \"sim\"` runs the scenario in the simulator"));
    }
    file.live
        .check()
        .map_err(|(key, message)| document.error(&["live", "scale", key], message))?;
    if let Some(keys) = file.experiment.foreign().iter().find(|keys| {
        let keys: Vec<String> = keys.iter().map(|&key| key.to_owned()).collect();
        document.has(&keys)
    }) {
        return Err(document
            .key_error(keys, format!("`{}` means nothing here", keys.join(".")))
            .with_help(match file.experiment {
                ExperimentKind::Application => "it belongs to `experiment = \"continuum\"`",
                ExperimentKind::Continuum => "it belongs to experiments on an application",
            }));
    }
    if file.experiment == ExperimentKind::Application {
        if !document.has(&["run".to_owned(), "duration".to_owned()]) {
            return Err(document.key_error(&["run"], "missing key `duration`"));
        }
        duration(file.run.duration)
            .map_err(|message| document.error(&["run", "duration"], message))?;
    }
    if file.run.settle > MAX_DURATION {
        let message = format!("`settle` must be at most 24h, not {}", file.run.settle);
        return Err(document.error(&["run", "settle"], message));
    }
    recording::check(file.run.series, file.run.duration)
        .map_err(|message| document.error(&["run", "series", "every"], message))?;
    let at_seeds = |message: String| Err(document.error(&["run", "seeds"], message));
    match &file.run.seeds {
        Seeds::Count(0) => {
            return at_seeds("a scenario needs at least one seed".to_owned());
        }
        Seeds::Count(n) if *n > MAX_RUNS as u64 => {
            return at_seeds(format!("at most {MAX_RUNS} seeds, not {n}"));
        }
        Seeds::List(list) => {
            if list.is_empty() {
                return at_seeds("a scenario needs at least one seed".to_owned());
            }
            let mut seen = BTreeSet::new();
            if let Some(twice) = list.iter().find(|seed| !seen.insert(**seed)) {
                return at_seeds(format!("seed {twice} is there twice"));
            }
        }
        Seeds::Count(_) => {}
    }
    if file.title.trim().is_empty() {
        return Err(document.error(&["title"], "the title says nothing"));
    }
    columns(document, file)?;
    for (index, expect) in file.expect.iter().enumerate() {
        let index = index.to_string();
        selection(document, file, &["expect", &index, "where"], &expect.cells)?;
        expectation(document, &index, expect)?;
    }
    if let Some(asked) = &file.front {
        front(document, file, asked)?;
    }
    for (index, compare) in file.compare.iter().enumerate() {
        comparison(document, file, &index.to_string(), compare)?;
    }
    Ok(())
}

fn columns(document: &Document, file: &ScenarioFile) -> Result<(), FileError> {
    for (column, path) in &file.columns {
        if Kind::from_name(column).is_some() || RESERVED.contains(&column.as_str()) {
            return Err(document.key_error(
                &["columns", column],
                format!("a column cannot be called `{column}`: the name has a meaning"),
            ));
        }
        if !file.matrix.contains_key(column) {
            return Err(document.key_error(
                &["columns", column],
                format!("the matrix has no values for the column `{column}`"),
            ));
        }
        column::target(path).map_err(|message| document.error(&["columns", column], message))?;
    }
    let known: Vec<&str> = file
        .experiment
        .pieces()
        .iter()
        .map(|kind| kind.name())
        .chain(file.columns.keys().map(String::as_str))
        .collect();
    for column in file.matrix.keys() {
        if known.contains(&column.as_str()) {
            continue;
        }
        let error = document.key_error(&["matrix", column], format!("unknown column `{column}`"));
        let help = match file::nearest(column, known.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!(
                "say in [columns] what it sets, such as {column} = \"allocator.update_period\""
            ),
        };
        return Err(error.with_help(help));
    }
    for kind in file.experiment.columns() {
        if !file.matrix.contains_key(kind.name()) {
            return Err(document.key_error(
                &["matrix"],
                format!(
                    "missing key `{0}`: the matrix needs a column `{0}`",
                    kind.name()
                ),
            ));
        }
    }
    let mut runs = file.run.seeds.list().len();
    for (column, labels) in &file.matrix {
        if labels.0.is_empty() {
            return Err(document.error(
                &["matrix", column],
                format!("the column `{column}` has no values"),
            ));
        }
        let mut seen = BTreeSet::new();
        for (index, value) in labels.0.iter().enumerate() {
            let index = index.to_string();
            let text = label(value);
            if Kind::from_name(column).is_some() && !value.is_str() {
                return Err(document.error(
                    &["matrix", column, &index],
                    format!(
                        "expected the name of a piece in quotes, found {}",
                        value.type_str()
                    ),
                ));
            }
            if !seen.insert(text.clone()) {
                return Err(document.error(
                    &["matrix", column, &index],
                    format!("`{text}` is twice in the column `{column}`"),
                ));
            }
        }
        runs = runs.saturating_mul(labels.0.len());
        if runs > MAX_RUNS {
            return Err(document.key_error(
                &["matrix"],
                format!("cells times seeds come to more than {MAX_RUNS} runs"),
            ));
        }
    }
    for kind in file.experiment.pieces() {
        let name = kind.name();
        let (given, column) = (file.run.piece(*kind), file.matrix.contains_key(name));
        if given.is_some() && column {
            return Err(document.key_error(
                &["run", name],
                format!("`{name}` is a column of the matrix too: which one counts?"),
            ));
        }
        let why = match kind {
            Kind::Testbed => "on which machines does it run?",
            Kind::Workload => "what is asked of the continuum?",
            Kind::Manager => "who deploys?",
            _ => continue,
        };
        if given.is_none() && !column {
            return Err(document.key_error(&["run"], format!("missing key `{name}`: {why}")));
        }
    }
    Ok(())
}

fn expectation(document: &Document, index: &str, expect: &Expect) -> Result<(), FileError> {
    match (expect.min, expect.max) {
        (None, None) => Err(document.error(
            &["expect", index],
            "an [[expect]] needs `min`, `max` or both",
        )),
        (Some(min), Some(max)) if min > max => Err(document.error(
            &["expect", index, "min"],
            format!("nothing is at least {min} and at most {max}"),
        )),
        _ => Ok(()),
    }
}

/// A front needs a column of the matrix and something that counts.
fn front(document: &Document, file: &ScenarioFile, front: &Front) -> Result<(), FileError> {
    if !file.matrix.contains_key(&front.column) {
        let known: Vec<&str> = file.matrix.keys().map(String::as_str).collect();
        let error = document.error(
            &["front", "column"],
            format!("the matrix has no column `{}`", front.column),
        );
        return Err(error.with_help(format!("it has {}", known.join(", "))));
    }
    if front.metric.iter().all(|metric| metric.best.is_none()) {
        return Err(document.error(
            &["front", "metric"],
            "none of these metrics counts: one needs `best = \"highest\"` or `\"lowest\"`",
        ));
    }
    Ok(())
}

fn comparison(
    document: &Document,
    file: &ScenarioFile,
    index: &str,
    compare: &Compare,
) -> Result<(), FileError> {
    selection(document, file, &["compare", index, "of"], &compare.of)?;
    selection(document, file, &["compare", index, "where"], &compare.cells)?;
    let value = compare.form == Form::Value;
    match &compare.against {
        Some(_) if value => Err(document.error(
            &["compare", index, "against"],
            "`against` needs an `as` other than \"value\", such as \"reduction_percent\"",
        )),
        None if !value => Err(document.error(
            &["compare", index, "as"],
            "a change needs `against`: the cells it is a change from",
        )),
        None => Ok(()),
        Some(against) => {
            selection(document, file, &["compare", index, "against"], against)?;
            if !compare.of.keys().eq(against.keys()) {
                return Err(document.error(
                    &["compare", index, "against"],
                    "`of` and `against` must name the same columns: cells are paired over the \
                     others",
                ));
            }
            for (name, side) in [("of", &compare.of), ("against", against)] {
                if let Some(column) = side.keys().find(|column| side[*column].0.len() != 1) {
                    return Err(document.error(
                        &["compare", index, name, column],
                        "cells are paired one to one: a single value is needed here",
                    ));
                }
            }
            Ok(())
        }
    }
}

/// Refuses columns and values that the matrix does not have.
fn selection(
    document: &Document,
    file: &ScenarioFile,
    at: &[&str],
    selection: &Where,
) -> Result<(), FileError> {
    for (column, values) in selection {
        let here: Vec<&str> = at.iter().copied().chain([column.as_str()]).collect();
        let Some(labels) = file.matrix.get(column) else {
            let error = document.key_error(&here, format!("the matrix has no column `{column}`"));
            return Err(suggest(
                error,
                column,
                file.matrix.keys().map(String::as_str),
            ));
        };
        for value in values.texts() {
            if !labels.contains(&value) {
                let labels: Vec<String> = labels.texts().collect();
                let error = document.error(
                    &here,
                    format!("the column `{column}` has no value `{value}`"),
                );
                return Err(suggest(error, &value, labels.iter().map(String::as_str)));
            }
        }
    }
    Ok(())
}

fn suggest<'a>(
    error: FileError,
    name: &str,
    candidates: impl IntoIterator<Item = &'a str, IntoIter: Clone>,
) -> FileError {
    match file::suggestion(name, candidates) {
        Some(help) => error.with_help(help),
        None => error,
    }
}
