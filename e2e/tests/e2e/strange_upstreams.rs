//! Answers that real servers were seen to give: refusals of `server/discover` that all mean "legacy", and errors whose bodies must not pass.

use anyhow::{Context, Result, ensure};
use ringway_e2e::gateway::{Connections, Gateway};
use ringway_e2e::relay::Seen;
use ringway_e2e::scripted::{Say, Scripted};
use ringway_e2e::session::Session;
use ringway_e2e::yaml;
use serde_json::json;

const JSON: &str = "application/json";

super::both_ways! {
    refusals_of_discover_mean_legacy => super::refusals_of_discover_mean_legacy,
    error_bodies_stay_inside => super::error_bodies_stay_inside,
}

fn refusals_of_discover_mean_legacy(connections: Connections) -> Result<()> {
    let refusals = [
        Say(400, JSON, r#"{"jsonrpc":"2.0","id":"server-error","error":{"code":-32600,"message":"Bad Request: Missing session ID"}}"#.into()),
        Say(400, JSON, r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"Bad Request: No valid session ID provided"}}"#.into()),
        Say(400, JSON, r#"{"code":-32601,"message":"unsupported"}"#.into()),
        Say(400, "text/plain", "Bad Request".into()),
        Say(404, "text/html", "<html>not here</html>".into()),
        Say(405, "text/plain", String::new()),
        Say(200, JSON, r#"{"jsonrpc":"2.0","id":1,"result":{"supportedVersions":["2025-11-25","2025-06-18"],"capabilities":{}}}"#.into()),
    ];
    let mut servers = Vec::new();
    for refusal in refusals {
        servers
            .push(Scripted::legacy(move |seen| (seen.method == "server/discover").then(|| with_id(&refusal, seen)))?);
    }
    let names: Vec<_> = (0..servers.len()).map(|number| format!("s{number}")).collect();
    let mut parts: Vec<_> =
        names.iter().zip(&servers).map(|(name, server)| yaml::backend(name, &server.url())).collect();
    let entries: Vec<_> = names.iter().map(|name| (name.as_str(), name.as_str())).collect();
    parts.push(yaml::route("strange", "/mcp", &entries));
    let gateway = Gateway::start(&yaml::documents(&parts), connections)?;
    let mut session = Session::open(gateway.address(), "/mcp", &json!({}))?;
    let tools = session.names("tools/list", "tools")?;
    for name in names {
        ensure!(tools.contains(&format!("{name}_hello")), "{name} was not found to be legacy: {tools:?}");
        let answer = session.request("tools/call", &json!({"name": format!("{name}_hello")}))?;
        ensure!(answer["result"]["content"][0]["text"] == "hello", "{name}: {answer}");
    }
    Ok(())
}

/// The refusal with the request's id where it has a real one.
fn with_id(refusal: &Say, seen: &Seen) -> Say {
    Say(refusal.0, refusal.1, refusal.2.replace(r#""id":1,"#, &format!(r#""id":{},"#, seen.id())))
}

fn error_bodies_stay_inside(connections: Connections) -> Result<()> {
    const SECRET: &str = "com.example.internal.Handler.handle(Handler.java:42)";
    let bodies = [
        Say(500, "text/html", format!("<html><body><pre>{SECRET}</pre></body></html>")),
        Say(502, "text/plain", SECRET.to_owned()),
        Say(500, JSON, json!({"message": "boom", "stackTrace": [{"methodName": SECRET}]}).to_string()),
        Say(200, "text/html", format!("<html>{SECRET}</html>")),
        Say(200, JSON, format!("{{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{SECRET}")),
    ];
    for body in bodies {
        let label = format!("{} {}", body.0, body.1);
        let server = Scripted::legacy(move |seen| (seen.method == "tools/call").then(|| body.clone()))?;
        let config = yaml::documents(&[
            yaml::backend("strange", &server.url()),
            yaml::route("strange", "/mcp", &[("strange", "")]),
        ]);
        let gateway = Gateway::start(&config, connections)?;
        let mut session = Session::open(gateway.address(), "/mcp", &json!({}))?;
        let answer =
            session.request("tools/call", &json!({"name": "hello", "arguments": {}})).with_context(|| label.clone())?;
        ensure!(answer["error"]["code"].is_i64(), "{label}: not an error: {answer}");
        ensure!(!answer.to_string().contains("java"), "{label}: the upstream's internals leak: {answer}");
        // The session is as good as before.
        ensure!(session.names("tools/list", "tools")? == ["hello"], "{label}: the list is gone");
    }
    Ok(())
}
