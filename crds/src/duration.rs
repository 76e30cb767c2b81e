//! Gateway API durations (GEP-2257): `30s`, `1h30m`, `500ms`.
//!
//! Format only; bounds are the reader's. Used by all specs.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};

/// One to four numbers of one to five digits, each with the unit `h`, `m`, `s` or `ms`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Duration(pub std::time::Duration);

/// Why a text is no duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    #[error("a duration needs a number with a unit (`30s`, `5m`, `1h30m`, `500ms`)")]
    NoNumber,
    #[error("a number in a duration has at most five digits")]
    TooManyDigits,
    #[error("`{0}` is not a unit of a duration: h, m, s or ms")]
    UnknownUnit(String),
    #[error("a duration has at most four numbers")]
    TooManyParts,
}

// === impl Duration ===

impl FromStr for Duration {
    type Err = DurationError;

    fn from_str(text: &str) -> Result<Self, DurationError> {
        let mut rest = text;
        let mut millis = 0_u64;
        for _ in 0..4 {
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            let (number, after) = rest.split_at(digits);
            if digits > 5 {
                return Err(DurationError::TooManyDigits);
            }
            let number: u64 = number.parse().map_err(|_| DurationError::NoNumber)?;
            let unit_length = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
            let (unit, next) = after.split_at(unit_length);
            millis += number
                * match unit {
                    "h" => 3_600_000,
                    "m" => 60_000,
                    "s" => 1000,
                    "ms" => 1,
                    "" => return Err(DurationError::NoNumber),
                    other => return Err(DurationError::UnknownUnit(other.chars().take(16).collect())),
                };
            if next.is_empty() {
                return Ok(Self(std::time::Duration::from_millis(millis)));
            }
            rest = next;
        }
        Err(DurationError::TooManyParts)
    }
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut millis = self.0.as_millis();
        if millis == 0 {
            return f.write_str("0s");
        }
        for (unit, size) in [("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)] {
            if millis >= size {
                write!(f, "{}{unit}", millis / size)?;
                millis %= size;
            }
        }
        Ok(())
    }
}

impl<'de> Deserialize<'de> for Duration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl de::Visitor<'_> for Text {
            type Value = Duration;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a duration such as `30s`, `1h30m` or `500ms`")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Duration, E> {
                text.parse().map_err(E::custom)
            }
        }
        deserializer.deserialize_any(Text)
    }
}

impl JsonSchema for Duration {
    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "maxLength": 28, "pattern": "^([0-9]{1,5}(h|m|s|ms)){1,4}$" })
    }
}

#[cfg(test)]
mod tests {
    use super::{Duration, DurationError};

    #[test]
    fn gateway_api_durations_are_read_and_written() {
        for (text, millis, canonical) in [
            ("30s", 30_000, "30s"),
            ("1h30m", 5_400_000, "1h30m"),
            ("500ms", 500, "500ms"),
            ("90s", 90_000, "1m30s"),
            ("1h1m1s1ms", 3_661_001, "1h1m1s1ms"),
            ("0s", 0, "0s"),
        ] {
            let duration: Duration = text.parse().expect(text);
            assert_eq!(duration.0.as_millis(), millis, "{text}");
            assert_eq!(duration.to_string(), canonical);
        }
    }

    #[test]
    fn everything_else_is_refused_with_its_reason() {
        for (text, error) in [
            ("", DurationError::NoNumber),
            ("s", DurationError::NoNumber),
            ("30", DurationError::NoNumber),
            ("-5s", DurationError::NoNumber),
            ("1.5s", DurationError::UnknownUnit(".".into())),
            ("5d", DurationError::UnknownUnit("d".into())),
            ("5 s", DurationError::UnknownUnit(" s".into())),
            ("100000s", DurationError::TooManyDigits),
            ("1h1m1s1ms1ms", DurationError::TooManyParts),
            ("1é", DurationError::UnknownUnit("é".into())),
        ] {
            assert_eq!(text.parse::<Duration>(), Err(error), "{text}");
        }
    }
}
