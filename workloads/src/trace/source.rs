//! Opens a trace as it was published: plain, compressed (`.gz`), or the one file
//! of an archive (`.tar.gz`). What a file is, its first bytes say, not its name.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;

use crate::file::FileError;

const BLOCK_BYTES: usize = 256 << 10;
/// A tar archive is made of blocks of this size; the first says `ustar` near its end.
const TAR_BLOCK_BYTES: usize = 512;
const TAR_MARK: std::ops::Range<usize> = 257..262;

/// What others pack traces with; they are to be unpacked first.
const OTHERS: [(&[u8], &str); 4] = [
    (b"\xfd7zXZ\0", "xz"),
    (b"Rar!", "rar"),
    (b"PK\x03\x04", "zip"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
];

/// Calls `read` with the text of the file at `path`.
///
/// # Errors
/// When the file cannot be opened, is packed in a way this does not read, or is an
/// archive of several files; and what `read` finds.
pub(crate) fn with<T>(
    path: &Path,
    read: impl FnOnce(&mut dyn Read) -> Result<T, FileError>,
) -> Result<T, FileError> {
    let refused = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => FileError::new(path, "no such file"),
        _ => FileError::new(path, format!("cannot be read: {error}")),
    };
    let file = File::open(path).map_err(refused)?;
    if file.metadata().map_err(refused)?.is_dir() {
        return Err(FileError::new(path, "is a directory, not a file"));
    }
    let mut file = BufReader::with_capacity(BLOCK_BYTES, file);
    let head = file.fill_buf().map_err(refused)?;
    if let Some((_, name)) = OTHERS.iter().find(|(mark, _)| head.starts_with(mark)) {
        let error = FileError::new(path, format!("is packed with {name}, which is not read"));
        return Err(error.with_help("unpack it first"));
    }
    if head.starts_with(b"\x1f\x8b") {
        let text = BufReader::with_capacity(BLOCK_BYTES, MultiGzDecoder::new(file));
        unpacked(path, text, read)
    } else {
        unpacked(path, file, read)
    }
}

/// As [`with`], of bytes that are no longer compressed.
fn unpacked<T>(
    path: &Path,
    source: impl Read,
    read: impl FnOnce(&mut dyn Read) -> Result<T, FileError>,
) -> Result<T, FileError> {
    let mut source = source;
    let mut head = Vec::with_capacity(TAR_BLOCK_BYTES);
    let looked = source
        .by_ref()
        .take(TAR_BLOCK_BYTES as u64)
        .read_to_end(&mut head);
    let is_archive = head.get(TAR_MARK).is_some_and(|mark| mark == b"ustar");
    let mut source = head.as_slice().chain(Fault(looked.err())).chain(source);
    if !is_archive {
        return read(&mut source);
    }
    let unsound = |error: io::Error| FileError::new(path, format!("is no sound archive: {error}"));
    let mut archive = tar::Archive::new(source);
    let mut entries = archive.entries().map_err(unsound)?;
    let file = |entry: &io::Result<tar::Entry<'_, _>>| {
        entry
            .as_ref()
            .map_or(true, |entry| entry.header().entry_type().is_file())
    };
    let Some(first) = entries.by_ref().find(file) else {
        return Err(FileError::new(path, "is an archive without a file"));
    };
    let result = read(&mut first.map_err(unsound)?)?;
    match entries.find(file).transpose().map_err(unsound)? {
        None => Ok(result),
        Some(second) => {
            let name = second.path().map_err(unsound)?.display().to_string();
            let message = format!("is an archive of several files, such as {name}");
            Err(FileError::new(path, message).with_help("unpack it first, and name one"))
        }
    }
}

/// A fault met while looking ahead, for whoever reads up to it.
struct Fault(Option<io::Error>);

impl Read for Fault {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        self.0.take().map_or(Ok(0), Err)
    }
}
