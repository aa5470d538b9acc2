//! What each side shows of itself, and what it believes of the other: TLS 1.3, both sides
//! with a certificate of the installation's own authority.

use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tidegate_core::HostId;
use tokio_rustls::rustls;
use tokio_rustls::rustls::crypto::{CryptoProvider, aws_lc_rs};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig, version};

use super::name;

/// gRPC is HTTP/2.
const ALPN: &[u8] = b"h2";

/// The files that a party needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    /// The authority's certificate.
    pub authority: PathBuf,
    /// The party's own certificate.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
}

impl Files {
    /// Those that `tidegate ca` makes in `folder` for a party called `stem`.
    pub fn of(folder: &Path, stem: &str) -> Files {
        Files {
            authority: folder.join("ca.pem"),
            certificate: folder.join(format!("{stem}.pem")),
            key: folder.join(format!("{stem}.key")),
        }
    }
}

/// Why somebody cannot show or check who is who.
#[derive(Debug)]
pub enum TlsError {
    /// A file cannot be read.
    File(PathBuf, String),
    /// Others than its owner can read a key.
    Open(PathBuf, u32),
    /// The files do not fit together.
    Config(String),
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TlsError::File(path, error) => {
                write!(f, "cannot read {}: {error}", path.display())
            }
            TlsError::Open(path, mode) => write!(
                f,
                "{} can be read by others than its owner (mode {mode:o})\n  help: chmod 600",
                path.display()
            ),
            TlsError::Config(error) => write!(f, "certificate and key do not do: {error}"),
        }
    }
}

impl std::error::Error for TlsError {}

impl From<TlsError> for io::Error {
    fn from(error: TlsError) -> io::Error {
        io::Error::other(error)
    }
}

/// The one provider of cryptography, named by hand: another crate of the same program may
/// bring another.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let unread =
        |error: rustls::pki_types::pem::Error| TlsError::File(path.to_owned(), error.to_string());
    let found: Vec<_> = CertificateDer::pem_file_iter(path)
        .map_err(unread)?
        .collect::<Result<_, _>>()
        .map_err(unread)?;
    if found.is_empty() {
        let error = "there is no certificate in it".to_owned();
        return Err(TlsError::File(path.to_owned(), error));
    }
    Ok(found)
}

fn key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let unread = |error: String| TlsError::File(path.to_owned(), error);
    let mode = fs::metadata(path).map_err(|error| unread(error.to_string()))?;
    let mode = mode.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(TlsError::Open(path.to_owned(), mode));
    }
    PrivateKeyDer::from_pem_file(path).map_err(|error| unread(error.to_string()))
}

fn roots(path: &Path) -> Result<Arc<RootCertStore>, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        roots
            .add(certificate)
            .map_err(|error| TlsError::File(path.to_owned(), error.to_string()))?;
    }
    Ok(Arc::new(roots))
}

fn config(error: impl fmt::Display) -> TlsError {
    TlsError::Config(error.to_string())
}

/// For a controller: whoever connects must show a host's certificate.
///
/// # Errors
/// When a file cannot be read, or they do not fit together.
pub fn controller(files: &Files) -> Result<Arc<ServerConfig>, TlsError> {
    let roots = roots(&files.authority)?;
    let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider());
    let builder = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&version::TLS13])
        .map_err(config)?
        .with_client_cert_verifier(verifier.build().map_err(config)?);
    let mut built = builder
        .with_single_cert(certificates(&files.certificate)?, key(&files.key)?)
        .map_err(config)?;
    built.alpn_protocols = vec![ALPN.to_vec()];
    Ok(Arc::new(built))
}

/// For a host: the other side must show the controller's certificate.
///
/// # Errors
/// When a file cannot be read, or they do not fit together.
pub fn host(files: &Files) -> Result<Arc<ClientConfig>, TlsError> {
    let mut built = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&version::TLS13])
        .map_err(config)?
        .with_root_certificates(roots(&files.authority)?)
        .with_client_auth_cert(certificates(&files.certificate)?, key(&files.key)?)
        .map_err(config)?;
    built.alpn_protocols = vec![ALPN.to_vec()];
    Ok(Arc::new(built))
}

/// Whom a host expects at the other end, whatever its address.
pub fn expected() -> Result<ServerName<'static>, TlsError> {
    ServerName::try_from(name::CONTROLLER).map_err(config)
}

/// Which host a certificate, already checked, is of. It names one, and nobody else.
pub fn host_of(certificate: &CertificateDer<'_>) -> Option<HostId> {
    let certificate = webpki::EndEntityCert::try_from(certificate).ok()?;
    let mut names = certificate.valid_dns_names();
    let host = name::host(names.next()?)?;
    names.next().is_none().then_some(host)
}

/// Which host the certificate of a file is of.
///
/// # Errors
/// When it cannot be read, or is not a host's.
pub fn host_of_file(path: &Path) -> Result<HostId, TlsError> {
    let found = certificates(path)?;
    let host = found.first().and_then(host_of);
    host.ok_or_else(|| {
        let error = "it is not a certificate of a host".to_owned();
        TlsError::File(path.to_owned(), error)
    })
}
