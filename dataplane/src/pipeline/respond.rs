//! The last stage: the reply as HTTP, with what a browser needs to read it, and the end of the record.

use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, VARY,
};
use http::{HeaderValue, Response, StatusCode};

use super::exchange::Exchange;
use crate::fault::Fault;
use crate::reply::{self, Reply, ReplyBody};
use crate::telemetry::labels::Outcome;

/// Headers that MCP clients send. A preflight does not know which tool will be called: parameters of tools travel as
/// `Mcp-Param-*`, and a wildcard is only one without credentials, which these routes never ask for.
const ALLOWED_HEADERS: HeaderValue = HeaderValue::from_static("*, Authorization");
const ALLOWED_METHODS: HeaderValue = HeaderValue::from_static("POST, GET, DELETE");
const EXPOSED_HEADERS: HeaderValue = HeaderValue::from_static("Mcp-Session-Id, WWW-Authenticate, Retry-After");

/// The reply to an admitted preflight; the CORS headers follow in [`finish`].
pub(crate) fn preflight() -> Reply {
    Reply::Bare(StatusCode::NO_CONTENT)
}

/// Turns the outcome of the stages into the response.
pub(crate) fn finish(outcome: Result<Reply, Fault>, mut exchange: Exchange) -> Response<ReplyBody> {
    let mut response = match outcome {
        Ok(reply) => {
            exchange.note(|record| record.succeed(Outcome::Ok));
            reply.into_response()
        }
        Err(fault) => {
            exchange.note(|record| record.fail(&fault, Some(reply::error_code(fault.reason))));
            reply::fault(&fault, exchange.era, exchange.id.as_deref(), exchange.allow)
        }
    };
    if let Some(origin) = exchange.origin.take() {
        cors(&mut response, origin);
    }
    let status = response.status().as_u16();
    exchange.note(|record| record.set_http_status(status));
    response
}

fn cors(response: &mut Response<ReplyBody>, origin: HeaderValue) {
    let preflight = response.status() == StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(VARY, HeaderValue::from_static("Origin"));
    headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED_HEADERS);
    if preflight {
        headers.insert(ACCESS_CONTROL_ALLOW_METHODS, ALLOWED_METHODS);
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, ALLOWED_HEADERS);
        headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("7200"));
    }
}
