//! Reads an application from its file.
//!
//! ```toml
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
//! [services.front]                   # one container each
//! runtime = "tomcat"
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
use std::ops::RangeInclusive;
use std::path::Path;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use tidegate_core::{Bytes, Cores, Span};
use toml::Spanned;

use super::{Application, Call, Memory, Order, Profile, Request, Runtime, Service, WarmUp};
use crate::file::{self, FileError};

/// Calls may be nested this deep.
const MAX_DEPTH: usize = 16;
/// One request may make this many calls in all.
const MAX_CALLS: u64 = 1_000_000;
/// An application may have this many services, and kinds of requests.
const MAX_ENTRIES: usize = 10_000;
const MAX_CPU: Cores = Cores::new(100_000);
const MAX_MEMORY: Bytes = Bytes::from_mib(64 << 20);
const MAX_CALL_CPU: Span = Span::from_secs(3_600);
const MAX_START: Span = Span::from_secs(24 * 3_600);

impl Application {
    /// Reads the application in the file at `path`; the file's name is the
    /// application's.
    ///
    /// # Errors
    /// When the file cannot be read, is no TOML, or describes no application:
    /// unknown keys and names, numbers out of range, calls nested deeper than
    /// 16 or more than a million of them in one request.
    pub fn load(path: &Path) -> Result<Application, FileError> {
        Application::parse(path, &file::read_text(path)?)
    }

    /// Reads an application from `text`; `path` gives its name and is named in
    /// messages.
    ///
    /// # Errors
    /// As [`load`](Application::load).
    pub fn parse(path: &Path, text: &str) -> Result<Application, FileError> {
        let table: Table = file::parse(path, text)?;
        Reader { path, text }.application(&table)
    }
}

/// The file as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
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
    profile: ProfileTable,
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
    path: &'a Path,
    text: &'a str,
}

impl Reader<'_> {
    fn application(&self, table: &Table) -> Result<Application, FileError> {
        let kinds = [
            ("services", table.services.0.len()),
            ("requests", table.requests.len()),
        ];
        for (kind, count) in kinds {
            if count == 0 {
                return Err(FileError::new(self.path, format!("there are no {kind}")));
            }
            if count > MAX_ENTRIES {
                let message = format!("there are {count} {kind}; at most {MAX_ENTRIES} are read");
                return Err(FileError::new(self.path, message));
            }
        }
        let name = self.path.file_stem().unwrap_or(self.path.as_os_str());
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
        Ok(Application {
            name: name.to_string_lossy().into_owned(),
            services,
            requests: self.requests(table)?,
        })
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
            limits: Profile {
                cpu_15x: self.positive("cpu_15x", &service.profile.cpu_15x, MAX_CPU)?,
                memory_15x: self.positive("memory_15x", &service.profile.memory_15x, MAX_MEMORY)?,
                memory_least: self.at_most(
                    "memory_least",
                    service.profile.memory_least.as_ref(),
                    MAX_MEMORY,
                )?,
            },
            idle: self.at_most("idle", service.idle.as_ref(), MAX_CPU)?,
            runtime: self.runtime(runtime, Some(service))?,
            memory: self.memory(&service.memory, runtime)?,
        })
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
        self.at_most("working_set", runtime.working_set.as_ref(), MAX_MEMORY)?;
        Ok(Runtime {
            threads: self.count("threads", threads.unwrap_or(&runtime.threads))?,
            order: match order.unwrap_or(runtime.order) {
                OrderName::Fifo => Order::Fifo,
                OrderName::Lifo => Order::Lifo,
            },
            path_share: self.number(
                "path_share",
                own(|service| service.path_share.as_ref()).unwrap_or(&runtime.path_share),
                0.0..=1.0,
            )?,
            sigma: self.number(
                "sigma",
                own(|service| service.sigma.as_ref()).unwrap_or(&runtime.sigma),
                0.0..=5.0,
            )?,
            start_time: self.at_most(
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
            factor: self.number("factor", &table.factor, 1.0..=1000.0)?,
            calls: self.number("calls", &table.calls, 1.0..=1e12)?,
            compile: self.at_most("compile", Some(&table.compile), MAX_START)?,
        })
    }

    fn memory(&self, table: &MemoryTable, runtime: &RuntimeTable) -> Result<Memory, FileError> {
        let start = self.at_most("start", Some(&table.start), MAX_MEMORY)?;
        if let Some(ceiling) = &table.ceiling {
            self.at_most("ceiling", Some(ceiling), MAX_MEMORY)?;
            if *ceiling.get_ref() < start {
                let message = format!("`ceiling` must not be under `start`, {start}");
                return Err(self.at(ceiling, message));
            }
        }
        let working_set = table.working_set.as_ref().or(runtime.working_set.as_ref());
        let page_cache = table.page_cache.as_ref().or(runtime.page_cache.as_ref());
        Ok(Memory {
            start,
            per_call: self.at_most("per_call", table.per_call.as_ref(), MAX_MEMORY)?,
            ceiling: table.ceiling.as_ref().map(|ceiling| *ceiling.get_ref()),
            working_set: self.at_most("working_set", working_set, MAX_MEMORY)?,
            heap_share: match &table.heap_share {
                // A heap as large as its container would be killed at once.
                Some(share) => self.number("heap_share", share, 0.0..=0.95)?,
                None => 0.0,
            },
            page_cache: self
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
                return Err(self.at(&request.name, message));
            }
            let mut calls = 0;
            let mut call = |call| self.call(call, &table.services, 1, 1, &mut calls);
            requests.push(Request {
                name,
                share: self.number("weight", &request.weight, f64::MIN_POSITIVE..=1e9)?,
                failure_share: match &request.failure_share {
                    Some(share) => self.number("failure_share", share, 0.0..=1.0)?,
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
            return Err(self.at(&table.to, message));
        }
        let service = services.find(table.to.get_ref());
        let service =
            service.ok_or_else(|| self.unknown("service", &table.to, services.names()))?;
        let repeat = match &table.repeat {
            Some(repeat) => self.count("repeat", repeat)?,
            None => 1,
        };
        let times = times.saturating_mul(u64::from(repeat));
        *calls = calls.saturating_add(times);
        if *calls > MAX_CALLS {
            let message = format!("the request makes more than {MAX_CALLS} calls");
            return Err(self.at(&table.to, message));
        }
        let mut stages = Vec::new();
        for stage in &table.stages {
            if stage.get_ref().is_empty() {
                return Err(self.at(stage, "a stage without calls"));
            }
            let stage = stage.get_ref().iter();
            let stage = stage.map(|call| self.call(call, services, depth + 1, times, calls));
            stages.push(stage.collect::<Result<_, _>>()?);
        }
        Ok(Call {
            service,
            operation: table.op.clone(),
            cpu: self.at_most("cpu", Some(&table.cpu), MAX_CALL_CPU)?,
            repeat,
            stages,
        })
    }

    fn at<T>(&self, place: &Spanned<T>, message: impl Into<String>) -> FileError {
        FileError::at(self.path, self.text, place.span(), message)
    }

    fn unknown<'b>(
        &self,
        kind: &str,
        name: &Spanned<String>,
        known: impl Iterator<Item = &'b str> + Clone,
    ) -> FileError {
        let error = self.at(name, format!("there is no {kind} `{}`", name.get_ref()));
        match file::suggestion(name.get_ref(), known) {
            Some(help) => error.with_help(help),
            None => error,
        }
    }

    fn name(&self, name: &Spanned<String>) -> Result<String, FileError> {
        if name.get_ref().trim().is_empty() {
            return Err(self.at(name, "a name must not be empty"));
        }
        Ok(name.get_ref().clone())
    }

    fn number(
        &self,
        key: &str,
        value: &Spanned<f64>,
        range: RangeInclusive<f64>,
    ) -> Result<f64, FileError> {
        let number = *value.get_ref();
        if range.contains(&number) {
            return Ok(number);
        }
        let message = if *range.start() == f64::MIN_POSITIVE {
            format!("`{key}` must be above 0, up to {}", range.end())
        } else {
            format!("`{key}` must be from {} to {}", range.start(), range.end())
        };
        Err(self.at(value, format!("{message}, not {number}")))
    }

    fn count(&self, key: &str, value: &Spanned<i64>) -> Result<u32, FileError> {
        match u32::try_from(*value.get_ref()) {
            Ok(count @ 1..=1_000_000) => Ok(count),
            _ => {
                let number = value.get_ref();
                let message = format!("`{key}` must be from 1 to 1000000, not {number}");
                Err(self.at(value, message))
            }
        }
    }

    /// The value, or nothing of it where the key is absent.
    fn at_most<T: Copy + Default + PartialOrd + fmt::Display>(
        &self,
        key: &str,
        value: Option<&Spanned<T>>,
        max: T,
    ) -> Result<T, FileError> {
        let Some(value) = value else {
            return Ok(T::default());
        };
        if *value.get_ref() > max {
            let message = format!("`{key}` must be at most {max}, not {}", value.get_ref());
            return Err(self.at(value, message));
        }
        Ok(*value.get_ref())
    }

    fn positive<T: Copy + Default + PartialOrd + fmt::Display>(
        &self,
        key: &str,
        value: &Spanned<T>,
        max: T,
    ) -> Result<T, FileError> {
        if *value.get_ref() == T::default() {
            return Err(self.at(value, format!("`{key}` must be above zero")));
        }
        self.at_most(key, Some(value), max)
    }
}

#[cfg(test)]
mod tests;
