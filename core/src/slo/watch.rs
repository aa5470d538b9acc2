//! When a violation begins and when it is over: one objective on one resource, as
//! a state machine over the verdicts of its evaluations.
//!
//! ```text
//!            fails                held for `hold`
//!   Met ───────────► Pending ───────────────► Firing ◄──── fails ──┐
//!    ▲ ◄──── meets ────┘                        │                  │
//!    └───────────── met for `clear` ── Clearing ◄── clears ────────┘
//! ```

use super::objective::Objective;
use crate::units::Time;

/// Where a watch is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Met,
    /// It fails, but not yet for long enough.
    Pending {
        since: Time,
    },
    /// It is violated.
    Firing {
        since: Time,
        fired: Time,
    },
    /// It is violated, but has been met for a while.
    Clearing {
        since: Time,
        fired: Time,
        met: Time,
    },
}

/// What an evaluation found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Met, by the margin if it was violated.
    Met,
    /// Not met, or missing.
    Failed,
}

/// What an evaluation leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Edge {
    /// A violation begins; it failed since then.
    Fire { since: Time },
    /// It is violated still.
    Still { since: Time },
    /// The violation is over.
    Resolve { since: Time },
}

impl State {
    /// Whether the objective counts as violated.
    pub(crate) fn is_violated(self) -> bool {
        matches!(self, State::Firing { .. } | State::Clearing { .. })
    }

    /// When the violation that lasts was told.
    pub(crate) fn fired(self) -> Option<Time> {
        match self {
            State::Firing { fired, .. } | State::Clearing { fired, .. } => Some(fired),
            State::Met | State::Pending { .. } => None,
        }
    }

    /// An evaluation at `now` came to `verdict`.
    pub(crate) fn judge(
        &mut self,
        now: Time,
        verdict: Verdict,
        objective: &Objective,
    ) -> Option<Edge> {
        match (*self, verdict) {
            (State::Met, Verdict::Met) => None,
            (State::Met, Verdict::Failed) => self.fail(now, now, objective),
            (State::Pending { .. }, Verdict::Met) => {
                *self = State::Met;
                None
            }
            (State::Pending { since }, Verdict::Failed) => self.fail(now, since, objective),
            (State::Firing { since, .. }, Verdict::Failed) => Some(Edge::Still { since }),
            (State::Firing { since, fired }, Verdict::Met) => {
                self.clear(now, now, since, fired, objective)
            }
            (State::Clearing { since, fired, .. }, Verdict::Failed) => {
                *self = State::Firing { since, fired };
                Some(Edge::Still { since })
            }
            (State::Clearing { since, fired, met }, Verdict::Met) => {
                self.clear(now, met, since, fired, objective)
            }
        }
    }

    fn fail(&mut self, now: Time, since: Time, objective: &Objective) -> Option<Edge> {
        if now.since(since) < objective.hold {
            *self = State::Pending { since };
            return None;
        }
        *self = State::Firing { since, fired: now };
        Some(Edge::Fire { since })
    }

    fn clear(
        &mut self,
        now: Time,
        met: Time,
        since: Time,
        fired: Time,
        objective: &Objective,
    ) -> Option<Edge> {
        if now.since(met) < objective.clear {
            *self = State::Clearing { since, fired, met };
            return None;
        }
        *self = State::Met;
        Some(Edge::Resolve { since })
    }

    /// When it must be looked at again although nothing new is measured.
    pub(crate) fn due(self, objective: &Objective) -> Option<Time> {
        match self {
            State::Met | State::Firing { .. } => None,
            State::Pending { since } => Some(since + objective.hold),
            State::Clearing { met, .. } => Some(met + objective.clear),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Span;
    use proptest::prelude::*;

    fn at(s: u64) -> Time {
        Time::ZERO + Span::from_secs(s)
    }

    fn objective() -> Objective {
        "cpu < 80% for 10s clear 20s".parse().unwrap()
    }

    #[test]
    fn a_short_failure_is_nothing_and_a_long_one_fires_once() {
        let objective = objective();
        let mut state = State::Met;
        let mut judge = |s, verdict| state.judge(at(s), verdict, &objective);
        assert_eq!(judge(0, Verdict::Failed), None);
        assert_eq!(judge(9, Verdict::Failed), None);
        assert_eq!(judge(9, Verdict::Met), None);
        assert_eq!(judge(20, Verdict::Failed), None);
        assert_eq!(
            judge(30, Verdict::Failed),
            Some(Edge::Fire { since: at(20) })
        );
        assert_eq!(
            judge(31, Verdict::Failed),
            Some(Edge::Still { since: at(20) })
        );
        assert_eq!(judge(40, Verdict::Met), None);
        assert_eq!(
            judge(50, Verdict::Failed),
            Some(Edge::Still { since: at(20) })
        );
        assert_eq!(judge(60, Verdict::Met), None);
        assert_eq!(
            judge(80, Verdict::Met),
            Some(Edge::Resolve { since: at(20) })
        );
        assert_eq!(state, State::Met);
    }

    proptest! {
        /// Fires and resolves alternate, and each has the wait before it that the
        /// objective asks for.
        #[test]
        fn one_fire_and_one_resolve_per_violation(
            verdicts in proptest::collection::vec((0u64..8, any::<bool>()), 0..200),
        ) {
            let objective = objective();
            let mut state = State::Met;
            let mut now = 0;
            let mut open = false;
            let (mut failing, mut met) = (None, Some(0));
            for (step, ok) in verdicts {
                now += step;
                let verdict = if ok { Verdict::Met } else { Verdict::Failed };
                if ok {
                    failing = None;
                    met = met.or(Some(now));
                } else {
                    met = None;
                    failing = failing.or(Some(now));
                }
                match state.judge(at(now), verdict, &objective) {
                    Some(Edge::Fire { .. }) => {
                        prop_assert!(!open && now - failing.unwrap() >= 10);
                        open = true;
                    }
                    Some(Edge::Resolve { .. }) => {
                        prop_assert!(open && now - met.unwrap() >= 20);
                        open = false;
                    }
                    Some(Edge::Still { .. }) => prop_assert!(open && !ok),
                    None => {
                        // Nothing is forgotten: what is due has happened.
                        prop_assert!(open || failing.is_none_or(|since| now - since < 10));
                        prop_assert!(!open || met.is_none_or(|since| now - since < 20));
                    }
                }
                prop_assert_eq!(open, state.is_violated());
            }
        }
    }
}
