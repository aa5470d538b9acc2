//! How many bytes messages between hosts and the controller take on the network, in two
//! forms: our own, and Escra's.
//!
//! Ours is what `tidegate-live` encodes (one Protocol Buffers message each way per host
//! and period, on one gRPC stream over TLS); the sizes computed here are tested to be
//! those of the real encoder. Of Escra's, the contents and the transport are known
//! (paper IV-B, V; ec_gcm's report message), widths and headers are estimates.
//!
//! Everything is counted as Ethernet frames with their checksum, without preamble and
//! gap; a connection's opening and keep-alives are not.

use tidegate_core::{Command, Observation};

/// Ethernet header and checksum, and an IPv4 header (IEEE 802.3, RFC 791).
const ETHERNET_IP: u64 = 18 + 20;
/// A TCP segment without data: a header with timestamps (RFC 7323), as Linux sends.
const SEGMENT: u64 = ETHERNET_IP + 20 + 12;
/// A UDP datagram without data (RFC 768).
const DATAGRAM: u64 = ETHERNET_IP + 8;
/// Data of a full segment: 1500 bytes without the headers of IP and TCP.
const SEGMENT_DATA: u64 = 1_500 - 20 - 32;
/// Length prefix of a gRPC message.
const GRPC: u64 = 5;
/// Header of an HTTP/2 frame, and the most a frame holds unless agreed otherwise
/// (RFC 9113).
const FRAME: u64 = 9;
const FRAME_DATA: u64 = 16_384;
/// A TLS 1.3 record's header, type and tag, and the most it holds (RFC 8446).
const RECORD: u64 = 5 + 1 + 16;
const RECORD_DATA: u64 = 16_384;

/// Escra's report: a 4-byte name and quota, unused runtime, throttles and sequence
/// number of 8 bytes each (estimate: the kernel's types), one UDP datagram for each
/// container and period.
pub const ESCRA_REPORT: u64 = DATAGRAM + 4 + 4 * 8;

/// Escra's change of a limit: a unary gRPC call without TLS from the controller to the
/// agent of the host. Estimates: headers that HPACK has seen before take 10 bytes in
/// the request, 2 in the response and 2 in its trailers; the request holds a name and a
/// number in 20 bytes, the response 4. Three segments: request, response with trailers,
/// acknowledgement.
pub const ESCRA_CALL: u64 =
    3 * SEGMENT + (FRAME + 10 + FRAME + GRPC + 20) + (FRAME + 2 + FRAME + GRPC + 4 + FRAME + 2);

/// Bytes of one of our messages on the network, `message` being its encoded length.
/// Every second segment is acknowledged, at least one per message.
pub fn ours(message: u64) -> u64 {
    let data = message + GRPC;
    let stream = data + data.div_ceil(FRAME_DATA) * FRAME;
    let stream = stream + stream.div_ceil(RECORD_DATA) * RECORD;
    let segments = stream.div_ceil(SEGMENT_DATA);
    stream + (segments + segments.div_ceil(2)) * SEGMENT
}

/// Encoded length of a message of `host`, or to it, with parts of `parts` bytes in all.
pub fn message(host: u32, seq: u64, parts: u64) -> u64 {
    number(host.into()) + number(seq) + parts
}

/// Length of one observation as a part of a message; nothing for what stays on the host.
pub fn event(observation: &Observation) -> u64 {
    let body = match *observation {
        // A bare number is written also where it is zero: it says which kind this is.
        Observation::Started(id)
        | Observation::Stopped(id)
        | Observation::Lost(id)
        | Observation::Killed(id) => return part(1 + varint(id.0.into())),
        Observation::Period(report) => {
            number(report.container.0.into())
                + number(report.seq)
                + number(report.quota.0)
                + number(report.unused.0)
                + number(report.usage.0)
                + number(report.nr_throttled)
        }
        Observation::Throttled {
            container,
            seq,
            used,
        } => number(container.0.into()) + number(seq) + number(used.0),
        Observation::Usage {
            container,
            seq,
            cpu,
            memory,
        } => number(container.0.into()) + number(seq) + number(cpu.0) + number(memory.0),
        Observation::OutOfMemory {
            container,
            event,
            first,
            limit,
        } => number(container.0.into()) + number(event) + number(limit.0) + number(first),
        Observation::CpuApplied { container, version } => {
            number(container.0.into()) + number(version)
        }
        Observation::MemoryApplied {
            container,
            version,
            limit,
        } => number(container.0.into()) + number(version) + number(limit.0),
        Observation::HostReport(report) => {
            number(report.seq)
                + number(report.version)
                + number(report.share.0)
                + number(report.wanted.0)
        }
        Observation::Share(_) => return 0,
    };
    part(part(body))
}

/// Length of one command as a part of a message; nothing for what stays on the host.
pub fn order(command: &Command) -> u64 {
    let (container, version, amount) = match *command {
        Command::SetCpu {
            container,
            version,
            limit,
        } => (container.0, version, limit.0),
        Command::SetMemory {
            container,
            version,
            limit,
        } => (container.0, version, limit.0),
        Command::Reclaim {
            container,
            version,
            margin,
        } => (container.0, version, margin.0),
        Command::DenyMemory { container, event } => (container.0, event, 0),
        Command::Restart { container, version } => (container.0, version, 0),
        Command::Lend(share) => (0, share.version, share.cpu.0),
        Command::Report(_) => return 0,
    };
    part(part(
        number(container.into()) + number(version) + number(amount),
    ))
}

/// A field with a number: a byte for its tag, none at all for zero.
fn number(value: u64) -> u64 {
    if value == 0 { 0 } else { 1 + varint(value) }
}

/// A field with a message inside: tag and length before it.
fn part(length: u64) -> u64 {
    1 + varint(length) + length
}

/// Seven bits to the byte.
fn varint(value: u64) -> u64 {
    u64::from(64 - (value | 1).leading_zeros()).div_ceil(7)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_add_up() {
        // Length prefix, frame, record, a segment and its acknowledgement.
        assert_eq!(ours(100), 100 + 5 + 9 + 22 + 2 * 70);
        // 1448 bytes fill a segment; one more needs a second.
        assert_eq!(ours(1_448 - 36), 1_448 + 140);
        assert_eq!(ours(1_448 - 35), 1_449 + 210);
        assert_eq!(ESCRA_REPORT, 82);
        assert_eq!(ESCRA_CALL, 303);
    }

    #[test]
    fn large_messages_take_several_frames_and_records() {
        let stream = 40_000 + 5 + 3 * 9 + 3 * 22;
        assert_eq!(ours(40_000), stream + (28 + 14) * 70);
    }
}
