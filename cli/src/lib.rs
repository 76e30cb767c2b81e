//! The `ringway` command line: run a gateway from files, try one, check files, and talk to MCP servers.
//!
//! The library exists for the binary and its tests; nothing else depends on it.

pub mod client;
pub mod demo;
