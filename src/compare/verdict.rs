//! What a comparison says: an interval over seeds, and a verdict.

use std::fmt;

use crate::scenario::format::{Claim, Form, Tolerance};

/// What a comparison says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// The measured value is within the tolerance around the published one.
    Within,
    /// The change has the published sign, but not its size.
    DirectionOnly,
    /// The change has the other sign, or a value is outside the tolerance.
    Contradicts,
    /// No cell of this run measures it.
    NotMeasured,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Verdict::Within => "within",
            Verdict::DirectionOnly => "direction-only",
            Verdict::Contradicts => "contradicts",
            Verdict::NotMeasured => "not-measured",
        })
    }
}

/// The verdict on `measured` beside `published`.
pub fn verdict(
    form: Form,
    claim: Claim,
    published: f64,
    measured: f64,
    tolerance: Tolerance,
) -> Verdict {
    let same_direction = |unchanged: f64| (measured - unchanged) * (published - unchanged) > 0.0;
    if measured.is_nan() {
        Verdict::NotMeasured
    } else if tolerance.holds(claim, published, measured) {
        Verdict::Within
    } else if form.unchanged().is_some_and(same_direction) {
        Verdict::DirectionOnly
    } else {
        Verdict::Contradicts
    }
}

/// The tolerance where an entry gives none.
pub fn default_tolerance(form: Form) -> Tolerance {
    match form {
        Form::ReductionPercent | Form::IncreasePercent => Tolerance::Points(15.0),
        _ => Tolerance::Relative(0.1),
    }
}

/// The mean of `values`, and the half width of its 95 % confidence interval
/// after Student; a single value has none.
pub fn interval(values: &[f64]) -> (f64, Option<f64>) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    if values.len() < 2 {
        return (mean, None);
    }
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    let error = (squares / (n - 1.0) / n).sqrt();
    (mean, Some(student(values.len() - 1) * error))
}

/// The 97.5 % quantile of Student's t with `freedom` degrees of freedom.
fn student(freedom: usize) -> f64 {
    const TABLE: [f64; 30] = [
        12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160,
        2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056,
        2.052, 2.048, 2.045, 2.042,
    ];
    // Cornish and Fisher's first terms are right to three digits from 30 on.
    let z = 1.959_964_f64;
    TABLE.get(freedom - 1).copied().unwrap_or_else(|| {
        let n = freedom as f64;
        let first = z.powi(3) + z;
        let second = 5.0 * z.powi(5) + 16.0 * z.powi(3) + 3.0 * z;
        z + first / (4.0 * n) + second / (96.0 * n * n)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_needs_two_values() {
        assert_eq!(interval(&[4.0]), (4.0, None));
        let (mean, half) = interval(&[1.0, 2.0, 3.0]);
        assert_eq!(mean, 2.0);
        assert!((half.unwrap() - 4.303 / 3f64.sqrt()).abs() < 1e-9);
        assert!((student(31) - 2.0395).abs() < 5e-4);
    }

    #[test]
    fn verdicts_follow_sign_and_tolerance() {
        let points = Tolerance::Points(15.0);
        let of = |measured| {
            let form = Form::ReductionPercent;
            verdict(form, Claim::Equals, 38.0, measured, points)
        };
        assert_eq!(of(25.0), Verdict::Within);
        assert_eq!(of(5.0), Verdict::DirectionOnly);
        assert_eq!(of(-5.0), Verdict::Contradicts);
        assert_eq!(of(f64::NAN), Verdict::NotMeasured);
        let relative = Tolerance::Relative(0.1);
        let of = |measured| verdict(Form::Value, Claim::Equals, 100.0, measured, relative);
        assert_eq!(of(109.0), Verdict::Within);
        assert_eq!(of(120.0), Verdict::Contradicts);
    }

    #[test]
    fn the_direction_of_a_ratio_turns_at_one() {
        let relative = Tolerance::Relative(0.1);
        let of = |measured| {
            let form = Form::ReductionRatio;
            verdict(form, Claim::Equals, 2.5, measured, relative)
        };
        assert_eq!(of(2.4), Verdict::Within);
        assert_eq!(of(1.1), Verdict::DirectionOnly);
        assert_eq!(of(0.9), Verdict::Contradicts);
    }

    #[test]
    fn what_is_claimed_to_be_passed_may_be_passed_by_far() {
        let relative = Tolerance::Relative(0.1);
        let of = |claim, measured| verdict(Form::Value, claim, 10.0, measured, relative);
        assert_eq!(of(Claim::Over, 50.0), Verdict::Within);
        assert_eq!(of(Claim::Over, 9.1), Verdict::Within);
        assert_eq!(of(Claim::Over, 8.0), Verdict::Contradicts);
        assert_eq!(of(Claim::Under, 1.0), Verdict::Within);
        assert_eq!(of(Claim::Under, 12.0), Verdict::Contradicts);
    }
}
