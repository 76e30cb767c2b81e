//! Which Secrets and ConfigMaps an object names: those and no others are watched and kept.
//!
//! Goes by the shape of references, not by the kinds' schemas, so that no field can be forgotten; what a reference means
//! and whether it is permitted is translation's to say. Naming one too many costs a watch.

use ringway_snapshot::ObjectName;
use serde_json::Value;
use std::collections::BTreeSet;

use super::kind::Kind;

/// [`Kind::Secret`] or [`Kind::ConfigMap`], and which one.
pub type Reference = (Kind, ObjectName);

/// What `data` names, for an object of `namespace`.
#[must_use]
pub fn references(kind: Kind, namespace: &str, data: &Value) -> BTreeSet<Reference> {
    let mut found = BTreeSet::new();
    if matches!(kind, Kind::MCPBackend | Kind::RESTBridge | Kind::MCPRoute | Kind::ToolPolicy | Kind::Gateway) {
        walk(namespace, data.get("spec").unwrap_or(&Value::Null), &mut found);
    }
    found
}

fn walk(namespace: &str, value: &Value, found: &mut BTreeSet<Reference>) {
    match value {
        Value::Object(fields) => {
            for (key, below) in fields {
                if key.ends_with("Ref") || key.ends_with("Refs") {
                    match below {
                        Value::Array(items) => {
                            found.extend(items.iter().filter_map(|item| reference(namespace, key, item)));
                        }
                        one => found.extend(reference(namespace, key, one)),
                    }
                }
                walk(namespace, below, found);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| walk(namespace, item, found)),
        _ => {}
    }
}

fn reference(namespace: &str, key: &str, value: &Value) -> Option<Reference> {
    let text = |field: &str| value.get(field).and_then(Value::as_str);
    let kind = match text("kind") {
        Some("Secret") => Kind::Secret,
        Some("ConfigMap") => Kind::ConfigMap,
        Some(_) => return None,
        None if key == "secretRef" || key.ends_with("SecretRef") || key.ends_with("ertificateRef") => Kind::Secret,
        // Gateway API's `certificateRefs` are Secrets; `caCertificateRefs` and digests are ConfigMaps by default.
        None if key == "certificateRefs" => Kind::Secret,
        None if key.ends_with("onfigMapRef") || key == "caCertificateRefs" || key == "digestsRef" => Kind::ConfigMap,
        None => return None,
    };
    Some((kind, ObjectName::new(text("namespace").unwrap_or(namespace), text("name")?)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn names(kind: Kind, data: &Value) -> Vec<String> {
        references(kind, "tools", data).into_iter().map(|(kind, name)| format!("{kind} {name}")).collect()
    }

    #[test]
    fn references_are_found_wherever_they_stand() {
        let backend = json!({ "spec": {
            "service": { "name": "github", "port": 80 },
            "tls": { "caCertificateRefs": [{ "name": "ca" }, { "kind": "Secret", "name": "ca2" }], "clientCertificateRef": { "name": "client" } },
            "credentials": { "bearer": { "secretRef": { "name": "token", "namespace": "vault", "key": "t" } },
                "oauthClientCredentials": { "clientSecretRef": { "name": "oauth", "key": "s" } } },
            "toolPinning": { "digestsRef": { "name": "digests" } },
        }});
        let expected = [
            "ConfigMap tools/ca",
            "ConfigMap tools/digests",
            "Secret tools/ca2",
            "Secret tools/client",
            "Secret tools/oauth",
            "Secret vault/token",
        ];
        assert_eq!(names(Kind::MCPBackend, &backend), expected);
        let gateway = json!({ "spec": { "listeners": [{ "tls": { "certificateRefs": [{ "name": "tls" }, { "group": "", "kind": "Secret", "name": "t2", "namespace": "certs" }] } }],
            "tls": { "frontend": { "default": { "validation": { "caCertificateRefs": [{ "group": "", "kind": "ConfigMap", "name": "ca" }] } } } } } });
        assert_eq!(names(Kind::Gateway, &gateway), ["ConfigMap tools/ca", "Secret certs/t2", "Secret tools/tls"]);
        let route =
            json!({ "spec": { "parentRefs": [{ "name": "g" }], "backends": [{ "ref": { "name": "github" } }] } });
        assert_eq!(names(Kind::MCPRoute, &route), [""; 0]);
        assert_eq!(names(Kind::Service, &backend), [""; 0], "a foreign kind names nothing of ours");
    }
}
