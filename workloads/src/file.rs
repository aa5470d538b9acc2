//! Reads a TOML file into a type, with errors that say what is wrong, where,
//! and what would be right.
//!
//! Nothing here knows what the file is about: applications, loads and scenarios
//! all come in this way. What TOML and serde cannot check (a name that does not
//! exist, a share above one) is checked by the reader of the type, which keeps
//! positions with [`toml::Spanned`] and reports with [`FileError::at`].

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

/// Files larger than this are refused: 16 MiB, far above anything a person
/// writes.
pub const MAX_BYTES: u64 = 16 << 20;

/// Names longer than this get no suggestion; comparing them costs the product
/// of the lengths.
const MAX_NAME_CHARS: usize = 64;

/// What is wrong with a file, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileError {
    /// The file, as the caller named it.
    pub path: PathBuf,
    /// Line, from 1; absent when the file as a whole is meant.
    pub line: Option<usize>,
    /// Column, from 1: characters in a text file, cells in a table of values.
    pub column: Option<usize>,
    /// What is wrong.
    pub message: String,
    /// What would be right.
    pub help: Option<String>,
}

impl FileError {
    /// An error that concerns the whole file.
    pub fn new(path: &Path, message: impl Into<String>) -> FileError {
        FileError {
            path: path.to_owned(),
            line: None,
            column: None,
            message: message.into(),
            help: None,
        }
    }

    /// An error at `span`, a range of bytes of `text`, as [`toml::Spanned`]
    /// gives it.
    pub fn at(
        path: &Path,
        text: &str,
        span: Range<usize>,
        message: impl Into<String>,
    ) -> FileError {
        let (line, column) = position(text, span.start);
        FileError {
            line: Some(line),
            column: Some(column),
            ..FileError::new(path, message)
        }
    }

    /// The same error, saying what would be right.
    pub fn with_help(self, help: impl Into<String>) -> FileError {
        FileError {
            help: Some(help.into()),
            ..self
        }
    }
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.path.display())?;
        if let Some(line) = self.line {
            write!(f, "{line}:")?;
            if let Some(column) = self.column {
                write!(f, "{column}:")?;
            }
        }
        write!(f, " {}", self.message)?;
        if let Some(help) = &self.help {
            write!(f, "\n  help: {help}")?;
        }
        Ok(())
    }
}

impl std::error::Error for FileError {}

/// Reads the file at `path` as UTF-8 text.
///
/// # Errors
/// When there is no such file, it is a directory, it is larger than
/// [`MAX_BYTES`], it is not UTF-8, or the system refuses.
pub fn read_text(path: &Path) -> Result<String, FileError> {
    let refused = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => FileError::new(path, "no such file"),
        io::ErrorKind::IsADirectory => FileError::new(path, "is a directory, not a file"),
        _ => FileError::new(path, format!("cannot be read: {error}")),
    };
    let file = File::open(path).map_err(refused)?;
    if file.metadata().map_err(refused)?.is_dir() {
        return Err(FileError::new(path, "is a directory, not a file"));
    }
    // The length is not asked for: a pipe has none.
    let mut bytes = Vec::new();
    file.take(MAX_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(refused)?;
    if bytes.len() as u64 > MAX_BYTES {
        let message = format!("is larger than {} MiB", MAX_BYTES >> 20);
        return Err(FileError::new(path, message));
    }
    String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let bytes = error.as_bytes();
        let text = String::from_utf8_lossy(&bytes[..valid]);
        FileError::at(path, &text, valid..valid, "is not UTF-8 text from here on")
    })
}

/// Reads TOML `text` into `T`; `path` is only named in messages.
///
/// # Errors
/// When `text` is no TOML, or does not hold a `T`.
pub fn parse<T: DeserializeOwned>(path: &Path, text: &str) -> Result<T, FileError> {
    toml::from_str(text).map_err(|error| {
        let (message, help) = plain(error.message());
        let mut result = match error.span() {
            Some(span) => FileError::at(path, text, span, message),
            None => FileError::new(path, message),
        };
        result.help = help;
        result
    })
}

/// The one of `candidates` that `name` was probably meant to be.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let length = name.chars().count();
    if length > MAX_NAME_CHARS {
        return None;
    }
    // A third of the letters may be wrong, as compilers have it.
    let tolerance = (length / 3).max(1);
    candidates
        .into_iter()
        .filter(|candidate| candidate.len() <= 4 * MAX_NAME_CHARS)
        .map(|candidate| (strsim::damerau_levenshtein(name, candidate), candidate))
        .filter(|(distance, _)| *distance <= tolerance)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// What would be right instead of the unknown `name`: the nearest candidate,
/// or else all of them.
pub fn suggestion<'a>(
    name: &str,
    candidates: impl IntoIterator<Item = &'a str, IntoIter: Clone>,
) -> Option<String> {
    let candidates = candidates.into_iter();
    if let Some(candidate) = nearest(name, candidates.clone()) {
        return Some(format!("did you mean `{candidate}`?"));
    }
    let quoted: Vec<String> = candidates.map(|name| format!("`{name}`")).collect();
    match quoted.as_slice() {
        [] => None,
        [only] => Some(format!("expected {only}")),
        [first @ .., last] if quoted.len() <= 16 => {
            Some(format!("expected {} or {last}", first.join(", ")))
        }
        _ => None,
    }
}

/// Line and column of byte `offset` of `text`, as [`Lines::position`].
pub fn position(text: &str, offset: usize) -> (usize, usize) {
    Lines::new(text).position(offset)
}

/// Where the lines of a text begin: many positions of it without reading all of it for
/// each.
#[derive(Debug)]
pub struct Lines<'a> {
    text: &'a str,
    /// Of every line but the first.
    starts: Vec<usize>,
}

impl<'a> Lines<'a> {
    /// The lines of `text`.
    pub fn new(text: &'a str) -> Lines<'a> {
        let starts = text.match_indices('\n').map(|(at, _)| at + 1).collect();
        Lines { text, starts }
    }

    /// Line and column, both from 1, of byte `offset`; columns count characters. An
    /// offset past the end, or inside a character, is brought back.
    pub fn position(&self, offset: usize) -> (usize, usize) {
        let mut offset = offset.min(self.text.len());
        while !self.text.is_char_boundary(offset) {
            offset -= 1;
        }
        let line = self.starts.partition_point(|&start| start <= offset);
        let start = line.checked_sub(1).map_or(0, |last| self.starts[last]);
        (line + 1, self.text[start..offset].chars().count() + 1)
    }
}

/// serde's messages speak of Rust ("unknown field", "invalid type"); these
/// speak of the file.
fn plain(message: &str) -> (String, Option<String>) {
    let unknown = [("unknown field `", "key"), ("unknown variant `", "value")];
    for (prefix, kind) in unknown {
        let Some(rest) = message.strip_prefix(prefix) else {
            continue;
        };
        let Some((name, expected)) = rest.split_once("`, ") else {
            continue;
        };
        // "expected one of `a`, `b`": every second piece is a name.
        let candidates: Vec<&str> = expected.split('`').skip(1).step_by(2).collect();
        let help = suggestion(name, candidates.iter().copied());
        return (format!("unknown {kind} `{name}`"), help);
    }
    if let Some(name) = message.strip_prefix("missing field ") {
        return (format!("missing key {name}"), None);
    }
    for prefix in ["invalid type: ", "invalid value: "] {
        let found = message.strip_prefix(prefix);
        if let Some((found, expected)) = found.and_then(|rest| rest.rsplit_once(", expected ")) {
            let expected = match expected {
                "a string" => "text in quotes",
                "a sequence" => "an array",
                "a map" => "a table",
                "f64" => "a number",
                "i64" | "u64" | "u32" => "a whole number",
                "a boolean" => "true or false",
                other => other.strip_prefix("struct ").map_or(other, |_| "a table"),
            };
            return (format!("expected {expected}, found {found}"), None);
        }
    }
    (message.to_owned(), None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde::Deserialize;
    use tidegate_core::Span;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Sample {
        #[allow(dead_code)]
        cpu: Span,
        #[allow(dead_code)]
        order: Option<Choice>,
        #[allow(dead_code)]
        inner: Option<Inner>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Choice {
        Fifo,
        Lifo,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Inner {
        #[allow(dead_code)]
        weight: f64,
    }

    fn message(text: &str) -> String {
        parse::<Sample>(Path::new("x.toml"), text)
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn an_unknown_key_is_placed_and_a_near_one_suggested() {
        assert_eq!(
            message("cpu = \"1s\"\n  cpux = 3\n"),
            "x.toml:2:3: unknown key `cpux`\n  help: did you mean `cpu`?"
        );
        assert_eq!(
            message("cpu = \"1s\"\ninner = { weihgt = 3 }\n"),
            "x.toml:2:11: unknown key `weihgt`\n  help: did you mean `weight`?"
        );
        assert_eq!(
            message("cpu = \"1s\"\ncolour = 3\n"),
            "x.toml:2:1: unknown key `colour`\n  help: expected `cpu`, `order` or `inner`"
        );
        assert_eq!(
            message("cpu = \"1s\"\norder = \"filo\"\n"),
            "x.toml:2:9: unknown value `filo`\n  help: did you mean `fifo`?"
        );
    }

    #[test]
    fn a_wrong_value_says_what_would_be_right() {
        assert_eq!(
            message("cpu = 3"),
            "x.toml:1:7: expected text in quotes, found integer `3`"
        );
        assert_eq!(
            message("cpu = \"3\""),
            "x.toml:1:7: \"3\" is not a duration such as \"180s\" or \"250ms\""
        );
        assert_eq!(
            message("cpu = \"1s\"\ninner = { weight = \"much\" }"),
            "x.toml:2:20: expected a number, found string \"much\""
        );
        assert_eq!(message("\n"), "x.toml:1:1: missing key `cpu`");
        assert!(message("cpu = \"1s\"\ncpu = \"1s\"").starts_with("x.toml:2:1: duplicate key"));
        assert!(message("cpu = ").starts_with("x.toml:1:"));
    }

    #[test]
    fn a_file_that_is_no_text_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let message = |path: &Path| read_text(path).unwrap_err().message;
        assert_eq!(message(&folder.path().join("none.toml")), "no such file");
        assert_eq!(message(folder.path()), "is a directory, not a file");

        let binary = folder.path().join("binary.toml");
        std::fs::write(&binary, b"a = 1\nb = \"\xff\"").unwrap();
        let error = read_text(&binary).unwrap_err();
        assert_eq!((error.line, error.column), (Some(2), Some(6)));
        assert_eq!(error.message, "is not UTF-8 text from here on");

        let large = folder.path().join("large.toml");
        File::create(&large)
            .unwrap()
            .set_len(MAX_BYTES + 1)
            .unwrap();
        assert_eq!(message(&large), "is larger than 16 MiB");
    }

    #[test]
    fn columns_count_characters() {
        assert_eq!(position("é = 1\nøø = 2", 9), (2, 2));
        assert_eq!(position("é", 1), (1, 1));
        assert_eq!(position("", 99), (1, 1));
        assert_eq!(position("a\nb", 1), (1, 2));
        assert_eq!(position("a\nb", 2), (2, 1));
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "\\PC*|[a-z\\[\\]{}=\"',.\n ]{0,200}") {
            let _ = parse::<Sample>(Path::new("x.toml"), &text);
        }

        #[test]
        fn any_message_can_be_put_plainly(
            message in "(unknown field `|unknown variant `|missing field |invalid type: )?\\PC*",
        ) {
            plain(&message);
        }
    }
}
