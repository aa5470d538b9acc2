//! Where replies end in a stream of bytes: heads, bodies of known length and in chunks.

/// Headers of one reply.
const HEADERS: usize = 64;
/// A head longer than this is none.
const MAX_HEAD: usize = 64 << 10;

/// Reads replies piece by piece. What is in them but their status is dropped.
#[derive(Debug, Default)]
pub(super) struct Responses {
    /// Bytes of a head, or of a chunk's length, that is not whole.
    pending: Vec<u8>,
    part: Part,
    status: u16,
}

/// What comes next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Part {
    #[default]
    Head,
    /// So many bytes, then the next reply.
    Body(u64),
    ChunkSize,
    /// So many bytes with the line's end, then the next chunk.
    Chunk(u64),
    /// Lines up to an empty one.
    Trailer,
}

impl Responses {
    /// Reads `bytes`, calling `done` with the status of each reply that they complete.
    /// False if they are no HTTP/1.1.
    pub(super) fn read(&mut self, mut bytes: &[u8], mut done: impl FnMut(u16)) -> bool {
        loop {
            match &mut self.part {
                Part::Body(left) | Part::Chunk(left) => {
                    let taken = (*left).min(bytes.len() as u64);
                    *left -= taken;
                    bytes = &bytes[taken as usize..];
                    if *left > 0 {
                        return true;
                    }
                    if let Part::Body(_) = self.part {
                        done(self.status);
                        self.part = Part::Head;
                    } else {
                        self.part = Part::ChunkSize;
                    }
                }
                Part::Head | Part::ChunkSize | Part::Trailer => {
                    if bytes.is_empty() && self.pending.is_empty() {
                        return true;
                    }
                    self.pending.extend_from_slice(bytes);
                    bytes = &[];
                    let Some(used) = self.parse(&mut done) else {
                        return false;
                    };
                    if used == 0 {
                        return self.pending.len() <= MAX_HEAD;
                    }
                    // Bodies are taken from what was read with their heads.
                    let rest = self.pending.split_off(used);
                    self.pending = rest;
                    if let Part::Body(left) | Part::Chunk(left) = &mut self.part {
                        let taken = (*left).min(self.pending.len() as u64);
                        *left -= taken;
                        self.pending.drain(..taken as usize);
                    }
                }
            }
        }
    }

    /// Bytes of `pending` that were understood, zero if there are too few of them, none
    /// if they are wrong.
    fn parse(&mut self, done: &mut impl FnMut(u16)) -> Option<usize> {
        match self.part {
            Part::Head => {
                let mut headers = [httparse::EMPTY_HEADER; HEADERS];
                let mut response = httparse::Response::new(&mut headers);
                let httparse::Status::Complete(used) = response.parse(&self.pending).ok()? else {
                    return Some(0);
                };
                self.status = response.code?;
                let find = |name: &str| {
                    let mut headers = response.headers.iter();
                    let found = headers.find(|header| header.name.eq_ignore_ascii_case(name));
                    found.and_then(|header| std::str::from_utf8(header.value).ok())
                };
                let chunked = find("transfer-encoding")
                    .is_some_and(|value| value.trim().eq_ignore_ascii_case("chunked"));
                self.part = if chunked {
                    Part::ChunkSize
                } else if self.status == 204 || self.status == 304 {
                    Part::Body(0)
                } else {
                    Part::Body(find("content-length")?.trim().parse().ok()?)
                };
                Some(used)
            }
            Part::ChunkSize => match httparse::parse_chunk_size(&self.pending).ok()? {
                httparse::Status::Complete((used, 0)) => {
                    self.part = Part::Trailer;
                    Some(used)
                }
                httparse::Status::Complete((used, size)) => {
                    self.part = Part::Chunk(size.checked_add(2)?);
                    Some(used)
                }
                httparse::Status::Partial => Some(0),
            },
            Part::Trailer => {
                let line = self.pending.windows(2).position(|two| two == b"\r\n");
                let Some(line) = line else { return Some(0) };
                if line == 0 {
                    done(self.status);
                    self.part = Part::Head;
                }
                Some(line + 2)
            }
            Part::Body(_) | Part::Chunk(_) => Some(0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const REPLIES: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello\
        HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n\
        HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n10\r\n0123456789abcdef\r\n0\r\n\r\n\
        HTTP/1.1 204 None\r\n\r\n\
        HTTP/1.1 404 No\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: y\r\n\r\n";

    proptest! {
        /// However the bytes are cut, the same replies end in them.
        #[test]
        fn replies_end_where_they_end(cuts in proptest::collection::vec(0..REPLIES.len(), 0..12)) {
            let mut cuts = cuts;
            cuts.extend([0, REPLIES.len()]);
            cuts.sort_unstable();
            let (mut responses, mut seen) = (Responses::default(), Vec::new());
            for pair in cuts.windows(2) {
                prop_assert!(responses.read(&REPLIES[pair[0]..pair[1]], |status| seen.push(status)));
            }
            prop_assert_eq!(seen, [200, 503, 200, 204, 404]);
            prop_assert_eq!(responses.part, Part::Head);
        }

        #[test]
        fn bytes_of_any_kind_do_no_harm(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = Responses::default().read(&bytes, |_| ());
        }
    }

    #[test]
    fn what_is_no_reply_is_told() {
        for wrong in [
            "hello\r\n\r\n",
            "HTTP/1.1 200 OK\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n",
        ] {
            assert!(
                !Responses::default().read(wrong.as_bytes(), |_| ()),
                "{wrong}"
            );
        }
    }
}
