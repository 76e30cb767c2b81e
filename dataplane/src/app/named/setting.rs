//! Limits on the command line: `NAME=VALUE`, sizes as quantities, times as durations.
//!
//! For the programs that run a gateway: read with the rest of their arguments, applied when the gateway is started.

use std::fmt::Write as _;
use std::time::Duration;

use super::{LimitSettings, NAMED, Named, Unit};

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
        Unit::Bytes | Unit::Count => quantity(value),
        Unit::Time => milliseconds(value),
    }
}

/// A whole number with a suffix of Kubernetes' quantities.
fn quantity(text: &str) -> Result<u64, String> {
    let (number, suffix) = number(text).ok_or("expected a number such as 65536 or 64Ki")?;
    let unit = match suffix {
        "" => 1,
        "k" => 1_000,
        "M" => 1_000_000,
        "G" => 1_000_000_000,
        "Ki" => 1 << 10,
        "Mi" => 1 << 20,
        "Gi" => 1 << 30,
        _ => return Err("the suffixes are k, M, G, Ki, Mi and Gi".to_owned()),
    };
    number.checked_mul(unit).ok_or_else(|| "the number is too large".to_owned())
}

/// Numbers with units, one after the other, as in Gateway API.
fn milliseconds(text: &str) -> Result<u64, String> {
    let (mut rest, mut total) = (text, 0_u64);
    loop {
        let (count, after) = number(rest).ok_or("expected a duration such as 30s, 1h30m or 500ms")?;
        let end = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
        let (unit, next) = after.split_at(end);
        let unit = match unit {
            "h" => 3_600_000,
            "m" => 60_000,
            "s" => 1_000,
            "ms" => 1,
            _ => return Err("the units of a duration are h, m, s and ms".to_owned()),
        };
        total = count.checked_mul(unit).and_then(|part| total.checked_add(part)).ok_or("the duration is too long")?;
        if next.is_empty() {
            return Ok(total);
        }
        rest = next;
    }
}

/// A duration as it stands on a command line.
///
/// # Errors
/// It is none: what would be one.
pub fn duration(text: &str) -> Result<Duration, String> {
    milliseconds(text).map(Duration::from_millis)
}

fn number(text: &str) -> Option<(u64, &str)> {
    let (digits, rest) = text.split_at(text.bytes().take_while(u8::is_ascii_digit).count());
    Some((digits.parse().ok()?, rest))
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
    }

    #[test]
    fn what_is_no_value_is_refused() {
        for (text, want) in [
            ("body.bytes=8Mi", Some(8 << 20)),
            ("body.bytes=2k", Some(2_000)),
            ("streams=1000", Some(1_000)),
            ("headers.time=1h30m", Some(5_400_000)),
            ("headers.time=2s500ms", Some(2_500)),
            ("body.bytes=0", None),
            ("body.bytes=many", None),
            ("body.bytes=", None),
            ("body.bytes=1.5Mi", None),
            ("body.bytes=8Mb", None),
            ("body.bytes=99999999999Gi", None),
            ("body.bytes=99999999999999999999999", None),
            ("headers.time=5", None),
            ("headers.time=s", None),
            ("headers.time=0s", None),
            ("headers.time=1s2", None),
            ("headers.time=-1s", None),
            ("headers.time=9999999999999999999h", None),
        ] {
            assert_eq!(parse(text).ok().map(|limit| limit.value), want, "{text}");
        }
    }
}
