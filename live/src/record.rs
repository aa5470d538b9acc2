//! What a controller's policy was told and what it answered, written down as it happens,
//! so that it can be played again.
//!
//! A recording is a file that only grows: eight bytes that say what it is, then frames, the
//! first with a [`Header`](format::Header), each other with one
//! [`Entry`](format::Entry). A frame is the length of its content and the CRC-32 of that,
//! four bytes each, least first, and the content. A frame that was cut off by the end of
//! its process is recognised, and all before it is whole.
//!
//! - [`format`](mod@format): the content of frames.
//! - [`recorder`]: a policy whose calls are written down.
//! - [`reader`]: frames read back.

pub mod format;

pub mod recorder;

pub mod reader;

#[cfg(test)]
mod tests;
