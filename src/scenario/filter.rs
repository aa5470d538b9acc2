//! `--filter column=value`: which cells of a scenario to run.

use std::collections::{BTreeMap, BTreeSet};

use tidegate_workloads::file;

use crate::error::Error;
use crate::scenario::format::ScenarioFile;

/// Which cells of a scenario to run: `--filter`.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// The values allowed in each column named.
    columns: BTreeMap<String, BTreeSet<String>>,
}

impl Filter {
    /// Reads `column=value` arguments. Several values of one column are
    /// alternatives.
    ///
    /// # Errors
    /// When an argument has no `=`.
    pub fn parse(arguments: &[String]) -> Result<Filter, Error> {
        let mut columns: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for argument in arguments {
            let Some((column, value)) = argument.split_once('=') else {
                return Err(Error::Usage(format!(
                    "--filter {argument}: there is no `=`; expected column=value, such as \
                     allocator=escra"
                )));
            };
            columns
                .entry(column.to_owned())
                .or_default()
                .insert(value.to_owned());
        }
        Ok(Filter { columns })
    }

    /// Refuses columns and values that the matrix does not have.
    ///
    /// # Errors
    /// When the arguments name one.
    pub(crate) fn check(&self, file: &ScenarioFile, columns: &[String]) -> Result<(), Error> {
        for (column, values) in &self.columns {
            let names = columns.iter().map(String::as_str);
            let Some(labels) = file.matrix.get(column) else {
                let help = file::suggestion(column, names);
                return Err(unknown_filter("column", column, column, values, help));
            };
            let labels: Vec<String> = labels.texts().collect();
            for value in values {
                if !labels.contains(value) {
                    let help = file::suggestion(value, labels.iter().map(String::as_str));
                    return Err(unknown_filter(
                        &format!("value of `{column}`"),
                        value,
                        column,
                        values,
                        help,
                    ));
                }
            }
        }
        Ok(())
    }

    /// Whether a cell with these labels is to be run.
    pub(crate) fn admits(&self, columns: &[String], labels: &[String]) -> bool {
        columns.iter().zip(labels).all(|(column, label)| {
            self.columns
                .get(column)
                .is_none_or(|values| values.contains(label))
        })
    }
}

fn unknown_filter(
    what: &str,
    name: &str,
    column: &str,
    values: &BTreeSet<String>,
    help: Option<String>,
) -> Error {
    let values: Vec<&str> = values.iter().map(String::as_str).collect();
    let mut message = format!(
        "--filter {column}={}: the scenario has no {what} `{name}`",
        values.join("|")
    );
    if let Some(help) = help {
        message.push_str("\n  help: ");
        message.push_str(&help);
    }
    Error::Usage(message)
}
