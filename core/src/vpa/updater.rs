//! When the VPA gives a container what it recommends, and whom it may evict for it.
//! (VPA 1.7, `pkg/updater/priority` and `pkg/updater/restriction`.)
//!
//! Of a pod with more than one container each is judged for itself. The updater's
//! rate limit is off, as by default.

use crate::units::Span;

use super::recommender::{Recommendation, Resources};

/// A container killed for its memory within this time of its start is updated
/// at once.
pub(super) const QUICK_OOM: Span = Span::from_secs(10 * 60);
/// A resize that is not done after this time makes way for an eviction.
pub(super) const RESIZE_PATIENCE: Span = Span::from_secs(3600);
/// A pod older than this is also updated while its requests are in range.
const POD_LIFETIME: Span = Span::from_secs(12 * 3600);

/// Whether a container with these requests is updated.
///
/// It is if a request is out of range; if it was killed soon after a start and
/// something would change; or if its pod, `age` old, has seen 12 hours and the
/// requests are off by `min_change` in all.
pub(super) fn is_due(
    requests: Resources,
    recommendation: &Recommendation,
    quick_oom: bool,
    age: Span,
    min_change: f64,
) -> bool {
    let Recommendation {
        target,
        lower,
        upper,
    } = recommendation;
    let out_of_range = requests.cpu < lower.cpu
        || requests.cpu > upper.cpu
        || requests.memory < lower.memory
        || requests.memory > upper.memory;
    let change = change(requests.cpu.0, target.cpu.0) + change(requests.memory.0, target.memory.0);
    if quick_oom {
        return change > 0.0;
    }
    out_of_range || (age >= POD_LIFETIME && change >= min_change)
}

/// Whether one more of a service's `replicas` may be evicted, of which `running` run.
///
/// Not if there are fewer than `min_replicas`. Else as long as more of them run than
/// the tolerance asks for; where it allows less than one to be down, if all run.
pub(super) fn may_evict(replicas: u32, running: u32, min_replicas: u32, tolerance: f64) -> bool {
    let may_be_down = (f64::from(replicas) * tolerance) as u32;
    running >= min_replicas
        && (running > replicas - may_be_down || (may_be_down == 0 && running == replicas))
}

/// |request - target| / request.
fn change(request: u64, target: u64) -> f64 {
    request.abs_diff(target) as f64 / request.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::{Bytes, Cores};

    fn resources(millis: u64, mib: u64) -> Resources {
        Resources {
            cpu: Cores::from_millis(millis),
            memory: Bytes::from_mib(mib),
        }
    }

    const YOUNG: Span = Span::from_secs(12 * 3600 - 1);

    fn due(millis: u64, mib: u64, quick_oom: bool, age: Span) -> bool {
        let recommendation = Recommendation {
            target: resources(1_000, 1_000),
            lower: resources(500, 500),
            upper: resources(2_000, 2_000),
        };
        is_due(resources(millis, mib), &recommendation, quick_oom, age, 0.1)
    }

    #[test]
    fn a_request_out_of_range_is_changed_at_once() {
        for (millis, mib, is) in [
            (500, 500, false),
            (2_000, 2_000, false),
            (499, 1_000, true),
            (2_001, 1_000, true),
            (1_000, 499, true),
            (1_000, 2_001, true),
        ] {
            assert_eq!(due(millis, mib, false, Span::ZERO), is, "{millis} {mib}");
        }
    }

    #[test]
    fn a_request_in_range_waits_for_half_a_day() {
        assert!(!due(600, 600, false, YOUNG));
        assert!(due(600, 600, false, POD_LIFETIME));
        // |1050 - 1000| / 1050 = 4.8 % each: together just under 10 %.
        assert!(!due(1_050, 1_050, false, POD_LIFETIME));
        assert!(due(1_053, 1_053, false, POD_LIFETIME));
    }

    #[test]
    fn evictions_leave_enough_replicas() {
        for (replicas, running, min, tolerance, may) in [
            (1, 1, 2, 0.5, false), // the default leaves single replicas alone
            (1, 1, 1, 0.5, true),
            (1, 0, 1, 0.5, false),
            (4, 4, 2, 0.5, true),
            (4, 3, 2, 0.5, true),
            (4, 2, 2, 0.5, false), // half of them run
            (4, 4, 2, 0.0, true),  // one at a time
            (4, 3, 2, 0.0, false),
            (4, 1, 2, 1.0, false), // too few for any
        ] {
            let is = may_evict(replicas, running, min, tolerance);
            assert_eq!(is, may, "{running} of {replicas}, {min}, {tolerance}");
        }
    }

    #[test]
    fn a_quick_kill_does_not_wait() {
        assert!(due(600, 600, true, Span::ZERO));
        assert!(!due(1_000, 1_000, true, POD_LIFETIME));
    }
}
