//! What is watched in a run with faults: whether anything breaks that must hold, and
//! how often each rare state was reached.
//!
//! Rare states are counted where they happen. The invariants are looked at after
//! every event (`world/watch.rs`), and only where an experiment asks for it.

use crate::outcome::Metric;

/// A rare state of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rare {
    TelemetryLost,
    TelemetryDuplicated,
    CommandLost,
    CommandDuplicated,
    /// A report came after a newer one, or a second time.
    StaleReport,
    /// A command came after a newer one.
    StaleCommand,
    /// A command came again, and was answered again.
    CommandRepeated,
    /// A message to or from what was on a host before that was lost.
    MessageOfLostHost,
    AgentDown,
    ControllerDown,
    HostLost,
    /// A host was lost that held a share of Ω.
    HostLostWithShare,
    /// A host is back and its containers are admitted anew.
    HostBack,
    /// A share was to shrink while its host could not be reached.
    RecallUnreachable,
    /// An out-of-memory event was not answered and asked again.
    OomAskedAgain,
    /// One was granted after it had been asked again.
    OomRescueAfterLoss,
    /// One was never answered, and the container killed.
    OomTimedOut,
    /// One happened while the controller was down.
    OomControllerDown,
    /// Memory was granted to a container that had been killed meanwhile.
    GrantAfterKill,
    /// A reclaim found nothing to take.
    ReclaimEmpty,
    /// A reclaim reached a container that was down, and took nothing.
    ReclaimWhileDown,
    /// A memory limit under use was refused.
    LimitRefused,
    /// A container was throttled while nothing was left of Ω.
    PoolEmptyThrottle,
}

/// All of them with their names in results.
const NAMES: [(Rare, &str); 23] = [
    (Rare::TelemetryLost, "telemetry_lost"),
    (Rare::TelemetryDuplicated, "telemetry_duplicated"),
    (Rare::CommandLost, "commands_lost"),
    (Rare::CommandDuplicated, "commands_duplicated"),
    (Rare::StaleReport, "stale_reports_ignored"),
    (Rare::StaleCommand, "stale_commands_ignored"),
    (Rare::CommandRepeated, "repeated_commands_answered"),
    (Rare::MessageOfLostHost, "messages_of_lost_host_ignored"),
    (Rare::AgentDown, "agent_outages"),
    (Rare::ControllerDown, "controller_outages"),
    (Rare::HostLost, "hosts_lost"),
    (Rare::HostLostWithShare, "hosts_lost_with_share_lent"),
    (Rare::HostBack, "hosts_back"),
    (Rare::RecallUnreachable, "shares_recalled_unreachable"),
    (Rare::OomAskedAgain, "oom_asked_again"),
    (Rare::OomRescueAfterLoss, "oom_rescues_after_loss"),
    (Rare::OomTimedOut, "oom_timed_out"),
    (Rare::OomControllerDown, "oom_while_controller_down"),
    (Rare::GrantAfterKill, "memory_grants_after_kill"),
    (Rare::ReclaimEmpty, "reclaims_of_nothing"),
    (Rare::ReclaimWhileDown, "reclaims_while_down"),
    (Rare::LimitRefused, "memory_limits_refused"),
    (Rare::PoolEmptyThrottle, "throttles_with_empty_pool"),
];

/// Something that must never happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Violation {
    /// The CPU limits in force add up to more than Ω.
    CpuSum,
    /// The memory limits in force do.
    MemorySum,
    /// A CPU limit is under the policy's floor.
    Floor,
    /// A container runs on although it needs more memory than its limit.
    MemoryUse,
    /// A reclaim left less than use and margin.
    Reclaim,
    /// A limit changed without a newer command.
    StaleCommandActed,
    /// The policy commanded something on a report that was no news.
    StaleReportActed,
    /// Somebody waits for memory longer than the trap's patience.
    Hang,
}

/// Counts of rare states and of violations.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    rare: [u64; NAMES.len()],
    violations: u64,
    first: Option<Violation>,
}

impl Watch {
    pub(crate) fn count(&mut self, what: Rare) {
        self.rare[what as usize] += 1;
    }

    pub(crate) fn violated(&mut self, what: Violation) {
        self.violations += 1;
        self.first.get_or_insert(what);
    }

    /// What was violated first, if anything.
    #[cfg(test)]
    pub(crate) fn first(&self) -> Option<Violation> {
        self.first
    }

    /// `invariant_violations`, and each rare state by its name.
    pub(crate) fn metrics(&self) -> impl Iterator<Item = Metric> + '_ {
        let violations = ("invariant_violations", self.violations);
        let rare = NAMES
            .iter()
            .map(|&(state, name)| (name, self.rare[state as usize]));
        std::iter::once(violations)
            .chain(rare)
            .map(|(name, count)| Metric {
                name,
                unit: "events",
                value: count as f64,
            })
    }
}
