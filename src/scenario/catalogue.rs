//! `experiments.csv` beside scenarios: what each of them is for and how long it takes.
//!
//! It stands apart from the scenario files: their content is part of the identity of
//! their results, and a time is a property of a machine.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::Deserialize;

use crate::error::Error;

/// The name of the file.
pub const NAME: &str = "experiments.csv";

/// What the file says about one scenario.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Experiment {
    /// The scenario's path below the folder, with `/`.
    pub scenario: String,
    /// Which figure or table of a paper it is, or what it asks.
    pub figure: String,
    /// Options with which the time was taken, such as `--seeds 1`.
    pub options: String,
    /// How long it takes in the simulator, in seconds of two cores.
    pub seconds: f64,
}

/// Reads the file in `folder`, by scenario.
///
/// # Errors
/// When it cannot be read, has a line that is wrong, or a scenario twice.
pub fn read(folder: &Path) -> Result<BTreeMap<String, Experiment>, Error> {
    let path = folder.join(NAME);
    let text = fs::read_to_string(&path).map_err(|error| {
        Error::Usage(format!(
            "{}: {error}\n  help: columns are scenario,figure,options,seconds",
            path.display()
        ))
    })?;
    parse(&text).map_err(|message| Error::Results(format!("{}: {message}", path.display())))
}

fn parse(text: &str) -> Result<BTreeMap<String, Experiment>, String> {
    let mut found = BTreeMap::new();
    for row in csv::Reader::from_reader(text.as_bytes()).deserialize() {
        let row: Experiment = row.map_err(|error| error.to_string())?;
        if !(row.seconds.is_finite() && row.seconds > 0.0) {
            return Err(format!("{}: no time: {}", row.scenario, row.seconds));
        }
        if let Some(twice) = found.insert(row.scenario.clone(), row) {
            return Err(format!("{} is there twice", twice.scenario));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "scenario,figure,options,seconds\n";

    #[test]
    fn lines_are_read_by_scenario() {
        let found = parse(&format!(
            "{HEAD}b.toml,Table I,--seeds 1,20\na.toml,x,,0.5\n"
        ))
        .unwrap();
        assert_eq!(found.len(), 2);
        assert_eq!(found["b.toml"].options, "--seeds 1");
        assert_eq!(found["a.toml"].seconds, 0.5);
    }

    #[test]
    fn wrong_lines_are_refused_with_their_cause() {
        let refused = |lines: &str| parse(&format!("{HEAD}{lines}")).unwrap_err();
        assert!(refused("a.toml,x,,soon\n").contains("field 3"));
        assert!(refused("a.toml,x,,0\n").contains("no time"));
        assert!(refused("a.toml,x,,1\na.toml,y,,2\n").contains("twice"));
        assert!(refused("a.toml,x\n").contains("line: 2"));
    }
}
