//! The life cycles of an instance and of a deployment: their phases, and which
//! may follow which.
//!
//! The original has NEW, DEPLOYED, TERMINATING, TERMINATED and ERROR. There is no
//! error phase here: what failed is taken down, and holds its lock and its share
//! of the resource until the provider says that nothing is left.

use serde::{Deserialize, Serialize};

/// Where an instance is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// The provider was asked for it.
    Deploying,
    /// A function serves; the image of a service is there.
    Deployed,
    /// A service is being started.
    Starting,
    /// A service serves.
    Running,
    /// A service is being stopped.
    Stopping,
    /// Gets no new calls and finishes those it has.
    Draining,
    /// Being taken down.
    Terminating,
    /// Nothing of it is left.
    Terminated,
}

impl Phase {
    /// All phases in order.
    pub const ALL: [Phase; 8] = [
        Phase::Deploying,
        Phase::Deployed,
        Phase::Starting,
        Phase::Running,
        Phase::Stopping,
        Phase::Draining,
        Phase::Terminating,
        Phase::Terminated,
    ];

    /// Which phases may follow. Termination is possible from any, because a step
    /// under way is superseded by it; what drains can be called back as long as
    /// it is there.
    pub const fn next(self) -> &'static [Phase] {
        match self {
            Phase::Deploying => &[Phase::Deployed, Phase::Terminating],
            Phase::Deployed => &[Phase::Starting, Phase::Draining, Phase::Terminating],
            Phase::Starting => &[Phase::Running, Phase::Terminating],
            Phase::Running => &[Phase::Stopping, Phase::Draining, Phase::Terminating],
            Phase::Stopping => &[Phase::Deployed, Phase::Terminating],
            Phase::Draining => &[Phase::Deployed, Phase::Running, Phase::Terminating],
            Phase::Terminating => &[Phase::Terminated],
            Phase::Terminated => &[],
        }
    }

    /// Whether `next` may follow.
    pub fn may_become(self, next: Phase) -> bool {
        self.next().contains(&next)
    }

    /// Whether it is not on its way out.
    pub const fn is_wanted(self) -> bool {
        !matches!(
            self,
            Phase::Draining | Phase::Terminating | Phase::Terminated
        )
    }
}

/// Where a deployment is in its life; follows from its parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeploymentPhase {
    /// Some part is on its way to being ready.
    Deploying,
    /// All parts are ready.
    Deployed,
    /// Some part is not ready that was, or that could not be made ready so far.
    Degraded,
    /// Being taken down.
    Terminating,
    /// Nothing of it is left.
    Terminated,
    /// Nothing of it is left: it was taken down because a part failed.
    Failed,
}

impl DeploymentPhase {
    /// All phases in order.
    pub const ALL: [DeploymentPhase; 6] = [
        DeploymentPhase::Deploying,
        DeploymentPhase::Deployed,
        DeploymentPhase::Degraded,
        DeploymentPhase::Terminating,
        DeploymentPhase::Terminated,
        DeploymentPhase::Failed,
    ];

    /// Which phases may follow.
    pub const fn next(self) -> &'static [DeploymentPhase] {
        use DeploymentPhase::*;
        match self {
            Deploying => &[Deployed, Degraded, Terminating],
            Deployed => &[Deploying, Degraded, Terminating],
            Degraded => &[Deploying, Deployed, Terminating],
            Terminating => &[Terminated, Failed],
            Terminated | Failed => &[],
        }
    }

    /// Whether `next` may follow.
    pub fn may_become(self, next: DeploymentPhase) -> bool {
        self.next().contains(&next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_instance_can_be_terminated_and_only_once() {
        for phase in Phase::ALL {
            let gone = matches!(phase, Phase::Terminating | Phase::Terminated);
            assert_eq!(phase.may_become(Phase::Terminating), !gone, "{phase:?}");
            let last = phase == Phase::Terminating;
            assert_eq!(phase.may_become(Phase::Terminated), last, "{phase:?}");
            assert!(!phase.may_become(phase));
            assert!(!phase.may_become(Phase::Deploying), "{phase:?}");
        }
    }

    #[test]
    fn every_deployment_ends_through_termination() {
        for phase in DeploymentPhase::ALL {
            for end in [DeploymentPhase::Terminated, DeploymentPhase::Failed] {
                let last = phase == DeploymentPhase::Terminating;
                assert_eq!(phase.may_become(end), last, "{phase:?}");
            }
        }
    }
}
