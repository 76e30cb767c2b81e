//! Resources to snapshot and problems: pure, total, deterministic.
//!
//! YAML documents become objects ([`source`]), objects a [`World`], a world a [`Translation`]: what can be served, and
//! every reason why the rest cannot. No file, clock or environment is touched here; the outcome is the same whatever
//! the order of files and documents, and one broken object never stops another. Called by the command line (later by
//! the operator, too).

mod attach;
mod backend;
mod conflict;
mod gateway;
mod guard;
pub mod install;
mod judge;
mod labels;
pub mod object;
pub mod path;
mod pem;
pub mod problem;
mod refs;
mod route;
mod scope;
mod secrets;
pub mod source;
mod text;
mod translate;
pub mod verdict;
mod world;

pub use install::Install;
pub use object::{Object, ObjectId};
pub use path::FieldPath;
pub use problem::{ObjectLabel, Problem, Reason, Severity};
pub use source::parse_documents;
pub use translate::{Translation, translate};
pub use world::{Unread, World};
