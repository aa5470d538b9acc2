//! The program of one service: `tidegate service`, started by the runner only.
//!
//! It reads a [`Spec`] from its standard input, answers with the port it listens on,
//! reads the ports of all services, and serves calls until its input ends, which it
//! does however the runner ends. Then it writes an [`Account`].
//!
//! - [`account`]: what HTTP costs is part of what a call costs.
//! - `ballast`: memory that is held.
//! - `peers`: calls to other services.
//! - `pool`: threads that take calls, in the order of the service's runtime.
//! - `worker`: one call: CPU, memory, stages.
//! - `http`: the server.

pub mod account;

mod ballast;

mod peers;

mod pool;

mod worker;

mod http;

use std::io::{self, BufRead, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;

use serde::{Deserialize, Serialize};
use tidegate_core::Bytes;
use tidegate_workloads::{Application, Plan};
use tokio::net::TcpSocket;
use tokio::sync::oneshot;

pub use account::Account;

use account::Ledger;
use ballast::Ballast;
use peers::Peers;
use pool::Pool;
use worker::Workshop;

use super::spin::Spin;

/// What a service is told first.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Spec {
    /// The whole application, scaled already.
    pub application: Application,
    /// Which of its services this is.
    pub service: usize,
    /// Of the random draws of requests.
    pub seed: u64,
    /// Its memory limit now, of which a heap takes its share.
    pub limit: Bytes,
    /// The port to listen on; any if zero.
    pub port: u16,
    /// A file that says how many bytes the container is charged.
    pub usage: Option<PathBuf>,
}

/// What it is told second.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Ports {
    /// Where each service listens, in the order of the application.
    pub ports: Vec<u16>,
}

/// What it answers to each, a line of JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// It listens there.
    Port(u16),
    /// It serves.
    Ready,
}

/// Connections that wait to be accepted; callers connect once and stay.
const BACKLOG: u32 = 1_024;

/// Runs a service on this process' standard input and output.
///
/// # Errors
/// When what it is told cannot be read, or it cannot listen.
pub fn run() -> io::Result<()> {
    let mut input = io::stdin().lock();
    let spec: Spec = line(&mut input)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let _entered = runtime.enter();
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, spec.port)))?;
    let listener = socket.listen(BACKLOG)?;
    answer(Answer::Port(listener.local_addr()?.port()))?;
    let ports: Ports = line(&mut input)?;
    drop(input);

    let spin = Spin::calibrate();
    let service = spec.application.services[spec.service].clone();
    let ledger = Arc::new(Ledger::default());
    let pool = Arc::new(Pool::new(service.runtime.order));
    let peers = Arc::new(Peers::new(ports.ports));
    let workshop = Arc::new(Workshop {
        plan: Plan::new(&spec.application),
        services: spec.application.services.len(),
        service: spec.service,
        seed: spec.seed,
        runtime: service.runtime,
        ballast: Ballast::new(service.memory, spec.limit, spec.usage)?,
        spin,
        ledger: ledger.clone(),
        peers,
        io: runtime.handle().clone(),
        background: worker::background(spin, service.idle, spec.seed, spec.service),
        served: Default::default(),
    });
    for number in 0..service.runtime.threads {
        let (pool, workshop) = (pool.clone(), workshop.clone());
        thread::Builder::new()
            .name(format!("worker-{number}"))
            .stack_size(128 << 10)
            .spawn(move || pool.work(|job| workshop.serve(job)))?;
    }
    let (ended, end) = oneshot::channel();
    thread::spawn(move || {
        // Nothing more is told: this waits for the end.
        let _ = io::copy(&mut io::stdin().lock(), &mut io::sink());
        let _ = ended.send(());
    });
    answer(Answer::Ready)?;
    runtime.block_on(http::serve(listener, pool, ledger.clone(), end));
    let account = serde_json::to_string(&ledger.account()).map_err(io::Error::other)?;
    // Whoever asked may be gone.
    let _ = writeln!(io::stdout(), "{account}");
    // Not waiting for threads in the middle of a call.
    std::process::exit(0);
}

fn line<T: for<'de> Deserialize<'de>>(input: &mut impl BufRead) -> io::Result<T> {
    let mut text = String::new();
    if input.read_line(&mut text)? == 0 {
        return Err(io::Error::new(
            io::ErrorKind::UnexpectedEof,
            "a service is started by `tidegate run --world live` only",
        ));
    }
    serde_json::from_str(&text).map_err(io::Error::other)
}

fn answer(answer: Answer) -> io::Result<()> {
    let text = serde_json::to_string(&answer).map_err(io::Error::other)?;
    let mut out = io::stdout().lock();
    writeln!(out, "{text}")?;
    out.flush()
}
