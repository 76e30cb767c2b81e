//! Header values read back, and no schema, header or body makes the checks panic or disagree with themselves.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ringway_mcp::headers::{
    Routing, check, check_param, decode_value, encode_value, name_value, param_headers, param_value,
};
use ringway_mcp::scan::{Limits, scan};

fuzz_target!(|input: &[u8]| {
    if let Ok(text) = std::str::from_utf8(input) {
        let encoded = encode_value(text);
        assert_eq!(decode_value(encoded.as_bytes()).as_deref(), Ok(text));
    }
    let mut parts = input.splitn(3, |byte| *byte == 0xff);
    let (value, schema) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let body = parts.next().unwrap_or_default();
    let value_text = decode_value(value).map(std::borrow::Cow::into_owned);
    let params = param_headers(schema).unwrap_or_default();
    let Ok(message) = scan(body, &Limits::default()) else { return };
    let headers = Routing { protocol_version: Some(value), method: Some(value), name: Some(value) };
    let _ = check(&message, body, &headers).map_err(|fault| fault.to_string());
    // Headers made from the body agree with it.
    let version = message.meta().and_then(|meta| meta.protocol_version).map(|text| text.text(body).into_owned());
    let method = message.method.map(|(_, name)| name.text(body).into_owned());
    let name = name_value(&message, body).map(|name| encode_value(&name).into_owned());
    if let (Some(version), Some(method)) = (&version, &method)
        && version.trim_matches([' ', '\t']) == version
        && method.trim_matches([' ', '\t']) == method
    {
        let made = Routing {
            protocol_version: Some(version.as_bytes()),
            method: Some(method.as_bytes()),
            name: name.as_deref().map(str::as_bytes),
        };
        assert_eq!(check(&message, body, &made), Ok(()));
    }
    let arguments = message.params.as_ref().and_then(|params| params.arguments);
    for param in &params {
        let made = param_value(body, arguments, param).map(|value| encode_value(&value).into_owned());
        assert_eq!(check_param(made.as_deref().map(str::as_bytes), body, arguments, param), Ok(()));
        if check_param(Some(value), body, arguments, param).is_ok() {
            assert!(value_text.is_ok() && made.is_some());
        }
    }
});
