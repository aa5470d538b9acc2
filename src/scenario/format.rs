//! The scenario file as it is written.
//!
//! Only the shape: what names mean, and whether they exist, is found out in
//! [`pieces`](crate::scenario::pieces) and [`matrix`](crate::scenario::matrix).
//! The doc comments here are what `tidegate schema` prints.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use tidegate_core::{Bytes, Cores, Span};
use toml::{Table, Value};

use crate::scenario::live::Live;
use crate::scenario::pieces::Kind;
use crate::scenario::recording::Series;

/// A Tidegate scenario: one experiment of one figure, table or claim.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ScenarioFile {
    /// What the experiment asks, in one line.
    pub title: String,
    /// More about it.
    pub description: Option<String>,
    /// The rows of `results/published` it belongs to, as file and prefix:
    /// "escra/table-1". `[[compare]]` entries may leave this prefix out.
    pub published: Option<String>,
    /// What kind of experiment it is.
    #[serde(default)]
    pub experiment: ExperimentKind,
    /// How long, how often and where each cell runs.
    pub run: Run,
    /// What is varied: every combination of these columns is a cell.
    pub matrix: Matrix,
    /// Further matrix columns: each sets a value inside a piece, named by a
    /// dotted path such as "allocator.update_period".
    #[serde(default)]
    pub columns: BTreeMap<String, String>,
    /// The metrics that the printed table shows; throughput, tail, slack and kills
    /// if not given. `summary.csv` always has all.
    #[serde(default)]
    pub show: Vec<String>,
    /// The application-wide limit Ω.
    #[serde(default)]
    pub limit: Limit,
    /// What is scaled to fit a host, in both worlds.
    #[serde(default)]
    pub live: Live,
    /// Applications defined or changed here, by name. `base` names the one to
    /// change.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, BTreeMap<String, serde_json::Value>>")]
    pub application: BTreeMap<String, Table>,
    /// Workloads defined or changed here, by name.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, BTreeMap<String, serde_json::Value>>")]
    pub workload: BTreeMap<String, Table>,
    /// Testbeds defined or changed here, by name.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, BTreeMap<String, serde_json::Value>>")]
    pub testbed: BTreeMap<String, Table>,
    /// Allocators defined or changed here, by name.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, BTreeMap<String, serde_json::Value>>")]
    pub allocator: BTreeMap<String, Table>,
    /// Clients defined or changed here, by name.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, BTreeMap<String, serde_json::Value>>")]
    pub client: BTreeMap<String, Table>,
    /// Resource managers defined or changed here, by name.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, BTreeMap<String, serde_json::Value>>")]
    pub manager: BTreeMap<String, Table>,
    /// Thresholds that must hold in every matching cell and seed.
    #[serde(default)]
    pub expect: Vec<Expect>,
    /// Figures of a paper to lay the results beside.
    #[serde(default)]
    pub compare: Vec<Compare>,
    /// Who is beaten by whom, over all cells.
    pub front: Option<Front>,
}

/// How long, how often and where each cell runs.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// Which world runs it.
    #[serde(default)]
    pub world: World,
    /// How long the client sends: "180s". An experiment on a continuum ends by
    /// itself and has none; any other needs one.
    #[serde(default, skip_serializing_if = "is_zero")]
    #[schemars(with = "String")]
    pub duration: Span,
    /// How long the containers run before the client begins: "60s". Not
    /// measured; nothing if not given.
    #[serde(default)]
    #[schemars(with = "String")]
    pub settle: Span,
    /// How many seeds (1, 2, ... n), or which ones.
    #[serde(default)]
    pub seeds: Seeds,
    /// Whether what must hold is checked after every event, and rare states are
    /// counted among the results.
    #[serde(default)]
    pub watch: bool,
    /// The testbed of all cells, unless it is a column.
    pub testbed: Option<String>,
    /// The client of all cells, unless it is a column; "wrk2" if not given.
    pub client: Option<String>,
    /// Writes limits and use over time to series.csv.
    pub series: Option<Series>,
    /// Writes the full distributions of latency and slack to cdf.csv.
    #[serde(default)]
    pub cdf: bool,
    /// The workload of all cells of an experiment on a continuum, unless it is a
    /// column.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workload: Option<String>,
    /// The resource manager of all cells of an experiment on a continuum, unless
    /// it is a column.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manager: Option<String>,
}

fn is_zero(span: &Span) -> bool {
    *span == Span::ZERO
}

/// What kind of experiment a scenario is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ExperimentKind {
    /// An application under a load, whose containers' limits an allocator sets.
    #[default]
    Application,
    /// A resource manager that deploys on many platforms, watches and forwards.
    Continuum,
}

impl ExperimentKind {
    /// The pieces that a cell is made of.
    pub fn pieces(self) -> &'static [Kind] {
        match self {
            ExperimentKind::Application => &[
                Kind::Application,
                Kind::Workload,
                Kind::Allocator,
                Kind::Testbed,
                Kind::Client,
            ],
            ExperimentKind::Continuum => {
                &[Kind::Workload, Kind::Manager, Kind::Testbed, Kind::Client]
            }
        }
    }

    /// Those of them that must be columns of the matrix.
    pub fn columns(self) -> &'static [Kind] {
        match self {
            ExperimentKind::Application => &[Kind::Application, Kind::Workload, Kind::Allocator],
            ExperimentKind::Continuum => &[],
        }
    }

    /// Keys that mean nothing in such an experiment.
    pub fn foreign(self) -> &'static [&'static [&'static str]] {
        match self {
            ExperimentKind::Application => {
                &[&["run", "workload"], &["run", "manager"], &["manager"]]
            }
            ExperimentKind::Continuum => &[
                &["run", "duration"],
                &["run", "settle"],
                &["run", "watch"],
                &["run", "series"],
                &["run", "cdf"],
                &["limit"],
                &["live"],
                &["application"],
                &["allocator"],
            ],
        }
    }
}

impl Run {
    /// The piece of `kind` that all cells have, if the file names one.
    pub fn piece(&self, kind: Kind) -> Option<&str> {
        let name = match kind {
            Kind::Testbed => &self.testbed,
            Kind::Client => &self.client,
            Kind::Workload => &self.workload,
            Kind::Manager => &self.manager,
            Kind::Application | Kind::Allocator => &None,
        };
        name.as_deref()
    }
}

/// Which world runs a scenario.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum World {
    /// The simulator.
    #[default]
    Sim,
    /// This host: real processes in control groups of their own.
    Live,
}

/// The columns: each name with its values. An experiment on an application needs
/// `application`, `workload` and `allocator`; `testbed`, `client` and those of
/// `[columns]` may be there. One on a continuum may vary `workload`, `manager`,
/// `testbed`, `client` and those of `[columns]`.
pub type Matrix = BTreeMap<String, Labels>;

/// The seeds of a scenario.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Seeds {
    /// Seeds 1 to n.
    Count(u64),
    /// These.
    List(Vec<u64>),
}

impl Seeds {
    /// The seeds themselves.
    pub fn list(&self) -> Vec<u64> {
        match self {
            Seeds::Count(n) => (1..=*n).collect(),
            Seeds::List(list) => list.clone(),
        }
    }
}

impl Default for Seeds {
    fn default() -> Seeds {
        Seeds::Count(1)
    }
}

impl<'de> Deserialize<'de> for Seeds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Seeds, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Seeds;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number of seeds or an array of seeds, such as 5 or [1, 7]")
            }
            fn visit_i64<E: de::Error>(self, n: i64) -> Result<Seeds, E> {
                u64::try_from(n)
                    .map(Seeds::Count)
                    .map_err(|_| E::invalid_value(de::Unexpected::Signed(n), &self))
            }
            fn visit_u64<E: de::Error>(self, n: u64) -> Result<Seeds, E> {
                Ok(Seeds::Count(n))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Seeds, A::Error> {
                let mut list = Vec::new();
                while let Some(seed) = seq.next_element()? {
                    list.push(seed);
                }
                Ok(Seeds::List(list))
            }
        }
        deserializer.deserialize_any(Reader)
    }
}

impl JsonSchema for Seeds {
    fn schema_name() -> Cow<'static, str> {
        "Seeds".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "How many seeds (1, 2, ... n), or which ones.",
            "anyOf": [
                { "type": "integer", "minimum": 1 },
                { "type": "array", "items": { "type": "integer", "minimum": 0 }, "minItems": 1 }
            ]
        })
    }
}

/// Values of a column: names of pieces, or for columns of `[columns]` texts,
/// numbers and truth values. One may stand without an array.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Labels(pub Vec<Value>);

impl Labels {
    /// The values as they are written in results.
    pub fn texts(&self) -> impl Iterator<Item = String> + '_ {
        self.0.iter().map(label)
    }

    /// Whether `text` is one of the values.
    pub fn contains(&self, text: &str) -> bool {
        self.texts().any(|label| label == text)
    }
}

/// A value as it is written in results.
pub fn label(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

impl<'de> Deserialize<'de> for Labels {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Labels, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Labels;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("text, a number, true, false or an array of them")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Labels, E> {
                Ok(Labels(vec![Value::String(text.to_owned())]))
            }
            fn visit_i64<E: de::Error>(self, n: i64) -> Result<Labels, E> {
                Ok(Labels(vec![Value::Integer(n)]))
            }
            fn visit_f64<E: de::Error>(self, x: f64) -> Result<Labels, E> {
                Ok(Labels(vec![Value::Float(x)]))
            }
            fn visit_bool<E: de::Error>(self, b: bool) -> Result<Labels, E> {
                Ok(Labels(vec![Value::Boolean(b)]))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Labels, A::Error> {
                let mut values = Vec::new();
                while let Some(Scalar(value)) = seq.next_element()? {
                    values.push(value);
                }
                Ok(Labels(values))
            }
        }
        deserializer.deserialize_any(Reader)
    }
}

/// One element of [`Labels`].
struct Scalar(Value);

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Scalar, D::Error> {
        struct Reader;
        impl Visitor<'_> for Reader {
            type Value = Scalar;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("text, a number, true or false")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Scalar, E> {
                Ok(Scalar(Value::String(text.to_owned())))
            }
            fn visit_i64<E: de::Error>(self, n: i64) -> Result<Scalar, E> {
                Ok(Scalar(Value::Integer(n)))
            }
            fn visit_f64<E: de::Error>(self, x: f64) -> Result<Scalar, E> {
                Ok(Scalar(Value::Float(x)))
            }
            fn visit_bool<E: de::Error>(self, b: bool) -> Result<Scalar, E> {
                Ok(Scalar(Value::Boolean(b)))
            }
        }
        deserializer.deserialize_any(Reader)
    }
}

impl JsonSchema for Labels {
    fn schema_name() -> Cow<'static, str> {
        "Labels".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let scalar = ["string", "number", "boolean"];
        json_schema!({
            "description": "One value or an array of them.",
            "anyOf": [
                { "type": scalar },
                { "type": "array", "items": { "type": scalar }, "minItems": 1 }
            ]
        })
    }
}

/// The application-wide limit Ω: the sum over all containers of the static
/// limits at `level`, unless given outright.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Limit {
    /// Multiple of the profiled maximum: "1.5x".
    pub level: Level,
    /// CPU of Ω, instead of the sum: "20 cores".
    #[schemars(with = "Option<String>")]
    pub cpu: Option<Cores>,
    /// Memory of Ω, instead of the sum: "2 GiB".
    #[schemars(with = "Option<String>")]
    pub memory: Option<Bytes>,
    /// No limit computed from a profile is below this: "0.05 cores". Escra's authors
    /// had 0.3 cores, which holds where nothing is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub floor: Option<Cores>,
    /// The part of all this that Ω really is: 0.8 for four fifths.
    #[serde(skip_serializing_if = "Share::is_whole")]
    pub share: Share,
}

/// A part of the limits above, from a thousandth to a hundred times.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(transparent)]
pub struct Share(pub f64);

impl Share {
    fn is_whole(&self) -> bool {
        *self == Share(1.0)
    }
}

impl<'de> Deserialize<'de> for Share {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Share, D::Error> {
        let share = f64::deserialize(deserializer)?;
        if (0.001..=100.0).contains(&share) {
            return Ok(Share(share));
        }
        Err(de::Error::custom(format!(
            "a share must be from 0.001 to 100, not {share}"
        )))
    }
}

impl Default for Limit {
    fn default() -> Limit {
        Limit {
            level: Level(1.5),
            cpu: None,
            memory: None,
            floor: None,
            share: Share(1.0),
        }
    }
}

/// A multiple of a profiled maximum. Text form: "1.5x".
#[derive(Clone, Copy, Debug, PartialEq, JsonSchema)]
#[schemars(with = "String")]
pub struct Level(pub f64);

impl Level {
    /// The highest.
    pub const MAX: f64 = 100.0;
}

impl<'de> Deserialize<'de> for Level {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Level, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.strip_suffix('x')
            .and_then(|number| number.parse().ok())
            .filter(|number| (0.01..=Level::MAX).contains(number))
            .map(Level)
            .ok_or_else(|| {
                de::Error::custom(format!(
                    "{text:?} is not a level such as \"1.5x\" (0.01x to 100x)"
                ))
            })
    }
}

impl Serialize for Level {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{}x", self.0))
    }
}

/// Selects cells by their columns: each named column has one of the values.
pub type Where = BTreeMap<String, Labels>;

/// A threshold that must hold in every matching cell and seed, or for their sum.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    /// Which number.
    pub metric: String,
    /// In which cells; in all if not given.
    #[serde(default, rename = "where")]
    pub cells: Where,
    /// Whether each run has to hold it, or the sum over all of them.
    #[serde(default)]
    pub over: Judged,
    /// It must be at least this.
    pub min: Option<f64>,
    /// It must be at most this.
    pub max: Option<f64>,
}

/// What a threshold is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Judged {
    /// The number of each cell with each seed.
    #[default]
    Each,
    /// Their sum: something that must have happened, but not everywhere.
    Sum,
}

/// The values of one column against each other, over all cells: who is on the
/// Pareto front, and who is dominated by whom.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Front {
    /// The column whose values compete, such as "allocator".
    pub column: String,
    /// What is shown, and what counts.
    pub metric: Vec<FrontMetric>,
}

/// A metric of a [`Front`].
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FrontMetric {
    /// Its name.
    pub name: String,
    /// Which end is better; if not given the metric is shown and does not count.
    pub best: Option<Best>,
    /// How cells and seeds become one number; the mean if not given.
    #[serde(default)]
    pub over: Over,
}

/// Which end of a metric is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Best {
    /// More is better.
    Highest,
    /// Less is better.
    Lowest,
}

/// How cells and seeds become one number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Over {
    /// Their mean.
    #[default]
    Mean,
    /// Their geometric mean: for numbers of very different sizes, such as tails.
    GeometricMean,
    /// The sum over cells, and the mean of that over seeds.
    Sum,
}

/// A figure of a paper to lay the results beside.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Compare {
    /// The row in `results/published`, as file and id
    /// ("escra/table-1/static/latency-reduction"), or without the prefix that
    /// the scenario's `published` gives.
    pub published: String,
    /// Which number of ours.
    pub metric: String,
    /// In which cells.
    pub of: Where,
    /// The cells to set against them, paired over all other columns.
    pub against: Option<Where>,
    /// How the two become one number; "value" if `against` is not given.
    #[serde(default, rename = "as")]
    pub form: Form,
    /// How cells, or pairs of cells, become one number; the mean if not given.
    #[serde(default)]
    pub take: Take,
    /// What the paper says about the figure: that it is so ("equals", if not
    /// given), or only that it is passed ("over", "under").
    #[serde(default)]
    pub claim: Claim,
    /// Narrows both sides.
    #[serde(default, rename = "where")]
    pub cells: Where,
    /// How far the measured value may be from the published one: "15 points"
    /// (absolute, in the row's unit) or "10%" (relative). 15 points for
    /// changes in percent, 10 % for the rest if not given.
    pub tolerance: Option<Tolerance>,
    /// Whether our model was fitted on this figure.
    #[serde(default)]
    pub role: Role,
}

/// How the two sides of a comparison become one number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// `of` itself.
    #[default]
    Value,
    /// By how much is `of` lower than `against`, in the metric's unit?
    Reduction,
    /// By how much is `of` higher than `against`, in the metric's unit?
    Increase,
    /// By how many percent of `against` is `of` lower?
    ReductionPercent,
    /// By how many percent of `against` is `of` higher?
    IncreasePercent,
    /// How many times as high as `of` is `against`?
    ReductionRatio,
    /// How many times as high as `against` is `of`?
    IncreaseRatio,
}

impl Form {
    /// The number for one cell, or one pair of cells.
    pub fn apply(self, of: f64, against: f64) -> f64 {
        match self {
            Form::Value => of,
            Form::Reduction => against - of,
            Form::Increase => of - against,
            Form::ReductionPercent => (against - of) / against * 100.0,
            Form::IncreasePercent => (of - against) / against * 100.0,
            Form::ReductionRatio => against / of,
            Form::IncreaseRatio => of / against,
        }
    }

    /// The number that says "no change": on its two sides are the two directions.
    /// A value has none.
    pub fn unchanged(self) -> Option<f64> {
        match self {
            Form::Value => None,
            Form::ReductionRatio | Form::IncreaseRatio => Some(1.0),
            _ => Some(0.0),
        }
    }
}

/// How cells, or pairs of cells, become one number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Take {
    /// Their mean.
    #[default]
    Mean,
    /// The highest: "up to".
    Max,
    /// The lowest: "at least".
    Min,
}

impl Take {
    /// One number of several; not a number of none.
    pub fn apply(self, values: &[f64]) -> f64 {
        match self {
            Take::Mean => values.iter().sum::<f64>() / values.len() as f64,
            Take::Max => values.iter().copied().fold(f64::NAN, f64::max),
            Take::Min => values.iter().copied().fold(f64::NAN, f64::min),
        }
    }
}

/// What a paper says about a figure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Claim {
    /// It is this.
    #[default]
    Equals,
    /// It is more than this.
    Over,
    /// It is less than this.
    Under,
}

/// Whether the model was fitted on a figure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Parameters were fitted on it.
    Calibrated,
    /// It was not looked at when parameters were fitted.
    #[default]
    Predicted,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Role::Calibrated => "calibrated",
            Role::Predicted => "predicted",
        })
    }
}

/// How far a measured value may be from a published one.
#[derive(Clone, Copy, Debug, PartialEq, JsonSchema)]
#[schemars(with = "String")]
pub enum Tolerance {
    /// In the unit of the published value.
    Points(f64),
    /// As a share of the published value.
    Relative(f64),
}

impl Tolerance {
    /// Whether `measured` is near enough to what is claimed of `published`.
    pub fn holds(self, claim: Claim, published: f64, measured: f64) -> bool {
        let allowed = match self {
            Tolerance::Points(points) => points,
            Tolerance::Relative(share) => share * published.abs(),
        };
        let off = measured - published;
        match claim {
            Claim::Equals => off.abs() <= allowed,
            Claim::Over => off >= -allowed,
            Claim::Under => off <= allowed,
        }
    }
}

impl fmt::Display for Tolerance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Tolerance::Points(points) => write!(f, "{points} points"),
            Tolerance::Relative(share) => write!(f, "{}%", share * 100.0),
        }
    }
}

impl<'de> Deserialize<'de> for Tolerance {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Tolerance, D::Error> {
        let text = String::deserialize(deserializer)?;
        let number = |text: &str| {
            let number: f64 = text.trim().parse().ok()?;
            (number.is_finite() && number >= 0.0).then_some(number)
        };
        let points = text.strip_suffix("points").and_then(number);
        let percent = text.strip_suffix('%').and_then(number);
        points
            .map(Tolerance::Points)
            .or(percent.map(|percent| Tolerance::Relative(percent / 100.0)))
            .ok_or_else(|| {
                de::Error::custom(format!(
                    "{text:?} is not a tolerance such as \"15 points\" or \"10%\""
                ))
            })
    }
}

impl Serialize for Tolerance {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
