//! Lists of numbers with ranges: `1-3,5`.

/// Ascending `numbers` as text: `1-3,5`.
pub fn text(numbers: &[u64]) -> String {
    let mut ranges: Vec<(u64, u64)> = Vec::new();
    for &number in numbers {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == number => *last = number,
            _ => ranges.push((number, number)),
        }
    }
    let words = ranges.iter().map(|&(first, last)| {
        if first == last {
            first.to_string()
        } else {
            format!("{first}-{last}")
        }
    });
    words.collect::<Vec<_>>().join(",")
}

/// The numbers that such a text lists; none if it is no such text, or lists more than
/// a million.
pub fn numbers(text: &str) -> Option<Vec<u64>> {
    let mut numbers = Vec::new();
    for word in text.split(',').filter(|_| !text.is_empty()) {
        let (first, last) = word.split_once('-').unwrap_or((word, word));
        let (first, last): (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
        if last.checked_sub(first)? >= 1_000_000 {
            return None;
        }
        numbers.extend(first..=last);
    }
    Some(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_become_ranges() {
        assert_eq!(text(&[]), "");
        assert_eq!(text(&[4]), "4");
        assert_eq!(text(&[1, 2, 3, 5, 8, 9]), "1-3,5,8-9");
    }

    #[test]
    fn what_is_written_is_read() {
        for all in [vec![], vec![4], vec![1, 2, 3, 5, 8, 9]] {
            assert_eq!(numbers(&text(&all)), Some(all));
        }
        for wrong in ["x", "1,", "3-1", "1-", "0-99999999999"] {
            assert_eq!(numbers(wrong), None, "{wrong}");
        }
    }
}
