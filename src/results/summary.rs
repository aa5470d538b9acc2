//! The tables of a finished run: `summary.csv` and `containers.csv`, and, where
//! the scenario asks for them, `series.csv` and `cdf.csv`.
//!
//! Tidy: one number per line, the same columns in every run of a scenario. The
//! order is that of the scenario, whatever the order in which cells finished,
//! and numbers are written in their shortest form that reads back the same.

use crate::error::Error;
use crate::run::Results;
use crate::scenario::Scenario;

/// A number as tables have it; empty where nothing was measured.
pub fn number(value: f64) -> String {
    if value.is_nan() {
        String::new()
    } else {
        format!("{value}")
    }
}

/// Writes rows as CSV.
///
/// # Errors
/// When a row has another length than the head.
pub fn csv(head: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> Result<Vec<u8>, Error> {
    let wrong = |error: csv::Error| Error::Internal(format!("a table cannot be written: {error}"));
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(head).map_err(wrong)?;
    for row in rows {
        writer.write_record(&row).map_err(wrong)?;
    }
    writer
        .into_inner()
        .map_err(|error| Error::Internal(format!("a table cannot be written: {error}")))
}

/// The content of `summary.csv`: `scenario,<columns>,seed,metric,unit,value`.
///
/// # Errors
/// When the table cannot be written.
pub fn summary(scenario: &Scenario, results: &Results) -> Result<Vec<u8>, Error> {
    let rows = keys(scenario, results).flat_map(|(key, finished)| {
        finished.metrics.iter().map(move |metric| {
            let value = [&metric.name, &metric.unit, &number(metric.value)].map(String::clone);
            key.iter().cloned().chain(value).collect()
        })
    });
    csv(&head(scenario, &["metric", "unit", "value"]), rows)
}

/// What the simulator counted, one line per cell and seed: events handled. No table of
/// a run, but what a change of its course shows first in.
///
/// # Errors
/// When the table cannot be written.
pub fn counters(scenario: &Scenario, results: &Results) -> Result<Vec<u8>, Error> {
    let rows = keys(scenario, results).map(|(mut key, finished)| {
        key.push(finished.events.to_string());
        key
    });
    csv(&head(scenario, &["events"]), rows)
}

/// The content of `containers.csv`: one line per cell, seed and service.
///
/// # Errors
/// When the table cannot be written.
pub fn containers(scenario: &Scenario, results: &Results) -> Result<Vec<u8>, Error> {
    let rows = keys(scenario, results).flat_map(|(key, finished)| {
        finished.containers.iter().map(move |container| {
            let values = [
                container.service.clone(),
                number(container.cpu_mean_cores),
                number(container.cpu_limit_mean_cores),
                number(container.memory_max_mib),
                container.periods.to_string(),
                container.throttled_periods.to_string(),
                container.oom_kills.to_string(),
            ];
            key.iter().cloned().chain(values).collect()
        })
    });
    let columns = [
        "service",
        "cpu_mean_cores",
        "cpu_limit_mean_cores",
        "memory_max_mib",
        "periods",
        "throttled_periods",
        "oom_kills",
    ];
    csv(&head(scenario, &columns), rows)
}

/// The content of `series.csv`: one line per cell, seed, time and container, or
/// per cell, seed and time for the sum over all of them.
///
/// # Errors
/// When the table cannot be written.
pub fn series(scenario: &Scenario, results: &Results) -> Result<Vec<u8>, Error> {
    let rows = keys(scenario, results).flat_map(|(key, finished)| {
        finished.series.iter().map(move |point| {
            let container = match point.container {
                None => "all",
                Some(index) => finished
                    .containers
                    .get(index)
                    .map_or("", |container| &container.service),
            };
            let values = [
                number(point.time_s),
                container.to_owned(),
                number(point.cpu_limit_cores),
                number(point.cpu_used_cores),
                number(point.mem_limit_mib),
                number(point.mem_used_mib),
                point.periods.to_string(),
                point.throttled_periods.to_string(),
                point.containers_up.to_string(),
            ];
            key.iter().cloned().chain(values).collect()
        })
    });
    let columns = [
        "time_s",
        "container",
        "cpu_limit_cores",
        "cpu_used_cores",
        "mem_limit_mib",
        "mem_used_mib",
        "periods",
        "throttled_periods",
        "containers_up",
    ];
    csv(&head(scenario, &columns), rows)
}

/// The content of `cdf.csv`: one line per cell, seed, metric and quantile.
///
/// # Errors
/// When the table cannot be written.
pub fn cdf(scenario: &Scenario, results: &Results) -> Result<Vec<u8>, Error> {
    let rows = keys(scenario, results).flat_map(|(key, finished)| {
        finished.cdfs.iter().flat_map(move |cdf| {
            let key = key.clone();
            cdf.points.iter().map(move |&(quantile, value)| {
                let values = [
                    cdf.metric.to_string(),
                    cdf.unit.to_string(),
                    number(quantile),
                    number(value),
                ];
                key.iter().cloned().chain(values).collect()
            })
        })
    });
    csv(
        &head(scenario, &["metric", "unit", "quantile", "value"]),
        rows,
    )
}

fn head<'a>(scenario: &'a Scenario, rest: &[&'a str]) -> Vec<&'a str> {
    let mut head = vec!["scenario"];
    head.extend(scenario.columns.iter().map(String::as_str));
    head.push("seed");
    head.extend(rest);
    head
}

/// Each finished run with the fields that name it.
fn keys<'a>(
    scenario: &'a Scenario,
    results: &'a Results,
) -> impl Iterator<Item = (Vec<String>, &'a crate::run::cell::Finished)> {
    scenario
        .cells
        .iter()
        .zip(&results.cells)
        .flat_map(move |(cell, seeds)| {
            scenario
                .seeds
                .iter()
                .zip(seeds)
                .filter_map(move |(seed, finished)| {
                    let mut key = vec![scenario.name.clone()];
                    key.extend(cell.labels.iter().cloned());
                    key.push(seed.to_string());
                    Some((key, finished.as_ref()?))
                })
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_read_back() {
        for (value, text) in [
            (0.1, "0.1"),
            (377.0, "377"),
            (1.0 / 3.0, "0.3333333333333333"),
            (f64::NAN, ""),
            (f64::INFINITY, "inf"),
        ] {
            assert_eq!(number(value), text);
        }
    }
}
