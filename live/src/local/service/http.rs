//! The server of a service. A connection's requests are served one after the other,
//! however many the caller has sent ahead.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use bytes::Bytes;
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tidegate_core::Span;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use super::account::Ledger;
use super::pool::{Job, Pool};
use crate::local::spin::thread_cpu;

/// Books the CPU of the thread that does all input and output.
struct Meter {
    ledger: Arc<Ledger>,
    /// Booked so far. Only that thread writes it.
    booked: AtomicU64,
}

impl Meter {
    fn book(&self) {
        let now = thread_cpu().0;
        let before = self.booked.swap(now, Relaxed);
        self.ledger.overhead(Span(now.saturating_sub(before)));
    }
}

/// Serves until `end`.
pub(super) async fn serve(
    listener: TcpListener,
    pool: Arc<Pool>,
    ledger: Arc<Ledger>,
    mut end: oneshot::Receiver<()>,
) {
    let meter = Arc::new(Meter {
        ledger,
        booked: AtomicU64::new(thread_cpu().0),
    });
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = &mut end => return,
        };
        // Out of descriptors, say: those that are open go on.
        let Ok((stream, _)) = accepted else { continue };
        let _ = stream.set_nodelay(true);
        let (pool, meter) = (pool.clone(), meter.clone());
        let service = service_fn(move |request| {
            let (pool, meter) = (pool.clone(), meter.clone());
            async move { Ok::<_, Infallible>(answer(&request, &pool, &meter).await) }
        });
        let connection = http1::Builder::new()
            .keep_alive(true)
            .serve_connection(TokioIo::new(stream), service);
        // A caller that goes away takes its connection with it.
        tokio::spawn(async move { drop(connection.await) });
    }
}

async fn answer(request: &Request<Incoming>, pool: &Pool, meter: &Meter) -> Response<Empty<Bytes>> {
    let mut response = Response::new(Empty::new());
    let Some((number, node)) = parse(request.uri().path()) else {
        *response.status_mut() = StatusCode::NOT_FOUND;
        return response;
    };
    let (reply, answer) = oneshot::channel();
    meter.book();
    pool.submit(Job {
        number,
        node,
        reply,
    });
    if !answer.await.unwrap_or(false) {
        *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    }
    response
}

/// `/call/NUMBER/NODE`.
fn parse(path: &str) -> Option<(u64, u32)> {
    let (number, node) = path.strip_prefix("/call/")?.split_once('/')?;
    Some((number.parse().ok()?, node.parse().ok()?))
}
