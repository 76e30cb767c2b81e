//! Limits on the command line: `NAME=VALUE`, sizes as quantities, times as durations.
//!
//! Called by `args` (reading) and `run` (applying).

use std::fmt::Write as _;

use ringway_crds::{Duration, Quantity};
use ringway_dataplane::app::{LimitSettings, NAMED, Named, Unit};

/// A limit that was set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limit {
    name: &'static str,
    value: u64,
}

/// Reads `NAME=VALUE`.
///
/// # Errors
/// The text names no limit (then all of them are listed), or the value does not fit it.
pub fn parse(text: &str) -> Result<Limit, String> {
    let (name, value) = text.split_once('=').unwrap_or((text, ""));
    let named = NAMED.iter().find(|named| named.name == name).ok_or_else(|| format!("the limits are:\n{}", list()))?;
    let value = read(named, value)?;
    // Zero is refused there, too.
    LimitSettings::default().set(named.name, value).map_err(|error| error.to_string())?;
    Ok(Limit { name: named.name, value })
}

/// The defaults with `limits` in place of some.
#[must_use]
pub fn settings(limits: &[Limit]) -> LimitSettings {
    let mut settings = LimitSettings::default();
    for limit in limits {
        if let Err(error) = settings.set(limit.name, limit.value) {
            tracing::error!(%error, "limit not set");
        }
    }
    settings
}

fn read(named: &Named, value: &str) -> Result<u64, String> {
    match named.unit {
        Unit::Bytes | Unit::Count => {
            value.parse::<Quantity>().map(|quantity| quantity.0).map_err(|error| error.to_string())
        }
        Unit::Time => {
            let duration: Duration = value.parse().map_err(|error| format!("{error}"))?;
            Ok(u64::try_from(duration.0.as_millis()).unwrap_or(u64::MAX))
        }
    }
}

fn list() -> String {
    let defaults = LimitSettings::default();
    NAMED.iter().fold(String::new(), |mut out, named| {
        let value = named.value(&defaults);
        let text = match named.unit {
            Unit::Time => format!("{value}ms"),
            Unit::Bytes | Unit::Count => value.to_string(),
        };
        // Writing to a string cannot fail.
        let _infallible = writeln!(out, "  {:<20} {:>10}  {}", named.name, text, named.what);
        out
    })
}

#[cfg(test)]
mod tests {
    use super::{parse, settings};

    #[test]
    fn sizes_and_times_are_read_in_their_units() {
        let limits =
            settings(&[parse("body.bytes=8Mi").expect("a size"), parse("headers.time=1500ms").expect("a time")]);
        assert_eq!(limits.process.body_bytes, 8 << 20);
        assert_eq!(limits.process.headers_time.as_millis(), 1_500);
    }

    #[test]
    fn an_unknown_limit_is_answered_with_the_known_ones() {
        let error = parse("help").expect_err("no such limit");
        assert!(error.contains("body.bytes") && error.contains("4194304"), "{error}");
        assert!(parse("body.bytes=0").is_err());
        assert!(parse("body.bytes=many").is_err());
    }
}
