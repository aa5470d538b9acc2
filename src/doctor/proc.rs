//! What the kernel says about processors, memory and limits. Texts in, facts out.

/// The numbers of a list such as "0-3,6".
pub fn list(text: &str) -> Vec<usize> {
    let range = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        Some(first.trim().parse().ok()?..=last.trim().parse::<usize>().ok()?)
    };
    text.trim().split(',').filter_map(range).flatten().collect()
}

/// The value after `key:` on a line of its own, as in `/proc/self/status`.
pub fn value<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    text.lines()
        .find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))
        .map(str::trim)
}

/// MiB available, from `/proc/meminfo`.
pub fn available_mib(text: &str) -> Option<u64> {
    let kib = value(text, "MemAvailable")?.strip_suffix("kB")?;
    Some(kib.trim().parse::<u64>().ok()? / 1024)
}

/// Whether a hypervisor is below us, from `/proc/cpuinfo`.
pub fn virtualised(text: &str) -> bool {
    text.lines()
        .filter(|line| line.starts_with("flags"))
        .any(|line| line.split_whitespace().any(|flag| flag == "hypervisor"))
}

/// The soft limit of open files, from `/proc/self/limits`; nothing if unlimited or
/// not said.
pub fn open_files(text: &str) -> Option<u64> {
    text.lines()
        .find_map(|line| line.strip_prefix("Max open files"))?
        .split_whitespace()
        .next()?
        .parse()
        .ok()
}

/// Threads that ran or waited, as a mean over the last minute, from `/proc/loadavg`.
pub fn load(text: &str) -> Option<f64> {
    text.split_whitespace().next()?.parse().ok()
}

/// Whether we may load BPF programs: CAP_BPF (39) or CAP_SYS_ADMIN (21), from
/// `/proc/self/status` (capabilities(7)).
pub fn may_load_bpf(text: &str) -> bool {
    let effective = value(text, "CapEff").and_then(|hex| u64::from_str_radix(hex, 16).ok());
    effective.is_some_and(|bits| bits & (1 << 39 | 1 << 21) != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_processors_are_read() {
        assert_eq!(list("0-3,6\n"), [0, 1, 2, 3, 6]);
        assert_eq!(list("0"), [0]);
        assert!(list("\n").is_empty());
        assert!(list("a-b").is_empty());
    }

    #[test]
    fn status_tells_affinity_and_capabilities() {
        let root = "Name:\tx\nCapEff:\t000001ffffffffff\nCpus_allowed_list:\t0-1\n";
        assert_eq!(value(root, "Cpus_allowed_list"), Some("0-1"));
        assert!(may_load_bpf(root));
        // What Docker leaves to root in a container.
        assert!(!may_load_bpf("CapEff:\t00000000a80425fb\n"));
        assert!(may_load_bpf("CapEff:\t0000008000000000\n"));
        assert!(!may_load_bpf(""));
    }

    #[test]
    fn memory_files_load_and_machine_are_read() {
        let memory = "MemTotal:  2097152 kB\nMemAvailable:  1048576 kB\n";
        assert_eq!(available_mib(memory), Some(1024));
        assert_eq!(available_mib("MemTotal: 5 kB\n"), None);
        let limits = "Limit   Soft   Hard   Units\nMax open files   1024   4096   files\n";
        assert_eq!(open_files(limits), Some(1024));
        assert_eq!(
            open_files("Max open files  unlimited  unlimited  files\n"),
            None
        );
        assert_eq!(load("1.93 2.37 1.71 2/300 41\n"), Some(1.93));
        assert!(virtualised("flags\t\t: fpu sse hypervisor lahf_lm\n"));
        assert!(!virtualised(
            "model name\t: hypervisor\nflags\t\t: fpu sse\n"
        ));
    }
}
