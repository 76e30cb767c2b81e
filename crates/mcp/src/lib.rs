//! MCP on the wire, without I/O.
//!
//! Bytes in, spans and decisions out: the strict envelope scanner ([`mod@scan`]), readers over raw JSON ([`value`]),
//! byte-faithful edits ([`splice`], [`stream`]), SSE framing ([`sse`]), the modern header rules ([`headers`]), and the
//! closed vocabularies of the protocol ([`revision`], [`method`], [`capability`], [`error`]).
//!
//! Nothing here opens a socket, reads a clock or keeps a session: the data plane and the stdio bridge call it.
pub mod capability;
pub mod error;
pub mod headers;
pub mod method;
pub mod revision;
pub mod scan;
pub mod splice;
pub mod sse;
pub mod stream;
pub mod value;
pub mod walk;

pub use method::Method;
pub use revision::Revision;
pub use scan::{Envelope, Limits, ScanError, scan};
