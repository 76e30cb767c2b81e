use super::*;
use crate::scan::{Limits, Span, scan};

fn all(body: &str) -> Span {
    Span { start: 0, end: body.len() as u32 }
}

#[test]
fn values_read_back_and_stay_plain_where_they_can() {
    for (value, written) in [
        ("", ""),
        ("get_weather", "get_weather"),
        ("a b\tc", "a b\tc"),
        (" lead", "=?base64?IGxlYWQ=?="),
        ("trail\t", "=?base64?dHJhaWwJ?="),
        ("grün", "=?base64?Z3LDvG4=?="),
        ("a\nb", "=?base64?YQpi?="),
        ("\u{7f}", "=?base64?fw==?="),
        ("=?base64?literal?=", "=?base64?PT9iYXNlNjQ/bGl0ZXJhbD89?="),
        ("=?base64?x", "=?base64?x"),
        ("=?BASE64?eA==?=", "=?BASE64?eA==?="),
    ] {
        assert_eq!(encode_value(value), written);
        assert_eq!(decode_value(written.as_bytes()).as_deref(), Ok(value));
    }
    assert_eq!(decode_value(b" \t foo \t").as_deref(), Ok("foo"));
    assert_eq!(decode_value(b"=?base64?=").as_deref(), Ok("=?base64?="));
    assert_eq!(decode_value(b"=?base64??=").as_deref(), Ok(""));
}

#[test]
fn unreadable_values_are_refused() {
    for (value, fault) in [
        (&b"a\x80"[..], ValueFault::Characters),
        (b"a\x00b", ValueFault::Characters),
        (b"gr\xc3\xbcn", ValueFault::Characters),
        (b"=?base64?a?=", ValueFault::Base64),
        (b"=?base64?eA?=", ValueFault::Base64),
        (b"=?base64?e A==?=", ValueFault::Base64),
        (b"=?base64?_-==?=", ValueFault::Base64),
        (b"=?base64?/w==?=", ValueFault::Utf8),
    ] {
        assert_eq!(decode_value(value), Err(fault), "{}", String::from_utf8_lossy(value));
    }
}

const CALL: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"bar","arguments":{},
    "_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}"#;

fn checked(body: &str, version: Option<&str>, method: Option<&str>, name: Option<&str>) -> Result<(), String> {
    let envelope = scan(body.as_bytes(), &Limits::default()).unwrap();
    let headers = Routing {
        protocol_version: version.map(str::as_bytes),
        method: method.map(str::as_bytes),
        name: name.map(str::as_bytes),
    };
    check(&envelope, body.as_bytes(), &headers).map_err(|fault| fault.to_string())
}

#[test]
fn headers_must_say_what_the_body_says() {
    let call = |version, method, name| checked(CALL, version, method, name);
    let version = Some("2026-07-28");
    assert_eq!(call(version, Some("tools/call"), Some("bar")), Ok(()));
    assert_eq!(call(version, Some(" tools/call\t"), Some("=?base64?YmFy?=")), Ok(()));
    for (got, text) in [
        (
            call(version, Some("tools/call"), Some("foo")),
            "Header mismatch: Mcp-Name header value 'foo' does not match body value 'bar'",
        ),
        (call(version, Some("tools/call"), None), "Header mismatch: required Mcp-Name header is missing"),
        (call(version, None, Some("bar")), "Header mismatch: required Mcp-Method header is missing"),
        (
            call(None, Some("tools/call"), Some("bar")),
            "Header mismatch: required MCP-Protocol-Version header is missing",
        ),
        (
            call(Some("2025-11-25"), Some("tools/call"), Some("bar")),
            "Header mismatch: MCP-Protocol-Version header value '2025-11-25' does not match body value '2026-07-28'",
        ),
        (
            call(version, Some("Tools/Call"), Some("bar")),
            "Header mismatch: Mcp-Method header value 'Tools/Call' does not match body value 'tools/call'",
        ),
        (
            call(version, Some("=?base64?dG9vbHMvY2FsbA==?="), Some("bar")),
            "Header mismatch: Mcp-Method header value '=?base64?dG9vbHMvY2FsbA==?=' does not match body value 'tools/call'",
        ),
        (
            call(version, Some("tools/call"), Some("=?base64?!?=")),
            "Header mismatch: Mcp-Name header value is not valid Base64",
        ),
        (
            call(version, Some("tools/call"), Some("b\u{e9}")),
            "Header mismatch: Mcp-Name header value has invalid characters",
        ),
    ] {
        assert_eq!(got, Err(text.to_owned()));
    }
}

#[test]
fn names_come_from_the_parameter_of_the_method() {
    let body = |method: &str, params: &str| {
        format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{{{params},"_meta":{{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}}}}"#
        )
    };
    for (method, params, name, ok) in [
        ("resources/read", r#""uri":"file:///ä","name":"x""#, Some("=?base64?ZmlsZTovLy/DpA==?="), true),
        ("tasks/get", r#""taskId":"t1""#, Some("t1"), true),
        ("tasks/update", r#""taskId":"t1""#, Some("t2"), false),
        ("tools/list", r#""cursor":"""#, None, true),
        ("tools/call", r#""arguments":{}"#, None, true),
        ("tools/call", r#""arguments":{}"#, Some("x"), false),
        ("tools/call", r#""name":"b\u0061r""#, Some("bar"), true),
    ] {
        let body = body(method, params);
        assert_eq!(checked(&body, Some("2026-07-28"), Some(method), name).is_ok(), ok, "{body}");
    }
    let notification = r#"{"jsonrpc":"2.0","method":"notifications/cancelled"}"#;
    assert_eq!(checked(notification, None, None, None), Ok(()));
}

#[test]
fn long_and_odd_values_are_cut_in_messages() {
    let name = "x".repeat(100);
    let text = checked(CALL, Some("2026-07-28"), Some("tools/call"), Some(&name)).unwrap_err();
    assert!(text.contains(&format!("'{}'", "x".repeat(64))), "{text}");
    let text = checked(CALL, Some("2026-07-28"), Some("tools/call"), Some("=?base64?YQ0KYg==?=")).unwrap_err();
    assert!(text.contains("'a??b'"), "{text}");
}

fn headers(schema: &str) -> Result<Vec<(String, String)>, InvalidAnnotation> {
    let found = param_headers(schema.as_bytes())?;
    Ok(found.into_iter().map(|header| (header.name, header.path.join("/"))).collect())
}

#[test]
fn annotations_are_found_on_chains_of_properties() {
    let schema = r#"{"type":"object","properties":{
        "region":{"type":"string","x-mcp-header":"Region"},
        "opts":{"type":"object","properties":{"n":{"type":"integer","x-mcp-h\u0065ader":"N"}}},
        "x-mcp-header":{"type":"string"},
        "data":{"type":"object","default":{"x-mcp-header":"no"},"const":[{"x-mcp-header":1}]}}}"#;
    let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
    let mut found = headers(schema).unwrap();
    found.sort();
    assert_eq!(found, [pair("N", "opts/n"), pair("Region", "region")]);
    assert_eq!(headers(r#"{"type":"object"}"#), Ok(Vec::new()));
    assert_eq!(headers(r#"{"description":"\u00e4"}"#), Ok(Vec::new()));
}

#[test]
fn broken_annotations_are_refused() {
    use InvalidAnnotation as I;
    let property = |text: &str| headers(&format!(r#"{{"properties":{{"p":{text}}}}}"#));
    assert_eq!(property(r#"{"type":"string","x-mcp-header":""}"#), Err(I::NotToken));
    assert_eq!(property(r#"{"type":"string","x-mcp-header":"a b"}"#), Err(I::NotToken));
    assert_eq!(property(r#"{"type":"string","x-mcp-header":"a\r\nb"}"#), Err(I::NotToken));
    assert_eq!(property(r#"{"type":"string","x-mcp-header":7}"#), Err(I::NotToken));
    assert_eq!(property(r#"{"type":"number","x-mcp-header":"A"}"#), Err(I::Type("A".into())));
    assert_eq!(property(r#"{"x-mcp-header":"A"}"#), Err(I::Type("A".into())));
    for place in [
        r#"{"x-mcp-header":"A","type":"string"}"#,
        r#"{"properties":{"p":{"type":"array","items":{"type":"string","x-mcp-header":"A"}}}}"#,
        r#"{"properties":{"p":{"anyOf":[{"type":"string","x-mcp-header":"A"}]}}}"#,
        r#"{"if":{"properties":{"p":{"type":"string","x-mcp-header":"A"}}}}"#,
        r#"{"$defs":{"p":{"type":"string","x-mcp-header":"A"}}}"#,
        r#"{"patternProperties":{"p":{"type":"string","x-mcp-header":"A"}}}"#,
    ] {
        assert_eq!(headers(place), Err(I::Place), "{place}");
    }
    let twice = r#"{"properties":{"a":{"type":"string","x-mcp-header":"A"},"b":{"type":"string","x-mcp-header":"a"}}}"#;
    assert!(matches!(headers(twice), Err(I::Duplicate(_))));
    assert_eq!(headers(r#"{"x-mcp-header":"#), Err(I::Json));
    let deep = format!("{}{{\"x-mcp-header\":\"A\"}}{}", "{\"not\":".repeat(100), "}".repeat(100));
    assert_eq!(headers(&deep), Err(I::Depth));
}

#[test]
fn param_headers_agree_with_arguments() {
    let param = ParamHeader { name: "X".into(), path: vec!["a".into(), "b".into()] };
    let check = |value: Option<&str>, arguments: &str| {
        check_param(value.map(str::as_bytes), arguments.as_bytes(), Some(all(arguments)), &param)
            .map_err(|fault| fault.to_string())
    };
    for (value, arguments) in [
        (Some("x"), r#"{"a":{"b":"x"}}"#),
        (Some("=?base64?w6Q=?="), r#"{"a":{"b":"\u00e4"}}"#),
        (Some("42"), r#"{"a":{"b":42}}"#),
        (Some("42.0"), r#"{"a":{"b":42}}"#),
        (Some("42"), r#"{"a":{"b":4.2e1}}"#),
        (Some("-0"), r#"{"a":{"b":0}}"#),
        (Some("9007199254740993"), r#"{"a":{"b":9007199254740993}}"#),
        (Some("true"), r#"{"a":{"b":true}}"#),
        (None, r#"{"a":{"b":null}}"#),
        (None, r#"{"a":{}}"#),
        (None, r#"{"a":[]}"#),
        (Some("2"), r#"{"a":{"b":1,"b":2}}"#),
    ] {
        assert_eq!(check(value, arguments), Ok(()), "{value:?} {arguments}");
        if let Some(written) = param_value(arguments.as_bytes(), Some(all(arguments)), &param) {
            assert_eq!(check(Some(&encode_value(&written)), arguments), Ok(()));
        }
    }
    for (value, arguments) in [
        (Some("y"), r#"{"a":{"b":"x"}}"#),
        (Some("43"), r#"{"a":{"b":42}}"#),
        (Some("42x"), r#"{"a":{"b":42}}"#),
        (Some("inf"), r#"{"a":{"b":1e999}}"#),
        (Some("9007199254740992"), r#"{"a":{"b":9007199254740993}}"#),
        (Some("42.0"), r#"{"a":{"b":"42"}}"#),
        (Some("True"), r#"{"a":{"b":true}}"#),
        (Some(""), r#"{"a":{"b":null}}"#),
        (Some("x"), "{}"),
        (None, r#"{"a":{"b":""}}"#),
    ] {
        assert!(check(value, arguments).is_err(), "{value:?} {arguments}");
    }
    assert_eq!(check_param(None, b"", None, &param), Ok(()));
    assert_eq!(
        check(Some("43"), r#"{"a":{"b":42}}"#).unwrap_err(),
        "Header mismatch: Mcp-Param-X header value '43' does not match body value '42'"
    );
}
