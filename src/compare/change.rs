//! From two runs to what changed between them.
//!
//! The seed is the unit of repetition: cells of one seed share their random streams,
//! so they are averaged and not counted as more evidence. Values above zero are
//! compared by their ratio (a mean of logarithms), those that may be zero and counts
//! by their difference. All rows of a comparison that judge something are one family.

use std::collections::{BTreeMap, BTreeSet};

use crate::compare::run_table::{Key, Metric, RunTable};
use crate::compare::statistics::{self, Estimate};
use crate::error::Error;
use crate::results::direction::{Direction, counts, direction};

/// The chance that a comparison of equal runs finds any change at all.
pub const LEVEL: f64 = 0.05;

/// How to compare.
#[derive(Clone, Copy, Debug, Default)]
pub struct Method {
    /// The seeds of one run have nothing to do with those of the other.
    pub unpaired: bool,
    /// One row for each cell instead of one for all.
    pub per_cell: bool,
}

/// What a row says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Better, and not by chance.
    Better,
    /// Worse, and not by chance.
    Worse,
    /// Chance can do that.
    Inconclusive,
    /// All values are equal.
    Same,
    /// The metric has no direction.
    Listed,
}

impl Verdict {
    /// As tables have it.
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Better => "better",
            Verdict::Worse => "worse",
            Verdict::Inconclusive => "inconclusive",
            Verdict::Same => "same",
            Verdict::Listed => "listed",
        }
    }
}

/// How two values are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// By their ratio.
    Ratio,
    /// By their difference.
    Difference,
}

/// One metric of two runs: a row.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// Which run is compared with the first one, from 0.
    pub run: usize,
    /// The cell, where each has a row of its own.
    pub cell: Option<Vec<String>>,
    /// The metric.
    pub metric: String,
    /// Its unit.
    pub unit: String,
    /// Which way it is better.
    pub direction: Option<Direction>,
    /// How it is compared.
    pub scale: Scale,
    /// Cells that were averaged.
    pub cells: usize,
    /// Seeds of the first run.
    pub seeds: usize,
    /// Mean of the first run: geometric where ratios are compared.
    pub before: f64,
    /// Mean of the other.
    pub after: f64,
    /// The ratio, or the difference.
    pub change: f64,
    /// Its 95 % interval; nothing for a single seed.
    pub interval: Option<(f64, f64)>,
    /// How likely chance alone does that, once judged adjusted for the whole family;
    /// nothing where nothing is judged.
    pub p: Option<f64>,
    /// What it says.
    pub verdict: Verdict,
}

impl Change {
    /// By what part of the first run's value the other is worse; below zero where it
    /// is better.
    pub fn loss(&self) -> f64 {
        let gain = match (self.scale, self.change) {
            (Scale::Ratio, ratio) => ratio - 1.0,
            (Scale::Difference, 0.0) => 0.0,
            (Scale::Difference, difference) => difference / self.before.abs(),
        };
        match self.direction {
            Some(Direction::Higher) => -gain,
            Some(Direction::Lower) => gain,
            None => 0.0,
        }
    }

    /// Whether it is worse by more than `threshold`, a part of the first run's value.
    pub fn is_regression(&self, threshold: f64) -> bool {
        self.verdict == Verdict::Worse && self.loss() > threshold
    }
}

/// What two runs have in common.
#[derive(Clone, Debug, PartialEq)]
pub struct Common {
    /// Cells in both, in the order of the first.
    pub cells: Vec<Vec<String>>,
    /// Seeds in both; of an unpaired comparison nothing.
    pub seeds: BTreeSet<u64>,
    /// Cells and seeds of either that the other has not.
    pub left_out: (usize, usize),
}

/// What `a` and `b` have in common.
///
/// # Errors
/// When that is too little to compare.
pub fn common(a: &RunTable, b: &RunTable, method: Method) -> Result<Common, Error> {
    let names = |message: String| {
        let (a, b) = (a.folder.display(), b.folder.display());
        Error::Results(format!("{a} and {b} cannot be compared: {message}"))
    };
    if a.scenario != b.scenario {
        return Err(names(format!(
            "they are runs of `{}` and of `{}`",
            a.scenario, b.scenario
        )));
    }
    if a.columns != b.columns {
        return Err(names(format!(
            "their columns differ: {} and {}",
            a.columns.join(", "),
            b.columns.join(", ")
        )));
    }
    let cells: Vec<_> = a
        .cells
        .iter()
        .filter(|cell| b.cells.contains(cell))
        .cloned()
        .collect();
    if cells.is_empty() {
        return Err(names("they have no cell in common".to_owned()));
    }
    let mut left_out = (a.cells.len() + b.cells.len() - 2 * cells.len(), 0);
    let mut seeds = BTreeSet::new();
    if !method.unpaired {
        seeds.extend(a.seeds.intersection(&b.seeds));
        left_out.1 = a.seeds.symmetric_difference(&b.seeds).count();
        if seeds.is_empty() {
            return Err(names(
                "they have no seed in common\n  help: --unpaired compares them as two samples"
                    .to_owned(),
            ));
        }
    }
    Ok(Common {
        cells,
        seeds,
        left_out,
    })
}

/// What changed from `first` to each of `others`, still without verdicts.
///
/// # Errors
/// When two of them cannot be compared.
pub fn changes(
    first: &RunTable,
    others: &[RunTable],
    method: Method,
) -> Result<Vec<Change>, Error> {
    let mut rows = Vec::new();
    for (run, other) in others.iter().enumerate() {
        let common = common(first, other, method)?;
        let groups: Vec<&[Vec<String>]> = if method.per_cell {
            common.cells.chunks(1).collect()
        } else {
            vec![&common.cells]
        };
        for cells in groups {
            for metric in &first.metrics {
                let Some(after) = other.metric(&metric.name) else {
                    continue;
                };
                let pair = Pair {
                    before: metric,
                    after,
                    cells,
                    seeds: (!method.unpaired).then_some(&common.seeds),
                };
                let cell = method.per_cell.then(|| cells[0].clone());
                rows.extend(pair.row(run, cell));
            }
        }
    }
    Ok(rows)
}

/// Adjusts the p values of the rows, which are one family, and gives verdicts.
pub fn judge(rows: &mut [Change]) {
    // Equal values can never be found to differ: they are no part of the family.
    let judges = |row: &Change| row.verdict == Verdict::Inconclusive && row.p.is_some();
    let judged: Vec<usize> = (0..rows.len()).filter(|&row| judges(&rows[row])).collect();
    let family: Vec<f64> = judged.iter().filter_map(|&row| rows[row].p).collect();
    for row in rows.iter_mut().filter(|row| !judges(row)) {
        row.p = None;
    }
    for (row, p) in judged.into_iter().zip(statistics::holm(&family)) {
        let row = &mut rows[row];
        row.p = Some(p);
        if p < LEVEL {
            row.verdict = if row.loss() > 0.0 {
                Verdict::Worse
            } else {
                Verdict::Better
            };
        }
    }
}

/// One metric of two runs in some cells.
struct Pair<'a> {
    before: &'a Metric,
    after: &'a Metric,
    cells: &'a [Vec<String>],
    /// The common seeds, if they are paired.
    seeds: Option<&'a BTreeSet<u64>>,
}

/// Values of one run, by cell and seed.
type Values = BTreeMap<Key, f64>;

impl Pair<'_> {
    /// The row, still without a verdict; nothing where the two measured nothing in
    /// common.
    fn row(&self, run: usize, cell: Option<Vec<String>>) -> Option<Change> {
        let (before, after) = self.values();
        if before.is_empty() || after.is_empty() {
            return None;
        }
        let both = || before.values().chain(after.values());
        let count = counts(&self.before.unit);
        let scale = if !count && both().all(|&value| value > 0.0) {
            Scale::Ratio
        } else {
            Scale::Difference
        };
        let on_scale = |value: f64| match scale {
            Scale::Ratio => value.ln(),
            Scale::Difference => value,
        };
        let (by_seed_before, by_seed_after) =
            (by_seed(&before, on_scale), by_seed(&after, on_scale));
        let mean = |seeds: &BTreeMap<u64, Seed>| -> f64 {
            seeds.values().map(|seed| seed.mean).sum::<f64>() / seeds.len() as f64
        };
        // A mean over cells of Poisson numbers varies by their mean over their number.
        let least = |seeds: &BTreeMap<u64, Seed>| -> f64 {
            let cells = seeds.values().map(|seed| seed.cells).sum::<f64>() / seeds.len() as f64;
            if count {
                mean(seeds).abs() / cells
            } else {
                0.0
            }
        };
        let name = format!("compare/{}", self.before.name);
        let (means, estimate) = ((mean(&by_seed_before), mean(&by_seed_after)), {
            if self.seeds.is_some() {
                let differences: Vec<f64> = by_seed_before
                    .iter()
                    .filter_map(|(seed, before)| Some(by_seed_after.get(seed)?.mean - before.mean))
                    .collect();
                let least = least(&by_seed_before) + least(&by_seed_after);
                statistics::paired(&differences, least, &name)
            } else {
                let values = |seeds: &BTreeMap<u64, Seed>| -> Vec<f64> {
                    seeds.values().map(|seed| seed.mean).collect()
                };
                let (a, b) = (values(&by_seed_before), values(&by_seed_after));
                let (least_a, least_b) = (least(&by_seed_before), least(&by_seed_after));
                statistics::unpaired((&a, least_a), (&b, least_b))
            }
        });
        let direction = direction(&self.before.name);
        let back = |value: f64| match scale {
            Scale::Ratio => value.exp(),
            Scale::Difference => value,
        };
        let verdict = if direction.is_none() {
            Verdict::Listed
        } else if before == after {
            Verdict::Same
        } else {
            Verdict::Inconclusive
        };
        Some(Change {
            run,
            cell,
            metric: self.before.name.clone(),
            unit: self.before.unit.clone(),
            direction,
            scale,
            cells: self.cells.len(),
            seeds: by_seed_before.len(),
            before: back(means.0),
            after: back(means.1),
            change: back(means.1 - means.0),
            interval: estimate.map(|Estimate { interval, .. }| {
                let (low, high) = interval;
                (back(low), back(high))
            }),
            p: estimate.map(|estimate| estimate.p),
            verdict,
        })
    }

    /// What both measured: finite values of these cells, those of paired seeds only
    /// where both have one. In a cell that only one of them measured, neither counts.
    fn values(&self) -> (Values, Values) {
        let usable = |metric: &Metric, (cell, seed): &Key| {
            let value = metric.values.get(&(cell.clone(), *seed)).copied()?;
            value.is_finite().then_some(value)
        };
        let measured = |metric: &Metric, cell: &Vec<String>| -> Vec<(Key, f64)> {
            let first = (cell.clone(), 0);
            let last = (cell.clone(), u64::MAX);
            let keys = metric.values.range(first..=last).map(|(key, _)| key);
            keys.filter_map(|key| Some((key.clone(), usable(metric, key)?)))
                .collect()
        };
        let (mut before, mut after) = (Values::new(), Values::new());
        for cell in self.cells {
            let mut a = measured(self.before, cell);
            let mut b = measured(self.after, cell);
            if let Some(seeds) = self.seeds {
                a.retain(|(key, _)| seeds.contains(&key.1) && usable(self.after, key).is_some());
                b.retain(|(key, _)| seeds.contains(&key.1) && usable(self.before, key).is_some());
            }
            if !a.is_empty() && !b.is_empty() {
                before.extend(a);
                after.extend(b);
            }
        }
        (before, after)
    }
}

/// One seed over all cells.
struct Seed {
    mean: f64,
    cells: f64,
}

/// The mean over the cells of each seed, on a scale. Each cell is centred first on
/// what it is over all its seeds, so that a seed which misses a cell is not taken for
/// a change.
fn by_seed(values: &Values, on_scale: impl Fn(f64) -> f64) -> BTreeMap<u64, Seed> {
    let mut sums: BTreeMap<&Vec<String>, (f64, f64)> = BTreeMap::new();
    for ((cell, _), value) in values {
        let sum = sums.entry(cell).or_default();
        *sum = (sum.0 + on_scale(*value), sum.1 + 1.0);
    }
    let centre = |cell: &Vec<String>| sums.get(cell).map_or(0.0, |(sum, n)| sum / n);
    let level = sums.values().map(|(sum, n)| sum / n).sum::<f64>() / sums.len() as f64;
    let mut seeds: BTreeMap<u64, (f64, f64)> = BTreeMap::new();
    for ((cell, seed), value) in values {
        let sum = seeds.entry(*seed).or_default();
        *sum = (sum.0 + on_scale(*value) - centre(cell), sum.1 + 1.0);
    }
    seeds
        .into_iter()
        .map(|(seed, (sum, cells))| {
            let mean = level + sum / cells;
            (seed, Seed { mean, cells })
        })
        .collect()
}
