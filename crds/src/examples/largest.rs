//! Objects at the end of their bounds, or of what etcd holds.
//!
//! The API server's budget for rules at work must not be what refuses them. (What it estimates when a definition is
//! created is another budget, which the definition itself would break.)

use serde_json::{Value, json};

/// Whole objects of the name `largest`. Client-side apply has no room for some of them.
#[must_use]
pub fn largest() -> Vec<Value> {
    let specs = [
        ("MCPBackend", backend()),
        ("MCPRoute", route(40)),
        ("MCPRoute", places()),
        ("ToolPolicy", policy()),
        ("RESTBridge", bridge()),
    ];
    let whole = |(kind, spec)| json!({ "apiVersion": "ringway.dev/v1alpha1", "kind": kind, "metadata": { "name": "largest" }, "spec": spec });
    specs.into_iter().map(whole).collect()
}

/// A name of that many characters that no other number has.
fn name(number: usize, length: usize) -> String {
    format!("{number:03}{}", "x".repeat(length - 3))
}

fn list(length: usize, make: impl Fn(usize) -> Value) -> Value {
    (0..length).map(make).collect()
}

fn map(length: usize, make: impl Fn(usize) -> (String, Value)) -> Value {
    Value::Object((0..length).map(make).collect())
}

fn backend() -> Value {
    json!({
        "url": "https://a.example.com",
        "forwardHeaders": list(32, |i| name(i, 256).into()),
        "claimHeaders": map(32, |i| (format!("y{}", name(i, 255)), name(i, 256).into())),
        "credentials": { "type": "Header", "header": { "name": "z", "secretRef": { "name": "a", "key": "b" } } },
    })
}

fn section(index: usize) -> Value {
    json!({ "name": name(index, 253), "ref": { "name": name(index, 253) }, "prefix": name(index, 63) })
}

/// All sections, with as many overrides as an object has room for.
fn route(overrides: usize) -> Value {
    let backends = list(128, |i| {
        let mut section = section(i);
        section["tools"] = json!({ "override": list(overrides, |j| json!({
            "name": name(j, 64), "rename": name(j, 60), "timeout": "1h1m1s1ms",
        })) });
        section
    });
    json!({ "backends": backends, "authentication": { "anonymous": true } })
}

fn places() -> Value {
    let host = |i: usize| [(); 4].map(|()| name(i, 60)).join(".");
    json!({
        "parentRefs": list(32, |i| json!({
            "name": name(i, 253), "namespace": name(i, 63), "sectionName": name(i, 253), "port": 443,
        })),
        "hostnames": list(16, |i| host(i).into()),
        "path": format!("/{}", name(0, 1023)),
        "backends": [section(0)],
        "authentication": { "anonymous": true },
        "allowedOrigins": list(64, |i| format!("https://{}:65535", host(i)).into()),
    })
}

fn policy() -> Value {
    let rule = |i: usize| {
        json!({
            "name": name(i, 63),
            "action": "Allow",
            "from": list(32, |_| json!({ "issuers": ["a"], "claims": map(16, |k| (name(k, 4), json!(["a"]))) })),
            "to": list(32, |_| json!({ "tools": ["a"], "annotations": { "readOnlyHint": true } })),
        })
    };
    json!({
        "targetRefs": list(16, |i| json!({ "kind": "MCPRoute", "name": name(i, 253), "sectionName": name(i, 253) })),
        "rules": list(64, rule),
        "limits": list(32, |i| json!({
            "name": name(i, 63),
            "concurrency": 1,
            "key": list(4, |k| json!({ "type": "Claim", "claim": name(k, 256) })),
        })),
    })
}

fn bridge() -> Value {
    json!({
        "url": "https://a.example.com",
        "openapi": { "inline": "x".repeat(131_072) },
        "operations": list(256, |_| json!({
            "match": { "tags": ["a"] },
            "action": "Include",
            "hidden": map(32, |k| (format!("header.{}", name(k, 4)), "v".into())),
        })),
        "tools": list(128, |i| json!({
            "name": name(i, 128),
            "request": {
                "method": "GET",
                "path": "/a",
                "query": map(64, |k| (name(k, 4), "v".into())),
                "headers": map(32, |k| (name(k, 4), "v".into())),
            },
            "response": { "maxBytes": "1Mi" },
        })),
    })
}
