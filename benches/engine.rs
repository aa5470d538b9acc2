//! The event queue against two general engines, on the same three workloads:
//! events per second of `tidegate_sim::engine::Queue`, of simcore (the engine of
//! DSLab) and of nexosim, each used as its own documentation shows. All draw the
//! same delays from the same generators and handle the same number of events,
//! which is checked before anything is measured.
//!
//! `cargo bench --bench engine`; with `-- ping-pong` only one workload.

use std::time::Duration;

use criterion::{BatchSize, BenchmarkId, Criterion, SamplingMode, Throughput};

/// Nanoseconds a ball flies from one player to the other.
const FLIGHT: u64 = 1_000;

/// Who is there, and how long it goes on.
#[derive(Clone, Copy)]
struct Workload {
    name: &'static str,
    actors: Actors,
    /// Simulated nanoseconds.
    until: u64,
}

#[derive(Clone, Copy)]
enum Actors {
    /// Two players throw one ball to and fro: one event is pending.
    Players,
    /// Actors with timers of their own, each set again after a random delay
    /// when it fires: the hold model.
    Tickers { actors: u32, timers_each: u32 },
}

/// Each has about half a million events.
const WORKLOADS: [Workload; 3] = [
    Workload {
        name: "ping-pong",
        actors: Actors::Players,
        until: 500_000 * FLIGHT,
    },
    Workload {
        name: "1000-actors",
        actors: Actors::Tickers {
            actors: 1_000,
            timers_each: 1,
        },
        until: 268_435_456_000,
    },
    Workload {
        name: "100000-pending",
        actors: Actors::Tickers {
            actors: 1,
            timers_each: 100_000,
        },
        until: 2_684_354_560,
    },
];

/// An engine with a workload in it.
trait Engine {
    const NAME: &'static str;

    /// Everything up to the first event.
    fn new(actors: Actors) -> Self;

    /// Handles the events before the time `until`.
    fn run(&mut self, until: u64);

    /// What the actors have done.
    fn tally(&mut self) -> Tally;
}

/// Equal for two runs in which each actor handled the same events.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Tally {
    events: u64,
    digest: u64,
}

impl Tally {
    fn add(&mut self, events: u64, digest: u64) {
        self.events += events;
        self.digest = self.digest.wrapping_add(digest);
    }
}

/// One actor's delays: uniform over 1 ns to 1.07 s, from SplitMix64, which costs
/// next to nothing.
#[derive(Clone, serde::Serialize, serde::Deserialize)]
struct Delays(u64);

impl Delays {
    fn of(actor: u32) -> Delays {
        Delays(u64::from(actor) << 32)
    }

    #[inline]
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        1 + ((z ^ (z >> 31)) >> 34)
    }
}

/// One `enum` of events, and a `match` that hands them to the actors.
mod tidegate {
    use tidegate_core::{Span, Time};
    use tidegate_sim::engine::Queue;

    use super::{Actors, Delays, FLIGHT, Tally};

    #[derive(Clone, Copy)]
    enum Event {
        Ball { to: u32, throws: u64 },
        Tick { actor: u32 },
        End,
    }

    struct Player {
        handled: u64,
        throws: u64,
        other: u32,
    }

    struct Ticker {
        handled: u64,
        delays: Delays,
    }

    pub(super) struct World {
        queue: Queue<Event>,
        players: Vec<Player>,
        tickers: Vec<Ticker>,
    }

    impl World {
        #[inline]
        fn ball(&mut self, to: u32, throws: u64) {
            let player = &mut self.players[to as usize];
            player.handled += 1;
            player.throws = throws;
            let event = Event::Ball {
                to: player.other,
                throws: throws + 1,
            };
            self.queue.after(Span(FLIGHT), event);
        }

        #[inline]
        fn tick(&mut self, actor: u32) {
            let ticker = &mut self.tickers[actor as usize];
            ticker.handled += 1;
            let delay = ticker.delays.next();
            self.queue.after(Span(delay), Event::Tick { actor });
        }
    }

    impl super::Engine for World {
        const NAME: &'static str = "tidegate";

        fn new(actors: Actors) -> World {
            let mut world = World {
                queue: Queue::new(),
                players: Vec::new(),
                tickers: Vec::new(),
            };
            match actors {
                Actors::Players => {
                    world.players.extend([1, 0].map(|other| Player {
                        handled: 0,
                        throws: 0,
                        other,
                    }));
                    let event = Event::Ball { to: 1, throws: 1 };
                    world.queue.after(Span(FLIGHT), event);
                }
                Actors::Tickers {
                    actors,
                    timers_each,
                } => {
                    for actor in 0..actors {
                        let mut delays = Delays::of(actor);
                        for _ in 0..timers_each {
                            let delay = Span(delays.next());
                            world.queue.after(delay, Event::Tick { actor });
                        }
                        world.tickers.push(Ticker { handled: 0, delays });
                    }
                }
            }
            world
        }

        fn run(&mut self, until: u64) {
            self.queue.at(Time(until), Event::End);
            while let Some(event) = self.queue.pop() {
                match event {
                    Event::Ball { to, throws } => self.ball(to, throws),
                    Event::Tick { actor } => self.tick(actor),
                    Event::End => break,
                }
            }
        }

        fn tally(&mut self) -> Tally {
            let mut tally = Tally::default();
            for player in &self.players {
                tally.add(player.handled, player.throws);
            }
            for ticker in &self.tickers {
                tally.add(ticker.handled, ticker.delays.0);
            }
            tally
        }
    }
}

/// Components behind `Rc<RefCell<_>>` that emit boxed events. Times are `f64`;
/// nanoseconds as whole numbers make them exact.
mod simcore {
    use std::cell::RefCell;
    use std::rc::Rc;

    use serde::Serialize;
    use simcore::{Event, EventHandler, Id, Simulation, SimulationContext, cast};

    use super::{Actors, Delays, FLIGHT, Tally};

    #[derive(Clone, Serialize)]
    struct Ball {
        throws: u64,
    }

    #[derive(Clone, Serialize)]
    struct Tick {}

    struct Player {
        handled: u64,
        throws: u64,
        other: Id,
        ctx: SimulationContext,
    }

    impl Player {
        fn throw(&self, throws: u64) {
            self.ctx.emit(Ball { throws }, self.other, FLIGHT as f64);
        }
    }

    impl EventHandler for Player {
        fn on(&mut self, event: Event) {
            cast!(match event.data {
                Ball { throws } => {
                    self.handled += 1;
                    self.throws = throws;
                    self.throw(throws + 1);
                }
            })
        }
    }

    struct Ticker {
        handled: u64,
        delays: Delays,
        ctx: SimulationContext,
    }

    impl Ticker {
        fn set(&mut self) {
            let delay = self.delays.next() as f64;
            self.ctx.emit_self(Tick {}, delay);
        }
    }

    impl EventHandler for Ticker {
        fn on(&mut self, event: Event) {
            cast!(match event.data {
                Tick {} => {
                    self.handled += 1;
                    self.set();
                }
            })
        }
    }

    pub(super) struct World {
        simulation: Simulation,
        players: Vec<Rc<RefCell<Player>>>,
        tickers: Vec<Rc<RefCell<Ticker>>>,
    }

    impl super::Engine for World {
        const NAME: &'static str = "simcore";

        fn new(actors: Actors) -> World {
            let mut simulation = Simulation::new(1);
            let mut players = Vec::new();
            let mut tickers = Vec::new();
            match actors {
                Actors::Players => {
                    let contexts = ["ping", "pong"].map(|name| simulation.create_context(name));
                    let ids = [contexts[1].id(), contexts[0].id()];
                    for (ctx, other) in contexts.into_iter().zip(ids) {
                        let name = ctx.name().to_owned();
                        let player = Rc::new(RefCell::new(Player {
                            handled: 0,
                            throws: 0,
                            other,
                            ctx,
                        }));
                        simulation.add_handler(name, player.clone());
                        players.push(player);
                    }
                    players[0].borrow().throw(1);
                }
                Actors::Tickers {
                    actors,
                    timers_each,
                } => {
                    for actor in 0..actors {
                        let name = format!("ticker {actor}");
                        let mut ticker = Ticker {
                            handled: 0,
                            delays: Delays::of(actor),
                            ctx: simulation.create_context(&name),
                        };
                        for _ in 0..timers_each {
                            ticker.set();
                        }
                        let ticker = Rc::new(RefCell::new(ticker));
                        simulation.add_handler(name, ticker.clone());
                        tickers.push(ticker);
                    }
                }
            }
            World {
                simulation,
                players,
                tickers,
            }
        }

        fn run(&mut self, until: u64) {
            // Events at `until` itself are handled too; ours are not.
            self.simulation.step_until_time((until - 1) as f64);
        }

        fn tally(&mut self) -> Tally {
            let mut tally = Tally::default();
            for player in &self.players {
                let player = player.borrow();
                tally.add(player.handled, player.throws);
            }
            for ticker in &self.tickers {
                let ticker = ticker.borrow();
                tally.add(ticker.handled, ticker.delays.0);
            }
            tally
        }
    }
}

/// Models with ports and mailboxes. An event can be scheduled only on oneself,
/// so that a ball waits with its thrower. One thread, which is its fastest
/// setting where models have so little to do.
mod nexosim {
    use std::time::Duration;

    use nexosim::model::{Context, Model, schedulable};
    use nexosim::ports::{EventQueueReader, EventSinkReader, EventSource, Output};
    use nexosim::ports::{SinkState, event_queue};
    use nexosim::simulation::{EventId, Mailbox, SimInit, Simulation};
    use nexosim::time::MonotonicTime;
    use serde::{Deserialize, Serialize};

    use super::{Actors, Delays, FLIGHT, Tally};

    #[derive(Serialize, Deserialize)]
    struct Player {
        handled: u64,
        throws: u64,
        begins: bool,
        ball: Output<u64>,
        report: Output<(u64, u64)>,
    }

    #[Model]
    impl Player {
        #[nexosim(init)]
        async fn init(&mut self, cx: &Context<Self>) {
            if self.begins {
                self.throw(1, cx);
            }
        }

        fn throw(&self, throws: u64, cx: &Context<Self>) {
            let flight = Duration::from_nanos(FLIGHT);
            cx.schedule_event(flight, schedulable!(Self::arrive), throws)
                .expect("a flight takes time");
        }

        #[nexosim(schedulable)]
        async fn arrive(&mut self, throws: u64) {
            self.ball.send(throws).await;
        }

        fn catch(&mut self, throws: u64, cx: &Context<Self>) {
            self.handled += 1;
            self.throws = throws;
            self.throw(throws + 1, cx);
        }

        async fn tell(&mut self) {
            self.report.send((self.handled, self.throws)).await;
        }
    }

    #[derive(Serialize, Deserialize)]
    struct Ticker {
        handled: u64,
        delays: Delays,
        timers: u32,
        report: Output<(u64, u64)>,
    }

    #[Model]
    impl Ticker {
        #[nexosim(init)]
        async fn init(&mut self, cx: &Context<Self>) {
            for _ in 0..self.timers {
                self.set(cx);
            }
        }

        fn set(&mut self, cx: &Context<Self>) {
            let delay = Duration::from_nanos(self.delays.next());
            cx.schedule_event(delay, schedulable!(Self::tick), ())
                .expect("delays are above zero");
        }

        #[nexosim(schedulable)]
        fn tick(&mut self, (): (), cx: &Context<Self>) {
            self.handled += 1;
            self.set(cx);
        }

        async fn tell(&mut self) {
            self.report.send((self.handled, self.delays.0)).await;
        }
    }

    pub(super) struct World {
        simulation: Simulation,
        tell: EventId<()>,
        reports: EventQueueReader<(u64, u64)>,
    }

    impl super::Engine for World {
        const NAME: &'static str = "nexosim";

        fn new(actors: Actors) -> World {
            let mut bench = SimInit::with_num_threads(1);
            let (sink, reports) = event_queue(SinkState::Enabled);
            let mut tell = EventSource::new();
            match actors {
                Actors::Players => {
                    let mailboxes = [Mailbox::new(), Mailbox::new()];
                    let mut players = [true, false].map(|begins| Player {
                        handled: 0,
                        throws: 0,
                        begins,
                        ball: Output::new(),
                        report: Output::new(),
                    });
                    players[0].ball.connect(Player::catch, &mailboxes[1]);
                    players[1].ball.connect(Player::catch, &mailboxes[0]);
                    for (mut player, mailbox) in players.into_iter().zip(mailboxes) {
                        player.report.connect_sink(sink.clone());
                        tell = tell.connect(Player::tell, &mailbox);
                        bench = bench.add_model(player, mailbox, "player");
                    }
                }
                Actors::Tickers {
                    actors,
                    timers_each,
                } => {
                    for actor in 0..actors {
                        let mailbox = Mailbox::new();
                        let mut ticker = Ticker {
                            handled: 0,
                            delays: Delays::of(actor),
                            timers: timers_each,
                            report: Output::new(),
                        };
                        ticker.report.connect_sink(sink.clone());
                        tell = tell.connect(Ticker::tell, &mailbox);
                        bench = bench.add_model(ticker, mailbox, "ticker");
                    }
                }
            }
            let tell = tell.register(&mut bench);
            World {
                simulation: bench.init(MonotonicTime::EPOCH).expect("a sound bench"),
                tell,
                reports,
            }
        }

        fn run(&mut self, until: u64) {
            // Events at `until` itself are handled too; ours are not.
            let end = MonotonicTime::EPOCH + Duration::from_nanos(until - 1);
            self.simulation.step_until(end).expect("models never fail");
        }

        fn tally(&mut self) -> Tally {
            self.simulation
                .process_event(&self.tell, ())
                .expect("models never fail");
            let mut tally = Tally::default();
            while let Some((handled, digest)) = self.reports.try_read() {
                tally.add(handled, digest);
            }
            tally
        }
    }
}

/// One untimed run.
fn tally<E: Engine>(workload: Workload) -> Tally {
    let mut engine = E::new(workload.actors);
    engine.run(workload.until);
    engine.tally()
}

fn measure<E: Engine>(criterion: &mut Criterion, workload: Workload) {
    let expected = tally::<tidegate::World>(workload);
    assert_eq!(tally::<E>(workload), expected, "{}: not the same", E::NAME);

    let mut group = criterion.benchmark_group(format!("engine/{}", workload.name));
    group.throughput(Throughput::Elements(expected.events));
    group.sampling_mode(SamplingMode::Flat);
    group.bench_function(BenchmarkId::from_parameter(E::NAME), |bencher| {
        bencher.iter_batched_ref(
            || E::new(workload.actors),
            |engine| engine.run(workload.until),
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

fn main() {
    let mut criterion = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(6))
        .configure_from_args();
    for workload in WORKLOADS {
        measure::<tidegate::World>(&mut criterion, workload);
        measure::<simcore::World>(&mut criterion, workload);
        measure::<nexosim::World>(&mut criterion, workload);
    }
    criterion.final_summary();
}
