//! The agent: what runs on each host and looks after its containers.
//!
//! One thread, no network. It reads the kernel's accounting each period, is woken when a
//! container hits its memory limit, carries out commands within microseconds, and runs
//! the policy's half for this host if it has one. To the core it is what the
//! simulator's hosts are: the same observations, the same answers.
//!
//! Use: [`Host::start`] with a function that takes [`Notice`]s (it is called on the
//! agent's thread, must not block, and usually puts them into a channel), then
//! [`Handle::send`] with [`Request`]s, from any thread:
//!
//! 1. `Request::Add` hands over a container's [`Group`](crate::cgroup::Group). Until it is
//!    admitted it has its safe limits.
//! 2. `Request::Session` begins with a controller that knows nothing of this host. For
//!    each container, those there and those added later, the agent asks
//!    `Notice::Admit`; the answer is `Request::Admitted`. When the limits are in force
//!    the agent tells `Observation::Started`.
//! 3. `Notice::Seen` carries observations: one batch at each period's end, what is
//!    urgent at once. `Request::Commands` carries commands back.
//! 4. Every request from the controller counts as a sign of life, `Request::Heard` is
//!    nothing else. Without one for longer than the lease the containers get their safe
//!    limits and the kernel its killer back (`Notice::Alone`), until the next sign.
//! 5. `Request::Remove` gives a container up (`Observation::Stopped`).
//!
//! When the agent ends, also by a panic of its thread, containers keep running under
//! their safe limits and nothing is left waiting for memory.
//!
//! - [`link`]: these messages.
//! - `host`: the thread and its loop.
//! - `member`: one container.
//! - `orders`: commands carried out.
//! - `step`: the kernel's periods brought in step with the agent's.
//! - `cpu`: periods and samples.
//! - `throttle`: throttles, told before they happen.
//! - `memory`: containers that wait for memory.
//! - `lease`: what happens without a controller.
//! - `agenda`: which container is to be looked at when.
//! - `urgency`: who comes first when the host is busy.

pub mod link;

mod agenda;
mod clock;
mod cpu;
mod host;
mod lease;
mod member;
mod memory;
mod orders;
mod step;
mod throttle;
mod urgency;

pub use clock::Clock;
pub use host::{Config, Handle, Host};
pub use link::{Notice, Registration, Request, Session, Wants};
pub use urgency::Urgency;
