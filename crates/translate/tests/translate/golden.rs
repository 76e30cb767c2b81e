//! Whole worlds in, snapshot and problems out: `golden/*/in.yaml` and `golden/*/out.txt`.
//!
//! `UPDATE=1 cargo test -p ringway-translate golden` rewrites what comes out; read the difference before it is
//! committed.

use std::fmt::Write as _;
use std::fs;

use ringway_translate::{Install, Translation, World, parse_documents, translate};

#[test]
fn worlds_translate_as_written() {
    let mut differing = Vec::new();
    let cases = super::worlds::cases();
    assert!(cases.len() >= 10, "the golden worlds are gone");
    for case in cases {
        let (objects, mut problems) = parse_documents("in.yaml", &case.text);
        let Translation { snapshot, problems: found, .. } =
            translate(&World::from_objects(objects), &Install::Standalone, &super::worlds::env);
        problems.extend(found);
        problems.sort();
        let mut out = String::new();
        for problem in &problems {
            writeln!(out, "{problem}").expect("a String takes all");
        }
        writeln!(out, "---\n{}", serde_json::to_string_pretty(&snapshot).expect("plain data"))
            .expect("a String takes all");
        assert!(!out.contains(super::worlds::SECRET), "{}: a secret value is shown", case.name);
        assert!(problems.iter().all(|p| p.line > 0 && p.column > 0), "{}: a problem without a place", case.name);
        let expected = case.directory.join("out.txt");
        if std::env::var_os("UPDATE").is_some() {
            fs::write(&expected, &out).expect("out.txt can be written");
        } else if fs::read_to_string(&expected).unwrap_or_default() != out {
            differing.push(format!("{}: now\n{out}", case.name));
        }
    }
    assert!(differing.is_empty(), "{}", differing.join("\n\n"));
}
