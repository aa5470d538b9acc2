//! The live world: drivers that carry the core's commands to real hosts and
//! real providers, and their observations back.
//!
//! - [`cgroup`]: the kernel's control groups.
//! - [`bpf`]: throttles told by the kernel.
//! - [`agent`]: what runs on each host and looks after its containers.
//! - [`local`]: a scenario's application on this host, and its load.
//! - [`wire`]: the form of the messages between hosts and the controller.
//! - [`link`]: who is who, and how messages get across.
//! - [`controller`]: the core behind a network.
//! - [`record`]: what its policy was told and answered, written down.
//! - [`replay`]: that played again.
//!
//! The provider drivers, the store and the API are to come.

pub mod cgroup;

pub mod bpf;

pub mod agent;

pub mod local;

pub mod wire;

pub mod link;

pub mod controller;

pub mod record;

pub mod replay;

#[doc(hidden)]
pub mod testing;
