//! What goes wrong between hosts and controller, as parameters of a testbed. All
//! off by default.
//!
//! Nothing here is measured: a testbed names no faults of its own. They are a
//! question that a scenario asks.

use serde::{Deserialize, Serialize};
use tidegate_core::Span;

/// Kubernetes gives up a node that has been silent for so long
/// (kube-controller-manager, `--node-monitor-grace-period`).
pub(crate) const NODE_GRACE: Span = Span::from_secs(40);

/// Faults of the control plane and of hosts. Times between and lengths of outages
/// and extra delays are exponential; each has its own stream of random numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Faults {
    /// Share of observations that never arrive: on the way to the controller, and
    /// of a kernel's CPU telemetry to the half of a policy on its host.
    pub telemetry_loss: f64,
    /// Mean extra delay of an observation on its way to the controller. Later ones
    /// overtake earlier ones.
    pub telemetry_delay: Span,
    /// Share of observations that reach the controller twice.
    pub telemetry_duplicates: f64,
    /// Share of commands that never arrive.
    pub command_loss: f64,
    /// Mean extra delay of a command.
    pub command_delay: Span,
    /// Share of commands that arrive twice.
    pub command_duplicates: f64,
    /// The agent on a host is down: no telemetry leaves the host, no command is
    /// carried out there, a half of a policy does not run. Its ledger is on disk, as
    /// the kubelet's checkpoints are; back, it says what is in force.
    pub agent: Outages,
    /// The controller is down: what is sent to it is lost, its wake-ups wait, and so
    /// does what the platform tells it. Back, it goes on with the state it had.
    pub controller: Outages,
    /// A host is gone, with its containers and its agent. The platform notices after
    /// 40 s; `length` counts from then. Back, its containers are admitted anew.
    pub host: Outages,
}

/// When something is down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Outages {
    /// Mean time from one's end to the next; never if zero.
    pub every: Span,
    /// Mean length.
    pub length: Span,
}

impl Faults {
    /// Says what is wrong with the numbers, if anything; keys as in a testbed.
    pub fn check(&self) -> Result<(), String> {
        for (name, share) in [
            ("telemetry_loss", self.telemetry_loss),
            ("telemetry_duplicates", self.telemetry_duplicates),
            ("command_loss", self.command_loss),
            ("command_duplicates", self.command_duplicates),
        ] {
            if !(0.0..=0.99).contains(&share) {
                return Err(format!(
                    "`faults.{name}` must be between 0 and 0.99, not {share}"
                ));
            }
        }
        for (name, delay) in [
            ("telemetry_delay", self.telemetry_delay),
            ("command_delay", self.command_delay),
        ] {
            if delay > Span::from_secs(60) {
                return Err(format!("`faults.{name}` must be at most 60s, not {delay}"));
            }
        }
        for (name, outages) in [
            ("agent", self.agent),
            ("controller", self.controller),
            ("host", self.host),
        ] {
            if outages.every == Span::ZERO && outages.length > Span::ZERO {
                return Err(format!(
                    "`faults.{name}.length` has no meaning without `faults.{name}.every`"
                ));
            }
            if outages.every > Span::ZERO && outages.every < Span::from_secs(1) {
                return Err(format!(
                    "`faults.{name}.every` must be at least 1s, not {}",
                    outages.every
                ));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_goes_wrong_unless_asked_for_and_out_of_range_is_refused() {
        let fine = Faults::default();
        assert_eq!(fine.check(), Ok(()));
        type Change = fn(&mut Faults);
        let wrong: [(Change, &str); 6] = [
            (|it| it.telemetry_loss = 1.0, "telemetry_loss"),
            (|it| it.command_duplicates = -0.1, "command_duplicates"),
            (|it| it.command_loss = f64::NAN, "command_loss"),
            (
                |it| it.telemetry_delay = Span::from_secs(61),
                "telemetry_delay",
            ),
            (|it| it.host.length = Span::from_secs(1), "host.length"),
            (|it| it.agent.every = Span::from_millis(1), "agent.every"),
        ];
        for (change, key) in wrong {
            let mut faults = fine;
            change(&mut faults);
            let message = faults.check().unwrap_err();
            assert!(message.starts_with(&format!("`faults.{key}`")), "{message}");
        }
    }
}
