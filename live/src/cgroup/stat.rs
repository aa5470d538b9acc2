//! What the kernel counts of a group, read from its flat keyed files.

use tidegate_core::Span;

/// A group's CPU bandwidth accounting, from its beginning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CpuStat {
    /// CPU time used, if the file says so (version 2).
    pub usage: Option<Span>,
    /// Periods in which the group ran under a quota. Stands still while it is idle.
    pub periods: u64,
    /// Periods in which it was throttled.
    pub throttled: u64,
    /// Time it stood throttled, summed over CPUs.
    pub throttled_time: Span,
}

impl CpuStat {
    /// Reads `cpu.stat` of either version. `None` if it has no bandwidth accounting.
    pub(super) fn parse(text: &str) -> Option<CpuStat> {
        let mut stat = CpuStat::default();
        let mut seen = 0;
        for (key, value) in pairs(text) {
            match key {
                "usage_usec" => stat.usage = Some(Span(value * 1_000)),
                "nr_periods" => stat.periods = value,
                "nr_throttled" => stat.throttled = value,
                "throttled_time" => stat.throttled_time = Span(value),
                "throttled_usec" => stat.throttled_time = Span(value * 1_000),
                _ => continue,
            }
            seen += usize::from(key.starts_with("nr_"));
        }
        (seen == 2).then_some(stat)
    }
}

/// The value of `key` in a flat keyed file.
pub(super) fn value(text: &str, key: &str) -> Option<u64> {
    pairs(text).find(|pair| pair.0 == key).map(|pair| pair.1)
}

fn pairs(text: &str) -> impl Iterator<Item = (&str, u64)> {
    text.lines().filter_map(|line| {
        let (key, value) = line.split_once(' ')?;
        Some((key, value.parse().ok()?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_versions_say_the_same() {
        let v1 =
            "nr_periods 12\nnr_throttled 3\nthrottled_time 4500000\nnr_bursts 0\nburst_time 0\n";
        let v2 = "usage_usec 7\nuser_usec 5\nsystem_usec 2\nnr_periods 12\nnr_throttled 3\n\
                  throttled_usec 4500\nnr_bursts 0\nburst_usec 0\n";
        let expected = CpuStat {
            usage: None,
            periods: 12,
            throttled: 3,
            throttled_time: Span(4_500_000),
        };
        assert_eq!(CpuStat::parse(v1), Some(expected));
        let usage = Some(Span(7_000));
        assert_eq!(CpuStat::parse(v2), Some(CpuStat { usage, ..expected }));
        assert_eq!(CpuStat::parse("usage_usec 7\nuser_usec 5\n"), None);
    }

    #[test]
    fn a_key_is_found_whole() {
        let text = "oom 1\noom_kill 2\n";
        assert_eq!(value(text, "oom_kill"), Some(2));
        assert_eq!(value(text, "kill"), None);
    }
}
