//! Services and the calls between them.
//!
//! These are the resolved types, as a world runs them: names are indices,
//! defaults filled in, everything checked. How an application is written down,
//! and what is checked, stands in [`read`](mod@read).

pub mod read;

use serde::{Deserialize, Serialize};
use tidegate_core::{Bytes, Cores, Limits, Span};

/// An application: containers that answer requests by calling each other.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Application {
    /// Its name: the file's.
    pub name: String,
    /// In the order of the file.
    pub services: Vec<Service>,
    /// What clients ask for.
    pub requests: Vec<Request>,
}

impl Application {
    /// The same with calls that cost `cpu` times as much, of services that use `used`
    /// times as much in all: their profiles and what they do of their own.
    pub fn scaled(mut self, cpu: f64, used: f64) -> Application {
        for service in &mut self.services {
            service.limits.cpu_15x = service.limits.cpu_15x.scale(used);
            service.idle = service.idle.scale(used);
            if let Some(warm_up) = &mut service.runtime.warm_up {
                warm_up.compile = warm_up.compile.scale(cpu);
            }
        }
        for request in &mut self.requests {
            let calls = std::iter::once(&mut request.root).chain(&mut request.detached);
            calls.for_each(|call| call.scale(cpu));
        }
        self
    }

    /// `copies` of the application that share its load evenly and nothing else. From
    /// the second on, names of services and requests end in the copy's number.
    fn side_by_side(self, copies: u32) -> Application {
        let size = self.services.len();
        let mut all = Application {
            name: self.name,
            services: Vec::new(),
            requests: Vec::new(),
        };
        for copy in 0..copies as usize {
            let named = |name: &str| match copy {
                0 => name.to_owned(),
                _ => format!("{name}-{}", copy + 1),
            };
            all.services
                .extend(self.services.iter().map(|service| Service {
                    name: named(&service.name),
                    ..service.clone()
                }));
            for request in &self.requests {
                let mut request = Request {
                    name: named(&request.name),
                    share: request.share / f64::from(copies),
                    ..request.clone()
                };
                let calls = std::iter::once(&mut request.root).chain(&mut request.detached);
                calls.for_each(|call| call.shift(copy * size));
                all.requests.push(request);
            }
        }
        all
    }
}

impl Call {
    /// Multiplies the CPU time of this and of all calls it makes.
    fn scale(&mut self, cpu: f64) {
        self.cpu = self.cpu.scale(cpu);
        let calls = self.stages.iter_mut().flatten();
        calls.for_each(|call| call.scale(cpu));
    }

    /// Adds `by` to the numbers of all services called.
    fn shift(&mut self, by: usize) {
        self.service += by;
        for call in self.stages.iter_mut().flatten() {
            call.shift(by);
        }
    }
}

/// One service.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Service {
    /// Its name.
    pub name: String,
    /// What runs it.
    pub deployment: Deployment,
    /// Its limits under the static policies; of containers only.
    pub limits: Profile,
    /// CPU used without any request, in small background jobs.
    pub idle: Cores,
    /// How it runs calls.
    pub runtime: Runtime,
    /// How much memory it uses.
    pub memory: Memory,
}

/// What runs a service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Deployment {
    /// One container, there from the beginning.
    #[default]
    Container,
    /// Pods that a platform starts and stops as requests come. What a call makes
    /// another call to the same service for happens in the same pod.
    Function,
    /// Machines of its own, which are neither limited nor ever short: its calls
    /// take their time.
    External,
}

/// The profiled limits of a service, as its authors configured them for the
/// static policy of 1.5 times the profiled maximum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Profile {
    /// 1.5 times the profiled CPU maximum.
    pub cpu_15x: Cores,
    /// 1.5 times the profiled memory maximum.
    pub memory_15x: Bytes,
    /// Least memory it is given at any level; zero where nothing was set.
    pub memory_least: Bytes,
}

impl Profile {
    /// The limits at `level` times the profiled maximum (1.5 gives the ones
    /// stored), but none under its floor.
    ///
    /// Escra's floors are 0.3 cores and 25 MiB; with them the sums over an
    /// application are the application-wide limits its authors used.
    pub fn at(&self, level: f64, floor_cpu: Cores, floor_memory: Bytes) -> Limits {
        let factor = level / 1.5;
        Limits {
            cpu: self.cpu_15x.scale(factor).max(floor_cpu),
            memory: self
                .memory_15x
                .scale(factor)
                .max(floor_memory)
                .max(self.memory_least),
        }
    }
}

impl Runtime {
    /// CPU time of a call whose mean is `mean`, in the same unit, for a standard
    /// normal variate: lognormal.
    pub fn work(&self, mean: f64, normal: f32) -> f64 {
        // The mean of exp(σZ) is exp(σ²/2).
        mean * (self.sigma * f64::from(normal) - self.sigma * self.sigma / 2.0).exp()
    }
}

impl WarmUp {
    /// What the call after `served` others costs against a warm one, and the CPU
    /// time that the compiler takes beside it.
    pub fn at(&self, served: u64) -> (f64, Span) {
        let left = (-(served as f64) / self.calls).exp();
        let share = 1.0 - (-1.0 / self.calls).exp();
        let compile = self.compile.0 as f64 * left * share;
        (1.0 + (self.factor - 1.0) * left, Span(compile as u64))
    }
}

impl Memory {
    /// How much a call adds for good where calls before it have brought `base`
    /// bytes, heap and working sets not counted.
    pub fn growth(&self, base: f64) -> f64 {
        let growth = self.per_call.0 as f64;
        match self.ceiling {
            Some(ceiling) if ceiling > self.start => {
                let room = (ceiling.0 - self.start.0) as f64;
                growth * ((ceiling.0 as f64 - base) / room).max(0.0)
            }
            Some(_) => 0.0,
            None => growth,
        }
    }
}

/// How a service runs calls.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Runtime {
    /// Calls in service at once; more wait in arrival order.
    pub threads: u32,
    /// Which idle thread takes the next call.
    pub order: Order,
    /// Share of a call's CPU that its caller waits for; the rest (tracing, GC,
    /// clean-up) runs afterwards.
    pub path_share: f64,
    /// Standard deviation of the logarithm of a call's CPU time (lognormal,
    /// the mean stays as given).
    pub sigma: f64,
    /// From a kill to the first call served.
    pub start_time: Span,
    /// Warm-up of a just-in-time compiler, if it has one.
    pub warm_up: Option<WarmUp>,
}

/// Which idle thread takes the next call. It decides how many CPUs a service
/// touches in a period.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Order {
    /// The one idle longest: work goes round all threads.
    Fifo,
    /// The one idle shortest: work stays on few threads.
    Lifo,
}

/// A just-in-time compiler: call number *n* of a service costs
/// `1 + (factor - 1) * exp(-n / calls)` times its CPU on the path, and
/// compiling takes `compile` of CPU in all, spread with the same decay.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct WarmUp {
    /// Cost of the first call against a warm one.
    pub factor: f64,
    /// Calls after which the extra cost has fallen to 1/e.
    pub calls: f64,
    /// CPU time spent compiling, in all, off the path.
    pub compile: Span,
}

/// How much memory a service uses.
///
/// After *n* calls: `start + n * per_call`, or where there is a ceiling
/// `ceiling - (ceiling - start) * exp(-n * per_call / (ceiling - start))`. On
/// top come a working set per call in service and a heap that follows the limit
/// in force when the container starts.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Memory {
    /// After the start, without the heap.
    pub start: Bytes,
    /// Growth with each call, at first.
    pub per_call: Bytes,
    /// Where growth levels off, without the heap; without one it goes on.
    pub ceiling: Option<Bytes>,
    /// While a call is in service.
    pub working_set: Bytes,
    /// Share of the limit at start that the heap takes (JVMs sized by their
    /// container).
    pub heap_share: f64,
    /// Part of `start` that is page cache: charged like the rest, but given back
    /// by the kernel before it runs out of memory.
    pub page_cache: Bytes,
}

/// One kind of request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// Its name.
    pub name: String,
    /// Share of all requests; shares of an application sum to 1.
    pub share: f64,
    /// Share of its replies that are errors (counted as failed, still measured).
    pub failure_share: f64,
    /// The call that answers it.
    pub root: Call,
    /// Calls nobody waits for (tracing), sent with the root call.
    pub detached: Vec<Call>,
}

/// One call: CPU on a service, and further calls on the way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Call {
    /// Index into [`Application::services`].
    pub service: usize,
    /// What it does.
    pub operation: String,
    /// Mean CPU time, without the calls it makes.
    pub cpu: Span,
    /// How often its caller makes it, one after the other.
    pub repeat: u32,
    /// Calls it makes: stages in order, the calls of a stage in parallel.
    pub stages: Vec<Vec<Call>>,
}

#[cfg(test)]
mod tests;
