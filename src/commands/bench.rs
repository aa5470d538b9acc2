//! `tidegate bench`: the gates against regressions.

use std::fs;
use std::thread;

use crate::cli::BenchArgs;
use crate::commands::{print, report};
use crate::error::Error;
use crate::exit::Exit;
use crate::gates::platform::Platform;
use crate::gates::{Finding, Gate, exact, instructions};
use crate::table::{plain, trimmed};

/// The file that names the platform of a reference.
const PLATFORM: &str = "platform.json";

/// Checks the gates, or makes their references.
pub fn run(args: &BenchArgs) -> Exit {
    let done = if args.bless { bless(args) } else { check(args) };
    match done {
        Ok(exit) => exit,
        Err(error) => report(&error),
    }
}

/// Whether a tier is asked for.
fn asked(args: &BenchArgs, tier: u8) -> bool {
    args.tier.is_none_or(|only| only == tier)
}

fn jobs() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

fn bless(args: &BenchArgs) -> Result<Exit, Error> {
    let gates = Gate::all(&args.reference)?;
    if asked(args, 1) {
        for gate in &gates {
            exact::make(gate, &args.reference.join(&gate.name), jobs())?;
        }
        let text = serde_json::to_string_pretty(&Platform::here())
            .map_err(|error| Error::Internal(error.to_string()))?;
        let path = args.reference.join(PLATFORM);
        fs::write(&path, text + "\n").map_err(|error| Error::io("write", &path, &error))?;
    }
    if asked(args, 2) {
        instructions::make(&gates, &args.reference)?;
    }
    print(&format!(
        "{} references written to {}: look at what changed before you commit it",
        gates.len(),
        args.reference.display()
    ));
    Ok(Exit::Fine)
}

fn check(args: &BenchArgs) -> Result<Exit, Error> {
    let gates = Gate::all(&args.reference)?;
    Platform::check(&args.reference.join(PLATFORM))?;
    let mut findings = Vec::new();
    if asked(args, 1) {
        for gate in &gates {
            findings.extend(exact::check(
                gate,
                &args.reference.join(&gate.name),
                jobs(),
            )?);
        }
    }
    if asked(args, 2) {
        findings.extend(instructions::check(&gates, &args.reference)?);
    }
    print(&table(&findings));
    let fallen = findings.iter().filter(|finding| !finding.holds).count();
    if fallen == 0 {
        return Ok(Exit::Fine);
    }
    eprintln!(
        "{fallen} of {} gates fell\n  help: if that is what the change is for, `tidegate bench \
         --bless` takes the new values over",
        findings.len()
    );
    Ok(Exit::Regression)
}

fn table(findings: &[Finding]) -> String {
    let mut table = plain();
    table.set_header(["gate", "what", "verdict", "found"]);
    for finding in findings {
        let verdict = if finding.holds { "stands" } else { "FELL" };
        table.add_row([&finding.gate, &finding.what, verdict, &finding.text]);
    }
    trimmed(&table)
}
