//! K8s-CPU against a container that cannot use more than its limit: how fast it
//! follows a step of the load.

use super::*;

/// One container, of one core at first, under a demand that steps from 0.2 to 2
/// cores after `up` samples and back after `down`. Returns the limit after each.
fn run(config: Config, up: u64, down: u64, samples: u64) -> Vec<f64> {
    let period = config.period;
    let mut policy = admitted(config, 1, None);
    let step = |n| {
        let limit = Cores(policy.pool.target(A).unwrap());
        let demand = Cores::from_millis(if (up..down).contains(&n) { 2_000 } else { 200 });
        let what = Observation::Usage {
            container: A,
            seq: n + 1,
            cpu: demand.min(limit),
            memory: Bytes::ZERO,
        };
        observe(&mut policy, Time::ZERO + period * (n + 1), &what);
        Cores(policy.pool.target(A).unwrap()).as_f64()
    };
    (0..samples).map(step).collect()
}

#[test]
fn a_step_of_the_load_is_followed_by_doubling() {
    // The same in samples: of 15 s and of 1 s.
    for config in [Config::default(), Config::fast()] {
        let limits = run(config, 10, 40, 70);
        assert_eq!(limits[..10], [0.4; 10]);
        assert_eq!(limits[10..14], [0.8, 1.6, 3.2, 4.0]);
        // The last sample of two cores leaves the window 20 samples later.
        assert_eq!(limits[14..59], [4.0; 45]);
        assert_eq!(limits[59..], [0.4; 11]);
    }
}
