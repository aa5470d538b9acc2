//! The layouts of Escra's authors, a folder for each seed:
//!
//! - `latency-results/APPLICATION/WORKLOAD/SYSTEM.txt`, wrk2's reports under the names of
//!   their archive (gregcusack/Escra, `testing/latency-results`);
//! - `container_usage.csv` and `aggregate.csv`, the tables their telemetry comes to: a
//!   line per container, and the limits and use of all containers over time.
//!
//! The logs that their slack script reads have one file per container, whose columns are
//! not described anywhere: those are not written.

use std::collections::BTreeMap;
use std::path::PathBuf;

use tidegate_core::Span;

use super::wrk2::Report;
use super::{Target, groups, in_name, label};
use crate::compare::statistics;
use crate::error::Error;
use crate::results::read::{self, Line, Manifest, Run};
use crate::results::summary::{self, number};

/// Our names of applications and theirs.
const APPLICATIONS: [(&str, &str); 2] =
    [("media", "media-microsvc"), ("image-process", "image-proc")];

/// Our names of policies; theirs in names of reports and in tables. An Escra is a
/// "distributed container"; its number is the application-wide limit.
const SYSTEMS: [(&str, &str, &str); 5] = [
    ("static-0.75x", "static-75x", "static-0.75"),
    ("static-1x", "static-1x", "static-1.0"),
    ("static-1.5x", "static-15x", "static-1.5"),
    ("autopilot-1s", "ap", "ap"),
    ("as-requested", "vanilla", "vanilla"),
];

const USAGE: [&str; 19] = [
    "app",
    "workload",
    "system",
    "pod",
    "service",
    "n_samples",
    "cpu_mean_cores",
    "cpu_p50_cores",
    "cpu_p95_cores",
    "cpu_max_cores",
    "cpu_steady_mean_cores",
    "cpu_limit_first",
    "cpu_limit_last",
    "cpu_limit_max",
    "mem_mean_mib",
    "mem_max_mib",
    "mem_min_mib",
    "mem_limit_last_mib",
    "mem_n",
];
const AGGREGATE: [&str; 5] = ["run", "resource", "t_s", "agg_limit", "agg_usage"];

/// Writes what `run` has for these layouts.
///
/// # Errors
/// When it is no run of an application, a table of it is broken, or the system refuses.
pub fn write(run: &Run, target: &mut Target) -> Result<(), Error> {
    let mut quantiles = spectra(run)?;
    for lines in groups(&run.summary) {
        let cell = Cell::of(&run.manifest, &run.summary.columns, &lines[0])?;
        let spectrum = quantiles.remove(&(lines[0].labels.clone(), lines[0].seed));
        let report = report(run, &cell, lines, spectrum)?;
        let name = ["latency-results", &cell.application, &cell.workload]
            .iter()
            .collect::<PathBuf>()
            .join(format!("{}.txt", cell.report));
        target.put(&cell.folder().join(name), report.to_string().as_bytes())?;
    }
    for (seed, rows) in usage(run)? {
        target.put(
            &seed.join("container_usage.csv"),
            &summary::csv(&USAGE, rows)?,
        )?;
    }
    for (seed, rows) in aggregate(run)? {
        target.put(
            &seed.join("aggregate.csv"),
            &summary::csv(&AGGREGATE, rows)?,
        )?;
    }
    Ok(())
}

/// A cell under their names.
struct Cell {
    application: String,
    workload: String,
    /// The system in the name of a report, and in tables.
    report: String,
    system: String,
    seed: u64,
}

impl Cell {
    fn of(manifest: &Manifest, columns: &[String], line: &Line) -> Result<Cell, Error> {
        let name = |kind| {
            let found = label(manifest, columns, &line.labels, kind);
            found.ok_or_else(|| {
                Error::Usage(format!(
                    "{}: a cell of this run has no {kind}\n  help: only runs of applications \
                     under policies have the layout `escra`",
                    manifest.scenario
                ))
            })
        };
        let ours = name("application")?;
        let theirs = APPLICATIONS.iter().find(|(name, _)| *name == ours);
        let application = theirs.map_or(ours, |(_, theirs)| theirs);
        let policy = name("allocator")?;
        let level = manifest.limit.level.as_deref().unwrap_or("");
        let (mut report, mut system) = match SYSTEMS.iter().find(|(name, ..)| *name == policy) {
            Some((_, report, system)) => ((*report).to_owned(), (*system).to_owned()),
            None if policy == "escra" => {
                (format!("dc-{}", level.replace('.', "")), "escra".to_owned())
            }
            None => (policy.to_owned(), policy.to_owned()),
        };
        // What else a cell differs in.
        for (column, label) in columns.iter().zip(&line.labels) {
            if !["application", "workload", "allocator"].contains(&column.as_str()) {
                report += &format!(",{column}={label}");
                system += &format!(",{column}={label}");
            }
        }
        Ok(Cell {
            application: in_name(application),
            workload: in_name(name("workload")?),
            report: in_name(&report),
            system,
            seed: line.seed,
        })
    }

    /// The folder of the seed.
    fn folder(&self) -> PathBuf {
        PathBuf::from(format!("seed-{}", self.seed))
    }
}

/// Quantiles and latencies in milliseconds by cell and seed.
type Spectra = BTreeMap<(Vec<String>, u64), Vec<(f64, f64)>>;

/// What `cdf.csv` says about latencies, if it is there.
fn spectra(run: &Run) -> Result<Spectra, Error> {
    let mut spectra = Spectra::new();
    let Some(table) = run.table("cdf.csv")? else {
        return Ok(spectra);
    };
    let [metric, quantile, value] = table.fields(["metric", "quantile", "value"])?;
    for line in &table.lines {
        if line.values[metric] == "latency" {
            let key = (line.labels.clone(), line.seed);
            let point = (line.number(quantile), line.number(value));
            spectra.entry(key).or_default().push(point);
        }
    }
    Ok(spectra)
}

fn report(
    run: &Run,
    cell: &Cell,
    lines: &[Line],
    spectrum: Option<Vec<(f64, f64)>>,
) -> Result<Report, Error> {
    let [metric, value] = run.summary.fields(["metric", "value"])?;
    let measured = |name: &str| {
        let line = lines.iter().find(|line| line.values[metric] == name);
        line.map_or(f64::NAN, |line| line.number(value))
    };
    let duration: Span = run.manifest.duration.parse().map_err(|_| {
        Error::Results(format!(
            "`{}` is no duration of a run",
            run.manifest.duration
        ))
    })?;
    let throughput = measured("throughput_rps");
    if throughput.is_nan() || duration == Span::ZERO {
        return Err(Error::Usage(format!(
            "{}: this run has no throughput over a time\n  help: only runs with an open load have \
             the layout `escra`",
            run.manifest.scenario
        )));
    }
    // The quantiles of the summary, where there is no whole distribution.
    let known = [
        (0.5, "latency_p50_ms"),
        (0.9, "latency_p90_ms"),
        (0.99, "latency_p99_ms"),
        (0.999, "latency_p999_ms"),
        (1.0, "latency_max_ms"),
    ];
    let mut spectrum = spectrum.unwrap_or_else(|| {
        known
            .iter()
            .map(|(share, name)| (*share, measured(name)))
            .collect()
    });
    spectrum.retain(|(_, latency)| !latency.is_nan());
    Ok(Report {
        url: format!("{}/{}/{}", cell.application, cell.workload, cell.report),
        duration,
        requests: measured("requests_completed") as u64,
        failed: measured("requests_failed") as u64,
        // The throughput counts these, and divides by the whole duration.
        recorded: (throughput * duration.as_secs_f64()).round() as u64,
        mean_ms: measured("latency_mean_ms"),
        spectrum,
    })
}

/// Rows of tables by the folder of their seed.
type Rows = BTreeMap<PathBuf, Vec<Vec<String>>>;

/// What one container used over time.
#[derive(Default)]
struct Use {
    cpu: Vec<f64>,
    cpu_limit: Vec<f64>,
    memory: Vec<f64>,
    memory_limit: Vec<f64>,
}

/// The rows of `container_usage.csv`. Quantiles are of the samples in `series.csv`, if
/// it has each container.
fn usage(run: &Run) -> Result<Rows, Error> {
    let mut samples: BTreeMap<(Vec<String>, u64, String), Use> = BTreeMap::new();
    let path = run.folder.join("series.csv");
    if path.is_file() {
        let fields = [
            "container",
            "cpu_used_cores",
            "cpu_limit_cores",
            "mem_used_mib",
            "mem_limit_mib",
        ];
        read::each_line(&path, |table, line| {
            let [container, values @ ..] = table.fields(fields)?;
            let name = &line.values[container];
            if name != "all" {
                let key = (line.labels.clone(), line.seed, name.clone());
                let known = samples.entry(key).or_default();
                let [cpu, cpu_limit, memory, memory_limit] = values.map(|field| line.number(field));
                known.cpu.push(cpu);
                known.cpu_limit.push(cpu_limit);
                known.memory.push(memory);
                known.memory_limit.push(memory_limit);
            }
            Ok(())
        })?;
    }
    let mut rows = Rows::new();
    let Some(table) = run.table("containers.csv")? else {
        return Ok(rows);
    };
    let [service, cpu_mean, memory_max] =
        table.fields(["service", "cpu_mean_cores", "memory_max_mib"])?;
    for line in &table.lines {
        let cell = Cell::of(&run.manifest, &table.columns, line)?;
        let name = &line.values[service];
        let key = (line.labels.clone(), line.seed, name.clone());
        let of = samples.get(&key);
        let at = |values: fn(&Use) -> f64| of.map_or(f64::NAN, values);
        let count = of.map_or(String::new(), |of| of.cpu.len().to_string());
        let mut row = vec![
            cell.application.clone(),
            cell.workload.clone(),
            cell.system.clone(),
        ];
        row.extend([name.clone(), name.clone(), count.clone()]);
        row.extend(
            [
                line.number(cpu_mean),
                at(|of| quantile(&of.cpu, 0.5)),
                at(|of| quantile(&of.cpu, 0.95)),
                at(|of| quantile(&of.cpu, 1.0)),
                // Over which part of a run theirs is, nobody says.
                f64::NAN,
                at(|of| first(&of.cpu_limit)),
                at(|of| last(&of.cpu_limit)),
                at(|of| quantile(&of.cpu_limit, 1.0)),
                at(|of| of.memory.iter().sum::<f64>() / of.memory.len() as f64),
                line.number(memory_max),
                at(|of| quantile(&of.memory, 0.0)),
                at(|of| last(&of.memory_limit)),
            ]
            .map(number),
        );
        row.push(count);
        rows.entry(cell.folder()).or_default().push(row);
    }
    Ok(rows)
}

/// The rows of `aggregate.csv`: limits and use of all containers together, in cores and
/// MiB, where there is a `series.csv`: its sums, or the sums of its containers.
fn aggregate(run: &Run) -> Result<Rows, Error> {
    let mut rows = Rows::new();
    let path = run.folder.join("series.csv");
    if !path.is_file() {
        return Ok(rows);
    }
    // Sums by cell, then by time in milliseconds.
    let mut runs: BTreeMap<(PathBuf, String), BTreeMap<u64, [f64; 4]>> = BTreeMap::new();
    let fields = [
        "time_s",
        "cpu_limit_cores",
        "cpu_used_cores",
        "mem_limit_mib",
        "mem_used_mib",
    ];
    read::each_line(&path, |table, line| {
        let [time, values @ ..] = table.fields(fields)?;
        let cell = Cell::of(&run.manifest, &table.columns, &line)?;
        let name = format!("{}/{}/{}", cell.application, cell.system, cell.workload);
        let times = runs.entry((cell.folder(), name)).or_default();
        let time_ms = (line.number(time) * 1e3).round() as u64;
        let sums = times.entry(time_ms).or_default();
        for (sum, field) in sums.iter_mut().zip(values) {
            *sum += line.number(field);
        }
        Ok(())
    })?;
    for ((folder, name), times) in runs {
        let rows = rows.entry(folder).or_default();
        // All for the one resource stand before those for the other.
        for (resource, limit) in [("cpu", 0), ("mem", 2)] {
            for (time_ms, sums) in &times {
                let numbers = [*time_ms as f64 / 1e3, sums[limit], sums[limit + 1]];
                let mut row = vec![name.clone(), resource.to_owned()];
                row.extend(numbers.map(number));
                rows.push(row);
            }
        }
    }
    Ok(rows)
}

fn first(values: &[f64]) -> f64 {
    values.first().copied().unwrap_or(f64::NAN)
}

fn last(values: &[f64]) -> f64 {
    values.last().copied().unwrap_or(f64::NAN)
}

/// A quantile, as numpy has it.
fn quantile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    statistics::quantile(&sorted, share)
}
