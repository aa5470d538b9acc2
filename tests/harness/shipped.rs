//! The scenarios that come with Tidegate.

use std::path::Path;

use tidegate::compare::entries;
use tidegate::scenario::format::Role;
use tidegate::scenario::{Filter, Scenario};

use crate::tidegate;

fn load(path: &str) -> Scenario {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    Scenario::load(&path, &[], &Filter::default()).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn all_scenarios_and_pieces_are_sound() {
    let done = tidegate(&["check", "scenarios"]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    for kind in [
        "apps",
        "workloads",
        "testbeds",
        "allocators",
        "clients",
        "managers",
    ] {
        let done = tidegate(&["check", &format!("scenarios/{kind}")]);
        assert_eq!(done.code, 0, "{}", done.stderr);
    }
}

#[test]
fn table_1_has_its_cells_and_all_its_figures() {
    let scenario = load("scenarios/escra/table-1.toml");
    assert_eq!(scenario.columns, ["application", "workload", "allocator"]);
    assert_eq!((scenario.cells.len(), scenario.seeds.len()), (48, 1));
    let (targets, left_out) = entries::targets(&scenario).unwrap();
    // The table, and the kills of section VI-E.
    assert_eq!(targets.len(), 12 + 2);
    assert_eq!(left_out, [""; 0]);
    // What Autopilot does there is read off the logs of the same experiments.
    let calibrated = scenario.file.compare.iter().filter(|entry| {
        let fitted = entry.published.contains("autopilot");
        assert_eq!(
            entry.role == Role::Calibrated,
            fitted,
            "{}",
            entry.published
        );
        fitted
    });
    assert_eq!(calibrated.count(), 7);
}

/// What the allocator files spell out for the reader is what the code does
/// without them.
#[test]
fn the_escra_file_spells_out_the_defaults() {
    use tidegate::scenario::policy::Policy;
    let scenario = load("scenarios/quickstart.toml");
    let escra = scenario
        .cells
        .iter()
        .find_map(|cell| match &cell.application()?.policy {
            Policy::Escra(config) => Some(config.clone()),
            _ => None,
        });
    assert_eq!(escra, Some(tidegate_core::escra::Config::default()));
}

/// A scenario compares with each published figure, or the figure says why none does.
#[test]
fn every_published_figure_is_answered() {
    let done = tidegate(&["coverage", "scenarios"]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    let open: Vec<&str> = done
        .stdout
        .lines()
        .filter(|line| line.contains("nobody compares with it"))
        .collect();
    assert_eq!(open, [""; 0]);
    assert!(done.stdout.ends_with(", 0 open\n"), "{}", done.stdout);
    // All that is known of the second paper is raw: not one may be left out.
    let path = "results/published/resource-manager.csv";
    for row in std::fs::read_to_string(path).unwrap().lines().skip(1) {
        let id = row.split(',').next().unwrap();
        let line = format!("| resource-manager/{id} |");
        assert!(done.stdout.contains(&line), "nobody answers {id}");
    }
}
