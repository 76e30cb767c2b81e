use std::sync::Arc;

use ringway_snapshot::ObjectName;
use ringway_testkit::objects;

use super::{CompiledRoute, NameKind};

fn route(prefixes: &[&str]) -> CompiledRoute {
    let section = |(i, prefix): (usize, &&str)| {
        objects::section(&format!("s{i}"), ObjectName::new("tools", format!("b{i}")), prefix)
    };
    let backends = prefixes.iter().enumerate().map(section).collect();
    CompiledRoute::new(Arc::new(objects::route(ObjectName::new("tools", "r"), backends)))
}

#[test]
fn a_longer_prefix_is_asked_first_and_the_shorter_one_stays_possible() {
    let route = route(&["gh", "gh_ent", ""]);
    let found: Vec<_> =
        route.candidates(NameKind::Tool, "gh_ent_search").iter().map(|c| (c.section, c.own.to_string())).collect();
    assert_eq!(found, [(1, "search".into()), (0, "ent_search".into()), (2, "gh_ent_search".into())]);
    assert_eq!(route.candidates(NameKind::Tool, "gh_").iter().map(|c| c.section).collect::<Vec<_>>(), [2]);
}

#[test]
fn without_a_bare_section_an_unprefixed_name_is_nobodys() {
    assert!(route(&["gh"]).candidates(NameKind::Tool, "search").is_empty());
}

#[test]
fn uris_go_there_and_back() {
    let route = route(&["GH_Ent", "fs"]);
    let section = &route.sections[0];
    for own in ["repo://acme/x?y#z", "ui://widget/1", "urn:a:b", "file:///a+b"] {
        let visible = section.visible_uri(own).expect("prefixed");
        let (back, uri) = route.section_of_uri(&visible).expect("found");
        assert_eq!((back.index, uri.as_ref()), (0, own), "{visible}");
    }
    assert_eq!(section.visible_uri("repo://x").as_deref(), Some("gh-ent+repo://x"));
    assert_eq!(section.visible_uri("https://example.com/x"), None);
    assert!(route.section_of_uri("https://example.com/x").is_none());
}
