//! Throttles as the kernel sees them happen: a small BPF program, optional twice over. It
//! is there with the cargo feature `ebpf`, and it runs where the kernel lets one load it;
//! else the agent samples.
//!
//! The program is C (`live/bpf/throttle.bpf.c`), compiled by clang apart from cargo and
//! named by its path: no build of this package needs clang, with any set of features.

use std::fmt;

/// Why there are no throttle events.
#[derive(Debug)]
pub struct BpfError(String);

impl fmt::Display for BpfError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no throttle events from the kernel: {}", self.0)
    }
}

impl std::error::Error for BpfError {}

pub(crate) use events::ThrottleEvents;

#[cfg(feature = "ebpf")]
mod events {
    use std::os::fd::{AsFd, BorrowedFd};
    use std::path::Path;

    use aya::maps::{MapData, RingBuf};
    use aya::programs::FEntry;
    use aya::{Btf, Ebpf};

    use super::BpfError;

    /// The running program and the ring it writes to; ready to be read when a group is
    /// throttled.
    pub(crate) struct ThrottleEvents {
        ring: RingBuf<MapData>,
        /// Unloaded when dropped.
        _program: Ebpf,
    }

    impl ThrottleEvents {
        /// Loads the object at `path` into the kernel and attaches it.
        pub(crate) fn load(path: &Path) -> Result<ThrottleEvents, BpfError> {
            load(path).map_err(|error| {
                // The causes say more than what failed.
                let mut text = error.to_string();
                let mut cause = error.source();
                while let Some(error) = cause {
                    text = format!("{text}: {error}");
                    cause = error.source();
                }
                BpfError(text)
            })
        }

        /// The id of a group that was throttled, if one is still to be told.
        pub(crate) fn next(&mut self) -> Option<u64> {
            let event = self.ring.next()?;
            let id = event.first_chunk().copied()?;
            Some(u64::from_ne_bytes(id))
        }
    }

    fn load(path: &Path) -> Result<ThrottleEvents, Box<dyn std::error::Error>> {
        let mut object = Ebpf::load_file(path)?;
        let program = object.program_mut("throttled").ok_or("no such program")?;
        let program: &mut FEntry = program.try_into()?;
        program.load("throttle_cfs_rq", &Btf::from_sys_fs()?)?;
        program.attach()?;
        let ring = object.take_map("EVENTS").ok_or("no such map")?;
        Ok(ThrottleEvents {
            ring: RingBuf::try_from(ring)?,
            _program: object,
        })
    }

    impl AsFd for ThrottleEvents {
        fn as_fd(&self) -> BorrowedFd<'_> {
            self.ring.as_fd()
        }
    }
}

#[cfg(not(feature = "ebpf"))]
mod events {
    use std::convert::Infallible;
    use std::os::fd::{AsFd, BorrowedFd};
    use std::path::Path;

    use super::BpfError;

    /// Never there.
    pub(crate) struct ThrottleEvents(Infallible);

    impl ThrottleEvents {
        pub(crate) fn load(_: &Path) -> Result<ThrottleEvents, BpfError> {
            Err(BpfError("built without the feature `ebpf`".to_owned()))
        }

        pub(crate) fn next(&mut self) -> Option<u64> {
            match self.0 {}
        }
    }

    impl AsFd for ThrottleEvents {
        fn as_fd(&self) -> BorrowedFd<'_> {
            match self.0 {}
        }
    }
}
