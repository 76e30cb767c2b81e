//! A failed visit as the reason and message of a condition. Pure.
//!
//! The message is the same for the same trouble: addresses, which differ between pods and visits, are not in it, and
//! nothing that a server sent.

use crate::upstream::{UpstreamError, Why};

/// Reason in CamelCase, and a sentence.
pub(super) fn of(error: &UpstreamError) -> (&'static str, String) {
    let (reason, message) = match error {
        UpstreamError::Connect(no) => return of_connection(no.why, &no.text),
        UpstreamError::Refused(refusal) => return of_status(refusal.status),
        UpstreamError::Busy(limit) => return ("Busy", format!("The limit {limit} of the backend is reached.")),
        UpstreamError::TooLarge { limit } => {
            return ("ProtocolError", format!("The server's answer is larger than {limit} bytes."));
        }
        UpstreamError::Timeout { .. } => ("Timeout", "The server did not answer in time."),
        UpstreamError::Closed { .. } => ("ConnectionClosed", "The server closed the connection before it answered."),
        UpstreamError::Era => ("ProtocolError", "The server serves no protocol version that is configured."),
        UpstreamError::Protocol(_) => ("ProtocolError", "The server's answer is not MCP."),
        UpstreamError::SessionLost | UpstreamError::Conflict409 | UpstreamError::NoStream405 => {
            ("ProtocolError", "The server ended its session at once.")
        }
    };
    (reason, message.to_owned())
}

fn of_connection(why: Why, text: &str) -> (&'static str, String) {
    let (reason, message) = match why {
        Why::Refused => ("ConnectionRefused", "The connection was refused: nothing listens at the address."),
        Why::Timeout => ("Timeout", "No connection within the connect timeout."),
        Why::Dns => ("DNS", "The host name has no address, or DNS does not answer."),
        Why::Unreachable => ("Unreachable", "There is no network route to the address."),
        Why::NotAllowed => {
            let message = "No address of the host may be dialled: only public ones and those that the install allows.";
            ("AddressNotAllowed", message)
        }
        Why::NoEndpoint => ("NoEndpoints", "The Service has no ready endpoint."),
        Why::Configuration => ("InvalidConfiguration", "The data plane cannot use the configuration."),
        Why::Process => ("ProcessFailed", "The process cannot be started."),
        Why::Other => ("ConnectionFailed", "The connection failed."),
        Why::Tls => {
            // Behind the address stands what the TLS library found, which names certificates only.
            let found = text.split_once("TLS: ").map_or("", |(_, found)| found);
            return ("TLS", format!("The TLS handshake failed: {}.", found.trim_end_matches('.')));
        }
    };
    (reason, message.to_owned())
}

fn of_status(status: u16) -> (&'static str, String) {
    let reason = match status {
        200 => return ("ProtocolError", "The server answered the handshake with an error.".to_owned()),
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "NotFound",
        429 => "TooManyRequests",
        300..=399 => "Redirected",
        500..=599 => "ServerError",
        _ => "Refused",
    };
    (reason, format!("The server answered with HTTP status {status}."))
}

#[cfg(test)]
mod tests {
    use super::of;
    use crate::fault::Executed;
    use crate::upstream::{NoConnection, Refusal, UpstreamError, Why};

    #[test]
    fn a_reason_is_one_word_and_the_message_tells_no_address_and_nothing_that_was_sent() {
        let status = |status| UpstreamError::Refused(Refusal { status, message: None, session_lost: false });
        let connect = |why, text: &str| UpstreamError::Connect(NoConnection { why, text: text.to_owned() });
        for (error, want) in [
            (connect(Why::Refused, "10.1.2.3:80: refused"), "ConnectionRefused"),
            (connect(Why::Timeout, "10.1.2.3:80: connect timed out"), "Timeout"),
            (connect(Why::Dns, "10.1.2.3: no address"), "DNS"),
            (connect(Why::Tls, "10.1.2.3:443: TLS: invalid peer certificate: UnknownIssuer"), "TLS"),
            (connect(Why::NotAllowed, "10.1.2.3:80"), "AddressNotAllowed"),
            (connect(Why::NoEndpoint, ""), "NoEndpoints"),
            (status(401), "Unauthorized"),
            (status(403), "Forbidden"),
            (status(404), "NotFound"),
            (status(307), "Redirected"),
            (status(503), "ServerError"),
            (status(418), "Refused"),
            (UpstreamError::Timeout { executed: Executed::Unknown }, "Timeout"),
            (UpstreamError::Protocol("<b>10.1.2.3 secret</b>".to_owned()), "ProtocolError"),
            (UpstreamError::Era, "ProtocolError"),
        ] {
            let (reason, message) = of(&error);
            assert_eq!(reason, want, "{error}");
            assert!(reason.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{reason}");
            assert!(
                message.ends_with('.') && !message.contains("10.1.2.3") && !message.contains("secret"),
                "{message}"
            );
        }
        assert!(of(&connect(Why::Tls, "a: TLS: UnknownIssuer")).1.contains("UnknownIssuer"));
    }
}
