//! What wrk2 prints with `--latency` when it is done: the reports that Escra's authors
//! kept, and that their figures' throughput and 99.9th percentile are read from.
//!
//! Layout from wrk2's `print_hdr_latency`, `print_stats_*` and `units.c`, and from
//! HdrHistogram's `hdr_percentiles_print` (classic). Lines about what a simulated client
//! does not have (thread calibration, socket errors, buckets) are left out; bytes and
//! the standard deviation are not measured and are `nan`.

use std::fmt;

use tidegate_core::Span;

/// The percentiles of the short list.
const LISTED: [f64; 8] = [50.0, 75.0, 90.0, 99.0, 99.9, 99.99, 99.999, 100.0];

/// One report.
#[derive(Clone, Debug)]
pub struct Report {
    /// What was under load.
    pub url: String,
    /// How long the client sent.
    pub duration: Span,
    /// Requests that were answered.
    pub requests: u64,
    /// Those of them that failed.
    pub failed: u64,
    /// Requests in the histogram: those after its reset.
    pub recorded: u64,
    /// Their mean latency.
    pub mean_ms: f64,
    /// Quantiles and latencies in milliseconds, both growing; the last is of all.
    pub spectrum: Vec<(f64, f64)>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.duration.as_secs_f64();
        writeln!(f, "Running {} test @ {}", time(seconds * 1e6, 0), self.url)?;
        writeln!(
            f,
            "  Latency Distribution (HdrHistogram - Recorded Latency)"
        )?;
        for percent in LISTED {
            // As the histogram answers: the first value that so many are not above.
            let found = self
                .spectrum
                .iter()
                .find(|(share, _)| share * 100.0 >= percent);
            if let Some((_, latency)) = found {
                let text = time(latency * 1e3, 2);
                // Units of one letter leave room for a second one.
                let unit = text
                    .chars()
                    .rev()
                    .take_while(char::is_ascii_alphabetic)
                    .count();
                let pad = 2usize.saturating_sub(unit);
                writeln!(
                    f,
                    "{percent:7.3}%{text:>width$}{:pad$}",
                    "",
                    width = 10 - pad
                )?;
            }
        }
        writeln!(f, "\n  Detailed Percentile spectrum:")?;
        let head = ["Value", "Percentile", "TotalCount", "1/(1-Percentile)"];
        writeln!(
            f,
            "{:>12} {:>12} {:>12} {:>12}\n",
            head[0], head[1], head[2], head[3]
        )?;
        for (share, latency) in &self.spectrum {
            let count = (share * self.recorded as f64).ceil().max(1.0);
            let inverse = 1.0 / (1.0 - share);
            writeln!(f, "{latency:12.3} {share:12.6} {count:12} {inverse:12.2}")?;
        }
        let max = self
            .spectrum
            .last()
            .map_or(f64::NAN, |(_, latency)| *latency);
        let [mean, none, max] = [self.mean_ms, f64::NAN, max].map(Number);
        writeln!(f, "#[Mean    = {mean:>12}, StdDeviation   = {none:>12}]")?;
        writeln!(
            f,
            "#[Max     = {max:>12}, Total count    = {:12}]",
            self.recorded
        )?;
        writeln!(
            f,
            "----------------------------------------------------------"
        )?;
        let took = time(seconds * 1e6, 2);
        writeln!(f, "  {} requests in {took}, nanB read", self.requests)?;
        if self.failed > 0 {
            writeln!(f, "  Non-2xx or 3xx responses: {}", self.failed)?;
        }
        writeln!(f, "Requests/sec: {:9.2}", self.requests as f64 / seconds)?;
        writeln!(f, "Transfer/sec:      nanB")
    }
}

/// A number with three decimals, not a number as C writes it.
struct Number(f64);

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = if self.0.is_nan() {
            "nan".to_owned()
        } else {
            format!("{:.3}", self.0)
        };
        f.pad(&text)
    }
}

/// Microseconds in the unit that wrk2 takes: the next one from 85 % of it on.
fn time(us: f64, decimals: usize) -> String {
    const STEPS: [(f64, &str); 5] = [
        (1.0, "us"),
        (1e3, "ms"),
        (1e6, "s"),
        (60e6, "m"),
        (3600e6, "h"),
    ];
    // Seconds begin at a full one.
    let begins = |(scale, _): &&(f64, &str)| match *scale {
        1e6 => us >= 1e6,
        scale => us >= 0.85 * scale,
    };
    let (scale, unit) = STEPS.iter().rev().find(begins).unwrap_or(&STEPS[0]);
    format!("{:.decimals$}{unit}", us / scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_the_unit_that_wrk2_takes() {
        for (us, text) in [
            (849.0, "849.00us"),
            (850.0, "0.85ms"),
            (12_640.0, "12.64ms"),
            (999_000.0, "999.00ms"),
            (1_000_000.0, "1.00s"),
            (50_900_000.0, "50.90s"),
            (85_700_000.0, "1.43m"),
            (180_000_000.0, "3.00m"),
        ] {
            assert_eq!(time(us, 2), text);
        }
        assert_eq!(time(180e6, 0), "3m");
    }

    #[test]
    fn a_report_is_what_wrk2_prints() {
        let report = Report {
            url: "app".to_owned(),
            duration: Span::from_secs(180),
            requests: 71_779,
            failed: 372,
            recorded: 67_928,
            mean_ms: 421.511,
            spectrum: vec![
                (0.0, 3.6),
                (0.5, 510.207),
                (0.999, 1013.759),
                (1.0, 85_700.5),
            ],
        };
        insta::assert_snapshot!(report);
    }
}
