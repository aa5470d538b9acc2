//! A controller in the same process: the core, fed by channels.

use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use tidegate_core::{Allocator, Delivery, Half, HostId, Observation, Span};
use tidegate_live::agent::link::MakeHalf;
use tidegate_live::agent::{Config, Handle, Host, Notice, Request, Session, Urgency, Wants};

const HOST: HostId = HostId(0);
/// How often a controller shows that it is there.
const SIGN: Duration = Duration::from_millis(50);

/// A running controller and its agent.
pub(crate) struct Controller {
    pub(crate) agent: Handle,
    thread: JoinHandle<()>,
}

impl Controller {
    /// Starts an agent, and a controller with the policy that `make` makes. Each notice
    /// goes to `watch` first.
    pub(crate) fn start(
        make: impl Fn() -> Box<dyn Allocator> + Clone + Send + 'static,
        lease: Span,
        mut watch: impl FnMut(&Notice) + Send + 'static,
    ) -> Controller {
        let (sender, notices) = channel();
        let config = Config::new(HOST);
        let clock = config.clock;
        let agent = Host::start(config, move |notice| {
            watch(&notice);
            let _ = sender.send(notice);
        });
        let agent = agent.unwrap();
        // The agent's thread must not hold the last handle of itself.
        let handle = agent.clone();
        let work = move || {
            Urgency::First.apply();
            let mut policy = Delivery::new(make());
            let half = policy.host_half(HOST);
            let half: MakeHalf = Box::new(move || half.map(Half::start));
            handle.send(Request::Session(Session {
                wants: Wants::of(&policy),
                half: Some(half),
                lease,
            }));
            run(&mut policy, &notices, &handle, || clock.now());
        };
        let thread = std::thread::Builder::new().name("controller".into());
        let thread = thread.spawn(work).unwrap();
        Controller { agent, thread }
    }

    /// Ends both, and waits for the agent to put everything back.
    pub(crate) fn stop(self) {
        self.agent.stop();
        self.thread.join().unwrap();
    }
}

fn run(
    policy: &mut dyn Allocator,
    notices: &Receiver<Notice>,
    agent: &Handle,
    now: impl Fn() -> tidegate_core::Time,
) {
    let mut out = Vec::new();
    loop {
        let due = policy.next_wake().map(|time| time.since(now()));
        let wait = due.map_or(SIGN, |due| Duration::from_nanos(due.0).min(SIGN));
        match notices.recv_timeout(wait) {
            Ok(Notice::Admit(container)) => {
                let limits = policy.admit(now(), container);
                agent.send(Request::Admitted(container.id, limits));
            }
            Ok(Notice::Seen(seen)) => {
                for observation in seen {
                    policy.observe(now(), &observation, &mut out);
                }
            }
            Ok(Notice::Trouble(id, error)) => panic!("container {}: {error}", id.0),
            Ok(_) => {}
            Err(RecvTimeoutError::Timeout) => {
                if out.is_empty() {
                    agent.send(Request::Heard);
                }
            }
            Err(RecvTimeoutError::Disconnected) => return,
        }
        if policy.next_wake().is_some_and(|time| time <= now()) {
            policy.wake(now(), &mut out);
        }
        if !out.is_empty() {
            agent.send(Request::Commands(std::mem::take(&mut out)));
        }
    }
}

/// Whether an observation is of a container that was killed.
pub(crate) fn is_kill(notice: &Notice) -> bool {
    matches!(notice, Notice::Seen(seen)
        if seen.iter().any(|seen| matches!(seen, Observation::Killed(_))))
}
