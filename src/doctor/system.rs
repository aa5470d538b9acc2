//! What only a system call tells or does; elsewhere than on Linux: nothing.

use std::path::Path;

/// Keeps this thread on one core. False where that is not possible.
#[cfg(target_os = "linux")]
pub fn pin(core: usize) -> bool {
    if core >= rustix::thread::CpuSet::MAX_CPU {
        return false;
    }
    let mut set = rustix::thread::CpuSet::new();
    set.set(core);
    rustix::thread::sched_setaffinity(None, &set).is_ok()
}

/// MiB that we may still write where `path` is.
#[cfg(target_os = "linux")]
pub fn free_mib(path: &Path) -> Option<u64> {
    let of = rustix::fs::statvfs(path).ok()?;
    Some(of.f_bavail.saturating_mul(of.f_frsize) >> 20)
}

/// Keeps this thread on one core. False where that is not possible.
#[cfg(not(target_os = "linux"))]
pub fn pin(_core: usize) -> bool {
    false
}

/// MiB that we may still write where `path` is.
#[cfg(not(target_os = "linux"))]
pub fn free_mib(_path: &Path) -> Option<u64> {
    None
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;
    use crate::doctor::proc;

    #[test]
    fn a_pinned_thread_may_use_its_core_only() {
        let allowed = || {
            let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
            proc::list(proc::value(&status, "Cpus_allowed_list").unwrap())
        };
        std::thread::spawn(move || {
            let last = *allowed().last().unwrap();
            assert!(pin(last));
            assert_eq!(allowed(), [last]);
            assert!(!pin(1 << 40));
        })
        .join()
        .unwrap();
    }

    #[test]
    fn disk_is_free_where_there_is_one() {
        assert!(free_mib(Path::new("/")).is_some());
        assert_eq!(free_mib(Path::new("/no/such/place")), None);
    }
}
