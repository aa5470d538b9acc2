//! The host's end of the link: connects to the controller, carries messages both ways,
//! and connects again when the connection ends, on a thread of its own. What to say is
//! [`Session`]'s affair; who says it, and listens, is behind a [`Link`].

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use hyper_util::rt::TokioIo;
use tidegate_core::{Command, Observation, Span};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::ClientConfig;
use tokio_stream::wrappers::ReceiverStream;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::{Endpoint, Uri};
use tonic::{Request, Status, Streaming};
use tonic_prost::ProstCodec;

use super::conn::{Bytes, Conn, Peer};
use super::service::ATTACH;
use super::session::{Heard, Session};
use super::tls;
use crate::wire::greeting::{Down, Standing, Welcome};
use crate::wire::{self, link};

/// The first wait between two attempts to connect; each further one is twice the last.
const FIRST_WAIT: Duration = Duration::from_millis(50);
/// The longest: a good deal shorter than a controller waits for its hosts.
const LONGEST_WAIT: Duration = Duration::from_millis(1000);
/// An attempt that takes longer has failed.
const CONNECT_TIME: Duration = Duration::from_secs(2);
/// Messages that wait to be sent. A controller that reads none for so many is gone.
const OUTBOX: usize = 256;
/// The beat before a welcome has said which.
const BEAT: Span = Span::from_millis(500);
/// Beats of the controller that may be missing.
const MISSED_BEATS: u64 = 5;

/// Where the controller is, and how to tell that it is.
#[derive(Clone)]
pub struct Target {
    /// Its address, as HOST:PORT.
    pub address: String,
    /// How to check it and what to show; nothing for a connection that is not encrypted.
    pub tls: Option<Arc<ClientConfig>>,
}

/// What the controller's side of the link says.
#[derive(Clone, Debug, PartialEq)]
pub enum News {
    /// There is a connection: say hello.
    Connected,
    /// The host is taken in; whether a new session begins with it.
    Welcome(Welcome, bool),
    /// What is to change; nothing, where the controller only says that it is there.
    Orders(Vec<Command>),
    /// There is no connection any more, or still none, and why.
    Disconnected(String),
}

/// What the host says.
#[derive(Clone, Debug, PartialEq)]
enum Say {
    Hello(Vec<Standing>),
    Seen(Vec<Observation>),
}

/// The host's end of the link. It ends when this is dropped.
pub struct Link {
    say: Option<mpsc::Sender<Say>>,
    /// Dropped to stop.
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Link {
    /// Connects `session` to the controller at `target`, and keeps it connected. `listen`
    /// is called on the link's thread and must not block.
    ///
    /// # Errors
    /// When there is no thread to be had.
    pub fn start(
        target: Target,
        session: Session,
        listen: impl FnMut(News) + Send + 'static,
    ) -> io::Result<Link> {
        let (say, said) = mpsc::channel(OUTBOX);
        let (stop, stopped) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let mut end = End {
            target,
            session,
            listen,
            said,
        };
        let name = format!("link-{}", end.session.host().0);
        let thread = std::thread::Builder::new().name(name).spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    () = end.run() => {}
                    _ = stopped => {}
                }
            });
        })?;
        Ok(Link {
            say: Some(say),
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// Says who this is: the answer to [`News::Connected`], and whenever a container has
    /// come. False if it cannot be sent.
    pub fn hello(&self, containers: Vec<Standing>) -> bool {
        self.put(Say::Hello(containers))
    }

    /// Tells what was seen. Without a connection it is forgotten. False if it cannot be
    /// sent.
    pub fn seen(&self, seen: Vec<Observation>) -> bool {
        self.put(Say::Seen(seen))
    }

    fn put(&self, say: Say) -> bool {
        self.say
            .as_ref()
            .is_some_and(|outbox| outbox.try_send(say).is_ok())
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.say = None;
        self.stop = None;
        if let Some(thread) = self.thread.take()
            && thread.thread().id() != std::thread::current().id()
        {
            // If it panicked, there is nothing left to end.
            let _ = thread.join();
        }
    }
}

struct End<F> {
    target: Target,
    session: Session,
    listen: F,
    said: mpsc::Receiver<Say>,
}

impl<F: FnMut(News)> End<F> {
    async fn run(&mut self) {
        let mut wait = FIRST_WAIT;
        loop {
            let mut welcomed = false;
            let ended = self.attach(&mut welcomed).await;
            let why = match ended {
                Ok(()) => return,
                Err(why) => why,
            };
            (self.listen)(News::Disconnected(why));
            if welcomed {
                wait = FIRST_WAIT;
            }
            sleep(wait).await;
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }

    /// One connection, from its beginning to its end. Returns why it ended, or nothing
    /// when the host has gone.
    async fn attach(&mut self, welcomed: &mut bool) -> Result<(), String> {
        let (up, sends) = mpsc::channel::<link::Up>(OUTBOX);
        let connect = connect(&self.target, sends);
        let mut down = match timeout(CONNECT_TIME, connect).await {
            Ok(connected) => connected?,
            Err(_) => return Err("the controller does not answer".to_owned()),
        };
        self.session.connected();
        // What was said before is of no use any more.
        while self.said.try_recv().is_ok() {}
        (self.listen)(News::Connected);
        let host = self.session.host();
        let mut beat = nanoseconds(BEAT);
        let mut heard = Instant::now();
        let mut spoke = Instant::now();
        loop {
            let silent = heard + beat * MISSED_BEATS as u32;
            tokio::select! {
                message = down.message() => {
                    heard = Instant::now();
                    let message = message.map_err(said)?;
                    let message = message.ok_or("the controller has ended the connection")?;
                    let message = Down::read(message, host).map_err(|error| error.to_string())?;
                    match self.session.receive(message) {
                        Some(Heard::Welcome(welcome, new)) => {
                            beat = nanoseconds(welcome.beat).max(Duration::from_millis(10));
                            *welcomed = true;
                            (self.listen)(News::Welcome(welcome, new));
                        }
                        Some(Heard::Orders(orders)) => (self.listen)(News::Orders(orders)),
                        None => {}
                    }
                }
                say = self.said.recv() => {
                    let message = match say {
                        None => return Ok(()),
                        Some(Say::Hello(containers)) => Some(self.session.hello(containers)),
                        Some(Say::Seen(seen)) => self.session.telemetry(seen),
                    };
                    if let Some(message) = message {
                        spoke = Instant::now();
                        let message = message.message(host).map_err(|error| error.to_string())?;
                        up.try_send(message).map_err(|_| "the controller does not read")?;
                    }
                }
                () = sleep_until(spoke + beat) => {
                    spoke = Instant::now();
                    if let Some(message) = self.session.telemetry(Vec::new()) {
                        let message = message.message(host).map_err(|error| error.to_string())?;
                        up.try_send(message).map_err(|_| "the controller does not read")?;
                    }
                }
                () = sleep_until(silent), if *welcomed => {
                    return Err("nothing comes from the controller".to_owned());
                }
            }
        }
    }
}

fn nanoseconds(span: Span) -> Duration {
    Duration::from_nanos(span.0)
}

/// What a status of gRPC says.
fn said(status: Status) -> String {
    match status.message() {
        "" => status.code().to_string(),
        message => message.to_owned(),
    }
}

async fn connect(
    target: &Target,
    sends: mpsc::Receiver<link::Up>,
) -> Result<Streaming<link::Down>, String> {
    let conn = dial(target).await.map_err(|error| error.to_string())?;
    let fault = conn.fault();
    let attached = attach(conn, sends).await;
    // What TLS 1.3 refuses of a client shows after the handshake only.
    attached.map_err(|error| fault.get().map_or(error, str::to_owned))
}

/// A connection to whom it should be.
async fn dial(target: &Target) -> io::Result<Conn> {
    let stream = TcpStream::connect(&target.address).await?;
    stream.set_nodelay(true)?;
    let bytes = match &target.tls {
        None => Bytes::Plain(stream),
        Some(tls) => {
            let connector = TlsConnector::from(tls.clone());
            let stream = connector.connect(tls::expected()?, stream).await?;
            Bytes::Client(Box::new(stream))
        }
    };
    Ok(Conn::new(bytes, Peer::Unknown, None))
}

/// Begins the stream of messages on a connection.
async fn attach(
    conn: Conn,
    sends: mpsc::Receiver<link::Up>,
) -> Result<Streaming<link::Down>, String> {
    // There is one connection, and no other follows it under the same channel.
    let mut conn = Some(TokioIo::new(conn));
    let connector = tower::service_fn(move |_: Uri| {
        let conn = conn.take().ok_or(io::ErrorKind::NotConnected);
        std::future::ready(conn.map_err(io::Error::from))
    });
    // The name is for HTTP; whom to expect was checked before.
    let endpoint = Endpoint::from_static("http://controller.tidegate");
    let channel = endpoint.connect_with_connector(connector).await;
    let channel = channel.map_err(|error| chain(&error))?;
    let codec: ProstCodec<link::Up, link::Down> = ProstCodec::default();
    let mut grpc = tonic::client::Grpc::new(channel).max_decoding_message_size(wire::MAX_BYTES);
    grpc.ready().await.map_err(|error| chain(&error))?;
    let request = Request::new(ReceiverStream::new(sends));
    let path = PathAndQuery::from_static(ATTACH);
    let answer = grpc.streaming(request, path, codec).await.map_err(said)?;
    Ok(answer.into_inner())
}

/// An error and what caused it.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        text.push_str(": ");
        text.push_str(&error.to_string());
        next = error.source();
    }
    text
}
