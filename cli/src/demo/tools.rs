//! The tools of the demo servers, the same in both eras: what they are, and what a call asks for. Pure but for the clock.
//!
//! A call that takes time or asks a question is only described here: how that happens is the era's matter.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

/// A minute of countdown in the smallest steps.
const MAX_STEPS: u64 = 600;
const MAX_DELAY_MS: u64 = 10_000;
/// Two days each way: more than any time zone.
const MAX_OFFSET_MINUTES: i64 = 2 * 24 * 60;

/// What a call needs.
#[derive(Debug, PartialEq)]
pub(super) enum Call {
    /// Nothing more: this is its result.
    Done(Value),
    /// Time, and whoever waits is told of each step.
    Countdown(Countdown),
    /// The person's name.
    AskName,
}

/// `from` steps with a pause after each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Countdown {
    pub(super) from: u64,
    pub(super) delay: Duration,
}

/// `tools` of `tools/list`, in a fixed order.
pub(super) fn definitions() -> Value {
    let number = json!({ "type": "number" });
    let read_only = json!({ "readOnlyHint": true, "openWorldHint": false });
    json!([
        {
            "name": "add", "title": "Add", "description": "Adds two numbers.",
            "inputSchema": {
                "type": "object", "properties": { "a": number, "b": number }, "required": ["a", "b"],
            },
            "outputSchema": { "type": "object", "properties": { "sum": number }, "required": ["sum"] },
            "annotations": read_only,
        },
        {
            "name": "ask_name", "title": "Ask for a name",
            "description": "Asks the person in front of the client for a name, and greets them.",
            "inputSchema": { "type": "object", "properties": {} },
        },
        {
            "name": "countdown", "title": "Count down",
            "description": "Counts down to zero and reports its progress on the way.",
            "inputSchema": {
                "type": "object",
                "properties": {
                    "from": { "type": "integer", "minimum": 1, "maximum": MAX_STEPS, "default": 5 },
                    "delay_ms": { "type": "integer", "minimum": 0, "maximum": MAX_DELAY_MS, "default": 200 },
                },
            },
            "annotations": read_only,
        },
        {
            "name": "time", "title": "Tell the time",
            "description": "The time now, in UTC or at an offset from it.",
            "inputSchema": {
                "type": "object",
                "properties": {
                    "offset_minutes": {
                        "type": "integer", "minimum": -MAX_OFFSET_MINUTES, "maximum": MAX_OFFSET_MINUTES, "default": 0,
                    },
                },
            },
            "outputSchema": {
                "type": "object",
                "properties": { "utc": { "type": "string" }, "local": { "type": "string" } },
                "required": ["utc", "local"],
            },
            "annotations": read_only,
        },
    ])
}

/// Reads a call; `None` for a tool that is not here. Bad arguments are a failed result, which a model can read.
pub(super) fn call(name: &str, arguments: &Map<String, Value>, now: Timestamp) -> Option<Call> {
    Some(match name {
        "add" => Call::Done(add(arguments).unwrap_or_else(|problem| failure(&problem))),
        "ask_name" => Call::AskName,
        "countdown" => countdown(arguments).map_or_else(|problem| Call::Done(failure(&problem)), Call::Countdown),
        "time" => Call::Done(time(arguments, now).unwrap_or_else(|problem| failure(&problem))),
        _ => return None,
    })
}

/// A result of one text.
pub(super) fn text(text: &str) -> Value {
    json!({ "content": [{ "type": "text", "text": text }] })
}

/// A result that says what went wrong.
pub(super) fn failure(problem: &str) -> Value {
    json!({ "content": [{ "type": "text", "text": problem }], "isError": true })
}

/// The question of `ask_name`: params of `elicitation/create`.
pub(super) fn name_question() -> Value {
    json!({
        "mode": "form",
        "message": "Who is there?",
        "requestedSchema": {
            "type": "object",
            "properties": { "name": { "type": "string", "title": "Your name", "minLength": 1, "maxLength": 80 } },
            "required": ["name"],
        },
    })
}

/// The result of `ask_name` from an `ElicitResult`.
pub(super) fn greet(answer: &Value) -> Value {
    let name = answer.get("content").and_then(|content| content.get("name")).and_then(Value::as_str);
    match (answer.get("action").and_then(Value::as_str), name) {
        (Some("accept"), Some(name)) => text(&format!("Hello, {name}!")),
        (Some("accept"), None) => failure("the form came back without a name"),
        (Some(action), _) => text(&format!("No name: {action}")),
        (None, _) => failure("the answer is no elicitation result"),
    }
}

fn add(arguments: &Map<String, Value>) -> Result<Value, String> {
    let (a, b) = (number(arguments, "a")?, number(arguments, "b")?);
    // Exact as long as both are integers; what overflows is summed as floats.
    let exact = a.as_i64().zip(b.as_i64()).and_then(|(a, b)| a.checked_add(b));
    let sum = match exact {
        Some(sum) => json!(sum),
        None => json!(a.as_f64().unwrap_or(f64::NAN) + b.as_f64().unwrap_or(f64::NAN)),
    };
    let mut result = text(&sum.to_string());
    result["structuredContent"] = json!({ "sum": sum });
    Ok(result)
}

fn time(arguments: &Map<String, Value>, now: Timestamp) -> Result<Value, String> {
    let offset = integer(arguments, "offset_minutes", -MAX_OFFSET_MINUTES, MAX_OFFSET_MINUTES)?.unwrap_or(0);
    let local = now.checked_add(SignedDuration::from_mins(offset)).map_err(|error| error.to_string())?;
    let utc = now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let local = local.strftime("%Y-%m-%dT%H:%M:%S").to_string();
    let mut result = text(if offset == 0 { &utc } else { &local });
    result["structuredContent"] = json!({ "utc": utc, "local": local });
    Ok(result)
}

fn countdown(arguments: &Map<String, Value>) -> Result<Countdown, String> {
    let from = integer(arguments, "from", 1, i64::try_from(MAX_STEPS).unwrap_or(i64::MAX))?.unwrap_or(5);
    let delay = integer(arguments, "delay_ms", 0, i64::try_from(MAX_DELAY_MS).unwrap_or(i64::MAX))?.unwrap_or(200);
    Ok(Countdown { from: from.unsigned_abs(), delay: Duration::from_millis(delay.unsigned_abs()) })
}

fn number<'a>(arguments: &'a Map<String, Value>, key: &str) -> Result<&'a Value, String> {
    arguments.get(key).filter(|value| value.is_number()).ok_or_else(|| format!("{key} must be a number"))
}

fn integer(arguments: &Map<String, Value>, key: &str, least: i64, most: i64) -> Result<Option<i64>, String> {
    match arguments.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => match value.as_i64() {
            Some(number) if (least..=most).contains(&number) => Ok(Some(number)),
            _ => Err(format!("{key} must be an integer from {least} to {most}")),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn done(name: &str, arguments: Value) -> Value {
        let Value::Object(arguments) = arguments else { panic!("an object") };
        match call(name, &arguments, Timestamp::UNIX_EPOCH) {
            Some(Call::Done(result)) => result,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn sums_are_exact_for_integers() {
        let big = done("add", json!({ "a": 9_007_199_254_740_992_i64, "b": 1 }));
        assert_eq!(big["structuredContent"], json!({ "sum": 9_007_199_254_740_993_i64 }));
        assert_eq!(done("add", json!({ "a": 0.5, "b": 1 }))["content"][0]["text"], "1.5");
        assert_eq!(done("add", json!({ "a": i64::MAX, "b": i64::MAX }))["isError"], Value::Null);
        assert_eq!(done("add", json!({ "a": "1", "b": 1 }))["isError"], true);
    }

    #[test]
    fn the_time_shifts() {
        let there = done("time", json!({ "offset_minutes": 90 }));
        let expected = json!({ "utc": "1970-01-01T00:00:00Z", "local": "1970-01-01T01:30:00" });
        assert_eq!(there["structuredContent"], expected);
        assert_eq!(done("time", json!({ "offset_minutes": 99_999 }))["isError"], true);
    }

    #[test]
    fn countdowns_have_bounds_and_defaults() {
        let read = |arguments: Value| call("countdown", arguments.as_object().unwrap(), Timestamp::UNIX_EPOCH).unwrap();
        let default = Countdown { from: 5, delay: Duration::from_millis(200) };
        assert_eq!(read(json!({})), Call::Countdown(default));
        for bad in [json!({ "from": 0 }), json!({ "from": 1.5 }), json!({ "from": 601 }), json!({ "delay_ms": -1 })] {
            assert!(matches!(read(bad.clone()), Call::Done(result) if result["isError"] == true), "{bad}");
        }
    }

    #[test]
    fn answers_become_greetings() {
        assert_eq!(greet(&json!({ "action": "accept", "content": { "name": "Ada" } })), text("Hello, Ada!"));
        assert_eq!(greet(&json!({ "action": "decline" })), text("No name: decline"));
        assert_eq!(greet(&json!({ "action": "accept" }))["isError"], true);
        assert_eq!(greet(&json!(3))["isError"], true);
    }

    #[test]
    fn every_listed_tool_can_be_called_and_no_other() {
        for tool in definitions().as_array().unwrap() {
            let name = tool["name"].as_str().unwrap();
            assert!(call(name, &Map::new(), Timestamp::UNIX_EPOCH).is_some(), "{name}");
        }
        assert_eq!(call("rm", &Map::new(), Timestamp::UNIX_EPOCH), None);
    }
}
