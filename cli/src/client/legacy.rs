//! The session era, up to 2025-11-25: `initialize`, a session id, a GET stream on which the server may ask, DELETE.
//!
//! Speaks Streamable HTTP only: the HTTP+SSE transport of 2024-11-05 is named in the error, not spoken. Called by
//! `client`.

mod stream;

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use ringway_mcp::{Revision, error};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::dialog::{Dialog, Elicitation, Unattended};
use super::error::ClientError;
use super::http::Http;
use super::message::{self, Kind, Message, RpcError};
use super::params::{Meta, Params, capabilities, client_info};
use super::reply::{self, Events, Reply};
use super::{Implementation, ServerInfo, tell};
use stream::SideStream;

const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");
const VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
/// The goodbye of a command that is done must not make a person wait.
const GOODBYE: Duration = Duration::from_secs(2);
/// A stream that ends this often before its answer is given up.
const MAX_RESUMES: usize = 100;
/// Pause before a stream is resumed, unless the server says otherwise with `retry:`.
const RESUME_AFTER: Duration = Duration::from_secs(1);
/// A server must not make a client wait longer than a person would.
const MAX_RESUME_AFTER: Duration = Duration::from_secs(30);

/// An initialized session.
#[derive(Debug)]
pub(super) struct Session {
    http: Arc<Http>,
    headers: HeaderMap,
    has_id: bool,
    next_id: u64,
    in_flight: Option<u64>,
    side: SideStream,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Initialized {
    protocol_version: String,
    server_info: Option<Implementation>,
    instructions: Option<String>,
}

type Outcome = Result<Box<RawValue>, RpcError>;

// === impl Session ===

impl Session {
    /// `initialize`, `notifications/initialized`, and the GET stream in the background.
    pub(super) async fn open(http: Arc<Http>) -> Result<(Self, ServerInfo), ClientError> {
        let params = json!({
            "protocolVersion": Revision::V2025_11_25.as_str(),
            "capabilities": capabilities(),
            "clientInfo": client_info(),
        });
        let body = message::write(Some(1), "initialize", &params)?;
        let answer = reply::post(&http, HeaderMap::new(), body).await?;
        let session_id = answer.headers.get(SESSION).cloned();
        let result = initialize_result(answer.reply).await?;
        let found: Initialized = message::read_result(&result, "initialize")?;
        let known = Revision::parse(found.protocol_version.as_bytes()).filter(|revision| !revision.is_modern());
        let Some(revision) = known else {
            return Err(ClientError::Protocol(format!(
                "the server wants protocol {}, which this client does not speak",
                found.protocol_version
            )));
        };
        let mut headers = HeaderMap::new();
        headers.insert(VERSION, HeaderValue::from_static(revision.as_str()));
        let has_id = session_id.is_some();
        headers.extend(session_id.map(|id| (SESSION, id)));
        let side = SideStream::open(&http, &headers);
        let mut session = Self { http, headers, has_id, next_id: 2, in_flight: None, side };
        session.notify("notifications/initialized", &json!({})).await?;
        let who = found.server_info.unwrap_or_default();
        let info = ServerInfo {
            name: who.name,
            version: who.version,
            revision: revision.as_str().to_owned(),
            instructions: found.instructions,
        };
        Ok((session, info))
    }

    /// One page of a list.
    pub(super) async fn list_page(
        &mut self,
        method: &'static str,
        cursor: Option<&str>,
    ) -> Result<Box<RawValue>, ClientError> {
        self.request(method, &Params { cursor, ..Params::default() }, &mut Unattended).await
    }

    /// Calls a tool and answers what the server asks before it answers.
    pub(super) async fn call<D: Dialog>(
        &mut self,
        name: &str,
        arguments: &RawValue,
        dialog: &mut D,
    ) -> Result<Box<RawValue>, ClientError> {
        let token = format!("call-{}", self.next_id);
        let params = Params {
            name: Some(name),
            arguments: Some(arguments),
            meta: Some(Meta::legacy(token)),
            ..Params::default()
        };
        self.request("tools/call", &params, dialog).await
    }

    /// Cancels a call that was given up, then ends the session.
    pub(super) async fn close(mut self) -> Result<(), ClientError> {
        if let Some(id) = self.in_flight {
            // A lost connection is no cancel in this era.
            self.notify("notifications/cancelled", &json!({ "requestId": id, "reason": "given up" })).await?;
        }
        if !self.has_id {
            return Ok(());
        }
        match reply::delete(&self.http, self.headers.clone(), GOODBYE).await?.reply {
            // 405: clients may not end sessions here; 404: it has ended already.
            Reply::Refused(refusal) if !matches!(refusal.status.as_u16(), 404 | 405) => Err(refusal.into_error()),
            _ => Ok(()),
        }
    }

    async fn request<D: Dialog>(
        &mut self,
        method: &str,
        params: &Params<'_>,
        dialog: &mut D,
    ) -> Result<Box<RawValue>, ClientError> {
        let id = self.next_id;
        self.next_id += 1;
        let body = message::write(Some(id), method, params)?;
        self.in_flight = Some(id);
        let outcome = self.converse(id, body, dialog).await;
        self.in_flight = None;
        outcome?.map_err(ClientError::Rpc)
    }

    /// Sends a request and serves the server until it answers.
    async fn converse<D: Dialog>(&mut self, id: u64, body: Vec<u8>, dialog: &mut D) -> Result<Outcome, ClientError> {
        let http = Arc::clone(&self.http);
        let mut answer = std::pin::pin!(reply::post(&http, self.headers.clone(), body));
        let reply = loop {
            // A server that asks on the GET stream may send the head of its answer only afterwards.
            tokio::select! {
                answer = &mut answer => break answer?.reply,
                message = self.side.next() => {
                    if let Some(outcome) = self.serve(id, message, false, dialog).await? {
                        return Ok(outcome);
                    }
                }
            }
        };
        match reply {
            Reply::Json(messages) => {
                for message in messages {
                    if let Some(outcome) = self.serve(id, message, true, dialog).await? {
                        return Ok(outcome);
                    }
                }
                Err(unanswered())
            }
            Reply::Events(events) => self.follow(id, events, dialog).await,
            Reply::Accepted => Err(unanswered()),
            Reply::Refused(refusal) if refusal.status == StatusCode::NOT_FOUND && self.has_id => {
                self.has_id = false;
                Err(ClientError::Protocol("the server has ended the session".to_owned()))
            }
            Reply::Refused(refusal) => Err(refusal.into_error()),
        }
    }

    /// Reads a call's stream, and resumes it where the server lets go of it (2025-11-25, "Resumability").
    async fn follow<D: Dialog>(
        &mut self,
        id: u64,
        mut events: Box<Events>,
        dialog: &mut D,
    ) -> Result<Outcome, ClientError> {
        for _ in 0..=MAX_RESUMES {
            let ended = loop {
                let message = tokio::select! {
                    message = events.next() => message,
                    message = self.side.next() => Ok(Some(message)),
                };
                match message {
                    Ok(Some(message)) => {
                        if let Some(outcome) = self.serve(id, message, false, dialog).await? {
                            return Ok(outcome);
                        }
                    }
                    Ok(None) => break unanswered(),
                    Err(error @ ClientError::Broken { .. }) => break error,
                    Err(error) => return Err(error),
                }
            };
            let Some(last_id) = events.last_id.clone() else { return Err(ended) };
            tokio::time::sleep(events.retry.unwrap_or(RESUME_AFTER).min(MAX_RESUME_AFTER)).await;
            let limit = Some(self.http.silence());
            match reply::get(&self.http, self.headers.clone(), Some(&last_id), limit).await?.reply {
                Reply::Events(mut resumed) => {
                    resumed.last_id.get_or_insert(last_id);
                    resumed.retry = resumed.retry.or(events.retry);
                    events = resumed;
                }
                _ => return Err(ended),
            }
        }
        Err(unanswered())
    }

    /// Treats one message; gives the outcome when it is the answer to `id`.
    async fn serve<D: Dialog>(
        &mut self,
        id: u64,
        message: Message,
        alone: bool,
        dialog: &mut D,
    ) -> Result<Option<Outcome>, ClientError> {
        let ours = message.answers(id, alone);
        match message.into_kind() {
            Some(Kind::Response(outcome)) if ours => return Ok(Some(outcome)),
            Some(Kind::Notification { method, params }) => tell(&method, params.as_deref(), dialog),
            Some(Kind::Request { id, method, params }) => {
                let answer = answer(&method, params.as_deref(), dialog).await;
                self.respond(&id, answer).await?;
            }
            other => tracing::debug!(?other, "a message that belongs to no request was ignored"),
        }
        Ok(None)
    }

    async fn respond(&self, id: &RawValue, answer: Result<Value, (i64, &'static str)>) -> Result<(), ClientError> {
        let body = match answer {
            Ok(result) => json!({ "jsonrpc": "2.0", "id": id, "result": result }),
            Err((code, message)) => {
                json!({ "jsonrpc": "2.0", "id": id, "error": { "code": code, "message": message } })
            }
        };
        self.post_without_answer(body.to_string().into_bytes()).await
    }

    async fn notify(&mut self, method: &str, params: &Value) -> Result<(), ClientError> {
        self.post_without_answer(message::write(None, method, params)?).await
    }

    async fn post_without_answer(&self, body: Vec<u8>) -> Result<(), ClientError> {
        match reply::post(&self.http, self.headers.clone(), body).await?.reply {
            Reply::Refused(refusal) => Err(refusal.into_error()),
            _ => Ok(()),
        }
    }
}

async fn initialize_result(reply: Reply) -> Result<Box<RawValue>, ClientError> {
    let messages = match reply {
        Reply::Json(messages) => messages,
        Reply::Events(mut events) => {
            while let Some(message) = events.next().await? {
                if message.answers(1, true) {
                    return settle(message);
                }
            }
            return Err(unanswered());
        }
        Reply::Accepted => return Err(unanswered()),
        Reply::Refused(refusal) => {
            let older = matches!(refusal.status.as_u16(), 404 | 405) && refusal.error.is_none();
            let error = refusal.into_error();
            if older {
                tracing::warn!(
                    "a server of the HTTP+SSE transport (2024-11-05) would answer like this; it is not spoken"
                );
            }
            return Err(error);
        }
    };
    messages.into_iter().find(|message| message.answers(1, true)).map_or_else(|| Err(unanswered()), settle)
}

fn settle(message: Message) -> Result<Box<RawValue>, ClientError> {
    match message.into_kind() {
        Some(Kind::Response(outcome)) => outcome.map_err(ClientError::Rpc),
        _ => Err(unanswered()),
    }
}

fn unanswered() -> ClientError {
    ClientError::Protocol("the server ended its answer without a result".to_owned())
}

/// The result, or code and text of the error, for a request of the server.
async fn answer<D: Dialog>(
    method: &str,
    params: Option<&RawValue>,
    dialog: &mut D,
) -> Result<Value, (i64, &'static str)> {
    match method {
        "ping" => Ok(json!({})),
        "roots/list" => Ok(json!({ "roots": [] })),
        "elicitation/create" => {
            let params = params.and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or(Value::Null);
            let asked = Elicitation::from_params(&params).ok_or((error::INVALID_PARAMS, "no form and no page"))?;
            Ok(dialog.elicit(&asked).await.into_result(&asked))
        }
        "sampling/createMessage" => Err((error::USER_REJECTED, "This client has no model: sampling is declined")),
        _ => Err((error::METHOD_NOT_FOUND, "Method not found")),
    }
}
