//! Tests on the kernel this runs on, with real control groups and real processes.
//!
//! They need root and writable CPU and memory controllers, of either version. Where
//! there are none, all are shown as ignored; with `TIDEGATE_CGROUPS=required` in the
//! environment, as in CI, that is a failure. Groups are named `tidegate-test-*` and are
//! gone afterwards. The program is also the load that runs in the groups
//! (`kernel --load ...`), so that one static binary is all that a small machine needs.

mod agent;
mod bpf;
mod cgroup;
mod controller;
mod group;
mod load;
mod probe;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};
use tidegate_live::cgroup::Hierarchies;

/// What a test returns: it fails by panicking.
type Test = (&'static str, fn(&Hierarchies));

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    if arguments.next().as_deref() == Some("--load") {
        return load::run(arguments);
    }
    let mut arguments = Arguments::from_args();
    // They measure: one at a time, and before what else the machine does.
    let _ = rustix::process::setpriority_process(None, -20);
    arguments.test_threads = Some(1);
    let required = std::env::var("TIDEGATE_CGROUPS").is_ok_and(|value| value == "required");
    let found = match Hierarchies::detect() {
        Ok(found) if found.is_writable() => Ok(found),
        Ok(found) => Err(format!(
            "control groups ({:?}) may not be written to",
            found.version()
        )),
        Err(error) => Err(error.to_string()),
    };
    let mut trials = Vec::new();
    match &found {
        Ok(found) => println!("control groups: {:?}", found.version()),
        Err(why) if required => {
            let failure = format!("TIDEGATE_CGROUPS=required, but {why}");
            trials.push(Trial::test("control_groups_are_there", move || {
                Err(Failed::from(failure))
            }));
        }
        Err(why) => println!("no test can run: {why}"),
    }
    for (name, test) in cgroup::TESTS.iter().chain(agent::TESTS).chain(bpf::TESTS) {
        let found = found.as_ref().ok().cloned();
        let ignored = found.is_none();
        let trial = Trial::test(*name, move || {
            if let Some(found) = &found {
                test(found);
            }
            Ok(())
        });
        trials.push(trial.with_ignored_flag(ignored));
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}
