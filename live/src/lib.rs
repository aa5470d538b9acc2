//! The live world: drivers that carry the core's commands to real hosts and
//! real providers, and their observations back.
//!
//! What is here is the form of the messages between hosts and the controller
//! ([`wire`]). The cgroup agent, the controller that runs the core, the provider
//! drivers, the store and the API are to come; until then every experiment runs in the
//! simulator.

pub mod wire;
