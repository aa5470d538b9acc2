//! The tables of a run whose cells are all there.

use std::time::{Duration, SystemTime};

use crate::compare::front::{self, Rival};
use crate::compare::{Comparisons, entries};
use crate::error::Error;
use crate::results::store::Store;
use crate::results::{manifest, package, summary};
use crate::run::Results;
use crate::scenario::Scenario;

/// What was found while the tables were made.
#[derive(Clone, Debug)]
pub struct Found {
    /// Our figures beside published ones.
    pub comparisons: Comparisons,
    /// The rivals of a `[front]`.
    pub rivals: Vec<Rival>,
}

/// How a run went.
#[derive(Clone, Copy, Debug)]
pub struct Course {
    /// Threads.
    pub jobs: usize,
    /// When it began.
    pub began: SystemTime,
    /// How long it took.
    pub took: Duration,
}

/// Writes the tables of `results`, which are complete, into `store`; the summary
/// last: where it is, everything is.
///
/// # Errors
/// When the system refuses.
pub fn finish(
    scenario: &Scenario,
    results: &Results,
    store: &Store,
    course: Course,
) -> Result<Found, Error> {
    let comparisons = entries::evaluate(scenario, results)?;
    let rivals = front::rivals(scenario, results);
    let mut tables = vec![("containers.csv", summary::containers(scenario, results)?)];
    if scenario.file.run.series.is_some() {
        tables.push(("series.csv", summary::series(scenario, results)?));
    }
    if scenario.file.run.cdf {
        tables.push(("cdf.csv", summary::cdf(scenario, results)?));
    }
    if let Some(front) = &scenario.file.front {
        tables.push(("front.csv", front::table(front, &rivals)?));
    }
    tables.push(("comparison.csv", entries::table(scenario, &comparisons)?));
    tables.push(("summary.csv", summary::summary(scenario, results)?));
    store.put("datapackage.json", &package::package(scenario, &tables)?)?;
    let run = manifest::run(results, course.jobs, course.began, course.took)?;
    store.put("run.json", &run)?;
    for (name, content) in &tables {
        store.put(name, content)?;
    }
    Ok(Found {
        comparisons,
        rivals,
    })
}
