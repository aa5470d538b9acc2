//! `tidegate trace`: what published traces hold, and loads made of them.

mod convert;
mod inspect;

use std::fs::File;

use tidegate_workloads::trace;

use crate::cli::{SynthesizeArgs, TraceCommand};
use crate::commands::{print, report};
use crate::error::Error;
use crate::exit::Exit;
use crate::results::store;

/// Does what the command line asks.
pub fn run(command: &TraceCommand) -> Exit {
    let done = match command {
        TraceCommand::Inspect(args) => inspect::run(args),
        TraceCommand::Convert(args) => convert::run(args),
        TraceCommand::Synthesize(args) => synthesize(args),
    };
    match done {
        Ok(()) => Exit::Fine,
        Err(error) => report(&error),
    }
}

fn synthesize(args: &SynthesizeArgs) -> Result<(), Error> {
    let write = |file: &mut File| trace::synthesize(args.format, args.seed, args.bytes, file);
    store::put_with(&args.out, write)?;
    let out = args.out.display();
    print(&format!(
        "{out}: synthetic rows in the format {}; nobody measured them",
        args.format.name()
    ));
    Ok(())
}
