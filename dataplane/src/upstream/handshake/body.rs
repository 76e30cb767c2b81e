//! The gateway's own handshake messages, as bytes. Their id is always the integer 1.

use bytes::Bytes;
use ringway_mcp::Revision;
use ringway_mcp::capability::ClientCapabilities;
use ringway_mcp::splice::write_json_string;

use super::Hello;

pub(super) fn initialize(hello: &Hello<'_>) -> Bytes {
    match hello {
        Hello::Raw(body) => body.clone(),
        Hello::Made { revision, capabilities, client_name, client_version } => {
            let mut out = br#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":""#.to_vec();
            out.extend_from_slice(revision.as_str().as_bytes());
            out.extend_from_slice(br#"","capabilities":"#);
            capabilities.write_json(&mut out, *revision);
            out.extend_from_slice(br#","clientInfo":{"name":"#);
            write_json_string(&mut out, client_name);
            out.extend_from_slice(br#","version":"#);
            write_json_string(&mut out, client_version);
            out.extend_from_slice(b"}}}");
            Bytes::from(out)
        }
    }
}

pub(super) fn discover(capabilities: ClientCapabilities) -> Bytes {
    let mut out = concat!(
        r#"{"jsonrpc":"2.0","id":1,"method":"server/discover","params":{"_meta":{"#,
        r#""io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":"#,
        r#"{"name":"ringway","version":""#,
        env!("CARGO_PKG_VERSION"),
        r#""},"io.modelcontextprotocol/clientCapabilities":"#
    )
    .as_bytes()
    .to_vec();
    capabilities.write_json(&mut out, Revision::V2026_07_28);
    out.extend_from_slice(b"}}}");
    Bytes::from(out)
}
