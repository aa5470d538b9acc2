//! Which invoker gets an activation (`ShardingContainerPoolBalancer`): the home of
//! its action, or else the next with a free slot in steps of the action's own; a
//! random one when there is none.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use tidegate_workloads::random::stream;

/// The namespace of all actions: OpenWhisk's own of a fresh installation.
const NAMESPACE: &str = "guest";

/// The controller's view of the invokers.
#[derive(Debug)]
pub(super) struct Balancer {
    /// Free slots of each invoker; below zero where it was overloaded.
    free: Vec<i64>,
    /// Step sizes: coprime to the number of invokers and to each other.
    steps: Vec<usize>,
    overload: ChaCha8Rng,
}

impl Balancer {
    pub(super) fn new(invokers: usize, slots: u32, seed: u64) -> Balancer {
        Balancer {
            free: vec![i64::from(slots); invokers],
            steps: steps(invokers),
            overload: stream(seed, "overload", 0),
        }
    }

    /// Takes a slot for an activation of `action`; returns the invoker.
    pub(super) fn acquire(&mut self, action: &str) -> usize {
        let invoker = self.pick(action);
        self.free[invoker] -= 1;
        invoker
    }

    fn pick(&mut self, action: &str) -> usize {
        let hash = hash(action);
        let invokers = self.free.len();
        let step = self.steps[hash % self.steps.len()];
        let mut invoker = hash % invokers;
        for _ in 0..invokers {
            if self.free[invoker] > 0 {
                return invoker;
            }
            invoker = (invoker + step) % invokers;
        }
        self.overload.random_range(0..invokers)
    }

    /// An activation of an invoker is over.
    pub(super) fn release(&mut self, invoker: usize) {
        self.free[invoker] += 1;
    }
}

/// `generateHash`: of the namespace and the action's full name.
fn hash(action: &str) -> usize {
    let hash = java_hash(NAMESPACE) ^ java_hash(&format!("{NAMESPACE}/{action}"));
    hash.unsigned_abs() as usize
}

/// Java's `String.hashCode`.
fn java_hash(text: &str) -> i32 {
    text.encode_utf16().fold(0i32, |hash, unit| {
        hash.wrapping_mul(31).wrapping_add(i32::from(unit))
    })
}

/// `pairwiseCoprimeNumbersUntil`: step sizes that go round all invokers.
fn steps(invokers: usize) -> Vec<usize> {
    let mut steps: Vec<usize> = Vec::new();
    for step in 1..=invokers {
        if gcd(step, invokers) == 1 && steps.iter().all(|&other| gcd(step, other) == 1) {
            steps.push(step);
        }
    }
    steps
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_javas() {
        assert_eq!(java_hash(""), 0);
        assert_eq!(java_hash("hello"), 99_162_322);
        // The sum overflows on the way.
        assert_eq!(java_hash("image-process"), 2_109_153_277);
    }

    #[test]
    fn steps_are_coprime_to_the_invokers_and_to_each_other() {
        assert_eq!(steps(1), [1]);
        assert_eq!(steps(3), [1, 2]);
        assert_eq!(steps(9), [1, 2, 5, 7]);
        assert_eq!(steps(10), [1, 3, 7]);
    }

    #[test]
    fn an_action_fills_its_home_and_then_goes_on_in_its_steps() {
        let mut balancer = Balancer::new(5, 2, 1);
        let home = hash("f") % 5;
        let step = steps(5)[hash("f") % steps(5).len()];
        let taken: Vec<usize> = (0..10).map(|_| balancer.acquire("f")).collect();
        let expected: Vec<usize> = (0..10).map(|n| (home + n / 2 * step) % 5).collect();
        assert_eq!(taken, expected);
        // A slot of the home that comes free is taken next.
        balancer.release(home);
        assert_eq!(balancer.acquire("f"), home);
    }

    #[test]
    fn without_slots_any_invoker_is_overloaded_until_it_has_released_that() {
        let mut balancer = Balancer::new(3, 1, 1);
        for _ in 0..3 {
            balancer.acquire("f");
        }
        let over: Vec<usize> = (0..60).map(|_| balancer.acquire("f")).collect();
        for invoker in 0..3 {
            let count = over.iter().filter(|&&taken| taken == invoker).count();
            assert!((5..=40).contains(&count), "{count} of 60 on {invoker}");
        }
        let load = 1 + over.iter().filter(|&&taken| taken == 0).count();
        for _ in 0..load - 1 {
            balancer.release(0);
            assert!(balancer.free[0] <= 0);
        }
        balancer.release(0);
        assert_eq!(balancer.acquire("f"), 0);
    }
}
