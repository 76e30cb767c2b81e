//! The committed code is what the definition gives. `UPDATE=1` writes it.

use std::path::Path;
use std::{env, fs};

#[test]
fn the_committed_code_is_what_the_definition_gives() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let definition = protox::compile([root.join("proto/config.proto")], [root.join("proto")]).expect("it compiles");
    let directory = tempfile::tempdir().expect("a directory");
    tonic_prost_build::configure()
        .out_dir(directory.path())
        // The same bytes go to every pod.
        .bytes(".ringway.config.v1alpha1.Resource")
        .bytes(".ringway.config.v1alpha1.Update")
        // Their secrets are no text for a log.
        .skip_debug(["ringway.config.v1alpha1.Resource", "ringway.config.v1alpha1.Update"])
        .emit_rerun_if_changed(false)
        .compile_fds(definition)
        .expect("it generates");
    let generated = fs::read_to_string(directory.path().join("ringway.config.v1alpha1.rs")).expect("one file");
    let committed = root.join("src/wire/generated.rs");
    if env::var_os("UPDATE").is_some() {
        fs::write(&committed, &generated).expect("it can be written");
    }
    let committed = fs::read_to_string(committed).expect("it is there");
    assert!(generated == committed, "proto/config.proto changed: run this test with UPDATE=1");
}
