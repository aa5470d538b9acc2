//! The controller: the core's chosen policy behind a network.
//!
//! - [`roster`]: the application's containers by name and number.
//! - `member`: one container as a session knows it; counts that go on over agents.
//! - [`hub`]: the machine: hosts come and go, are taken in, tell and are told. No
//!   sockets, no clock, no threads.
//! - [`metrics`]: what it knows, for Prometheus.
//! - [`serve`]: it behind sockets and a clock; `accept`, `door` and `scrape` are where
//!   connections, hosts' messages and Prometheus come in.

pub mod roster;

mod member;

pub mod hub;

pub mod metrics;

mod accept;

mod door;

mod scrape;

pub mod serve;

#[doc(hidden)]
pub mod running;
