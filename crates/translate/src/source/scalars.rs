//! Scalars as kubectl reads them, and as they are read here: the same value, so that the same file means the same.
//!
//! The table is what `kubectl annotate --local -f FILE x=y -o json` of Kubernetes 1.37 printed.

use serde_json::Value;

use super::node::Node;
use super::read::{self, Fault};
use super::typed;

const KUBECTL: [(&str, &str); 75] = [
    ("Off", "false"),
    ("on", "true"),
    ("y", "true"),
    ("Y", "true"),
    ("yes", "true"),
    ("NO", "false"),
    ("true", "true"),
    ("TRUE", "true"),
    ("tRue", r#""tRue""#),
    ("~", "null"),
    ("null", "null"),
    ("Null", "null"),
    ("NULL", "null"),
    ("nULL", r#""nULL""#),
    ("010", "8"),
    ("0o17", "15"),
    ("0O17", "15"),
    ("0x1F", "31"),
    ("0X1f", "31"),
    ("0b101", "5"),
    ("-0b101", "-5"),
    ("-0x1F", "-31"),
    ("+1", "1"),
    ("-1", "-1"),
    ("1_000", "1000"),
    ("1_000.5", "1000.5"),
    ("0_7", "7"),
    ("08", "8"),
    ("09.5", "9.5"),
    ("1.0", "1"),
    ("1.5", "1.5"),
    ("-0.0", "0"),
    ("-0", "0"),
    ("1e3", "1000"),
    ("1E3", "1000"),
    ("1e+3", "1000"),
    ("1.5e3", "1500"),
    ("1e-3", "0.001"),
    (".5", "0.5"),
    ("5.", "5"),
    ("+.5", "0.5"),
    ("9223372036854775807", "9223372036854775807"),
    ("-9223372036854775808", "-9223372036854775808"),
    ("2025-11-25", r#""2025-11-25""#),
    ("2025-11-25T00:00:00Z", r#""2025-11-25T00:00:00Z""#),
    (r#""2025-11-25""#, r#""2025-11-25""#),
    ("1:30", r#""1:30""#),
    ("12:30:45", r#""12:30:45""#),
    ("190:20:30", r#""190:20:30""#),
    ("1.2.3", r#""1.2.3""#),
    ("0.1.0", r#""0.1.0""#),
    ("'='", r#""=""#),
    ("=", r#""=""#),
    ("1e", r#""1e""#),
    ("e1", r#""e1""#),
    ("0x", r#""0x""#),
    ("0xZZ", r#""0xZZ""#),
    (r#""010""#, r#""010""#),
    ("'Off'", r#""Off""#),
    ("!!str 5", r#""5""#),
    (r#"!!int "7""#, "7"),
    ("!!float 5", "5"),
    (r#"!!bool "yes""#, "true"),
    ("1e18", "1000000000000000000"),
    ("123456789.0", "123456789"),
    ("0.1", "0.1"),
    ("_1", r#""_1""#),
    ("1_", "1"),
    ("0b", r#""0b""#),
    ("0b2", r#""0b2""#),
    ("0o9", r#""0o9""#),
    ("00", "0"),
    (r#""~""#, r#""~""#),
    ("Infinity", r#""Infinity""#),
    ("NaN", r#""NaN""#),
];

fn document(written: &str) -> (Option<Node>, Vec<Fault>) {
    read::read(&format!("v:\n- {written}\n"), 0)
}

fn value(node: &Node) -> Value {
    let list = typed::read::<Value>(node.child("v").expect("v")).expect("a list");
    list.get(0).expect("one value").clone()
}

#[test]
fn scalars_are_what_kubectl_makes_of_them() {
    let mut differing = Vec::new();
    for (written, expected) in KUBECTL {
        let (node, faults) = document(written);
        let value = value(&node.expect("a document"));
        let is_same = serde_json::from_str::<Value>(expected).is_ok_and(|expected| expected == value);
        if !is_same || !faults.is_empty() {
            differing.push(format!("{written} is {expected} to kubectl, and {value} {faults:?} here"));
        }
    }
    assert!(differing.is_empty(), "{}", differing.join("\n"));
}

/// kubectl refuses the first three; an API server rounds the others.
#[test]
fn numbers_that_no_server_holds_are_refused() {
    for written in [
        ".inf",
        "-.inf",
        ".nan",
        "1e30",
        "9223372036854775808",
        "18446744073709551615",
        "100000000000000000000",
        "-9223372036854775809",
    ] {
        let (_, faults) = document(written);
        assert!(
            matches!(faults.as_slice(), [Fault::HugeNumber { .. } | Fault::Syntax { .. }]),
            "{written}: {faults:?}"
        );
    }
}
