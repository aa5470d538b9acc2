//! The one call that the controller answers, as gRPC has it: a host attaches, and both
//! sides send messages until one of them ends it. Written by hand: there is one method,
//! and the messages are [`wire`](crate::wire)'s.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio_stream::Stream;
use tonic::body::Body;
use tonic::codegen::http;
use tonic::server::{Grpc, NamedService, StreamingService};
use tonic::{Request, Response, Status, Streaming};
use tonic_prost::ProstCodec;
use tower_service::Service;

use crate::wire::link::{Down, Up};

/// The path of the call.
pub const ATTACH: &str = "/tidegate.v1.Control/Attach";

/// Messages to a host.
pub type Orders = Pin<Box<dyn Stream<Item = Result<Down, Status>> + Send>>;

/// Who answers the call.
pub trait Door: Clone + Send + Sync + 'static {
    /// A host attaches. What comes out is what it is told.
    fn attach(&self, request: Request<Streaming<Up>>) -> Result<Orders, Status>;
}

/// The call as a service of a server.
#[derive(Clone, Debug)]
pub struct Control<D> {
    door: D,
    longest: usize,
}

impl<D> Control<D> {
    /// Behind `door`, with messages of up to `longest` bytes.
    pub fn new(door: D, longest: usize) -> Control<D> {
        Control { door, longest }
    }
}

impl<D> NamedService for Control<D> {
    const NAME: &'static str = "tidegate.v1.Control";
}

/// The method of the service.
struct Attach<D>(D);

impl<D: Door> StreamingService<Up> for Attach<D> {
    type Response = Down;
    type ResponseStream = Orders;
    type Future = std::future::Ready<Result<Response<Orders>, Status>>;

    fn call(&mut self, request: Request<Streaming<Up>>) -> Self::Future {
        std::future::ready(self.0.attach(request).map(Response::new))
    }
}

impl<D: Door> Service<http::Request<Body>> for Control<D> {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        if request.uri().path() != ATTACH {
            return Box::pin(async {
                let status = Status::unimplemented("there is no such call");
                Ok(status.into_http())
            });
        }
        let door = self.door.clone();
        let codec: ProstCodec<Down, Up> = ProstCodec::default();
        let mut grpc = Grpc::new(codec).apply_max_message_size_config(Some(self.longest), None);
        Box::pin(async move { Ok(grpc.streaming(Attach(door), request).await) })
    }
}
