//! Who asks: the asynchronous client of Python's httpx, one thread.

use serde::{Deserialize, Serialize};
use tidegate_core::Span;

use super::testbed::{Duration, count, span};

/// How a client reaches what it asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Via {
    /// It calls the resource itself.
    Direct,
    /// It asks the resource manager.
    Manager,
    /// It asks the API of Kubernetes.
    K8sApi,
}

/// Read from `scenarios/clients/*.toml` of kind "httpx".
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Client {
    /// How it reaches its goal.
    pub via: Via,
    /// Connections at most.
    pub connections: u32,
    /// CPU to make a client: it reads the certificates it trusts. Requests to
    /// deploy and terminate have a client each, and so has what asks afterwards
    /// whether it is done; calls of one batch share one.
    pub make: Span,
    /// CPU to begin a request.
    pub begin: Span,
    /// CPU to secure a connection.
    pub secure: Span,
    /// CPU to send a request on its connection.
    pub send: Span,
    /// CPU to read an answer.
    pub receive: Duration,
    /// CPU that each pair of a waiting request and a connection costs whenever a
    /// request comes or ends: the pool goes through all of them.
    pub pair: Span,
}

impl Client {
    /// Says what is wrong with the numbers, if anything.
    ///
    /// # Errors
    /// With the key in backticks.
    pub fn check(&self) -> Result<(), String> {
        count("connections", self.connections)?;
        self.receive.check("receive")?;
        let spans = [
            ("make", self.make),
            ("begin", self.begin),
            ("secure", self.secure),
            ("send", self.send),
            ("pair", self.pair),
        ];
        spans
            .into_iter()
            .try_for_each(|(key, value)| span(key, value))
    }
}
