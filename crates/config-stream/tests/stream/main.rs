//! Both ends of the stream together, without the wire between them: what any sequence of states must come to.

mod fences;
mod hostile;
mod objects;
mod sequences;
