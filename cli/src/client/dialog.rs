//! What a server may ask or tell in the middle of a call, and who answers.
//!
//! The client calls it; the terminal and the tests implement it. No I/O here.

use std::future::Future;

use serde_json::{Map, Value};

/// One `notifications/progress`.
#[derive(Debug, Clone, PartialEq)]
pub struct Progress {
    /// Grows from one notification to the next.
    pub progress: f64,
    /// The value at which the work is done, if known.
    pub total: Option<f64>,
    /// What is being done, if said.
    pub message: Option<String>,
}

/// A server's question to the person (`elicitation/create`).
#[derive(Debug, Clone, PartialEq)]
pub enum Elicitation {
    /// Fields to fill in.
    Form {
        /// Why the server asks.
        message: String,
        /// A flat JSON Schema object (`requestedSchema`).
        schema: Value,
    },
    /// A page to visit.
    Url {
        /// Why the server asks.
        message: String,
        /// Where to go.
        url: String,
    },
}

/// The person's answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// Yes, with the form's values (empty for a page).
    Accept(Map<String, Value>),
    /// No.
    Decline,
    /// Neither: the question was dismissed.
    Cancel,
}

/// Whoever watches a call.
pub trait Dialog {
    /// The call moved on.
    fn progress(&mut self, progress: &Progress);
    /// The server logged something (`notifications/message`).
    fn log(&mut self, level: &str, text: &str);
    /// The server asks.
    fn elicit(&mut self, question: &Elicitation) -> impl Future<Output = Answer>;
}

/// Nobody: progress is ignored, questions are declined.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unattended;

// === impl Elicitation ===

impl Elicitation {
    /// Reads the `params` of `elicitation/create`; an absent `mode` is a form (2025-11-25, "Elicitation").
    pub(super) fn from_params(params: &Value) -> Option<Self> {
        let text = |key: &str| params.get(key).and_then(Value::as_str).map(str::to_owned);
        let message = text("message").unwrap_or_default();
        match params.get("mode").and_then(Value::as_str) {
            None | Some("form") => Some(Self::Form { message, schema: params.get("requestedSchema")?.clone() }),
            Some("url") => Some(Self::Url { message, url: text("url")? }),
            Some(_) => None,
        }
    }
}

// === impl Answer ===

impl Answer {
    /// As `ElicitResult`.
    pub(super) fn into_result(self, question: &Elicitation) -> Value {
        match (self, question) {
            (Self::Accept(content), Elicitation::Form { .. }) => {
                serde_json::json!({ "action": "accept", "content": content })
            }
            (Self::Accept(_), Elicitation::Url { .. }) => serde_json::json!({ "action": "accept" }),
            (Self::Decline, _) => serde_json::json!({ "action": "decline" }),
            (Self::Cancel, _) => serde_json::json!({ "action": "cancel" }),
        }
    }
}

// === impl Unattended ===

impl Dialog for Unattended {
    fn progress(&mut self, _: &Progress) {}
    fn log(&mut self, _: &str, _: &str) {}
    async fn elicit(&mut self, _: &Elicitation) -> Answer {
        Answer::Decline
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_question_without_mode_is_a_form() {
        let schema = json!({ "type": "object", "properties": {} });
        let form = Elicitation::from_params(&json!({ "message": "Who?", "requestedSchema": schema })).unwrap();
        assert_eq!(form, Elicitation::Form { message: "Who?".to_owned(), schema });
        let page = Elicitation::from_params(&json!({ "mode": "url", "message": "Pay", "url": "https://x/y" })).unwrap();
        assert_eq!(Answer::Accept(Map::new()).into_result(&page), json!({ "action": "accept" }));
        assert_eq!(Elicitation::from_params(&json!({ "mode": "voice", "message": "?" })), None);
        assert_eq!(Elicitation::from_params(&json!({ "mode": "url" })), None, "a page needs an address");
    }
}
