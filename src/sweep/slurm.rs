//! Slurm as an engine: a job array, one task for each shard.
//!
//! Its commands are called, `sbatch` and `squeue`: no accounting is needed, and none
//! of its libraries.

mod queue;

use std::io;
use std::process::{Command, Output};

use crate::error::Error;
use crate::results::store;
use crate::sweep::engine::{Engine, Job, Seen};
use crate::sweep::plan::Sweep;
use crate::sweep::ranges;

/// Slurm.
#[derive(Clone, Debug)]
pub struct Slurm {
    /// The command `tidegate`, where every node has it.
    pub program: String,
    /// More options for `sbatch`.
    pub options: Vec<String>,
}

impl Engine for Slurm {
    fn name(&self) -> &'static str {
        "slurm"
    }

    fn text(&self, sweep: &Sweep, shards: &[u64]) -> Result<String, Error> {
        let log = sweep.logs().join("%a.log");
        let mut options = vec![
            format!("--job-name=tidegate-{}", sweep.id()),
            format!("--array={}", ranges::text(shards)),
            "--ntasks=1".to_owned(),
            format!("--cpus-per-task={}", sweep.cpus),
            format!("--chdir={}", double_quoted(&sweep.here.to_string_lossy())?),
            format!("--output={}", double_quoted(&log.to_string_lossy())?),
        ];
        for option in &self.options {
            if option.contains('\n') || !option.starts_with('-') {
                return Err(Error::Usage(format!(
                    "--sbatch={option}: this is no option of sbatch, such as --time=2:00:00"
                )));
            }
            options.push(option.clone());
        }
        let options: String = options
            .iter()
            .map(|option| format!("#SBATCH {option}\n"))
            .collect();
        Ok(format!(
            "#!/bin/sh\n{options}shard=$SLURM_ARRAY_TASK_ID\nexec {}\n",
            sweep.line(&self.program)
        ))
    }

    fn submit(&self, sweep: &Sweep, shards: &[u64]) -> Result<Job, Error> {
        let path = sweep.out.join("sweep.sbatch");
        store::put(&path, self.text(sweep, shards)?.as_bytes())?;
        let output = call(Command::new("sbatch").arg("--parsable").arg(&path))?;
        if !output.status.success() {
            return Err(Error::Internal(format!(
                "sbatch refused {}: {}",
                path.display(),
                said(&output.stderr)
            )));
        }
        // The job's number and, with several clusters, that of one.
        let answer = said(&output.stdout);
        let id = answer.split(';').next().unwrap_or_default();
        if id.is_empty() || !id.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(Error::Internal(format!(
                "sbatch answered `{answer}` where the number of a job was expected"
            )));
        }
        Ok(Job {
            engine: self.name().to_owned(),
            id: id.to_owned(),
            shards: shards.to_vec(),
        })
    }

    fn look(&self, job: &Job) -> Result<Seen, Error> {
        let mut command = Command::new("squeue");
        command.args(["--noheader", "--array", "--states=all"]);
        command.args(["--jobs", &job.id, "--Format", queue::FORMAT]);
        let output = call(&mut command)?;
        if output.status.success() {
            return queue::tasks(&said(&output.stdout)).map(Seen::Tasks);
        }
        let error = said(&output.stderr);
        if error.contains("Invalid job id") {
            // It ended some minutes ago, and Slurm has forgotten it.
            return Ok(Seen::Tasks(Default::default()));
        }
        Ok(Seen::Silent(error))
    }
}

/// Runs a command of Slurm's.
fn call(command: &mut Command) -> Result<Output, Error> {
    let name = command.get_program().to_string_lossy().into_owned();
    command.output().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Error::Usage(format!(
            "there is no {name} on the PATH: this machine cannot submit to Slurm\n  help: sweep \
             where `{name} --version` works, or add --emit to see what would be submitted"
        )),
        _ => Error::Internal(format!("cannot run {name}: {error}")),
    })
}

fn said(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim().to_owned()
}

/// A path in the line of an option, where Slurm replaces what begins with `%`.
fn double_quoted(path: &str) -> Result<String, Error> {
    let folder = path.strip_suffix("%a.log").unwrap_or(path);
    if folder.contains(['"', '\\', '\n', '%']) {
        return Err(Error::Usage(format!(
            "{folder}: Slurm has no way to say a path with quotes, backslashes, line ends or %\n  \
             help: give another --out"
        )));
    }
    Ok(format!("\"{path}\""))
}
