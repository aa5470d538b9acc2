//! Control groups: which version, where, with which controllers, and what of the
//! processor our own group may use. Texts in, facts out.

use std::collections::BTreeMap;

/// The hierarchies, from `/proc/self/mountinfo`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mounts {
    /// Where version 2 is mounted.
    pub unified: Option<String>,
    /// Version 1: controllers, and where each is mounted.
    pub single: BTreeMap<String, String>,
}

impl Mounts {
    /// Reads `/proc/self/mountinfo`. Lines that are no mounts of control groups are
    /// passed over.
    pub fn parse(text: &str) -> Mounts {
        let mut mounts = Mounts::default();
        for line in text.lines() {
            // ID PARENT DEV ROOT POINT OPTIONS [FIELDS] - TYPE SOURCE SUPER (proc(5)).
            let Some((before, after)) = line.split_once(" - ") else {
                continue;
            };
            let point = before.split(' ').nth(4).unwrap_or_default();
            let mut after = after.split(' ');
            match (after.next(), after.nth(1)) {
                (Some("cgroup2"), _) => mounts.unified = Some(point.to_owned()),
                (Some("cgroup"), Some(options)) => {
                    for controller in options.split(',') {
                        let known = ["cpu", "cpuacct", "cpuset", "memory", "freezer", "pids"];
                        if known.contains(&controller) {
                            mounts
                                .single
                                .insert(controller.to_owned(), point.to_owned());
                        }
                    }
                }
                _ => {}
            }
        }
        mounts
    }

    /// How people call it.
    pub fn version(&self) -> &'static str {
        match (&self.unified, self.single.is_empty()) {
            (None, true) => "none",
            (Some(_), true) => "version 2",
            (None, false) => "version 1",
            (Some(_), false) => "hybrid (versions 1 and 2)",
        }
    }

    /// Where `controller` is: its own hierarchy, or the unified one if that has it
    /// (`unified_has`: its `cgroup.controllers`).
    pub fn controller(&self, controller: &str, unified_has: &str) -> Option<&str> {
        let unified = || {
            let mut has = unified_has.split_whitespace();
            has.any(|name| name == controller)
                .then_some(self.unified.as_deref())?
        };
        self.single
            .get(controller)
            .map(String::as_str)
            .or_else(unified)
    }
}

/// The path of our own group below the root of its hierarchy, from
/// `/proc/self/cgroup`: of the hierarchy with `controller`, or of the unified one.
pub fn own<'a>(text: &'a str, controller: &str, mounts: &Mounts) -> Option<&'a str> {
    let single = mounts.single.contains_key(controller);
    text.lines().find_map(|line| {
        let mut parts = line.splitn(3, ':');
        let (number, names, path) = (parts.next()?, parts.next()?, parts.next()?);
        let ours = if single {
            names.split(',').any(|name| name == controller)
        } else {
            number == "0" && names.is_empty()
        };
        ours.then_some(path)
    })
}

/// Cores that `cpu.max` ("50000 100000", "max 100000") allows; nothing if no limit.
pub fn quota_v2(text: &str) -> Option<f64> {
    let mut words = text.split_whitespace();
    let quota: f64 = words.next()?.parse().ok()?;
    let period: f64 = words.next()?.parse().ok()?;
    (period > 0.0).then_some(quota / period)
}

/// Cores that `cpu.cfs_quota_us` and `cpu.cfs_period_us` allow; nothing if no limit
/// (-1).
pub fn quota_v1(quota: &str, period: &str) -> Option<f64> {
    let quota: f64 = quota.trim().parse().ok()?;
    let period: f64 = period.trim().parse().ok()?;
    (quota > 0.0 && period > 0.0).then_some(quota / period)
}

#[cfg(test)]
mod tests {
    use super::*;

    const V2: &str = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n\
                      31 23 0:5 / /dev rw shared:2 - devtmpfs udev rw\n";
    const V1: &str = "\
        33 32 0:29 / /sys/fs/cgroup/cpu,cpuacct rw shared:15 - cgroup cgroup rw,cpu,cpuacct\n\
        34 32 0:30 / /sys/fs/cgroup/memory rw shared:16 - cgroup cgroup rw,memory\n";
    const UNIFIED: &str = "35 32 0:31 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";

    #[test]
    fn versions_are_told_apart() {
        let v1 = Mounts::parse(V1);
        let hybrid = Mounts::parse(&format!("{V1}{UNIFIED}"));
        assert_eq!(Mounts::parse(V2).version(), "version 2");
        assert_eq!(v1.version(), "version 1");
        assert_eq!(hybrid.version(), "hybrid (versions 1 and 2)");
        assert_eq!(Mounts::parse("no mount at all\n").version(), "none");
    }

    #[test]
    fn controllers_are_found_in_whichever_hierarchy_has_them() {
        let v2 = Mounts::parse(V2);
        assert_eq!(
            v2.controller("cpu", "cpuset cpu io"),
            Some("/sys/fs/cgroup")
        );
        assert_eq!(v2.controller("memory", "cpuset cpu io"), None);
        let v1 = Mounts::parse(V1);
        assert_eq!(v1.controller("cpu", ""), Some("/sys/fs/cgroup/cpu,cpuacct"));
        let hybrid = Mounts::parse(&format!("{V1}{UNIFIED}"));
        assert_eq!(
            hybrid.controller("memory", ""),
            Some("/sys/fs/cgroup/memory")
        );
        assert_eq!(
            hybrid.controller("io", "io"),
            Some("/sys/fs/cgroup/unified")
        );
    }

    #[test]
    fn our_own_group_is_that_of_the_hierarchy_with_the_controller() {
        let text = "5:memory:/m\n4:cpu,cpuacct:/docker/0a1b:2\n0::/init.scope\n";
        let v1 = Mounts::parse(V1);
        assert_eq!(own(text, "cpu", &v1), Some("/docker/0a1b:2"));
        assert_eq!(own(text, "cpu", &Mounts::parse(V2)), Some("/init.scope"));
        assert_eq!(own("", "cpu", &v1), None);
    }

    #[test]
    fn quotas_are_in_cores_and_none_where_there_is_no_limit() {
        assert_eq!(quota_v2("150000 100000\n"), Some(1.5));
        assert_eq!(quota_v2("max 100000\n"), None);
        assert_eq!(quota_v2("7"), None);
        assert_eq!(quota_v1("50000\n", "100000\n"), Some(0.5));
        assert_eq!(quota_v1("-1\n", "100000\n"), None);
        assert_eq!(quota_v1("5\n", "0\n"), None);
    }
}
