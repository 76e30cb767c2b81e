//! The CustomResourceDefinitions: names, columns and the schemas of the types.
//!
//! Makes JSON; the files in `crds/manifests` are it as YAML, and a test keeps them so.

use schemars::JsonSchema;
use serde_json::{Map, Value, json};

use crate::schema;
use crate::status::{MCPBackendStatus, MCPRouteStatus, RESTBridgeStatus, ToolPolicyStatus};
use crate::{GROUP, GroupKind, MCPBackendSpec, MCPRouteSpec, RESTBridgeSpec, ToolPolicySpec, VERSION};

/// A kind's CustomResourceDefinition; `None` for kinds that are not Ringway's.
#[must_use]
pub fn of(kind: GroupKind) -> Option<Value> {
    match kind {
        GroupKind::MCPBackend => Some(definition::<MCPBackendSpec, MCPBackendStatus>(kind, &BACKEND)),
        GroupKind::MCPRoute => Some(definition::<MCPRouteSpec, MCPRouteStatus>(kind, &ROUTE)),
        GroupKind::ToolPolicy => Some(definition::<ToolPolicySpec, ToolPolicyStatus>(kind, &POLICY)),
        GroupKind::RESTBridge => Some(definition::<RESTBridgeSpec, RESTBridgeStatus>(kind, &BRIDGE)),
        _ => None,
    }
}

/// What is not in the types.
struct Names {
    singular: &'static str,
    short: &'static str,
    description: &'static str,
    /// Labels beside those of all.
    labels: &'static [(&'static str, &'static str)],
    columns: &'static [Column],
}

struct Column {
    name: &'static str,
    kind: &'static str,
    path: &'static str,
    /// With `-o wide` only.
    is_wide: bool,
}

const BACKEND: Names = Names {
    singular: "mcpbackend",
    short: "mcpbe",
    description: "Where an MCP server is and how to speak to it.",
    labels: &[],
    columns: &[
        Column::text("Transport", ".spec.transport"),
        Column::text("Protocol", ".status.protocolVersions[0]"),
        Column::number("Tools", ".status.tools"),
        Column::text("Ready", r#".status.conditions[?(@.type=="Ready")].status"#),
        Column::text("Reachable", r#".status.conditions[?(@.type=="Reachable")].status"#),
        Column::text("Service", ".spec.service.name").wide(),
        Column::text("URL", ".spec.url").wide(),
        Column::number("Endpoints", ".status.endpoints.ready").wide(),
        Column::AGE,
    ],
};

const ROUTE: Names = Names {
    singular: "mcproute",
    short: "mcprt",
    description: "Many MCP servers behind one URL.",
    labels: &[],
    columns: &[
        Column::text("Hostnames", ".spec.hostnames"),
        Column::text("Path", ".spec.path"),
        Column::number("Backends", ".status.backends"),
        Column::text("Accepted", r#".status.parents[*].conditions[?(@.type=="Accepted")].status"#),
        Column::text("Programmed", r#".status.parents[*].conditions[?(@.type=="Programmed")].status"#),
        Column::text("Ready", r#".status.conditions[?(@.type=="Ready")].status"#).wide(),
        Column::number("Tools", ".status.tools").wide(),
        Column::text("URL", ".status.url").wide(),
        Column::AGE,
    ],
};

const POLICY: Names = Names {
    singular: "toolpolicy",
    short: "toolpol",
    description: "Who may do what.",
    // Gateway API's mark of a policy that reaches below what it targets (GEP-713).
    labels: &[("gateway.networking.k8s.io/policy", "Inherited")],
    columns: &[
        Column::text("Kind", ".spec.targetRefs[0].kind"),
        Column::text("Targets", ".spec.targetRefs[0].name"),
        Column::text("Mode", ".spec.mode"),
        Column::number("Rules", ".status.rules"),
        Column::text("Accepted", r#".status.ancestors[*].conditions[?(@.type=="Accepted")].status"#),
        Column::text("Programmed", r#".status.ancestors[*].conditions[?(@.type=="Programmed")].status"#),
        Column::text("Ready", r#".status.conditions[?(@.type=="Ready")].status"#).wide(),
        Column::AGE,
    ],
};

const BRIDGE: Names = Names {
    singular: "restbridge",
    short: "restbr",
    description: "A REST API as an MCP server.",
    labels: &[],
    columns: &[
        Column::text("Spec", ".spec.openapi.configMapRef.name"),
        Column::number("Tools", ".status.tools"),
        Column::number("Skipped", ".status.skipped"),
        Column::text("Ready", r#".status.conditions[?(@.type=="Ready")].status"#),
        Column::text("Reachable", r#".status.conditions[?(@.type=="Reachable")].status"#).wide(),
        Column::text("Service", ".spec.service.name").wide(),
        Column::text("URL", ".spec.url").wide(),
        Column::AGE,
    ],
};

fn definition<Spec: JsonSchema, Status: JsonSchema>(kind: GroupKind, names: &Names) -> Value {
    let plural = kind.plural();
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": { "name": format!("{plural}.{GROUP}"), "labels": labels(names) },
        "spec": {
            "group": GROUP,
            "names": {
                "kind": kind.kind(),
                "listKind": format!("{kind}List"),
                "plural": plural,
                "singular": names.singular,
                "shortNames": [names.short],
                "categories": ["mcp"],
            },
            "scope": "Namespaced",
            "versions": [{
                "name": VERSION,
                "served": true,
                "storage": true,
                "subresources": { "status": {} },
                "additionalPrinterColumns": names.columns.iter().map(Column::to_json).collect::<Vec<_>>(),
                "schema": { "openAPIV3Schema": object::<Spec, Status>(names) },
            }],
        },
    })
}

fn object<Spec: JsonSchema, Status: JsonSchema>(names: &Names) -> Value {
    let mut status = schema::of::<Status>();
    if let Value::Object(status) = &mut status {
        // Nobody takes an object for ready before its status was written once (kstatus compares generations).
        status.insert("default".into(), json!({ "observedGeneration": -1 }));
    }
    json!({
        "description": names.description,
        "type": "object",
        "required": ["spec"],
        "properties": {
            "apiVersion": { "type": "string" },
            "kind": { "type": "string" },
            "metadata": { "type": "object" },
            "spec": schema::of::<Spec>(),
            "status": status,
        },
    })
}

fn labels(names: &Names) -> Map<String, Value> {
    let all = [
        ("app.kubernetes.io/name", "ringway"),
        ("app.kubernetes.io/part-of", "ringway"),
        // So that `ringway status` can say of which version they are when their schemas are not its own.
        ("app.kubernetes.io/version", env!("CARGO_PKG_VERSION")),
    ];
    all.iter().chain(names.labels).map(|(key, value)| ((*key).to_owned(), (*value).into())).collect()
}

// === impl Column ===

impl Column {
    const AGE: Self = Self { name: "Age", kind: "date", path: ".metadata.creationTimestamp", is_wide: false };

    const fn text(name: &'static str, path: &'static str) -> Self {
        Self { name, kind: "string", path, is_wide: false }
    }

    const fn number(name: &'static str, path: &'static str) -> Self {
        Self { name, kind: "integer", path, is_wide: false }
    }

    const fn wide(self) -> Self {
        Self { is_wide: true, ..self }
    }

    fn to_json(&self) -> Value {
        let mut column = json!({ "name": self.name, "type": self.kind, "jsonPath": self.path });
        if let (Value::Object(column), true) = (&mut column, self.is_wide) {
            column.insert("priority".into(), 1.into());
        }
        column
    }
}
