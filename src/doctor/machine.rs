//! From what the kernel says, and what is measured, to findings.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::doctor::finding::{Finding, State, Use};
use crate::doctor::groups::{self, Mounts};
use crate::doctor::noise::{self, Quantiles};
use crate::doctor::proc;
use crate::doctor::system;

const LIVE: &[Use] = &[Use::Live];
const TIMES: &[Use] = &[Use::Bench, Use::Live];
const ALL: &[Use] = &[Use::Sim, Use::Bench, Use::Live];

/// Where `/proc` and `/sys` are.
#[derive(Clone, Debug)]
pub struct Root(pub PathBuf);

impl Root {
    fn path(&self, path: &str) -> PathBuf {
        self.0.join(path.trim_start_matches('/'))
    }

    /// A file's text; nothing where there is none.
    fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap_or_default()
    }
}

/// What can be read.
pub fn facts(root: &Root) -> Vec<Finding> {
    let mounts = Mounts::parse(&root.read("/proc/self/mountinfo"));
    let mut findings = vec![control_groups(root, &mounts)];
    findings.extend(quota(root, &mounts));
    findings.push(cores(root));
    findings.extend(governor(root));
    findings.push(clock_source(root));
    findings.push(bpf(root));
    findings.extend(memory(root));
    findings.extend(open_files(root));
    findings.extend(load(root));
    findings
}

fn control_groups(root: &Root, mounts: &Mounts) -> Finding {
    const TOPIC: &str = "control groups";
    let unified = mounts.unified.as_deref();
    let has = unified
        .map(|point| root.read(&format!("{point}/cgroup.controllers")))
        .unwrap_or_default();
    let mut found = mounts.version().to_owned();
    let (mut lacking, mut closed) = (Vec::new(), Vec::new());
    for controller in ["cpu", "memory"] {
        match mounts.controller(controller, &has) {
            None => lacking.push(controller),
            Some(point) => {
                found.push_str(&format!(", {controller} in {point}"));
                if !may_make_groups(root, point) {
                    closed.push(point);
                }
            }
        }
    }
    let finding = Finding::ok(TOPIC, LIVE, found);
    if !lacking.is_empty() {
        let advice = format!(
            "no {} controller: nothing to set limits with. In a container, mount /sys/fs/cgroup; \
             on a host, see /proc/cgroups and the kernel's cgroup_disable",
            lacking.join(" and no ")
        );
        return finding.but(State::Missing, advice);
    }
    if let Some(point) = closed.first() {
        let advice = format!(
            "no groups can be made in {point}: run as root, or have a subtree delegated \
             (systemd-run -p Delegate=yes)"
        );
        return finding.but(State::Missing, advice);
    }
    finding
}

/// Tries it: modes and mount options do not tell the whole truth.
fn may_make_groups(root: &Root, point: &str) -> bool {
    let name = format!("tidegate-doctor-{}", std::process::id());
    let group = root.path(point).join(name);
    fs::create_dir(&group)
        .and_then(|()| fs::remove_dir(&group))
        .is_ok()
}

/// The tightest limit of CPU from our own group up to the root of its hierarchy.
fn quota(root: &Root, mounts: &Mounts) -> Option<Finding> {
    let text = root.read("/proc/self/cgroup");
    let own = groups::own(&text, "cpu", mounts)?;
    let single = mounts.single.get("cpu");
    let point = single.or(mounts.unified.as_ref())?;
    let mut tightest: Option<f64> = None;
    let mut below = own.trim_end_matches('/');
    loop {
        let file = |name: &str| root.read(&format!("{point}{below}/{name}"));
        let cores = if single.is_some() {
            groups::quota_v1(&file("cpu.cfs_quota_us"), &file("cpu.cfs_period_us"))
        } else {
            groups::quota_v2(&file("cpu.max"))
        };
        if let Some(cores) = cores {
            tightest = Some(tightest.map_or(cores, |least| least.min(cores)));
        }
        match below.rsplit_once('/') {
            Some((above, _)) => below = above,
            None => break,
        }
    }
    const TOPIC: &str = "own CPU quota";
    Some(match tightest {
        None => Finding::ok(TOPIC, TIMES, "none"),
        Some(cores) => Finding::ok(TOPIC, TIMES, format!("{cores} cores")).but(
            State::Warning,
            "we are throttled ourselves, which shows as latency: lift the quota of this container, \
             or use no more threads than it has cores (--jobs)",
        ),
    })
}

fn cores(root: &Root) -> Finding {
    let online = proc::list(&root.read("/sys/devices/system/cpu/online")).len();
    let allowed = allowed(root).len();
    let sibling = root.read("/sys/devices/system/cpu/smt/active").trim() == "1";
    let guest = proc::virtualised(&root.read("/proc/cpuinfo"));
    let mut found = format!("{online} online, {allowed} for us");
    found.push_str(if sibling {
        ", hardware threads share cores"
    } else {
        ""
    });
    found.push_str(if guest { ", a virtual machine" } else { "" });
    let finding = Finding::ok("cores", TIMES, found);
    if allowed < 2 {
        let advice = "client, application and controller share one core: what a live run measures \
                      is their fight for it. Allow two or more (taskset, cpuset)";
        finding.but(State::Warning, advice)
    } else if guest || sibling {
        let advice = "neighbours that cannot be seen take part in every time: interleave what is \
                      compared, repeat it, and trust intervals rather than single runs";
        finding.but(State::Warning, advice)
    } else {
        finding
    }
}

fn governor(root: &Root) -> Option<Finding> {
    let text = root.read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor");
    let name = text.trim();
    let finding = (!name.is_empty()).then(|| Finding::ok("frequency", TIMES, name))?;
    Some(if name == "performance" {
        finding
    } else {
        let advice = "the clock rate follows the load, and times with it: \
                      cpupower frequency-set -g performance";
        finding.but(State::Warning, advice)
    })
}

fn clock_source(root: &Root) -> Finding {
    let text = root.read("/sys/devices/system/clocksource/clocksource0/current_clocksource");
    let name = text.trim();
    let finding = Finding::ok("clock source", TIMES, name);
    match name {
        "" => finding.but(State::Warning, "the kernel does not say which it is"),
        "hpet" | "acpi_pm" | "jiffies" | "refined-jiffies" => finding.but(
            State::Warning,
            "slow to read, or coarse: see dmesg for why tsc was dropped",
        ),
        _ => finding,
    }
}

fn bpf(root: &Root) -> Finding {
    let may = proc::may_load_bpf(&root.read("/proc/self/status"));
    let types = root.path("/sys/kernel/btf/vmlinux").exists();
    let found = match (may, types) {
        (true, true) => "we may load it, and the kernel has its types (BTF)",
        (true, false) => "we may load it; the kernel has no types (BTF)",
        (false, _) => "we may not load it",
    };
    let finding = Finding::ok("BPF", LIVE, found);
    if may && types {
        finding
    } else {
        let advice = "throttles are found by polling, a little later: run with CAP_BPF and \
                      CAP_PERFMON, on a kernel with CONFIG_DEBUG_INFO_BTF";
        finding.but(State::Warning, advice)
    }
}

fn memory(root: &Root) -> Option<Finding> {
    // Estimate: room for an application of dozens of processes, and for its page cache.
    const LITTLE_MIB: u64 = 1024;
    let mib = proc::available_mib(&root.read("/proc/meminfo"))?;
    let finding = Finding::ok("memory", ALL, format!("{mib} MiB available"));
    Some(if mib < LITTLE_MIB {
        let advice = "little for applications of many services: end what else runs";
        finding.but(State::Warning, advice)
    } else {
        finding
    })
}

fn open_files(root: &Root) -> Option<Finding> {
    let limits = root.read("/proc/self/limits");
    let files = proc::open_files(&limits)?;
    let finding = Finding::ok("open files", LIVE, files.to_string());
    Some(if files < 4096 {
        let advice = "hundreds of connections and a file per group and counter do not fit: \
                      ulimit -n 65536";
        finding.but(State::Warning, advice)
    } else {
        finding
    })
}

fn load(root: &Root) -> Option<Finding> {
    let load = proc::load(&root.read("/proc/loadavg"))?;
    let online = proc::list(&root.read("/sys/devices/system/cpu/online")).len();
    let found = format!("{load} threads on {online} cores");
    let finding = Finding::ok("load", TIMES, found);
    Some(if load > 0.5 * online as f64 {
        let advice = "somebody else is at work: times are theirs too. Wait, or end it";
        finding.but(State::Warning, advice)
    } else {
        finding
    })
}

/// The cores that we may use; nothing where the kernel does not say.
pub fn allowed(root: &Root) -> Vec<usize> {
    let status = root.read("/proc/self/status");
    proc::list(proc::value(&status, "Cpus_allowed_list").unwrap_or_default())
}

/// Room for results where `path` is.
pub fn disk(path: &Path) -> Option<Finding> {
    // Estimate: runs with series of many containers take tens of MiB each.
    const LITTLE_MIB: u64 = 1024;
    let mib = system::free_mib(path)?;
    let finding = Finding::ok("disk", ALL, format!("{mib} MiB free here"));
    Some(if mib < LITTLE_MIB {
        finding.but(State::Warning, "little for results: --out another disk")
    } else {
        finding
    })
}

/// What is measured: `span` for work and the same for sleeps, on all `cores` at once, a
/// thread on each.
pub fn steadiness(cores: &[usize], span: Duration) -> Vec<Finding> {
    let measure = |what: fn(Duration) -> Vec<Duration>| -> Vec<Quantiles> {
        let on = |core: usize| {
            system::pin(core);
            Quantiles::of(what(span))
        };
        std::thread::scope(|scope| {
            let begun: Vec<_> = cores
                .iter()
                .map(|&core| scope.spawn(move || on(core)))
                .collect();
            let ended = begun.into_iter().map(|thread| thread.join());
            ended.filter_map(|of| of.ok().flatten()).collect()
        })
    };
    let (step, back) = noise::clock();
    vec![
        fixed_work(&measure(noise::work)),
        late_sleeps(&measure(noise::sleeps)),
        clock(step, back),
    ]
}

fn fixed_work(cores: &[Quantiles]) -> Finding {
    let each = each(cores, |of| {
        format!("{:.0}/{:.0}/{:.0}", of.p50, of.p99, of.max)
    });
    let found = format!("the same work takes p50/p99/max {each} us");
    let finding = Finding::ok("steadiness", TIMES, found);
    // Estimate: a loss of a few percent drowns in more than this.
    if cores.iter().any(|of| of.spread() > 0.1) {
        let advice = "one in a hundred takes over a tenth longer: compare instruction counts \
                      (bench --check) or many repetitions, not single times";
        finding.but(State::Warning, advice)
    } else {
        finding
    }
}

fn late_sleeps(cores: &[Quantiles]) -> Finding {
    let each = each(cores, |of| {
        format!("{:.0}/{:.0}/{:.0}", of.p50, of.p99, of.max)
    });
    let found = format!("a sleep ends late by p50/p99/max {each} us");
    let finding = Finding::ok("timers", LIVE, found);
    // Estimate: Tide answers a throttle within a millisecond or two.
    if cores.iter().any(|of| of.p99 > 1_000.0) {
        let advice = "over 1 ms: agents and open loops act late. End other work, or give the \
                      run cores of its own";
        finding.but(State::Warning, advice)
    } else {
        finding
    }
}

fn each(cores: &[Quantiles], text: impl Fn(&Quantiles) -> String) -> String {
    let texts: Vec<String> = cores.iter().map(text).collect();
    texts.join(", ")
}

fn clock(step: Option<Duration>, back: bool) -> Finding {
    let found = match step {
        Some(step) => format!("steps of {} ns", step.as_nanos()),
        None => "it does not advance".to_owned(),
    };
    let finding = Finding::ok("clock", TIMES, found);
    if back || step.is_none() {
        let advice = "it goes back or stands still: no time can be trusted. Choose another \
                      clock source";
        finding.but(State::Missing, advice)
    } else if step > Some(Duration::from_micros(1)) {
        finding.but(State::Warning, "coarse: short times are rounded to it")
    } else {
        finding
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A machine of files.
    fn machine(files: &[(&str, &str)]) -> (tempfile::TempDir, Root) {
        let folder = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let root = Root(folder.path().to_owned());
        (folder, root)
    }

    fn shown(files: &[(&str, &str)]) -> String {
        let (_folder, root) = machine(files);
        let line = |of: Finding| format!("{}: {:?}: {}\n", of.topic, of.state, of.found);
        facts(&root).into_iter().map(line).collect()
    }

    const V2: &str = "30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";
    const V1: &str = "33 32 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n\
                      34 32 0:30 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n";

    #[test]
    fn a_container_with_a_quota_on_version_2() {
        insta::assert_snapshot!(shown(&[
            ("proc/self/mountinfo", V2),
            ("proc/self/cgroup", "0::/box/inner\n"),
            (
                "proc/self/status",
                "CapEff:\t00000000a80425fb\nCpus_allowed_list:\t0-3\n"
            ),
            ("proc/meminfo", "MemAvailable:  524288 kB\n"),
            ("proc/self/limits", "Max open files  1024  4096  files\n"),
            ("proc/loadavg", "0.20 0.1 0.1 1/9 7\n"),
            ("sys/devices/system/cpu/online", "0-3\n"),
            ("sys/fs/cgroup/cgroup.controllers", "cpuset cpu io memory\n"),
            ("sys/fs/cgroup/box/cpu.max", "150000 100000\n"),
            ("sys/fs/cgroup/box/inner/cpu.max", "max 100000\n"),
        ]));
    }

    #[test]
    fn a_virtual_machine_with_both_versions() {
        let mounts = format!("{V1}35 32 0:31 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n");
        insta::assert_snapshot!(shown(&[
            ("proc/self/mountinfo", &mounts),
            ("proc/self/cgroup", "1:cpu:/\n4:memory:/m\n0::/\n"),
            (
                "proc/self/status",
                "CapEff:\t000001ffffffffff\nCpus_allowed_list:\t0\n"
            ),
            ("proc/cpuinfo", "flags\t\t: fpu hypervisor\n"),
            ("proc/loadavg", "1.93 2 2 1/9 7\n"),
            ("sys/devices/system/cpu/online", "0-1\n"),
            (
                "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor",
                "powersave\n"
            ),
            (
                "sys/devices/system/clocksource/clocksource0/current_clocksource",
                "hpet\n"
            ),
            ("sys/kernel/btf/vmlinux", ""),
            ("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n"),
            ("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n"),
            ("sys/fs/cgroup/memory/memory.limit_in_bytes", "1\n"),
        ]));
    }

    #[test]
    fn without_controllers_only_live_runs_are_impossible() {
        let (_folder, root) = machine(&[("proc/self/mountinfo", V2)]);
        let findings = facts(&root);
        let forbidden = |what| findings.iter().any(|finding| finding.forbids(what));
        assert!(forbidden(Some(Use::Live)) && forbidden(None));
        assert!(!forbidden(Some(Use::Sim)) && !forbidden(Some(Use::Bench)));
    }

    #[test]
    fn what_is_measured_is_judged() {
        let of = |p50, p99| Quantiles { p50, p99, max: p99 };
        assert_eq!(fixed_work(&[of(100.0, 105.0)]).state, State::Ok);
        let uneven = [of(100.0, 105.0), of(100.0, 120.0)];
        assert_eq!(fixed_work(&uneven).state, State::Warning);
        assert_eq!(late_sleeps(&[of(60.0, 900.0)]).state, State::Ok);
        assert_eq!(late_sleeps(&[of(60.0, 1_100.0)]).state, State::Warning);
        let step = |ns| Some(Duration::from_nanos(ns));
        assert_eq!(clock(step(20), false).state, State::Ok);
        assert_eq!(clock(step(4_000_000), false).state, State::Warning);
        assert_eq!(clock(step(20), true).state, State::Missing);
        assert_eq!(clock(None, false).state, State::Missing);
    }
}
