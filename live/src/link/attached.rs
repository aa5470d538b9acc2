//! An agent and its controller, over the network: carries what the one tells to the other.
//!
//! Nothing is done to a container before a controller has first taken its host in. What
//! was told while there was no connection is forgotten, but for what the next hello says:
//! who stands here, and how often each was killed.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use tidegate_core::{Command, ContainerId, Limits, Observation};

use super::client::{Link, News, Target};
use super::session::Session;
use crate::agent::{self, Config, Handle, Host, Notice, Registration, Request};
use crate::cgroup::{CgroupError, Group};
use crate::wire::greeting::{Standing, Welcome};

/// A container of this host.
pub struct Owned {
    /// The service it runs, as the controller's scenario calls it.
    pub name: String,
    /// Opens its control group.
    pub open: Box<dyn Fn() -> Result<Group, CgroupError> + Send>,
    /// The limits to fall back to; what the controller keeps for it in any case if not
    /// given.
    pub safe: Option<Limits>,
}

/// Told of what happens, for people.
pub type Say = Box<dyn Fn(&str) + Send + Sync>;

/// An agent that is, or will be, attached to a controller. When it is dropped the agent
/// ends: containers run on under their safe limits.
pub struct Attached {
    // Ends first: what it still hears is for nobody.
    _link: Arc<Link>,
    agent: Handle,
}

/// A container as both sides know it.
struct Known {
    owned: Owned,
    /// Its number, once the controller has said it.
    id: Option<ContainerId>,
    /// The limits in force, as far as is known here.
    limits: Option<Limits>,
    kills: u64,
    gone: bool,
}

struct Both {
    agent: OnceLock<Handle>,
    link: OnceLock<Weak<Link>>,
    say: Say,
    known: Mutex<Vec<Known>>,
}

impl Attached {
    /// Starts an agent for `containers` and attaches it, as `process` (another number
    /// for each start), to the controller at `target`.
    ///
    /// # Errors
    /// When a group cannot be opened, or there are no threads to be had.
    pub fn start(
        config: Config,
        process: u64,
        containers: Vec<Owned>,
        target: Target,
        say: Say,
    ) -> io::Result<Attached> {
        let mut known = Vec::with_capacity(containers.len());
        let mut found_groups = Vec::new();
        for owned in containers {
            // Limits of an agent before this one, or of whoever made the container.
            let group = (owned.open)().map_err(io::Error::other)?;
            let found = group.cpu_limit().zip(group.memory_limit());
            found_groups.push(group);
            known.push(Known {
                owned,
                id: None,
                limits: found.map(|(cpu, memory)| Limits { cpu, memory }),
                kills: 0,
                gone: false,
            });
        }
        let both = Arc::new(Both {
            agent: OnceLock::new(),
            link: OnceLock::new(),
            say,
            known: Mutex::new(known),
        });
        let session = Session::new(config.host, process);
        let notices = Arc::clone(&both);
        let agent = Host::start(config, move |notice| notices.notice(notice))?;
        let _ = both.agent.set(agent.clone());
        for group in found_groups {
            agent.send(Request::Found(Box::new(group)));
        }
        let news = Arc::clone(&both);
        let link = Arc::new(Link::start(target, session, move |said| news.news(said))?);
        // The link is this one's; a handle in itself would keep it for ever.
        let _ = both.link.set(Arc::downgrade(&link));
        // It may have connected before.
        both.greet();
        Ok(Attached { _link: link, agent })
    }

    /// Ends the agent and waits until it has put everything back.
    pub fn stop(self) {
        self.agent.stop();
    }
}

impl Both {
    fn known(&self) -> MutexGuard<'_, Vec<Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn link(&self) -> Option<Arc<Link>> {
        self.link.get().and_then(Weak::upgrade)
    }

    fn ask(&self, request: Request) {
        if let Some(agent) = self.agent.get() {
            agent.send(request);
        }
    }

    /// Says who stands here.
    fn greet(&self) {
        let known = self.known();
        let standing = known.iter().filter(|known| !known.gone);
        let standing = standing.map(|known| Standing {
            name: known.owned.name.clone(),
            cpu: known.limits.map(|limits| limits.cpu),
            memory: known.limits.map(|limits| limits.memory),
            kills: known.kills,
        });
        let standing = standing.collect();
        drop(known);
        if let Some(link) = self.link() {
            link.hello(standing);
        }
    }

    /// The link says something, on its thread.
    fn news(&self, news: News) {
        match news {
            News::Connected => self.greet(),
            News::Welcome(welcome, true) => {
                (self.say)("taken in by the controller");
                self.begin(welcome);
            }
            News::Welcome(_, false) => {
                (self.say)("back with the controller");
                self.ask(Request::Heard);
            }
            News::Orders(orders) if orders.is_empty() => self.ask(Request::Heard),
            News::Orders(orders) => {
                let mut known = self.known();
                for order in &orders {
                    if let Command::SetCpu {
                        container, limit, ..
                    } = *order
                        && let Some(limits) = find(&mut known, container)
                    {
                        limits.cpu = limit;
                    }
                }
                drop(known);
                self.ask(Request::Commands(orders));
            }
            News::Disconnected(why) => (self.say)(&format!("no controller: {why}")),
        }
    }

    /// A session begins: the agent forgets what it counted, and asks for each container
    /// to be admitted, which the controller has done.
    fn begin(&self, welcome: Welcome) {
        let mut known = self.known();
        let here = known.iter_mut().filter(|known| !known.gone);
        for (known, admitted) in here.zip(&welcome.containers) {
            let found = known.limits.replace(admitted.limits);
            if known.id == Some(admitted.id) {
                continue;
            }
            if let Some(old) = known.id.replace(admitted.id) {
                self.ask(Request::Remove(old));
            }
            match (known.owned.open)() {
                Ok(group) => self.ask(Request::Add(Box::new(Registration {
                    id: admitted.id,
                    group,
                    requested: found,
                    safe: Some(known.owned.safe.unwrap_or(admitted.safe)),
                    owned: false,
                }))),
                Err(error) => {
                    known.gone = true;
                    (self.say)(&format!("`{}` is given up: {error}", known.owned.name));
                }
            }
        }
        drop(known);
        let half = welcome.half;
        self.ask(Request::Session(agent::Session {
            wants: welcome.wants,
            half: half
                .map(|half| -> agent::link::MakeHalf { Box::new(move || Some(half.start())) }),
            lease: welcome.lease,
        }));
    }

    /// The agent tells something, on its thread.
    fn notice(&self, notice: Notice) {
        match notice {
            Notice::Admit(container) => {
                let limits = find(&mut self.known(), container.id).copied();
                if let Some(limits) = limits {
                    self.ask(Request::Admitted(container.id, limits));
                }
            }
            Notice::Seen(seen) => {
                self.note(&seen);
                if let Some(link) = self.link() {
                    link.seen(seen);
                }
            }
            Notice::Evicted(id) => {
                let name = self.name(id);
                (self.say)(&format!("`{name}` is evicted: start it again"));
            }
            Notice::Sampling(why) => (self.say)(&format!("throttles are sampled: {why}")),
            Notice::Alone => (self.say)("alone: safe limits are in force"),
            Notice::Together => (self.say)("the controller's limits are in force again"),
            Notice::Trouble(id, error) => {
                let name = self.name(id);
                (self.say)(&format!("`{name}`: {error}"));
            }
        }
    }

    /// Keeps of what was seen what a hello says.
    fn note(&self, seen: &[Observation]) {
        let mut known = self.known();
        for what in seen {
            let Some(id) = what.container() else {
                continue;
            };
            match *what {
                Observation::MemoryApplied { limit, .. } => {
                    if let Some(limits) = find(&mut known, id) {
                        limits.memory = limit;
                    }
                }
                Observation::Killed(_) | Observation::Stopped(_) => {
                    let one = known.iter_mut().find(|known| known.id == Some(id));
                    if let Some(one) = one {
                        let killed = matches!(what, Observation::Killed(_));
                        one.kills += u64::from(killed);
                        one.gone |= !killed;
                    }
                }
                _ => {}
            }
        }
    }

    fn name(&self, id: ContainerId) -> String {
        let known = self.known();
        let one = known.iter().find(|known| known.id == Some(id));
        one.map_or_else(|| id.0.to_string(), |known| known.owned.name.clone())
    }
}

/// The limits of a container.
fn find(known: &mut [Known], id: ContainerId) -> Option<&mut Limits> {
    let one = known.iter_mut().find(|known| known.id == Some(id))?;
    one.limits.as_mut()
}
