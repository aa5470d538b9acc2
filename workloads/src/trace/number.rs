//! Numbers from bytes, faster than through text.

/// 10^0 to 10^15, each exact.
const POWERS: [f64; 16] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
];

/// The number `cell` holds as text, or none if it holds none. The value is the one
/// [`str::parse`] gives, to the last bit.
#[inline]
pub(crate) fn parse(cell: &[u8]) -> Option<f64> {
    plain(cell).or_else(|| std::str::from_utf8(cell).ok()?.trim().parse().ok())
}

/// At most fifteen digits with at most one point: both the digits and the power of
/// ten are exact, so one division rounds once, as it must.
#[inline]
fn plain(cell: &[u8]) -> Option<f64> {
    if cell.len() > 15 {
        return None;
    }
    let mut digits: u64 = 0;
    let mut decimals = 0;
    let mut point = 0;
    for byte in cell {
        let digit = byte.wrapping_sub(b'0');
        if digit < 10 {
            digits = digits * 10 + u64::from(digit);
            decimals += point;
        } else if *byte == b'.' && point == 0 {
            point = 1;
        } else {
            return None;
        }
    }
    if cell.len() == point {
        return None;
    }
    Some(digits as f64 / POWERS[decimals])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_no_number_is_none() {
        for cell in [
            "", ".", "1.2.3", "1,5", "0x10", "1_000", "one", "--1", "1 2",
        ] {
            assert_eq!(parse(cell.as_bytes()), None, "{cell}");
        }
        assert_eq!(parse(b"\xff"), None);
        assert_eq!(parse(b" 1.5 "), Some(1.5));
        assert_eq!(parse(b"-1"), Some(-1.0));
    }

    proptest! {
        #[test]
        fn it_is_the_number_the_standard_library_reads(
            text in "[0-9]{0,18}(\\.[0-9]{0,18})?|-?[0-9]{1,3}e-?[0-9]{1,2}|\\PC{0,6}",
        ) {
            let expected: Option<f64> = text.trim().parse().ok();
            let read = parse(text.as_bytes());
            prop_assert_eq!(read.map(f64::to_bits), expected.map(f64::to_bits));
        }
    }
}
