//! Kubernetes quantities of bytes: `512`, `64Ki`, `1Mi`, `2G`.
//!
//! Whole numbers only: no field of Ringway needs a fraction of a unit. Used by the specs of all kinds but routes.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};

/// A number of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Quantity(pub u64);

/// Why a text is no quantity.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QuantityError {
    #[error("a quantity is a whole number of bytes, with or without a suffix (`512`, `64Ki`, `1Mi`)")]
    NoNumber,
    #[error("`{0}` is not a suffix of a quantity: k, M, G, T, P, E or Ki, Mi, Gi, Ti, Pi, Ei")]
    UnknownSuffix(String),
    #[error("the quantity is more than 2^64 bytes")]
    TooLarge,
}

// === impl Quantity ===

impl FromStr for Quantity {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, QuantityError> {
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, suffix) = text.split_at(digits);
        if number.is_empty() {
            return Err(QuantityError::NoNumber);
        }
        let number: u64 = number.parse().map_err(|_| QuantityError::TooLarge)?;
        let unit = match suffix {
            "" => 1,
            "k" => 1000,
            "M" => 1_000_000,
            "G" => 1_000_000_000,
            "T" => 1_000_000_000_000,
            "P" => 1_000_000_000_000_000,
            "E" => 1_000_000_000_000_000_000,
            "Ki" => 1 << 10,
            "Mi" => 1 << 20,
            "Gi" => 1 << 30,
            "Ti" => 1 << 40,
            "Pi" => 1 << 50,
            "Ei" => 1 << 60,
            other => return Err(QuantityError::UnknownSuffix(other.chars().take(16).collect())),
        };
        number.checked_mul(unit).map(Self).ok_or(QuantityError::TooLarge)
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (suffix, shift) in [("Gi", 30_u32), ("Mi", 20), ("Ki", 10)] {
            if self.0 != 0 && self.0.trailing_zeros() >= shift {
                return write!(f, "{}{suffix}", self.0 >> shift);
            }
        }
        write!(f, "{}", self.0)
    }
}

impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextOrNumber;
        impl de::Visitor<'_> for TextOrNumber {
            type Value = Quantity;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a quantity such as `512`, `64Ki` or `1Mi`")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Quantity, E> {
                text.parse().map_err(E::custom)
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Quantity, E> {
                Ok(Quantity(number))
            }
        }
        deserializer.deserialize_any(TextOrNumber)
    }
}

/// As Kubernetes' own quantities: a number may stand without quotes.
impl JsonSchema for Quantity {
    fn schema_name() -> Cow<'static, str> {
        "Quantity".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "x-kubernetes-int-or-string": true,
            "maxLength": 22,
            "pattern": "^[0-9]{1,20}([kMGTPE]|[KMGTPE]i)?$",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Quantity, QuantityError};

    #[test]
    fn quantities_are_read_and_written() {
        for (text, bytes, canonical) in [
            ("512", 512, "512"),
            ("64Ki", 65_536, "64Ki"),
            ("1Mi", 1 << 20, "1Mi"),
            ("2k", 2000, "2000"),
            ("2048Mi", 2 << 30, "2Gi"),
            ("0", 0, "0"),
        ] {
            let quantity: Quantity = text.parse().expect(text);
            assert_eq!(quantity, Quantity(bytes), "{text}");
            assert_eq!(quantity.to_string(), canonical);
        }
    }

    #[test]
    fn everything_else_is_refused_with_its_reason() {
        for (text, error) in [
            ("", QuantityError::NoNumber),
            ("Mi", QuantityError::NoNumber),
            ("-1", QuantityError::NoNumber),
            ("1.5Gi", QuantityError::UnknownSuffix(".5Gi".into())),
            ("1mi", QuantityError::UnknownSuffix("mi".into())),
            ("1 Mi", QuantityError::UnknownSuffix(" Mi".into())),
            ("16Ei", QuantityError::TooLarge),
            ("99999999999999999999", QuantityError::TooLarge),
        ] {
            assert_eq!(text.parse::<Quantity>(), Err(error), "{text}");
        }
    }
}
