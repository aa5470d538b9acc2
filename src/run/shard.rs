//! Which cells and seeds are whose, where several machines share a run.
//!
//! A hash of the cell's content and the seed decides: adding a cell moves no other,
//! and machines need not know of each other.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};

use crate::scenario::{Cell, Scenario};

/// One of several parts of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    /// Which one, from 1.
    pub index: u64,
    /// Of how many.
    pub of: u64,
}

impl Shard {
    /// Whether a cell with this seed is in it.
    pub fn holds(self, cell: &Cell, seed: u64) -> bool {
        self.place(&cell.hash, seed)
    }

    /// How many runs of a scenario are in it.
    pub fn runs(self, scenario: &Scenario) -> usize {
        let cells = scenario.cells.iter();
        let runs = cells.flat_map(|cell| scenario.seeds.iter().map(move |&seed| (cell, seed)));
        runs.filter(|&(cell, seed)| self.holds(cell, seed)).count()
    }

    fn place(self, cell: &str, seed: u64) -> bool {
        let mut hash = Sha256::new();
        hash.update(cell);
        hash.update(seed.to_le_bytes());
        let mut first = [0; 8];
        first.copy_from_slice(&hash.finalize()[..8]);
        u64::from_le_bytes(first) % self.of == self.index - 1
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.of)
    }
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Shard, String> {
        let numbers = text
            .split_once('/')
            .and_then(|(index, of)| Some((index.parse().ok()?, of.parse().ok()?)));
        match numbers {
            Some((index, of)) if (1..=of).contains(&index) => Ok(Shard { index, of }),
            _ => Err("expected I/N with I from 1 to N, such as 2/7".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn each_run_is_in_one_shard(cell in "[0-9a-f]{64}", seed: u64, of in 1..20_u64) {
            let holding = (1..=of).filter(|&index| Shard { index, of }.place(&cell, seed));
            prop_assert_eq!(holding.count(), 1);
        }
    }

    #[test]
    fn a_shard_is_a_part_of_a_whole() {
        assert_eq!("2/7".parse(), Ok(Shard { index: 2, of: 7 }));
        for text in ["0/3", "4/3", "1", "1/0", "a/b", "1/2/3"] {
            assert!(text.parse::<Shard>().is_err(), "{text}");
        }
    }
}
