//! Lets connections in: so many at once, and only those that say in time who they are.

use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

use crate::link::conn::{Bytes, Conn, Peer};
use crate::link::tls;

/// A handshake that takes longer has failed.
const HANDSHAKE: Duration = Duration::from_secs(5);
/// Before the next attempt where the system has no descriptors left.
const PAUSE: Duration = Duration::from_millis(100);

/// How many there may be at once.
#[derive(Clone, Copy, Debug)]
pub(super) struct Most {
    /// Connections of those that have said who they are.
    conns: usize,
    /// Handshakes.
    handshakes: usize,
}

impl Most {
    /// For so many hosts: each may come again before its last connection has ended.
    pub(super) fn of(hosts: u32) -> Most {
        Most {
            conns: 4 * hosts as usize + 16,
            handshakes: 2 * hosts as usize + 64,
        }
    }
}

/// Listens; connections come out of the channel.
///
/// # Errors
/// When the system refuses.
pub(super) fn accept(
    listener: TcpListener,
    tls: Option<Arc<ServerConfig>>,
    most: Most,
    turned_away: Counter,
) -> io::Result<mpsc::Receiver<io::Result<Conn>>> {
    listener.set_nonblocking(true)?;
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let (let_in, conns) = mpsc::channel(16);
    let places = Arc::new(Semaphore::new(most.conns));
    let handshakes = Arc::new(Semaphore::new(most.handshakes));
    tokio::spawn(async move {
        loop {
            let stream = match listener.accept().await {
                Ok((stream, _)) => stream,
                Err(_) => {
                    sleep(PAUSE).await;
                    continue;
                }
            };
            if let_in.is_closed() {
                return;
            }
            // Who comes when it is full is turned away at once: nobody waits behind
            // somebody who says nothing.
            let Ok(handshake) = Arc::clone(&handshakes).try_acquire_owned() else {
                turned_away.inc();
                continue;
            };
            let (let_in, tls) = (let_in.clone(), tls.clone());
            let (places, turned_away) = (Arc::clone(&places), turned_away.clone());
            tokio::spawn(async move {
                let conn = timeout(HANDSHAKE, shake(stream, tls, places)).await;
                drop(handshake);
                match conn {
                    // The server is gone if it takes none.
                    Ok(Some(conn)) => drop(let_in.send(Ok(conn)).await),
                    _ => drop(turned_away.inc()),
                }
            });
        }
    });
    Ok(conns)
}

/// Finds out who it is; nothing if that is nobody to talk to, or there is no place.
async fn shake(
    stream: TcpStream,
    tls: Option<Arc<ServerConfig>>,
    places: Arc<Semaphore>,
) -> Option<Conn> {
    stream.set_nodelay(true).ok()?;
    let place = |places: Arc<Semaphore>| -> Option<OwnedSemaphorePermit> {
        places.try_acquire_owned().ok()
    };
    let Some(tls) = tls else {
        let place = place(places)?;
        return Some(Conn::new(Bytes::Plain(stream), Peer::Unknown, Some(place)));
    };
    let stream = TlsAcceptor::from(tls).accept(stream).await.ok()?;
    let (_, session) = stream.get_ref();
    let host = tls::host_of(session.peer_certificates()?.first()?)?;
    let place = place(places)?;
    let bytes = Bytes::Server(Box::new(stream));
    Some(Conn::new(bytes, Peer::Shown(host), Some(place)))
}
