//! Both ends of the stream together, without the wire between them: what any sequence of states must come to.
#![expect(clippy::expect_used, reason = "a test fails by panicking, its helpers too")]

mod fences;
mod hostile;
mod objects;
mod sequences;
