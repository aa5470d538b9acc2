//! `tidegate ca`: keys and certificates.

use tidegate_core::HostId;
use tidegate_live::link::pki::{self, Made, Party, PkiError};

use crate::cli::live::CaCommand;
use crate::commands::{print, report};
use crate::error::Error;
use crate::exit::Exit;

/// Makes what is asked for.
pub fn run(command: &CaCommand) -> Exit {
    let made = match command {
        CaCommand::New { folder, days } => show(pki::authority(folder, *days)),
        CaCommand::Controller { folder, days } => {
            show(pki::issue(folder, Party::Controller, *days))
        }
        CaCommand::Host {
            folder,
            hosts,
            days,
        } => hosts
            .iter()
            .try_for_each(|&host| show(pki::issue(folder, Party::Host(HostId(host)), *days))),
    };
    match made {
        Ok(()) => Exit::Fine,
        Err(error @ PkiError::Exists(_)) => report(&Error::Usage(error.to_string())),
        Err(error) => report(&Error::Internal(error.to_string())),
    }
}

fn show(made: Result<Made, PkiError>) -> Result<(), PkiError> {
    let made = made?;
    print(&format!(
        "{} ({}), good until {}; its key, for its owner only: {}",
        made.certificate.display(),
        made.name,
        made.until,
        made.key.display()
    ));
    Ok(())
}
