//! Quantities as integers that carry their unit.
//!
//! Integers make sums exact, which the invariant "the sum of all limits is at
//! most Ω" needs, and runs byte-identical on every machine. Text forms
//! ("180s", "0.5 cores", "256 MiB") are what scenario files use.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Mul, Sub, SubAssign};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An instant: nanoseconds since the beginning of the run. Written down as that
/// number.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Time(pub u64);

/// A length of time in nanoseconds. Text form: "250ms", "1.5s", "10min".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span(pub u64);

/// An amount of CPU in billionths of a core. Text form: "0.5 cores".
///
/// With CFS's period of 100 ms one core is a quota of 100 ms per period, and
/// one nanosecond of quota is ten of these units: every quota the kernel can
/// hold is represented exactly.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cores(pub u64);

/// An amount of memory in bytes. Text form: "256 MiB".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bytes(pub u64);

impl Time {
    /// The beginning of the run.
    pub const ZERO: Time = Time(0);

    /// The time since `earlier`; zero if that is later.
    pub fn since(self, earlier: Time) -> Span {
        Span(self.0.saturating_sub(earlier.0))
    }

    /// Seconds since the beginning of the run.
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 * 1e-9
    }
}

impl Add<Span> for Time {
    type Output = Time;
    fn add(self, rhs: Span) -> Time {
        Time(self.0 + rhs.0)
    }
}

impl Span {
    /// `n` microseconds.
    pub const fn from_micros(n: u64) -> Span {
        Span(n * 1_000)
    }

    /// `n` milliseconds.
    pub const fn from_millis(n: u64) -> Span {
        Span(n * 1_000_000)
    }

    /// `n` seconds.
    pub const fn from_secs(n: u64) -> Span {
        Span(n * 1_000_000_000)
    }

    /// `s` seconds, rounded to the nanosecond; zero if negative or not a number.
    pub fn from_secs_f64(s: f64) -> Span {
        Span((s * 1e9).round() as u64)
    }

    /// The length in seconds.
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 * 1e-9
    }
}

/// The least CPU time per period that the kernel takes as a quota
/// (`min_cfs_quota_period`); it makes as much of anything smaller.
pub(crate) const LEAST_QUOTA: Span = Span::from_millis(1);

impl Cores {
    /// `n` whole cores.
    pub const fn new(n: u64) -> Cores {
        Cores(n * 1_000_000_000)
    }

    /// `n` thousandths of a core.
    pub const fn from_millis(n: u64) -> Cores {
        Cores(n * 1_000_000)
    }

    /// `c` cores, rounded to the billionth; zero if negative or not a number.
    pub fn from_f64(c: f64) -> Cores {
        Cores((c * 1e9).round() as u64)
    }

    /// The amount in cores.
    pub fn as_f64(self) -> f64 {
        self.0 as f64 * 1e-9
    }

    /// The runtime this amount gives in `period`, rounded down.
    pub fn over(self, period: Span) -> Span {
        let product = u128::from(self.0) * u128::from(period.0);
        Span(match u64::try_from(product) {
            Ok(product) => product / 1_000_000_000,
            Err(_) => (product / 1_000_000_000) as u64,
        })
    }

    /// The least amount that gives `runtime` within `period`: with periods of up to a
    /// second, [`over`](Cores::over) of it is `runtime` again. `period` must not be
    /// zero.
    pub fn from_runtime(runtime: Span, period: Span) -> Cores {
        let product = u128::from(runtime.0) * 1_000_000_000;
        // Real runtimes fit in the short way, which is several times as fast.
        Cores(match u64::try_from(product) {
            Ok(product) => product.div_ceil(period.0),
            Err(_) => product.div_ceil(u128::from(period.0)) as u64,
        })
    }

    /// The amount rounded down to whole nanoseconds per `period`, as a kernel can
    /// hold it. `period` must not be zero.
    pub fn whole(self, period: Span) -> Cores {
        Cores::from_runtime(self.over(period), period)
    }
}

impl Bytes {
    /// `n` binary megabytes.
    pub const fn from_mib(n: u64) -> Bytes {
        Bytes(n << 20)
    }

    /// `n` binary megabytes, rounded to the byte; zero if negative or not a number.
    pub fn from_mib_f64(n: f64) -> Bytes {
        Bytes((n * 1_048_576.0).round() as u64)
    }

    /// The amount in binary megabytes.
    pub fn as_mib_f64(self) -> f64 {
        self.0 as f64 / 1_048_576.0
    }
}

/// Arithmetic shared by the quantities that can be added up.
macro_rules! quantity {
    ($name:ident) => {
        impl $name {
            /// Nothing of it.
            pub const ZERO: $name = $name(0);

            /// The difference, or zero where `rhs` is larger.
            pub fn saturating_sub(self, rhs: $name) -> $name {
                $name(self.0.saturating_sub(rhs.0))
            }

            /// The product with `factor`, rounded to the nearest unit.
            pub fn scale(self, factor: f64) -> $name {
                $name((self.0 as f64 * factor).round() as u64)
            }
        }

        impl Add for $name {
            type Output = $name;
            fn add(self, rhs: $name) -> $name {
                $name(self.0 + rhs.0)
            }
        }

        impl AddAssign for $name {
            fn add_assign(&mut self, rhs: $name) {
                self.0 += rhs.0;
            }
        }

        impl Sub for $name {
            type Output = $name;
            fn sub(self, rhs: $name) -> $name {
                $name(self.0 - rhs.0)
            }
        }

        impl SubAssign for $name {
            fn sub_assign(&mut self, rhs: $name) {
                self.0 -= rhs.0;
            }
        }

        impl Mul<u64> for $name {
            type Output = $name;
            fn mul(self, rhs: u64) -> $name {
                $name(self.0 * rhs)
            }
        }

        impl Sum for $name {
            fn sum<I: Iterator<Item = $name>>(iter: I) -> $name {
                iter.fold($name(0), Add::add)
            }
        }
    };
}

quantity!(Span);
quantity!(Cores);
quantity!(Bytes);

/// A text that is not the quantity it should be: what was read, and what would
/// be right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseQuantityError {
    text: String,
    expected: &'static str,
}

impl fmt::Display for ParseQuantityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is not {}", self.text, self.expected)
    }
}

impl std::error::Error for ParseQuantityError {}

/// Splits "1.5 MiB" into its number and its unit, and converts with `units`.
fn parse(
    text: &str,
    units: &[(&str, f64)],
    expected: &'static str,
) -> Result<u64, ParseQuantityError> {
    let error = || ParseQuantityError {
        text: text.to_owned(),
        expected,
    };
    let trimmed = text.trim();
    let split = trimmed
        .find(|c: char| !(c.is_ascii_digit() || c == '.'))
        .ok_or_else(error)?;
    let number: f64 = trimmed[..split].parse().map_err(|_| error())?;
    let unit = trimmed[split..].trim();
    let factor = units
        .iter()
        .find(|(name, _)| *name == unit)
        .ok_or_else(error)?
        .1;
    let value = (number * factor).round();
    // Beyond 2^53 a float no longer counts in ones, and nothing real is so large.
    if value.is_finite() && value <= 9_007_199_254_740_992.0 {
        Ok(value as u64)
    } else {
        Err(error())
    }
}

impl FromStr for Span {
    type Err = ParseQuantityError;
    fn from_str(text: &str) -> Result<Span, ParseQuantityError> {
        let units = [
            ("ns", 1.0),
            ("us", 1e3),
            ("µs", 1e3),
            ("ms", 1e6),
            ("s", 1e9),
            ("min", 60e9),
            ("h", 3600e9),
        ];
        parse(text, &units, "a duration such as \"180s\" or \"250ms\"").map(Span)
    }
}

impl FromStr for Cores {
    type Err = ParseQuantityError;
    fn from_str(text: &str) -> Result<Cores, ParseQuantityError> {
        let units = [("cores", 1e9), ("core", 1e9), ("mcores", 1e6)];
        parse(text, &units, "an amount of CPU such as \"0.5 cores\"").map(Cores)
    }
}

impl FromStr for Bytes {
    type Err = ParseQuantityError;
    fn from_str(text: &str) -> Result<Bytes, ParseQuantityError> {
        let units = [
            ("B", 1.0),
            ("KiB", 1024.0),
            ("MiB", 1_048_576.0),
            ("GiB", 1_073_741_824.0),
            ("KB", 1e3),
            ("MB", 1e6),
            ("GB", 1e9),
        ];
        parse(text, &units, "an amount of memory such as \"256 MiB\"").map(Bytes)
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unit, name) = match self.0 {
            n if n != 0 && n % 1_000_000_000 == 0 => (1_000_000_000, "s"),
            n if n != 0 && n % 1_000_000 == 0 => (1_000_000, "ms"),
            n if n != 0 && n % 1_000 == 0 => (1_000, "us"),
            0 => (1, "s"),
            _ => (1, "ns"),
        };
        write!(f, "{}{name}", self.0 / unit)
    }
}

impl fmt::Display for Cores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} cores", self.as_f64())
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 != 0 && self.0.is_multiple_of(1 << 20) {
            write!(f, "{} MiB", self.0 >> 20)
        } else {
            write!(f, "{} B", self.0)
        }
    }
}

/// Text in files, as `FromStr` and `Display` have it.
macro_rules! as_text {
    ($name:ident) => {
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<$name, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
    };
}

as_text!(Span);
as_text!(Cores);
as_text!(Bytes);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn texts_are_read_with_their_unit() {
        assert_eq!("180s".parse(), Ok(Span::from_secs(180)));
        assert_eq!("1.5 ms".parse(), Ok(Span::from_micros(1_500)));
        assert_eq!("10 min".parse(), Ok(Span::from_secs(600)));
        assert_eq!("0.3 cores".parse(), Ok(Cores::from_millis(300)));
        assert_eq!("22952 mcores".parse(), Ok(Cores::from_millis(22_952)));
        assert_eq!("256 MiB".parse(), Ok(Bytes::from_mib(256)));
        assert_eq!("62.5 MB".parse(), Ok(Bytes(62_500_000)));
    }

    #[test]
    fn a_wrong_text_says_what_would_be_right() {
        let message = "180".parse::<Span>().unwrap_err().to_string();
        assert_eq!(
            message,
            "\"180\" is not a duration such as \"180s\" or \"250ms\""
        );
        for text in ["", "s", "-1s", "1.2.3s", "1e9s", "99999999999999h", "NaN s"] {
            assert!(text.parse::<Span>().is_err(), "{text:?}");
        }
        assert!("1 GiB".parse::<Cores>().is_err());
        assert!("1 core".parse::<Bytes>().is_err());
    }

    #[test]
    fn a_quota_of_one_nanosecond_is_exact() {
        let period = Span::from_millis(100);
        assert_eq!(Cores::from_runtime(Span(1), period).over(period), Span(1));
    }

    #[test]
    fn a_whole_amount_is_what_a_kernel_can_hold() {
        let third = Cores(333_333_333);
        assert_eq!(third.whole(Span::from_millis(100)), Cores(333_333_330));
        assert_eq!(third.whole(Span::from_secs(1)), third);
    }

    proptest! {
        #[test]
        fn a_runtime_in_cores_is_that_runtime(
            runtime in 0u64..1 << 50,
            period in 1_000_000u64..=1_000_000_000,
        ) {
            let (runtime, period) = (Span(runtime), Span(period));
            let cores = Cores::from_runtime(runtime, period);
            prop_assert_eq!(cores.over(period), runtime);
            prop_assert_eq!(cores.whole(period), cores);
        }

        #[test]
        fn amounts_of_any_size_are_exact(cores: u64, period in 1u64..=1_000_000_000) {
            let exact = u128::from(cores) * u128::from(period) / 1_000_000_000;
            prop_assert_eq!(u128::from(Cores(cores).over(Span(period)).0), exact);
        }

        #[test]
        fn display_is_read_back(n in 0u64..1 << 50) {
            prop_assert_eq!(Span(n).to_string().parse(), Ok(Span(n)));
            prop_assert_eq!(Bytes(n).to_string().parse(), Ok(Bytes(n)));
            prop_assert_eq!(Cores(n).to_string().parse(), Ok(Cores(n)));
        }
    }
}
