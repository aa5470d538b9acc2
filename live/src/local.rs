//! A scenario's application on this host: one process per service in a control group
//! of its own, a load generator, and what both saw.
//!
//! - [`spin`]: CPU time that is used up, to the microsecond.
//! - [`service`]: the program of one service, a real HTTP server that burns the CPU,
//!   holds the memory and makes the calls that the application says.
//! - [`load`]: an open loop over pipelined connections, as wrk2 has it.

pub mod spin;

pub mod service;

pub mod load;
