//! What starts and stops pods as requests come, and says which pod serves which.
//!
//! A platform is a state machine without a clock: it is told of what happens and
//! answers with what the world has to do. It knows nothing of CPU, memory use or
//! policies.

pub mod openwhisk;
