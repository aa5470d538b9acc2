//! Apache OpenWhisk on Kubernetes: a controller that balances load over invokers,
//! invokers that keep pods, a factory that has Kubernetes start them.
//!
//! An activation comes to the controller, which refuses what passes the namespace's
//! limits and picks an invoker (`balancer`, `throttle`). The invoker runs it in a
//! warm pod, or has a new one started, or makes room by removing the pod idle the
//! longest, or lets it wait (`invoker`). Kubernetes places and starts pods
//! (`factory`). An idle pod goes after the keep-alive; pausing it is a no-op with
//! Kubernetes. All after the source of apache/openwhisk.

mod balancer;

pub mod config;

mod factory;

mod invoker;

mod throttle;

use std::collections::{BTreeMap, VecDeque};

use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, LogNormal};
use tidegate_core::{Span, Time};
use tidegate_workloads::random::stream;

pub use config::Config;

use balancer::Balancer;
use factory::Factory;
use invoker::{Invoker, Pod, State};
use throttle::Throttle;

/// Something the platform waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timer {
    /// An activation has come from the controller to its invoker.
    Arrived {
        /// Which.
        activation: u32,
    },
    /// A pod's process runs.
    Running {
        /// Which.
        pod: u32,
    },
    /// The invoker has seen that a pod runs.
    Seen {
        /// Which.
        pod: u32,
    },
    /// A pod has been idle for the keep-alive, if it still is.
    Expired {
        /// Which.
        pod: u32,
        /// Counts the times it was idle.
        idle: u32,
    },
}

/// What the world has to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// [`OpenWhisk::fire`] must be called with this at this time.
    Timer(Time, Timer),
    /// A pod's container starts to run.
    Start {
        /// Which.
        pod: u32,
        /// Where.
        host: u32,
        /// The function it is for: the number of its service.
        function: u32,
    },
    /// A pod serves an activation.
    Run {
        /// Which pod.
        pod: u32,
        /// Whose turn it is.
        activation: u32,
        /// Whether the pod must initialise the function first.
        cold: bool,
    },
    /// A pod's container is removed.
    Stop {
        /// Which.
        pod: u32,
    },
    /// An activation passes a limit of its namespace ("429 Too Many Requests").
    Refuse {
        /// Which.
        activation: u32,
    },
    /// An activation's pod died before it could run.
    Fail {
        /// Which.
        activation: u32,
    },
}

/// What has happened so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Activations that had to wait for a pod to start or to be initialised.
    pub cold: u64,
    /// Pods asked of Kubernetes.
    pub created: u64,
    /// Activations refused.
    pub refused: u64,
}

/// An accepted activation that is not finished.
#[derive(Clone, Copy, Debug)]
struct Job {
    function: u32,
    invoker: usize,
}

/// The whole platform.
#[derive(Debug)]
pub struct OpenWhisk {
    config: Config,
    /// Number and name of each function.
    functions: Vec<(u32, String)>,
    balancer: Balancer,
    throttle: Throttle,
    factory: Factory,
    invokers: Vec<Invoker>,
    pods: Vec<Pod>,
    jobs: BTreeMap<u32, Job>,
    dispatch: ChaCha8Rng,
    counts: Counts,
}

impl OpenWhisk {
    /// A platform for `functions` (number of the service, name) on hosts with this
    /// many CPUs each.
    pub fn new(
        config: Config,
        functions: Vec<(u32, String)>,
        cpus: &[u32],
        seed: u64,
    ) -> OpenWhisk {
        let slots = config.slots();
        OpenWhisk {
            balancer: Balancer::new(config.invokers as usize, slots, seed),
            throttle: Throttle::new(config.concurrent_limit, config.minute_limit, seed),
            factory: Factory::new(config.start, config.pod.cpu, cpus, seed),
            invokers: vec![Invoker::new(slots); config.invokers as usize],
            pods: Vec::new(),
            jobs: BTreeMap::new(),
            dispatch: stream(seed, "dispatch", 0),
            counts: Counts::default(),
            functions,
            config,
        }
    }

    /// What has happened so far.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// The platform begins: stem cells are started.
    pub fn start(&mut self, now: Time, out: &mut Vec<Effect>) {
        let functions: Vec<u32> = self.functions.iter().map(|(id, _)| *id).collect();
        for invoker in 0..self.invokers.len() {
            for &function in &functions {
                for _ in 0..self.config.prewarmed {
                    if self.invokers[invoker].has_room() {
                        self.create(now, invoker, function, None, out);
                    }
                }
            }
        }
    }

    /// An activation of `function` reaches the controller.
    pub fn submit(&mut self, now: Time, activation: u32, function: u32, out: &mut Vec<Effect>) {
        if !self.throttle.admits(now, self.jobs.len()) {
            self.counts.refused += 1;
            out.push(Effect::Refuse { activation });
            return;
        }
        let name = self.functions.iter().find(|(id, _)| *id == function);
        let name = name.map_or("", |(_, name)| name.as_str());
        let invoker = self.balancer.acquire(name);
        self.jobs.insert(activation, Job { function, invoker });
        let way = lognormal(self.config.dispatch, self.config.dispatch_sigma);
        let way = Span(way.sample(&mut self.dispatch) as u64);
        out.push(Effect::Timer(now + way, Timer::Arrived { activation }));
    }

    /// The time of a timer has come.
    pub fn fire(&mut self, now: Time, timer: Timer, out: &mut Vec<Effect>) {
        match timer {
            Timer::Arrived { activation } => {
                let Some(job) = self.jobs.get(&activation).copied() else {
                    return;
                };
                self.invokers[job.invoker].buffer.push_back(activation);
                self.serve(now, job.invoker, out);
            }
            Timer::Running { pod } => {
                let state = &self.pods[pod as usize];
                if let (State::Starting, Some(host)) = (state.state, state.host) {
                    out.push(Effect::Start {
                        pod,
                        host,
                        function: state.function,
                    });
                }
            }
            Timer::Seen { pod } => self.seen(now, pod, out),
            Timer::Expired { pod, idle } => {
                let state = &self.pods[pod as usize];
                if state.state == State::Idle && state.idles == idle {
                    self.remove(now, pod, out);
                    self.serve(now, self.pods[pod as usize].invoker, out);
                }
            }
        }
    }

    /// A pod has served its activation.
    pub fn finished(&mut self, now: Time, pod: u32, out: &mut Vec<Effect>) {
        let state = &mut self.pods[pod as usize];
        if state.state != State::Busy {
            return;
        }
        let (invoker, activation) = (state.invoker, state.activation.take());
        self.close(activation);
        self.idle(now, pod, out);
        self.serve(now, invoker, out);
    }

    /// A pod's container was killed; whatever it served has failed.
    pub fn lost(&mut self, now: Time, pod: u32, out: &mut Vec<Effect>) {
        let state = &mut self.pods[pod as usize];
        if state.state == State::Gone {
            return;
        }
        let (invoker, activation) = (state.invoker, state.activation.take());
        // Before it was seen, nobody but the platform knows of its activation.
        if let (State::Starting, Some(activation)) = (state.state, activation) {
            out.push(Effect::Fail { activation });
        }
        self.close(activation);
        self.remove(now, pod, out);
        self.serve(now, invoker, out);
    }

    /// An activation is over.
    fn close(&mut self, activation: Option<u32>) {
        if let Some(job) = activation.and_then(|activation| self.jobs.remove(&activation)) {
            self.balancer.release(job.invoker);
        }
    }

    /// Serves those who wait at an invoker, in the order they came, as far as it
    /// goes.
    fn serve(&mut self, now: Time, invoker: usize, out: &mut Vec<Effect>) {
        while let Some(&activation) = self.invokers[invoker].buffer.front() {
            let served = match self.jobs.get(&activation).copied() {
                Some(job) => self.place(now, activation, job, out),
                None => true,
            };
            if !served {
                return;
            }
            self.invokers[invoker].buffer.pop_front();
        }
    }

    /// Finds a pod for an activation, or has one started; says whether it could.
    fn place(&mut self, now: Time, activation: u32, job: Job, out: &mut Vec<Effect>) -> bool {
        let Job { function, invoker } = job;
        let find = |state: State| {
            let pods = self.invokers[invoker].pods.iter().copied();
            pods.into_iter().find(|&pod| {
                let pod = &self.pods[pod as usize];
                pod.state == state && pod.function == function
            })
        };
        if let Some(pod) = find(State::Idle) {
            self.run(pod, activation, false, out);
            return true;
        }
        if let Some(pod) = find(State::Stem) {
            self.run(pod, activation, true, out);
            if self.invokers[invoker].has_room() {
                self.create(now, invoker, function, None, out);
            }
            return true;
        }
        if !self.invokers[invoker].has_room() {
            match self.longest_idle(invoker) {
                Some(pod) => self.remove(now, pod, out),
                None => return false,
            }
        }
        self.create(now, invoker, function, Some(activation), out);
        true
    }

    /// The pod of an invoker that has been idle the longest.
    fn longest_idle(&self, invoker: usize) -> Option<u32> {
        let pods = self.invokers[invoker].pods.iter().copied();
        pods.filter(|&pod| self.pods[pod as usize].state == State::Idle)
            .min_by_key(|&pod| (self.pods[pod as usize].since, pod))
    }

    fn run(&mut self, pod: u32, activation: u32, cold: bool, out: &mut Vec<Effect>) {
        let state = &mut self.pods[pod as usize];
        state.state = State::Busy;
        state.activation = Some(activation);
        self.counts.cold += u64::from(cold);
        out.push(Effect::Run {
            pod,
            activation,
            cold,
        });
    }

    /// Has Kubernetes start a pod; for an activation, or as a stem cell.
    fn create(
        &mut self,
        now: Time,
        invoker: usize,
        function: u32,
        activation: Option<u32>,
        out: &mut Vec<Effect>,
    ) {
        let pod = self.pods.len() as u32;
        self.counts.created += 1;
        self.invokers[invoker].pods.insert(pod);
        self.pods.push(Pod {
            function,
            invoker,
            host: None,
            state: State::Starting,
            activation,
            since: now,
            idles: 0,
        });
        self.factory.ask(pod);
        self.start_placed(now, out);
    }

    /// Pods for which a host has room begin to start.
    fn start_placed(&mut self, now: Time, out: &mut Vec<Effect>) {
        while let Some(placed) = self.factory.place() {
            let pod = placed.pod;
            let state = &mut self.pods[pod as usize];
            state.host = Some(placed.host);
            let running = now + placed.start;
            let seen = self.config.start.seen(state.since, running);
            out.push(Effect::Timer(running, Timer::Running { pod }));
            out.push(Effect::Timer(seen, Timer::Seen { pod }));
        }
    }

    fn seen(&mut self, now: Time, pod: u32, out: &mut Vec<Effect>) {
        let state = &mut self.pods[pod as usize];
        if state.state != State::Starting {
            return;
        }
        match state.activation.take() {
            Some(activation) => self.run(pod, activation, true, out),
            None => {
                state.state = State::Stem;
                let invoker = state.invoker;
                self.serve(now, invoker, out);
            }
        }
    }

    /// A pod has nothing to do; after a while it goes.
    fn idle(&mut self, now: Time, pod: u32, out: &mut Vec<Effect>) {
        let state = &mut self.pods[pod as usize];
        state.state = State::Idle;
        state.since = now;
        state.idles += 1;
        let idle = state.idles;
        let end = now + self.config.pause_grace + self.config.keep_alive;
        out.push(Effect::Timer(end, Timer::Expired { pod, idle }));
    }

    fn remove(&mut self, now: Time, pod: u32, out: &mut Vec<Effect>) {
        let state = &mut self.pods[pod as usize];
        state.state = State::Gone;
        self.invokers[state.invoker].pods.remove(&pod);
        out.push(Effect::Stop { pod });
        self.factory.gone(pod, state.host);
        self.start_placed(now, out);
    }
}

/// A lognormal time in nanoseconds around its median.
fn lognormal(median: Span, sigma: f64) -> LogNormal<f64> {
    // A check of the configuration has made sure that these are numbers.
    let mu = (median.0.max(1) as f64).ln();
    LogNormal::new(mu, sigma).unwrap_or_else(|_| unreachable!("sigma is finite"))
}

/// Activations in the order they came.
type Buffer = VecDeque<u32>;

#[cfg(test)]
mod tests;
