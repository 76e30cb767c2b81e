//! The stateless era, 2026-07-28: every request says who asks, and a server that needs an answer ends the request with
//! `input_required`, to be sent again with it.
//!
//! Never resumes a stream: what broke is reported. Called by `client`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use ringway_mcp::{Revision, headers};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::dialog::{Dialog, Elicitation, Unattended};
use super::error::ClientError;
use super::http::Http;
use super::message::{self, Kind, Message, RpcError};
use super::params::{Meta, Params};
use super::probe::{self, Verdict};
use super::reply::{self, Reply};
use super::tell;

/// The cap of the TypeScript SDK's client; a server that asks more often is taken for broken.
const MAX_ROUNDS: usize = 10;
/// Pause before the call is repeated for a server that only said "not yet".
const PACE: Duration = Duration::from_millis(500);
const DISCOVER: &str = "server/discover";

/// A stateless server.
#[derive(Debug)]
pub(super) struct Modern {
    http: Arc<Http>,
    next_id: u64,
}

/// What stands in the headers of a request beside its method.
#[derive(Debug, Default)]
struct Routing {
    name: Option<String>,
    arguments: Vec<(HeaderName, HeaderValue)>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ResultHead {
    result_type: Option<String>,
    #[serde(default)]
    input_requests: BTreeMap<String, InputRequest>,
    request_state: Option<Box<RawValue>>,
}

#[derive(Deserialize)]
struct InputRequest {
    method: String,
    #[serde(default)]
    params: Value,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Schema {
    input_schema: Option<Box<RawValue>>,
}

// === impl Modern ===

impl Modern {
    pub(super) fn new(http: Arc<Http>) -> Self {
        Self { http, next_id: 1 }
    }

    /// Asks the server what it speaks.
    pub(super) async fn probe(&mut self) -> Result<Verdict, ClientError> {
        let params = Params { meta: Some(Meta::modern(None)), ..Params::default() };
        let id = self.take_id();
        let answer = self.post(id, DISCOVER, &Routing::default(), &params).await?;
        match answer {
            Reply::Refused(refusal) => probe::judge_refusal(refusal),
            Reply::Accepted => Ok(Verdict::Legacy),
            reply => match wait(id, reply, &mut Unattended).await? {
                Ok(result) => Ok(probe::judge_result(&result)),
                Err(error) => Ok(probe::judge_error(&error)),
            },
        }
    }

    /// One page of a list.
    pub(super) async fn list_page(
        &mut self,
        method: &'static str,
        cursor: Option<&str>,
    ) -> Result<Box<RawValue>, ClientError> {
        let params = Params { cursor, meta: Some(Meta::modern(None)), ..Params::default() };
        let result = self.request(method, &Routing::default(), &params, &mut Unattended).await?;
        match head(&result, method)?.result_type.as_deref() {
            None | Some("complete") => Ok(result),
            Some(other) => Err(ClientError::Protocol(format!("{method} answered with resultType {other}"))),
        }
    }

    /// Calls a tool and answers until it is complete. `tool` as listed; without it no argument becomes a header.
    pub(super) async fn call<D: Dialog>(
        &mut self,
        name: &str,
        listed: Option<&str>,
        arguments: &RawValue,
        dialog: &mut D,
    ) -> Result<Box<RawValue>, ClientError> {
        let routing = Routing {
            name: Some(name.to_owned()),
            arguments: listed.map_or_else(|| Ok(Vec::new()), |tool| argument_headers(tool, arguments))?,
        };
        let mut state: Option<Box<RawValue>> = None;
        let mut answers = BTreeMap::new();
        for _ in 0..=MAX_ROUNDS {
            let params = Params {
                name: Some(name),
                arguments: Some(arguments),
                request_state: state.as_deref(),
                input_responses: std::mem::take(&mut answers),
                meta: Some(Meta::modern(Some(format!("call-{}", self.next_id)))),
                ..Params::default()
            };
            let result = self.request("tools/call", &routing, &params, dialog).await?;
            let head = head(&result, "tools/call")?;
            match head.result_type.as_deref() {
                None | Some("complete") => return Ok(result),
                Some("input_required") => {}
                Some(other) => {
                    return Err(ClientError::Protocol(format!("tools/call answered with resultType {other}")));
                }
            }
            if head.input_requests.is_empty() && head.request_state.is_none() {
                return Err(ClientError::Protocol("the server wants an answer but asks nothing".to_owned()));
            }
            if head.input_requests.is_empty() {
                tokio::time::sleep(PACE).await;
            }
            for (key, question) in head.input_requests {
                answers.insert(key, answer(question, dialog).await?);
            }
            state = head.request_state;
        }
        Err(ClientError::TooManyRounds(MAX_ROUNDS))
    }

    async fn request<D: Dialog>(
        &mut self,
        method: &str,
        routing: &Routing,
        params: &Params<'_>,
        dialog: &mut D,
    ) -> Result<Box<RawValue>, ClientError> {
        let id = self.take_id();
        match self.post(id, method, routing, params).await? {
            Reply::Refused(refusal) => Err(refusal.into_error()),
            reply => wait(id, reply, dialog).await?.map_err(ClientError::Rpc),
        }
    }

    async fn post(&self, id: u64, method: &str, routing: &Routing, params: &Params<'_>) -> Result<Reply, ClientError> {
        let body = message::write(Some(id), method, params)?;
        let headers = routing.headers(method)?;
        Ok(reply::post(&self.http, headers, body).await?.reply)
    }

    fn take_id(&mut self) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        id
    }
}

// === impl Routing ===

impl Routing {
    fn headers(&self, method: &str) -> Result<HeaderMap, ClientError> {
        let mut all = HeaderMap::new();
        let version = HeaderValue::from_static(Revision::V2026_07_28.as_str());
        all.insert(HeaderName::from_static("mcp-protocol-version"), version);
        all.insert(HeaderName::from_static("mcp-method"), header_value(method)?);
        if let Some(name) = &self.name {
            all.insert(HeaderName::from_static("mcp-name"), header_value(&headers::encode_value(name))?);
        }
        all.extend(self.arguments.iter().cloned());
        Ok(all)
    }
}

fn header_value(text: &str) -> Result<HeaderValue, ClientError> {
    HeaderValue::from_str(text).map_err(|_| ClientError::Protocol(format!("{text:?} cannot stand in a header")))
}

/// Reads messages until the one with our id.
async fn wait<D: Dialog>(
    id: u64,
    reply: Reply,
    dialog: &mut D,
) -> Result<Result<Box<RawValue>, RpcError>, ClientError> {
    let unanswered = || ClientError::Protocol("the server ended its answer without a result".to_owned());
    match reply {
        Reply::Json(messages) => messages.into_iter().find_map(|one| outcome(id, one, dialog)).ok_or_else(unanswered),
        Reply::Events(mut events) => {
            while let Some(message) = events.next().await? {
                if let Some(outcome) = outcome(id, message, dialog) {
                    return Ok(outcome);
                }
            }
            Err(unanswered())
        }
        Reply::Accepted => Err(unanswered()),
        Reply::Refused(refusal) => Err(refusal.into_error()),
    }
}

fn outcome<D: Dialog>(id: u64, message: Message, dialog: &mut D) -> Option<Result<Box<RawValue>, RpcError>> {
    let ours = message.answers(id, true);
    match message.into_kind() {
        Some(Kind::Response(outcome)) if ours => Some(outcome),
        Some(Kind::Notification { method, params }) => {
            tell(&method, params.as_deref(), dialog);
            None
        }
        other => {
            tracing::debug!(?other, "a message that belongs to no request was ignored");
            None
        }
    }
}

fn head(result: &RawValue, method: &str) -> Result<ResultHead, ClientError> {
    message::read_result(result, method)
}

/// The bare result that stands in `inputResponses`.
async fn answer<D: Dialog>(question: InputRequest, dialog: &mut D) -> Result<Value, ClientError> {
    match question.method.as_str() {
        "elicitation/create" => {
            let asked = Elicitation::from_params(&question.params)
                .ok_or_else(|| ClientError::Declined("an elicitation of an unknown kind".to_owned()))?;
            Ok(dialog.elicit(&asked).await.into_result(&asked))
        }
        "roots/list" => Ok(json!({ "roots": [] })),
        // An error cannot be expressed in this era: a client that refuses does not send the request again.
        other => Err(ClientError::Declined(other.to_owned())),
    }
}

/// Refuses a tool whose `x-mcp-header` annotations break the rules of the transport.
pub(super) fn check_annotations(tool: &RawValue) -> Result<(), ClientError> {
    annotations(tool.get()).map(|_| ())
}

fn annotations(tool: &str) -> Result<Vec<headers::ParamHeader>, ClientError> {
    let wrong = |reason: String| ClientError::Protocol(format!("the tool's schema: {reason}"));
    let tool: Schema = serde_json::from_str(tool).map_err(|error| wrong(error.to_string()))?;
    let Some(schema) = tool.input_schema else { return Ok(Vec::new()) };
    headers::param_headers(schema.get().as_bytes()).map_err(|error| wrong(error.to_string()))
}

/// The arguments that a tool's schema wants to see as `Mcp-Param-*` headers.
fn argument_headers(tool: &str, arguments: &RawValue) -> Result<Vec<(HeaderName, HeaderValue)>, ClientError> {
    let annotated = annotations(tool)?;
    let wrong = |reason: String| ClientError::Protocol(format!("the arguments: {reason}"));
    let arguments: Value = serde_json::from_str(arguments.get()).map_err(|error| wrong(error.to_string()))?;
    let mut all = Vec::new();
    for header in annotated {
        let found = header.path.iter().try_fold(&arguments, |value, key| value.get(key));
        let text = match found {
            None | Some(Value::Null) => continue,
            Some(Value::String(text)) => headers::encode_value(text).into_owned(),
            Some(other) => other.to_string(),
        };
        let name = HeaderName::from_bytes(format!("mcp-param-{}", header.name).to_ascii_lowercase().as_bytes())
            .map_err(|_| wrong(format!("header {:?}", header.name)))?;
        all.push((name, header_value(&text)?));
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn annotated_arguments_become_headers() {
        let tool = r#"{"name":"t","inputSchema":{"type":"object","properties":{
            "tenant":{"type":"string","x-mcp-header":"Tenant"},"n":{"type":"integer","x-mcp-header":"N"},
            "off":{"type":"boolean","x-mcp-header":"Off"},"gone":{"type":"string","x-mcp-header":"Gone"}}}}"#;
        let arguments = RawValue::from_string(r#"{"tenant":"Zoë","n":42,"off":false,"gone":null}"#.to_owned()).unwrap();
        let mut found: Vec<_> = argument_headers(tool, &arguments)
            .unwrap()
            .into_iter()
            .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
            .collect();
        found.sort();
        assert_eq!(found, ["mcp-param-n: 42", "mcp-param-off: false", "mcp-param-tenant: =?base64?Wm/Dqw==?="]);
        assert!(argument_headers(r#"{"name":"t"}"#, &arguments).unwrap().is_empty());
        let number = r#"{"inputSchema":{"type":"object","properties":{"x":{"type":"number","x-mcp-header":"X"}}}}"#;
        assert!(annotations(number).is_err(), "a number has no one spelling");
    }

    #[test]
    fn a_name_that_is_no_header_text_is_encoded() {
        let routing = Routing { name: Some("größe".to_owned()), arguments: Vec::new() };
        let headers = routing.headers("tools/call").unwrap();
        assert_eq!(headers["mcp-method"], "tools/call");
        assert_eq!(headers["mcp-name"], "=?base64?Z3LDtsOfZQ==?=");
        assert_eq!(headers["mcp-protocol-version"], "2026-07-28");
    }
}
