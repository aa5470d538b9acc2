//! The verbs of the live world, with a host that pretends.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::thread::sleep;
use std::time::{Duration, Instant};

use tempfile::tempdir;
use tidegate_core::{Cores, Span, Time};
use tidegate_live::link::client::{Link, News, Target};
use tidegate_live::link::tls::{self, Files};
use tidegate_live::testing::PretendedHost;
use tidegate_live::wire::greeting::Up;

use crate::{command, text, tidegate};

const CELL: [&str; 7] = [
    "tests/fixtures/small.toml",
    "--filter",
    "application=pair",
    "--filter",
    "workload=steady",
    "--filter",
    "allocator=escra",
];

/// A port that was free a moment ago.
fn port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

fn controller(keys: &Path, recording: &Path, port: u16) -> Child {
    let listen = format!("127.0.0.1:{port}");
    let mut controller = command();
    controller.arg("controller").args(CELL);
    controller.args(["--listen", &listen, "--keys", text(keys)]);
    controller.args(["--record", text(recording)]);
    controller.stderr(Stdio::null()).spawn().unwrap()
}

/// A host with both services, whose front needs more and more, for so many periods; says
/// whether it got it.
fn attend(keys: &Path, port: u16, periods: u32) -> bool {
    let names = ["front".to_owned(), "back".to_owned()];
    let mut host = PretendedHost::new(0, 1, &names);
    let (say, news) = channel();
    let target = Target {
        address: format!("127.0.0.1:{port}"),
        tls: Some(tls::host(&Files::of(keys, "host-0")).unwrap()),
    };
    let listen = move |said| drop(say.send(said));
    let link = Link::start(target, host.session.clone(), listen).unwrap();
    let begun = Instant::now();
    let mut left = periods;
    while left > 0 {
        assert!(
            begun.elapsed() < Duration::from_secs(60),
            "{left} periods left"
        );
        let now = Time(begun.elapsed().as_nanos() as u64);
        while let Ok(news) = news.try_recv() {
            match news {
                News::Connected => {
                    if let Up::Hello(hello) = host.connect() {
                        link.hello(hello.containers);
                    }
                }
                News::Welcome(welcome, true) => host.begin(now, welcome),
                News::Orders(wanted) => host.carry_out(now, wanted),
                News::Welcome(_, false) | News::Disconnected(_) => {}
            }
        }
        if host.limits().len() == names.len() {
            host.containers[0].demand = Cores::from_millis(500);
            host.end_period(now, Span::from_millis(100));
            link.seen(std::mem::take(&mut host.seen));
            left -= 1;
        }
        sleep(Duration::from_millis(10));
    }
    host.limits()[0].cpu >= Cores::from_millis(500)
}

fn make_keys(keys: &Path) {
    for arguments in [
        vec!["ca", "new", text(keys)],
        vec!["ca", "controller", text(keys)],
        vec!["ca", "host", text(keys), "0", "1"],
    ] {
        let done = tidegate(&arguments);
        assert_eq!(done.code, 0, "{}", done.stderr);
        assert!(done.stdout.contains("good until 20"), "{}", done.stdout);
    }
}

#[test]
fn a_controller_decides_records_and_is_replayed_however_it_ended() {
    let folder = tempdir().unwrap();
    let keys = folder.path().join("keys");
    make_keys(&keys);
    for signal in ["-TERM", "-KILL"] {
        let recording = folder.path().join(format!("run{signal}"));
        let port = port();
        let mut controller = controller(&keys, &recording, port);
        assert!(
            attend(&keys, port, 60),
            "the front did not get what it needs"
        );
        let id = controller.id().to_string();
        assert!(
            Command::new("kill")
                .args([signal, &id])
                .status()
                .unwrap()
                .success()
        );
        let code = controller.wait().unwrap().code();
        assert_eq!(code, (signal == "-TERM").then_some(0));

        let done = tidegate(&["replay", text(&recording)]);
        assert_eq!(done.code, 0, "{}", done.stderr);
        assert!(done.stdout.contains("the same: "), "{}", done.stdout);
        let out = folder.path().join("limits.csv");
        let csv = ["--out", text(&out), "--every", "100ms"];
        let other = [
            &["replay", text(&recording), "--allocator", "static"][..],
            &csv,
        ]
        .concat();
        let done = tidegate(&other);
        assert_eq!(done.code, 0, "{}", done.stderr);
        assert!(
            done.stdout.contains("mean CPU limits, cores"),
            "{}",
            done.stdout
        );
        let rows = std::fs::read_to_string(&out).unwrap().lines().count();
        assert!(rows > 3, "{rows} rows");
    }
}

#[test]
fn what_cannot_be_is_refused_and_says_what_would_do() {
    let folder = tempdir().unwrap();
    let keys = folder.path().join("keys");
    let says = |arguments: &[&str], code: i32, says: &str| {
        let done = tidegate(arguments);
        assert_eq!(done.code, code, "{arguments:?}: {}", done.stderr);
        assert!(done.stderr.contains(says), "{arguments:?}: {}", done.stderr);
    };
    says(&["ca", "controller", text(&keys)], 1, "ca.key");
    make_keys(&keys);
    says(&["ca", "new", text(&keys)], 2, "nothing is overwritten");

    let all = ["controller", "tests/fixtures/small.toml", "--plaintext"];
    says(
        &all,
        2,
        "more than one value is left in `application`, `workload`, `allocator`",
    );
    let open = [
        &["controller"][..],
        &CELL,
        &["--plaintext", "--listen", "0.0.0.0:0"],
    ]
    .concat();
    says(&open, 2, "on loopback only");
    let unkeyed = [&["controller"][..], &CELL].concat();
    says(&unkeyed, 2, "--keys");

    says(&["agent", "--plaintext"], 2, "there are no containers");
    says(&["agent", "front"], 2, "expected NAME=PATH");
    says(&["agent", "front=x"], 2, "where are the keys");
    let config = folder.path().join("agent.toml");
    std::fs::write(&config, "host = 0\n\n[containers]\nfront = 7\n").unwrap();
    says(&["agent", "--config", text(&config)], 3, "agent.toml:4");
    std::fs::write(&config, "hots = 0\n").unwrap();
    says(&["agent", "--config", text(&config)], 3, "agent.toml:1");
    says(&["replay", text(&config)], 2, "it is no recording");
}
