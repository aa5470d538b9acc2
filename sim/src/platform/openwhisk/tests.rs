//! The platform alone, played by hand: calls take as long as the test says.

use proptest::prelude::*;
use tidegate_core::{Bytes, Cores};

use super::config::{Kind, PodLimits, Start};
use super::*;

/// Pods start in exactly 3.5 s and are asked after each second, beginning at 0.2 s:
/// a cold start is seen after 4.2 s. Warm dispatch takes 10 ms.
fn config() -> Config {
    Config {
        kind: Kind::OpenWhisk,
        invokers: 1,
        invoker_memory: Bytes::from_mib(1024),
        pod: PodLimits {
            cpu: Cores::new(1),
            memory: Bytes::from_mib(256),
        },
        concurrent_limit: 100,
        minute_limit: 1000,
        dispatch: Span::from_millis(10),
        dispatch_sigma: 0.0,
        start: Start {
            least: Span::from_millis(2500),
            more: Span::from_secs(1),
            sigma: 0.0,
            call: Span::from_millis(200),
            poll: Span::from_secs(1),
        },
        prewarmed: 0,
        keep_alive: Span::from_secs(600),
        pause_grace: Span::from_secs(10),
    }
}

/// The world: carries out timers, and ends activations when told.
struct World {
    platform: OpenWhisk,
    now: Time,
    timers: Vec<(Time, usize, Timer)>,
    order: usize,
    /// What was done, with its time in ms.
    log: Vec<(u64, Effect)>,
}

impl World {
    fn new(config: Config) -> World {
        let functions = vec![(0, "f".to_owned()), (1, "g".to_owned())];
        World {
            platform: OpenWhisk::new(config, functions, &[32, 32], 1),
            now: Time::ZERO,
            timers: Vec::new(),
            order: 0,
            log: Vec::new(),
        }
    }

    fn did(&mut self, out: Vec<Effect>) {
        for effect in out {
            if let Effect::Timer(at, timer) = effect {
                self.order += 1;
                self.timers.push((at, self.order, timer));
            } else {
                // Medians are within a nanosecond of what was asked for.
                self.log.push(((self.now.0 + 1000) / 1_000_000, effect));
            }
        }
    }

    /// Everything up to `ms`.
    fn until(&mut self, ms: u64) {
        let end = Time(ms * 1_000_000);
        let due = |world: &World| {
            let timers = world.timers.iter().enumerate();
            let next = timers.min_by_key(|(_, (at, order, _))| (*at, *order))?;
            (next.1.0 <= end).then_some(next.0)
        };
        while let Some(next) = due(self) {
            let (at, _, timer) = self.timers.remove(next);
            self.now = at;
            let mut out = Vec::new();
            self.platform.fire(at, timer, &mut out);
            self.did(out);
        }
        self.now = end;
    }

    fn submit(&mut self, ms: u64, activation: u32, function: u32) {
        self.until(ms);
        let mut out = Vec::new();
        self.platform
            .submit(self.now, activation, function, &mut out);
        self.did(out);
    }

    fn finish(&mut self, ms: u64, pod: u32) {
        self.until(ms);
        let mut out = Vec::new();
        self.platform.finished(self.now, pod, &mut out);
        self.did(out);
    }

    /// Activations that ran: time, activation, pod, cold.
    fn runs(&self) -> Vec<(u64, u32, u32, bool)> {
        let run = |&(ms, effect): &(u64, Effect)| match effect {
            Effect::Run {
                pod,
                activation,
                cold,
            } => Some((ms, activation, pod, cold)),
            _ => None,
        };
        self.log.iter().filter_map(run).collect()
    }

    fn stops(&self) -> Vec<(u64, u32)> {
        let stop = |&(ms, effect): &(u64, Effect)| match effect {
            Effect::Stop { pod } => Some((ms, pod)),
            _ => None,
        };
        self.log.iter().filter_map(stop).collect()
    }
}

#[test]
fn the_first_activation_is_cold_and_the_next_finds_its_pod_warm() {
    let mut world = World::new(config());
    world.submit(0, 1, 0);
    world.until(4_000);
    // It runs from 3.5 s on after the dispatch, but that is seen only later.
    let started = Effect::Start {
        pod: 0,
        host: 0,
        function: 0,
    };
    assert_eq!(world.log, [(3_510, started)]);
    world.until(5_000);
    assert_eq!(world.runs(), [(4_210, 1, 0, true)]);
    world.finish(6_000, 0);
    world.submit(7_000, 2, 0);
    world.until(8_000);
    assert_eq!(world.runs()[1], (7_010, 2, 0, false));
    assert_eq!(world.platform.counts().cold, 1);
}

#[test]
fn who_comes_while_all_pods_are_busy_gets_a_pod_of_its_own() {
    let mut world = World::new(config());
    world.submit(0, 1, 0);
    // The first pod is free again before the second has started; it stays so.
    world.submit(3_000, 2, 0);
    world.finish(5_000, 0);
    world.until(10_000);
    assert_eq!(world.runs(), [(4_210, 1, 0, true), (7_210, 2, 1, true)]);
    // Both are warm now.
    world.finish(10_000, 1);
    world.submit(11_000, 3, 0);
    world.submit(11_001, 4, 0);
    world.until(12_000);
    let warm: Vec<bool> = world.runs()[2..].iter().map(|run| run.3).collect();
    assert_eq!(warm, [false, false]);
}

#[test]
fn an_idle_pod_goes_after_grace_and_keep_alive_unless_it_was_used() {
    let mut world = World::new(config());
    world.submit(0, 1, 0);
    world.finish(5_000, 0);
    world.submit(600_000, 2, 0);
    world.finish(601_000, 0);
    // The first keep-alive ends at 615 s.
    world.until(1_210_999);
    assert_eq!(world.stops(), []);
    world.until(1_211_000);
    assert_eq!(world.stops(), [(1_211_000, 0)]);
    world.submit(1_212_000, 3, 0);
    world.until(1_220_000);
    assert_eq!(world.runs()[2], (1_216_210, 3, 1, true));
}

#[test]
fn a_full_invoker_removes_the_pod_idle_longest_and_else_lets_wait() {
    let mut world = World::new(config());
    // Four pods fit: three of f, one of g.
    for activation in 0..3 {
        world.submit(0, activation, 0);
    }
    world.submit(0, 3, 1);
    world.until(5_000);
    assert_eq!(world.runs().len(), 4);
    world.submit(5_000, 4, 1);
    world.until(6_000);
    assert_eq!(world.runs().len(), 4, "it waits");
    world.finish(7_000, 1);
    // A pod of f gives way: g gets a new one.
    assert_eq!(world.stops(), [(7_000, 1)]);
    world.finish(7_500, 2);
    world.finish(7_600, 0);
    world.until(12_000);
    assert_eq!(world.runs()[4], (11_200, 4, 4, true));
    // Of two idle ones, the one idle longer goes.
    world.submit(12_000, 5, 1);
    world.until(13_000);
    assert_eq!(world.stops()[1], (12_010, 2));
}

#[test]
fn those_who_wait_are_served_in_their_order() {
    let mut world = World::new(Config {
        invoker_memory: Bytes::from_mib(256),
        ..config()
    });
    for activation in 0..3 {
        world.submit(u64::from(activation), activation, 0);
    }
    world.finish(6_000, 0);
    world.finish(7_000, 0);
    let runs = world.runs();
    assert_eq!(runs[1..], [(6_000, 1, 0, false), (7_000, 2, 0, false)]);
}

#[test]
fn a_stem_cell_only_has_to_be_initialised_and_is_replaced() {
    let mut world = World::new(Config {
        prewarmed: 1,
        ..config()
    });
    let mut out = Vec::new();
    world.platform.start(Time::ZERO, &mut out);
    world.did(out);
    world.submit(60_000, 1, 0);
    world.until(70_000);
    assert_eq!(world.runs(), [(60_010, 1, 0, true)]);
    // One for f, one for g, and one in place of the first.
    assert_eq!(world.platform.counts().created, 3);
}

#[test]
fn limits_of_the_namespace_refuse() {
    let mut world = World::new(Config {
        concurrent_limit: 2,
        ..config()
    });
    for activation in 0..3 {
        world.submit(0, activation, 0);
    }
    assert_eq!(world.log, [(0, Effect::Refuse { activation: 2 })]);
    world.finish(5_000, 0);
    world.submit(5_000, 3, 0);
    assert_eq!(world.platform.counts().refused, 1);
}

#[test]
fn a_pod_that_dies_is_not_used_again_and_its_activation_is_over() {
    let mut world = World::new(Config {
        concurrent_limit: 1,
        ..config()
    });
    world.submit(0, 1, 0);
    // It dies before the invoker has seen it: the activation fails.
    world.until(3_600);
    let mut out = Vec::new();
    world.platform.lost(world.now, 0, &mut out);
    assert_eq!(
        out,
        [Effect::Fail { activation: 1 }, Effect::Stop { pod: 0 }]
    );
    world.did(out);
    // It dies while it serves: who sent that knows already.
    world.submit(4_000, 2, 0);
    world.until(9_000);
    let mut out = Vec::new();
    world.platform.lost(world.now, 1, &mut out);
    assert_eq!(out, [Effect::Stop { pod: 1 }]);
    world.did(out);
    world.submit(10_000, 3, 0);
    world.until(20_000);
    let pods: Vec<u32> = world.runs().iter().map(|run| run.2).collect();
    assert_eq!(pods, [1, 2]);
}

proptest! {
    /// Whatever comes when: nobody is lost, no pod serves two, and no invoker has
    /// more pods than fit.
    #[test]
    fn every_activation_is_served_once_or_refused(
        steps in proptest::collection::vec((0u64..3_000, 0u32..2, any::<bool>()), 1..80),
        invokers in 1u32..4,
        prewarmed in 0u32..2,
    ) {
        let mut world = World::new(Config {
            invokers,
            prewarmed,
            minute_limit: 30,
            concurrent_limit: 9,
            invoker_memory: Bytes::from_mib(768),
            ..config()
        });
        let mut out = Vec::new();
        world.platform.start(Time::ZERO, &mut out);
        world.did(out);
        let mut ms = 0;
        let mut sent = 0;
        let mut done = 0;
        for (wait, function, send) in steps {
            ms += wait;
            if send {
                world.submit(ms, sent, function);
                sent += 1;
            } else {
                world.until(ms);
                if let Some(&(_, _, pod, _)) = world.runs().get(done) {
                    world.finish(ms, pod);
                    done += 1;
                }
            }
            for invoker in &world.platform.invokers {
                prop_assert!(invoker.pods.len() <= 3);
            }
        }
        // All that is left ends, one after the other.
        loop {
            ms += 10_000;
            world.until(ms);
            let runs = world.runs();
            let Some(&(_, _, pod, _)) = runs.get(done) else {
                break;
            };
            world.finish(ms, pod);
            done += 1;
        }
        let mut runs: Vec<u32> = world.runs().iter().map(|run| run.1).collect();
        runs.sort_unstable();
        let count = runs.len();
        runs.dedup();
        prop_assert_eq!(runs.len(), count);
        let counts = world.platform.counts();
        prop_assert_eq!(count as u64 + counts.refused, u64::from(sent));
        prop_assert!(world.platform.jobs.is_empty());
    }
}
