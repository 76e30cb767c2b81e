//! What the end-to-end tests stand on: real servers and clients as processes, the real binary on a directory of YAML, and the odd peers between
//! them (a relay with a connection per message, a recorder, ports that hang or drop).
//!
//! Nothing here stands in for a server, a client or the gateway. A missing piece (shared material, an install, the binary) is an error that says
//! what to run, never a skip. Called by the tests under `tests/` and by the benchmark under `bench/`.

pub mod cluster;
pub mod conformance;
pub mod fleet;
pub mod gateway;
pub mod hole;
pub mod http;
pub mod places;
pub mod port;
pub mod process;
pub mod quantile;
pub mod relay;
pub mod script;
pub mod scripted;
pub mod session;
pub mod wait;
pub mod yaml;
