//! Where and by what a reference was made.
//!
//! Results are the same bytes on one platform: the simulator takes exp, ln and the
//! like from the system's mathematics, whose last digit differs between C libraries
//! and, where they choose by the processor, between processors. So these functions
//! themselves are asked, and not the version of anything. Numbers of instructions
//! depend on the compiler too.

use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::error::Error;
use crate::results::read;
use crate::scenario::hex;

/// What decides the bytes of results besides the code.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Platform {
    /// The operating system.
    pub os: String,
    /// The processor's architecture.
    pub architecture: String,
    /// What the system's exp, ln, pow, sin and cos give, hashed.
    pub mathematics: String,
}

/// What decides numbers of instructions besides.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Build {
    /// The compiler's version.
    pub compiler: String,
    /// Level of optimisation and flags.
    pub profile: String,
}

impl Platform {
    /// That of this process.
    pub fn here() -> Platform {
        let mut hash = Sha256::new();
        for step in 1..4096_u32 {
            let x = f64::from(step) / 317.0;
            for y in [x.exp(), (-x).exp(), x.ln(), x.powf(0.37), x.sin(), x.cos()] {
                hash.update(y.to_bits().to_le_bytes());
            }
        }
        Platform {
            os: std::env::consts::OS.to_owned(),
            architecture: std::env::consts::ARCH.to_owned(),
            mathematics: hex(&hash.finalize()[..8]),
        }
    }

    /// Refuses to compare with a reference of another platform.
    ///
    /// # Errors
    /// When the one in `path` is another, or cannot be read.
    pub fn check(path: &Path) -> Result<(), Error> {
        let (there, here) = (read_or_refuse::<Platform>(path)?, Platform::here());
        if there == here {
            return Ok(());
        }
        Err(Error::Results(format!(
            "{}: the reference is of another platform: {there:?}\n  this one is {here:?}\n  help: \
             bytes are equal on one platform only; check where it was made (.github/workflows \
             names the image), or bless a reference of your own with --reference DIR",
            path.display()
        )))
    }
}

impl Build {
    /// That of this process.
    pub fn here() -> Build {
        Build {
            compiler: env!("TIDEGATE_COMPILER").to_owned(),
            profile: env!("TIDEGATE_PROFILE").to_owned(),
        }
    }
}

/// Reads a file of a reference.
///
/// # Errors
/// When it is not there, with how to make it, or wrong.
pub fn read_or_refuse<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T, Error> {
    if !path.is_file() {
        return Err(Error::Results(format!(
            "{}: there is no reference\n  help: `tidegate bench --bless` makes one",
            path.display()
        )));
    }
    read::json(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_platform_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("platform.json");
        let mut platform = Platform::here();
        let write = |platform: &Platform| {
            std::fs::write(&path, serde_json::to_string(platform).unwrap()).unwrap();
        };
        write(&platform);
        Platform::check(&path).unwrap();
        platform.mathematics = "0".to_owned();
        write(&platform);
        let error = Platform::check(&path).unwrap_err().to_string();
        assert!(error.contains("of another platform"), "{error}");
        std::fs::remove_file(&path).unwrap();
        let error = Platform::check(&path).unwrap_err().to_string();
        assert!(error.contains("there is no reference"), "{error}");
    }
}
