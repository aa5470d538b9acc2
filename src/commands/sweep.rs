//! `tidegate sweep`: a run in shards on many machines, and the whole of it.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::{self, Path, PathBuf};

use crate::cli::{EngineArg, SweepArgs};
use crate::commands::run::{apart, load};
use crate::commands::{merge, print, report};
use crate::error::Error;
use crate::exit::Exit;
use crate::run::Interrupt;
use crate::scenario::Scenario;
use crate::scenario::format::World;
use crate::sweep::local::Local;
use crate::sweep::plan::{Part, Sweep};
use crate::sweep::slurm::Slurm;
use crate::sweep::wait::{under_way, wait};
use crate::sweep::{Engine, Job, Ledger, Seen, ranges};

/// Sweeps the scenarios that `args` names.
pub fn run(args: &SweepArgs) -> Exit {
    match sweep(args) {
        Ok(()) => Exit::Fine,
        Err(error) => report(&error),
    }
}

fn sweep(args: &SweepArgs) -> Result<(), Error> {
    let (paths, scenarios) = load(&args.paths, &args.select, None)?;
    apart(&paths, &scenarios)?;
    let sweep = plan(args, scenarios)?;
    let engine = engine(args)?;
    let mut ledger = Ledger::open(&sweep)?;
    if sweep.is_whole() {
        if !args.emit {
            print(&format!("{}: is whole already", args.out.display()));
        }
        return Ok(());
    }
    let interrupt = Interrupt::new();
    if let Some(job) = ledger.job().cloned() {
        earlier(args, engine.as_ref(), &job, &interrupt)?;
        ledger.note(None)?;
    }
    let missing: Vec<u64> = sweep
        .parts()?
        .iter()
        .filter(|part| !part.is_whole())
        .map(|part| part.shard)
        .collect();
    if args.emit {
        if !missing.is_empty() {
            print(engine.text(&sweep, &missing)?.trim_end());
        }
        return Ok(());
    }
    let mut endings = BTreeMap::new();
    if !missing.is_empty() {
        let logs = sweep.logs();
        fs::create_dir_all(&logs).map_err(|error| Error::io("make", &logs, &error))?;
        ledger.note(None)?;
        let job = engine.submit(&sweep, &missing)?;
        print(&format!(
            "{job}: shards {} of {}",
            ranges::text(&missing),
            sweep.shards
        ));
        if engine.outlives() {
            ledger.note(Some(job.clone()))?;
        }
        if args.no_wait {
            return Ok(());
        }
        endings = ended(args, engine.as_ref(), &job, &interrupt)?;
        ledger.note(None)?;
    }
    let parts = sweep.parts()?;
    whole(&sweep, &parts, &endings)?;
    for scenario in &sweep.scenarios {
        let folders: Vec<PathBuf> = parts
            .iter()
            .map(|part| sweep.place(&sweep.shard(part.shard), scenario))
            .filter(|folder| folder.is_dir())
            .collect();
        merge::shards(scenario, &folders, &sweep.place(&sweep.out, scenario))?;
    }
    Ok(())
}

/// What is to be done, as the command line has it.
fn plan(args: &SweepArgs, scenarios: Vec<Scenario>) -> Result<Sweep, Error> {
    for scenario in &scenarios {
        if scenario.file.run.world == World::Live {
            return Err(Error::Usage(format!(
                "{}: a run on a host is not cut into shards: other hosts measure other things\n  \
                 help: --set run.world=sim",
                scenario.name
            )));
        }
    }
    let text = |path: &Path| {
        path.to_str().map(str::to_owned).ok_or_else(|| {
            Error::Usage(format!(
                "{}: this path is no UTF-8, which scripts must be",
                path.display()
            ))
        })
    };
    let mut arguments = vec!["run".to_owned()];
    for path in &args.paths {
        arguments.push(text(path)?);
    }
    if let Some(seeds) = args.select.seeds {
        arguments.extend(["--seeds".to_owned(), seeds.to_string()]);
    }
    for set in &args.select.set {
        arguments.extend(["--set".to_owned(), set.clone()]);
    }
    for filter in &args.select.filter {
        arguments.extend(["--filter".to_owned(), filter.clone()]);
    }
    let here = env::current_dir()
        .map_err(|error| Error::Internal(format!("where is this process? {error}")))?;
    let out = path::absolute(&args.out).map_err(|error| Error::io("find", &args.out, &error))?;
    text(&out)?;
    text(&here)?;
    Ok(Sweep {
        scenarios,
        arguments,
        here,
        out,
        shards: args.shards,
        cpus: args.cpus,
    })
}

fn engine(args: &SweepArgs) -> Result<Box<dyn Engine>, Error> {
    let program = || -> Result<String, Error> {
        let path = env::current_exe()
            .map_err(|error| Error::Internal(format!("where is tidegate? {error}")))?;
        Ok(path.to_string_lossy().into_owned())
    };
    if args.engine != EngineArg::Slurm && !args.sbatch.is_empty() {
        return Err(Error::Usage("--sbatch is for --engine slurm".to_owned()));
    }
    let pods = [&args.image, &args.claim, &args.namespace];
    if args.engine != EngineArg::Kubernetes && pods.iter().any(|option| option.is_some()) {
        return Err(Error::Usage(
            "--image, --claim and --namespace are for --engine kubernetes".to_owned(),
        ));
    }
    Ok(match args.engine {
        EngineArg::Local if args.no_wait => {
            return Err(Error::Usage(
                "--engine local ends with this process: it cannot go with --no-wait".to_owned(),
            ));
        }
        EngineArg::Local => Box::new(Local::new(program()?)),
        EngineArg::Slurm => Box::new(Slurm {
            program: program()?,
            options: args.sbatch.clone(),
        }),
        EngineArg::Kubernetes => kubernetes(args)?,
    })
}

#[cfg(feature = "kubernetes")]
fn kubernetes(args: &SweepArgs) -> Result<Box<dyn Engine>, Error> {
    let needed = |option: &Option<String>, name: &str| {
        option.clone().ok_or_else(|| {
            Error::Usage(format!(
                "--engine kubernetes needs --{name}\n  help: docs/many-machines.md says what \
                 image and claim must hold"
            ))
        })
    };
    let claim = needed(&args.claim, "claim")?;
    let (claim, folder) = claim.split_once('/').unwrap_or((&claim, ""));
    Ok(Box::new(crate::sweep::kubernetes::Kubernetes {
        image: needed(&args.image, "image")?,
        claim: claim.to_owned(),
        folder: folder.trim_end_matches('/').to_owned(),
        namespace: args.namespace.clone(),
    }))
}

#[cfg(not(feature = "kubernetes"))]
fn kubernetes(_: &SweepArgs) -> Result<Box<dyn Engine>, Error> {
    Err(Error::Usage(
        "this tidegate was built without Kubernetes\n  help: cargo build --release --features \
         kubernetes"
            .to_owned(),
    ))
}

/// Sees the job of an earlier sweep end: shards that it still runs are not submitted
/// twice.
fn earlier(
    args: &SweepArgs,
    engine: &dyn Engine,
    job: &Job,
    interrupt: &Interrupt,
) -> Result<(), Error> {
    let shown = args.out.display();
    if job.engine != engine.name() {
        return Err(Error::Usage(format!(
            "{job} is at work on {shown}\n  help: --engine {} waits for it",
            job.engine
        )));
    }
    if args.emit || args.no_wait {
        if let Seen::Tasks(tasks) = engine.look(job)?
            && under_way(job, &tasks) == (0, 0)
        {
            return Ok(());
        }
        return Err(Error::Partial(format!(
            "{job} is still at work on {shown}: nothing is submitted before it has ended\n  help: \
             without --emit and --no-wait the same command waits for it"
        )));
    }
    ended(args, engine, job, interrupt)?;
    Ok(())
}

/// How the tasks of `job` ended, when they have.
fn ended(
    args: &SweepArgs,
    engine: &dyn Engine,
    job: &Job,
    interrupt: &Interrupt,
) -> Result<BTreeMap<u64, String>, Error> {
    interrupt.listen_and_say("leaving (again to leave at once)");
    wait(engine, job, interrupt, args.quiet)?.ok_or_else(|| {
        let rest = if engine.outlives() {
            " goes on: the same command waits for it again"
        } else {
            " was stopped: the same command goes on from there"
        };
        Error::Partial(format!("interrupted; {job}{rest}"))
    })
}

/// Refuses to go on while a shard is not whole.
fn whole(sweep: &Sweep, parts: &[Part], endings: &BTreeMap<u64, String>) -> Result<(), Error> {
    let missing: Vec<&Part> = parts.iter().filter(|part| !part.is_whole()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let lines: Vec<String> = missing
        .iter()
        .map(|part| {
            let how = endings.get(&part.shard).map(String::as_str);
            format!(
                "  shard {}: {}; {} of {} runs are there; log: {}\n",
                part.shard,
                how.unwrap_or("ended, nobody knows how"),
                part.there,
                part.runs,
                sweep.log(part.shard).display()
            )
        })
        .collect();
    Err(Error::Partial(format!(
        "{} of {} shards are not whole\n{}  help: the same command runs what is missing",
        missing.len(),
        sweep.shards,
        lines.concat()
    )))
}
