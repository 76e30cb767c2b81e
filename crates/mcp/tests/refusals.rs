//! What the scanner refuses and why, and what it must let through.
#![expect(clippy::string_slice, reason = "a test may panic, and spans must be at character borders")]

use ringway_mcp::scan::{Class, IdKind, Kind, Limits, Reason, ScanError, batch, scan};
use ringway_mcp::{Envelope, Method};

fn read(body: &str) -> Result<Envelope, ScanError> {
    scan(body.as_bytes(), &Limits::default())
}

fn reason(body: &[u8]) -> Option<Reason> {
    scan(body, &Limits::default()).err().map(|error| error.reason)
}

// A call with `members` after the method.
fn call(members: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call",{members}}}"#)
}

#[test]
fn grammar_is_strict() {
    use Reason as R;
    for (value, wanted) in [
        ("01", R::BadNumber),
        ("-", R::BadNumber),
        ("-a", R::BadNumber),
        ("1.", R::BadNumber),
        ("1.e5", R::BadNumber),
        ("1e", R::BadNumber),
        ("1e+", R::BadNumber),
        ("00", R::BadNumber),
        ("-01", R::BadNumber),
        ("+1", R::Syntax),
        (".5", R::Syntax),
        ("0x1", R::Syntax),
        ("1_0", R::Syntax),
        ("NaN", R::Syntax),
        ("Infinity", R::Syntax),
        ("True", R::Syntax),
        ("nul", R::Syntax),
        ("nullx", R::Syntax),
        ("'a'", R::Syntax),
        ("[1,]", R::Syntax),
        ("[,1]", R::Syntax),
        ("[1 2]", R::Syntax),
        ("[1}", R::Syntax),
        ("{]", R::Syntax),
        ("{\"a\":1,}", R::Syntax),
        ("{a:1}", R::Syntax),
        ("{\"a\" 1}", R::Syntax),
        ("{\"a\":}", R::Syntax),
        ("{1:2}", R::Syntax),
        ("/* c */ 1", R::Syntax),
        ("\u{a0}1", R::Syntax),
        ("\u{c}1", R::Syntax),
        (r#""\x""#, R::BadEscape),
        (r#""\u12G4""#, R::BadEscape),
        (r#""\u123""#, R::BadEscape),
        (r#""a longer string of text with a bad escape \q in it""#, R::BadEscape),
        ("\"a\tb\"", R::ControlCharacter),
        ("\"a\nb\"", R::ControlCharacter),
        ("\"a\0b\"", R::ControlCharacter),
        (
            "\"a longer string of text that goes on beyond the short loop and then has \u{1f} in it\"",
            R::ControlCharacter,
        ),
    ] {
        for body in [call(&format!(r#""params":{{"arguments":{value}}}"#)), call(&format!(r#""x":[{value} ]"#))] {
            assert_eq!(reason(body.as_bytes()), Some(wanted), "{body}");
        }
    }
}

#[test]
fn strings_of_every_length_end_where_they_end() {
    let blocks = (0..80).chain([8190, 8191, 8192, 8193, 8239, 8240, 8241, 16_430, 16_432, 16_433, 70_000]);
    for length in blocks {
        for tail in ["", " ", "                                        "] {
            let text = "x".repeat(length);
            let read = |inside: &str| {
                let key = call(&format!(r#""params":{{"arguments":{{"{inside}":"{inside}"}}}}{tail}"#));
                scan(key.as_bytes(), &Limits::default())
                    .map(|message| message.params.unwrap().arguments.unwrap().len())
                    .map_err(|error| error.reason)
            };
            assert_eq!(read(&text), Ok(2 * length + 7));
            assert_eq!(read(&format!("{text}\\n")), Ok(2 * length + 11));
            assert_eq!(read(&format!("{text}\\\"é")), Ok(2 * length + 15));
            assert_eq!(read(&format!("{text}\u{1f}")), Err(Reason::ControlCharacter));
            assert_eq!(read(&format!("{text}\\x")), Err(Reason::BadEscape));
            assert_eq!(read(&format!("{text}\u{7f}\u{80}")), Ok(2 * length + 13));
        }
    }
}

#[test]
fn bodies_are_checked_as_a_whole() {
    let good = call(r#""params":{"name":"t"}"#);
    for cut in 0..good.len() {
        assert_eq!(reason(&good.as_bytes()[..cut]), Some(Reason::UnexpectedEnd), "{cut}");
    }
    assert_eq!(reason(format!(" \t\r\n{good} \t\r\n").as_bytes()), None);
    assert_eq!(reason(format!("\u{feff}{good}").as_bytes()), Some(Reason::Bom));
    for tail in ["x", "{}", ",", "\0", "]", "\u{feff}"] {
        assert_eq!(reason(format!("{good}{tail}").as_bytes()), Some(Reason::TrailingData), "{tail:?}");
    }
    for broken in [&b"\xff"[..], b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe2\x82"] {
        let mut body = br#"{"jsonrpc":"2.0","id":1,"method":"x","y":""#.to_vec();
        let at = body.len();
        body.extend_from_slice(broken);
        body.extend_from_slice(b"\"}");
        let error = scan(&body, &Limits::default()).unwrap_err();
        assert_eq!((error.reason, error.at, error.class()), (Reason::Utf8, at, Class::Parse));
    }
}

#[test]
fn shapes_that_are_no_message_are_refused() {
    use Reason as R;
    for (body, wanted) in [
        ("1", R::NotObject),
        ("\"x\"", R::NotObject),
        ("null", R::NotObject),
        ("[]", R::Batch),
        (r#"[{"jsonrpc":"2.0","method":"ping"}]"#, R::Batch),
        ("{}", R::Version),
        (r#"{"id":1,"method":"ping"}"#, R::Version),
        (r#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#, R::Version),
        (r#"{"jsonrpc":2.0,"id":1,"method":"ping"}"#, R::Version),
        (r#"{"jsonrpc":"2.0"}"#, R::NoMethod),
        (r#"{"jsonrpc":"2.0","id":1}"#, R::NoMethod),
        (r#"{"jsonrpc":"2.0","id":1,"method":7}"#, R::MethodType),
        (r#"{"jsonrpc":"2.0","id":1,"method":null}"#, R::MethodType),
        (r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#, R::NullId),
        (r#"{"jsonrpc":"2.0","id":1.0,"method":"ping"}"#, R::IdType),
        (r#"{"jsonrpc":"2.0","id":1e3,"method":"ping"}"#, R::IdType),
        (r#"{"jsonrpc":"2.0","id":true,"method":"ping"}"#, R::IdType),
        (r#"{"jsonrpc":"2.0","id":[1],"method":"ping"}"#, R::IdType),
        (r#"{"jsonrpc":"2.0","id":1,"method":"ping","result":{}}"#, R::MethodWithResult),
        (r#"{"jsonrpc":"2.0","id":1,"method":"ping","error":{}}"#, R::MethodWithResult),
        (r#"{"jsonrpc":"2.0","id":1,"result":{},"error":{}}"#, R::ResultWithError),
        (r#"{"jsonrpc":"2.0","id":1,"error":"x"}"#, R::ErrorType),
        (r#"{"jsonrpc":"2.0","id":1,"error":null}"#, R::ErrorType),
        (r#"{"jsonrpc":"2.0","result":{}}"#, R::NoId),
        (r#"{"jsonrpc":"2.0","id":null,"result":{}}"#, R::NullId),
        (r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":null}"#, R::ParamsType),
        (r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":"x"}"#, R::ParamsType),
        (r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":{"_meta":[]}}"#, R::MetaType),
        (r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":{"_meta":{"progressToken":1.5}}}"#, R::ProgressToken),
        (r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":{}}}"#, R::ProgressToken),
    ] {
        assert_eq!(reason(body.as_bytes()), Some(wanted), "{body}");
        assert_ne!(wanted.class(), Class::Parse);
    }
}

#[test]
fn a_key_twice_is_refused_where_parsers_would_disagree() {
    for members in [
        r#""id":2"#,
        r#""method":"tools/list""#,
        r#""m\u0065thod":"tools/list""#,
        r#""jsonrpc":"2.0""#,
        r#""x":1,"x":1"#,
        r#""x":1,"\u0078":2"#,
        r#""params":{},"params":{}"#,
        r#""params":{"name":"a","name":"b"}"#,
        r#""params":{"name":"a","n\u0061me":"b"}"#,
        r#""params":{"arguments":{},"arguments":{}}"#,
        r#""params":{"x":1,"y":2,"x":3}"#,
        r#""params":{"_meta":{},"_meta":{}}"#,
        r#""params":{"_meta":{"progressToken":1,"progressToken":2}}"#,
        r#""params":{"_meta":{"a/b":1,"a\/b":2}}"#,
        r#""params":{"ref":{"type":"ref/prompt","name":"a","name":"b"}}"#,
        r#""params":{"a":1,"b":1,"c":1,"d":1,"e":1,"f":1,"g":1,"h":1,"i":1,"j":1,"\u0061":2}"#,
    ] {
        assert_eq!(reason(call(members).as_bytes()), Some(Reason::DuplicateKey), "{members}");
    }
    for answer in [
        r#"{"jsonrpc":"2.0","id":1,"result":{"isError":true,"isError":false}}"#,
        r#"{"jsonrpc":"2.0","id":1,"error":{"code":1,"code":2,"message":""}}"#,
    ] {
        assert_eq!(reason(answer.as_bytes()), Some(Reason::DuplicateKey), "{answer}");
    }
    // Deeper down it is the receiver's business, and bytes are passed on as they are.
    assert_eq!(reason(call(r#""params":{"arguments":{"a":1,"a":2}}"#).as_bytes()), None);
}

#[test]
fn many_keys_are_compared_without_quadratic_cost() {
    let keys = |n: usize| (0..n).map(|i| format!(r#""k\u0030{i}":1"#)).collect::<Vec<_>>().join(",");
    let start = std::time::Instant::now();
    assert_eq!(reason(call(&keys(9_990)).as_bytes()), None);
    let long = "\\u0041".repeat(30_000);
    let members: Vec<String> = (0..20).map(|i| format!(r#""{long}{i}":1"#)).collect();
    assert_eq!(reason(call(&members.join(",")).as_bytes()), None);
    assert!(start.elapsed().as_secs() < 5);
    let twice = format!("{},\"k{}\":2", keys(5_000), "04999");
    assert_eq!(reason(call(&twice).as_bytes()), Some(Reason::DuplicateKey));
}

#[test]
fn look_alikes_of_envelope_keys_are_refused() {
    let known = ["jsonrpc", "id", "method", "params", "result", "error"];
    for key in known {
        let mut variants = vec![
            key.to_uppercase(),
            format!("{}{}", key[..1].to_uppercase(), &key[1..]),
            format!("{key}\\u0000"),
            format!("\\u0000{key}"),
            format!("{}\\u0000\\u0000{}", &key[..1], &key[1..]),
        ];
        if key.contains('s') {
            variants.extend([key.replace('s', "\u{17f}"), key.replace('s', "\\u017F")]);
        }
        if key.contains('i') {
            variants.extend([key.replace('i', "\u{130}"), key.replace('i', "\u{131}")]);
        }
        for variant in variants {
            let body = call(&format!(r#""{variant}":1"#));
            let error = read(&body).unwrap_err();
            assert_eq!((error.reason, error.class()), (Reason::FoldedKey, Class::Request), "{body}");
        }
    }
    for members in [r#""params":{"Name":"x"}"#, r#""params":{"argument\u017f":{}}"#, r#""params":{"tas\u212aId":""}"#] {
        assert_eq!(reason(call(members).as_bytes()), Some(Reason::FoldedKey), "{members}");
    }
    for key in ["methods", "i", "ids", "params ", "_params", "erro\u{301}r", "idd", "\u{a7}id", "x-method", ""] {
        assert_eq!(reason(call(&format!(r#""{key}":1"#)).as_bytes()), None, "{key}");
    }
}

#[test]
fn limits_hold_at_their_edge() {
    let limits = Limits { depth: 4, nodes: 12, keys_per_object: 4, number_bytes: 5, ..Limits::default() };
    let reason = |value: &str| {
        let body = format!(r#"{{"jsonrpc":"2.0","method":"x","y":{value}}}"#);
        scan(body.as_bytes(), &limits).err().map(|error| error.reason)
    };
    for (value, wanted) in [
        ("[[[]]]", None),
        ("[[[[]]]]", Some(Reason::Depth)),
        (r#"{"a":{"b":[{}]}}"#, Some(Reason::Depth)),
        ("[1,2,3,4,5,6,7,8]", None),
        ("[1,2,3,4,5,6,7,8,9]", Some(Reason::TooManyNodes)),
        (r#"{"a":1,"b":1,"c":1,"d":1}"#, None),
        (r#"{"a":1,"b":1,"c":1,"d":1,"e":1}"#, Some(Reason::TooManyKeys)),
        ("12345", None),
        ("123456", Some(Reason::NumberTooLong)),
        ("-1e10", None),
        ("-1.e10", Some(Reason::BadNumber)),
    ] {
        assert_eq!(reason(value), wanted, "{value}");
    }
    assert_eq!(Reason::TooManyNodes.class(), Class::TooBig);
    let body = r#"{"jsonrpc":"2.0","method":"x","a":1,"b":1,"c":1}"#;
    assert_eq!(scan(body.as_bytes(), &limits).unwrap_err().reason, Reason::TooManyKeys);
}

#[test]
fn names_have_limits() {
    let long = |n: usize| "n".repeat(n);
    for (members, wanted) in [
        (format!(r#""params":{{"name":"{}"}}"#, long(256)), None),
        (format!(r#""params":{{"name":"{}"}}"#, long(257)), Some(Reason::NameTooLong)),
        (format!(r#""params":{{"uri":"{}"}}"#, long(8192)), None),
        (format!(r#""params":{{"uri":"{}"}}"#, long(8193)), Some(Reason::UriTooLong)),
        (format!(r#""params":{{"_meta":{{"progressToken":"{}"}}}}"#, long(254)), None),
        (format!(r#""params":{{"_meta":{{"progressToken":"{}"}}}}"#, long(255)), Some(Reason::ProgressToken)),
    ] {
        assert_eq!(reason(call(&members).as_bytes()), wanted);
    }
    for (id, method, wanted) in
        [(254, 128, None), (255, 1, Some(Reason::IdTooLong)), (1, 129, Some(Reason::MethodTooLong))]
    {
        let body = format!(r#"{{"jsonrpc":"2.0","id":"{}","method":"{}"}}"#, long(id), long(method));
        assert_eq!(reason(body.as_bytes()), wanted);
    }
}

#[test]
fn a_refusal_carries_the_id_that_was_read() {
    let id = |body: &str| read(body).unwrap_err().id.map(|id| body[id.span.range()].to_owned());
    assert_eq!(id(r#"{"jsonrpc":"2.0","id":"a","method":7}"#).as_deref(), Some("\"a\""));
    assert_eq!(id(r#"{"jsonrpc":"2.0","params":7,"method":"x","id":5}"#).as_deref(), Some("5"));
    assert_eq!(id(r#"{"Method":1,"id":5}"#).as_deref(), Some("5"));
    assert_eq!(id(r#"{"jsonrpc":"2.0","id":5,"method":"x","params":{"#).as_deref(), Some("5"));
    assert_eq!(id(r#"{"jsonrpc":"2.0","id":5,"id":6,"method":"x"}"#), None);
    assert_eq!(id(r#"{"jsonrpc":"2.0","method":"x","id":1.5}"#), None);
    // A fault of the grammar wins over one of the shape.
    assert_eq!(read(r#"{"Method":1,"id":5,]"#).unwrap_err().reason, Reason::Syntax);
}

#[test]
fn messages_of_every_kind_are_read() {
    let body = r#" {"params":{"arguments":{"a":[1,{"b":"}"}]},"n\u0061me":"t\u00e4","x":null},"method":"tools\/call","id":12345678901234567890,"jsonrpc":"2.0"} "#;
    let message = read(body).unwrap();
    assert_eq!(message.kind, Kind::Request);
    assert_eq!(message.known_method(), Some(Method::ToolsCall));
    assert_eq!(message.object.members, 4);
    assert_eq!(&body[message.id.unwrap().span.range()], "12345678901234567890");
    let params = message.params.unwrap();
    assert_eq!(params.name.unwrap().text(body.as_bytes()), "tä");
    assert_eq!(&body[params.arguments.unwrap().range()], r#"{"a":[1,{"b":"}"}]}"#);
    assert_eq!(params.object.members, 3);

    let message = read(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#).unwrap();
    assert_eq!((message.kind, message.id), (Kind::Notification, None));

    let body = r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32601,"message":"no","data":{"x":1}}}"#;
    let message = read(body).unwrap();
    assert_eq!((message.kind, message.id.unwrap().kind), (Kind::Response, IdKind::Null));
    let error = message.error.unwrap();
    assert_eq!((error.code, &body[error.data.unwrap().range()]), (Some(-32_601), r#"{"x":1}"#));
    assert!(read(r#"{"jsonrpc":"2.0","error":{"code":1,"message":""}}"#).unwrap().id.is_none());

    let body = r#"{"jsonrpc":"2.0","id":"","result":{"resultType":"task","isError":true,"tools":[],"nextCursor":"","structuredContent":0}}"#;
    let message = read(body).unwrap();
    let result = message.result.unwrap();
    assert!(result.is_error && result.structured_content.is_some() && result.next_cursor.is_some());
    assert_eq!(result.result_type.unwrap().text(body.as_bytes()), "task");
    assert!(!read(r#"{"jsonrpc":"2.0","id":1,"result":null}"#).unwrap().result.unwrap().is_object);
    assert!(!read(&call(r#""params":[1]"#)).unwrap().params.unwrap().is_object);
    for same in [r#""params":{"_meta":{}}"#, r#""params":{}"#, r#""params":{"_meta":null}"#] {
        assert!(read(&call(same)).unwrap().params.unwrap().name.is_none());
    }
}

#[test]
fn lone_surrogates_match_nothing_real() {
    let body = call(r#""params":{"name":"a\ud800\ud83d\ude00\udc00\ud83dz"}"#);
    let message = read(&body).unwrap();
    let name = message.params.unwrap().name.unwrap();
    assert_eq!(name.text(body.as_bytes()), "a\u{fffd}\u{1f600}\u{fffd}\u{fffd}z");
}

#[test]
fn batches_are_split() {
    let split = |body: &str| {
        batch(body.as_bytes(), &Limits::default())
            .map(|spans| spans.iter().map(|span| body[span.range()].to_owned()).collect::<Vec<_>>())
            .map_err(|error| error.reason)
    };
    assert_eq!(split(" [ ] "), Ok(vec![]));
    assert_eq!(split(r#"[{"a":[1,2]} , 3,"x"]"#), Ok(vec![r#"{"a":[1,2]}"#.into(), "3".into(), r#""x""#.into()]));
    assert_eq!(split("{}"), Err(Reason::NotObject));
    assert_eq!(split("[1,]"), Err(Reason::Syntax));
    assert_eq!(split("[1 2]"), Err(Reason::Syntax));
    assert_eq!(split("[1"), Err(Reason::UnexpectedEnd));
    assert_eq!(split("[] []"), Err(Reason::TrailingData));
}
