//! What must hold for any order of documents, any spread over files, and beside any broken object.

use std::collections::BTreeSet;

use proptest::prelude::*;
use ringway_snapshot::Snapshot;
use ringway_translate::{Install, Problem, World, parse_documents, translate};

use super::worlds::documents;

/// A problem without its place, which moves with the documents.
fn placeless(problem: &Problem) -> String {
    let moved = Problem { file: String::new(), line: 0, column: 0, ..problem.clone() };
    let text = moved.to_string();
    text.split(", also at").next().unwrap_or_default().to_owned()
}

fn outcome(files: &[String]) -> (Snapshot, BTreeSet<String>) {
    let mut objects = Vec::new();
    let mut problems = BTreeSet::new();
    for (index, text) in files.iter().enumerate() {
        let (found, wrong) = parse_documents(&format!("{index}.yaml"), text);
        objects.extend(found);
        problems.extend(wrong.iter().map(placeless));
    }
    let translation = translate(&World::from_objects(objects), &Install::Standalone, &super::worlds::env);
    problems.extend(translation.problems.iter().map(placeless));
    (translation.snapshot, problems)
}

fn json(snapshot: &Snapshot) -> String {
    serde_json::to_string(snapshot).expect("plain data")
}

/// A world's documents, and the same in another order and cut into files.
fn shuffled() -> impl Strategy<Value = (String, Vec<String>)> {
    let texts: Vec<String> = super::worlds::cases().into_iter().map(|case| case.text).collect();
    proptest::sample::select(texts).prop_flat_map(|text| {
        let documents = documents(&text);
        let cuts = proptest::collection::vec(any::<bool>(), documents.len());
        (Just(text), Just(documents).prop_shuffle(), cuts).prop_map(|(text, documents, cuts)| {
            let mut files = vec![String::new()];
            for (document, cut) in documents.into_iter().zip(cuts) {
                match files.last_mut() {
                    Some(file) if !cut && !file.is_empty() => *file = format!("{file}\n---\n{document}"),
                    _ => files.push(document),
                }
            }
            (text, files)
        })
    })
}

const BROKEN: [&str; 8] = [
    "a: [",
    "apiVersion: ringway.dev/v1alpha1\nkind: MCPBackend\nmetadata: {name: zz-broken, namespace: zz}\nspec: {}\n",
    "apiVersion: ringway.dev/v1alpha1\nkind: MCPBackend\nmetadata: {name: zz-broken, namespace: zz}\nspec: {ulr: x}\n",
    "apiVersion: ringway.dev/v1alpha1\nkind: MCPRoute\nmetadata: {name: zz-broken, namespace: zz}\nspec: {}\n",
    "apiVersion: ringway.dev/v1alpha1\nkind: MCPRoute\nmetadata: {name: zz-broken, namespace: zz}\nspec: {backends: [{ref: {name: nobody}}], authentication: {anonymous: true}, authorization: Open}\n",
    "apiVersion: ringway.dev/v1alpha1\nkind: RESTBridge\nmetadata: {name: zz-broken, namespace: zz}\nspec: {}\n",
    "apiVersion: v1\nkind: Secret\nmetadata: {name: zz-broken, namespace: zz}\ndata: {x: '***'}\n",
    "kind: MCPRoute\n",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn order_and_files_change_nothing((text, files) in shuffled()) {
        let (snapshot, problems) = outcome(&[text]);
        let (other, others) = outcome(&files);
        prop_assert_eq!(json(&snapshot), json(&other));
        prop_assert_eq!(snapshot.content_hash(), other.content_hash());
        prop_assert_eq!(problems, others);
    }

    #[test]
    fn a_broken_object_changes_nothing_of_the_others((_, files) in shuffled(), broken in proptest::sample::select(&BROKEN[..])) {
        let (snapshot, problems) = outcome(&files);
        let (other, others) = outcome(&[files, vec![broken.to_owned()]].concat());
        prop_assert_eq!(json(&snapshot), json(&other));
        prop_assert!(problems.is_subset(&others));
        let more = parse_documents("broken.yaml", broken).1.len() + others.len() - problems.len();
        prop_assert!(more > 0, "the broken object is passed over in silence");
    }

    #[test]
    fn no_text_is_too_strange(text in "[-a-z{}\\[\\]:&*!|>'\"#%@`,? \n\t\r0-9~<]{0,200}") {
        let (_, problems) = parse_documents("x.yaml", &text);
        prop_assert!(problems.iter().all(|p| !p.to_string().is_empty()));
    }
}
