//! What the controller costs behind its real network: hosts that pretend, 100 containers on
//! each, over TLS on loopback, ten reports a second of each container.
//!
//! `cargo bench -p tidegate-live --bench controller [-- SECONDS]` prints a table: CPU time
//! of the controller's thread, network and encryption included, and of the hosts' ends of
//! the links. The agent's own cost is in the bench `agent`.

use std::fs;
use std::sync::mpsc::{Receiver, channel};
use std::thread::sleep;
use std::time::{Duration, Instant};

use tidegate_core::escra::{self, Escra};
use tidegate_core::{Allocator, Bytes, Cores, Delivery, HostId, Span, Time};
use tidegate_live::controller::hub::{Hub, Settings};
use tidegate_live::controller::roster::Roster;
use tidegate_live::controller::running::Running;
use tidegate_live::link::client::{Link, News, Target};
use tidegate_live::link::pki::{self, Party};
use tidegate_live::link::tls::{self, Files};
use tidegate_live::testing::PretendedHost;
use tidegate_live::wire::greeting::Up;

const PERIOD: Span = Span::from_millis(100);
/// Containers on a host.
const ON_HOST: usize = 100;

fn main() {
    let seconds = std::env::args().skip(1).find_map(|word| word.parse().ok());
    let seconds = Duration::from_secs(seconds.unwrap_or(10));
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    println!("load {}", load.trim());
    println!("containers hosts reports/s  controller  per 100  links  containers per core");
    for containers in [10, 100, 1_000] {
        measure(containers, seconds);
    }
}

fn policy(count: usize) -> Box<dyn Allocator> {
    let omega = (
        Cores::new(count as u64),
        Bytes::from_mib(100 * count as u64),
    );
    let config = escra::Config::default();
    Box::new(Delivery::new(Box::new(Escra::new(
        config, omega.0, omega.1, count,
    ))))
}

fn measure(containers: usize, length: Duration) {
    let names: Vec<String> = (0..containers).map(|n| format!("service-{n}")).collect();
    let hosts = containers.div_ceil(ON_HOST);
    let folder = tempfile::tempdir().expect("a folder");
    let keys = folder.path();
    pki::authority(keys, 1).expect("an authority");
    pki::issue(keys, Party::Controller, 1).expect("keys");
    let tls = tls::controller(&Files::of(keys, "controller")).expect("keys");
    let all = names.clone();
    let running = Running::start(None, Some(tls), move |now| {
        let roster = Roster::new(all.clone(), hosts as u32, policy(containers));
        let roster = roster.expect("a roster");
        let settings = Settings::default();
        Hub::new(policy(containers), roster, settings, 1, now)
    });
    let running = running.expect("a controller");
    let mut far: Vec<Far> = names
        .chunks(ON_HOST)
        .enumerate()
        .map(|(number, names)| {
            let host = HostId(number as u32);
            pki::issue(keys, Party::Host(host), 1).expect("keys");
            let stem = format!("host-{number}");
            let target = Target {
                address: running.address.to_string(),
                tls: Some(tls::host(&Files::of(keys, &stem)).expect("keys")),
            };
            Far::new(target, PretendedHost::new(host.0, number as u64 + 1, names))
        })
        .collect();
    let begun = Instant::now();
    while far.iter().any(|far| !far.is_in()) {
        assert!(begun.elapsed() < Duration::from_secs(60), "not taken in");
        far.iter_mut().for_each(|far| far.listen(begun));
        sleep(Duration::from_millis(1));
    }
    // Limits settle first.
    periods(&mut far, begun, Duration::from_secs(3));
    let (before, from) = (cpu_times(), Instant::now());
    let reports = periods(&mut far, begun, length);
    let (after, wall) = (cpu_times(), from.elapsed().as_secs_f64());
    let share = |which: usize| (after[which] - before[which]) / wall * 100.0;
    let (controller, links) = (share(0), share(1));
    println!(
        "{containers:>10} {hosts:>5} {:>9.0} {controller:>9.2} % {:>6.2} % {links:>5.2} % {:>12.0}",
        reports as f64 / wall,
        controller * 100.0 / containers as f64,
        containers as f64 * 100.0 / controller.max(1e-9),
    );
}

/// Lets periods go by; returns how many reports were sent.
fn periods(far: &mut [Far], begun: Instant, length: Duration) -> usize {
    let (from, mut reports, mut next) = (Instant::now(), 0, Instant::now());
    let mut turn = 0u64;
    while from.elapsed() < length {
        turn += 1;
        for far in &mut *far {
            far.listen(begun);
            for (n, container) in far.host.containers.iter_mut().enumerate() {
                // A tenth of the containers is throttled now and then, so that limits move.
                let high = (turn / 7 + n as u64).is_multiple_of(10);
                container.demand = Cores::from_millis(if high { 900 } else { 300 });
            }
            reports += far.host.containers.len();
            far.period(begun);
        }
        next += Duration::from_nanos(PERIOD.0);
        while Instant::now() < next {
            far.iter_mut().for_each(|far| far.listen(begun));
            sleep(Duration::from_millis(5));
        }
    }
    reports
}

/// CPU time so far, in seconds: of the controller's thread, and of the links'.
fn cpu_times() -> [f64; 2] {
    let mut times = [0.0; 2];
    for task in fs::read_dir("/proc/self/task")
        .into_iter()
        .flatten()
        .flatten()
    {
        let read = |name: &str| fs::read_to_string(task.path().join(name)).unwrap_or_default();
        let which = match read("comm").trim() {
            "controller" => 0,
            name if name.starts_with("link-") => 1,
            _ => continue,
        };
        // The first number is time on a CPU, in nanoseconds.
        let nanoseconds = read("schedstat");
        let nanoseconds = nanoseconds
            .split(' ')
            .next()
            .and_then(|n| n.parse::<f64>().ok());
        times[which] += nanoseconds.unwrap_or(0.0) * 1e-9;
    }
    times
}

/// A pretended host at the end of a link.
struct Far {
    host: PretendedHost,
    link: Link,
    news: Receiver<News>,
}

impl Far {
    fn new(target: Target, host: PretendedHost) -> Far {
        let (say, news) = channel();
        let listen = move |said| drop(say.send(said));
        let link = Link::start(target, host.session.clone(), listen).expect("a thread");
        Far { host, link, news }
    }

    fn is_in(&self) -> bool {
        self.host.limits().len() == self.host.containers.len()
    }

    fn listen(&mut self, begun: Instant) {
        let now = Time(begun.elapsed().as_nanos() as u64);
        while let Ok(news) = self.news.try_recv() {
            match news {
                News::Connected => {
                    if let Up::Hello(hello) = self.host.connect() {
                        self.link.hello(hello.containers);
                    }
                }
                News::Welcome(welcome, true) => self.host.begin(now, welcome),
                News::Orders(wanted) => self.host.carry_out(now, wanted),
                News::Welcome(_, false) | News::Disconnected(_) => {}
            }
            let seen = std::mem::take(&mut self.host.seen);
            if !seen.is_empty() {
                self.link.seen(seen);
            }
        }
    }

    fn period(&mut self, begun: Instant) {
        let now = Time(begun.elapsed().as_nanos() as u64);
        self.host.end_period(now, PERIOD);
        self.link.seen(std::mem::take(&mut self.host.seen));
    }
}
