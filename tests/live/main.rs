//! The live world, on the kernel of the machine that the tests run on.
//!
//! They need control groups they may write to. Where there are none they pass without
//! having run; with `TIDEGATE_CGROUPS=required`, as in CI, they fail.

mod crash;
mod run;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tidegate_live::cgroup::Hierarchies;

/// Runs one after the other: each wants the machine for itself.
static MACHINE: Mutex<()> = Mutex::new(());

/// The machine, for one test; none where it has no groups for us and need not have.
fn machine() -> Option<MutexGuard<'static, ()>> {
    let usable = Hierarchies::detect().is_ok_and(|hierarchies| hierarchies.is_writable());
    if !usable {
        let required = std::env::var("TIDEGATE_CGROUPS").is_ok_and(|value| value == "required");
        assert!(
            !required,
            "TIDEGATE_CGROUPS=required, but there are none to write to"
        );
        eprintln!("not run: there are no control groups to write to");
        return None;
    }
    Some(MACHINE.lock().unwrap_or_else(PoisonError::into_inner))
}

/// A short live run of one cell of the scenario `name`, into `out`.
fn live(name: &str, filters: &[&str], duration: &str, out: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate"));
    command.current_dir(env!("CARGO_MANIFEST_DIR"));
    command.args(["run", &format!("scenarios/live/{name}.toml")]);
    command.args(["--world", "live", "--quiet"]);
    for filter in filters {
        command.args(["--filter", filter]);
    }
    for set in [
        format!("run.duration={duration}"),
        "run.settle=200ms".to_owned(),
        "client.short.warm_up=0s".to_owned(),
    ] {
        command.args(["--set", &set]);
    }
    command.arg("--out").arg(out);
    command
}

/// Groups, folders and processes of runs whose runner had the number `pid`.
fn left_over(pid: u32) -> Vec<PathBuf> {
    let prefix = format!("tidegate-run-{pid}-");
    let mut left = Vec::new();
    let roots = ["cpu", "cpuacct", "memory", ""].map(|name| Path::new("/sys/fs/cgroup").join(name));
    for root in roots.iter().chain([&tidegate_live::local::site::home()]) {
        let entries = fs::read_dir(root).into_iter().flatten().flatten();
        left.extend(entries.map(|entry| entry.path()).filter(|path| {
            let name = path.file_name().and_then(|name| name.to_str());
            name.is_some_and(|name| name.starts_with(&prefix))
        }));
    }
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        // Its path in any hierarchy names the run.
        let groups = fs::read_to_string(entry.path().join("cgroup"));
        if groups.is_ok_and(|groups| groups.contains(&prefix)) {
            left.push(entry.path());
        }
    }
    left
}
