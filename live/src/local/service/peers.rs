//! Calls to other services: HTTP/1.1 over connections that are kept.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::Request;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// While a container is down its callers wait for it; they look this often.
const RETRY: Duration = Duration::from_millis(50);

type Sender = SendRequest<Empty<Bytes>>;

/// The other services of the application.
#[derive(Debug)]
pub(super) struct Peers {
    ports: Vec<u16>,
    /// Of each service, connections nobody uses now.
    idle: Vec<Mutex<Vec<Sender>>>,
}

impl Peers {
    pub(super) fn new(ports: Vec<u16>) -> Peers {
        Peers {
            idle: ports.iter().map(|_| Mutex::default()).collect(),
            ports,
        }
    }

    /// Makes call `node` of request `number`, which goes to `service`. False if it was
    /// answered with an error, or the service went away while it served it.
    pub(super) async fn call(&self, service: usize, number: u64, node: u32) -> bool {
        loop {
            let mut sender = match self.take(service) {
                Some(sender) => sender,
                None => match self.connect(service).await {
                    Ok(sender) => sender,
                    Err(_) => {
                        tokio::time::sleep(RETRY).await;
                        continue;
                    }
                },
            };
            let mut request = Request::new(Empty::new());
            let Ok(uri) = format!("/call/{number}/{node}").parse() else {
                return false;
            };
            *request.uri_mut() = uri;
            request.headers_mut().insert(
                hyper::header::HOST,
                hyper::header::HeaderValue::from_static("tidegate"),
            );
            let response = match sender.send_request(request).await {
                Ok(response) => response,
                // Never sent: the connection had been closed.
                Err(error) if error.is_canceled() => continue,
                Err(_) => return false,
            };
            let fine = response.status().is_success();
            if response.into_body().collect().await.is_err() {
                return false;
            }
            if sender.ready().await.is_ok() {
                self.lock(service).push(sender);
            }
            return fine;
        }
    }

    async fn connect(&self, service: usize) -> std::io::Result<Sender> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.ports[service]));
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(std::io::Error::other)?;
        // It ends with the sender; how shows in the calls made over it.
        tokio::spawn(async move { drop(connection.await) });
        Ok(sender)
    }

    fn take(&self, service: usize) -> Option<Sender> {
        let mut idle = self.lock(service);
        while let Some(sender) = idle.pop() {
            if !sender.is_closed() {
                return Some(sender);
            }
        }
        None
    }

    fn lock(&self, service: usize) -> std::sync::MutexGuard<'_, Vec<Sender>> {
        self.idle[service]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
