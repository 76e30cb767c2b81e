//! The limits of a backend's connections and lists, at the limit and one past it.

use std::sync::Arc;
use std::time::Duration;

use ringway_testkit::bell::Bell;
use ringway_testkit::friendly::{Legacy, Modern, slow};
use ringway_testkit::raw::member;
use ringway_testkit::upstream::{Reply, Request, Upstream};

use crate::limits::{brief, hits, hold};
use crate::refusals::explained;
use crate::stage::{META, Session, Setup, Stage, modern, modern_call, part};

#[test]
fn connections_of_a_backend() {
    let bell = Arc::new(Bell::default());
    let upstream = Modern::new(&["slow"]).start(slow(&bell));
    let mut limited = part("one", &upstream, "");
    limited.limits.max_connections = 2;
    limited.timeouts.connect = Duration::from_millis(300);
    let stage = Setup::new(&[("/m", &[limited])]).start();
    let ask = |id, name| modern("/m", "tools/call", Some(name), modern_call(id, name));
    // One after the other they share what there is, on whatever worker.
    for id in 10..30 {
        let answer = stage.ask(&ask(id, "echo"));
        assert!(answer.text().contains("done"), "{}", brief(&answer));
    }
    let mut held = hold(&stage, &bell, |id| ask(id, "slow"));
    let over = stage.ask(&ask(3, "echo"));
    assert_eq!(over.status, 503, "{}", brief(&over));
    explained("connections", &over, -31004);
    assert_eq!(over.json()["error"]["data"]["ringway"]["executed"], "no", "{}", over.text());
    assert!(hits(&stage, "backend.connections") >= 1.0);
    assert!(upstream.seen().iter().all(|request| request.id() != "3"));
    bell.ring("go");
    for client in &mut held {
        assert_eq!(client.answer().unwrap().status, 200);
    }
    crate::stage::until("places given back", || stage.ask(&ask(5, "echo")).status == 200);
    let used = upstream.seen().iter().filter(|r| r.method() == "tools/call").map(|r| r.connection).max();
    assert!(used < Some(12), "connections are kept, not made for each call: {used:?}");
}

/// A modern server with so many pages, each of so many tools.
fn paged(pages: usize, items: usize) -> Upstream {
    Modern::new(&[]).start(move |request, reply| {
        let listing = request.method() == "tools/list";
        if listing {
            page(request, reply, pages, items);
        }
        listing
    })
}

fn page(request: &Request, reply: &mut Reply<'_>, pages: usize, items: usize) {
    let cursor = member(&request.body, "params").and_then(|params| member(params, "cursor"));
    let number = cursor.map_or(0, |cursor| ringway_testkit::raw::text(cursor).parse().unwrap());
    let tools: Vec<_> =
        (0..items).map(|item| format!(r#"{{"name":"t{number}-{item}","inputSchema":{{"type":"object"}}}}"#)).collect();
    let next = if number + 1 < pages { format!(r#","nextCursor":"{}""#, number + 1) } else { String::new() };
    let (id, tools) = (request.id(), tools.join(","));
    reply.json(format!(
        r#"{{"jsonrpc":"2.0","id":{id},"result":{{"resultType":"complete","ttlMs":60000,"cacheScope":"private","tools":[{tools}]{next}}}}}"#
    ));
}

/// Names of a whole list, page by page, and whether it says that something is missing.
fn listed(stage: &Stage) -> (Vec<String>, bool, usize) {
    let (mut names, mut partial, mut pages, mut cursor) = (Vec::new(), false, 0, None::<String>);
    loop {
        let cursor_member = cursor.take().map(|c| format!(r#""cursor":"{c}","#)).unwrap_or_default();
        let body = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{{{cursor_member}{META}}}}}"#);
        let answer = stage.ask(&modern("/m", "tools/list", None, body));
        assert_eq!(answer.status, 200, "{}", brief(&answer));
        let value = answer.json();
        let result = &value["result"];
        names.extend(result["tools"].as_array().unwrap().iter().map(|tool| tool["name"].as_str().unwrap().to_owned()));
        partial |= !result["_meta"].is_null();
        pages += 1;
        assert!(pages < 1_000, "a list without an end");
        match result["nextCursor"].as_str() {
            Some(next) => cursor = Some(next.to_owned()),
            None => return (names, partial, pages),
        }
    }
}

fn lists(upstream: &Upstream, adapt: impl Fn(&mut ringway_dataplane::app::LimitSettings)) -> Stage {
    let mut setup = Setup::new(&[("/m", &[part("one", upstream, "")])]);
    adapt(&mut setup.limits);
    setup.start()
}

#[test]
fn pages_of_a_backends_list() {
    for (pages, cut) in [(3, false), (4, true)] {
        let upstream = paged(pages, 2);
        let stage = lists(&upstream, |limits| limits.set("list.pages", 3).unwrap());
        let (names, partial, _) = listed(&stage);
        assert_eq!(names, ["t0-0", "t0-1", "t1-0", "t1-1", "t2-0", "t2-1"], "{pages} pages");
        assert_eq!((partial, hits(&stage, "list.pages") >= 1.0), (cut, cut), "{pages} pages");
        assert_eq!(upstream.with_method("tools/list").len(), 3, "{pages} pages");
    }
}

#[test]
fn items_of_a_backends_list() {
    for (items, cut) in [(10, false), (11, true)] {
        let upstream = paged(1, items);
        let stage = lists(&upstream, |limits| limits.set("list.items", 10).unwrap());
        let (names, partial, _) = listed(&stage);
        assert_eq!((names.len(), partial), (10, cut), "{items} items");
        assert_eq!(hits(&stage, "list.tools") >= 1.0, cut, "{items} items");
    }
}

#[test]
fn items_of_a_merged_list() {
    let (first, second) = (paged(1, 6), paged(1, 5));
    for (most, cut) in [(11, false), (10, true)] {
        let mut setup = Setup::new(&[("/m", &[part("one", &first, "a"), part("two", &second, "b")])]);
        setup.limits.set("list.merged", most).unwrap();
        let stage = setup.start();
        let (names, partial, _) = listed(&stage);
        assert_eq!((names.len(), partial), (usize::try_from(most).unwrap(), cut), "at most {most}: {names:?}");
    }
}

#[test]
fn pages_of_a_merged_list_end_by_bytes_and_lose_nothing() {
    let upstream = paged(4, 25);
    let whole = listed(&lists(&upstream, |_| {}));
    assert_eq!((whole.0.len(), whole.2), (100, 1));
    for bytes in [1_u64, 200, 1_000] {
        let stage = lists(&upstream, |limits| limits.set("list.page", bytes).unwrap());
        let (names, partial, pages) = listed(&stage);
        assert_eq!((&names, partial), (&whole.0, false), "{bytes}");
        assert!(pages > 4, "{bytes}: {pages} pages");
    }
}

/// Descriptions and schemas of tools: one past the limit costs that tool alone.
#[test]
fn parts_of_a_tool() {
    let tool = |name: &str, text: usize, schema: usize| {
        let empty = r#"{"type":"object","title":""}"#.len();
        let (text, pad) = ("d".repeat(text), "s".repeat(schema - empty));
        format!(r#"{{"name":"{name}","description":"{text}","inputSchema":{{"type":"object","title":"{pad}"}}}}"#)
    };
    let tools = [
        tool("fits", 100, 200),
        tool("talks", 101, 200),
        tool("demands", 100, 201),
        tool("returns", 1, 100).replacen('{', &format!(r#"{{"outputSchema":{{"title":"{}"}},"#, "s".repeat(200)), 1),
        tool("last", 1, 100),
    ]
    .join(",");
    let upstream = Legacy::new("up", &[]).start(move |request, reply| {
        let listing = request.method() == "tools/list";
        if listing {
            let id = request.id();
            reply.json(format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"tools":[{tools}]}}}}"#));
        }
        listing
    });
    let mut setup = Setup::new(&[("/l", &[part("one", &upstream, "")])]);
    setup.limits.set("tool.description", 100).unwrap();
    setup.limits.set("tool.schema", 200).unwrap();
    let stage = setup.start();
    let answer = Session::open(&stage, "/l").post(r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#);
    let value = answer.json();
    let names: Vec<_> = value["result"]["tools"].as_array().unwrap().iter().map(|tool| &tool["name"]).collect();
    assert_eq!(names, ["fits", "last"], "{}", brief(&answer));
}
