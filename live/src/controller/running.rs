//! A controller on a thread of its own, for tests and benches.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread::JoinHandle;

use tidegate_core::Time;
use tokio::sync::oneshot;
use tokio_rustls::rustls::ServerConfig;

use super::hub::Hub;
use super::serve::{self, Listen, ServeError};

/// A controller that runs until this is dropped.
pub struct Running {
    /// Where hosts find it.
    pub address: SocketAddr,
    metrics: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<Result<(), ServeError>>>,
}

impl Running {
    /// Starts one on loopback, at `address` or anywhere.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn start(
        address: Option<SocketAddr>,
        tls: Option<Arc<ServerConfig>>,
        make: impl FnOnce(Time) -> Hub + Send + 'static,
    ) -> io::Result<Running> {
        let anywhere = SocketAddr::from(([127, 0, 0, 1], 0));
        let hosts = TcpListener::bind(address.unwrap_or(anywhere))?;
        let metrics = TcpListener::bind(anywhere)?;
        let (address, seen_at) = (hosts.local_addr()?, metrics.local_addr()?);
        let (stop, stopped) = oneshot::channel();
        let listen = Listen {
            hosts,
            tls,
            metrics: Some(metrics),
        };
        let thread = std::thread::Builder::new()
            .name("controller".to_owned())
            .spawn(move || {
                serve::run(listen, make, None, async {
                    let _ = stopped.await;
                })
            })?;
        Ok(Running {
            address,
            metrics: seen_at,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// What `/metrics` says.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn metrics(&self) -> io::Result<String> {
        let mut stream = TcpStream::connect(self.metrics)?;
        stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        Ok(text)
    }

    /// One number of `/metrics`: the line that begins with `name` and a space.
    pub fn metric(&self, name: &str) -> Option<f64> {
        let text = self.metrics().ok()?;
        let mut lines = text.lines();
        let line = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line?.trim().parse().ok()
    }

    /// Whether it still runs.
    pub fn is_there(&self) -> bool {
        self.thread
            .as_ref()
            .is_some_and(|thread| !thread.is_finished())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic on it is a test's failure.
            match thread.join() {
                Ok(_) => {}
                Err(panic) if std::thread::panicking() => drop(panic),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
    }
}
