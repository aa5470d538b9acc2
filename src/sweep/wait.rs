//! Waits until a job has ended, and says how far it is.

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use crate::error::Error;
use crate::run::Interrupt;
use crate::sweep::engine::{Engine, Job, Seen, Task};

/// So long an engine may be silent before it is given up.
const PATIENCE: Duration = Duration::from_secs(180);

/// Waits until no task of `job` is under way, and says how each ended that the engine
/// still knows. None: it was interrupted before.
///
/// Asks again after a tenth of the time waited so far, between 0.1 and 30 seconds: a
/// short job is not waited for much longer than it takes, and a long one is not asked
/// for every moment.
///
/// # Errors
/// When the engine refuses to say, or is silent for three minutes.
pub fn wait(
    engine: &dyn Engine,
    job: &Job,
    interrupt: &Interrupt,
    quiet: bool,
) -> Result<Option<BTreeMap<u64, String>>, Error> {
    let began = Instant::now();
    let mut heard = began;
    let mut said = String::new();
    let mut known = BTreeMap::new();
    loop {
        match engine.look(job)? {
            Seen::Tasks(tasks) => {
                heard = Instant::now();
                let (waiting, running) = under_way(job, &tasks);
                known.extend(tasks.into_iter().filter_map(|(shard, task)| match task {
                    Task::Ended(how) => Some((shard, how)),
                    Task::Waiting | Task::Running => None,
                }));
                let ended = job.shards.len() - waiting - running;
                let line = format!("{job}: {waiting} waiting, {running} running, {ended} ended");
                if line != said && !quiet {
                    eprintln!("{line}");
                    said = line;
                }
                if waiting + running == 0 {
                    return Ok(Some(known));
                }
            }
            Seen::Silent(why) if heard.elapsed() > PATIENCE => {
                return Err(Error::Internal(format!(
                    "{job}: no answer for {} s: {why}\n  help: the job may well go on; the same \
                     command later asks again",
                    heard.elapsed().as_secs()
                )));
            }
            Seen::Silent(why) => {
                let line = format!("{job}: no answer, asking again: {why}");
                if line != said {
                    eprintln!("{line}");
                    said = line;
                }
            }
        }
        let pause =
            (began.elapsed() / 10).clamp(Duration::from_millis(100), Duration::from_secs(30));
        let until = Instant::now() + pause;
        while Instant::now() < until {
            if interrupt.asked() {
                return Ok(None);
            }
            thread::sleep(Duration::from_millis(50).min(pause));
        }
    }
}

/// How many tasks of `job` are waiting and running.
pub fn under_way(job: &Job, tasks: &BTreeMap<u64, Task>) -> (usize, usize) {
    let count = |wanted: &Task| {
        let shards = job.shards.iter();
        shards
            .filter(|shard| tasks.get(shard) == Some(wanted))
            .count()
    };
    (count(&Task::Waiting), count(&Task::Running))
}
