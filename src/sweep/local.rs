//! This machine as an engine: each shard is a process, as many at once as there are
//! cores for. To try a sweep out; `tidegate run` alone is no slower.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs::File;
use std::process::{Child, Command, Stdio};
use std::thread;

use crate::error::Error;
use crate::sweep::engine::{Engine, Job, Seen, Task};
use crate::sweep::plan::Sweep;

/// This machine.
#[derive(Debug)]
pub struct Local {
    /// The command `tidegate`.
    pub program: String,
    work: RefCell<Work>,
}

/// What is done, under way and to be done.
#[derive(Debug, Default)]
struct Work {
    waiting: Vec<(u64, Command)>,
    running: Vec<(u64, Child)>,
    ended: BTreeMap<u64, String>,
    at_once: usize,
}

impl Local {
    /// This machine, with this program.
    pub fn new(program: String) -> Local {
        Local {
            program,
            work: RefCell::default(),
        }
    }
}

impl Engine for Local {
    fn name(&self) -> &'static str {
        "local"
    }

    fn text(&self, sweep: &Sweep, shards: &[u64]) -> Result<String, Error> {
        let lines = shards.iter().map(|shard| {
            let log = crate::sweep::plan::quoted(&sweep.log(*shard).to_string_lossy());
            let line = sweep.line(&self.program);
            format!("shard={shard}; {line} >{log} 2>&1\n")
        });
        Ok(lines.collect())
    }

    fn submit(&self, sweep: &Sweep, shards: &[u64]) -> Result<Job, Error> {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let mut work = self.work.borrow_mut();
        *work = Work::default();
        work.at_once = (cores / usize::from(sweep.cpus)).max(1);
        for &shard in shards.iter().rev() {
            let path = sweep.log(shard);
            let refused = |error| Error::io("write", &path, &error);
            let log = File::create(&path).map_err(refused)?;
            let mut command = Command::new("sh");
            command
                .args(["-c", &format!("exec {}", sweep.line(&self.program))])
                .env("shard", shard.to_string())
                .current_dir(&sweep.here)
                .stdin(Stdio::null())
                .stdout(log.try_clone().map_err(refused)?)
                .stderr(log);
            work.waiting.push((shard, command));
        }
        Ok(Job {
            engine: self.name().to_owned(),
            id: std::process::id().to_string(),
            shards: shards.to_vec(),
        })
    }

    fn look(&self, _: &Job) -> Result<Seen, Error> {
        let mut work = self.work.borrow_mut();
        work.step()?;
        let mut tasks = BTreeMap::new();
        tasks.extend(
            work.waiting
                .iter()
                .map(|(shard, _)| (*shard, Task::Waiting)),
        );
        tasks.extend(
            work.running
                .iter()
                .map(|(shard, _)| (*shard, Task::Running)),
        );
        let ended = work.ended.iter();
        tasks.extend(ended.map(|(shard, how)| (*shard, Task::Ended(how.clone()))));
        Ok(Seen::Tasks(tasks))
    }

    fn outlives(&self) -> bool {
        false
    }
}

impl Work {
    /// Sees who has ended and starts who is next.
    fn step(&mut self) -> Result<(), Error> {
        let refused = |error| Error::Internal(format!("cannot run a shard: {error}"));
        let mut running = Vec::new();
        for (shard, mut child) in self.running.drain(..) {
            match child.try_wait().map_err(refused)? {
                Some(status) => {
                    self.ended.insert(shard, status.to_string());
                }
                None => running.push((shard, child)),
            }
        }
        self.running = running;
        while self.running.len() < self.at_once
            && let Some((shard, mut command)) = self.waiting.pop()
        {
            let child = command.spawn().map_err(refused)?;
            self.running.push((shard, child));
        }
        Ok(())
    }
}

/// Interrupted: what is under way ends too. Files appear whole or not at all.
impl Drop for Work {
    fn drop(&mut self) {
        for (_, child) in &mut self.running {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
