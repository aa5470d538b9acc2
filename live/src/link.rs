//! Between a host and the controller: who is who, and how messages get across.
//!
//! - [`session`]: the host's side of the protocol. No sockets, no clock.
//! - [`name`]: the names that certificates bear.
//! - [`pki`]: makes keys and certificates.
//! - [`tls`]: what each side shows, and what it believes.
//! - [`conn`]: a connection, encrypted or not, and who is at its other end.
//! - [`service`]: the one call that the controller answers, as gRPC.
//! - [`client`]: the host's end: connects, and connects again.
//! - [`attached`]: the agent at that end.

pub mod session;

pub mod name;

pub mod pki;

pub mod tls;

pub mod conn;

pub mod service;

pub mod client;

pub mod attached;
