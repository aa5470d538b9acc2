//! Named streams of random numbers.
//!
//! Whoever needs randomness draws from its own stream, named after what it is.
//! Two runs with the same seed then see the same arrivals and the same service
//! times whatever else differs between them (common random numbers), and a new
//! consumer changes no value that an old one draws.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// The random numbers of `(name, id)` under `seed`.
///
/// Streams of different names or ids are independent; the same three arguments
/// give the same numbers on every machine.
pub fn stream(seed: u64, name: &str, id: u64) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(hash(name, id));
    rng
}

/// FNV-1a, 64 bits: std's hashers promise nothing across versions.
fn hash(name: &str, id: u64) -> u64 {
    // 0xff is no byte of UTF-8: it ends the name.
    let bytes = name.bytes().chain([0xff]).chain(id.to_le_bytes());
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng, RngExt};
    use rand_distr::{Distribution, Exp, LogNormal};

    /// A changed value here means that every committed result changes.
    #[test]
    fn the_values_drawn_stay_the_same() {
        let mut rng = stream(1, "x", 0);
        let words: Vec<u64> = (0..3).map(|_| rng.next_u64()).collect();
        let unit: f64 = rng.random();
        let exp = Exp::new(2.0).unwrap().sample(&mut rng);
        let lognormal = LogNormal::new(0.0, 0.5).unwrap().sample(&mut rng);
        assert_eq!(
            words,
            [
                10_242_610_341_808_644_841,
                4_932_130_147_020_738_908,
                3_844_043_257_525_592_602
            ]
        );
        assert_eq!(unit, 0.492_159_749_247_195_63);
        assert_eq!(exp, 0.064_305_032_008_880_34);
        assert_eq!(lognormal, 0.701_109_712_713_655);
    }

    #[test]
    fn streams_differ_by_seed_name_and_id() {
        let first = |seed, name, id| stream(seed, name, id).next_u64();
        let values = [
            first(1, "x", 0),
            first(2, "x", 0),
            first(1, "y", 0),
            first(1, "x", 1),
            first(1, "", 0),
        ];
        for (index, value) in values.iter().enumerate() {
            assert!(!values[..index].contains(value), "{values:?}");
        }
        assert_eq!(first(1, "x", 0), values[0]);
    }

    #[test]
    fn a_name_never_runs_into_its_id() {
        assert_ne!(hash("a", 0x62), hash("ab", 0));
        assert_eq!(hash("", 0), hash("", 0));
    }
}
