//! Merged lists: the bytes of their items, prefixes that overlap, names that clash, and what a route selects and changes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ringway_snapshot::Override;
use ringway_testkit::ask::Ask;
use ringway_testkit::bell::Bell;
use ringway_testkit::client::Answer;
use ringway_testkit::friendly::{Legacy, Modern};
use ringway_testkit::raw::{member, text};
use ringway_testkit::upstream::{Reply, Request, Upstream};
use ringway_testkit::wire::find;

use crate::limits::brief;
use crate::refusals::explained;
use crate::stage::{META, Part, Session, Setup, Stage, call, modern, modern_call, part, until};

/// Items as a server may write them: odd spacing, escapes, numbers and keys that no value type keeps.
const ODD: &[(&str, &str, &str, &str)] = &[
    (
        "tools/list",
        "tools",
        "echo",
        r#"{ "x-big":12345678901234567890.10e+400, "inputSchema":{"type":"object" , "properties":{"a\u0062":{"default":null}}},"title":"\u00e4 ä \/",	"name" : NAME ,"annotations":{"z":1,"a":-0.0},"icons":[{"src":"https:\/\/x"}],"_meta":{"a.b/c":[1e2,{}]}}"#,
    ),
    (
        "prompts/list",
        "prompts",
        "tell",
        r#"{"arguments":[ {"required":true,"name":"name"} ],"name":NAME,"description":"\ud83d\ude00 \u2028"}"#,
    ),
    (
        "resources/list",
        "resources",
        "memo://a/b?c=d",
        r#"{"name":"uri","size":1.0,"uri":NAME , "annotations":{"priority":0.10}}"#,
    ),
    (
        "resources/templates/list",
        "resourceTemplates",
        "memo://{+path}",
        r#"{"uriTemplate" :NAME,"name":"t","mimeType":null}"#,
    ),
];

/// Serves the odd items in one era's words.
fn odd(request: &Request, reply: &mut Reply<'_>, more: &str) -> bool {
    let Some((_, key, own, item)) = ODD.iter().find(|(method, ..)| request.method() == *method) else { return false };
    let (id, item) = (request.id(), item.replace("NAME", &format!("\"{own}\"")));
    reply.json(format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{{more}"{key}":[ {item} ]}}}}"#));
    true
}

fn list_ask(session: Option<&Session>, path: &str, method: &str) -> Ask {
    match session {
        Some(session) => session.message(format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}"}}"#)),
        None => {
            let body = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{{{META}}}}}"#);
            modern(path, method, None, body)
        }
    }
}

#[test]
fn items_pass_byte_for_byte_but_for_their_names_and_uris() {
    let legacy = Legacy::new("up", &[]).start(|request, reply| odd(request, reply, ""));
    let ours = Modern::new(&[]).start(|request, reply| {
        odd(request, reply, r#""resultType":"complete","ttlMs":60000,"cacheScope":"private","#)
    });
    let stage = Setup::new(&[
        ("/l", &[part("one", &legacy, "")]),
        ("/lp", &[part("two", &legacy, "GH_x")]),
        ("/m", &[part("three", &ours, "")]),
        ("/mp", &[part("four", &ours, "GH_x")]),
    ])
    .start();
    for (path, is_legacy) in [("/l", true), ("/lp", true), ("/m", false), ("/mp", false)] {
        let session = is_legacy.then(|| Session::open(&stage, path));
        for (method, key, own, item) in ODD {
            let visible = match (path.ends_with('p'), own.contains(':')) {
                (false, _) => (*own).to_owned(),
                (true, false) => format!("GH_x_{own}"),
                (true, true) => format!("gh-x+{own}"),
            };
            let answer = stage.ask(&list_ask(session.as_ref(), path, method));
            let result = member(&answer.body, "result").unwrap_or_default();
            let list = member(result, key).unwrap_or_default();
            let wanted = item.replace("NAME", &format!("\"{visible}\""));
            let got = String::from_utf8_lossy(list).into_owned();
            assert_eq!(got, format!("[{wanted}]"), "{path} {method}");
        }
    }
}

/// The visible tools of a route, and the whole answer.
fn tools(stage: &Stage, path: &str) -> (Vec<String>, Answer) {
    let answer = stage.ask(&list_ask(None, path, "tools/list"));
    let value = answer.json();
    let tools = value["result"]["tools"].as_array().unwrap_or_else(|| panic!("{}", brief(&answer)));
    (tools.iter().map(|tool| tool["name"].as_str().unwrap().to_owned()).collect(), answer)
}

fn call_tool(stage: &Stage, path: &str, name: &str) -> Answer {
    stage.ask(&modern(path, "tools/call", Some(name), modern_call(1, name)))
}

/// The name under which each backend was called.
fn called(upstream: &Upstream) -> Vec<String> {
    let named = |request: Request| {
        let params = member(&request.body, "params").unwrap_or_default();
        member(params, "name").map(text)
    };
    upstream.with_method("tools/call").into_iter().filter_map(named).collect()
}

#[test]
fn prefixes_that_overlap_are_told_apart_by_who_has_the_name() {
    let hub = Modern::new(&["ent_search", "search", "ent_only"]).start(|_, _| false);
    let enterprise = Modern::new(&["search", "ent_search"]).start(|_, _| false);
    let both: &[Part] = &[part("hub", &hub, "gh"), part("enterprise", &enterprise, "gh_ent")];
    for parts in [both.to_vec(), both.iter().rev().cloned().collect()] {
        let stage = Setup::new(&[("/m", &parts)]).start();
        let (mut names, _) = tools(&stage, "/m");
        names.sort();
        // `gh_ent_search` is `ent_search` of the one and `search` of the other.
        assert_eq!(names, ["gh_ent_ent_search", "gh_ent_only", "gh_search"]);
        assert_eq!(stage.metric("ringway_list_conflicts"), 1.0);
        for (name, upstream, own) in [
            ("gh_search", &hub, "search"),
            ("gh_ent_only", &hub, "ent_only"),
            ("gh_ent_ent_search", &enterprise, "ent_search"),
        ] {
            upstream.forget();
            let answer = call_tool(&stage, "/m", name);
            assert!(answer.text().contains("done"), "{name}: {}", brief(&answer));
            assert_eq!(called(upstream), [own], "{name}");
        }
        hub.forget();
        enterprise.forget();
        let clash = call_tool(&stage, "/m", "gh_ent_search");
        explained("a clash", &clash, -32602);
        explained("neither has it", &call_tool(&stage, "/m", "gh_ent_nothing"), -32602);
        assert!(called(&hub).is_empty() && called(&enterprise).is_empty());
        // The same words for a name that nobody ever had.
        let message = |answer: &Answer| answer.json()["error"]["message"].as_str().unwrap().to_owned();
        let unknown = call_tool(&stage, "/m", "gh_ent_nothing");
        assert_eq!(message(&clash), message(&unknown).replace("nothing", "search"));
    }
}

fn rule(name: &str) -> Override {
    Override { name: name.to_owned(), rename: None, description: None, annotations: None, timeout: None }
}

#[test]
fn a_route_shows_what_it_selects_under_the_names_it_gives() {
    let upstream = Modern::new(&["get_a", "get_b", "get_hidden", "put_a", "old"]).start(|_, _| false);
    let mut chosen = part("one", &upstream, "x");
    chosen.tools.include = Some(vec!["get_*".into(), "old".into()]);
    chosen.tools.exclude = vec!["*_hidden".into()];
    let annotations = serde_json::json!({"readOnlyHint": true}).as_object().cloned();
    chosen.tools.overrides = vec![
        Override { rename: Some("new".into()), description: Some("Told \"anew\"".into()), ..rule("old") },
        Override { annotations, ..rule("get_b") },
    ];
    let stage = Setup::new(&[("/m", &[chosen])]).start();
    let (names, answer) = tools(&stage, "/m");
    assert_eq!(names, ["x_get_a", "x_get_b", "x_new"]);
    for item in [
        r#"{"name":"x_get_a","inputSchema":{"type":"object"}}"#,
        r#"{"name":"x_get_b","inputSchema":{"type":"object"},"annotations":{"readOnlyHint":true}}"#,
        r#"{"name":"x_new","inputSchema":{"type":"object"},"description":"Told \"anew\""}"#,
    ] {
        assert!(find(&answer.body, item.as_bytes()).is_some(), "{item}: {}", answer.text());
    }
    for (name, own) in [("x_get_a", "get_a"), ("x_new", "old")] {
        upstream.forget();
        assert!(call_tool(&stage, "/m", name).text().contains("done"), "{name}");
        assert_eq!(called(&upstream), [own]);
        assert_eq!(upstream.with_method("tools/call")[0].head.field("mcp-name"), Some(own));
    }
    upstream.forget();
    for name in ["x_put_a", "x_get_hidden", "x_old", "get_a", "new", "x_"] {
        explained(name, &call_tool(&stage, "/m", name), -32602);
    }
    assert!(called(&upstream).is_empty());
}

/// An override's time stands in place of the backend's, for its own tool alone and in both eras.
#[test]
fn a_tool_with_a_time_of_its_own() {
    let bell = Arc::new(Bell::default());
    let server = |legacy: bool| {
        let rung = Arc::clone(&bell);
        let script = move |request: &Request, _: &mut Reply<'_>| {
            if request.method() == "tools/call" {
                rung.ring(&request.id());
                rung.wait("go");
            }
            false
        };
        let names = &["short", "long"];
        if legacy { Legacy::new("up", names).start(script) } else { Modern::new(names).start(script) }
    };
    let (legacy, ours) = (server(true), server(false));
    let short = Override { timeout: Some(Duration::from_millis(200)), rename: Some("brief".into()), ..rule("short") };
    let mut parts = [part("one", &legacy, "x"), part("two", &ours, "x")];
    for part in &mut parts {
        part.tools.overrides = vec![short.clone()];
    }
    let [one, two] = parts;
    let stage = Setup::new(&[("/l", &[one]), ("/m", &[two])]).start();
    let session = Session::open(&stage, "/l");
    let mut long = session.connect();
    long.send(&session.message(call(7, "x_long")).bytes());
    let mut long_modern = stage.connect();
    long_modern.send(&modern("/m", "tools/call", Some("x_long"), modern_call(8, "x_long")).bytes());
    bell.wait("7");
    bell.wait("8");
    let begun = Instant::now();
    for answer in [session.call(1, "x_brief"), call_tool(&stage, "/m", "x_brief")] {
        explained("out of time", &answer, -31008);
    }
    assert!(begun.elapsed() >= Duration::from_millis(400), "given up early: {:?}", begun.elapsed());
    bell.ring("go");
    for client in [&mut long, &mut long_modern] {
        assert!(client.answer().unwrap().text().contains("done"), "the others keep the backend's time");
    }
}

/// A clash that ends, because one server drops the name, is served again.
#[test]
fn a_clash_ends_with_its_cause() {
    let gone = Arc::new(Bell::default());
    let told = Arc::clone(&gone);
    let first = Legacy::new("one", &["b_c"]).start(move |request, reply| {
        let (listing, id) = (request.method() == "tools/list", request.id());
        if listing && told.heard("gone", Duration::ZERO) {
            reply.json(format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"tools":[]}}}}"#));
            return true;
        }
        if request.verb == "GET" {
            reply.begin_events();
            told.wait("gone");
            reply.event(r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#);
            reply.peer_closed();
            return true;
        }
        false
    });
    let second = Legacy::new("two", &["c"]).start(|_, _| false);
    let stage = Setup::new(&[("/l", &[part("one", &first, "a"), part("two", &second, "a_b")])]).start();
    let session = Session::open(&stage, "/l");
    let listed = || stage.ask(&list_ask(Some(&session), "/l", "tools/list"));
    assert!(!listed().text().contains("a_b_c"), "{}", listed().text());
    explained("a clash", &session.call(1, "a_b_c"), -32602);
    gone.ring("gone");
    until("the name is one server's again", || listed().text().contains("a_b_c"));
    assert!(session.call(2, "a_b_c").text().contains("done"));
    assert_eq!(called(&second), ["c"]);
    assert_eq!(stage.metric("ringway_list_conflicts"), 0.0);
}
