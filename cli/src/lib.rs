//! The `ringway` command line: run a gateway from files, try one, check files, and talk to MCP servers.
//!
//! The library exists for the binary and its tests; nothing else depends on it.

pub mod args;
pub mod call;
pub mod client;
pub mod cluster;
pub mod config;
pub mod config_dir;
pub mod demo;
pub mod exit;
pub mod keys;
pub mod limits;
pub mod load;
pub mod logging;
pub mod output;
pub mod pod_config;
pub mod remote;
pub mod run;
pub mod signals;
pub mod status;
pub mod terminal;
pub mod tools;
pub mod validate;
