//! What an invoker keeps: its pods, and activations that wait for one.

use std::collections::BTreeSet;

use super::Buffer;

/// What a pod does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Asked for, and not yet seen to run.
    Starting,
    /// Runs, without a function.
    Stem,
    /// Serves an activation.
    Busy,
    /// Has a function and nothing to do.
    Idle,
    /// Is no more.
    Gone,
}

/// A pod as its invoker knows it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pod {
    pub(super) function: u32,
    pub(super) invoker: usize,
    /// Where it is, once it is placed.
    pub(super) host: Option<u32>,
    pub(super) state: State,
    /// What it serves, or is started for.
    pub(super) activation: Option<u32>,
    /// When it was asked for, or became idle.
    pub(super) since: tidegate_core::Time,
    /// How often it was idle.
    pub(super) idles: u32,
}

/// An invoker.
#[derive(Clone, Debug)]
pub(super) struct Invoker {
    /// Pods that fit into its memory.
    slots: u32,
    /// Its pods. OpenWhisk looks for an idle one in the order of a hash map, which is
    /// fixed too, but arbitrary.
    pub(super) pods: BTreeSet<u32>,
    pub(super) buffer: Buffer,
}

impl Invoker {
    pub(super) fn new(slots: u32) -> Invoker {
        Invoker {
            slots,
            pods: BTreeSet::new(),
            buffer: Buffer::new(),
        }
    }

    /// Whether one more pod fits into its memory.
    pub(super) fn has_room(&self) -> bool {
        self.pods.len() < self.slots as usize
    }
}
