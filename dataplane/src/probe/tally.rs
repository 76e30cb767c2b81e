//! What a route shows of its backends' tools: how many, and which names several sections claim. Pure.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use foldhash::fast::RandomState;
use ringway_config_stream::RouteFacts;
use ringway_config_stream::limits::LIST_LENGTH;

use crate::catalog::visible_tool;
use crate::state::route::CompiledRoute;

/// What is known of the tools of one section's server.
#[derive(Debug, Clone, Copy)]
pub(super) enum Tools<'a> {
    /// Not visited yet.
    Unseen,
    /// Visited in vain, or never listed.
    Unknown,
    Known(&'a [Box<str>]),
}

/// One entry of `tools` per section. Nothing is counted before every server was visited once: the number would only
/// tell how far the visits are.
pub(super) fn tally(route: &CompiledRoute, tools: &[Tools<'_>]) -> RouteFacts {
    if tools.iter().any(|tools| matches!(tools, Tools::Unseen)) {
        return RouteFacts::default();
    }
    let mut claims: HashMap<String, bool, RandomState> = HashMap::default();
    let mut is_known = tools.is_empty();
    for (section, tools) in route.sections.iter().zip(tools) {
        let Tools::Known(tools) = tools else { continue };
        is_known = true;
        for visible in tools.iter().filter_map(|own| visible_tool(section, own)) {
            match claims.entry(visible) {
                Entry::Vacant(free) => drop(free.insert(false)),
                Entry::Occupied(mut taken) => drop(taken.insert(true)),
            }
        }
    }
    let mut clashes: Vec<String> =
        claims.iter().filter(|(_, clashes)| **clashes).map(|(name, _)| name.clone()).collect();
    let shown = claims.len() - clashes.len();
    clashes.sort_unstable();
    clashes.truncate(LIST_LENGTH);
    RouteFacts { tools: is_known.then(|| u32::try_from(shown).unwrap_or(u32::MAX)), clashes }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use ringway_snapshot::{ObjectName, Selection};
    use ringway_testkit::objects;

    use super::{Tools, tally};
    use crate::state::route::CompiledRoute;

    fn route(prefixes: &[&str]) -> CompiledRoute {
        let sections = prefixes.iter().enumerate().map(|(at, prefix)| {
            let mut section = objects::section(&format!("s{at}"), ObjectName::new("tools", format!("b{at}")), prefix);
            section.tools = Selection { exclude: vec!["hidden".to_owned()], ..Selection::default() };
            section
        });
        CompiledRoute::new(Arc::new(objects::route(ObjectName::new("tools", "r"), sections.collect())))
    }

    fn names(names: &[&str]) -> Vec<Box<str>> {
        names.iter().map(|name| (*name).into()).collect()
    }

    #[test]
    fn clashes_are_named_and_count_on_no_side() {
        let (one, two) = (names(&["b_search", "hidden", "own"]), names(&["search", "other", "no good name"]));
        let facts = tally(&route(&["", "b"]), &[Tools::Known(&one), Tools::Known(&two)]);
        assert_eq!((facts.tools, facts.clashes), (Some(2), vec!["b_search".to_owned()]));
    }

    #[test]
    fn the_first_sixteen_clashes_are_named() {
        let many: Vec<String> = (0..40).map(|n| format!("b_{n:02}")).collect();
        let one = names(&many.iter().map(String::as_str).collect::<Vec<_>>());
        let two = names(&many.iter().filter_map(|name| name.strip_prefix("b_")).collect::<Vec<_>>());
        let facts = tally(&route(&["", "b"]), &[Tools::Known(&one), Tools::Known(&two)]);
        assert_eq!((facts.tools, facts.clashes.len()), (Some(0), 16));
        assert_eq!(facts.clashes.last().map(String::as_str), Some("b_15"));
    }

    #[test]
    fn nothing_is_counted_before_all_were_visited() {
        let one = names(&["a"]);
        let tools = |other| tally(&route(&["a", "b"]), &[Tools::Known(&one), other]).tools;
        assert_eq!((tools(Tools::Unseen), tools(Tools::Unknown), tools(Tools::Known(&[]))), (None, Some(1), Some(1)));
        assert_eq!(tally(&route(&["a"]), &[Tools::Unknown]).tools, None);
        assert_eq!(tally(&route(&[]), &[]).tools, Some(0));
    }
}
