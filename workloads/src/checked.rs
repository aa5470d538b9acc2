//! What readers of files share: numbers within their range, and errors at the
//! place of a value.

use std::fmt;
use std::ops::RangeInclusive;
use std::path::Path;

use toml::Spanned;

use crate::file::FileError;

/// A file whose values are being checked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Checked<'a> {
    /// What messages name.
    pub(crate) path: &'a Path,
    /// What the places of values are places in.
    pub(crate) text: &'a str,
}

impl Checked<'_> {
    /// An error at `place`.
    pub(crate) fn at<T>(&self, place: &Spanned<T>, message: impl Into<String>) -> FileError {
        FileError::at(self.path, self.text, place.span(), message)
    }

    /// A number in `range`; a range from the least positive number is "above 0".
    pub(crate) fn number(
        &self,
        key: &str,
        value: &Spanned<f64>,
        range: RangeInclusive<f64>,
    ) -> Result<f64, FileError> {
        let number = *value.get_ref();
        if range.contains(&number) {
            return Ok(number);
        }
        let message = if *range.start() == f64::MIN_POSITIVE {
            format!("`{key}` must be above 0, up to {}", range.end())
        } else {
            format!("`{key}` must be from {} to {}", range.start(), range.end())
        };
        Err(self.at(value, format!("{message}, not {number}")))
    }

    /// A whole number from 1 to `max`.
    pub(crate) fn count(
        &self,
        key: &str,
        value: &Spanned<i64>,
        max: u32,
    ) -> Result<u32, FileError> {
        match u32::try_from(*value.get_ref()) {
            Ok(count) if (1..=max).contains(&count) => Ok(count),
            _ => {
                let number = value.get_ref();
                let message = format!("`{key}` must be from 1 to {max}, not {number}");
                Err(self.at(value, message))
            }
        }
    }

    /// The value, or nothing of it where the key is absent.
    pub(crate) fn at_most<T: Copy + Default + PartialOrd + fmt::Display>(
        &self,
        key: &str,
        value: Option<&Spanned<T>>,
        max: T,
    ) -> Result<T, FileError> {
        let Some(value) = value else {
            return Ok(T::default());
        };
        if *value.get_ref() > max {
            let message = format!("`{key}` must be at most {max}, not {}", value.get_ref());
            return Err(self.at(value, message));
        }
        Ok(*value.get_ref())
    }

    /// A value above zero.
    pub(crate) fn positive<T: Copy + Default + PartialOrd + fmt::Display>(
        &self,
        key: &str,
        value: &Spanned<T>,
        max: T,
    ) -> Result<T, FileError> {
        if *value.get_ref() == T::default() {
            return Err(self.at(value, format!("`{key}` must be above zero")));
        }
        self.at_most(key, Some(value), max)
    }
}
