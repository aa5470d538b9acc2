//! What a scenario wants written down besides its numbers: `series` and `cdf` of
//! `[run]`. It decides nothing of what happens in a run.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tidegate_core::Span;
use tidegate_sim::{Recording, Scope};

use crate::scenario::format::Run;

/// More rows per container than this are taken for a slip of the pen.
const MAX_ROWS: u64 = 100_000;

/// Limits and use over time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Series {
    /// Time between two rows, a multiple of 100 ms: "1s".
    #[schemars(with = "String")]
    pub every: Span,
    /// What a row is of: the whole application if not given.
    #[serde(default)]
    pub of: Of,
}

/// What a row of a series is of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Of {
    /// The sum over all containers.
    #[default]
    Application,
    /// Each container has rows of its own.
    Container,
}

/// What the simulator is to write down for `run`.
pub(crate) fn recording(run: &Run) -> Recording {
    Recording {
        series: run.series.map(|series| tidegate_sim::Series {
            every: series.every,
            of: match series.of {
                Of::Application => Scope::Application,
                Of::Container => Scope::Container,
            },
        }),
        cdf: run.cdf,
    }
}

/// Says what is wrong with the rows of a series over `duration`, if anything.
///
/// # Errors
/// When there are too many, or they fall between two samples.
pub(crate) fn check(series: Option<Series>, duration: Span) -> Result<(), String> {
    let Some(Series { every, .. }) = series else {
        return Ok(());
    };
    let step = tidegate_sim::Series::STEP;
    if every == Span::ZERO || !every.0.is_multiple_of(step.0) {
        return Err(format!(
            "`every` must be a multiple of {step}, the time between two samples, not {every}"
        ));
    }
    let rows = duration.0 / every.0;
    if rows > MAX_ROWS {
        return Err(format!(
            "a row each {every} in {duration} makes {rows} rows; at most {MAX_ROWS}"
        ));
    }
    Ok(())
}
