//! The hub behind real sockets and a real clock: one thread, on which everything happens.
//!
//! What a host can make the controller keep is bounded: the length of a message by the
//! number of containers, messages that wait for the hub and for the host, connections and
//! handshakes. A host that sends more than there is to tell is not read for a while; one
//! that does not read is cut. Both only harm themselves.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tidegate_core::Time;
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, sleep_until};
use tokio_rustls::rustls::ServerConfig;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Server;

use super::door::{Doorway, Knock, Streams};
use super::hub::{Hub, Output, Refusal};
use super::metrics::{self, Timings};
use super::{accept, scrape};
use crate::link::service::Control;
use crate::wire;

/// Where the controller listens, and how.
pub struct Listen {
    /// For hosts.
    pub hosts: TcpListener,
    /// What is shown to hosts and asked of them; nothing for connections that are not
    /// encrypted, which is for loopback only.
    pub tls: Option<Arc<ServerConfig>>,
    /// For `/metrics`, if at all.
    pub metrics: Option<TcpListener>,
}

/// Called before what was decided is sent: what must be kept of it is kept by then.
pub type Keep = Box<dyn FnMut() -> io::Result<()>>;

/// Why the controller cannot listen or go on.
#[derive(Debug)]
pub enum ServeError {
    /// The system refused.
    Io(io::Error),
    /// Without encryption only this machine may connect.
    NotLoopback(SocketAddr),
}

impl fmt::Display for ServeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ServeError::Io(error) => error.fmt(f),
            ServeError::NotLoopback(address) => write!(
                f,
                "without encryption the controller listens on loopback only, not on {address}"
            ),
        }
    }
}

impl std::error::Error for ServeError {}

impl From<io::Error> for ServeError {
    fn from(error: io::Error) -> ServeError {
        ServeError::Io(error)
    }
}

/// Ends a controller, from anywhere.
#[derive(Clone, Debug, Default)]
pub struct Stopper(Arc<Notify>);

impl Stopper {
    /// Asks it to end.
    pub fn stop(&self) {
        self.0.notify_one();
    }

    /// Done when it was asked to, also if that was before.
    pub async fn stopped(&self) {
        self.0.notified().await;
    }
}

/// Knocks that wait for the hub. Each connection has one at most.
const WAITING: usize = 64;
/// The longest message where there is one container, and more for each.
const LONGEST: (usize, usize) = (64 << 10, 512);

/// The longest message of a host.
fn longest(containers: usize) -> usize {
    (LONGEST.0 + LONGEST.1 * containers).min(wire::MAX_BYTES)
}

/// Runs the controller until `stop` is done. `make` makes the hub for the time at which it
/// starts.
///
/// # Errors
/// When the system refuses, or `keep` does.
pub fn run(
    listen: Listen,
    make: impl FnOnce(Time) -> Hub,
    mut keep: Option<Keep>,
    stop: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    let address = listen.hosts.local_addr()?;
    if listen.tls.is_none() && !address.ip().is_loopback() {
        return Err(ServeError::NotLoopback(address));
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let clock = Clock(Instant::now());
        let mut hub = make(clock.now());
        let timings = Timings::default();
        let (knocks, mut knocked) = mpsc::channel(WAITING);
        let most = accept::Most::of(hub.roster().hosts);
        let conns = accept::accept(listen.hosts, listen.tls, most, timings.turned_away.clone())?;
        let control = Control::new(Doorway::new(knocks.clone()), longest(hub.roster().len()));
        let server = Server::builder()
            // A host attaches once; a second call takes the place of the first.
            .max_concurrent_streams(4)
            .initial_stream_window_size(256 << 10)
            .initial_connection_window_size(512 << 10)
            .http2_max_header_list_size(16 << 10)
            .http2_keepalive_interval(Some(Duration::from_secs(10)))
            .http2_keepalive_timeout(Some(Duration::from_secs(10)))
            .serve_with_incoming(control, ReceiverStream::new(conns));
        let server = tokio::spawn(server);
        let scrapes = match listen.metrics {
            Some(listener) => Some(tokio::spawn(scrape::serve(listener, knocks)?)),
            None => None,
        };

        let mut streams = Streams::default();
        let mut stop: Pin<Box<dyn Future<Output = ()> + '_>> = Box::pin(stop);
        let ended = loop {
            let next = hub.next_wake().map(|time| clock.at(time));
            tokio::select! {
                biased;
                () = &mut stop => break Ok(()),
                () = wait(next) => hub.wake(clock.now()),
                knock = knocked.recv() => {
                    let Some(knock) = knock else {
                        break Ok(());
                    };
                    handle(&mut hub, &mut streams, &timings, &clock, knock);
                }
            }
            if let Some(keep) = &mut keep
                && let Err(error) = keep()
            {
                break Err(ServeError::Io(error));
            }
            while deliver(&mut hub, &mut streams, clock.now()) {}
        };
        server.abort();
        if let Some(scrapes) = scrapes {
            scrapes.abort();
        }
        ended
    })
}

/// The time since the controller's start.
struct Clock(Instant);

impl Clock {
    fn now(&self) -> Time {
        Time(self.0.elapsed().as_nanos() as u64)
    }

    fn at(&self, time: Time) -> Instant {
        self.0 + Duration::from_nanos(time.0)
    }
}

async fn wait(until: Option<Instant>) {
    match until {
        Some(until) => sleep_until(until).await,
        None => std::future::pending().await,
    }
}

fn handle(hub: &mut Hub, streams: &mut Streams, timings: &Timings, clock: &Clock, knock: Knock) {
    let began = Instant::now();
    match knock {
        Knock::Opened(stream, line) => streams.open(stream, line),
        Knock::Said(stream, up) => {
            if !streams.has(stream) {
                return;
            }
            if let Err(refusal) = hub.receive(clock.now(), stream, up) {
                streams.cut(stream, &refusal);
                hub.closed(clock.now(), stream);
            }
            timings.decisions.observe(began.elapsed().as_secs_f64());
        }
        Knock::Misread(stream, refusal) => {
            hub.refused(&refusal);
            streams.cut(stream, &refusal);
            hub.closed(clock.now(), stream);
        }
        Knock::Closed(stream) => {
            streams.close(stream);
            hub.closed(clock.now(), stream);
        }
        Knock::Scrape(answer) => {
            let _ = answer.send(metrics::render(hub, timings).unwrap_or_default());
        }
    }
}

/// Carries out what the hub wants. Returns whether that may have given it more to want.
fn deliver(hub: &mut Hub, streams: &mut Streams, now: Time) -> bool {
    let outputs = hub.take_outputs();
    let any = !outputs.is_empty();
    for output in outputs {
        match output {
            Output::Send(stream, host, message) => {
                if let Ok(message) = message.message(host)
                    && !streams.send(stream, message)
                {
                    hub.cut(now, stream, Refusal::Slow);
                }
            }
            Output::Cut(stream, refusal) => streams.cut(stream, &refusal),
        }
    }
    any
}
