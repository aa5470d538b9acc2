//! How good a resource is, for any part: a weighted sum of latency, cost and load.
//!
//! The score does not depend on the part, so that resources can be kept sorted;
//! what a part needs decides only which of them fit.

use super::choice::Score;
use super::inventory::Entry;
use crate::manager::config::Placing;
use crate::slo::Metric;
use crate::units::{Span, Time};

/// A score as it is sorted: unknown terms first, then the total.
///
/// Totals are not negative, and the bits of such numbers have their order.
pub(super) type Rank = (u32, u64);

/// The latency that counts as 1 before its weight, in seconds: about one round
/// trip from Innsbruck to us-east-1 (measured: 110 ms).
const LATENCY_UNIT: f64 = 0.1;

/// The score of a resource. A term without weight needs no value; the newest
/// latency counts, however old: whether it is too old is for objectives.
pub(super) fn score(entry: &Entry, placing: &Placing) -> Score {
    let mut unknown = 0;
    let mut term = |weight: f64, value: Option<f64>| match value {
        _ if weight == 0.0 => 0.0,
        Some(value) => weight * value.max(0.0),
        None => {
            unknown += 1;
            0.0
        }
    };
    let latency = entry
        .readings
        .get(Metric::Latency, Time::ZERO, Span(u64::MAX));
    Score {
        latency: term(placing.latency, latency.map(|l| l / LATENCY_UNIT)),
        cost: term(placing.cost, entry.resource.cost),
        load: term(placing.load, Some(entry.load())),
        unknown,
    }
}

pub(super) fn rank(entry: &Entry, placing: &Placing) -> Rank {
    let score = score(entry, placing);
    (score.unknown, score.total().to_bits())
}
