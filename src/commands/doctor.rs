//! `tidegate doctor`: what this machine can do, and how steady it is.

use std::path::{Path, PathBuf};
use std::thread::available_parallelism;
use std::time::Duration;

use crate::cli::DoctorArgs;
use crate::commands::{print, report};
use crate::doctor::{Finding, State, machine};
use crate::error::Error;
use crate::exit::Exit;

/// For work, and again for sleeps.
const MEASURED: Duration = Duration::from_millis(500);

/// Looks at the machine and prints what it found.
pub fn run(args: &DoctorArgs) -> Exit {
    let root = machine::Root(PathBuf::from("/"));
    let mut cores = machine::allowed(&root);
    if cores.is_empty() {
        cores = (0..available_parallelism().map_or(1, usize::from)).collect();
    }
    let mut findings = machine::facts(&root);
    findings.extend(machine::disk(Path::new(".")));
    findings.extend(machine::steadiness(&cores, MEASURED));
    findings.retain(|finding| {
        args.what
            .is_none_or(|what| finding.concerns.contains(&what))
    });
    if args.json {
        match serde_json::to_string_pretty(&findings) {
            Ok(text) => print(&text),
            Err(error) => return report(&Error::Internal(error.to_string())),
        }
    } else {
        findings.iter().for_each(|finding| print(&lines(finding)));
    }
    match findings.iter().any(|finding| finding.forbids(args.what)) {
        true => Exit::Unfit,
        false => Exit::Fine,
    }
}

fn lines(finding: &Finding) -> String {
    let state = match finding.state {
        State::Ok => "ok",
        State::Warning => "warning",
        State::Missing => "MISSING",
    };
    let line = format!("{state:<8} {}: {}", finding.topic, finding.found);
    if finding.advice.is_empty() {
        return line;
    }
    let concerned: Vec<&str> = finding.concerns.iter().map(|what| what.name()).collect();
    format!(
        "{line}\n         {}: {}",
        concerned.join(", "),
        finding.advice
    )
}
