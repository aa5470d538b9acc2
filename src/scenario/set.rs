//! `--set key=value`: a change to a scenario from the command line.

use toml::{Table, Value};

use crate::error::Error;
use crate::scenario::layer::{KeyPath, Layer, Location};

/// Reads one `--set` argument. The key is dotted, as in TOML; the value is TOML
/// too, and text where it is no TOML (`run.duration=10s`).
///
/// # Errors
/// When there is no `=`, or what stands before it is no key.
pub fn parse(argument: &str) -> Result<Layer, Error> {
    let Some((key, value)) = argument.split_once('=') else {
        return Err(Error::Usage(format!(
            "--set {argument}: there is no `=`; expected key=value, such as run.duration=10s"
        )));
    };
    let keys = keys(key.trim()).ok_or_else(|| {
        Error::Usage(format!(
            "--set {argument}: {key:?} is no key; expected names joined by dots, such as \
             run.duration, in quotes where a name holds a dot"
        ))
    })?;
    let location = Location::whole(format!("--set {argument}"));
    Ok(Layer::single(&keys, self::value(value), &location))
}

/// Splits a dotted key.
pub fn keys(text: &str) -> Option<KeyPath> {
    if text.contains(['\n', '=', '#', '[']) {
        return None;
    }
    let table: Table = toml::from_str(&format!("{text} = 0")).ok()?;
    let mut keys = KeyPath::new();
    let mut next = table;
    loop {
        let (key, value) = next.into_iter().next()?;
        keys.push(key);
        match value {
            Value::Table(inner) => next = inner,
            _ => return Some(keys),
        }
    }
}

/// Reads a value as TOML, and as text where it is none.
fn value(text: &str) -> Value {
    toml::from_str::<Table>(&format!("value = {text}"))
        .ok()
        .filter(|table| table.len() == 1)
        .and_then(|mut table| table.remove("value"))
        .unwrap_or_else(|| Value::String(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_dotted_as_in_toml() {
        assert_eq!(keys("run.duration").unwrap(), ["run", "duration"]);
        assert_eq!(
            keys("allocator.\"static-1.5x\".level").unwrap(),
            ["allocator", "static-1.5x", "level"]
        );
        for wrong in ["", ".", "a..b", "a b", "[a]", "a\nb"] {
            assert_eq!(keys(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn values_are_toml_or_text() {
        assert_eq!(value("3"), Value::Integer(3));
        assert_eq!(value("\"3\""), Value::String("3".to_owned()));
        assert_eq!(value("10s"), Value::String("10s".to_owned()));
        assert_eq!(value("[1, 2]").as_array().unwrap().len(), 2);
        assert_eq!(
            value("1\nother = 2"),
            Value::String("1\nother = 2".to_owned())
        );
    }
}
