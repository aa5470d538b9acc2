//! Reads a load from its file.
//!
//! ```toml
//! kind = "fixed"                     # or "exponential"
//! rate = 400                         # requests per second
//! ```
//! ```toml
//! kind = "batch"
//! tasks = 960                        # all due at once
//! ```
//! ```toml
//! kind = "burst"
//! base = 50
//! burst = 600                        # on top, in the last `length` of each `period`
//! length = "10s"
//! period = "20s"
//! scale = 1                          # multiplies both rates; 1 if absent
//! ```
//! ```toml
//! kind = "alibaba"
//! low = 56                           # the trace is mapped onto [low, high]
//! high = 548
//! step = "60s"                       # of the trace
//! speed = 10                         # so 6 s of the run
//! scale = 1
//! steps = 30                         # how many are generated, or, instead:
//! file = "MSRTQps_0.csv"             # a real trace, beside this file
//! format = "alibaba-microservices-v2021-msrtqps"
//! metric = "HTTP_MCR"                # which rows, for this format
//! absolute = true                    # take its rates as they are
//! ```
//! ```toml
//! kind = "trace"
//! file = "load.csv"                  # beside this file: what `tidegate trace convert` writes
//! low = 56                           # the rates are mapped onto [low, high]; taken
//! high = 548                         # as they are if both are absent
//! speed = 10                         # 1 if absent
//! scale = 1
//! ```
//! ```toml
//! kind = "closed"
//! threads = [1, 4]                   # active in each step; then from the first again
//! step = "10s"
//! ```

use std::path::Path;

use serde::Deserialize;
use tidegate_core::Span;
use toml::Spanned;

use super::{Concurrency, Load};
use crate::checked::Checked;
use crate::file::{self, FileError};
use crate::trace::{self, Format, Series};

/// Above this no simulation ends, and no client sends.
const MAX_RATE: f64 = 1e7;
const MAX_STEPS: u32 = 1_000_000;
/// More threads than this saturate no container.
const MAX_THREADS: u32 = 10_000;
const MAX_TASKS: u32 = 10_000_000;
/// The paper's runs: 180 s at 10 times the trace's speed, in steps of 60 s.
const DEFAULT_STEPS: usize = 30;
/// A shorter step is shorter than a request.
const MIN_STEP: Span = Span::from_millis(1);
const MAX_STEP: Span = Span::from_secs(7 * 24 * 3_600);

impl Load {
    /// Reads a load from `text`. `seed` is used where rates are generated;
    /// `path` is named in messages, and traces are looked for beside it.
    ///
    /// # Errors
    /// When `text`, or the trace it names, cannot be read or is wrong.
    pub fn parse(path: &Path, text: &str, seed: u64) -> Result<Load, FileError> {
        let checked = Checked { path, text };
        let reader = Reader { checked };
        // The kind first: then a key of another kind is an error.
        match file::parse::<KindOnly>(path, text)?.kind {
            Kind::Fixed => {
                let table: RateTable = file::parse(path, text)?;
                let rate = reader.rate("rate", &table.rate)?;
                Ok(Load::Fixed { rate })
            }
            Kind::Exponential => {
                let table: RateTable = file::parse(path, text)?;
                let rate = reader.rate("rate", &table.rate)?;
                Ok(Load::Exponential { rate })
            }
            Kind::Batch => {
                let table: BatchTable = file::parse(path, text)?;
                let tasks = checked.count("tasks", &table.tasks, MAX_TASKS)?;
                Ok(Load::Batch { tasks })
            }
            Kind::Burst => reader.burst(&file::parse(path, text)?),
            Kind::Alibaba => reader.alibaba(&file::parse(path, text)?, seed),
            Kind::Trace => reader.rates(&file::parse(path, text)?),
            Kind::Closed => reader.closed(&file::parse(path, text)?),
        }
    }
}

#[derive(Deserialize)]
struct KindOnly {
    kind: Kind,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Fixed,
    Exponential,
    Batch,
    Burst,
    Alibaba,
    Trace,
    Closed,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RateTable {
    #[serde(rename = "kind")]
    _kind: Kind,
    rate: Spanned<f64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BatchTable {
    #[serde(rename = "kind")]
    _kind: Kind,
    tasks: Spanned<i64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BurstTable {
    #[serde(rename = "kind")]
    _kind: Kind,
    base: Spanned<f64>,
    burst: Spanned<f64>,
    length: Spanned<Span>,
    period: Spanned<Span>,
    scale: Option<Spanned<f64>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AlibabaTable {
    #[serde(rename = "kind")]
    _kind: Kind,
    low: Option<Spanned<f64>>,
    high: Option<Spanned<f64>>,
    step: Spanned<Span>,
    speed: Option<Spanned<f64>>,
    scale: Option<Spanned<f64>>,
    steps: Option<Spanned<i64>>,
    file: Option<Spanned<String>>,
    format: Option<Spanned<Format>>,
    metric: Option<Spanned<String>>,
    absolute: Option<Spanned<bool>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TraceTable {
    #[serde(rename = "kind")]
    _kind: Kind,
    file: Spanned<String>,
    low: Option<Spanned<f64>>,
    high: Option<Spanned<f64>>,
    speed: Option<Spanned<f64>>,
    scale: Option<Spanned<f64>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClosedTable {
    #[serde(rename = "kind")]
    _kind: Kind,
    threads: Spanned<Vec<Spanned<i64>>>,
    step: Spanned<Span>,
}

struct Reader<'a> {
    checked: Checked<'a>,
}

impl Reader<'_> {
    fn burst(&self, table: &BurstTable) -> Result<Load, FileError> {
        let length = self.step("length", &table.length)?;
        let period = self.step("period", &table.period)?;
        if length > period {
            let message = format!("`length` must be at most `period`, {period}, not {length}");
            return Err(self.checked.at(&table.length, message));
        }
        Ok(Load::Burst {
            base: self.rate("base", &table.base)?,
            burst: self.rate("burst", &table.burst)?,
            length,
            period,
            scale: self.factor("scale", table.scale.as_ref())?,
        })
    }

    fn closed(&self, table: &ClosedTable) -> Result<Load, FileError> {
        let step = self.step("step", &table.step)?;
        let mut threads = Vec::new();
        for count in table.threads.get_ref() {
            let number = u32::try_from(*count.get_ref());
            let number = number.ok().filter(|number| *number <= MAX_THREADS);
            threads.push(number.ok_or_else(|| {
                let count_is = count.get_ref();
                let message = format!("`threads` must be from 0 to {MAX_THREADS}, not {count_is}");
                self.checked.at(count, message)
            })?);
        }
        let none = || {
            let message = "`threads` needs a step with at least one thread";
            self.checked.at(&table.threads, message)
        };
        let threads = Concurrency::new(&threads, step).ok_or_else(none)?;
        Ok(Load::Closed(threads))
    }

    fn alibaba(&self, table: &AlibabaTable, seed: u64) -> Result<Load, FileError> {
        let scale = self.factor("scale", table.scale.as_ref())?;
        let speed = self.factor("speed", table.speed.as_ref())?;
        let bucket = self.step("step", &table.step)?;
        let step = self.faster(bucket, speed, &table.step)?;
        let (series, source) = match &table.file {
            Some(file) => (self.trace(table, file, bucket)?, file.get_ref().clone()),
            None => (self.generated(table, seed)?, "generated".to_owned()),
        };
        let absolute = table.absolute.as_ref();
        let rates = match absolute.filter(|absolute| *absolute.get_ref()) {
            Some(absolute) => {
                self.refuse(
                    table.low.as_ref(),
                    "`low` has no use where rates are absolute",
                )?;
                self.refuse(
                    table.high.as_ref(),
                    "`high` has no use where rates are absolute",
                )?;
                self.rates_of(&series, absolute)?
            }
            None => self.mapped(&series, table.low.as_ref(), table.high.as_ref())?,
        };
        Ok(Load::Steps {
            rates: rates.iter().map(|rate| rate * scale).collect(),
            step,
            source: source.into(),
        })
    }

    /// A load that was converted before.
    fn rates(&self, table: &TraceTable) -> Result<Load, FileError> {
        let scale = self.factor("scale", table.scale.as_ref())?;
        let speed = self.factor("speed", table.speed.as_ref())?;
        let file = table.file.get_ref();
        let folder = self.checked.path.parent().unwrap_or(Path::new(""));
        let series = trace::rates(&folder.join(file))?;
        let step = self.faster(series.step, speed, &table.file)?;
        let rates = match (&table.low, &table.high) {
            (None, None) => self.rates_of(&series, &table.file)?,
            (low, high) => self.mapped(&series, low.as_ref(), high.as_ref())?,
        };
        Ok(Load::Steps {
            rates: rates.iter().map(|rate| rate * scale).collect(),
            step,
            source: file.as_str().into(),
        })
    }

    /// A step of a trace that runs `speed` times as fast.
    fn faster<T>(&self, step: Span, speed: f64, place: &Spanned<T>) -> Result<Span, FileError> {
        let fast = step.scale(1.0 / speed);
        if fast >= MIN_STEP {
            return Ok(fast);
        }
        let message = format!("`step` / `speed` must be at least {MIN_STEP}, not {fast}");
        Err(self.checked.at(place, message))
    }

    /// The values of a series as rates, as they are.
    fn rates_of<T>(&self, series: &Series, place: &Spanned<T>) -> Result<Vec<f64>, FileError> {
        let highest = series.values.iter().copied().fold(0.0, f64::max);
        if highest > 0.0 && highest <= MAX_RATE {
            return Ok(series.values.clone());
        }
        let message = format!(
            "the highest rate of the trace must be above 0, up to {MAX_RATE}, not {highest}"
        );
        Err(self.checked.at(place, message))
    }

    /// The values of a series mapped onto rates from `low` to `high`.
    fn mapped(
        &self,
        series: &Series,
        low: Option<&Spanned<f64>>,
        high: Option<&Spanned<f64>>,
    ) -> Result<Vec<f64>, FileError> {
        let place = low;
        let (low, high) = (self.bound("low", low)?, self.bound("high", high)?);
        if let Some(place) = place.filter(|_| low > high) {
            let message = format!("`low` must not be above `high`, {high}, but is {low}");
            return Err(self.checked.at(place, message));
        }
        Ok(series.onto(low, high))
    }

    fn generated(&self, table: &AlibabaTable, seed: u64) -> Result<Series, FileError> {
        let needs = "needs a `file`";
        self.refuse(table.format.as_ref(), &format!("`format` {needs}"))?;
        self.refuse(table.metric.as_ref(), &format!("`metric` {needs}"))?;
        self.refuse(table.absolute.as_ref(), &format!("`absolute` {needs}"))?;
        let steps = match &table.steps {
            Some(steps) => self.checked.count("steps", steps, MAX_STEPS)? as usize,
            None => DEFAULT_STEPS,
        };
        Ok(trace::generate(seed, steps, *table.step.get_ref()))
    }

    fn trace(
        &self,
        table: &AlibabaTable,
        file: &Spanned<String>,
        bucket: Span,
    ) -> Result<Series, FileError> {
        self.refuse(table.steps.as_ref(), "`steps` has no use beside a `file`")?;
        let Some(format) = &table.format else {
            let error = self.checked.at(file, "a `file` needs a `format`");
            return Err(error.with_help(format!("one of {}", Format::names())));
        };
        let layout = format.get_ref().layout();
        if layout.metric.is_none() {
            let message = "`metric` has no use for this format";
            self.refuse(table.metric.as_ref(), message)?;
        }
        let metric = table
            .metric
            .as_ref()
            .map(|metric| metric.get_ref().as_str());
        let is_rate = format.get_ref().has_rates();
        let absolute = table.absolute.as_ref();
        if let Some(absolute) = absolute.filter(|value| *value.get_ref() && !is_rate) {
            return Err(self
                .checked
                .at(absolute, "this format has no rates, only utilisation"));
        }
        let interval = layout.interval;
        if bucket < interval {
            let message = format!("`step` must be at least the trace's interval, {interval}");
            return Err(self.checked.at(&table.step, message));
        }
        let folder = self.checked.path.parent().unwrap_or(Path::new(""));
        trace::read(
            &folder.join(file.get_ref()),
            *format.get_ref(),
            metric,
            bucket,
        )
    }

    fn bound(&self, key: &str, value: Option<&Spanned<f64>>) -> Result<f64, FileError> {
        match value {
            Some(value) => self.rate(key, value),
            None => Err(FileError::new(
                self.checked.path,
                format!("missing key `{key}`"),
            )),
        }
    }

    fn rate(&self, key: &str, value: &Spanned<f64>) -> Result<f64, FileError> {
        self.checked.number(key, value, 1e-3..=MAX_RATE)
    }

    /// A factor, one if absent.
    fn factor(&self, key: &str, value: Option<&Spanned<f64>>) -> Result<f64, FileError> {
        value.map_or(Ok(1.0), |value| self.checked.number(key, value, 1e-3..=1e3))
    }

    fn step(&self, key: &str, value: &Spanned<Span>) -> Result<Span, FileError> {
        let span = *value.get_ref();
        if (MIN_STEP..=MAX_STEP).contains(&span) {
            return Ok(span);
        }
        let message = format!("`{key}` must be from {MIN_STEP} to {MAX_STEP}, not {span}");
        Err(self.checked.at(value, message))
    }

    /// An error if the key is there at all.
    fn refuse<T>(&self, value: Option<&Spanned<T>>, message: &str) -> Result<(), FileError> {
        value.map_or(Ok(()), |value| Err(self.checked.at(value, message)))
    }
}

#[cfg(test)]
mod tests;
