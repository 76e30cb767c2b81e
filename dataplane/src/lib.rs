//! The MCP proxy: listeners, workers, the request pipeline, catalogues, sessions and upstreams.
//!
//! Obeys a [`ringway_snapshot::Snapshot`]; reads no YAML and knows no Kubernetes. Started by the command line
//! (`ringway run`, `ringway demo`) and by a pod's `ringway-dataplane` through [`app::Gateway`].

pub mod admin;
pub mod app;
pub mod catalog;
mod clock;
pub mod config;
pub mod drain;
pub mod fault;
mod limits;
mod listen;
mod peer;
mod pipeline;
mod ports;
pub mod probe;
pub mod process;
mod reply;
mod routes;
pub mod session;
pub mod state;
pub mod telemetry;
pub mod upstream;
mod worker;
