//! Frames read back, one after the other.

use std::fmt;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

use prost::Message;

use super::format::{Entry, Header, LONGEST, MAGIC, VERSION};

/// Why a recording cannot be read.
#[derive(Debug)]
pub enum ReadError {
    /// The system refused.
    Io(io::Error),
    /// It is no recording.
    NotOne,
    /// It is of another version of the format.
    Version(u32),
    /// What is in the file at this byte is not what was written.
    Damaged(u64),
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReadError::Io(error) => error.fmt(f),
            ReadError::NotOne => f.write_str("it is no recording"),
            ReadError::Version(version) => {
                write!(f, "it is of version {version} of the format, not {VERSION}")
            }
            ReadError::Damaged(at) => {
                write!(
                    f,
                    "it is damaged at byte {at}: that is not what was written"
                )
            }
        }
    }
}

impl std::error::Error for ReadError {}

impl From<io::Error> for ReadError {
    fn from(error: io::Error) -> ReadError {
        ReadError::Io(error)
    }
}

/// A recording, read from its beginning.
pub struct Reader<R> {
    from: R,
    header: Header,
    at: u64,
    length: u64,
    torn: Option<u64>,
}

impl Reader<BufReader<File>> {
    /// Opens the recording at `path`.
    ///
    /// # Errors
    /// When it cannot be read, or is none.
    pub fn open(path: &Path) -> Result<Reader<BufReader<File>>, ReadError> {
        let file = File::open(path)?;
        let length = file.metadata()?.len();
        Reader::new(BufReader::new(file), length)
    }
}

impl<R: Read> Reader<R> {
    /// A recording of so many bytes.
    ///
    /// # Errors
    /// When it cannot be read, or is none.
    pub fn new(from: R, length: u64) -> Result<Reader<R>, ReadError> {
        let mut reader = Reader {
            from,
            header: Header::default(),
            at: 0,
            length,
            torn: None,
        };
        let mut magic = [0; MAGIC.len()];
        if length < MAGIC.len() as u64 {
            return Err(ReadError::NotOne);
        }
        reader.from.read_exact(&mut magic)?;
        reader.at = MAGIC.len() as u64;
        if magic != MAGIC {
            return Err(ReadError::NotOne);
        }
        reader.header = reader.frame()?.ok_or(ReadError::NotOne)?;
        if reader.header.version != VERSION {
            return Err(ReadError::Version(reader.header.version));
        }
        Ok(reader)
    }

    /// What was recorded.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The byte from which on the last frame was cut off, once that has been reached.
    pub fn torn(&self) -> Option<u64> {
        self.torn
    }

    /// The next entry; nothing at the end, or where the last frame was cut off.
    ///
    /// # Errors
    /// When the file cannot be read or is damaged.
    pub fn next_entry(&mut self) -> Result<Option<Entry>, ReadError> {
        self.frame()
    }

    fn frame<M: Message + Default>(&mut self) -> Result<Option<M>, ReadError> {
        let at = self.at;
        let left = self.length - at;
        if left == 0 || self.torn.is_some() {
            return Ok(None);
        }
        if left < 8 {
            self.torn = Some(at);
            return Ok(None);
        }
        let mut head = [0; 8];
        self.from.read_exact(&mut head)?;
        let [a, b, c, d, e, f, g, h] = head;
        let size = u32::from_le_bytes([a, b, c, d]) as usize;
        let sum = u32::from_le_bytes([e, f, g, h]);
        if size > LONGEST || size == 0 {
            return Err(ReadError::Damaged(at));
        }
        if size as u64 > left - 8 {
            self.torn = Some(at);
            return Ok(None);
        }
        let mut content = vec![0; size];
        self.from.read_exact(&mut content)?;
        self.at = at + 8 + size as u64;
        if crc32fast::hash(&content) != sum {
            return Err(ReadError::Damaged(at));
        }
        match M::decode(&content[..]) {
            Ok(message) => Ok(Some(message)),
            Err(_) => Err(ReadError::Damaged(at)),
        }
    }
}
