//! The sizes of messages and their parts: at the limit they pass, one past it they are refused.

use ringway_testkit::friendly::Modern;

use crate::limits::{brief, echo, stage};
use crate::refusals::explained;
use crate::stage::{META, Part, Session, Setup, modern, modern_call, part};

#[test]
fn answers_of_a_backend() {
    const MOST: usize = 60_000;
    fn sized(id: &str, size: usize) -> String {
        let empty = format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"resultType":"complete","x":""}}}}"#);
        let pad = "p".repeat(size - empty.len());
        empty.replace(r#""x":"""#, &format!(r#""x":"{pad}""#))
    }
    let upstream = Modern::new(&["echo"]).start(|request, reply| {
        let (id, text) = (request.id(), request.text());
        let size = if text.contains("-over") { MOST + 1 } else { MOST };
        match () {
            () if text.contains("json-") => reply.json(sized(&id, size)),
            () if text.contains("chunks-") => {
                reply.cut(&[1_000]);
                reply.json_chunked(sized(&id, size).as_bytes());
            }
            () if text.contains("event-") => {
                reply.begin_events();
                // A line is the field's name, the message and the line's end.
                reply.chunk(format!("data:{}\n\n", sized(&id, size - "data:".len())).as_bytes());
                reply.end();
            }
            () => return false,
        }
        true
    });
    let mut limited: Part = part("one", &upstream, "");
    limited.limits.max_response_bytes = MOST;
    let stage = Setup::new(&[("/m", &[limited])]).start();
    for kind in ["json", "chunks", "event"] {
        let ask = |name: &str| stage.ask(&modern("/m", "tools/call", Some(name), modern_call(1, name)));
        let fits = ask(&format!("{kind}-fits"));
        assert!(fits.status == 200 && fits.text().contains("ppp"), "{kind}: {}", brief(&fits));
        let over = ask(&format!("{kind}-over"));
        assert_eq!(over.status, 200, "{kind}: {}", brief(&over));
        explained(kind, &over, -31007);
    }
}

/// What one message may hold, by the defaults: at the limit it is served, one past it is refused.
#[test]
fn parts_of_a_message() {
    let upstream = echo();
    let stage = stage(&upstream, |_| {});
    let session = Session::open(&stage, "/l");
    let argument = |value: String| {
        format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"echo","arguments":{value}}}}}"#)
    };
    let message = |id: &str, method: &str, params: &str| {
        format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{params}}}"#)
    };
    let ones = |count: usize| vec!["1"; count].join(",");
    let keys = |count: usize| (0..count).map(|n| format!(r#""{n}":1"#)).collect::<Vec<_>>().join(",");
    // Message, version, id, method, params, name and the array itself.
    let nodes = |count: usize| argument(format!("[{}]", ones(count - 7)));
    let quoted = |size: usize| format!("\"{}\"", "i".repeat(size - 2));
    let token = |size: usize| format!(r#"{{"name":"echo","_meta":{{"progressToken":{}}}}}"#, quoted(size));
    let name = |size: usize| format!(r#"{{"name":"{}"}}"#, "n".repeat(size));
    let uri = |size: usize| format!(r#"{{"uri":"x:{}"}}"#, "u".repeat(size - 2));
    let rows: [(&str, String, String, u16, i64); 9] = [
        ("depth", argument(nest(126)), argument(nest(127)), 400, -32700),
        ("number", argument(digits(1_024)), argument(digits(1_025)), 400, -32700),
        ("nodes", nodes(200_000), nodes(200_001), 413, -32600),
        ("keys", argument(format!("{{{}}}", keys(10_000))), argument(format!("{{{}}}", keys(10_001))), 413, -32600),
        ("id", message(&quoted(256), "ping", "{}"), message(&quoted(257), "ping", "{}"), 400, -32600),
        ("method", message("1", &"m".repeat(128), "{}"), message("1", &"m".repeat(129), "{}"), 400, -32600),
        ("name", message("1", "tools/call", &name(256)), message("1", "tools/call", &name(257)), 200, -32602),
        ("uri", message("1", "resources/read", &uri(8_192)), message("1", "resources/read", &uri(8_193)), 200, -32602),
        ("token", message("1", "tools/call", &token(256)), message("1", "tools/call", &token(257)), 200, -32602),
    ];
    for (what, fits, over, status, code) in rows {
        upstream.forget();
        let served = session.post(&fits);
        assert_eq!(served.status, 200, "{what}: {}", brief(&served));
        // An unknown method or a server without the thing is told by whoever was asked, not by the limit.
        assert!(!served.text().contains(" at byte "), "{what}: {}", brief(&served));
        upstream.forget();
        let refused = session.post(&over);
        assert_eq!(refused.status, status, "{what}: {}", brief(&refused));
        explained(what, &refused, code);
        assert!(refused.text().contains(" at byte "), "{what}: {}", brief(&refused));
        assert!(upstream.seen().iter().all(|request| request.body != over.as_bytes()), "{what} went on");
    }
}

fn nest(depth: usize) -> String {
    format!("{}1{}", "[".repeat(depth), "]".repeat(depth))
}

fn digits(count: usize) -> String {
    format!("{{\"n\":{}}}", "7".repeat(count))
}

/// The same refusals have their own status in the modern era.
#[test]
fn parts_of_a_modern_message() {
    let upstream = Modern::new(&["echo"]).start(|_, _| false);
    let stage = Setup::new(&[("/m", &[part("one", &upstream, "")])]).start();
    let ask = |size: usize| {
        let name = "n".repeat(size);
        let body = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{{META},"name":"{name}"}}}}"#);
        stage.ask(&modern("/m", "tools/call", Some(&name), body))
    };
    let (fits, over) = (ask(256), ask(257));
    assert_eq!(fits.status, 200, "{}", brief(&fits));
    assert_eq!(over.status, 400, "{}", brief(&over));
    explained("name", &over, -32602);
}
