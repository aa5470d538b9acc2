//! Which way each metric is better.
//!
//! Where more is neither better nor worse by itself (requests sent, cores used,
//! limits changed) a metric has no direction: comparisons list it and judge
//! nothing by it.

/// Which way a metric is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// More is better.
    Higher,
    /// Less is better.
    Lower,
}

/// Metrics of which more is better.
const HIGHER: [&str; 1] = ["throughput_rps"];

/// Metrics of which less is better, by how their names begin.
const LOWER: [&str; 27] = [
    "latency_",
    "requests_failed",
    "requests_refused",
    "calls_failed",
    // Allocated and not used.
    "cpu_slack_",
    "mem_slack_",
    "cpu_limit_mean_",
    "mem_limit_mean_",
    "oom_kills",
    "oom_denied",
    "oom_wait_",
    "evictions",
    "cold_starts",
    "job_completion_",
    "control_traffic_",
    "tracking_",
    "deployment_",
    "termination_",
    "create_response_",
    "cancel_response_",
    "reaction_",
    "round_trip_",
    "service_start_",
    "service_stop_",
    "manager_cpu_",
    "manager_mem_",
    "invariant_violations",
];

/// Which way the metric called `name` is better, if either.
pub fn direction(name: &str) -> Option<Direction> {
    // How much times differ among themselves is a property of the world.
    if name.contains("_sd_") {
        None
    } else if HIGHER.contains(&name) {
        Some(Direction::Higher)
    } else if LOWER.iter().any(|begin| name.starts_with(begin)) {
        Some(Direction::Lower)
    } else {
        None
    }
}

/// Whether a metric in `unit` counts things that happen: such a number varies from
/// seed to seed at least as a Poisson number does.
pub fn counts(unit: &str) -> bool {
    [
        "events", "requests", "commands", "calls", "alerts", "steps", "periods", "pods",
        "messages", "count",
    ]
    .contains(&unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_neither_good_nor_bad_has_no_direction() {
        for name in ["requests_sent", "cpu_used_mean_cores", "limit_updates"] {
            assert_eq!(direction(name), None, "{name}");
        }
        assert_eq!(direction("throughput_rps"), Some(Direction::Higher));
        assert_eq!(direction("latency_p999_ms"), Some(Direction::Lower));
        assert_eq!(direction("deployment_sd_s"), None);
    }
}
