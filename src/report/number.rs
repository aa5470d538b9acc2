//! Numbers as people read them: a fixed number of digits in a column, groups of three,
//! a true minus.

/// Between groups of three digits.
const NARROW_SPACE: char = '\u{202f}';

/// `value` with `digits` after the point; a dash if it is no number.
pub(super) fn fixed(value: f64, digits: usize) -> String {
    if value.is_nan() {
        return "–".to_owned();
    }
    let text = format!("{:.digits$}", value.abs());
    let (whole, rest) = text.split_once('.').unwrap_or((&text, ""));
    let mut grouped = String::new();
    // Nothing rounded to zero has a sign.
    if value < 0.0 && text.contains(|c| ('1'..='9').contains(&c)) {
        grouped.push('−');
    }
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index) % 3 == 0 && whole.len() > 4 {
            grouped.push(NARROW_SPACE);
        }
        grouped.push(digit);
    }
    if !rest.is_empty() {
        grouped.push('.');
        grouped.push_str(rest);
    }
    grouped
}

/// `value` with about four digits.
pub(super) fn short(value: f64) -> String {
    fixed(value, digits(value))
}

/// Digits after the point that leave about four in all.
fn digits(value: f64) -> usize {
    match value.abs() {
        0.0 => 0,
        size if size >= 1000.0 => 0,
        size if size >= 100.0 => 1,
        size if size >= 10.0 => 2,
        size if size >= 0.1 => 3,
        _ => 4,
    }
}

/// `value` as the tick of an axis: no more digits than it has.
pub(super) fn tick(value: f64) -> String {
    // A tick is a round number: what is beyond its ninth digit is the arithmetic's.
    let text = fixed(value, 9);
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

/// A unit as it follows a number.
pub(super) fn unit(name: &str) -> String {
    match name {
        "percent" | "%" => " %".to_owned(),
        "1" | "" | "count" => String::new(),
        "x" => "×".to_owned(),
        other => format!(" {other}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!(fixed(121_176.4, 0), "121\u{202f}176");
        assert_eq!(fixed(1234.5, 1), "1234.5");
        assert_eq!(fixed(-0.04, 1), "0.0");
        assert_eq!(fixed(-12.0, 0), "−12");
        assert_eq!(fixed(f64::NAN, 2), "–");
        assert_eq!(short(0.300_05), "0.300");
        assert_eq!(short(38.0), "38.00");
        assert_eq!(tick(0.1 + 0.2), "0.3");
        assert_eq!(tick(1500.0), "1500");
        assert_eq!(unit("percent"), " %");
    }
}
