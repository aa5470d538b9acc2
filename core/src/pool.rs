//! The distributed container: one application-wide limit Ω shared by many
//! containers on many hosts (Escra, paper III and IV-D).
//!
//! The pool is a ledger of one resource. It answers "how much is free?" so that
//! the sum of all limits stays at or under Ω *on the hosts*, also while commands
//! are on their way: an increase is charged when it is sent, a decrease is
//! credited only when the host has confirmed it.

use crate::observation::ContainerId;

/// What one container holds of the resource.
#[derive(Clone, Copy, Debug, Default)]
struct Holding {
    /// The limit last commanded.
    target: u64,
    /// The highest limit that can be in force on the host: of the one
    /// confirmed and all on their way.
    ceiling: u64,
    /// Version of the last command sent.
    version: u64,
    member: bool,
}

/// A ledger of one resource under Ω, in the resource's smallest unit.
///
/// Invariant, after every call: `held() <= limit()`, where `held` is the sum of
/// the highest limits that can be in force.
#[derive(Clone, Debug)]
pub struct Pool {
    limit: u64,
    held: u64,
    holdings: Vec<Holding>,
    members: usize,
}

impl Pool {
    /// An empty pool under the application-wide limit `limit`.
    pub fn new(limit: u64) -> Pool {
        Pool {
            limit,
            held: 0,
            holdings: Vec::new(),
            members: 0,
        }
    }

    /// Adds a container that starts with up to `wanted`; returns what it got.
    /// A container that is a member already keeps what it has.
    pub fn join(&mut self, id: ContainerId, wanted: u64) -> u64 {
        let index = id.0 as usize;
        if index >= self.holdings.len() {
            self.holdings.resize(index + 1, Holding::default());
        }
        if self.holdings[index].member {
            return self.holdings[index].target;
        }
        // What is kept for one that is back is its own.
        let kept = self.holdings[index].ceiling;
        let given = wanted.min(self.free() + kept);
        self.held = self.held - kept + given;
        self.members += 1;
        self.holdings[index] = Holding {
            target: given,
            ceiling: given,
            version: 0,
            member: true,
        };
        given
    }

    /// Removes a container; everything it held is free again.
    pub fn leave(&mut self, id: ContainerId) {
        self.vacate(id, 0);
    }

    /// Removes a container that will be back: up to `keep` of what it held stays
    /// charged for its return, so that nobody can lock it out meanwhile.
    pub fn vacate(&mut self, id: ContainerId, keep: u64) {
        let Some(holding) = self.holdings.get_mut(id.0 as usize) else {
            return;
        };
        let kept = holding.ceiling.min(keep);
        self.held -= holding.ceiling - kept;
        self.members -= usize::from(holding.member);
        *holding = Holding {
            ceiling: kept,
            ..Holding::default()
        };
    }

    /// Sets a member's limit, as far as the pool allows. Returns the version
    /// and the limit to command, or nothing if the limit stays as it was or the
    /// container is no member.
    pub fn set(&mut self, id: ContainerId, wanted: u64) -> Option<(u64, u64)> {
        let free = self.free();
        let holding = self.member_mut(id)?;
        let target = wanted.min(holding.ceiling + free);
        if target == holding.target {
            return None;
        }
        let grown = target.saturating_sub(holding.ceiling);
        holding.target = target;
        holding.ceiling += grown;
        holding.version += 1;
        let version = holding.version;
        self.held += grown;
        Some((version, target))
    }

    /// Takes the next version for a command whose result only the host knows
    /// (a reclaim). The old limit stays charged until the host answers.
    pub fn announce(&mut self, id: ContainerId) -> Option<u64> {
        let holding = self.member_mut(id)?;
        holding.version += 1;
        Some(holding.version)
    }

    /// The host confirms that, as of command `version`, `limit` is in force.
    /// Answers to anything but the last command are ignored: what is on its way
    /// can still raise the limit. Returns how much became free.
    pub fn confirm(&mut self, id: ContainerId, version: u64, limit: u64) -> u64 {
        let Some(holding) = self.member_mut(id) else {
            return 0;
        };
        // A host never holds more than it was ever sent; a report that says so
        // is not believed.
        if version != holding.version || limit > holding.ceiling {
            return 0;
        }
        let freed = holding.ceiling - limit;
        holding.target = limit;
        holding.ceiling = limit;
        self.held -= freed;
        freed
    }

    /// The host confirms that, as of command `version`, the limit commanded is in
    /// force. As [`confirm`](Pool::confirm) otherwise.
    pub fn applied(&mut self, id: ContainerId, version: u64) {
        if let Some(target) = self.target(id) {
            self.confirm(id, version, target);
        }
    }

    /// Whether `version` is that of the last command to a member: only its answer
    /// tells which limit is in force.
    pub fn is_last(&self, id: ContainerId, version: u64) -> bool {
        let holding = self.holdings.get(id.0 as usize);
        holding.is_some_and(|holding| holding.member && holding.version == version)
    }

    /// The limit last commanded; nothing if the container is no member.
    pub fn target(&self, id: ContainerId) -> Option<u64> {
        let holding = self.holdings.get(id.0 as usize)?;
        holding.member.then_some(holding.target)
    }

    /// What is kept for the return of a container that is no member.
    pub fn kept(&self, id: ContainerId) -> u64 {
        let holding = self.holdings.get(id.0 as usize);
        holding.filter(|h| !h.member).map_or(0, |h| h.ceiling)
    }

    /// What is not held by anybody.
    pub fn free(&self) -> u64 {
        self.limit - self.held
    }

    /// The sum of the highest limits that can be in force.
    pub fn held(&self) -> u64 {
        self.held
    }

    /// The application-wide limit Ω.
    pub fn limit(&self) -> u64 {
        self.limit
    }

    /// Ω, if there is one: a pool of all there is to count has none.
    pub fn bound(&self) -> Option<u64> {
        (self.limit < u64::MAX).then_some(self.limit)
    }

    /// How many containers share the pool.
    pub fn members(&self) -> usize {
        self.members
    }

    /// The members in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = ContainerId> + '_ {
        (0u32..)
            .zip(&self.holdings)
            .filter(|(_, holding)| holding.member)
            .map(|(index, _)| ContainerId(index))
    }

    fn member_mut(&mut self, id: ContainerId) -> Option<&mut Holding> {
        self.holdings
            .get_mut(id.0 as usize)
            .filter(|holding| holding.member)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const A: ContainerId = ContainerId(0);
    const B: ContainerId = ContainerId(1);

    #[test]
    fn a_decrease_is_free_only_when_confirmed() {
        let mut pool = Pool::new(10);
        assert_eq!(pool.join(A, 8), 8);
        assert_eq!(pool.join(B, 8), 2);
        let (version, target) = pool.set(A, 3).unwrap();
        assert_eq!((target, pool.free()), (3, 0));
        assert_eq!(pool.set(B, 7), None);
        assert_eq!(pool.confirm(A, version, 3), 5);
        assert_eq!(pool.set(B, 9), Some((1, 7)));
    }

    #[test]
    fn one_that_will_be_back_finds_what_was_kept_for_it() {
        let mut pool = Pool::new(10);
        pool.join(A, 8);
        pool.join(B, 2);
        pool.vacate(A, 3);
        assert_eq!((pool.free(), pool.members()), (5, 1));
        assert_eq!(pool.set(B, 9), Some((1, 7)));
        assert_eq!(pool.join(A, 8), 3);
        assert_eq!((pool.free(), pool.members()), (0, 2));
        // Who comes back smaller leaves the rest; who is gone for good, all.
        pool.vacate(A, 3);
        assert_eq!(pool.join(A, 1), 1);
        pool.vacate(A, 3);
        pool.leave(A);
        assert_eq!((pool.free(), pool.members()), (3, 1));
    }

    #[test]
    fn an_answer_to_an_old_command_frees_nothing() {
        let mut pool = Pool::new(10);
        pool.join(A, 8);
        let (old, _) = pool.set(A, 3).unwrap();
        let (new, _) = pool.set(A, 6).unwrap();
        assert_eq!(pool.confirm(A, old, 3), 0);
        assert_eq!(pool.held(), 8);
        assert_eq!(pool.confirm(A, new, 6), 2);
        assert_eq!(pool.confirm(A, new, 6), 0);
    }

    /// A host beside the ledger: commands and answers arrive late, doubled and
    /// in any order, and the true sum of limits must still stay under Ω.
    #[derive(Clone, Copy, Debug)]
    enum Step {
        Set(u32, u64),
        Reclaim(u32),
        Leave(u32),
        Deliver(usize, u64),
        Answer(usize),
    }

    /// A command on its way: a limit, or a reclaim whose limit the host finds.
    type Sent = (u32, u64, Option<u64>);

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            8 => (0u32..4, 0u64..120).prop_map(|(id, wanted)| Step::Set(id, wanted)),
            3 => (0u32..4).prop_map(Step::Reclaim),
            1 => (0u32..4).prop_map(Step::Leave),
            9 => (any::<usize>(), 0u64..120).prop_map(|(n, used)| Step::Deliver(n, used)),
            9 => any::<usize>().prop_map(Step::Answer),
        ]
    }

    proptest! {
        #[test]
        fn the_limits_on_the_hosts_never_pass_omega(
            steps in proptest::collection::vec(step(), 1..200),
        ) {
            let mut pool = Pool::new(100);
            let mut host = [(0u64, 0u64); 4];
            for (id, state) in (0u32..).zip(&mut host) {
                state.1 = pool.join(ContainerId(id), 40);
            }
            let mut sent: Vec<Sent> = Vec::new();
            let mut answers = Vec::new();
            for step in steps {
                match step {
                    Step::Set(id, wanted) => {
                        if let Some((version, limit)) = pool.set(ContainerId(id), wanted) {
                            sent.push((id, version, Some(limit)));
                        }
                    }
                    Step::Reclaim(id) => {
                        if let Some(version) = pool.announce(ContainerId(id)) {
                            sent.push((id, version, None));
                        }
                    }
                    // Names are never used again: what is on its way to it finds
                    // nobody.
                    Step::Leave(id) => {
                        pool.leave(ContainerId(id));
                        host[id as usize] = (u64::MAX, 0);
                    }
                    // A host refuses a limit under what is used.
                    Step::Deliver(which, used) if !sent.is_empty() => {
                        let (id, version, limit) = sent[which % sent.len()];
                        let state = &mut host[id as usize];
                        if version > state.0 {
                            let kept = match limit {
                                Some(limit) if limit >= used => limit,
                                Some(_) => state.1,
                                None => state.1.min(used),
                            };
                            *state = (version, kept);
                            answers.push((id, version, kept));
                        }
                    }
                    Step::Answer(which) if !answers.is_empty() => {
                        let (id, version, limit) = answers[which % answers.len()];
                        pool.confirm(ContainerId(id), version, limit);
                    }
                    _ => {}
                }
                prop_assert!(host.iter().map(|state| state.1).sum::<u64>() <= 100);
                prop_assert!(pool.held() <= pool.limit());
            }
        }
    }
}
