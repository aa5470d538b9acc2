//! Makes keys and certificates: an authority of the installation's own, and what it
//! signs. Nobody else's authority is believed.
//!
//! Files of a folder: `ca.pem`, `ca.key`, and for each party `NAME.pem`, `NAME.key`. Keys
//! can be read by their owner only. Nothing is ever overwritten.

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose,
};
use tidegate_core::HostId;
use time::{Duration, OffsetDateTime};

use super::name;

/// The longest that a certificate may be good for: a hundred years.
pub const MAX_DAYS: u32 = 36_525;

/// Why no key was made.
#[derive(Debug)]
pub enum PkiError {
    /// The system refused to do something with a file.
    File(&'static str, PathBuf, io::Error),
    /// A file is there already.
    Exists(PathBuf),
    /// A key cannot be read, or a certificate not be made.
    Key(PathBuf, rcgen::Error),
}

impl fmt::Display for PkiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PkiError::File(what, path, error) => {
                write!(f, "cannot {what} {}: {error}", path.display())
            }
            PkiError::Exists(path) => write!(
                f,
                "{} is there already\n  help: nothing is overwritten; remove it first, or choose \
                 another folder",
                path.display()
            ),
            PkiError::Key(path, error) => write!(f, "{}: {error}", path.display()),
        }
    }
}

impl std::error::Error for PkiError {}

/// What was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    /// The certificate.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
    /// The name in it.
    pub name: String,
    /// The last day on which it is good, as YYYY-MM-DD.
    pub until: String,
}

/// For whom a certificate is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Party {
    /// The controller.
    Controller,
    /// A host.
    Host(HostId),
}

impl Party {
    /// Its name in the certificate.
    pub fn name(self) -> String {
        match self {
            Party::Controller => name::CONTROLLER.to_owned(),
            Party::Host(host) => name::of_host(host),
        }
    }

    /// Its files are called after this.
    fn stem(self) -> String {
        match self {
            Party::Controller => "controller".to_owned(),
            Party::Host(host) => format!("host-{}", host.0),
        }
    }
}

/// Makes an authority in `folder`, good for `days` from now.
///
/// # Errors
/// When there is one, or the folder cannot be written.
pub fn authority(folder: &Path, days: u32) -> Result<Made, PkiError> {
    let (certificate, key_file) = files(folder, "ca");
    let failed = |error| PkiError::Key(certificate.clone(), error);
    let key = KeyPair::generate().map_err(failed)?;
    let mut params = authority_params();
    let until = valid(&mut params, OffsetDateTime::now_utc(), days);
    let signed = params.self_signed(&key).map_err(failed)?;
    let name = "tidegate".to_owned();
    write(
        folder,
        certificate,
        key_file,
        &signed.pem(),
        &key,
        name,
        until,
    )
}

/// Makes a key and a certificate for `party` in `folder`, signed by the authority there,
/// good for `days` from now.
///
/// # Errors
/// When there is one, there is no authority, or the folder cannot be written.
pub fn issue(folder: &Path, party: Party, days: u32) -> Result<Made, PkiError> {
    issue_from(folder, party, OffsetDateTime::now_utc(), days)
}

/// As [`issue`], as if it had been done so many days ago: for tests.
///
/// # Errors
/// As [`issue`].
#[doc(hidden)]
pub fn issue_days_ago(folder: &Path, party: Party, ago: u32, days: u32) -> Result<Made, PkiError> {
    let from = OffsetDateTime::now_utc() - Duration::days(i64::from(ago));
    issue_from(folder, party, from, days)
}

/// As [`issue`], good from `from`.
fn issue_from(
    folder: &Path,
    party: Party,
    from: OffsetDateTime,
    days: u32,
) -> Result<Made, PkiError> {
    let (certificate, key_file) = files(folder, &party.stem());
    let failed = |error| PkiError::Key(certificate.clone(), error);
    let (_, ca_key) = files(folder, "ca");
    let text = fs::read_to_string(&ca_key)
        .map_err(|error| PkiError::File("read", ca_key.clone(), error))?;
    let ca = KeyPair::from_pem(&text).map_err(|error| PkiError::Key(ca_key, error))?;
    let issuer = Issuer::new(authority_params(), ca);

    let key = KeyPair::generate().map_err(failed)?;
    let mut params = CertificateParams::new([party.name()]).map_err(failed)?;
    params.distinguished_name = DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, party.name());
    params.use_authority_key_identifier_extension = true;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    // A host cannot pass for the controller, nor the other way round.
    params.extended_key_usages = vec![match party {
        Party::Controller => ExtendedKeyUsagePurpose::ServerAuth,
        Party::Host(_) => ExtendedKeyUsagePurpose::ClientAuth,
    }];
    let until = valid(&mut params, from, days);
    let signed = params.signed_by(&key, &issuer).map_err(failed)?;
    let name = party.name();
    write(
        folder,
        certificate,
        key_file,
        &signed.pem(),
        &key,
        name,
        until,
    )
}

/// All that is the same in all certificates of an authority's own: its key tells one from
/// another.
fn authority_params() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, "tidegate");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

/// Sets from when and until when a certificate is good; returns the last day.
fn valid(params: &mut CertificateParams, from: OffsetDateTime, days: u32) -> String {
    // Clocks of hosts differ a little.
    params.not_before = from - Duration::minutes(5);
    params.not_after = from + Duration::days(i64::from(days.min(MAX_DAYS)));
    params.not_after.date().to_string()
}

fn files(folder: &Path, stem: &str) -> (PathBuf, PathBuf) {
    let file = |extension| folder.join(format!("{stem}.{extension}"));
    (file("pem"), file("key"))
}

fn write(
    folder: &Path,
    certificate: PathBuf,
    key_file: PathBuf,
    text: &str,
    key: &KeyPair,
    name: String,
    until: String,
) -> Result<Made, PkiError> {
    fs::create_dir_all(folder).map_err(|error| PkiError::File("make", folder.to_owned(), error))?;
    for path in [&certificate, &key_file] {
        if path.exists() {
            return Err(PkiError::Exists(path.clone()));
        }
    }
    put(&key_file, &key.serialize_pem())?;
    put(&certificate, text)?;
    Ok(Made {
        certificate,
        key: key_file,
        name,
        until,
    })
}

/// Writes a new file that its owner only can read.
fn put(path: &Path, text: &str) -> Result<(), PkiError> {
    let mut options = OpenOptions::new();
    let file = options.write(true).create_new(true).mode(0o600).open(path);
    let written = file.and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()
    });
    written.map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => PkiError::Exists(path.to_owned()),
        _ => PkiError::File("write", path.to_owned(), error),
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn keys_are_for_their_owner_and_nothing_is_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let early = issue(folder, Party::Controller, 1).unwrap_err();
        assert!(matches!(early, PkiError::File("read", ..)), "{early}");
        let made = [
            authority(folder, 10).unwrap(),
            issue(folder, Party::Controller, 1).unwrap(),
            issue(folder, Party::Host(HostId(3)), 1).unwrap(),
        ];
        assert_eq!(made[2].name, "host-3.tidegate");
        assert_eq!(made[2].until.len(), 10);
        for made in &made {
            for path in [&made.certificate, &made.key] {
                let mode = fs::metadata(path).unwrap().permissions().mode();
                assert_eq!(mode & 0o777, 0o600, "{}", path.display());
            }
        }
        let key = fs::read(folder.join("ca.key")).unwrap();
        let again = authority(folder, 10).unwrap_err();
        assert!(matches!(again, PkiError::Exists(_)), "{again}");
        assert!(issue(folder, Party::Host(HostId(3)), 1).is_err());
        assert_eq!(fs::read(folder.join("ca.key")).unwrap(), key);
    }
}
