//! What the process tells the shell when it ends.
//!
//! The one place where exit codes are written down; the README's table follows
//! this enum.

use std::process::ExitCode;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Everything went as asked.
    Fine = 0,
    /// A fault of Tidegate's own, or the system refused (disk full, no rights).
    Internal = 1,
    /// The command line is wrong.
    Usage = 2,
    /// A scenario, or a file it refers to, is wrong.
    InvalidScenario = 3,
    /// A run folder or a reference is wrong, or does not fit the others.
    InvalidResults = 4,
    /// Interrupted: some cells are not finished. `--resume` goes on.
    Partial = 5,
    /// `doctor`: this machine lacks something that is required.
    Unfit = 6,
    /// A threshold of an `[[expect]]` entry was passed.
    ExpectationFailed = 10,
    /// Worse than before: `compare` found a loss beyond its threshold, or a gate of
    /// `bench --check` fell.
    Regression = 11,
    /// `verify`: a run gave other bytes when it was repeated.
    NotReproduced = 12,
    /// Outside the tolerance around a published figure (`--strict-published`).
    OutsideTolerance = 13,
}

impl Exit {
    /// The number the shell sees.
    pub fn code(self) -> u8 {
        self as u8
    }

    /// What to say about two results: the one that needs attention first.
    pub fn and(self, other: Exit) -> Exit {
        let urgency = |exit: Exit| match exit {
            Exit::Internal => 9,
            Exit::Usage => 8,
            Exit::InvalidScenario => 7,
            Exit::InvalidResults => 6,
            Exit::Partial => 5,
            Exit::Unfit => 5,
            Exit::NotReproduced => 4,
            Exit::Regression => 3,
            Exit::ExpectationFailed => 2,
            Exit::OutsideTolerance => 1,
            Exit::Fine => 0,
        };
        if urgency(other) > urgency(self) {
            other
        } else {
            self
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_the_documented_ones() {
        let all = [
            (Exit::Fine, 0),
            (Exit::Internal, 1),
            (Exit::Usage, 2),
            (Exit::InvalidScenario, 3),
            (Exit::InvalidResults, 4),
            (Exit::Partial, 5),
            (Exit::Unfit, 6),
            (Exit::ExpectationFailed, 10),
            (Exit::Regression, 11),
            (Exit::NotReproduced, 12),
            (Exit::OutsideTolerance, 13),
        ];
        for (exit, code) in all {
            assert_eq!(exit.code(), code);
        }
    }

    #[test]
    fn the_more_urgent_result_wins() {
        assert_eq!(
            Exit::Fine.and(Exit::OutsideTolerance),
            Exit::OutsideTolerance
        );
        assert_eq!(Exit::Partial.and(Exit::ExpectationFailed), Exit::Partial);
    }
}
