//! The controller behind real sockets, with hosts that pretend: the whole way from a
//! host's report to the limit that answers it, encrypted as it is in earnest, and what
//! becomes of those who must not be let in.

mod hostile;
mod keys;
mod whole;

use std::cell::RefCell;
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use tidegate_core::escra::{self, Escra};
use tidegate_core::{Allocator, Bytes, Cores, Delivery, HostId, Span, Time};
use tidegate_live::controller::hub::{Hub, Settings};
use tidegate_live::controller::roster::Roster;
use tidegate_live::controller::running::Running;
use tidegate_live::link::client::{Link, News, Target};
use tidegate_live::link::tls::{self, Files};
use tidegate_live::testing::PretendedHost;
use tidegate_live::wire::greeting::Up;

/// Nothing here takes so long, but where the machine has much else to do.
const PATIENCE: Duration = Duration::from_secs(30);
const PERIOD: Span = Span::from_millis(100);

fn names(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("service-{n}")).collect()
}

fn policy(count: usize) -> Box<dyn Allocator> {
    let omega = (Cores::new(8), Bytes::from_mib(800));
    let config = escra::Config::default();
    let escra = Escra::new(config, omega.0, omega.1, count);
    Box::new(Delivery::new(Box::new(escra)))
}

fn hub(count: usize, hosts: u32, run: u64) -> impl FnOnce(Time) -> Hub + Send {
    move |now| {
        let roster = Roster::new(names(count), hosts, policy(count)).unwrap();
        Hub::new(policy(count), roster, Settings::default(), run, now)
    }
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < PATIENCE, "{what}: still not");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A pretended host at the end of a real link. It lives when it is looked at.
struct Far {
    host: RefCell<PretendedHost>,
    link: Link,
    news: Receiver<News>,
    /// What the link said last of its end.
    ended: RefCell<Option<String>>,
    began: Instant,
}

impl Far {
    fn new(target: Target, host: PretendedHost) -> Far {
        let (say, news) = channel();
        let listen = move |said| drop(say.send(said));
        Far {
            link: Link::start(target, host.session.clone(), listen).unwrap(),
            host: RefCell::new(host),
            news,
            ended: RefCell::default(),
            began: Instant::now(),
        }
    }

    fn now(&self) -> Time {
        Time(self.began.elapsed().as_nanos() as u64)
    }

    /// Does what has been said to it.
    fn listen(&self) {
        let mut host = self.host.borrow_mut();
        while let Ok(news) = self.news.try_recv() {
            match news {
                News::Connected => {
                    if let Up::Hello(hello) = host.connect() {
                        self.link.hello(hello.containers);
                    }
                }
                News::Welcome(welcome, true) => host.begin(self.now(), welcome),
                News::Welcome(_, false) => {}
                News::Orders(wanted) => host.carry_out(self.now(), wanted),
                News::Disconnected(why) => *self.ended.borrow_mut() = Some(why),
            }
            let seen = std::mem::take(&mut host.seen);
            if !seen.is_empty() {
                self.link.seen(seen);
            }
        }
    }

    /// A period goes by.
    fn period(&self) {
        self.listen();
        let mut host = self.host.borrow_mut();
        host.end_period(self.now(), PERIOD);
        let seen = std::mem::take(&mut host.seen);
        self.link.seen(seen);
    }

    fn limits(&self) -> Vec<tidegate_core::Limits> {
        self.listen();
        self.host.borrow().limits()
    }

    /// Why the link ended, or could not begin.
    fn ended(&self) -> Option<String> {
        self.listen();
        self.ended.borrow().clone()
    }
}

fn plain(running: &Running) -> Target {
    Target {
        address: running.address.to_string(),
        tls: None,
    }
}

fn encrypted(running: &Running, keys: &Path, stem: &str) -> Target {
    Target {
        address: running.address.to_string(),
        tls: Some(tls::host(&Files::of(keys, stem)).unwrap()),
    }
}

fn host(number: u32, agent: u64, count: usize) -> PretendedHost {
    PretendedHost::new(number, agent, &names(count))
}

const HOST: HostId = HostId(0);
