//! A connection, encrypted or not, and who is at its other end.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use tidegate_core::HostId;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio_rustls::{client, server};
use tonic::transport::server::Connected;

/// Who is at the other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// A host that has shown its certificate.
    Shown(HostId),
    /// Anybody on this machine: the connection is not encrypted.
    Unknown,
}

/// A stream of bytes.
#[derive(Debug)]
pub enum Bytes {
    /// Not encrypted.
    Plain(TcpStream),
    /// Encrypted, as the controller has it.
    Server(Box<server::TlsStream<TcpStream>>),
    /// Encrypted, as a host has it.
    Client(Box<client::TlsStream<TcpStream>>),
}

/// What went wrong first with the bytes of a connection. The layers above may say no more
/// of it than that they were canceled.
#[derive(Clone, Debug, Default)]
pub struct Fault(Arc<OnceLock<String>>);

impl Fault {
    /// What it was, if anything.
    pub fn get(&self) -> Option<&str> {
        self.0.get().map(String::as_str)
    }

    fn note<T>(&self, polled: &Poll<io::Result<T>>) {
        if let Poll::Ready(Err(error)) = polled {
            self.0.get_or_init(|| error.to_string());
        }
    }
}

/// A connection.
#[derive(Debug)]
pub struct Conn {
    bytes: Bytes,
    peer: Peer,
    fault: Fault,
    /// Its place among those there may be, free again when it ends.
    _place: Option<OwnedSemaphorePermit>,
}

impl Conn {
    /// One that holds a `place` while it lasts.
    pub fn new(bytes: Bytes, peer: Peer, place: Option<OwnedSemaphorePermit>) -> Conn {
        Conn {
            bytes,
            peer,
            fault: Fault::default(),
            _place: place,
        }
    }

    /// Where it is told what goes wrong with it.
    pub fn fault(&self) -> Fault {
        self.fault.clone()
    }
}

impl Connected for Conn {
    type ConnectInfo = Peer;

    fn connect_info(&self) -> Peer {
        self.peer
    }
}

/// Does the same with whichever stream it is, and notes what goes wrong.
macro_rules! each {
    ($conn:expr, $stream:ident => $does:expr) => {{
        let conn = $conn.get_mut();
        let polled = match &mut conn.bytes {
            Bytes::Plain(stream) => {
                let $stream = Pin::new(stream);
                $does
            }
            Bytes::Server(stream) => {
                let $stream = Pin::new(stream.as_mut());
                $does
            }
            Bytes::Client(stream) => {
                let $stream = Pin::new(stream.as_mut());
                $does
            }
        };
        conn.fault.note(&polled);
        polled
    }};
}

impl AsyncRead for Conn {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        each!(self, stream => stream.poll_read(context, buffer))
    }
}

impl AsyncWrite for Conn {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        each!(self, stream => stream.poll_write(context, buffer))
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self, stream => stream.poll_flush(context))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self, stream => stream.poll_shutdown(context))
    }
}
