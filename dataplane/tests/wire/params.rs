//! `Mcp-Param-*`: what a tool's schema maps to a header must say there what it says in the body (modern).

use ringway_testkit::ask::Ask;
use ringway_testkit::client::Answer;
use ringway_testkit::friendly::Modern;
use ringway_testkit::upstream::Upstream;

use crate::limits::brief;
use crate::refusals::explained;
use crate::stage::{META, Setup, Stage, modern, part};

const TOOL: &str = r#"{"name":"query","inputSchema":{"type":"object","properties":{"region":{"type":"string","x-mcp-header":"Region"},"page":{"properties":{"size":{"type":"integer","x-mcp-header":"Page-Size"}}},"dry":{"type":"boolean","x-mcp-header":"Dry"},"free":{"type":"string"}}}}"#;

fn server() -> Upstream {
    Modern::new(&[]).start(|request, reply| {
        let listing = request.method() == "tools/list";
        if listing {
            let id = request.id();
            reply.json(format!(
                r#"{{"jsonrpc":"2.0","id":{id},"result":{{"resultType":"complete","ttlMs":60000,"cacheScope":"private","tools":[{TOOL}]}}}}"#
            ));
        }
        listing
    })
}

/// A gateway that has read the list: without it nobody knows of the mapping.
fn ready(prefix: &str) -> (Upstream, Stage, String) {
    let upstream = server();
    let stage = Setup::new(&[("/m", &[part("one", &upstream, prefix)])]).start();
    let body = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{{{META}}}}}"#);
    let listed = stage.ask(&modern("/m", "tools/list", None, body));
    let name = if prefix.is_empty() { "query".to_owned() } else { format!("{prefix}_query") };
    assert!(listed.text().contains(&format!(r#""name":"{name}""#)), "{}", brief(&listed));
    (upstream, stage, name)
}

fn query(name: &str, arguments: &str) -> Ask {
    let body = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"{name}","arguments":{arguments},{META}}}}}"#
    );
    modern("/m", "tools/call", Some(name), body)
}

type Fields = &'static [(&'static str, &'static str)];

fn with(ask: Ask, fields: Fields) -> Ask {
    fields.iter().fold(ask, |ask, (name, value)| ask.with(name, value))
}

fn refused(what: &str, answer: &Answer) {
    assert_eq!(answer.status, 400, "{what}: {}", brief(answer));
    explained(what, answer, -32020);
}

#[test]
fn headers_that_say_what_the_arguments_say_go_on_as_they_came() {
    let rows: &[(&str, Fields)] = &[
        (r#"{"region":"eu"}"#, &[("Mcp-Param-Region", "eu")]),
        (r#"{"region":"eu"}"#, &[("mcp-param-REGION", "  eu ")]),
        (r#"{"region":"\u00fc ber"}"#, &[("Mcp-Param-Region", "=?base64?w7wgYmVy?=")]),
        (r#"{"page":{"size":42},"dry":true}"#, &[("Mcp-Param-Page-Size", "42"), ("Mcp-Param-Dry", "true")]),
        (r#"{"page":{"size":42.0}}"#, &[("Mcp-Param-Page-Size", "42")]),
        (r#"{"region":null}"#, &[]),
        ("{}", &[]),
        // What no schema maps is nobody's business here.
        (r#"{"free":"x"}"#, &[("Mcp-Param-Other", "y")]),
    ];
    for prefix in ["", "gh"] {
        let (upstream, stage, name) = ready(prefix);
        for (arguments, fields) in rows {
            upstream.forget();
            let answer = stage.ask(&with(query(&name, arguments), fields));
            assert!(answer.text().contains("done"), "{arguments}: {}", brief(&answer));
            let got = upstream.wait_for("the call", |request| request.method() == "tools/call");
            assert_eq!(got.head.field("mcp-name"), Some("query"));
            let sent: Vec<_> =
                got.head.fields.iter().filter(|(name, _)| name.starts_with("mcp-param-")).cloned().collect();
            let wanted: Vec<_> = fields
                .iter()
                .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().as_bytes().to_vec()))
                .collect();
            assert_eq!(sent, wanted, "{arguments}");
        }
    }
}

#[test]
fn headers_that_say_anything_else_reach_no_backend() {
    let rows: &[(&str, &str, Fields)] = &[
        ("wrong", r#"{"region":"eu"}"#, &[("Mcp-Param-Region", "us")]),
        ("wrong case", r#"{"region":"eu"}"#, &[("Mcp-Param-Region", "EU")]),
        ("missing", r#"{"region":"eu"}"#, &[]),
        ("one of two missing", r#"{"region":"eu","dry":false}"#, &[("Mcp-Param-Region", "eu")]),
        ("superfluous", "{}", &[("Mcp-Param-Region", "eu")]),
        ("superfluous for null", r#"{"region":null}"#, &[("Mcp-Param-Region", "null")]),
        ("deeper", r#"{"page":{"size":42}}"#, &[("Mcp-Param-Page-Size", "43")]),
        ("another depth", r#"{"size":42}"#, &[("Mcp-Param-Page-Size", "42")]),
        ("no boolean", r#"{"dry":true}"#, &[("Mcp-Param-Dry", "1")]),
        ("bad Base64", r#"{"region":"eu"}"#, &[("Mcp-Param-Region", "=?base64?!?=")]),
        ("twice", r#"{"region":"eu"}"#, &[("Mcp-Param-Region", "eu"), ("Mcp-Param-Region", "us")]),
        ("twice, the wrong one first", r#"{"region":"eu"}"#, &[("Mcp-Param-Region", "us"), ("Mcp-Param-Region", "eu")]),
    ];
    for prefix in ["", "gh"] {
        let (upstream, stage, name) = ready(prefix);
        for (what, arguments, fields) in rows {
            refused(what, &stage.ask(&with(query(&name, arguments), fields)));
        }
        assert!(upstream.with_method("tools/call").is_empty());
    }
}
