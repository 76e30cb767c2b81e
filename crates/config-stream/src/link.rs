//! How both ends keep a connection: pings, windows and the sizes of messages. No sockets here, only what is agreed.

use std::time::Duration;

use tonic::transport::{Endpoint, Error, Server};

use crate::backoff;
use crate::limits::{POD_MESSAGE_BYTES, UPDATE_MESSAGE_BYTES};
use crate::wire::config_stream_client::ConfigStreamClient;
use crate::wire::config_stream_server::{ConfigStream, ConfigStreamServer};

/// Both ends ping, also when nothing else is sent: a peer that vanished without a word is noticed after
/// [`PING`] and [`PONG`].
pub const PING: Duration = Duration::from_secs(5);
pub const PONG: Duration = Duration::from_secs(5);
/// A name that is resolved, a connection, a handshake.
pub const CONNECT: Duration = Duration::from_secs(5);
/// One is used.
const STREAMS_PER_CONNECTION: u32 = 16;

/// The client's side of a connection to `authority` (`host:port`); TLS is made by the connector that it is given.
///
/// # Errors
/// It is no authority.
pub fn endpoint(authority: &str) -> Result<Endpoint, Error> {
    let endpoint = Endpoint::from_shared(format!("https://{authority}"))?;
    Ok(endpoint
        .connect_timeout(CONNECT)
        .http2_keep_alive_interval(PING)
        .keep_alive_timeout(PONG)
        .keep_alive_while_idle(true))
}

/// The server's side.
#[must_use]
pub fn server() -> Server {
    Server::builder()
        .http2_keepalive_interval(Some(PING))
        .http2_keepalive_timeout(Some(PONG))
        .max_concurrent_streams(STREAMS_PER_CONNECTION)
}

/// `client` with the bounds of the stream.
#[must_use]
pub fn bounded_client<T>(client: ConfigStreamClient<T>) -> ConfigStreamClient<T>
where
    T: tonic::client::GrpcService<tonic::body::Body>,
    T::Error: Into<tonic::codegen::StdError>,
    T::ResponseBody: tonic::codegen::Body<Data = tonic::codegen::Bytes> + Send + 'static,
    <T::ResponseBody as tonic::codegen::Body>::Error: Into<tonic::codegen::StdError> + Send,
{
    client.max_decoding_message_size(UPDATE_MESSAGE_BYTES).max_encoding_message_size(POD_MESSAGE_BYTES)
}

/// `service` with the bounds of the stream.
#[must_use]
pub fn bounded_server<T: ConfigStream>(service: T) -> ConfigStreamServer<T> {
    ConfigStreamServer::new(service)
        .max_decoding_message_size(POD_MESSAGE_BYTES)
        .max_encoding_message_size(UPDATE_MESSAGE_BYTES)
}

/// Before the next try to connect, after so many failures; `random` is any number.
#[must_use]
pub fn pause(failures: u32, random: u64) -> Duration {
    backoff::pause((Duration::from_millis(200), Duration::from_secs(5)), failures, random)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::pause;

    #[test]
    fn pauses_grow_to_a_bound_and_are_spread() {
        assert!(pause(0, 7) >= Duration::from_millis(100) && pause(0, u64::MAX) < Duration::from_millis(200));
        assert!(pause(40, 7) >= Duration::from_millis(2_500) && pause(u32::MAX, u64::MAX) < Duration::from_secs(5));
        assert_ne!(pause(3, 1), pause(3, 2));
    }
}
