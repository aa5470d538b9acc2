//! `datapackage.json`: what each table of a run holds, for programs.

use std::fs;

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::{read, text, tidegate};

#[test]
fn a_data_package_describes_every_column_of_every_table() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let done = tidegate(&[
        "run",
        "tests/fixtures/small.toml",
        "--quiet",
        "--out",
        text(folder),
        "--set",
        "run.cdf=true",
        "--set",
        "run.series={every=\"1s\"}",
    ]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    let package: Value = serde_json::from_str(&read(folder, "datapackage.json")).unwrap();
    assert_eq!(package["name"], "small");
    let resources = package["resources"].as_array().unwrap();
    let tables = fs::read_dir(folder).unwrap().filter(|entry| {
        let name = entry.as_ref().unwrap().file_name();
        name.to_string_lossy().ends_with(".csv")
    });
    assert_eq!(resources.len(), tables.count());
    for resource in resources {
        let path = resource["path"].as_str().unwrap();
        let content = read(folder, path);
        assert_eq!(resource["bytes"], content.len());
        let digest = Sha256::digest(content.as_bytes());
        let hash: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(resource["hash"], format!("sha256:{hash}"));
        let fields = resource["schema"]["fields"].as_array().unwrap();
        let names: Vec<&str> = fields.iter().map(|f| f["name"].as_str().unwrap()).collect();
        assert_eq!(names.join(","), content.lines().next().unwrap(), "{path}");
        for field in fields {
            let name = field["name"].as_str().unwrap();
            let told = field["description"].as_str().unwrap();
            // Only the columns of a front are metrics of the scenario's own.
            assert!(
                !told.starts_with("the metric "),
                "{path}: {name} is not described"
            );
            // A unit in a name is the unit of the field.
            for (end, unit) in [("_cores", "cores"), ("_mib", "MiB"), ("_s", "s")] {
                if name.ends_with(end) {
                    assert_eq!(field["unit"], unit, "{path}: {name}");
                }
            }
        }
    }
}
