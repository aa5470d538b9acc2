//! `tidegate controller`: a scenario's policy, for real hosts.

use std::net::{SocketAddr, TcpListener};

use tidegate_live::controller::hub::{Hub, Settings};
use tidegate_live::controller::roster::Roster;
use tidegate_live::controller::serve::{self, Keep, Listen, ServeError, Stopper};
use tidegate_live::link::tls::{self, Files};
use tidegate_live::record::format::{Header, VERSION};
use tidegate_live::record::recorder::{Recorder, Recording};

use super::{Chosen, on_end, this_start};
use crate::cli::live::ControllerArgs;
use crate::commands::report;
use crate::error::Error;
use crate::exit::Exit;

/// Runs until somebody asks it to end.
pub fn run(args: &ControllerArgs) -> Exit {
    match serve(args) {
        Ok(()) => Exit::Fine,
        Err(error) => report(&error),
    }
}

fn serve(args: &ControllerArgs) -> Result<(), Error> {
    let chosen = Chosen::load(&args.cell.scenario, &args.cell.set, &args.cell.filter)?;
    let testbed = &chosen.application.testbed;
    let names = chosen.containers();
    let roster =
        Roster::new(names.clone(), testbed.hosts, chosen.policy()?).map_err(Error::Internal)?;
    let settings = Settings {
        period: testbed.cfs.period,
        ..Settings::default()
    };
    let tls = match &args.keys {
        Some(keys) => {
            let config = tls::controller(&Files::of(keys, "controller"));
            Some(config.map_err(|error| Error::Usage(error.to_string()))?)
        }
        None => None,
    };
    let listen = Listen {
        hosts: bind(args.listen)?,
        tls,
        metrics: args.metrics.map(bind).transpose()?,
    };

    let mut policy = chosen.policy()?;
    let mut keep: Option<Keep> = None;
    if let Some(path) = &args.record {
        let header = Header {
            version: VERSION,
            program: format!("tidegate {}", env!("CARGO_PKG_VERSION")),
            scenario: args.cell.scenario.display().to_string(),
            filters: args.cell.filter.clone(),
            sets: args.cell.set.clone(),
            hash: chosen.cell.simulation.clone(),
            containers: names,
            period: settings.period.0,
        };
        let recording = Recording::create(path, &header)
            .map_err(|error| Error::io("begin the recording", path, &error))?;
        policy = Box::new(Recorder::new(policy, recording.clone()));
        keep = Some(Box::new(move || recording.keep()));
    }

    let stopper = Stopper::default();
    let asked = stopper.clone();
    on_end(args.until_input_ends, move || asked.stop())?;
    eprintln!(
        "{} containers on up to {} hosts; hosts attach at {}{}",
        roster.len(),
        roster.hosts,
        args.listen,
        if args.plaintext {
            ", not encrypted"
        } else {
            ""
        },
    );
    let make = |now| Hub::new(policy, roster, settings, this_start(), now);
    serve::run(listen, make, keep, stopper.stopped()).map_err(|error| match error {
        ServeError::NotLoopback(_) => Error::Usage(error.to_string()),
        ServeError::Io(_) => Error::Internal(error.to_string()),
    })
}

fn bind(address: SocketAddr) -> Result<TcpListener, Error> {
    TcpListener::bind(address)
        .map_err(|error| Error::Internal(format!("cannot listen on {address}: {error}")))
}
