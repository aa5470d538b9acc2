//! Who shows no certificate, or a wrong one, is not let in; nor is a controller believed
//! that cannot show its own.

use std::path::Path;
use std::sync::Arc;

use tidegate_core::HostId;
use tidegate_live::controller::running::Running;
use tidegate_live::link::client::Target;
use tidegate_live::link::pki::{self, Party};
use tidegate_live::link::tls::{self, Files};

use super::{Far, HOST, encrypted, host, hub, until};

struct Keys(tempfile::TempDir);

impl Keys {
    fn new() -> Keys {
        let keys = Keys(tempfile::tempdir().unwrap());
        pki::authority(keys.path(), 10).unwrap();
        pki::issue(keys.path(), Party::Controller, 10).unwrap();
        pki::issue(keys.path(), Party::Host(HOST), 10).unwrap();
        keys
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn controller(&self) -> Running {
        let tls = tls::controller(&Files::of(self.path(), "controller")).unwrap();
        Running::start(None, Some(tls), hub(2, 2, 1)).unwrap()
    }
}

/// The link ends, and the controller has heard of no host.
fn is_kept_out(running: &Running, target: Target, says: &str) {
    let far = Far::new(target, host(0, 7, 2));
    until("kept out", || far.ended().is_some());
    // What TLS 1.3 refuses of a client, the client learns after its handshake: the alert,
    // or, if it writes first, only that nobody reads.
    let why = far.ended().unwrap();
    assert!(says.split('|').any(|says| why.contains(says)), "{why}");
    assert!(far.limits().is_empty());
    assert_eq!(running.metric("tidegate_hosts"), Some(0.0));
    assert!(running.is_there());
}

const REFUSED: &str = "alert|Broken pipe|reset";

#[test]
fn another_authority_is_not_believed() {
    let (ours, theirs) = (Keys::new(), Keys::new());
    let running = ours.controller();
    // Theirs, but it believes ours.
    let files = Files {
        authority: ours.path().join("ca.pem"),
        ..Files::of(theirs.path(), "host-0")
    };
    let target = Target {
        address: running.address.to_string(),
        tls: Some(tls::host(&files).unwrap()),
    };
    is_kept_out(&running, target, REFUSED);
    until("it is counted", || {
        running.metric("tidegate_turned_away_total") >= Some(1.0)
    });
    // Ours, but it believes theirs.
    let files = Files {
        authority: theirs.path().join("ca.pem"),
        ..Files::of(ours.path(), "host-0")
    };
    let target = Target {
        address: running.address.to_string(),
        tls: Some(tls::host(&files).unwrap()),
    };
    is_kept_out(&running, target, "certificate");
}

#[test]
fn who_shows_nothing_is_not_let_in() {
    use tokio_rustls::rustls::crypto::aws_lc_rs;
    use tokio_rustls::rustls::pki_types::CertificateDer;
    use tokio_rustls::rustls::pki_types::pem::PemObject;
    use tokio_rustls::rustls::{ClientConfig, RootCertStore};

    let ours = Keys::new();
    let running = ours.controller();
    let mut roots = RootCertStore::empty();
    let authority = CertificateDer::from_pem_file(ours.path().join("ca.pem")).unwrap();
    roots.add(authority).unwrap();
    let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let target = Target {
        address: running.address.to_string(),
        tls: Some(Arc::new(config)),
    };
    is_kept_out(&running, target, REFUSED);
    // Nor who does not encrypt at all.
    let target = Target {
        address: running.address.to_string(),
        tls: None,
    };
    // It is answered in TLS, which is no HTTP.
    is_kept_out(&running, target, "http2|reset|broken pipe|Broken pipe");
}

#[test]
fn a_certificate_is_good_for_its_days_only() {
    let ours = Keys::new();
    std::fs::remove_file(ours.path().join("host-0.pem")).unwrap();
    std::fs::remove_file(ours.path().join("host-0.key")).unwrap();
    pki::issue_days_ago(ours.path(), Party::Host(HOST), 3, 1).unwrap();
    let running = ours.controller();
    let target = encrypted(&running, ours.path(), "host-0");
    is_kept_out(&running, target, REFUSED);
}

#[test]
fn a_controllers_certificate_does_not_make_a_host() {
    let ours = Keys::new();
    let running = ours.controller();
    let target = encrypted(&running, ours.path(), "controller");
    is_kept_out(&running, target, REFUSED);
}

#[test]
fn a_hosts_certificate_does_not_make_a_controller() {
    let ours = Keys::new();
    let tls = tls::controller(&Files::of(ours.path(), "host-0")).unwrap();
    let running = Running::start(None, Some(tls), hub(2, 1, 1)).unwrap();
    let target = encrypted(&running, ours.path(), "host-0");
    is_kept_out(&running, target, "certificate");
}

#[test]
fn a_host_speaks_for_itself_only() {
    let ours = Keys::new();
    pki::issue(ours.path(), Party::Host(HostId(1)), 10).unwrap();
    let running = ours.controller();
    let target = encrypted(&running, ours.path(), "host-1");
    // Host 1, that says it is host 0.
    is_kept_out(&running, target, "names host 0");
    until("it is counted", || {
        let refused = running.metric("tidegate_refused_total{reason=\"wrong_host\"}");
        refused >= Some(1.0)
    });
}

#[test]
fn a_key_that_others_can_read_is_not_used() {
    use std::os::unix::fs::PermissionsExt;

    let ours = Keys::new();
    let key = ours.path().join("host-0.key");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
    let error = tls::host(&Files::of(ours.path(), "host-0")).unwrap_err();
    assert!(error.to_string().contains("mode 644"), "{error}");
}
