//! Where the kernel's control groups are mounted: version 1, version 2, or both
//! beside each other, of which the one counts that has the CPU and memory controllers.

use std::path::{Path, PathBuf};

use cgroups_rs::fs::hierarchies::{UNIFIED_MOUNTPOINT, V1, V2, is_cgroup2_unified_mode};
use cgroups_rs::fs::{Cgroup, Controllers, Hierarchy};

use super::CgroupError;

/// Which interface the kernel offers for CPU and memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// One hierarchy per controller.
    V1,
    /// One hierarchy for all.
    V2,
}

/// The mounted hierarchies that hold CPU and memory limits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hierarchies {
    version: Version,
    cpu: PathBuf,
    cpuacct: PathBuf,
    memory: PathBuf,
}

impl Hierarchies {
    /// Finds what is mounted.
    ///
    /// # Errors
    /// When there is no CPU or no memory controller to be had.
    pub fn detect() -> Result<Hierarchies, CgroupError> {
        if is_cgroup2_unified_mode() {
            let root = PathBuf::from(UNIFIED_MOUNTPOINT);
            let file = root.join("cgroup.controllers");
            let text =
                std::fs::read_to_string(&file).map_err(|error| CgroupError::file(&file, error))?;
            for controller in ["cpu", "memory"] {
                if !text.split_whitespace().any(|name| name == controller) {
                    return Err(CgroupError::NotMounted(controller));
                }
            }
            return Ok(Hierarchies {
                version: Version::V2,
                cpu: root.clone(),
                cpuacct: root.clone(),
                memory: root,
            });
        }
        let mounts = V1::new();
        let find = |controller, name| {
            let mount = mounts.get_mount_point(controller);
            let (point, _) = mount.ok_or(CgroupError::NotMounted(name))?;
            Ok(point)
        };
        Ok(Hierarchies {
            version: Version::V1,
            cpu: find(Controllers::Cpu, "cpu")?,
            cpuacct: find(Controllers::CpuAcct, "cpuacct")?,
            memory: find(Controllers::Mem, "memory")?,
        })
    }

    /// Which interface it is.
    pub fn version(&self) -> Version {
        self.version
    }

    /// The directory of a group as the CPU controller has it.
    pub fn cpu(&self, path: &str) -> PathBuf {
        self.cpu.join(path)
    }

    /// The directory of a group as the CPU accounting has it.
    pub fn cpuacct(&self, path: &str) -> PathBuf {
        self.cpuacct.join(path)
    }

    /// The directory of a group as the memory controller has it.
    pub fn memory(&self, path: &str) -> PathBuf {
        self.memory.join(path)
    }

    /// All directories of a group, each once.
    pub fn directories(&self, path: &str) -> Vec<PathBuf> {
        let mut all = vec![self.cpu(path), self.cpuacct(path), self.memory(path)];
        all.dedup();
        all
    }

    /// Whether groups can be made here: the directories may be written to.
    pub fn is_writable(&self) -> bool {
        use rustix::fs::{Access, access};
        let roots = [&self.cpu, &self.cpuacct, &self.memory];
        roots
            .iter()
            .all(|root| access(root.as_path(), Access::WRITE_OK).is_ok())
    }

    /// The group as `cgroups-rs` sees it, with the controllers that matter here.
    pub(super) fn control(&self, path: &str) -> Cgroup {
        let (hierarchy, names): (Box<dyn Hierarchy>, &[&str]) = match self.version {
            Version::V1 => (Box::new(V1::new()), &["cpu", "cpuacct", "memory"]),
            Version::V2 => (Box::new(V2::new()), &["cpu", "memory"]),
        };
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        Cgroup::load_with_specified_controllers(hierarchy, path, names)
    }
}

/// A group's path relative to the roots: no leading slash, no way out.
pub(super) fn relative(path: &str) -> Result<&str, CgroupError> {
    let trimmed = path.trim_matches('/');
    let plain = Path::new(trimmed)
        .components()
        .all(|part| matches!(part, std::path::Component::Normal(_)));
    if trimmed.is_empty() || !plain {
        return Err(CgroupError::Path(path.to_owned()));
    }
    Ok(trimmed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_lies_below_the_root() {
        assert_eq!(relative("/docker/ab12").unwrap(), "docker/ab12");
        assert_eq!(relative("tidegate/web/").unwrap(), "tidegate/web");
        for path in ["", "/", "..", "a/../..", "../etc", "a/../../b"] {
            let error = relative(path).unwrap_err().to_string();
            assert!(error.contains("is no group"), "{error}");
        }
    }
}
