//! The half of a policy on a host, as it is sent there: all that it begins with.

use crate::allocator::Allocator;
use crate::tide;

/// What a half on a host is made from.
#[derive(Clone, Debug, PartialEq)]
pub enum Half {
    /// [Tide's](crate::tide).
    Tide(tide::Half),
}

impl Half {
    /// The half, which has admitted nobody yet.
    pub fn start(self) -> Box<dyn Allocator> {
        match self {
            Half::Tide(half) => half.start(),
        }
    }
}
