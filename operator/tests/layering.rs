//! The floors of the operator: a module imports only from floors below its own.

use std::io;
use std::path::Path;

use ringway_testkit::layering::{self, Layering};

/// From the top. Cargo has no say inside a crate, so this does.
const FLOORS: &[&[&str]] = &[
    &["app"],
    &["reconcile", "freshness"],
    &["status"],
    &["events"],
    &["publish", "observe"],
    &["certificates"],
    &["lease", "admin"],
    &["metrics", "config"],
    &["testing"],
];

#[test]
fn every_import_goes_down() -> io::Result<()> {
    let Layering { edges, wrong, .. } = read()?;
    assert!(wrong.is_empty(), "imports against the floors:\n{}", wrong.join("\n"));
    assert!(edges.len() > 15, "the imports were not found: {edges:?}");
    Ok(())
}

#[test]
fn every_module_has_a_floor() -> io::Result<()> {
    let Layering { modules, named, .. } = read()?;
    assert_eq!(modules, named);
    Ok(())
}

fn read() -> io::Result<Layering> {
    layering::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), FLOORS)
}
