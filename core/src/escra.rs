//! escra
