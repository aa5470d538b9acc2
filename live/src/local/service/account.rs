//! What calls asked for, and what all else cost.
//!
//! The CPU that an application's file gives for a call was measured on whole
//! containers: HTTP, threads and the kernel's network stack are in it. So whatever a
//! service uses beyond what calls burn becomes a debt, and the next bursts are shorter
//! by it. Where HTTP costs more than calls ask for, a debt stays, and the account says so.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};

use serde::{Deserialize, Serialize};
use tidegate_core::Span;

/// What a service has used, in seconds of CPU time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Account {
    /// Calls served.
    pub calls: u64,
    /// What they asked for.
    pub asked_s: f64,
    /// Used beside what calls burnt, for HTTP above all.
    pub overhead_s: f64,
    /// Of that, what no burst was long enough to make up for.
    pub unpaid_s: f64,
}

/// The books of one process; any thread writes them.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    calls: AtomicU64,
    asked: AtomicU64,
    overhead: AtomicU64,
    debt: AtomicI64,
}

impl Ledger {
    /// A call asks for `work`.
    pub(super) fn ask(&self, work: Span) {
        self.calls.fetch_add(1, Relaxed);
        self.asked.fetch_add(work.0, Relaxed);
    }

    /// So much was used beside calls.
    pub(super) fn overhead(&self, used: Span) {
        self.overhead.fetch_add(used.0, Relaxed);
        self.debt.fetch_add(used.0 as i64, Relaxed);
    }

    /// What of a burst of `work` is really to be burnt.
    pub(super) fn burst(&self, work: Span) -> Span {
        let mut paid = 0;
        let _ = self.debt.fetch_update(Relaxed, Relaxed, |debt| {
            paid = debt.clamp(0, work.0 as i64);
            Some(debt - paid)
        });
        Span(work.0 - paid as u64)
    }

    pub(super) fn account(&self) -> Account {
        let seconds = |nanos: u64| Span(nanos).as_secs_f64();
        Account {
            calls: self.calls.load(Relaxed),
            asked_s: seconds(self.asked.load(Relaxed)),
            overhead_s: seconds(self.overhead.load(Relaxed)),
            unpaid_s: seconds(self.debt.load(Relaxed).max(0) as u64),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Whatever the order, burnt and overhead come to what was asked, or to the
        /// overhead where that is more.
        #[test]
        fn nothing_is_paid_twice_or_never(steps in proptest::collection::vec((any::<bool>(), 1_u64..1_000_000), 1..100)) {
            let ledger = Ledger::default();
            let (mut asked, mut overhead, mut burnt) = (0, 0, 0);
            for (call, amount) in steps {
                if call {
                    ledger.ask(Span(amount));
                    asked += amount;
                    burnt += ledger.burst(Span(amount)).0;
                } else {
                    ledger.overhead(Span(amount));
                    overhead += amount;
                }
            }
            let account = ledger.account();
            let unpaid = (account.unpaid_s * 1e9).round() as u64;
            prop_assert_eq!(burnt + overhead, asked + unpaid);
            prop_assert!(unpaid <= overhead);
        }
    }
}
