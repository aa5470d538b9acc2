//! Answers those who want to see the metrics, over plain HTTP.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::CONTENT_TYPE;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::{sleep, timeout};

use super::door::Knock;

/// Connections at once, and how long one may last.
const MOST: usize = 16;
const LONGEST: Duration = Duration::from_secs(10);
/// Before the next attempt where the system has no descriptors left.
const PAUSE: Duration = Duration::from_millis(100);
/// What the text is.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Listens until it is dropped.
///
/// # Errors
/// When the system refuses.
pub(super) fn serve(
    listener: TcpListener,
    knocks: mpsc::Sender<Knock>,
) -> io::Result<impl Future<Output = ()>> {
    listener.set_nonblocking(true)?;
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let places = Arc::new(Semaphore::new(MOST));
    Ok(async move {
        loop {
            let Ok((stream, _)) = listener.accept().await else {
                sleep(PAUSE).await;
                continue;
            };
            let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
                continue;
            };
            let knocks = knocks.clone();
            tokio::spawn(async move {
                let service = service_fn(|request| answer(request, knocks.clone()));
                let conn = hyper::server::conn::http1::Builder::new()
                    .keep_alive(false)
                    .serve_connection(TokioIo::new(stream), service);
                // Who went away, or took too long, gets nothing.
                let _ = timeout(LONGEST, conn).await;
                drop(place);
            });
        }
    })
}

async fn answer(
    request: Request<Incoming>,
    knocks: mpsc::Sender<Knock>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let plain = |status: StatusCode, text: &'static str| {
        let mut response = Response::new(Full::new(Bytes::from_static(text.as_bytes())));
        *response.status_mut() = status;
        response
    };
    if request.method() != Method::GET {
        return Ok(plain(StatusCode::METHOD_NOT_ALLOWED, "only GET\n"));
    }
    if request.uri().path() != "/metrics" {
        return Ok(plain(StatusCode::NOT_FOUND, "see /metrics\n"));
    }
    let (ask, told) = oneshot::channel();
    if knocks.send(Knock::Scrape(ask)).await.is_err() {
        return Ok(plain(StatusCode::SERVICE_UNAVAILABLE, "ending\n"));
    }
    let Ok(text) = told.await else {
        return Ok(plain(StatusCode::SERVICE_UNAVAILABLE, "ending\n"));
    };
    let mut response = Response::new(Full::new(Bytes::from(text)));
    let kind = hyper::header::HeaderValue::from_static(OPEN_METRICS);
    response.headers_mut().insert(CONTENT_TYPE, kind);
    Ok(response)
}
