//! Columns of a scenario's own: `[columns]` says which key each sets.

use crate::scenario::layer::{KeyPath, spell};
use crate::scenario::pieces::Kind;
use crate::scenario::set;

/// What a column of `[columns]` sets.
pub(crate) enum Target {
    /// A key inside pieces of a kind.
    Piece(Kind, KeyPath),
    /// A key of `[limit]`.
    Limit(KeyPath),
    /// `run.duration`.
    Duration,
}

/// What the path of a column sets.
///
/// # Errors
/// When it is no path that a column can set.
pub(crate) fn target(path: &str) -> Result<Target, String> {
    let wrong = || {
        format!(
            "`{path}` is no key that a column can set: expected `allocator.`, `workload.`, \
             `application.`, `testbed.`, `client.`, `manager.` or `limit.` and a key, or `run.duration`"
        )
    };
    let keys = set::keys(path).ok_or_else(wrong)?;
    match keys.split_first() {
        Some((root, rest)) if !rest.is_empty() => match (root.as_str(), Kind::from_name(root)) {
            (_, Some(kind)) => Ok(Target::Piece(kind, rest.to_vec())),
            ("limit", _) => Ok(Target::Limit(rest.to_vec())),
            ("run", _) if spell(rest) == "duration" => Ok(Target::Duration),
            _ => Err(wrong()),
        },
        _ => Err(wrong()),
    }
}
