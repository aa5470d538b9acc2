//! Between connections, which are tasks, and the hub, which is not: what hosts say waits
//! here for the hub, and what it says for them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use prost::Message;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Request, Status, Streaming};

use super::hub::{Refusal, StreamId};
use crate::link::conn::Peer;
use crate::link::service::{Door, Orders};
use crate::wire::greeting::Up;
use crate::wire::{WireError, link};

/// Messages that wait for a host to read them.
const UNREAD: usize = 32;
/// Messages a host may send in a second, and at once. Short of memory, each of a host's
/// containers may have a few to send.
const PACE: f64 = 5_000.0;
/// So many bytes count as a message.
const COUNTS: usize = 8 << 10;

/// What comes to the hub.
pub(super) enum Knock {
    /// A host has attached.
    Opened(StreamId, Line),
    /// It has said something.
    Said(StreamId, Up),
    /// What it said cannot be read.
    Misread(StreamId, Refusal),
    /// It has gone.
    Closed(StreamId),
    /// Somebody wants to see the metrics.
    Scrape(oneshot::Sender<String>),
}

/// The way back to a host.
pub(super) struct Line {
    send: mpsc::Sender<Result<link::Down, Status>>,
    /// Dropped to end the connection.
    _hold: oneshot::Sender<()>,
}

/// The ways back to all hosts.
#[derive(Default)]
pub(super) struct Streams(BTreeMap<StreamId, Line>);

impl Streams {
    pub(super) fn open(&mut self, stream: StreamId, line: Line) {
        self.0.insert(stream, line);
    }

    pub(super) fn has(&self, stream: StreamId) -> bool {
        self.0.contains_key(&stream)
    }

    pub(super) fn close(&mut self, stream: StreamId) {
        self.0.remove(&stream);
    }

    /// Sends a message, if there is room for it. To one that has gone it is sent in vain.
    pub(super) fn send(&self, stream: StreamId, message: link::Down) -> bool {
        let Some(line) = self.0.get(&stream) else {
            return true;
        };
        !matches!(
            line.send.try_send(Ok(message)),
            Err(mpsc::error::TrySendError::Full(_))
        )
    }

    /// Ends a connection and says why.
    pub(super) fn cut(&mut self, stream: StreamId, why: &Refusal) {
        if let Some(line) = self.0.remove(&stream) {
            let code = match why {
                Refusal::Wire(WireError::WrongHost(_)) | Refusal::NotYours(_) => {
                    Code::PermissionDenied
                }
                Refusal::Replaced | Refusal::Silent | Refusal::Slow => Code::Aborted,
                _ => Code::InvalidArgument,
            };
            let _ = line.send.try_send(Err(Status::new(code, why.to_string())));
        }
    }
}

/// Where hosts attach.
#[derive(Clone)]
pub(super) struct Doorway {
    knocks: mpsc::Sender<Knock>,
    next: Arc<AtomicU64>,
}

impl Doorway {
    pub(super) fn new(knocks: mpsc::Sender<Knock>) -> Doorway {
        let next = Arc::new(AtomicU64::new(1));
        Doorway { knocks, next }
    }
}

impl Door for Doorway {
    fn attach(&self, request: Request<Streaming<link::Up>>) -> Result<Orders, Status> {
        let peer = request.extensions().get::<Peer>().copied();
        let host = match peer {
            Some(Peer::Shown(host)) => Some(host),
            Some(Peer::Unknown) => None,
            None => return Err(Status::unauthenticated("nobody knows who this is")),
        };
        let stream = StreamId(self.next.fetch_add(1, Ordering::Relaxed));
        let (send, unread) = mpsc::channel(UNREAD);
        let (hold, cut) = oneshot::channel();
        let line = Line { send, _hold: hold };
        let knocks = self.knocks.clone();
        let said = request.into_inner();
        tokio::spawn(async move {
            if knocks.send(Knock::Opened(stream, line)).await.is_err() {
                return;
            }
            tokio::select! {
                () = listen(&knocks, stream, host, said) => {}
                _ = cut => {}
            }
            let _ = knocks.send(Knock::Closed(stream)).await;
        });
        Ok(Box::pin(ReceiverStream::new(unread)))
    }
}

/// Hands on what a host says, one message after the other, until it has gone or says what
/// cannot be read.
async fn listen(
    knocks: &mpsc::Sender<Knock>,
    stream: StreamId,
    mut host: Option<tidegate_core::HostId>,
    mut said: Streaming<link::Up>,
) {
    let mut pace = Pace::new();
    loop {
        let message = match said.message().await {
            Ok(Some(message)) => message,
            Ok(None) => return,
            Err(status) => {
                // Ends of connections come this way too, and are no offence.
                let refusal = match status.code() {
                    Code::OutOfRange => Refusal::Wire(WireError::TooLong(0)),
                    Code::Internal => Refusal::Wire(WireError::Unknown("content")),
                    _ => return,
                };
                let _ = knocks.send(Knock::Misread(stream, refusal)).await;
                return;
            }
        };
        pace.keep(message.encoded_len()).await;
        let knock = match Up::read(message, host) {
            Ok(up) => {
                // On a connection that is not encrypted a host is who it first says.
                if let Up::Hello(hello) = &up {
                    host = Some(hello.host);
                }
                Knock::Said(stream, up)
            }
            Err(error) => {
                let refusal = Refusal::Wire(error);
                let _ = knocks.send(Knock::Misread(stream, refusal)).await;
                return;
            }
        };
        if knocks.send(knock).await.is_err() {
            return;
        }
    }
}

/// Lets a host send only so much a second: what is over waits unread.
struct Pace {
    left: f64,
    since: Instant,
}

impl Pace {
    fn new() -> Pace {
        Pace {
            left: PACE,
            since: Instant::now(),
        }
    }

    async fn keep(&mut self, bytes: usize) {
        let now = Instant::now();
        let earned = now.duration_since(self.since).as_secs_f64() * PACE;
        self.since = now;
        self.left = (self.left + earned).min(PACE) - (1 + bytes / COUNTS) as f64;
        if self.left < 0.0 {
            sleep(Duration::from_secs_f64(-self.left / PACE)).await;
        }
    }
}
