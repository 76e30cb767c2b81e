//! Placeholder until the stream lands.
