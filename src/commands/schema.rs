//! `tidegate schema`: the JSON Schema of scenario files, for editors and `taplo`.

use schemars::generate::SchemaSettings;

use crate::commands::{print, report};
use crate::error::Error;
use crate::exit::Exit;
use crate::scenario::format::ScenarioFile;

/// Prints the schema.
pub fn run() -> Exit {
    // The draft that editors of TOML know best.
    let schema = SchemaSettings::draft07()
        .into_generator()
        .into_root_schema_for::<ScenarioFile>();
    match serde_json::to_string_pretty(&schema) {
        Ok(text) => {
            print(&text);
            Exit::Fine
        }
        Err(error) => report(&Error::Internal(error.to_string())),
    }
}
