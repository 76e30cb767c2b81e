//! The controller: observes resources, translates them, publishes snapshots and writes status.
//!
//! A library, so that tests reach every part; the binary is `main.rs`. The order of a round stands in [`reconcile`].

pub mod admin;
pub mod app;
pub mod certificates;
pub mod config;
pub mod events;
pub mod freshness;
pub mod lease;
pub mod metrics;
pub mod observe;
pub mod publish;
pub mod reconcile;
pub mod status;
#[cfg(test)]
mod testing;
