//! What a policy says of a parameter that makes no sense.

use std::fmt;

/// A parameter that makes no sense: whose, which, and what would.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    policy: &'static str,
    field: &'static str,
    expected: &'static str,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ConfigError {
            policy,
            field,
            expected,
        } = self;
        write!(f, "{policy}: `{field}` must be {expected}")
    }
}

impl std::error::Error for ConfigError {}

/// Nothing if `holds`; else that `field` of `policy` must be `expected`.
pub(crate) fn must(
    policy: &'static str,
    holds: bool,
    field: &'static str,
    expected: &'static str,
) -> Result<(), ConfigError> {
    if holds {
        Ok(())
    } else {
        Err(ConfigError {
            policy,
            field,
            expected,
        })
    }
}
