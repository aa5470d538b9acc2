//! Reads an application from its file.
//!
//! ```toml
//! copies = 1                         # of all below, side by side; 1 if absent
//!
//! [runtimes.tomcat]                  # how services of a kind run
//! threads = 200
//! order = "fifo"
//! path_share = 0.9
//! sigma = 0.5
//! start_time = "15s"
//! working_set = "0.5 MiB"            # per call in service; 0 if absent
//! page_cache = "60 MiB"              # of what `start` holds; 0 if absent
//! warm_up = { factor = 2.5, calls = 3000, compile = "15s" }
//!
//! [services.front]
//! runtime = "tomcat"
//! deployment = "container"           # or "function": a platform's pods; or "external":
//!                                    # machines of its own. These have no `profile`.
//! path_share = 0.6                   # any key of the runtime, for this service
//! profile = { cpu_15x = "3 cores", memory_15x = "63 MiB" }
//! idle = "0.01 cores"
//! memory = { start = "30 MiB", per_call = "1 KiB", ceiling = "40 MiB", heap_share = 0.1 }
//!
//! [[requests]]
//! name = "index"
//! weight = 1                         # shares are weights over their sum
//! failure_share = 0.01
//! call = { to = "front", op = "GET /", cpu = "1.2 ms", stages = [
//!   [{ to = "front", op = "first", cpu = "1 ms", repeat = 3 }],
//!   [{ to = "front", op = "then", cpu = "1 ms" }, { to = "front", op = "beside it", cpu = "1 ms" }],
//! ] }
//! detached = [{ to = "front", op = "nobody waits", cpu = "1 ms" }]
//! ```

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use tidegate_core::{Bytes, Cores, Span};
use toml::Spanned;

use super::{
    Application, Call, Deployment, Memory, Order, Profile, Request, Runtime, Service, WarmUp,
};
use crate::checked::Checked;
use crate::file::{self, FileError};

/// An application may have this many services, and kinds of requests.
pub const MAX_ENTRIES: usize = 10_000;
/// The most CPU of one service. With [`MAX_ENTRIES`] services and any level the
/// sum over an application can be counted.
pub const MAX_CPU: Cores = Cores::new(10_000);
/// The most memory of one service: 4 TiB, with the same purpose.
pub const MAX_MEMORY: Bytes = Bytes::from_mib(4 << 20);

/// Calls may be nested this deep.
const MAX_DEPTH: usize = 16;
/// One request may make this many calls in all.
const MAX_CALLS: u64 = 1_000_000;
/// Repeats of one call: no more than calls in all.
const MAX_REPEAT: u32 = 1_000_000;
/// Threads of a service, stages of a call and calls of a stage: a world may
/// number each of them with 16 bits.
const MAX_THREADS: u32 = 10_000;
const MAX_STAGES: usize = 10_000;
const MAX_PARALLEL: usize = 10_000;
const MAX_CALL_CPU: Span = Span::from_secs(3_600);
const MAX_START: Span = Span::from_secs(24 * 3_600);

impl Application {
    /// Reads an application from `text`; `path` gives its name and is named in
    /// messages.
    ///
    /// # Errors
    /// When `text` is no TOML, or describes no application:
    /// unknown keys and names, numbers out of range, calls nested deeper than
    /// 16, more than a million of them in one request, or more than 10,000
    /// stages of a call or calls of a stage.
    pub fn parse(path: &Path, text: &str) -> Result<Application, FileError> {
        let table: Table = file::parse(path, text)?;
        let checked = Checked { path, text };
        Reader { checked }.application(&table)
    }
}

/// The file as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    copies: Option<Spanned<i64>>,
    runtimes: Named<RuntimeTable>,
    services: Named<ServiceTable>,
    requests: Vec<RequestTable>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RuntimeTable {
    threads: Spanned<i64>,
    order: OrderName,
    path_share: Spanned<f64>,
    sigma: Spanned<f64>,
    start_time: Spanned<Span>,
    working_set: Option<Spanned<Bytes>>,
    page_cache: Option<Spanned<Bytes>>,
    warm_up: Option<WarmUpTable>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ServiceTable {
    runtime: Spanned<String>,
    #[serde(default)]
    deployment: DeploymentName,
    profile: Option<Spanned<ProfileTable>>,
    idle: Option<Spanned<Cores>>,
    memory: MemoryTable,
    threads: Option<Spanned<i64>>,
    order: Option<OrderName>,
    path_share: Option<Spanned<f64>>,
    sigma: Option<Spanned<f64>>,
    start_time: Option<Spanned<Span>>,
    warm_up: Option<WarmUpTable>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum OrderName {
    Fifo,
    Lifo,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum DeploymentName {
    #[default]
    Container,
    Function,
    External,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WarmUpTable {
    factor: Spanned<f64>,
    calls: Spanned<f64>,
    compile: Spanned<Span>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ProfileTable {
    cpu_15x: Spanned<Cores>,
    memory_15x: Spanned<Bytes>,
    memory_least: Option<Spanned<Bytes>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MemoryTable {
    start: Spanned<Bytes>,
    per_call: Option<Spanned<Bytes>>,
    ceiling: Option<Spanned<Bytes>>,
    working_set: Option<Spanned<Bytes>>,
    heap_share: Option<Spanned<f64>>,
    page_cache: Option<Spanned<Bytes>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RequestTable {
    name: Spanned<String>,
    weight: Spanned<f64>,
    failure_share: Option<Spanned<f64>>,
    call: CallTable,
    #[serde(default)]
    detached: Vec<CallTable>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CallTable {
    to: Spanned<String>,
    op: String,
    cpu: Spanned<Span>,
    repeat: Option<Spanned<i64>>,
    #[serde(default)]
    stages: Vec<Spanned<Vec<CallTable>>>,
}

/// A table of named entries in the order of the file, with the place of each
/// name.
struct Named<T>(Vec<(Spanned<String>, T)>);

impl<T> Named<T> {
    fn names(&self) -> impl Iterator<Item = &str> + Clone {
        self.0.iter().map(|(name, _)| name.get_ref().as_str())
    }

    fn find(&self, name: &str) -> Option<usize> {
        self.names().position(|other| other == name)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Named<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries<T>(std::marker::PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Entries<T> {
            type Value = Vec<(Spanned<String>, T)>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a table")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(entries)
            }
        }

        let mut entries = deserializer.deserialize_map(Entries(std::marker::PhantomData))?;
        // TOML tables have no order; the file has.
        entries.sort_by_key(|(name, _)| name.span().start);
        Ok(Named(entries))
    }
}

/// Checks what TOML cannot, and resolves names.
struct Reader<'a> {
    checked: Checked<'a>,
}

impl Reader<'_> {
    fn application(&self, table: &Table) -> Result<Application, FileError> {
        let kinds = [
            ("services", table.services.0.len()),
            ("requests", table.requests.len()),
        ];
        for (kind, count) in kinds {
            if count == 0 {
                return Err(FileError::new(
                    self.checked.path,
                    format!("there are no {kind}"),
                ));
            }
            if count > MAX_ENTRIES {
                let message = format!("there are {count} {kind}; at most {MAX_ENTRIES} are read");
                return Err(FileError::new(self.checked.path, message));
            }
        }
        let name = self
            .checked
            .path
            .file_stem()
            .unwrap_or(self.checked.path.as_os_str());
        // A runtime that no service uses is checked as well.
        for (_, runtime) in &table.runtimes.0 {
            self.runtime(runtime, None)?;
        }
        let services = table
            .services
            .0
            .iter()
            .map(|(name, service)| self.service(name, service, &table.runtimes))
            .collect::<Result<_, _>>()?;
        let one = Application {
            name: name.to_string_lossy().into_owned(),
            services,
            requests: self.requests(table)?,
        };
        match &table.copies {
            None => Ok(one),
            Some(copies) => {
                let largest = one.services.len().max(one.requests.len());
                let most = (MAX_ENTRIES / largest) as u32;
                Ok(one.side_by_side(self.checked.count("copies", copies, most)?))
            }
        }
    }

    fn service(
        &self,
        name: &Spanned<String>,
        service: &ServiceTable,
        runtimes: &Named<RuntimeTable>,
    ) -> Result<Service, FileError> {
        let index = runtimes.find(service.runtime.get_ref());
        let index =
            index.ok_or_else(|| self.unknown("runtime", &service.runtime, runtimes.names()))?;
        let runtime = &runtimes.0[index].1;
        Ok(Service {
            name: self.name(name)?,
            deployment: match service.deployment {
                DeploymentName::Container => Deployment::Container,
                DeploymentName::Function => Deployment::Function,
                DeploymentName::External => Deployment::External,
            },
            limits: self.limits(name, service)?,
            idle: self
                .checked
                .at_most("idle", service.idle.as_ref(), MAX_CPU)?,
            runtime: self.runtime(runtime, Some(service))?,
            memory: self.memory(&service.memory, runtime)?,
        })
    }

    /// A container's profile; others must have none.
    fn limits(&self, name: &Spanned<String>, service: &ServiceTable) -> Result<Profile, FileError> {
        let container = service.deployment == DeploymentName::Container;
        match &service.profile {
            Some(profile) if container => {
                let profile = profile.get_ref();
                let memory = &profile.memory_15x;
                let least = profile.memory_least.as_ref();
                Ok(Profile {
                    cpu_15x: self
                        .checked
                        .positive("cpu_15x", &profile.cpu_15x, MAX_CPU)?,
                    memory_15x: self.checked.positive("memory_15x", memory, MAX_MEMORY)?,
                    memory_least: self.checked.at_most("memory_least", least, MAX_MEMORY)?,
                })
            }
            Some(profile) => {
                let message = "only containers have a `profile`: a platform says what limits \
                               functions get, and external services have none";
                Err(self.checked.at(profile, message))
            }
            None if container => {
                let message = format!(
                    "missing key `profile`: what are the limits of `{}`?",
                    name.get_ref()
                );
                Err(self.checked.at(name, message))
            }
            None => Ok(Profile::default()),
        }
    }

    /// `runtime`, with what `service` has of its own.
    fn runtime(
        &self,
        runtime: &RuntimeTable,
        service: Option<&ServiceTable>,
    ) -> Result<Runtime, FileError> {
        let own = |field: fn(&ServiceTable) -> Option<&Spanned<f64>>| service.and_then(field);
        let threads = service.and_then(|service| service.threads.as_ref());
        let order = service.and_then(|service| service.order);
        let start_time = service.and_then(|service| service.start_time.as_ref());
        let warm_up = service.and_then(|service| service.warm_up.as_ref());
        self.checked
            .at_most("working_set", runtime.working_set.as_ref(), MAX_MEMORY)?;
        Ok(Runtime {
            threads: self.checked.count(
                "threads",
                threads.unwrap_or(&runtime.threads),
                MAX_THREADS,
            )?,
            order: match order.unwrap_or(runtime.order) {
                OrderName::Fifo => Order::Fifo,
                OrderName::Lifo => Order::Lifo,
            },
            path_share: self.checked.number(
                "path_share",
                own(|service| service.path_share.as_ref()).unwrap_or(&runtime.path_share),
                0.0..=1.0,
            )?,
            sigma: self.checked.number(
                "sigma",
                own(|service| service.sigma.as_ref()).unwrap_or(&runtime.sigma),
                0.0..=5.0,
            )?,
            start_time: self.checked.at_most(
                "start_time",
                Some(start_time.unwrap_or(&runtime.start_time)),
                MAX_START,
            )?,
            warm_up: match warm_up.or(runtime.warm_up.as_ref()) {
                Some(table) => Some(self.warm_up(table)?),
                None => None,
            },
        })
    }

    fn warm_up(&self, table: &WarmUpTable) -> Result<WarmUp, FileError> {
        Ok(WarmUp {
            factor: self.checked.number("factor", &table.factor, 1.0..=1000.0)?,
            calls: self.checked.number("calls", &table.calls, 1.0..=1e12)?,
            compile: self
                .checked
                .at_most("compile", Some(&table.compile), MAX_START)?,
        })
    }

    fn memory(&self, table: &MemoryTable, runtime: &RuntimeTable) -> Result<Memory, FileError> {
        let start = self
            .checked
            .at_most("start", Some(&table.start), MAX_MEMORY)?;
        if let Some(ceiling) = &table.ceiling {
            self.checked.at_most("ceiling", Some(ceiling), MAX_MEMORY)?;
            if *ceiling.get_ref() < start {
                let message = format!("`ceiling` must not be under `start`, {start}");
                return Err(self.checked.at(ceiling, message));
            }
        }
        let working_set = table.working_set.as_ref().or(runtime.working_set.as_ref());
        let page_cache = table.page_cache.as_ref().or(runtime.page_cache.as_ref());
        Ok(Memory {
            start,
            per_call: self
                .checked
                .at_most("per_call", table.per_call.as_ref(), MAX_MEMORY)?,
            ceiling: table.ceiling.as_ref().map(|ceiling| *ceiling.get_ref()),
            working_set: self
                .checked
                .at_most("working_set", working_set, MAX_MEMORY)?,
            heap_share: match &table.heap_share {
                // A heap as large as its container would be killed at once.
                Some(share) => self.checked.number("heap_share", share, 0.0..=0.95)?,
                None => 0.0,
            },
            page_cache: self
                .checked
                .at_most("page_cache", page_cache, MAX_MEMORY)?
                .min(start),
        })
    }

    fn requests(&self, table: &Table) -> Result<Vec<Request>, FileError> {
        let mut seen = BTreeSet::new();
        let mut requests = Vec::new();
        for request in &table.requests {
            let name = self.name(&request.name)?;
            if !seen.insert(name.clone()) {
                let message = format!("there are two requests named `{name}`");
                return Err(self.checked.at(&request.name, message));
            }
            let mut calls = 0;
            let mut call = |call| self.call(call, &table.services, 1, 1, &mut calls);
            requests.push(Request {
                name,
                share: self
                    .checked
                    .number("weight", &request.weight, f64::MIN_POSITIVE..=1e9)?,
                failure_share: match &request.failure_share {
                    Some(share) => self.checked.number("failure_share", share, 0.0..=1.0)?,
                    None => 0.0,
                },
                root: call(&request.call)?,
                detached: request
                    .detached
                    .iter()
                    .map(call)
                    .collect::<Result<_, _>>()?,
            });
        }
        let sum: f64 = requests.iter().map(|request| request.share).sum();
        for request in &mut requests {
            request.share /= sum;
        }
        Ok(requests)
    }

    /// `times` is how often the caller runs per request; `calls` counts the
    /// calls of the request so far.
    fn call(
        &self,
        table: &CallTable,
        services: &Named<ServiceTable>,
        depth: usize,
        times: u64,
        calls: &mut u64,
    ) -> Result<Call, FileError> {
        if depth > MAX_DEPTH {
            let message = format!("calls are nested deeper than {MAX_DEPTH}");
            return Err(self.checked.at(&table.to, message));
        }
        let service = services.find(table.to.get_ref());
        let service =
            service.ok_or_else(|| self.unknown("service", &table.to, services.names()))?;
        let repeat = match &table.repeat {
            Some(repeat) => self.checked.count("repeat", repeat, MAX_REPEAT)?,
            None => 1,
        };
        let external = services.0[service].1.deployment == DeploymentName::External;
        if let Some(stage) = table.stages.first().filter(|_| external) {
            let message = format!(
                "`{}` is external: what it calls is its own affair",
                table.to.get_ref()
            );
            return Err(self.checked.at(stage, message));
        }
        let times = times.saturating_mul(u64::from(repeat));
        *calls = calls.saturating_add(times);
        if *calls > MAX_CALLS {
            let message = format!("the request makes more than {MAX_CALLS} calls");
            return Err(self.checked.at(&table.to, message));
        }
        if let Some(stage) = table.stages.get(MAX_STAGES) {
            let message = format!("a call has at most {MAX_STAGES} stages");
            return Err(self.checked.at(stage, message));
        }
        let mut stages = Vec::new();
        for stage in &table.stages {
            if stage.get_ref().is_empty() {
                return Err(self.checked.at(stage, "a stage without calls"));
            }
            if let Some(call) = stage.get_ref().get(MAX_PARALLEL) {
                let message = format!("a stage has at most {MAX_PARALLEL} calls");
                return Err(self.checked.at(&call.to, message));
            }
            let stage = stage.get_ref().iter();
            let stage = stage.map(|call| self.call(call, services, depth + 1, times, calls));
            stages.push(stage.collect::<Result<_, _>>()?);
        }
        Ok(Call {
            service,
            operation: table.op.clone(),
            cpu: self
                .checked
                .at_most("cpu", Some(&table.cpu), MAX_CALL_CPU)?,
            repeat,
            stages,
        })
    }

    fn unknown<'b>(
        &self,
        kind: &str,
        name: &Spanned<String>,
        known: impl Iterator<Item = &'b str> + Clone,
    ) -> FileError {
        let error = self
            .checked
            .at(name, format!("there is no {kind} `{}`", name.get_ref()));
        match file::suggestion(name.get_ref(), known) {
            Some(help) => error.with_help(help),
            None => error,
        }
    }

    fn name(&self, name: &Spanned<String>) -> Result<String, FileError> {
        if name.get_ref().trim().is_empty() {
            return Err(self.checked.at(name, "a name must not be empty"));
        }
        Ok(name.get_ref().clone())
    }
}

#[cfg(test)]
mod tests;
