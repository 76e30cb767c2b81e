//! The controller: observes resources, translates them, publishes snapshots and writes status.

pub mod publish;
