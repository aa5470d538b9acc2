//! What `squeue` says about the tasks of an array.

use std::collections::BTreeMap;

use crate::error::Error;
use crate::sweep::engine::Task;

/// What `squeue` is asked for: a line for each task.
pub(super) const FORMAT: &str = "ArrayTaskID:|,State:|,exit_code:|";

/// States after which nothing comes (squeue(1), JOB STATE CODES). All others may.
const ENDED: [&str; 10] = [
    "BOOT_FAIL",
    "CANCELLED",
    "COMPLETED",
    "DEADLINE",
    "FAILED",
    "NODE_FAIL",
    "OUT_OF_MEMORY",
    "PREEMPTED",
    "REVOKED",
    "TIMEOUT",
];

/// The tasks that `squeue` printed in [`FORMAT`].
pub(super) fn tasks(text: &str) -> Result<BTreeMap<u64, Task>, Error> {
    text.lines()
        .map(|line| {
            task(line).ok_or_else(|| {
                Error::Internal(format!(
                    "squeue printed `{line}` where `TASK|STATE|CODE|` was expected"
                ))
            })
        })
        .collect()
}

fn task(line: &str) -> Option<(u64, Task)> {
    let mut words = line.split('|').map(str::trim);
    let shard = words.next()?.parse().ok()?;
    let (state, code) = (words.next()?, words.next()?);
    let task = match state {
        "PENDING" | "REQUEUED" | "REQUEUE_HOLD" | "REQUEUE_FED" | "RESV_DEL_HOLD"
        | "SPECIAL_EXIT" => Task::Waiting,
        _ if ENDED.contains(&state) => Task::Ended(ending(state, code)),
        _ => Task::Running,
    };
    Some((shard, task))
}

/// How a task ended. Its code is wait(2)'s status, or, as other commands of Slurm's
/// have it, exit code and signal with a colon.
fn ending(state: &str, code: &str) -> String {
    let parts = match code.split_once(':') {
        Some((exit, signal)) => exit.parse().ok().zip(signal.parse().ok()),
        None => code.parse().ok().map(|n: u32| (n >> 8, n & 0x7f)),
    };
    match parts {
        Some((0, 0)) => state.to_owned(),
        Some((exit, 0)) => format!("{state}, exit code {exit}"),
        Some((_, signal)) => format!("{state}, signal {signal}"),
        None => format!("{state}, code {code}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As Slurm 22.05 prints it; the last two lines as other versions may.
    const SAID: &str = "\
5|PENDING|0|
6|RUNNING|0|
7|COMPLETING|0|
1|COMPLETED|0|
2|FAILED|768|
3|CANCELLED|15|
4|FAILED|9|
8|TIMEOUT|0:15|
9|FAILED|3:0|
";

    #[test]
    fn tasks_are_told_apart() {
        let tasks = tasks(SAID).unwrap();
        let how = |shard: u64| match &tasks[&shard] {
            Task::Ended(how) => how.as_str(),
            Task::Waiting => "waiting",
            Task::Running => "running",
        };
        let all: Vec<&str> = (1..=9).map(how).collect();
        let expected = [
            "COMPLETED",
            "FAILED, exit code 3",
            "CANCELLED, signal 15",
            "FAILED, signal 9",
            "waiting",
            "running",
            "running",
            "TIMEOUT, signal 15",
            "FAILED, exit code 3",
        ];
        assert_eq!(all, expected);
    }

    #[test]
    fn other_text_is_refused() {
        for text in ["slurm is down", "1|RUNNING", "x|RUNNING|0|"] {
            assert!(tasks(text).is_err(), "{text}");
        }
    }
}
