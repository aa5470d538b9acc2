//! The live world: drivers that carry the core's commands to real hosts and
//! real providers, and their observations back.
//!
//! Nothing is built here yet. What this crate will hold are the cgroup agent,
//! the controller that runs the core, the provider drivers, the store and the
//! API; until then every experiment runs in the simulator.
