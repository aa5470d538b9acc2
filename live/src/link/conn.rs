//! A connection, encrypted or not, and who is at its other end.

use std::io;
use std::pin::Pin;
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

/// A connection.
#[derive(Debug)]
pub struct Conn {
    bytes: Bytes,
    peer: Peer,
    /// Its place among those there may be, free again when it ends.
    _place: Option<OwnedSemaphorePermit>,
}

impl Conn {
    /// One that holds a `place` while it lasts.
    pub fn new(bytes: Bytes, peer: Peer, place: Option<OwnedSemaphorePermit>) -> Conn {
        Conn {
            bytes,
            peer,
            _place: place,
        }
    }
}

impl Connected for Conn {
    type ConnectInfo = Peer;

    fn connect_info(&self) -> Peer {
        self.peer
    }
}

/// Does the same with whichever stream it is.
macro_rules! each {
    ($conn:expr, $stream:ident => $does:expr) => {
        match &mut $conn.get_mut().bytes {
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
        }
    };
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
