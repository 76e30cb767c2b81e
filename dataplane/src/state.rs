//! What the process obeys right now: the compiled configuration.
//!
//! Everything that can be computed when the configuration changes is computed here, once. Read by every stage.

pub mod glob;
pub mod hosts;
pub mod names;
pub mod route;
