//! Writes files of a published format that nobody measured: for tests, and to
//! measure how fast traces are read. Their values have the right form and a
//! plausible range, and mean nothing.

use std::io::{self, BufWriter, Write};

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::format::Format;
use super::layout::{Column, Kind, Layout};
use crate::random;

/// How many rows of one subject follow each other, at the trace's interval.
const RUN: u64 = 1_000;

/// Writes rows of `format` until at least `bytes` are written. The same `seed` gives
/// the same bytes.
///
/// # Errors
/// When `to` refuses.
pub fn synthesize(format: Format, seed: u64, bytes: u64, to: &mut dyn Write) -> io::Result<()> {
    let layout = format.layout();
    let mut to = BufWriter::with_capacity(1 << 20, to);
    let mut rng = random::stream(seed, "synthetic trace", 0);
    let mut written = 0;
    let mut line = String::new();
    // The microservices' traces have one as published, older ones none.
    if format.always_has_head() || format.name().contains("microservices") {
        let names: Vec<&str> = layout
            .columns
            .iter()
            .map(|column| column.name.as_ref())
            .collect();
        line = names.join(",");
    }
    for row in 0u64.. {
        if !line.is_empty() {
            line.push('\n');
            written += line.len() as u64;
            to.write_all(line.as_bytes())?;
            line.clear();
        }
        if written >= bytes {
            break;
        }
        for (place, column) in layout.columns.iter().enumerate() {
            if place > 0 {
                line.push(',');
            }
            cell(&layout, place, column, row, &mut rng, &mut line);
        }
    }
    to.flush()
}

fn cell(
    layout: &Layout,
    place: usize,
    column: &Column,
    row: u64,
    rng: &mut ChaCha8Rng,
    line: &mut String,
) {
    use std::fmt::Write as _;
    let subject = row / RUN;
    let written = match column.kind {
        Kind::Time(unit) => {
            // One after the other for each subject; the loads of `rates` have one.
            let step = if layout.texts().is_empty() {
                row
            } else {
                row % RUN
            };
            write!(line, "{}", step * layout.interval.0.max(unit) / unit)
        }
        // Published machines have a few containers each.
        Kind::Name | Kind::Label if place == layout.subject => {
            write!(line, "{}_{subject}", initial(column))
        }
        Kind::Name | Kind::Label => write!(line, "{}_{}", initial(column), subject / 8),
        Kind::Word(words) => write!(line, "{}", words[rng.random_range(0..words.len())]),
        Kind::Ending(ends) => write!(line, "HTTP{}", ends[(row % ends.len() as u64) as usize]),
        Kind::Minute(_) => write!(line, "{}", rng.random_range(0..20u32)),
        Kind::Percent => write!(line, "{}", rng.random_range(0..=100u32)),
        Kind::Number if column.unit == "%" => write!(line, "{}", rng.random_range(1..=100u32)),
        Kind::Number if column.unit == "share" => write!(line, "{}", rng.random::<f64>()),
        Kind::Number => write!(line, "{:.2}", rng.random_range(0.0..50.0f64)),
    };
    // Writing to a string does not fail.
    debug_assert!(written.is_ok());
}

fn initial(column: &Column) -> char {
    column
        .name
        .chars()
        .next()
        .unwrap_or('x')
        .to_ascii_lowercase()
}
