//! `tidegate agent`: this host's containers, on behalf of a controller.

use std::path::{Path, PathBuf};
use std::sync::mpsc::channel;

use serde::Deserialize;
use tidegate_core::HostId;
use tidegate_live::agent::Config;
use tidegate_live::cgroup::{Group, Hierarchies};
use tidegate_live::link::attached::{Attached, Owned};
use tidegate_live::link::client::Target;
use tidegate_live::link::tls::{self, Files};
use toml::Table;

use super::{on_end, this_start};
use crate::cli::live::AgentArgs;
use crate::commands::report;
use crate::error::Error;
use crate::exit::Exit;
use crate::scenario::layer::Document;

/// Where a controller is if nobody says so.
const CONTROLLER: &str = "127.0.0.1:7117";

/// The file of `--config`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct AgentFile {
    controller: Option<String>,
    host: Option<u32>,
    keys: Option<PathBuf>,
    /// Control groups by the name of the service that each runs. Read one by one, so that
    /// a slip is shown where it is.
    containers: Table,
}

/// Runs until somebody asks it to end; then containers have their safe limits.
pub fn run(args: &AgentArgs) -> Exit {
    match attend(args) {
        Ok(()) => Exit::Fine,
        Err(error) => report(&error),
    }
}

fn attend(args: &AgentArgs) -> Result<(), Error> {
    let (file, mut containers) = match &args.config {
        Some(path) => read(path)?,
        None => Default::default(),
    };
    for container in &args.containers {
        let Some((name, path)) = container.split_once('=') else {
            return Err(Error::Usage(format!(
                "{container}: there is no `=`; expected NAME=PATH, such as web=docker/0a1b2c"
            )));
        };
        containers.push((name.to_owned(), path.to_owned()));
    }
    if containers.is_empty() {
        return Err(Error::Usage(
            "there are no containers to look after\n  help: name them as NAME=PATH, or in the \
             file of --config"
                .to_owned(),
        ));
    }
    let host = HostId(args.host.or(file.host).unwrap_or(0));
    let keys = args.keys.as_ref().or(file.keys.as_ref());
    let tls = match keys.filter(|_| !args.plaintext) {
        Some(keys) => {
            let config = tls::host(&Files::of(keys, &format!("host-{}", host.0)));
            Some(config.map_err(|error| Error::Usage(error.to_string()))?)
        }
        None if args.plaintext => None,
        None => {
            return Err(Error::Usage(
                "where are the keys of this host?\n  help: --keys DIR, with what `tidegate ca` \
                 made; or --plaintext, on loopback"
                    .to_owned(),
            ));
        }
    };
    let address = args.controller.clone().or(file.controller);
    let target = Target {
        address: address.unwrap_or_else(|| CONTROLLER.to_owned()),
        tls,
    };

    let internal = |error: &dyn std::fmt::Display| Error::Internal(error.to_string());
    let hierarchies = Hierarchies::detect().map_err(|error| internal(&error))?;
    let owned = containers.into_iter().map(|(name, path)| {
        let hierarchies = hierarchies.clone();
        Owned {
            name,
            open: Box::new(move || Group::adopt(&hierarchies, &path, 0)),
            safe: None,
        }
    });
    let (stop, stopped) = channel();
    on_end(args.until_input_ends, move || {
        // Nobody listens any more where it has ended by itself.
        let _ = stop.send(());
    })?;
    let say = Box::new(|text: &str| eprintln!("{text}"));
    let config = Config::new(host);
    let attached = Attached::start(config, this_start(), owned.collect(), target, say)
        .map_err(|error| internal(&error))?;
    // What sends lives as long as the process.
    let _ = stopped.recv();
    attached.stop();
    Ok(())
}

/// The file of `--config`, and its containers.
fn read(path: &Path) -> Result<(AgentFile, Vec<(String, String)>), Error> {
    let document = Document::read(path)?;
    let file: AgentFile = document.decode()?;
    let mut containers = Vec::new();
    for (name, group) in &file.containers {
        let Some(group) = group.as_str() else {
            let key = ["containers".to_owned(), name.clone()];
            let at = document.value_at(&key);
            let message = format!("`{name}` must be the path of a control group in quotes");
            return Err(at.error(message).into());
        };
        containers.push((name.clone(), group.to_owned()));
    }
    Ok((file, containers))
}
